//! `VersionedObjectList` (fixed id 7): values of a getAll, version tags of a putAll or removeAll, entries of a snapshot.
//!
//! ```text
//!  01 07 | flags | [ keys: n, object × n ] | [ objects: n, (kind, value) × n ] | [ tags: n, (kind, tag) × n ]
//! ```

use bytes::BufMut;

use super::objects::{self, ObjectList, check_count, consumed};
use super::value::ValueRef;
use super::version_tag::{VersionTag, put_unsigned_vl};
use crate::DecodeError;
use crate::codec::Reader;
use crate::value::{put_array_length, put_byte_array, take_object};

const FIXED_ID: [u8; 2] = [0x01, 0x07];

const HAS_KEYS: u8 = 0x01;
const HAS_OBJECTS: u8 = 0x02;
const HAS_TAGS: u8 = 0x04;
const IS_VERSIONED: u8 = 0x08;
const IS_WRAPPED: u8 = 0x10;
const IS_PERSISTENT: u8 = 0x20;

const BYTES: u8 = 0;
const OBJECT: u8 = 1;
const EXCEPTION: u8 = 2;
const ABSENT: u8 = 3;

const NO_TAG: u8 = 0;
const TAG: u8 = 1;
const TAG_WITH_NEW_MEMBER: u8 = 2;
const TAG_WITH_KNOWN_MEMBER: u8 = 3;

/// What a list says of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListValue<'a> {
    /// The value; null for an entry without one.
    Value(ValueRef<'a>),
    /// No entry.
    Absent,
    /// The key could not be read.
    Exception {
        /// The serialized throwable.
        object: &'a [u8],
        /// Its text, a serialized string: for clients that cannot read the throwable.
        text: &'a [u8],
    },
}

/// One value of a list with its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListEntry<'a> {
    /// What there is under the key.
    pub value: ListValue<'a>,
    /// Its version, or its tombstone's. Written only to lists that are versioned.
    pub tag: Option<VersionTag<'a>>,
}

/// A list, checked from end to end when it was read, and gone over without copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VersionedList<'a> {
    flags: u8,
    keys: ObjectList<'a>,
    values: Counted<'a>,
    tags: Counted<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counted<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> VersionedList<'a> {
    /// Reads a list.
    ///
    /// # Errors
    /// If it is none, or something in it cannot be delimited.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        objects::expect_code(&mut reader, FIXED_ID[0], "list")?;
        objects::expect_code(&mut reader, FIXED_ID[1], "list id")?;
        let mut list = Self { flags: reader.u8("list flags")?, ..Self::default() };
        if list.flags & HAS_KEYS != 0 {
            let count = count(&mut reader, "list keys")?;
            list.keys = ObjectList::read(&mut reader, count, "list keys")?;
        }
        if list.flags & HAS_OBJECTS != 0 {
            list.values.count = count(&mut reader, "list objects")?;
            let start = reader.rest();
            for _ in 0..list.values.count {
                value(&mut reader, list.is_wrapped())?;
            }
            list.values.bytes = consumed(start, &reader);
        }
        if list.flags & HAS_TAGS != 0 {
            list.tags.count = count(&mut reader, "list tags")?;
            let start = reader.rest();
            let mut members = Vec::new();
            for _ in 0..list.tags.count {
                tag(&mut reader, list.is_persistent(), &mut members)?;
            }
            list.tags.bytes = consumed(start, &reader);
        }
        reader.finish("list")?;
        Ok(list)
    }

    /// Whether the region keeps versions.
    #[must_use]
    pub const fn is_versioned(&self) -> bool {
        self.flags & IS_VERSIONED != 0
    }

    /// The keys; none in replies to requests that name them, which are in the order of the request.
    #[must_use]
    pub const fn keys(&self) -> ObjectList<'a> {
        self.keys
    }

    /// The values, in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = ListValue<'a>> + use<'a> {
        let (mut reader, is_wrapped) = (Reader::new(self.values.bytes), self.is_wrapped());
        // Checked by `decode`; absent is never reached.
        (0..self.values.count).map(move |_| value(&mut reader, is_wrapped).unwrap_or(ListValue::Absent))
    }

    /// The tags, in order. Of a list with values there are as many or none.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = Option<VersionTag<'a>>> + use<'a> {
        let (mut reader, persistent) = (Reader::new(self.tags.bytes), self.is_persistent());
        let mut members = Vec::new();
        (0..self.tags.count).map(move |_| tag(&mut reader, persistent, &mut members).unwrap_or_default())
    }

    /// Values with their tags.
    pub fn entries(&self) -> impl Iterator<Item = ListEntry<'a>> + use<'a> {
        let mut tags = self.tags();
        self.values().map(move |value| ListEntry { value, tag: tags.next().flatten() })
    }

    /// Keys with their values and tags.
    pub fn keyed(&self) -> impl Iterator<Item = (&'a [u8], ListEntry<'a>)> + use<'a> {
        self.keys.iter().zip(self.entries())
    }

    const fn is_wrapped(&self) -> bool {
        self.flags & IS_WRAPPED != 0
    }

    const fn is_persistent(&self) -> bool {
        self.flags & IS_PERSISTENT != 0
    }
}

