//! A door for fuzzers and property tests: every decoder of this module over one message, with what must hold of each.

use super::acknowledgement::Acknowledgement;
use super::bulk::BulkReply;
use super::clear::{ClearRegion, CreateRegion, DestroyRegion};
use super::contains::{Contains, ContainsReply};
use super::cq::{CqReply, DurableCqsReply, ExecuteCq, MonitorCq, NamedCq};
use super::destroy::{Destroy, DestroyReply};
use super::envelope::{Envelope, ReplyEnvelope};
use super::feed::FeedMessage;
use super::feed_control::{EventValueReply, PeriodicAck, RequestEventValue};
use super::function_attributes::{FunctionAttributes, FunctionAttributesReply};
use super::get::{Get, GetReply};
use super::get_all::{GetAll, GetAllReply};
use super::get_entry::{GetEntry, GetEntryReply};
use super::interest::{
    Interest, InterestReply, RegisterInterest, RegisterInterestList, UnregisterInterest,
    UnregisterInterestList,
};
use super::invalidate::{Invalidate, InvalidateReply};
use super::key_set::{KeySet, KeySetReply};
use super::metadata::{PartitionAttributes, PartitionAttributesReply, PartitionMetadata};
use super::object_part_list::ObjectPartList;
use super::pdx::{PdxIdReply, PdxMapReply, PdxObjectReply, PdxRequest};
use super::put::{Put, PutReply};
use super::put_all::PutAll;
use super::query::Query;
use super::query_reply::{ElementType, QueryReply, ResultType, Row};
use super::registration::Registration;
use super::remove_all::RemoveAll;
use super::size::{Size, SizeReply};
use super::versioned_list::VersionedList;
use crate::codec::{Chunk, ChunkedHeader, FrameLimits, Message};

const ENVELOPE: Envelope = Envelope { tx_id: -1, retry: false, security: None };
const REPLY_ENVELOPE: ReplyEnvelope = ReplyEnvelope { tx_id: -1, next_connection_id: None };

/// What is understood is written in one form, and that form means the same.
macro_rules! there_and_back {
    ($message:ident, $envelope:ident: $($type:ident)*) => {
        $(
            if let Ok(value) = $type::decode($message) {
                let mut out = Vec::new();
                value.encode(&mut out, &$envelope);
                let again = Message::decode(&out, &FrameLimits::default()).ok().flatten();
                let again = again.map(|(message, _)| $type::decode(&message));
                assert_eq!(again, Some(Ok(value)), stringify!($type));
            }
        )*
    };
}

/// Runs every decoder of requests and plain replies.
///
/// # Panics
/// If one contradicts itself.
pub fn judge_message(message: &Message<'_>) {
    there_and_back!(message, ENVELOPE: Get Put Destroy Invalidate Contains Size ClearRegion DestroyRegion CreateRegion);
    there_and_back!(message, ENVELOPE: KeySet GetEntry PdxRequest PartitionAttributes PartitionMetadata FunctionAttributes);
    there_and_back!(message, ENVELOPE: RegisterInterest RegisterInterestList UnregisterInterest PeriodicAck);
    there_and_back!(message, ENVELOPE: RequestEventValue ExecuteCq NamedCq MonitorCq);
    there_and_back!(message, REPLY_ENVELOPE: EventValueReply);
    there_and_back!(message, REPLY_ENVELOPE: GetReply PutReply DestroyReply InvalidateReply ContainsReply SizeReply);
    there_and_back!(message, REPLY_ENVELOPE: Acknowledgement GetEntryReply PdxIdReply PdxObjectReply FunctionAttributesReply);
    if let Ok(request) = PutAll::decode(message) {
        assert_eq!(request.entries.len(), request.entries.count(), "entries of a putAll");
    }
    if let Ok(request) = RemoveAll::decode(message) {
        assert_eq!(request.keys.len(), request.keys.count(), "keys of a removeAll");
    }
    if let Ok(GetAll { keys: Some(keys), .. }) = GetAll::decode(message) {
        assert_eq!(keys.len(), keys.iter().count(), "keys of a getAll");
    }
    if let Ok(request) = Registration::decode(message) {
        assert!(request.entries.count() <= message.part_count(), "registrations");
    }
    if let Ok(Query { values: Some(values), .. }) = Query::decode(message) {
        assert_eq!(values.len(), values.count(), "values of a query");
    }
    if let Ok(reply) = PdxMapReply::decode(message) {
        assert!(reply.entries().all(|(_, object)| !object.is_empty()), "objects of a registry");
    }
    if let Ok(PartitionAttributesReply { path: Some(path), .. }) = PartitionAttributesReply::decode(message) {
        _ = path.text();
    }
    judge_interest(message);
    judge_keys(message);
}

