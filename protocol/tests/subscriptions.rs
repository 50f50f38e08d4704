//! Every captured request that fills a feed is understood and written again byte for byte, and so are the answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use druse_protocol::codec::{Chunk, Message, MessageType, Security};
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::cq::{CqReply, DurableCqsReply, ExecuteCq, GetDurableCqs, NamedCq};
use druse_protocol::message::envelope::{Envelope, ReplyEnvelope};
use druse_protocol::message::exception::ExceptionReply;
use druse_protocol::message::feed_control::{EventValueReply, MakePrimary, PeriodicAck, RequestEventValue};
use druse_protocol::message::interest::{
    InterestReply, InterestResultPolicy, InterestTarget, RegisterInterest, RegisterInterestList,
    UnregisterInterest, UnregisterInterestList,
};
use druse_protocol::message::object_part_list::Element;
use druse_protocol::message::query::Query;
use druse_protocol::message::query_reply::{ElementType, QueryReply, Row};
use druse_protocol::message::value::ValueRef;
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
        MessageType::RegisterInterestList => {
            RegisterInterestList::decode(message).unwrap().encode(&mut out, envelope);
        }
        MessageType::UnregisterInterestList => {
            UnregisterInterestList::decode(message).unwrap().encode(&mut out, envelope);
        }
        MessageType::ExecuteCq | MessageType::ExecuteCqWithInitialResults => {
            ExecuteCq::decode(message).unwrap().encode(&mut out, envelope);
        }
        MessageType::GetDurableCqs => GetDurableCqs::encode(&mut out, envelope),
        MessageType::MakePrimary => MakePrimary::decode(message).encode(&mut out, envelope),
        MessageType::PeriodicAck => PeriodicAck::decode(message).unwrap().encode(&mut out, envelope),
        MessageType::RequestEventValue => {
            RequestEventValue::decode(message).unwrap().encode(&mut out, envelope);
        }
        MessageType::Query | MessageType::QueryWithParameters => {
            Query::decode(message).unwrap().encode(&mut out, envelope);
        }
        MessageType::StopCq | MessageType::CloseCq => {
            NamedCq::decode(message).unwrap().encode(&mut out, envelope);
        }
        _ => return None,
    }
    Some(out)
}

/// The plain answer, decoded and encoded.
fn plain_reply_again(request: MessageType, bytes: &[u8]) -> Vec<u8> {
    let message = &message(bytes);
    let envelope = &reply_envelope(message.header.tx_id, message.security());
    let mut out = Vec::new();
    match request {
        MessageType::RequestEventValue => {
            EventValueReply::decode(message).unwrap().encode(&mut out, envelope)
        }
        _ => Acknowledgement::decode(message).unwrap().encode(&mut out, envelope),
    }
    out
}

/// The answer, decoded and encoded.
fn reply_again(request: MessageType, bytes: &[u8]) -> Vec<u8> {
    if !request.is_answered_in_chunks() {
        return plain_reply_again(request, bytes);
    }
    let mut out = Vec::new();
    let (header, chunks) = chunks(bytes);
    let envelope = reply_envelope(header.tx_id, None);
    match request {
        MessageType::RegisterInterest | MessageType::RegisterInterestList => {
            InterestReply::encode_header(&mut out, &envelope);
        }
        MessageType::GetDurableCqs => DurableCqsReply::encode_header(&mut out, &envelope),
        MessageType::Query | MessageType::QueryWithParameters | MessageType::ExecuteCqWithInitialResults => {
            QueryReply::encode_header(&mut out, &envelope);
        }
        _ => {
            let [chunk] = &chunks[..] else { panic!("one chunk") };
            let envelope = reply_envelope(header.tx_id, chunk.security());
            CqReply::decode_chunk(&header, chunk).unwrap().encode(&mut out, &envelope);
            return out;
        }
    }
    for chunk in &chunks {
        chunk_again(request, &mut out, chunk, &reply_envelope(header.tx_id, chunk.security()));
    }
    out
}

fn chunk_again(request: MessageType, out: &mut Vec<u8>, chunk: &Chunk<'_>, envelope: &ReplyEnvelope) {
    match request {
        MessageType::RegisterInterest | MessageType::RegisterInterestList => {
            interest_chunk_again(out, chunk, envelope);
        }
        MessageType::GetDurableCqs => {
            let names = DurableCqsReply::decode_chunk(chunk).unwrap().names;
            // All of them are plain text, behind a code and a length.
            let names: Vec<&[u8]> = names.iter().map(|name| &name[3..]).collect();
            DurableCqsReply::encode_chunk(out, names, chunk.flags.is_last(), envelope).unwrap();
        }
        _ => query_chunk_again(out, chunk, envelope),
    }
}