/// How a list of values is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListForm {
    /// The region keeps versions: tags follow the values.
    pub versioned: bool,
    /// Each value in a byte array of its own, as some clients ask.
    pub wrapped: bool,
}

/// Writes a list of values, without keys.
pub fn encode_values<'a, I>(out: &mut impl BufMut, entries: I, form: ListForm)
where
    I: IntoIterator<Item = ListEntry<'a>, IntoIter: ExactSizeIterator + Clone>,
{
    let entries = entries.into_iter();
    put_head(out, if entries.len() == 0 { 0 } else { HAS_OBJECTS }, entries.clone(), form);
    put_entries(out, entries, form);
}

/// Writes a list of keys with their values.
pub fn encode_entries<'a, I>(out: &mut impl BufMut, entries: I, form: ListForm)
where
    I: IntoIterator<Item = (&'a [u8], ListEntry<'a>), IntoIter: ExactSizeIterator + Clone>,
{
    let entries = entries.into_iter();
    let values = entries.clone().map(|(_, entry)| entry);
    put_head(out, HAS_KEYS | if entries.len() == 0 { 0 } else { HAS_OBJECTS }, values.clone(), form);
    put_unsigned_vl(out, entries.len() as u64);
    entries.for_each(|(key, _)| out.put_slice(key));
    put_entries(out, values, form);
}

fn put_head<'a>(
    out: &mut impl BufMut,
    mut flags: u8,
    entries: impl ExactSizeIterator<Item = ListEntry<'a>>,
    form: ListForm,
) {
    if form.wrapped {
        flags |= IS_WRAPPED;
    }
    if form.versioned {
        flags |= IS_VERSIONED | tag_flags(entries.map(|entry| entry.tag));
    }
    out.put_slice(&FIXED_ID);
    out.put_u8(flags);
}

fn put_entries<'a>(
    out: &mut impl BufMut,
    entries: impl ExactSizeIterator<Item = ListEntry<'a>> + Clone,
    form: ListForm,
) {
    if entries.len() == 0 {
        return;
    }
    put_unsigned_vl(out, entries.len() as u64);
    entries.clone().for_each(|entry| put_value(out, entry.value, form.wrapped));
    if form.versioned {
        put_tags(out, entries.map(|entry| entry.tag));
    }
}

/// Writes a list of tags alone.
pub fn encode_tags<'a, I>(out: &mut impl BufMut, tags: I)
where
    I: IntoIterator<Item = Option<VersionTag<'a>>, IntoIter: ExactSizeIterator + Clone>,
{
    let tags = tags.into_iter();
    out.put_slice(&FIXED_ID);
    out.put_u8(IS_VERSIONED | tag_flags(tags.clone()));
    if tags.len() != 0 {
        put_tags(out, tags);
    }
}

fn count(reader: &mut Reader<'_>, field: &'static str) -> Result<usize, DecodeError> {
    let count = usize::try_from(reader.unsigned_vl(field)?).unwrap_or(usize::MAX);
    check_count(count, reader.remaining(), field)?;
    Ok(count)
}

fn value<'a>(reader: &mut Reader<'a>, is_wrapped: bool) -> Result<ListValue<'a>, DecodeError> {
    let kind = reader.u8("list value")?;
    if kind == EXCEPTION {
        let object = reader.byte_array("list exception")?.unwrap_or_default();
        return Ok(ListValue::Exception { object, text: take_object(reader)? });
    }
    if is_wrapped {
        return wrapped(kind, reader.byte_array("list value")?);
    }
    let object = take_object(reader)?;
    match kind {
        ABSENT => Ok(ListValue::Absent),
        BYTES => Ok(ListValue::Value(objects::to_value(object)?)),
        OBJECT if matches!(object, [] | [0x29]) => Ok(ListValue::Value(ValueRef::Null)),
        OBJECT => Ok(ListValue::Value(ValueRef::Object(object))),
        other => Err(unknown(other)),
    }
}

