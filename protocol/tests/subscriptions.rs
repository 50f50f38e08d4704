//! Every captured request that fills a feed is understood and written again byte for byte, and so are the answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use druse_protocol::codec::{Chunk, Message, MessageType, Security};
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::cq::{CqReply, ExecuteCq, NamedCq};
use druse_protocol::message::envelope::{Envelope, ReplyEnvelope};
use druse_protocol::message::interest::{
    InterestReply, InterestResultPolicy, InterestTarget, RegisterInterest, UnregisterInterest,
};
use druse_protocol::message::versioned_list::{ListForm, VersionedList};
use support::{Capture, Exchange, chunks, message};

fn envelope(message: &Message<'_>) -> Envelope {
    let security = message.security().map(Security::from_client).map(|security| match security {
        Security::Request { connection_id, unique_id } => (connection_id, unique_id),
        Security::Unreadable => panic!("a security part of unknown size"),
    });
    Envelope { tx_id: message.header.tx_id, retry: message.header.flags.is_retry(), security }
}

fn reply_envelope(tx_id: i32, security: Option<&[u8]>) -> ReplyEnvelope {
    let next_connection_id = security.map(|bytes| i64::from_be_bytes(bytes.try_into().unwrap()));
    ReplyEnvelope { tx_id, next_connection_id }
}

/// The request, decoded and encoded; `None` for messages of other families.
fn request_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let message = &message(bytes);
    let envelope = &envelope(message);
    let mut out = Vec::new();
    match message.kind()? {
        MessageType::RegisterInterest => {
            RegisterInterest::decode(message).unwrap().encode(&mut out, envelope)
        }
        MessageType::UnregisterInterest => {
            UnregisterInterest::decode(message).unwrap().encode(&mut out, envelope);
        }
        MessageType::ExecuteCq => ExecuteCq::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::StopCq | MessageType::CloseCq => {
            NamedCq::decode(message).unwrap().encode(&mut out, envelope);
        }
        _ => return None,
    }
    Some(out)
}

/// The answer, decoded and encoded.
fn reply_again(request: MessageType, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if request == MessageType::UnregisterInterest {
        let message = &message(bytes);
        let envelope = reply_envelope(message.header.tx_id, message.security());
        Acknowledgement::decode(message).unwrap().encode(&mut out, &envelope);
        return out;
    }
    let (header, chunks) = chunks(bytes);
    if request != MessageType::RegisterInterest {
        let [chunk] = &chunks[..] else { panic!("one chunk") };
        let envelope = reply_envelope(header.tx_id, chunk.security());
        CqReply::decode_chunk(&header, chunk).unwrap().encode(&mut out, &envelope);
        return out;
    }
    InterestReply::encode_header(&mut out, &reply_envelope(header.tx_id, None));
    for chunk in &chunks {
        interest_chunk_again(&mut out, chunk, &reply_envelope(header.tx_id, chunk.security()));
    }
    out
}

fn interest_chunk_again(out: &mut Vec<u8>, chunk: &Chunk<'_>, envelope: &ReplyEnvelope) {
    let last = chunk.flags.is_last();
    match InterestReply::decode_chunk(chunk).unwrap() {
        InterestReply::Nothing => panic!("an answer of a secondary"),
        InterestReply::Keys(keys) => InterestReply::encode_keys(out, keys, last, envelope),
        InterestReply::Entries(list) => {
            let entries: Vec<_> = list.keyed().collect();
            let form = ListForm { versioned: list.is_versioned(), wrapped: true };
            InterestReply::encode_entries(out, entries, form, last, envelope);
        }
    }
}

/// The lists in an answer. Geode writes the length of a wrapped value in five bytes although one would do, so that bytes
/// cannot be compared there.
fn entries(reply: &[u8]) -> Vec<String> {
    let list = |chunk: &Chunk<'_>| {
        let part = chunk.parts().next().unwrap();
        VersionedList::decode(part.bytes).ok().map(|list| format!("{:?}", list.keyed().collect::<Vec<_>>()))
    };
    chunks(reply).1.iter().filter_map(list).collect()
}

fn check(name: &str, exchange: &Exchange) -> Option<MessageType> {
    let kind = message(&exchange.request).kind().unwrap();
    assert_eq!(request_again(&exchange.request)?, exchange.request, "{name} {kind:?}");
    let again = reply_again(kind, &exchange.reply);
    match kind == MessageType::RegisterInterest && !entries(&exchange.reply).is_empty() {
        true => assert_eq!(entries(&again), entries(&exchange.reply), "{name}"),
        false => assert_eq!(again, exchange.reply, "{name} {kind:?}"),
    }
    Some(kind)
}

#[test]
fn every_captured_subscription_is_written_again() {
    let mut seen = BTreeMap::<MessageType, usize>::new();
    for capture in Capture::all() {
        for exchange in capture.exchanges() {
            if let Some(kind) = check(&capture.name, &exchange) {
                *seen.entry(kind).or_default() += 1;
            }
        }
    }
    let count = |kind| seen.get(&kind).copied().unwrap_or_default();
    assert_eq!(count(MessageType::RegisterInterest), 9, "{seen:?}");
    assert_eq!(count(MessageType::UnregisterInterest), 10, "{seen:?}");
    assert_eq!(count(MessageType::ExecuteCq), 7, "{seen:?}");
    assert_eq!(count(MessageType::StopCq), 2, "{seen:?}");
    assert_eq!(count(MessageType::CloseCq), 6, "{seen:?}");
}

#[test]
fn what_the_captured_client_wanted() {
    let capture = Capture::read("feed-1.15.1");
    let exchanges = capture.exchanges();
    let requests: Vec<_> = exchanges.iter().map(|exchange| message(&exchange.request)).collect();
    let interests: Vec<_> =
        requests.iter().filter_map(|request| RegisterInterest::decode(request).ok()).collect();
    let InterestTarget::Key(key) = interests[0].interest.target().unwrap() else { panic!() };
    assert_eq!(
        (key.text().as_deref(), interests[0].terms.policy),
        (Some("a"), InterestResultPolicy::KeysValues)
    );
    assert_eq!(interests[1].interest.target(), Ok(InterestTarget::Pattern("x.*".into())));
    assert_eq!(interests[1].terms.policy, InterestResultPolicy::None);
    assert!(interests.iter().all(|interest| !interest.terms.durable && interest.terms.serialize_values));
    let goodbyes = requests.iter().filter_map(|request| UnregisterInterest::decode(request).ok());
    let everything =
        |goodbye: &UnregisterInterest<'_>| goodbye.interest.target() == Ok(InterestTarget::Everything);
    assert_eq!(goodbyes.filter(everything).filter(|goodbye| goodbye.closing).count(), 2);
    let cq = requests.iter().find_map(|request| ExecuteCq::decode(request).ok()).unwrap();
    assert_eq!((cq.name, cq.query, cq.state), (&b"cq1"[..], &b"select * from /data"[..], ExecuteCq::RUNNING));
}
