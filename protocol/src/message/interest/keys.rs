//! The list of keys in a REGISTER_INTEREST_LIST. Java clients pass on whatever list the application gave them, and Geode
//! has codes for a few classes only; `Arrays.asList` and `List.of`, which everybody uses, are written by Java itself.

use std::borrow::Cow;

use bytes::BufMut;

use crate::DecodeError;
use crate::codec::Reader;
use crate::message::objects::ObjectList;
use crate::value::java_stream::{Content, Elements, Item, MAX_KEPT_BYTES, Primitive, Stream};
use crate::value::{DsCode, StrRef};

/// What holds a list may be a list within: an unmodifiable list of a list. Nobody wraps more than once or twice.
const MAX_WRAPPED: usize = 8;
/// The most bytes of keys out of a stream of Java's. Without a bound, one long key could be named again and again by its
/// handle, five bytes each.
const MAX_KEY_BYTES: usize = 4 * MAX_KEPT_BYTES;

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
            let stream = Stream::read(&mut reader)?;
            reader.finish("list of keys")?;
            java_list(&stream)
        }
        other => Err(DecodeError::Invalid { field: "list of keys", value: i64::from(other.to_wire()) }),
    }
}

fn java_list<'a>(stream: &Stream<'a>) -> Result<Vec<Cow<'a, [u8]>>, DecodeError> {
    let opaque = DecodeError::Opaque { code: DsCode::Serializable.to_wire() };
    let elements = elements(stream, stream.root(), MAX_WRAPPED).ok_or(opaque)?;
    let mut size = 0;
    let keys = elements.into_iter().map(|element| {
        let key = key(stream, element).ok_or(opaque)?;
        size += key.len();
        match size > MAX_KEY_BYTES {
            true => Err(DecodeError::TooLarge {
                field: "list of keys",
                value: size as u64,
                limit: MAX_KEY_BYTES as u64,
            }),
            false => Ok(Cow::Owned(key)),
        }
    });
    keys.collect()
}

/// The elements of a list of one of the classes that Java's own library makes.
fn elements<'a>(stream: &Stream<'a>, list: Content<'a>, depth: usize) -> Option<Vec<Content<'a>>> {
    const ARRAY: &str = "java.util.Arrays$ArrayList";
    const SINGLETON: &str = "java.util.Collections$SingletonList";
    const UNMODIFIABLE: &str = "java.util.Collections$UnmodifiableList";
    let depth = depth.checked_sub(1)?;
    let class = stream.class_name(list)?;
    match &*class {
        ARRAY => match stream.item(stream.field(list, ARRAY, "a")?)? {
            Item::Array(array) => match &array.elements {
                Elements::Objects(objects) => Some(objects.clone()),
                Elements::Primitive(_) => None,
            },
            _ => None,
        },
        SINGLETON => stream.field(list, SINGLETON, "element").map(|element| vec![element]),
        UNMODIFIABLE | "java.util.Collections$UnmodifiableRandomAccessList" => {
            elements(stream, stream.field(list, UNMODIFIABLE, "list")?, depth)
        }
        "java.util.ArrayList" | "java.util.LinkedList" | "java.util.CollSer" => annotated(stream, list),
        _ => None,
    }
}

/// The objects that a list wrote behind its fields.
fn annotated<'a>(stream: &Stream<'a>, list: Content<'a>) -> Option<Vec<Content<'a>>> {
    let Some(Item::Object(object)) = stream.item(list) else { return None };
    let contents = object.data.iter().flat_map(|data| &data.annotation);
    Some(contents.copied().filter(|content| !matches!(content, Content::Block(_))).collect())
}

/// A key as Geode would write it.
fn key(stream: &Stream<'_>, key: Content<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match stream.item(key)? {
        Item::Text(text) => StrRef::Modified(text).put_canonical(&mut out).ok()?,
        _ => {
            let class = stream.class_name(key)?;
            let Content::Primitive(value) = stream.field(key, &class, "value")? else { return None };
            class.strip_prefix("java.lang.")?;
            put_boxed(value, &mut out);
        }
    }
    Some(out)
}

fn put_boxed(value: Primitive, out: &mut Vec<u8>) {
    let mut code = |code: DsCode| out.put_u8(code.to_wire());
    match value {
        Primitive::Boolean(value) => {
            code(DsCode::Boolean);
            out.put_u8(u8::from(value));
        }
        Primitive::Byte(value) => {
            code(DsCode::Byte);
            out.put_i8(value);
        }
        Primitive::Char(value) => {
            code(DsCode::Character);
            out.put_u16(value);
        }
        Primitive::Short(value) => {
            code(DsCode::Short);
            out.put_i16(value);
        }
        Primitive::Int(value) => {
            code(DsCode::Integer);
            out.put_i32(value);
        }
        Primitive::Long(value) => {
            code(DsCode::Long);
            out.put_i64(value);
        }
        Primitive::Float(value) => {
            code(DsCode::Float);
            out.put_f32(value);
        }
        Primitive::Double(value) => {
            code(DsCode::Double);
            out.put_f64(value);
        }
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
            matches!(refused, Err(DecodeError::TooLarge { field: "list of keys", .. })),
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
