//! Between what the wire says and what regions keep.

use std::borrow::Cow;

use druse_protocol::message::value::{INVALID_TOKEN, ValueRef};
use druse_protocol::message::version_tag::VersionTag;
use druse_protocol::value::put_byte_array;

use crate::engine::{Record, Value, Version};
use crate::region::Old;

/// The type code of a serialized `byte[]`.
const BYTE_ARRAY: u8 = 0x2e;

/// A value to be kept.
pub(crate) const fn to_value(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Invalid,
        ValueRef::Bytes(bytes) => Value::Bytes(bytes),
        ValueRef::Object(bytes) => Value::Object(bytes),
    }
}

/// A value to be sent.
pub(crate) const fn to_wire(value: Value<'_>) -> ValueRef<'_> {
    match value {
        Value::Invalid => ValueRef::Null,
        Value::Bytes(bytes) => ValueRef::Bytes(bytes),
        Value::Object(bytes) => ValueRef::Object(bytes),
    }
}

/// The value of a record; null for a tombstone and for an entry without one.
pub(crate) fn value_of(record: &Record) -> ValueRef<'_> {
    record.value().map_or(ValueRef::Null, to_wire)
}

/// An old value to be sent. Of one that is no longer known Geode sends the INVALID token.
pub(crate) fn old_value(old: &Old) -> ValueRef<'_> {
    match old {
        Old::Absent => ValueRef::Null,
        Old::Entry(record) => value_of(record),
        Old::Forgotten => ValueRef::Object(INVALID_TOKEN),
    }
}

/// A version as clients see it.
pub(crate) fn tag(version: Version) -> VersionTag<'static> {
    let timestamp = u64::try_from(version.timestamp_millis).unwrap_or_default();
    VersionTag::new(version.entry, version.region, timestamp)
}

/// A callback argument as changes keep it: one serialized object.
pub(crate) fn callback(callback: ValueRef<'_>) -> Option<Cow<'_, [u8]>> {
    match callback {
        ValueRef::Null => None,
        ValueRef::Object(object) => Some(Cow::Borrowed(object)),
        ValueRef::Bytes(bytes) => {
            let mut object = vec![BYTE_ARRAY];
            put_byte_array(bytes, &mut object);
            Some(Cow::Owned(object))
        }
    }
}
