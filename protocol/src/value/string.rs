//! Strings: four forms on the wire for one text, chosen as Java chooses.
//!
//! Java's strings are sequences of UTF-16 units, in which a surrogate may stand alone. Such strings travel, are keys and
//! compare unequal, and so a Rust `String` is not enough: [`JavaString`] holds one where it can and the units where it must.

use std::borrow::Cow;
use std::fmt;

use bytes::BufMut;

use super::DsCode;
use crate::codec::{Reader, text};
use crate::error::DecodeError;

const FIELD: &str = "string";
/// The longest text behind a two-byte length.
const SHORT_BYTES: usize = u16::MAX as usize;

/// A string as it stands in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrRef<'a> {
    /// One byte a character: Latin-1, although writers keep to U+0001 to U+007F.
    Latin1(&'a [u8]),
    /// Modified UTF-8.
    Modified(&'a [u8]),
    /// UTF-16, big-endian.
    Utf16(&'a [u8]),
}

impl<'a> StrRef<'a> {
    /// Reads a string with its code; `None` is null, in either of its two forms.
    ///
    /// # Errors
    /// If the bytes end or are no string.
    pub fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, DecodeError> {
        let code = reader.u8(FIELD)?;
        match DsCode::decode(code)? {
            DsCode::NullString | DsCode::Null => Ok(None),
            code if Self::is_string(code) => Self::read_after(code, reader).map(Some),
            _ => Err(DecodeError::Invalid { field: FIELD, value: i64::from(code) }),
        }
    }

    /// Whether a code begins a string that is not null.
    #[must_use]
    pub const fn is_string(code: DsCode) -> bool {
        use DsCode::{HugeString, HugeStringBytes, String, StringBytes};
        matches!(code, String | StringBytes | HugeString | HugeStringBytes)
    }

    /// Reads a string whose code has been read.
    ///
    /// # Errors
    /// If the bytes end, the length is negative or the code is none of a string's.
    pub fn read_after(code: DsCode, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match code {
            DsCode::StringBytes => reader.utf(FIELD).map(Self::Latin1),
            DsCode::String => reader.utf(FIELD).map(Self::Modified),
            DsCode::HugeStringBytes => {
                let length = reader.length(usize::MAX, FIELD)?;
                reader.bytes(length, FIELD).map(Self::Latin1)
            }
            DsCode::HugeString => {
                let units = reader.length(usize::MAX, FIELD)?;
                reader.bytes(units.saturating_mul(2), FIELD).map(Self::Utf16)
            }
            other => Err(DecodeError::Invalid { field: FIELD, value: i64::from(other.to_wire()) }),
        }
    }

    /// The text for humans: a lone surrogate becomes U+FFFD.
    ///
    /// # Errors
    /// If modified UTF-8 is malformed.
    pub fn to_text(self) -> Result<Cow<'a, str>, DecodeError> {
        match self {
            Self::Latin1(bytes) if bytes.is_ascii() => Ok(String::from_utf8_lossy(bytes)),
            Self::Latin1(bytes) => Ok(bytes.iter().copied().map(char::from).collect()),
            Self::Modified(bytes) if !has_supplementary(bytes) => {
                text::decode(bytes).ok_or(DecodeError::BadText { field: FIELD })
            }
            Self::Modified(_) | Self::Utf16(_) => Ok(String::from_utf16_lossy(&self.units()?).into()),
        }
    }

    /// The UTF-16 units, exactly.
    ///
    /// # Errors
    /// If modified UTF-8 is malformed.
    pub fn units(self) -> Result<Vec<u16>, DecodeError> {
        match self {
            Self::Latin1(bytes) => Ok(bytes.iter().copied().map(u16::from).collect()),
            Self::Modified(bytes) => text::utf16_units(bytes).ok_or(DecodeError::BadText { field: FIELD }),
            Self::Utf16(bytes) => {
                let (pairs, _) = bytes.as_chunks::<2>();
                Ok(pairs.iter().map(|&pair| u16::from_be_bytes(pair)).collect())
            }
        }
    }

    /// Writes the string with its code, in the form that a Java writer chooses.
    ///
    /// # Errors
    /// If modified UTF-8 is malformed; nothing has been written then.
    pub fn put_canonical(self, out: &mut impl BufMut) -> Result<(), DecodeError> {
        match self {
            Self::Latin1(bytes) | Self::Modified(bytes) if is_plain(bytes) => put_plain(bytes, out),
            other => put_units(&other.units()?, out),
        }
        Ok(())
    }
}

/// A string as Java knows it: UTF-16 units, of which none needs to make sense.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JavaString(Repr);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Repr {
    Text(String),
    /// Only where no `String` can say it, so that equal strings are equal here.
    Units(Vec<u16>),
}

