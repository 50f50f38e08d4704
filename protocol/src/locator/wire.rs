//! The primitives of locator messages.

use std::fmt;

use bytes::BufMut;

use crate::DecodeError;
use crate::codec::{Reader, text};

const NULL_STRING: u8 = 0x45;
const STRING_BYTES: u8 = 0x57;
const STRING: u8 = 0x2a;

/// Longest host or group name: names in the domain system have at most 255 bytes.
const MAX_NAME: usize = 1024;

/// The address of a server or locator, as it was told; peers compare it by these very words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerLocation {
    /// Name or address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl ServerLocation {
    /// A location.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let invalid = |value| DecodeError::Invalid { field: "server location", value };
        let host = string(reader, "host")?.ok_or(invalid(0))?;
        let port = reader.i32("port")?;
        let port = u16::try_from(port).map_err(|_| invalid(i64::from(port)))?;
        Ok(Self { host, port })
    }

    pub(super) fn write(&self, out: &mut impl BufMut) {
        put_string(out, Some(&self.host));
        out.put_i32(i32::from(self.port));
    }
}

impl fmt::Display for ServerLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A counted list of locations; `None` is Java's null.
pub(super) fn locations(reader: &mut Reader<'_>) -> Result<Option<Vec<ServerLocation>>, DecodeError> {
    let field = "number of locations";
    let count = reader.i32(field)?;
    if count == -1 {
        return Ok(None);
    }
    let count =
        usize::try_from(count).map_err(|_| DecodeError::NegativeLength { field, value: i64::from(count) })?;
    // The shortest location has seven bytes, and no message is longer than the limit.
    let limit = super::MAX_BYTES / 7;
    if count > limit {
        return Err(DecodeError::TooLarge { field, value: count as u64, limit: limit as u64 });
    }
    let mut list = Vec::with_capacity(count.min(reader.remaining() / 7 + 1));
    for _ in 0..count {
        list.push(ServerLocation::read(reader)?);
    }
    Ok(Some(list))
}

pub(super) fn put_locations(out: &mut impl BufMut, list: Option<&[ServerLocation]>) {
    let Some(list) = list else { return out.put_i32(-1) };
    out.put_i32(i32::try_from(list.len()).unwrap_or(i32::MAX));
    for location in list {
        location.write(out);
    }
}

/// A typed string, null included.
pub(super) fn string(reader: &mut Reader<'_>, field: &'static str) -> Result<Option<String>, DecodeError> {
    let bad = DecodeError::BadText { field };
    let text = match reader.u8(field)? {
        NULL_STRING => return Ok(None),
        // Java reads these bytes as Latin-1, every byte a character.
        STRING_BYTES => bounded(reader.utf(field)?, field)?.iter().map(|&byte| char::from(byte)).collect(),
        STRING => text::decode(bounded(reader.utf(field)?, field)?).ok_or(bad)?.into_owned(),
        code => return Err(DecodeError::UnknownCode { code }),
    };
    Ok(Some(text))
}

fn bounded<'a>(bytes: &'a [u8], field: &'static str) -> Result<&'a [u8], DecodeError> {
    if bytes.len() > MAX_NAME {
        return Err(DecodeError::TooLarge { field, value: bytes.len() as u64, limit: MAX_NAME as u64 });
    }
    Ok(bytes)
}

/// Writes a typed string in the form that Java chooses. Names are bounded by their configuration; a longer one is cut.
pub(super) fn put_string(out: &mut impl BufMut, text: Option<&str>) {
    let Some(text) = text else { return out.put_u8(NULL_STRING) };
    let plain = text.bytes().all(|byte| (1..=0x7f).contains(&byte));
    out.put_u8(if plain { STRING_BYTES } else { STRING });
    put_utf(out, text);
}

/// Java's `writeUTF`.
fn put_utf(out: &mut impl BufMut, text: &str) {
    let encoded = text::encode(text);
    let length = encoded.len().min(MAX_NAME);
    out.put_u16(length as u16);
    out.put_slice(encoded.get(..length).unwrap_or_default());
}