/// What a wrapped value holds: bytes as they are, an object, or nothing.
fn wrapped(kind: u8, bytes: Option<&[u8]>) -> Result<ListValue<'_>, DecodeError> {
    match (kind, bytes) {
        (ABSENT, _) => Ok(ListValue::Absent),
        (BYTES, Some(bytes)) => Ok(ListValue::Value(ValueRef::Bytes(bytes))),
        (BYTES | OBJECT, None) | (OBJECT, Some([] | [0x29])) => Ok(ListValue::Value(ValueRef::Null)),
        (OBJECT, Some(object)) => Ok(ListValue::Value(ValueRef::Object(object))),
        (other, _) => Err(unknown(other)),
    }
}

fn unknown(kind: u8) -> DecodeError {
    DecodeError::Invalid { field: "list value", value: i64::from(kind) }
}

fn put_value(out: &mut impl BufMut, value: ListValue<'_>, is_wrapped: bool) {
    match value {
        ListValue::Exception { object, text } => {
            out.put_u8(EXCEPTION);
            put_byte_array(object, out);
            out.put_slice(text);
        }
        ListValue::Value(value) => {
            out.put_u8(if matches!(value, ValueRef::Bytes(_)) { BYTES } else { OBJECT });
            put_content(out, value, is_wrapped);
        }
        ListValue::Absent => {
            out.put_u8(ABSENT);
            put_content(out, ValueRef::Null, is_wrapped);
        }
    }
}

/// A wrapped null has no object in it: a Java client would take one for a value, and find the entry destroyed.
fn put_content(out: &mut impl BufMut, value: ValueRef<'_>, is_wrapped: bool) {
    match value {
        ValueRef::Null if is_wrapped => put_array_length(None, out),
        ValueRef::Bytes(content) | ValueRef::Object(content) if is_wrapped => put_byte_array(content, out),
        plain => objects::put_value(out, plain),
    }
}

/// A member that an earlier tag of the list named goes by its number.
fn tag<'a>(
    reader: &mut Reader<'a>,
    persistent: bool,
    members: &mut Vec<&'a [u8]>,
) -> Result<Option<VersionTag<'a>>, DecodeError> {
    let kind = reader.u8("list tag")?;
    if kind == NO_TAG {
        return Ok(None);
    }
    let mut tag = VersionTag::decode_body(reader, persistent)?;
    match kind {
        TAG => {}
        TAG_WITH_NEW_MEMBER => members.push(tag.member.unwrap_or_default()),
        TAG_WITH_KNOWN_MEMBER => {
            let number = reader.unsigned_vl("member number")?;
            let member = usize::try_from(number).ok().and_then(|number| members.get(number));
            let limit = members.len() as u64;
            let error = DecodeError::TooLarge { field: "member number", value: number, limit };
            tag.member = Some(*member.ok_or(error)?);
        }
        other => return Err(DecodeError::Invalid { field: "list tag", value: i64::from(other) }),
    }
    Ok(Some(tag))
}

/// One kind of tag for all of a list: Geode looks at the first.
fn tag_flags<'a>(tags: impl ExactSizeIterator<Item = Option<VersionTag<'a>>>) -> u8 {
    match tags.len() {
        0 => 0,
        _ if tags.flatten().next().is_some_and(|tag| tag.persistent) => HAS_TAGS | IS_PERSISTENT,
        _ => HAS_TAGS,
    }
}

