//! Every captured message of a feed is understood, and written again byte for byte from what was understood.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use druse_protocol::codec::{FrameLimits, Message, MessageType};
use druse_protocol::message::feed::{CqOperation, EntryEvent, EntryOperation, EventValue, FeedMessage};
use druse_protocol::message::value::ValueRef;
use support::Capture;

/// Lends every message of a feed.
fn for_each(bytes: &[u8], mut look: impl FnMut(&Message<'_>, &[u8])) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (message, size) =
            Message::decode(rest, &FrameLimits::default()).unwrap().expect("a whole message");
        look(&message, &rest[..size]);
        rest = &rest[size..];
    }
}

#[test]
fn every_captured_message_of_a_feed_is_written_again() {
    let mut seen = BTreeMap::<MessageType, usize>::new();
    for capture in Capture::with_subscriptions() {
        for feed in capture.feeds() {
            for_each(&feed, |message, bytes| {
                let mut again = Vec::new();
                FeedMessage::decode(message).unwrap().encode(&mut again);
                assert_eq!(again, bytes, "{}", capture.name);
                *seen.entry(message.kind().unwrap()).or_default() += 1;
            });
        }
    }
    for (kind, count) in [
        (MessageType::LocalCreate, 26),
        (MessageType::LocalUpdate, 19),
        (MessageType::LocalInvalidate, 12),
        (MessageType::LocalDestroy, 10),
        (MessageType::LocalDestroyRegion, 2),
        (MessageType::ClearRegion, 2),
        (MessageType::InvalidateRegion, 2),
        (MessageType::ClientMarker, 13),
        (MessageType::ClientReAuthenticate, 1),
        (MessageType::ClientRegisterInterest, 4),
        (MessageType::ClientUnregisterInterest, 2),
        (MessageType::RegisterInstantiators, 2),
        (MessageType::RegisterDataSerializers, 2),
        (MessageType::TombstoneOperation, 8),
    ] {
        assert_eq!(seen.remove(&kind), Some(count), "{kind:?}");
    }
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn ids_rise_on_every_lane_of_a_feed_but_for_what_is_sent_again() {
    for capture in Capture::all().iter().filter(|capture| !capture.name.starts_with("durable")) {
        for feed in capture.feeds() {
            let mut last = BTreeMap::new();
            for_each(&feed, |message, _| {
                let Some(id) = FeedMessage::decode(message).unwrap().id() else { return };
                let before = last.insert((id.member.to_vec(), id.thread), id.sequence);
                assert!(before.is_none_or(|before| before < id.sequence), "{} {id:?}", capture.name);
            });
        }
    }
}

/// The events of one feed's entries, each given to `look` with its place.
fn entries(name: &str, mut look: impl FnMut(usize, EntryEvent<'_>)) {
    let mut place = 0;
    for feed in Capture::read(name).feeds() {
        for_each(&feed, |message, _| {
            if let FeedMessage::Entry(event) = FeedMessage::decode(message).unwrap() {
                look(place, event);
                place += 1;
            }
        });
    }
}

#[test]
fn two_users_queries_come_in_one_block() {
    let mut blocks = Vec::new();
    entries("multiuser-1.15.1", |_, event| {
        assert!(!event.interest);
        assert_eq!(event.operation, EntryOperation::Create);
        assert_eq!(event.value, Some(EventValue::Whole(ValueRef::Object(&[0x57, 0, 1, b'1']))));
        blocks.push(event.cqs.map(|cq| (cq.name.to_vec(), cq.operation)).collect::<Vec<_>>());
    });
    let create = |name: &[u8]| (name.to_vec(), CqOperation::Create);
    assert_eq!(blocks, [[create(b"c1"), create(b"c2")]]);
}

/// What each query of `subscriptions` was told, in order: the query, what happened to the region, what to the results.
fn told(version: &str, cq: &str) -> Vec<(EntryOperation, CqOperation)> {
    let mut told = Vec::new();
    entries(&format!("subscriptions-{version}"), |_, event| {
        let ours = event.cqs.filter(|candidate| candidate.name == cq.as_bytes());
        told.extend(ours.map(|candidate| (event.operation, candidate.operation)));
    });
    told
}

#[test]
fn what_an_event_is_to_a_query_may_differ_from_what_it_is_to_the_region() {
    use {CqOperation as Q, EntryOperation as E};
    // Of the values that are "in".
    let coming_and_going = [(E::Create, Q::Create), (E::Update, Q::Destroy), (E::Create, Q::Create)];
    // Of the values that are not "out", in a region whose client wants no values: the base operation is told all the same.
    let without_values = [
        (E::Update, Q::Update),
        (E::Create, Q::Create),
        (E::Update, Q::Destroy),
        (E::Invalidate, Q::Destroy),
    ];
    for version in ["1.14.4", "1.15.1"] {
        assert_eq!(told(version, "some"), coming_and_going);
        assert_eq!(told(version, "inv"), without_values);
    }
}

#[test]
fn values_of_every_form() {
    let (mut deltas, mut nulls, mut empty) = (0, 0, 0);
    entries("subscriptions-1.15.1", |_, event| match event.value {
        Some(EventValue::Delta(bytes)) => {
            assert_eq!((event.operation, bytes), (EntryOperation::Update, &[0, 0, 0, 5][..]));
            deltas += 1;
        }
        Some(EventValue::Whole(ValueRef::Null)) => nulls += 1,
        Some(EventValue::Whole(ValueRef::Bytes([]))) => empty += 1,
        _ => {}
    });
    assert_eq!((deltas, nulls, empty), (1, 1, 1));
}

#[test]
fn an_invalidate_brings_no_value() {
    let mut invalidates = 0;
    entries("feed-1.15.1", |_, event| {
        if event.operation == EntryOperation::Invalidate {
            assert_eq!(event.value, None);
            invalidates += 1;
        }
    });
    assert!(invalidates > 0);
}
