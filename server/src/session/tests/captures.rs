//! What unmodified Java clients said to a real server, said to a session: are its answers the same?
//!
//! Ids of connections and users are replaced by ours in the requests. In the answers they may differ, and so may instants,
//! numbers of PDX types, and the order of keys. Everything else is compared part by part.

#[path = "../../../../protocol/tests/support/mod.rs"]
mod support;

use std::collections::HashMap;

use druse_protocol::message::bulk::BulkReply;
use druse_protocol::message::get_all::GetAllReply;
use druse_protocol::message::key_set::KeySetReply;
use druse_protocol::message::version_tag::VersionTag;
use support::{Capture, Side};

use super::*;

/// What one answer says, fit for comparison.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    kind: i32,
    tx_id: i32,
    secured: bool,
    parts: Vec<String>,
}

#[tokio::test]
async fn operations_of_both_releases_are_answered_as_by_the_real_server() {
    for name in ["ops-1.15.1", "ops-1.14.4"] {
        replay(name).await;
    }
}

#[tokio::test]
async fn values_of_both_releases_are_answered_as_by_the_real_server() {
    for name in ["values-1.15.1", "values-1.14.4"] {
        replay(name).await;
    }
}

async fn replay(name: &str) {
    let capture = Capture::read(name);
    let node = Node::secured();
    for region in ["data", "control"] {
        node.core.regions.create(region, RegionOptions::default()).expect("region");
    }
    let mut talks: HashMap<u32, Talk> = HashMap::new();
    let (mut user, mut compared, mut differences) = (None, 0, Vec::new());
    let mut turns = capture.turns.iter().peekable();
    while let Some(turn) = turns.next() {
        assert_eq!(turn.from, Side::Client, "{name}: the client asks");
        let theirs = turns.next_if(|next| next.connection == turn.connection && next.from == Side::Server);
        let version = VersionOrdinal::GEODE_1_15_0;
        let talk = talks.entry(turn.connection).or_insert_with(|| node.talk(version));
        if turn.bytes[0] == 100 {
            assert!(!talk.send(&turn.bytes).await.is_empty(), "{name}: a welcome");
            continue;
        }
        let (message, _) = Message::decode(&turn.bytes, &FrameLimits::default()).unwrap().unwrap();
        let kind = message.kind().expect("a request");
        talk.unique_id = user;
        let request = with_our_ids(&turn.bytes, &message, talk);
        let ours = talk.send(&request).await;
        let Some(theirs) = theirs else { continue };
        let (ours, theirs) = (said(kind, &ours, talk), said(kind, &theirs.bytes, &mut node.talk(version)));
        if kind == MessageType::UserCredentialMessage {
            user = talk.unique_id;
        }
        compared += 1;
        if ours != theirs {
            differences.push(format!("{kind:?}\n  real {theirs:?}\n  ours {ours:?}"));
        }
    }
    assert!(compared > 20, "{name}: {compared} answers");
    assert!(
        differences.is_empty(),
        "{name}: {} of {compared} differ\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn with_our_ids(bytes: &[u8], message: &Message<'_>, talk: &Talk) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let Some(security) = message.security() else { return bytes };
    let at = bytes.len() - security.len();
    bytes[at..at + 8].copy_from_slice(&talk.connection_id.to_be_bytes());
    if security.len() == 16 {
        bytes[at + 8..].copy_from_slice(&talk.unique_id.unwrap_or(-1).to_be_bytes());
    }
    bytes
}

fn said(kind: MessageType, answer: &[u8], talk: &mut Talk) -> Said {
    let limits = FrameLimits::default();
    if kind.is_answered_in_chunks() {
        let header = ChunkedHeader::decode(answer, &limits).unwrap().expect("a header");
        let (mut at, mut parts, mut secured) = (ChunkedHeader::SIZE, Vec::new(), false);
        while at < answer.len() {
            let (chunk, size) = Chunk::decode(&answer[at..], &header, &limits).unwrap().expect("a chunk");
            at += size;
            if let Some(id) = chunk.security() {
                secured = true;
                talk.connection_id = i64::from_be_bytes(id.try_into().expect("8 bytes"));
            }
            parts.extend(chunk.parts().map(|part| match kind {
                MessageType::KeySet => keys(&chunk),
                MessageType::GetAll70 | MessageType::GetAllWithCallback => values(&chunk),
                MessageType::PutAll | MessageType::PutAllWithCallback | MessageType::RemoveAll => {
                    format!("{:?}", BulkReply::decode_chunk(&chunk).map(|reply| reply.list.is_some()))
                }
                _ => shown(kind, part.kind, part.bytes),
            }));
        }
        return Said { kind: header.type_number, tx_id: header.tx_id, secured, parts };
    }
    let (message, size) = Message::decode(answer, &limits).unwrap().expect("a message");
    assert_eq!(size, answer.len());
    if let Some(id) = message.security() {
        talk.connection_id = i64::from_be_bytes(id.try_into().expect("8 bytes"));
    }
    if kind == MessageType::UserCredentialMessage {
        talk.unique_id = message.parts().next().and_then(|part| part.as_i64());
    }
    Said {
        kind: message.header.type_number,
        tx_id: message.header.tx_id,
        secured: message.security().is_some(),
        parts: message.parts().map(|part| shown(kind, part.kind, part.bytes)).collect(),
    }
}

fn keys(chunk: &Chunk<'_>) -> String {
    let mut keys: Vec<_> =
        KeySetReply::decode_chunk(chunk).expect("keys").keys.iter().map(<[u8]>::to_vec).collect();
    keys.sort();
    format!("{keys:?}")
}

fn values(chunk: &Chunk<'_>) -> String {
    let list = GetAllReply::decode_chunk(chunk).expect("values").list;
    let entries = list.entries().map(|entry| (entry.value, entry.tag.map(|tag| tag.entry_version)));
    format!("{:?}", entries.collect::<Vec<_>>())
}

fn shown(kind: MessageType, part: druse_protocol::codec::PartKind, bytes: &[u8]) -> String {
    use MessageType as M;
    if let Ok(tag) = VersionTag::decode_object(bytes) {
        return format!("version {}", tag.entry_version);
    }
    if let Ok(exception) = RemoteException::read(bytes) {
        return exception.class_name().to_owned();
    }
    match kind {
        M::UserCredentialMessage => format!("an id of {} bytes", bytes.len()),
        M::GetPdxIdForType | M::GetPdxIdForEnum => format!("a number of {} bytes", bytes.len()),
        // A stack trace of the real server.
        _ if bytes.starts_with(b"org.apache.geode") => "a trace".to_owned(),
        _ => format!("{part:?} {bytes:02x?}"),
    }
}