fn judge_interest(message: &Message<'_>) {
    if let Ok(request) = UnregisterInterestList::decode(message) {
        assert_eq!(request.keys.len(), request.keys.count(), "keys of an interest");
    }
    let targets = |interest: Interest<'_>| _ = interest.target();
    _ = RegisterInterest::decode(message).map(|request| targets(request.interest));
    _ = UnregisterInterest::decode(message).map(|request| targets(request.interest));
}

/// Runs every decoder of messages on a feed. What is understood is written in one form, and that form means the same.
///
/// # Panics
/// If one contradicts itself.
pub fn judge_feed(message: &Message<'_>) {
    let Ok(first) = FeedMessage::decode(message) else { return };
    let mut once = Vec::new();
    first.encode(&mut once);
    let again = Message::decode(&once, &FrameLimits::default()).ok().flatten();
    let again = again.and_then(|(message, _)| FeedMessage::decode(&message).ok());
    let mut twice = Vec::new();
    if let Some(again) = again {
        assert_eq!(again.id(), first.id(), "the id of {first:?}");
        again.encode(&mut twice);
    }
    assert_eq!(once, twice, "{first:?}");
}

/// Runs every decoder of chunks.
///
/// # Panics
/// If one contradicts itself.
pub fn judge_chunk(chunk: &Chunk<'_>) {
    if let Ok(reply) = KeySetReply::decode_chunk(chunk) {
        assert_eq!(reply.keys.len(), reply.keys.iter().count(), "keys of a keySet");
    }
    if let Ok(reply) = GetAllReply::decode_chunk(chunk) {
        judge_list(&reply.list);
    }
    if let Ok(BulkReply { list: Some(list), .. }) = BulkReply::decode_chunk(chunk) {
        judge_list(&list);
    }
    match InterestReply::decode_chunk(chunk) {
        Ok(InterestReply::Entries(list)) => judge_list(&list),
        Ok(InterestReply::Keys(keys)) => assert_eq!(keys.len(), keys.iter().count(), "keys of an interest"),
        Ok(InterestReply::Nothing) | Err(_) => {}
    }
    if let Ok(reply) = DurableCqsReply::decode_chunk(chunk) {
        assert_eq!(reply.names.len(), reply.names.iter().count(), "names of queries");
    }
    if let Ok(reply) = QueryReply::decode_chunk(chunk) {
        judge_rows(&reply);
    }
    for part in chunk.parts() {
        if let Ok(list) = ObjectPartList::decode(part.bytes) {
            assert!(list.iter().count() <= part.bytes.len(), "elements of a part list");
        }
    }
}

/// Runs the decoders that want to see a reply's header.
pub fn judge_headed_chunk(header: &ChunkedHeader, chunk: &Chunk<'_>) {
    _ = CqReply::decode_chunk(header, chunk);
}

fn judge_rows(reply: &QueryReply<'_>) {
    assert_eq!(reply.rows.len(), reply.rows.iter().count(), "rows of a query");
    let Some(result_type) = reply.result_type else { return };
    let mut out = Vec::new();
    result_type.encode(&mut out);
    assert!(ResultType::decode(&out).is_ok(), "a type's form");
    for row in reply.rows.iter() {
        if let (Row::Struct(fields), ElementType::Struct(names)) = (row, result_type.element) {
            assert_eq!(fields.iter().count(), names.len(), "fields of a row");
        }
    }
}

fn judge_list(list: &VersionedList<'_>) {
    assert_eq!(list.entries().count(), list.values().len(), "values of a list");
    assert_eq!(list.tags().count(), list.tags().len(), "tags of a list");
    assert_eq!(list.keys().iter().count(), list.keys().len(), "keys of a list");
}

