//! Every captured operation is understood, and written again byte for byte from what was understood.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use druse_protocol::codec::{Chunk, Message, text};
use druse_protocol::codec::{MessageType, Security};
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::bulk::BulkReply;
use druse_protocol::message::clear::ClearRegion;
use druse_protocol::message::contains::{Contains, ContainsReply};
use druse_protocol::message::destroy::{Destroy, DestroyReply};
use druse_protocol::message::envelope::{Envelope, ReplyEnvelope};
use druse_protocol::message::exception::ExceptionReply;
use druse_protocol::message::get::{Get, GetReply};
use druse_protocol::message::get_all::{GetAll, GetAllReply};
use druse_protocol::message::invalidate::{Invalidate, InvalidateReply};
use druse_protocol::message::key_set::{KeySet, KeySetReply};
use druse_protocol::message::metadata::{PartitionAttributes, PartitionAttributesReply};
use druse_protocol::message::pdx::{PdxIdReply, PdxRequest};
use druse_protocol::message::put::{Put, PutReply};
use druse_protocol::message::put_all::PutAll;
use druse_protocol::message::remove_all::RemoveAll;
use druse_protocol::message::size::{Size, SizeReply};
use druse_protocol::message::versioned_list::ListForm;
use support::{Capture, Exchange, chunks, message};

fn envelope(message: &Message<'_>) -> Envelope {
    let security = message.security().map(Security::from_client).map(|security| match security {
        Security::Request { connection_id, unique_id } => (connection_id, unique_id),
        Security::Unreadable => panic!("a security part of unknown size"),
    });
    Envelope { tx_id: message.header.tx_id, retry: message.header.flags.is_retry(), security }
}

fn reply_envelope(tx_id: i32, security: Option<&[u8]>) -> ReplyEnvelope {
    let next_connection_id =
        security.map(|bytes| i64::from_be_bytes(bytes.get(..8).expect("an id").try_into().unwrap()));
    ReplyEnvelope { tx_id, next_connection_id }
}

/// The request, decoded and encoded; `None` for messages of other families.
fn request_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let message = &message(bytes);
    let envelope = &envelope(message);
    let mut out = Vec::new();
    match message.kind()? {
        MessageType::Get => Get::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::Put => Put::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::Destroy => Destroy::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::Invalidate => Invalidate::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::ContainsKey => Contains::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::KeySet => KeySet::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::Size => Size::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::ClearRegion => ClearRegion::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::PutAll | MessageType::PutAllWithCallback => {
            PutAll::decode(message).unwrap().encode(&mut out, envelope);
        }
        MessageType::RemoveAll => RemoveAll::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::GetAll70 | MessageType::GetAllWithCallback => {
            GetAll::decode(message).unwrap().encode(&mut out, envelope);
        }
        MessageType::GetClientPartitionAttributes => {
            PartitionAttributes::decode(message).unwrap().encode(&mut out, envelope);
        }
        MessageType::GetPdxIdForType | MessageType::GetPdxIdForEnum => {
            PdxRequest::decode(message).unwrap().encode(&mut out, envelope);
        }
        _ => return None,
    }
    Some(out)
}

/// The plain reply, decoded and encoded.
fn reply_again(request: MessageType, bytes: &[u8]) -> Vec<u8> {
    let message = &message(bytes);
    let envelope = &reply_envelope(message.header.tx_id, message.security());
    let mut out = Vec::new();
    match request {
        MessageType::Get => GetReply::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::Put => PutReply::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::Destroy => DestroyReply::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::Invalidate => InvalidateReply::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::ContainsKey => ContainsReply::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::Size => SizeReply::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::ClearRegion => Acknowledgement::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::GetPdxIdForType | MessageType::GetPdxIdForEnum => {
            PdxIdReply::decode(message).unwrap().encode(&mut out, envelope);
        }
        MessageType::GetClientPartitionAttributes => {
            let reply = PartitionAttributesReply::decode(message).unwrap();
            assert_eq!(reply.buckets, None);
            let path = reply.path.and_then(|path| path.text()).unwrap();
            PartitionAttributesReply::encode_unpartitioned(&mut out, &path, envelope).unwrap();
        }
        other => panic!("{other:?} has no plain reply"),
    }
    out
}

