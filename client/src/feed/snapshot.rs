//! Reading what a registration brings along.

use bytes::Bytes;
use druse_protocol::DecodeError;
use druse_protocol::message::interest::InterestReply;
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::object_part_list::Element;
use druse_protocol::message::query_reply::{QueryReply, Row};
use druse_protocol::message::value::ValueRef;
use druse_protocol::message::versioned_list::{ListValue, VersionedList};

use super::change::{RawValue, Snapshot, SnapshotEntry};
use crate::connection::Reply;
use crate::wire;

/// The entries that the answer to a registration of interest holds.
pub(crate) fn of_interest(reply: &Reply) -> Result<Snapshot, DecodeError> {
    let frame = wire::frame(reply);
    let mut snapshot = Snapshot::new();
    for chunk in wire::chunks(reply)? {
        match InterestReply::decode_chunk(&chunk)? {
            InterestReply::Nothing => {}
            InterestReply::Keys(keys) => {
                for key in keys.iter() {
                    let key = canonical(key, frame)?;
                    snapshot.push(SnapshotEntry { key, value: None, version: None, is_gone: false });
                }
            }
            InterestReply::Entries(list) => add_entries(&list, frame, &mut snapshot)?,
        }
    }
    Ok(snapshot)
}

fn add_entries(list: &VersionedList<'_>, frame: &Bytes, snapshot: &mut Snapshot) -> Result<(), DecodeError> {
    for (key, entry) in list.keyed() {
        let version = entry.tag.map(|tag| tag.entry_version);
        let (value, is_gone) = match entry.value {
            ListValue::Value(value) => (RawValue::of(value, frame), false),
            ListValue::Absent => (None, true),
            ListValue::Exception { .. } => (None, false),
        };
        snapshot.push(SnapshotEntry { key: canonical(key, frame)?, value, version, is_gone });
    }
    Ok(())
}

/// The form in which events name the key, too.
fn canonical(key: &[u8], frame: &Bytes) -> Result<Bytes, DecodeError> {
    Ok(match KeyRef::Object(key).canonical()? {
        std::borrow::Cow::Borrowed(key) => frame.slice_ref(key),
        std::borrow::Cow::Owned(key) => key.into(),
    })
}

/// The rows that the answer to a continuous query with initial results holds: structs of a key and a value.
pub(crate) fn of_query(reply: &Reply) -> Result<Snapshot, DecodeError> {
    let frame = wire::frame(reply);
    let problem = |problem| DecodeError::Parts { message: "initial results", problem };
    let mut snapshot = Snapshot::new();
    for chunk in wire::chunks(reply)? {
        for row in QueryReply::decode_chunk(&chunk)?.rows.iter() {
            let Row::Struct(fields) = row else { return Err(problem("a row without key and value")) };
            let mut fields = fields.iter();
            let (Some(Element::Value(ValueRef::Object(key))), Some(Element::Value(value))) =
                (fields.next(), fields.next())
            else {
                return Err(problem("a row whose key or value cannot be read"));
            };
            let (key, value) = (canonical(key, frame)?, RawValue::of(value, frame));
            snapshot.push(SnapshotEntry { key, value, version: None, is_gone: false });
        }
    }
    Ok(snapshot)
}