impl JavaString {
    /// The string of those units.
    #[must_use]
    pub fn from_units(units: Vec<u16>) -> Self {
        match String::from_utf16(&units) {
            Ok(text) => Self(Repr::Text(text)),
            Err(_) => Self(Repr::Units(units)),
        }
    }

    /// The text; `None` if a surrogate stands alone in it.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Text(text) => Some(text),
            Repr::Units(_) => None,
        }
    }

    /// The text, lone surrogates replaced by U+FFFD.
    #[must_use]
    pub fn to_lossy(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Text(text) => Cow::Borrowed(text),
            Repr::Units(units) => Cow::Owned(String::from_utf16_lossy(units)),
        }
    }

    /// Writes the string with its code, as a Java writer would.
    pub fn put(&self, out: &mut impl BufMut) {
        match &self.0 {
            Repr::Text(text) => put_str(text, out),
            Repr::Units(units) => put_units(units, out),
        }
    }
}

impl TryFrom<StrRef<'_>> for JavaString {
    type Error = DecodeError;

    fn try_from(string: StrRef<'_>) -> Result<Self, DecodeError> {
        match string {
            StrRef::Latin1(bytes) | StrRef::Modified(bytes) if is_plain(bytes) => {
                Ok(Self(Repr::Text(String::from_utf8_lossy(bytes).into_owned())))
            }
            other => other.units().map(Self::from_units),
        }
    }
}

impl From<String> for JavaString {
    fn from(text: String) -> Self {
        Self(Repr::Text(text))
    }
}

impl From<&str> for JavaString {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Display for JavaString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_lossy())
    }
}

impl fmt::Debug for JavaString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_lossy())
    }
}

/// Writes text with its code, in the form that a Java writer chooses (`DataSerializer.writeString`).
pub fn put_str(string: &str, out: &mut impl BufMut) {
    if is_plain(string.as_bytes()) {
        put_plain(string.as_bytes(), out);
        return;
    }
    let modified = text::encode(string);
    if modified.len() <= SHORT_BYTES {
        put_modified(&modified, out);
    } else {
        put_huge(string.encode_utf16(), string.encode_utf16().count(), out);
    }
}

/// Writes a string that may be null, where a string is due.
pub fn put_optional(string: Option<&JavaString>, out: &mut impl BufMut) {
    match string {
        Some(string) => string.put(out),
        None => out.put_u8(DsCode::NullString.to_wire()),
    }
}

/// Whether every byte is one of U+0001 to U+007F, for which all encodings but UTF-16 agree.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (0x01..=0x7f).contains(byte))
}

/// Whether bytes hold a four-byte form, which modified UTF-8 has not.
fn has_supplementary(bytes: &[u8]) -> bool {
    bytes.iter().any(|&byte| byte >= 0xf0)
}

fn put_plain(bytes: &[u8], out: &mut impl BufMut) {
    match u16::try_from(bytes.len()) {
        Ok(length) => {
            out.put_u8(DsCode::StringBytes.to_wire());
            out.put_u16(length);
        }
        Err(_) => {
            out.put_u8(DsCode::HugeStringBytes.to_wire());
            out.put_i32(super::length_i32(bytes.len()));
        }
    }
    out.put_slice(bytes);
}

fn put_units(units: &[u16], out: &mut impl BufMut) {
    let plain = units.iter().all(|unit| (0x01..=0x7f).contains(unit));
    // Three bytes at most for each unit: no need to encode what is certainly too long.
    let modified = (units.len() <= SHORT_BYTES || plain).then(|| text::encode_units(units.iter().copied()));
    match modified {
        Some(bytes) if plain => put_plain(&bytes, out),
        Some(bytes) if bytes.len() <= SHORT_BYTES => put_modified(&bytes, out),
        _ => put_huge(units.iter().copied(), units.len(), out),
    }
}