/// The chunked reply, decoded and encoded.
fn chunks_again(request: MessageType, bytes: &[u8]) -> Vec<u8> {
    let (header, chunks) = chunks(bytes);
    let mut out = Vec::new();
    KeySetReply::encode_header(&mut out, &reply_envelope(header.tx_id, None));
    for chunk in &chunks {
        let (last, envelope) = (chunk.flags.is_last(), &reply_envelope(header.tx_id, chunk.security()));
        match request {
            MessageType::KeySet => {
                let reply = KeySetReply::decode_chunk(chunk).unwrap();
                KeySetReply::encode_chunk(&mut out, reply.keys, last, envelope);
            }
            MessageType::GetAll70 | MessageType::GetAllWithCallback => {
                let list = GetAllReply::decode_chunk(chunk).unwrap().list;
                let entries: Vec<_> = list.entries().collect();
                let form = ListForm { versioned: list.is_versioned(), wrapped: false };
                GetAllReply::encode_chunk(&mut out, entries, form, last, envelope);
            }
            _ => match BulkReply::decode_chunk(chunk).unwrap().list {
                Some(list) => {
                    let tags: Vec<_> = list.tags().collect();
                    BulkReply::encode_chunk(&mut out, tags, last, envelope);
                }
                None => {
                    out.clear();
                    BulkReply::encode_without_tags(&mut out, &reply_envelope(header.tx_id, chunk.security()));
                }
            },
        }
    }
    out
}

fn is_answer(kind: MessageType, reply: &[u8]) -> bool {
    let number = i32::from_be_bytes(reply[..4].try_into().unwrap());
    let expected = match kind {
        MessageType::GetClientPartitionAttributes => vec![MessageType::ResponseClientPartitionAttributes],
        _ => vec![MessageType::Reply, MessageType::Response],
    };
    MessageType::from_wire(number).is_some_and(|kind| expected.contains(&kind))
}

/// An exception can follow when the reply has begun.
fn ends_in_an_exception(kind: MessageType, reply: &[u8]) -> bool {
    let is_exception = |chunk: &Chunk<'_>| ExceptionReply::from_chunk(chunk).is_some();
    kind.is_answered_in_chunks() && chunks(reply).1.iter().any(is_exception)
}

fn check(name: &str, exchange: &Exchange) -> Option<(MessageType, bool)> {
    let kind = message(&exchange.request).kind().unwrap();
    assert_eq!(request_again(&exchange.request)?, exchange.request, "{name} {kind:?}");
    if !is_answer(kind, &exchange.reply) || ends_in_an_exception(kind, &exchange.reply) {
        return Some((kind, false));
    }
    let again = match kind.is_answered_in_chunks() {
        true => chunks_again(kind, &exchange.reply),
        false => reply_again(kind, &exchange.reply),
    };
    assert_eq!(again, exchange.reply, "{name} {kind:?}");
    Some((kind, true))
}

#[test]
fn every_captured_operation_is_written_again() {
    let mut answered = BTreeMap::<MessageType, (u32, u32)>::new();
    for capture in Capture::all() {
        for exchange in capture.exchanges() {
            if let Some((kind, is_answered)) = check(&capture.name, &exchange) {
                let counts = answered.entry(kind).or_default();
                if is_answered { counts.0 += 1 } else { counts.1 += 1 }
            }
        }
    }
    for kind in [
        MessageType::Get,
        MessageType::Put,
        MessageType::Destroy,
        MessageType::Invalidate,
        MessageType::ContainsKey,
        MessageType::KeySet,
        MessageType::Size,
        MessageType::ClearRegion,
        MessageType::PutAll,
        MessageType::RemoveAll,
        MessageType::GetAll70,
        MessageType::GetPdxIdForType,
    ] {
        assert!(answered.get(&kind).is_some_and(|counts| counts.0 > 0), "no answered {kind:?}: {answered:?}");
    }
    // What was refused: operations on a missing region, and those under an expired login.
    assert!(answered[&MessageType::Get].1 > 0 && answered[&MessageType::Put].1 > 0, "{answered:?}");
}

#[test]
fn every_captured_key_has_one_canonical_form() {
    let mut keys = 0;
    for capture in Capture::all() {
        for exchange in capture.exchanges() {
            let message = message(&exchange.request);
            let key = match message.kind().unwrap() {
                MessageType::Get => Get::decode(&message).unwrap().key,
                MessageType::Put => Put::decode(&message).unwrap().key,
                _ => continue,
            };
            let canonical = key.key_bytes().unwrap();
            let sent_again = druse_protocol::message::key::KeyRef::from_canonical(&canonical);
            assert_eq!(sent_again, key, "{}", capture.name);
            if let Some(text) = key.text() {
                assert_eq!(sent_again.to_part().bytes, &*text::encode(&text));
            }
            keys += 1;
        }
    }
    assert!(keys > 200, "{keys} keys");
}