fn interest_chunk_again(out: &mut Vec<u8>, chunk: &Chunk<'_>, envelope: &ReplyEnvelope) {
    let last = chunk.flags.is_last();
    match InterestReply::decode_chunk(chunk).unwrap() {
        InterestReply::Nothing => {
            out.clear();
            InterestReply::encode_from_secondary(out, envelope);
        }
        InterestReply::Keys(keys) => InterestReply::encode_keys(out, keys, last, envelope),
        InterestReply::Entries(list) => {
            let entries: Vec<_> = list.keyed().collect();
            let form = ListForm { versioned: list.is_versioned(), wrapped: true };
            InterestReply::encode_entries(out, entries, form, last, envelope);
        }
    }
}

fn query_chunk_again(out: &mut Vec<u8>, chunk: &Chunk<'_>, envelope: &ReplyEnvelope) {
    let (reply, last) = (QueryReply::decode_chunk(chunk).unwrap(), chunk.flags.is_last());
    let result_type = reply.result_type.unwrap();
    let value = |element| match element {
        Element::Value(value) => value,
        Element::Exception { .. } => panic!("an exception among the rows"),
    };
    let fields = |row| match row {
        Row::Struct(fields) => fields.iter().map(value).collect::<Vec<ValueRef<'_>>>(),
        Row::Value(element) => vec![value(element)],
    };
    let rows: Vec<_> = reply.rows.iter().map(fields).collect();
    match reply.rows.iter().next() {
        Some(Row::Struct(_)) => QueryReply::encode_structs(out, &result_type, rows, last, envelope),
        _ => QueryReply::encode_values(out, &result_type, rows.concat(), last, envelope),
    }
}

/// What an answer says, where Geode is free to write it in another form than we do: a wrapped value with a length of five
/// bytes although one would do, rows as a part list.
fn meaning(reply: &[u8]) -> Vec<String> {
    let of = |chunk: &Chunk<'_>| {
        let last = chunk.parts().last().unwrap();
        if let Ok(list) = VersionedList::decode(last.bytes) {
            return format!("{:?}", list.keyed().collect::<Vec<_>>());
        }
        let Ok(reply) = QueryReply::decode_chunk(chunk) else { return format!("{:?}", chunk.parts()) };
        let row = |row| match row {
            Row::Struct(fields) => format!("{:?}", fields.iter().collect::<Vec<_>>()),
            Row::Value(element) => format!("{element:?}"),
        };
        format!("{:?} {:?}", reply.result_type, reply.rows.iter().map(row).collect::<Vec<_>>())
    };
    chunks(reply).1.iter().map(of).collect()
}

/// A list of keys of any other class is written as an `ArrayList`.
fn check_request(name: &str, kind: MessageType, request: &[u8], again: &[u8]) {
    if kind == MessageType::RegisterInterestList && request != again {
        let (before, after) = (message(request), message(again));
        assert!(matches!(before.parts().nth(3).unwrap().bytes, [0x2c | 0x0a, ..]), "{name}");
        assert_eq!(RegisterInterestList::decode(&after), RegisterInterestList::decode(&before), "{name}");
    } else {
        assert_eq!(again, request, "{name} {kind:?}");
    }
}

fn is_refused(kind: MessageType, reply: &[u8]) -> bool {
    let is_exception = |chunk: &Chunk<'_>| ExceptionReply::from_chunk(chunk).is_some();
    kind.is_answered_in_chunks() && chunks(reply).1.iter().any(is_exception)
}

/// The type of the request, and whether bytes were compared; `None` for messages of other families and for refusals.
fn check(name: &str, exchange: &Exchange) -> Option<(MessageType, bool)> {
    let kind = message(&exchange.request).kind().unwrap();
    check_request(name, kind, &exchange.request, &request_again(&exchange.request)?);
    if is_refused(kind, &exchange.reply) {
        return None;
    }
    let again = reply_again(kind, &exchange.reply);
    if again == exchange.reply {
        return Some((kind, true));
    }
    assert!(kind.is_answered_in_chunks(), "{name} {kind:?}: {again:02x?}");
    assert_eq!(meaning(&again), meaning(&exchange.reply), "{name} {kind:?}");
    Some((kind, false))
}