fn put_modified(bytes: &[u8], out: &mut impl BufMut) {
    out.put_u8(DsCode::String.to_wire());
    // Callers have compared with SHORT_BYTES.
    out.put_u16(bytes.len() as u16);
    out.put_slice(bytes);
}

fn put_huge(units: impl Iterator<Item = u16>, count: usize, out: &mut impl BufMut) {
    out.put_u8(DsCode::HugeString.to_wire());
    out.put_i32(super::length_i32(count));
    for unit in units {
        out.put_u16(unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        put_str(text, &mut out);
        let mut again = Vec::new();
        put_units(&text.encode_utf16().collect::<Vec<_>>(), &mut again);
        assert_eq!(out, again, "both writers choose alike");
        let read = StrRef::read(&mut Reader::new(&out)).unwrap().unwrap();
        assert_eq!(read.to_text().unwrap(), text);
        out
    }

    #[test]
    fn the_samples_of_a_real_client() {
        assert_eq!(written("a"), [0x57, 0, 1, 0x61]);
        assert_eq!(written(""), [0x57, 0, 0]);
        assert_eq!(written("é"), [0x2a, 0, 2, 0xc3, 0xa9]);
        assert_eq!(written("\0"), [0x2a, 0, 2, 0xc0, 0x80]);
        assert_eq!(written("\u{1f600}"), [0x2a, 0, 6, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]);
    }

    #[test]
    fn forms_change_where_java_changes_them() {
        assert_eq!(written(&"a".repeat(65535))[..3], [0x57, 0xff, 0xff]);
        assert_eq!(written(&"a".repeat(65536))[..6], [0x58, 0, 1, 0, 0, 0x61]);
        assert_eq!(written(&"é".repeat(32767))[..3], [0x2a, 0xff, 0xfe]);
        assert_eq!(written(&"é".repeat(32768))[..7], [0x59, 0, 0, 0x80, 0, 0, 0xe9]);
    }

    #[test]
    fn every_form_of_a_text_has_one_canonical_form() {
        let forms: [StrRef<'_>; 3] =
            [StrRef::Latin1(b"\xe9"), StrRef::Modified(b"\xc3\xa9"), StrRef::Utf16(b"\0\xe9")];
        for form in forms {
            let mut out = Vec::new();
            form.put_canonical(&mut out).unwrap();
            assert_eq!(out, [0x2a, 0, 2, 0xc3, 0xa9]);
            assert_eq!(JavaString::try_from(form), Ok("é".into()));
        }
    }

    #[test]
    fn lone_surrogates_stay_apart() {
        let [high, low] = [0xd83d, 0xde00].map(|unit| JavaString::from_units(vec![unit]));
        assert_ne!(high, low);
        assert_eq!(high.as_str(), None);
        assert_eq!(high.to_string(), "\u{fffd}");
        let mut out = Vec::new();
        high.put(&mut out);
        assert_eq!(out, [0x2a, 0, 3, 0xed, 0xa0, 0xbd]);
        let read = StrRef::read(&mut Reader::new(&out)).unwrap().unwrap();
        assert_eq!(JavaString::try_from(read), Ok(high));
        assert_eq!(JavaString::from_units(vec![0xd83d, 0xde00]), "\u{1f600}".into());
    }

    #[test]
    fn malformed_and_missing_strings() {
        let read = |bytes: &[u8]| StrRef::read(&mut Reader::new(bytes)).map(|string| string.is_some());
        assert_eq!(read(&[0x45]), Ok(false));
        assert_eq!(read(&[0x29]), Ok(false));
        assert!(read(&[0x39, 0, 0, 0, 1]).is_err());
        assert!(read(&[0x59, 0x7f, 0xff, 0xff, 0xff]).is_err());
        assert!(read(&[0x58, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(StrRef::Modified(&[0xf0, 0x9f, 0x98, 0x80]).to_text().is_err());
    }
}