/// The canonical form of a key is canonical, and says the same to the permissions.
fn judge_keys(message: &Message<'_>) {
    for key in message.parts().filter_map(super::key::KeyRef::from_part) {
        let Ok(canonical) = key.key_bytes() else { continue };
        let again = super::key::KeyRef::from_canonical(&canonical);
        assert_eq!(again.key_bytes().as_deref(), Ok(&*canonical), "a key's form");
        assert_eq!(again.text(), key.text(), "a key's text");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::{ChunkedHeader, ChunkedWriter, MessageType, MessageWriter, Part, PartKind};
    use crate::message::feed::event_id::tests::any_id;
    use crate::message::objects::{begin_array, begin_list};
    use crate::message::testing::any_object;
    use crate::message::version_tag::tests::any_tag;
    use crate::message::versioned_list::encode_tags;

    /// Bytes of all sizes that mean something somewhere.
    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        let array = proptest::collection::vec(any_object(), 0..3).prop_map(|objects| {
            let mut out = Vec::new();
            begin_array(&mut out, objects.len());
            out.extend(objects.concat());
            out
        });
        let list = proptest::collection::vec(any_object(), 0..3).prop_map(|objects| {
            let mut out = Vec::new();
            begin_list(&mut out, objects.len());
            out.extend(objects.concat());
            out
        });
        let tag = any_tag().prop_map(|tag| {
            let mut out = Vec::new();
            tag.encode_object(&mut out);
            out
        });
        let tags = proptest::collection::vec(proptest::option::of(any_tag()), 0..3).prop_map(|tags| {
            let mut out = Vec::new();
            encode_tags(&mut out, tags);
            out
        });
        let id = any_id().prop_map(|id| {
            let mut out = Vec::new();
            id.encode_object(&mut out);
            out
        });
        prop_oneof![
            4 => any_object(),
            2 => Just(b"/r".to_vec()),
            4 => (0..8_i32).prop_map(|number| number.to_be_bytes().to_vec()),
            3 => (0..50_u8).prop_map(|number| vec![number]),
            3 => any::<[u8; 2]>().prop_map(|[thread, sequence]| vec![0, thread, 0, sequence]),
            1 => Just(vec![]),
            1 => Just(vec![0x29]),
            1 => proptest::collection::vec(any::<u8>(), 0..9),
            1 => array, 1 => list, 2 => tag, 1 => tags, 3 => id,
        ]
    }

    fn any_part() -> impl Strategy<Value = (PartKind, Vec<u8>)> {
        (
            prop_oneof![3 => Just(PartKind::Raw), 3 => Just(PartKind::Object), 1 => Just(PartKind::EmptyBytes)],
            any_bytes(),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn any_parts_are_judged_without_panic(
            kind in proptest::sample::select(MessageType::ALL),
            parts in proptest::collection::vec(any_part(), 1..9),
        ) {
            let mut out = Vec::new();
            let mut writer = MessageWriter::begin(&mut out, kind, -1, 0);
            parts.iter().for_each(|(kind, bytes)| writer.part(Part { kind: *kind, bytes }));
            writer.finish(None);
            let (message, _) = Message::decode(&out, &FrameLimits::default()).unwrap().unwrap();
            judge_message(&message);
            judge_feed(&message);
        }

        #[test]
        fn any_chunks_are_judged_without_panic(parts in proptest::collection::vec(any_part(), 1..3)) {
            let mut out = Vec::new();
            let mut writer = ChunkedWriter::begin(&mut out, MessageType::Response, parts.len() as i32, -1);
            writer.begin_chunk();
            parts.iter().for_each(|(kind, bytes)| writer.part(Part { kind: *kind, bytes }));
            writer.end_chunk(true, None);
            let limits = FrameLimits::default();
            let header = ChunkedHeader::decode(&out, &limits).unwrap().unwrap();
            let (chunk, _) = Chunk::decode(&out[ChunkedHeader::SIZE..], &header, &limits).unwrap().unwrap();
            judge_chunk(&chunk);
        }
    }
}