fn put_tags<'a>(out: &mut impl BufMut, tags: impl ExactSizeIterator<Item = Option<VersionTag<'a>>>) {
    put_unsigned_vl(out, tags.len() as u64);
    let mut members = Vec::new();
    for tag in tags {
        let Some(tag) = tag else {
            out.put_u8(NO_TAG);
            continue;
        };
        let Some(member) = tag.member else {
            out.put_u8(TAG);
            tag.encode_body(out);
            continue;
        };
        match members.iter().position(|known| *known == member) {
            None => {
                members.push(member);
                out.put_u8(TAG_WITH_NEW_MEMBER);
                tag.encode_body(out);
            }
            Some(number) => {
                out.put_u8(TAG_WITH_KNOWN_MEMBER);
                VersionTag { member: None, ..tag }.encode_body(out);
                put_unsigned_vl(out, number as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{AnyValue, any_value};
    use crate::message::version_tag::tests::any_tag;

    fn encoded(entries: &[ListEntry<'_>], form: ListForm) -> Vec<u8> {
        let mut out = Vec::new();
        encode_values(&mut out, entries.iter().copied(), form);
        out
    }

    #[test]
    fn the_samples_of_a_real_server() {
        let missing = ListEntry { value: ListValue::Absent, tag: None };
        let form = ListForm::default();
        assert_eq!(encoded(&[missing], form), [0x01, 0x07, 0x02, 1, 3, 0x29]);
        let versioned = ListForm { versioned: true, ..form };
        assert_eq!(encoded(&[missing], versioned), [0x01, 0x07, 0x0e, 1, 3, 0x29, 1, 0]);
        assert_eq!(encoded(&[], form), [0x01, 0x07, 0x00]);

        let mut out = Vec::new();
        encode_tags(&mut out, [None; 2]);
        assert_eq!(out, [0x01, 0x07, 0x0c, 2, 0, 0]);
    }

    #[test]
    fn wrapped_values_are_read_as_java_clients_read_them() {
        let form = ListForm { wrapped: true, ..ListForm::default() };
        let entry = |value| ListEntry { value, tag: None };
        let entries = [
            entry(ListValue::Value(ValueRef::Bytes(&[1, 2]))),
            entry(ListValue::Value(ValueRef::Object(&[0x57, 0, 1, b'x']))),
            entry(ListValue::Value(ValueRef::Null)),
            entry(ListValue::Absent),
        ];
        let expected = [0x01, 0x07, 0x12, 4, 0, 2, 1, 2, 1, 4, 0x57, 0, 1, b'x', 1, 0xff, 3, 0xff];
        assert_eq!(encoded(&entries, form), expected);
        assert_eq!(VersionedList::decode(&expected).unwrap().entries().collect::<Vec<_>>(), entries);
    }

    #[test]
    fn a_member_is_written_once() {
        use crate::message::version_tag::tests::MEMBER;
        let tag = VersionTag { member: Some(MEMBER), ..VersionTag::new(1, 2, 3) };
        let mut once = Vec::new();
        encode_tags(&mut once, [Some(tag)]);
        let mut out = Vec::new();
        encode_tags(&mut out, [Some(tag), None, Some(tag)]);
        assert!(out.len() < 2 * once.len() - MEMBER.len() + 2);
        let list = VersionedList::decode(&out).unwrap();
        assert_eq!(list.tags().collect::<Vec<_>>(), [Some(tag), None, Some(tag)]);
    }

    #[test]
    fn hostile_counts_and_numbers_are_refused() {
        let huge = [0x01, 0x07, 0x02, 0xff, 0xff, 0xff, 0xff, 0x0f];
        let limit = 0;
        assert_eq!(
            VersionedList::decode(&huge),
            Err(DecodeError::TooLarge { field: "list objects", value: 0xffff_ffff, limit })
        );
        // A tag whose member was never named.
        let mut tag = vec![0x01, 0x07, 0x0c, 1, 3];
        VersionTag::new(1, 1, 1).encode_body(&mut tag);
        tag.push(0);
        assert!(matches!(
            VersionedList::decode(&tag),
            Err(DecodeError::TooLarge { field: "member number", .. })
        ));
    }

    fn any_entry() -> impl Strategy<Value = (AnyValue, u8, Option<VersionTag<'static>>)> {
        (any_value(), 0..4_u8, proptest::option::of(any_tag()))
    }

    proptest! {
        #[test]
        fn there_and_back(
            entries in proptest::collection::vec(any_entry(), 0..20), versioned: bool, wrapped: bool,
            persistent: bool,
        ) {
            let entries: Vec<_> = entries.iter().map(|(value, kind, tag)| ListEntry {
                value: match kind {
                    0 => ListValue::Absent,
                    1 => ListValue::Exception { object: &[0x2c, 0xac], text: &[0x57, 0, 1, b'x'] },
                    _ => ListValue::Value(value.get()),
                },
                tag: tag.filter(|tag| versioned && tag.persistent == persistent),
            }).collect();
            let bytes = encoded(&entries, ListForm { versioned, wrapped });
            let list = VersionedList::decode(&bytes).unwrap();
            prop_assert_eq!(list.is_versioned(), versioned);
            prop_assert_eq!(list.entries().collect::<Vec<_>>(), entries);
            for end in 0..bytes.len() {
                prop_assert!(VersionedList::decode(&bytes[..end]).is_err(), "{} bytes", end);
            }
        }

        #[test]
        fn any_bytes_are_judged_without_panic(mut bytes: Vec<u8>) {
            bytes.splice(..0, FIXED_ID);
            if let Ok(list) = VersionedList::decode(&bytes) {
                prop_assert!(list.values().len() + list.tags().len() <= bytes.len());
                list.entries().for_each(drop);
                list.tags().for_each(drop);
            }
        }
    }
}
