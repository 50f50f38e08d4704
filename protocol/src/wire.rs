//! What handshakes and logins share: strings that matter only as text, and properties.

use std::borrow::Cow;

use bytes::BufMut;

use crate::auth::Credentials;
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::value::{StrRef, put_array_length, put_str};

/// The most properties that anybody may show. Geode clients send one to three.
pub(crate) const MAX_PROPERTIES: usize = 64;

const NULL: u8 = 0x29;
const BYTE_ARRAY: u8 = 0x2e;

/// Reads a string with its code; `None` is null.
pub(crate) fn read_str<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
) -> Result<Option<Cow<'a, str>>, DecodeError> {
    let string = StrRef::read(reader).map_err(|error| named(error, field))?;
    string.map(StrRef::to_text).transpose().map_err(|error| named(error, field))
}

/// Says which string was wrong: the codes of all strings are alike.
fn named(error: DecodeError, field: &'static str) -> DecodeError {
    match error {
        DecodeError::Truncated { needed, left, .. } => DecodeError::Truncated { field, needed, left },
        DecodeError::BadText { .. } => DecodeError::BadText { field },
        DecodeError::Invalid { value, .. } => DecodeError::Invalid { field, value },
        other => other,
    }
}

/// Reads bare `Properties`; `None` is null. Properties without a value are left out.
pub(crate) fn read_properties(reader: &mut Reader<'_>) -> Result<Option<Credentials>, DecodeError> {
    let Some(count) = reader.array_length("number of credentials")? else { return Ok(None) };
    if count > MAX_PROPERTIES {
        return Err(DecodeError::TooLarge {
            field: "number of credentials",
            value: count as u64,
            limit: MAX_PROPERTIES as u64,
        });
    }
    let mut credentials = Credentials::new();
    for _ in 0..count {
        let name = read_str(reader, "name of a credential")?;
        let value = read_property(reader)?;
        if let (Some(name), Some(value)) = (name, value) {
            credentials.insert(name, value);
        }
    }
    Ok(Some(credentials))
}

/// A property's value: text, or a byte array that holds text, as a provider may put there.
fn read_property<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, DecodeError> {
    const FIELD: &str = "value of a credential";
    match reader.rest().first() {
        Some(&NULL) => reader.u8(FIELD).map(|_| None),
        Some(&BYTE_ARRAY) => {
            reader.u8(FIELD)?;
            let Some(bytes) = reader.byte_array(FIELD)? else { return Ok(None) };
            let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::BadText { field: FIELD })?;
            Ok(Some(Cow::Borrowed(text)))
        }
        _ => read_str(reader, FIELD),
    }
}

/// Writes bare `Properties`.
pub(crate) fn put_properties(credentials: &Credentials, out: &mut impl BufMut) {
    put_array_length(Some(credentials.len()), out);
    for (name, value) in credentials.iter() {
        put_str(name, out);
        put_str(value, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Credentials>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let credentials = read_properties(&mut reader)?;
        reader.finish("credentials")?;
        Ok(credentials)
    }

    #[test]
    fn null_values_and_byte_arrays() {
        assert_eq!(read(&[0xff]), Ok(None));
        assert_eq!(read(&[1, 0x57, 0, 1, b'k', 0x29]), Ok(Some(Credentials::new())));
        assert_eq!(read(&[1, 0x57, 0, 1, b'k', 0x45]), Ok(Some(Credentials::new())));
        let bytes = [1, 0x57, 0, 1, b'k', 0x2e, 2, b'o', b'k'];
        assert_eq!(read(&bytes), Ok(Some(Credentials::new().with("k", "ok"))));
        assert_eq!(
            read(&[1, 0x57, 0, 1, b'k', 0x2e, 1, 0xff]),
            Err(DecodeError::BadText { field: "value of a credential" })
        );
    }

    #[test]
    fn hostile_counts_and_lengths_are_refused_before_anything_is_reserved() {
        assert!(matches!(read(&[0xfd, 0x7f, 0xff, 0xff, 0xff]), Err(DecodeError::TooLarge { .. })));
        assert!(matches!(read(&[0xfd, 0xff, 0xff, 0xff, 0xff]), Err(DecodeError::NegativeLength { .. })));
        assert!(matches!(read(&[1, 0x58, 0x7f, 0xff, 0xff, 0xff]), Err(DecodeError::Truncated { .. })));
        assert!(read(&[1, 0x58, 0xff, 0xff, 0xff, 0xff]).is_err());
    }

    proptest! {
        #[test]
        fn any_credentials_there_and_back(pairs in proptest::collection::vec(any::<(String, String)>(), 0..5)) {
            let credentials = pairs.into_iter().fold(Credentials::new(), |all, (name, value)| all.with(name, value));
            let mut out = Vec::new();
            put_properties(&credentials, &mut out);
            for end in 0..out.len() {
                prop_assert!(read(&out[..end]).is_err());
            }
            prop_assert_eq!(read(&out), Ok(Some(credentials)));
        }
    }
}
