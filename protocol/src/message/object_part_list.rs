//! `ObjectPartList` (fixed id 25): results of queries, by entry a value or an exception.
//!
//! ```text
//!  01 19 | has keys:bool | n:i32 | ( [ key ] is exception:bool ( value | throwable:byte array, text ) ) × n
//! ```

use bytes::BufMut;

use super::objects::{self, check_count, consumed};
use super::value::ValueRef;
use crate::DecodeError;
use crate::codec::Reader;
use crate::value::{put_byte_array, take_object};

const FIXED_ID: [u8; 2] = [0x01, 0x19];

/// One element of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element<'a> {
    /// A serialized value, or a `byte[]`.
    Value(ValueRef<'a>),
    /// Why there is no value.
    Exception {
        /// The serialized throwable.
        object: &'a [u8],
        /// Its text, a serialized string.
        text: &'a [u8],
    },
}

/// A list, checked from end to end when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectPartList<'a> {
    has_keys: bool,
    count: usize,
    bytes: &'a [u8],
}

impl<'a> ObjectPartList<'a> {
    /// Reads a list.
    ///
    /// # Errors
    /// If it is none, or something in it cannot be delimited.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        objects::expect_code(&mut reader, FIXED_ID[0], "part list")?;
        objects::expect_code(&mut reader, FIXED_ID[1], "part list id")?;
        let has_keys = reader.bool("part list")?;
        let count = reader.length(usize::MAX, "part list")?;
        // The smallest element is a mark and an object of one byte.
        check_count(count, reader.remaining() / 2, "part list")?;
        let start = reader.rest();
        for _ in 0..count {
            element(&mut reader, has_keys)?;
        }
        reader.finish("part list")?;
        Ok(Self { has_keys, count, bytes: consumed(start, &reader) })
    }

    /// How many elements there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements, each with its key if the list has keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Option<&'a [u8]>, Element<'a>)> + use<'a> {
        let (mut reader, has_keys) = (Reader::new(self.bytes), self.has_keys);
        // Checked by `decode`: the fallback is never reached.
        let absent = (None, Element::Value(ValueRef::Null));
        (0..self.count).map(move |_| element(&mut reader, has_keys).unwrap_or(absent))
    }
}

/// Writes a list without keys.
pub fn encode<'a, I>(out: &mut impl BufMut, elements: I)
where
    I: IntoIterator<Item = Element<'a>, IntoIter: ExactSizeIterator>,
{
    let elements = elements.into_iter();
    out.put_slice(&FIXED_ID);
    out.put_u8(0);
    out.put_i32(super::parts::count_i32(elements.len()));
    for element in elements {
        match element {
            Element::Value(value) => {
                out.put_u8(0);
                objects::put_value(out, value);
            }
            Element::Exception { object, text } => {
                out.put_u8(1);
                put_byte_array(object, out);
                out.put_slice(text);
            }
        }
    }
}

fn element<'a>(
    reader: &mut Reader<'a>,
    has_keys: bool,
) -> Result<(Option<&'a [u8]>, Element<'a>), DecodeError> {
    let key = match has_keys {
        true => Some(take_object(reader)?),
        false => None,
    };
    let element = match reader.bool("part list element")? {
        false => Element::Value(objects::value(reader)?),
        true => Element::Exception {
            object: reader.byte_array("part list exception")?.unwrap_or_default(),
            text: take_object(reader)?,
        },
    };
    Ok((key, element))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::any_value;

    #[test]
    fn the_sample_of_a_real_server() {
        let bytes = [0x01, 0x19, 0, 0, 0, 0, 2, 0, 0x57, 0, 2, 0x73, 0x32, 0, 0x57, 0, 2, 0x73, 0x31];
        let list = ObjectPartList::decode(&bytes).unwrap();
        let elements: Vec<_> = list.iter().map(|(_, element)| element).collect();
        assert_eq!(elements[0], Element::Value(ValueRef::Object(&[0x57, 0, 2, 0x73, 0x32])));
        let mut out = Vec::new();
        encode(&mut out, elements);
        assert_eq!(out, bytes);
    }

    #[test]
    fn keys_are_kept_apart_and_hostile_counts_refused() {
        let bytes = [0x01, 0x19, 1, 0, 0, 0, 1, 0x57, 0, 1, b'k', 0, 0x29];
        let list = ObjectPartList::decode(&bytes).unwrap();
        let key: &[u8] = &[0x57, 0, 1, b'k'];
        assert_eq!(list.iter().next(), Some((Some(key), Element::Value(ValueRef::Null))));
        for count in [[0x7f, 0xff, 0xff, 0xff], [0xff; 4], [0, 0, 0, 2]] {
            let bytes = [&[0x01, 0x19, 0][..], &count, &[0, 0x29]].concat();
            assert!(ObjectPartList::decode(&bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn there_and_back(values in proptest::collection::vec((any_value(), any::<bool>()), 0..9)) {
            let elements: Vec<_> = values.iter().map(|(value, is_exception)| match is_exception {
                true => Element::Exception { object: &[0x2c], text: &[0x57, 0, 1, b'x'] },
                false => Element::Value(value.get()),
            }).collect();
            let mut bytes = Vec::new();
            encode(&mut bytes, elements.iter().copied());
            let list = ObjectPartList::decode(&bytes).unwrap();
            prop_assert_eq!(list.iter().map(|(_, element)| element).collect::<Vec<_>>(), elements);
            for end in 0..bytes.len() {
                prop_assert!(ObjectPartList::decode(&bytes[..end]).is_err());
            }
        }
    }
}