#[test]
fn every_captured_subscription_is_written_again() {
    let mut seen = BTreeMap::<MessageType, (usize, usize)>::new();
    for capture in Capture::with_subscriptions() {
        for exchange in capture.exchanges() {
            if let Some((kind, same_bytes)) = check(&capture.name, &exchange) {
                let counts = seen.entry(kind).or_default();
                if same_bytes { counts.0 += 1 } else { counts.1 += 1 }
            }
        }
    }
    for (kind, counts) in [
        (MessageType::RegisterInterest, (15, 6)),
        (MessageType::RegisterInterestList, (4, 5)),
        (MessageType::UnregisterInterest, (30, 0)),
        (MessageType::UnregisterInterestList, (2, 0)),
        (MessageType::ExecuteCq, (13, 0)),
        (MessageType::ExecuteCqWithInitialResults, (2, 4)),
        (MessageType::StopCq, (4, 0)),
        (MessageType::CloseCq, (15, 0)),
        (MessageType::GetDurableCqs, (2, 0)),
        (MessageType::MakePrimary, (1, 0)),
        (MessageType::PeriodicAck, (34, 0)),
        (MessageType::RequestEventValue, (1, 0)),
        (MessageType::Query, (20, 4)),
        (MessageType::QueryWithParameters, (2, 0)),
    ] {
        assert_eq!(seen.remove(&kind), Some(counts), "{kind:?}");
    }
    assert!(seen.is_empty(), "{seen:?}");
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

/// Every query of `subscriptions` that was answered: its text, the collection, what a row is, and how many there were.
fn answered_queries(version: &str) -> Vec<(String, String, String, usize)> {
    let capture = Capture::read(&format!("subscriptions-{version}"));
    let answered = |exchange: &Exchange| {
        let request = message(&exchange.request);
        let text = match request.kind()? {
            MessageType::Query | MessageType::QueryWithParameters => Query::decode(&request).ok()?.text,
            MessageType::ExecuteCqWithInitialResults => ExecuteCq::decode(&request).ok()?.query,
            _ => return None,
        };
        let (_, chunks) = chunks(&exchange.reply);
        let replies: Vec<_> = chunks.iter().map(QueryReply::decode_chunk).collect::<Result<_, _>>().ok()?;
        let result_type = replies[0].result_type?;
        let element = match result_type.element {
            ElementType::Value(class) => String::from_utf8_lossy(class).into_owned(),
            ElementType::Struct(names) => names.iter().collect::<Vec<_>>().join(","),
        };
        let collection = String::from_utf8_lossy(result_type.collection).into_owned();
        let rows = replies.iter().map(|reply| reply.rows.iter().count()).sum();
        Some((String::from_utf8_lossy(text).into_owned(), collection, element, rows))
    };
    capture.exchanges().iter().filter_map(answered).collect()
}

#[test]
fn what_the_captured_queries_gave() {
    const INTERNAL: &str = "org.apache.geode.cache.query.internal.";
    let found = answered_queries("1.15.1");
    assert_eq!(answered_queries("1.14.4"), found, "old clients are told the same");
    let found: Vec<_> = found
        .iter()
        .map(|(text, collection, element, rows)| {
            let collection = collection.trim_start_matches("java.util.").trim_start_matches(INTERNAL);
            (&text[..], collection, element.trim_start_matches("java.lang."), *rows)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("select * from /data where toString = 'v7'", "Collection", "Object", 1),
            ("select * from /data", "Collection", "Object", 111),
            ("select distinct * from /data where toString = 'v7'", "Set", "Object", 1),
            (
                "select * from /data d where d.toString like 'v1%' order by d.toString limit 3",
                "SortedResultsBag",
                "Object",
                3
            ),
            ("select e.key, e.value from /data.entries e where e.value = 'v8'", "StructBag", "key,value", 1),
            (
                "select distinct e.key, e.value from /data.entries e where e.value = 'v8' order by e.key",
                "Ordered",
                "key,value",
                1
            ),
            ("select count(*) from /data", "Collection", "Integer", 1),
            ("select * from /data where toString = 'nothing'", "Collection", "Object", 0),
            ("select d.length from /data d where d = $1", "Collection", "Object", 1),
            ("select max(e.key) from /inv.entries e", "Collection", "Number", 1),
            ("select nofield from /data d", "Collection", "Object", 111),
            ("select d.nope, d.length from /data d where d = 'v9'", "StructBag", "nope,length", 1),
            ("select * from /data.keys k where k.toString = 'f3'", "Collection", "Object", 1),
            ("select * from /data", "Collection", "key,value", 108),
            ("select * from /gone d where d.toString = 'never'", "Collection", "key,value", 0),
        ]
    );
}
