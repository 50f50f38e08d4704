//! Serialized objects one behind another, without lengths of their own: keys of a getAll, a keySet, values of a list.

use bytes::BufMut;

use super::value::{NULL_OBJECT, ValueRef};
use crate::DecodeError;
use crate::codec::Reader;
use crate::value::{put_array_length, put_byte_array, skip_object, take_object};

const OBJECT_ARRAY: u8 = 0x34;
const CLASS: u8 = 0x2b;
const ARRAY_LIST: u8 = 0x41;
const BYTE_ARRAY: u8 = 0x2e;
const OBJECT_CLASS: &[u8] = b"java.lang.Object";

/// Objects one behind another, walked once when the message was decoded, so that going over them cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ObjectList<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> ObjectList<'a> {
    /// Takes `count` objects.
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        count: usize,
        field: &'static str,
    ) -> Result<Self, DecodeError> {
        // The smallest object is one byte.
        check_count(count, reader.remaining(), field)?;
        let start = reader.rest();
        for _ in 0..count {
            skip_object(reader)?;
        }
        Ok(Self { count, bytes: consumed(start, reader) })
    }

    /// Reads an `Object[]`.
    pub(crate) fn read_array(bytes: &'a [u8], field: &'static str) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        expect_code(&mut reader, OBJECT_ARRAY, field)?;
        let count = reader.array_length(field)?.unwrap_or(0);
        expect_code(&mut reader, CLASS, field)?;
        skip_object(&mut reader)?;
        let list = Self::read(&mut reader, count, field)?;
        reader.finish(field)?;
        Ok(list)
    }

    /// Reads an `ArrayList`.
    pub(crate) fn read_list(bytes: &'a [u8], field: &'static str) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        expect_code(&mut reader, ARRAY_LIST, field)?;
        Self::read_rest(&mut reader, field)
    }

    /// Reads what stands behind the code of any collection: a count and the elements, which must be all that is left.
    pub(crate) fn read_rest(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        let count = reader.array_length(field)?.unwrap_or(0);
        let list = Self::read(reader, count, field)?;
        reader.finish(field)?;
        Ok(list)
    }

    /// How many objects there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The objects, in order.
    #[must_use]
    pub const fn iter(&self) -> Objects<'a> {
        Objects { left: self.count, reader: Reader::new(self.bytes) }
    }
}

impl<'a> IntoIterator for ObjectList<'a> {
    type Item = &'a [u8];
    type IntoIter = Objects<'a>;

    fn into_iter(self) -> Objects<'a> {
        self.iter()
    }
}

/// Goes over an [`ObjectList`].
#[derive(Debug, Clone)]
pub struct Objects<'a> {
    left: usize,
    reader: Reader<'a>,
}

impl<'a> Iterator for Objects<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        take_object(&mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Objects<'_> {}

/// Writes the head of an `Object[]`; its elements follow.
pub(crate) fn begin_array(out: &mut impl BufMut, count: usize) {
    out.put_u8(OBJECT_ARRAY);
    put_array_length(Some(count), out);
    out.put_u8(CLASS);
    put_class_name(out, OBJECT_CLASS);
}

/// Writes the head of an `ArrayList`; its elements follow.
pub(crate) fn begin_list(out: &mut impl BufMut, count: usize) {
    out.put_u8(ARRAY_LIST);
    put_array_length(Some(count), out);
}

/// Writes a class name behind its string code.
pub(crate) fn put_class_name(out: &mut impl BufMut, name: &[u8]) {
    out.put_u8(0x57);
    out.put_u16(name.len() as u16);
    out.put_slice(name);
}

/// Compares a count with the bytes that are left before anything is reserved for it.
pub(crate) fn check_count(count: usize, limit: usize, field: &'static str) -> Result<(), DecodeError> {
    if count > limit {
        return Err(DecodeError::TooLarge { field, value: count as u64, limit: limit as u64 });
    }
    Ok(())
}

/// What `reader` took since it stood at `start`.
pub(crate) fn consumed<'a>(start: &'a [u8], reader: &Reader<'_>) -> &'a [u8] {
    start.get(..start.len().saturating_sub(reader.remaining())).unwrap_or_default()
}

/// Reads one byte, which must be `code`.
pub(crate) fn expect_code(reader: &mut Reader<'_>, code: u8, field: &'static str) -> Result<(), DecodeError> {
    match reader.u8(field)? {
        found if found == code => Ok(()),
        found => Err(DecodeError::Invalid { field, value: i64::from(found) }),
    }
}

/// Cuts one object off the front and takes it for a value, which has a form of its own for a `byte[]`.
pub(crate) fn value<'a>(reader: &mut Reader<'a>) -> Result<ValueRef<'a>, DecodeError> {
    to_value(take_object(reader)?)
}

/// A value from its object.
pub(crate) fn to_value(object: &[u8]) -> Result<ValueRef<'_>, DecodeError> {
    let mut reader = Reader::new(object);
    match object.first() {
        None | Some(0x29) => Ok(ValueRef::Null),
        Some(&BYTE_ARRAY) => {
            reader.u8("byte array")?;
            let bytes = reader.byte_array("byte array")?;
            reader.finish("byte array")?;
            Ok(bytes.map_or(ValueRef::Null, ValueRef::Bytes))
        }
        Some(_) => Ok(ValueRef::Object(object)),
    }
}

/// Writes a value as an object.
pub(crate) fn put_value(out: &mut impl BufMut, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.put_slice(NULL_OBJECT),
        ValueRef::Object(object) => out.put_slice(object),
        ValueRef::Bytes(bytes) => {
            out.put_u8(BYTE_ARRAY);
            put_byte_array(bytes, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_captured_get_all() {
        let mut bytes = Vec::new();
        begin_array(&mut bytes, 2);
        bytes.extend([0x57, 0, 1, b'a', 0x39, 0, 0, 0, 3]);
        assert_eq!(&bytes[..7], [0x34, 2, 0x2b, 0x57, 0, 0x10, b'j']);
        let list = ObjectList::read_array(&bytes, "keys").unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), [&[0x57, 0, 1, b'a'][..], &[0x39, 0, 0, 0, 3]]);
        for end in 0..bytes.len() {
            assert!(ObjectList::read_array(&bytes[..end], "keys").is_err(), "{end} bytes");
        }
        bytes.push(0);
        assert!(matches!(ObjectList::read_array(&bytes, "keys"), Err(DecodeError::LeftOver { .. })));
    }

    #[test]
    fn a_count_above_what_is_there_is_refused_at_once() {
        let bytes = [0x41, 0xfd, 0x7f, 0xff, 0xff, 0xff, 0x29];
        assert_eq!(
            ObjectList::read_list(&bytes, "keys"),
            Err(DecodeError::TooLarge { field: "keys", value: 0x7fff_ffff, limit: 1 })
        );
        assert!(ObjectList::read_list(&[0x41, 0xfd, 0xff, 0xff, 0xff, 0xff], "keys").is_err());
    }
}
