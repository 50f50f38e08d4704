//! Keys as bytes: one form for equal keys.
//!
//! Geode finds an entry by Java's `equals` and `hashCode`; a node without Java finds it by its key's bytes. That is exact
//! where equal objects have equal bytes, once [`canonical`] has removed what writers may choose freely:
//!
//! | keys | equal keys, equal bytes? |
//! |---|---|
//! | strings, in whatever of the four forms | yes |
//! | Boolean, Character, Byte, Short, Integer, Long | yes; Integer 1 and Long 1 are different keys in Java as well |
//! | Float, Double | yes: all NaN are one key, 0.0 and -0.0 are two, as for `Double.equals` |
//! | UUID, BigInteger, BigDecimal, Date, InetAddress, classes | yes; 1.5 and 1.50 are two keys in Java as well |
//! | enum constants by name (101) | yes; by registration (94) only within one registry, and never equal to those by name |
//! | Timestamp | yes, but keys less than a millisecond apart become one |
//! | users' classes with a deterministic `toData` | yes, if it writes just what `equals` compares |
//! | lists, sets, maps | no: Java compares across classes and, for sets and maps, regardless of order |
//! | PDX objects | no: Java compares identity fields, across versions of a class |
//! | Java-serialized objects | only simple ones, with primitive and String fields |
//! | arrays | Java compares their identity, so they are useless as keys anyway |
//!
//! Keys of the lower half work as long as one client writes them always alike. Whole values are compared by
//! [`super::equality`], which does look into them; keys are not, since hashing one would cost a walk for every operation.

use std::borrow::Cow;

use super::encode::{double_bits, float_bits};
use super::{DsCode, StrRef};
use crate::codec::Reader;
use crate::error::DecodeError;

const FIELD: &str = "key";

/// The bytes by which a serialized key is indexed. Borrowed in the common case, that the writer chose them already.
///
/// # Errors
/// If the bytes are empty, of an unknown code, malformed text, or a type of known size with another size.
pub fn canonical(key: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let mut reader = Reader::new(key);
    let code = DsCode::decode(reader.u8(FIELD)?)?;
    let replaced = match code {
        _ if StrRef::is_string(code) => string(code, &mut reader)?,
        DsCode::NullString => vec![DsCode::Null.to_wire()],
        DsCode::Boolean => vec![code.to_wire(), u8::from(reader.bool(FIELD)?)],
        DsCode::Float => {
            let bits = float_bits(f32::from_bits(reader.u32(FIELD)?));
            [&[code.to_wire()][..], &bits.to_be_bytes()].concat()
        }
        DsCode::Double => {
            let bits = double_bits(f64::from_bits(reader.u64(FIELD)?));
            [&[code.to_wire()][..], &bits.to_be_bytes()].concat()
        }
        DsCode::BigInteger => big_integer(&mut reader)?,
        _ => {
            opaque(code, &mut reader)?;
            reader.finish(FIELD)?;
            return Ok(Cow::Borrowed(key));
        }
    };
    reader.finish(FIELD)?;
    Ok(if replaced == key { Cow::Borrowed(key) } else { Cow::Owned(replaced) })
}

fn string(code: DsCode, reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(reader.remaining() + 1);
    StrRef::read_after(code, reader)?.put_canonical(&mut out)?;
    Ok(out)
}

/// Java drops the bytes in front that only repeat the sign.
fn big_integer(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let bytes = reader.byte_array(FIELD)?.ok_or(DecodeError::Invalid { field: FIELD, value: -1 })?;
    let mut out = vec![DsCode::BigInteger.to_wire()];
    super::encode::put_byte_array(minimal(bytes), &mut out);
    Ok(out)
}

/// A two's complement number without the bytes that only repeat the sign.
pub(super) fn minimal(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes {
        match rest {
            [second, ..]
                if (*first == 0) & (second & 0x80 == 0) | (*first == 0xff) & (second & 0x80 != 0) =>
            {
                bytes = rest;
            }
            _ => break,
        }
    }
    bytes
}

/// Keys that are taken as they are. Those of a known size must have it: bytes left over would make a second key of one.
fn opaque(code: DsCode, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let size = match code {
        DsCode::Byte => 1,
        DsCode::Character | DsCode::Short => 2,
        DsCode::Integer => 4,
        DsCode::Long | DsCode::Date | DsCode::Timestamp => 8,
        DsCode::Uuid => 16,
        _ => reader.remaining(),
    };
    reader.bytes(size, FIELD).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(key: &[u8], canonical: &[u8]) {
        assert_eq!(super::canonical(key).as_deref(), Ok(canonical), "{key:02x?}");
        assert!(matches!(super::canonical(canonical), Ok(Cow::Borrowed(_))), "{canonical:02x?} is canonical");
    }

    #[test]
    fn all_forms_of_a_text_are_one_key() {
        is(&[0x57, 0, 1, b'a'], &[0x57, 0, 1, b'a']);
        is(&[0x2a, 0, 1, b'a'], &[0x57, 0, 1, b'a']);
        is(&[0x58, 0, 0, 0, 1, b'a'], &[0x57, 0, 1, b'a']);
        is(&[0x59, 0, 0, 0, 1, 0, b'a'], &[0x57, 0, 1, b'a']);
        is(&[0x57, 0, 1, 0xe9], &[0x2a, 0, 2, 0xc3, 0xa9]);
        is(&[0x2a, 0, 1, 0], &[0x2a, 0, 2, 0xc0, 0x80]);
        is(&[0x45], &[0x29]);
    }

    #[test]
    fn numbers_are_equal_as_in_java() {
        is(&[0x35, 7], &[0x35, 1]);
        is(&[0x3b, 0xff, 0xff, 0xff, 0xff], &[0x3b, 0x7f, 0xc0, 0, 0]);
        is(&[0x3c, 0x7f, 0xf0, 0, 0, 0, 0, 0, 1], &[0x3c, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]);
        is(&[0x3c, 0x80, 0, 0, 0, 0, 0, 0, 0], &[0x3c, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        is(&[0x5f, 3, 0, 1, 0x2c], &[0x5f, 2, 1, 0x2c]);
        is(&[0x5f, 2, 0xff, 0xff], &[0x5f, 1, 0xff]);
        is(&[0x5f, 2, 0, 0xff], &[0x5f, 2, 0, 0xff]);
        is(&[0x39, 0, 0, 0, 1], &[0x39, 0, 0, 0, 1]);
    }

    #[test]
    fn users_classes_are_taken_as_they_are() {
        is(&[0x27, 0x4d, 1, 2, 3], &[0x27, 0x4d, 1, 2, 3]);
        is(&[0x41, 1, 0x2a, 0, 1, b'a'], &[0x41, 1, 0x2a, 0, 1, b'a']);
    }

    #[test]
    fn malformed_keys_are_refused() {
        for key in [&[][..], &[0x00], &[0x57, 0, 2, b'a'], &[0x57, 0, 1, b'a', 0], &[0x39, 0, 0, 0, 1, 0]] {
            assert!(canonical(key).is_err(), "{key:02x?}");
        }
        assert_eq!(canonical(&[0x2a, 0, 1, 0xff]), Err(DecodeError::BadText { field: "string" }));
    }
}
