//! Collections and maps that Java's own library wrote, by their elements.
//!
//! Geode has codes for a few classes only. `Arrays.asList`, `List.of`, `Set.of`, `LinkedHashMap` and what `Collections` wraps,
//! which everybody uses, come as streams of Java's.

use bytes::BufMut;

use super::{Array, Content, Elements, Item, MAX_KEPT_BYTES, Primitive, Stream};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::value::{DsCode, StrRef};

/// What holds a collection may be a collection within: an unmodifiable list of a list. Nobody wraps more than once or twice.
const MAX_WRAPPED: usize = 8;
/// The most bytes of elements out of one stream. Without a bound, one long text could be named again and again by its
/// handle, five bytes each.
const MAX_ELEMENT_BYTES: usize = 4 * MAX_KEPT_BYTES;

const FIELD: &str = "java collection";
const OPAQUE: DecodeError = DecodeError::Opaque { code: DsCode::Serializable.to_wire() };

/// A key and a value of a map, each as Geode would write it, if it can be written.
pub type JavaEntry = (Vec<u8>, Option<Vec<u8>>);

/// The elements of a list or a set that fills `stream`, each as Geode would write it.
///
/// # Errors
/// If the bytes are no stream, hold something else, or an element is neither text nor a boxed primitive.
pub fn collection(stream: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
    let stream = whole(stream)?;
    let elements = elements(&stream, stream.root(), false, MAX_WRAPPED).ok_or(OPAQUE)?;
    let mut budget = MAX_ELEMENT_BYTES;
    let written = elements.into_iter().map(|element| {
        let element = written(&stream, element).ok_or(OPAQUE)?;
        spend(&mut budget, element.len())?;
        Ok(element)
    });
    written.collect()
}

/// The entries of a map that fills `stream`, keys and values as Geode would write them. Entries with a key that is neither
/// text nor a boxed primitive are left out; of such a value there is none.
///
/// # Errors
/// If the bytes are no stream, or hold something else.
pub fn map(stream: &[u8]) -> Result<Vec<JavaEntry>, DecodeError> {
    let stream = whole(stream)?;
    let contents = elements(&stream, stream.root(), true, MAX_WRAPPED).ok_or(OPAQUE)?;
    let mut budget = MAX_ELEMENT_BYTES;
    let (pairs, _) = contents.as_chunks::<2>();
    let mut entries = Vec::with_capacity(pairs.len());
    for &[key, value] in pairs {
        let (Some(key), value) = (written(&stream, key), written(&stream, value)) else { continue };
        spend(&mut budget, key.len() + value.as_ref().map_or(0, Vec::len))?;
        entries.push((key, value));
    }
    Ok(entries)
}

fn whole(stream: &[u8]) -> Result<Stream<'_>, DecodeError> {
    let mut reader = Reader::new(stream);
    let stream = Stream::read(&mut reader)?;
    reader.finish(FIELD)?;
    Ok(stream)
}

fn spend(budget: &mut usize, bytes: usize) -> Result<(), DecodeError> {
    let limit = MAX_ELEMENT_BYTES as u64;
    let too_large = DecodeError::TooLarge { field: FIELD, value: limit + bytes as u64, limit };
    *budget = budget.checked_sub(bytes).ok_or(too_large)?;
    Ok(())
}

/// The elements of a collection of one of the classes that Java's own library makes; of a map, keys and values in turn.
fn elements<'a>(
    stream: &Stream<'a>,
    of: Content<'a>,
    is_map: bool,
    depth: usize,
) -> Option<Vec<Content<'a>>> {
    let depth = depth.checked_sub(1)?;
    let class = stream.class_name(of)?;
    let within = |class, field| elements(stream, stream.field(of, class, field)?, is_map, depth);
    match (class.strip_prefix("java.util.")?, is_map) {
        ("Arrays$ArrayList", false) => array(stream, stream.field(of, &class, "a")?),
        ("Collections$SingletonList" | "Collections$SingletonSet", false) => {
            stream.field(of, &class, "element").map(|element| vec![element])
        }
        ("Collections$UnmodifiableList" | "Collections$UnmodifiableRandomAccessList", false) => {
            within("java.util.Collections$UnmodifiableList", "list")
        }
        ("Collections$UnmodifiableSet" | "Collections$UnmodifiableCollection", false) => {
            within("java.util.Collections$UnmodifiableCollection", "c")
        }
        ("Collections$UnmodifiableMap", true) => within("java.util.Collections$UnmodifiableMap", "m"),
        ("ArrayList" | "LinkedList" | "HashSet" | "LinkedHashSet", false) => annotated(stream, of),
        ("HashMap" | "LinkedHashMap", true) => annotated(stream, of),
        // `List.of`, `Set.of` and `Map.of`, which the lowest byte of the tag tells apart.
        ("CollSer", _) => match stream.field(of, &class, "tag")? {
            Content::Primitive(Primitive::Int(tag)) if (tag & 0xff == 3) == is_map => annotated(stream, of),
            _ => None,
        },
        _ => None,
    }
}

fn array<'a>(stream: &Stream<'a>, array: Content<'a>) -> Option<Vec<Content<'a>>> {
    match stream.item(array)? {
        Item::Array(Array { elements: Elements::Objects(objects), .. }) => Some(objects.clone()),
        _ => None,
    }
}

/// The objects that a collection wrote behind its fields.
fn annotated<'a>(stream: &Stream<'a>, collection: Content<'a>) -> Option<Vec<Content<'a>>> {
    let Some(Item::Object(object)) = stream.item(collection) else { return None };
    let contents = object.data.iter().flat_map(|data| &data.annotation);
    Some(contents.copied().filter(|content| !matches!(content, Content::Block(_))).collect())
}

/// An element as Geode would write it.
fn written(stream: &Stream<'_>, element: Content<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    if element == Content::Null {
        return Some(vec![DsCode::Null.to_wire()]);
    }
    match stream.item(element)? {
        Item::Text(text) => StrRef::Modified(text).put_canonical(&mut out).ok()?,
        _ => {
            let class = stream.class_name(element)?;
            let Content::Primitive(value) = stream.field(element, &class, "value")? else { return None };
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

    fn sample(name: &str) -> Vec<u8> {
        let samples = include_str!("samples.txt");
        let digits = samples.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.as_bytes().chunks(2).map(byte).collect()
    }

    #[test]
    fn collections_are_told_from_maps() {
        assert_eq!(collection(&sample("list-of")).map(|elements| elements.len()), Ok(3));
        assert_eq!(map(&sample("list-of")), Err(OPAQUE));
        let (k, l) = (vec![0x57, 0, 1, b'k'], vec![0x57, 0, 1, b'l']);
        let one = vec![0x39, 0, 0, 0, 1];
        assert_eq!(
            map(&sample("linked-hash-map")),
            Ok(vec![(k, Some(one)), (l, None)]),
            "the list within is no element"
        );
        assert_eq!(collection(&sample("linked-hash-map")), Err(OPAQUE));
        for name in ["text", "cycle", "exception", "local-date", "null"] {
            assert_eq!((collection(&sample(name)), map(&sample(name))), (Err(OPAQUE), Err(OPAQUE)), "{name}");
        }
    }

    #[test]
    fn streams_that_end_early_are_refused() {
        for name in ["list-of", "arrays-as-list", "linked-hash-map", "unmodifiable-list"] {
            let whole = sample(name);
            (0..whole.len())
                .for_each(|end| assert!(collection(&whole[..end]).is_err() && map(&whole[..end]).is_err()));
        }
    }
}
