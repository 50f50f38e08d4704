//! The list of keys in a REGISTER_INTEREST_LIST. Java clients pass on whatever list the application gave them, and Geode
//! has codes for a few classes only; `Arrays.asList` and `List.of`, which everybody uses, are written by Java itself.

use std::borrow::Cow;

use crate::DecodeError;
use crate::codec::Reader;
use crate::message::objects::ObjectList;
use crate::value::{DsCode, java_stream};

/// Reads the keys, serialized one by one.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let code = DsCode::decode(reader.u8("list of keys")?)?;
    match code {
        DsCode::ArrayList | DsCode::LinkedList | DsCode::Vector | DsCode::Stack => {
            let list = ObjectList::read_rest(&mut reader, "list of keys")?;
            Ok(list.iter().map(Cow::Borrowed).collect())
        }
        DsCode::Serializable => {
            let keys = java_stream::collection(reader.rest())?;
            // No entry has such a key.
            let has_null = keys.iter().any(|key| **key == [DsCode::Null.to_wire()]);
            if has_null {
                Err(DecodeError::Opaque { code: code.to_wire() })
            } else {
                Ok(keys.into_iter().map(Cow::Owned).collect())
            }
        }
        other => Err(DecodeError::Invalid { field: "list of keys", value: i64::from(other.to_wire()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list that Java wrote, behind its code.
    fn sample(name: &str) -> Vec<u8> {
        let samples = include_str!("../../value/java_stream/samples.txt");
        let digits = samples.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        [0x2c].into_iter().chain(digits.as_bytes().chunks(2).map(byte)).collect()
    }

    fn keys(name: &str) -> Vec<Vec<u8>> {
        let bytes = sample(name);
        read(&bytes).unwrap().into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn lists_that_java_wrote() {
        let (a, b) = (vec![0x57, 0, 1, b'a'], vec![0x57, 0, 1, b'b']);
        let one = vec![0x39, 0, 0, 0, 1];
        let two = vec![0x3a, 0, 0, 0, 0, 0, 0, 0, 2];
        assert_eq!(keys("arrays-as-list"), [a.clone(), b]);
        assert_eq!(keys("list-of"), [a, one, two]);
        assert_eq!(keys("singleton-list"), [[0x2a, 0, 2, 0xc3, 0xa9]]);
        assert_eq!(keys("unmodifiable-linked"), [[0x39, 0, 0, 0, 7]]);
    }

    #[test]
    fn boxed_primitives_of_all_kinds() {
        let expected = [
            &[0x57, 0, 1, b'k'][..],
            &[0x35, 1],
            &[0x37, 0xff],
            &[0x36, 0, b'c'],
            &[0x38, 0, 2],
            &[0x3b, 0x3f, 0xc0, 0, 0],
            &[0x3c, 0x80, 0, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(keys("unmodifiable-list"), expected);
    }

    #[test]
    fn lists_that_geode_wrote_are_borrowed() {
        for code in [0x41, 0x0a, 0x47, 0x4a] {
            let bytes = [code, 2, 0x57, 0, 1, b'a', 0x39, 0, 0, 0, 1];
            assert_eq!(read(&bytes).unwrap(), [&bytes[2..6], &bytes[6..]]);
            for end in 0..bytes.len() {
                assert!(read(&bytes[..end]).is_err(), "{end} bytes");
            }
        }
        assert!(read(&[0x42, 0]).is_err(), "a set is no list");
    }

    #[test]
    fn what_has_no_known_form_is_refused_by_name_of_its_code() {
        for name in ["list-of-objects", "linked-hash-map", "text", "cycle"] {
            assert_eq!(read(&sample(name)), Err(DecodeError::Opaque { code: 0x2c }), "{name}");
        }
    }

    #[test]
    fn a_long_key_named_again_and_again_is_bounded() {
        let text = [b'x'; 60_000];
        let elements = 1000;
        // Arrays.asList of one text and references to it.
        let mut bytes = sample("arrays-as-list");
        let at = bytes.len() - 12;
        assert_eq!(bytes[at..], [0, 0, 0, 2, 0x74, 0, 1, b'a', 0x74, 0, 1, b'b']);
        bytes.truncate(at);
        bytes.extend((elements as u32).to_be_bytes());
        bytes.push(0x74);
        bytes.extend((text.len() as u16).to_be_bytes());
        bytes.extend(text);
        let handle = handle_of_last_text(&bytes);
        (1..elements).for_each(|_| bytes.extend([0x71, 0, 0x7e, 0, handle]));
        let refused = read(&bytes);
        assert!(
            matches!(refused, Err(DecodeError::TooLarge { field: "java collection", .. })),
            "{:?}",
            refused.map(|k| k.len())
        );
    }

    /// The handle under which the text that was read last goes, found by trying.
    fn handle_of_last_text(list: &[u8]) -> u8 {
        let mut two = list.to_vec();
        let text = two.len() - 60_003;
        two[text - 4..text].copy_from_slice(&[0, 0, 0, 2]);
        let refers = |handle: u8| read(&[&two[..], &[0x71, 0, 0x7e, 0, handle]].concat()).is_ok();
        (0..32).rev().find(|&handle| refers(handle)).unwrap()
    }
}
