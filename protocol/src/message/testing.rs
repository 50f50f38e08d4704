//! What the tests of the message families share: any key, value and event, and the way there and back.

use proptest::prelude::*;

use super::envelope::{Envelope, ReplyEnvelope};
use super::event_id::EventIdRef;
use super::key::KeyRef;
use super::network_hop::NetworkHop;
use super::value::ValueRef;
use crate::codec::{Chunk, ChunkedHeader, FrameLimits, Message, MessageWriter, text};

pub(crate) const ENVELOPE: Envelope = Envelope { tx_id: 7, retry: true, security: Some((-5, Some(9))) };
pub(crate) const REPLY_ENVELOPE: ReplyEnvelope = ReplyEnvelope { tx_id: 7, next_connection_id: Some(-5) };

/// A value that owns its bytes.
#[derive(Debug, Clone)]
pub(crate) enum AnyValue {
    Null,
    Bytes(Vec<u8>),
    Object(Vec<u8>),
}

impl AnyValue {
    pub(crate) fn get(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Bytes(bytes) => ValueRef::Bytes(bytes),
            Self::Object(bytes) => ValueRef::Object(bytes),
        }
    }
}

/// A key that owns its bytes.
#[derive(Debug, Clone)]
pub(crate) enum AnyKey {
    Text(Vec<u8>),
    Object(Vec<u8>),
}

impl AnyKey {
    pub(crate) fn get(&self) -> KeyRef<'_> {
        match self {
            Self::Text(bytes) => KeyRef::Text(bytes),
            Self::Object(bytes) => KeyRef::Object(bytes),
        }
    }
}

pub(crate) fn any_object() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i32>().prop_map(|value| [&[0x39][..], &value.to_be_bytes()].concat()),
        any::<bool>().prop_map(|value| vec![0x35, u8::from(value)]),
        "[a-z]{0,9}".prop_map(|text| [&[0x57, 0, text.len() as u8], text.as_bytes()].concat()),
    ]
}

pub(crate) fn any_value() -> impl Strategy<Value = AnyValue> {
    prop_oneof![
        Just(AnyValue::Null),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(AnyValue::Bytes),
        any_object().prop_map(AnyValue::Object),
    ]
}

pub(crate) fn any_key() -> impl Strategy<Value = AnyKey> {
    prop_oneof![
        any::<String>().prop_map(|text| AnyKey::Text(text::encode(&text).into_owned())),
        any_object().prop_map(AnyKey::Object),
    ]
}

pub(crate) fn any_event() -> impl Strategy<Value = EventIdRef> {
    (any::<i64>(), any::<i64>()).prop_map(|(thread, sequence)| EventIdRef { thread, sequence })
}

pub(crate) fn any_hop() -> impl Strategy<Value = Option<NetworkHop>> {
    any::<Option<(u8, u8)>>()
        .prop_map(|hop| hop.map(|(metadata_version, kind)| NetworkHop { metadata_version, kind }))
}

pub(crate) fn reply_of(encode: impl FnOnce(&mut Vec<u8>, &ReplyEnvelope)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out, &REPLY_ENVELOPE);
    out
}

/// Lends the one message that `bytes` must be.
pub(crate) fn with_message<'a, T>(bytes: &'a [u8], read: impl FnOnce(&Message<'a>) -> T) -> T {
    let (message, size) = Message::decode(bytes, &FrameLimits::default()).unwrap().unwrap();
    assert_eq!(size, bytes.len());
    read(&message)
}

/// Lends every chunk of the chunked reply that `bytes` must be.
pub(crate) fn with_chunks<'a>(bytes: &'a [u8], mut read: impl FnMut(&Chunk<'a>)) {
    let limits = FrameLimits::default();
    let header = ChunkedHeader::decode(bytes, &limits).unwrap().unwrap();
    assert_eq!((header.tx_id, header.parts), (7, 1));
    let mut rest = &bytes[ChunkedHeader::SIZE..];
    loop {
        let (chunk, size) = Chunk::decode(rest, &header, &limits).unwrap().unwrap();
        rest = &rest[size..];
        read(&chunk);
        assert_eq!(chunk.flags.is_last(), chunk.security() == Some(&(-5_i64).to_be_bytes()[..]));
        if chunk.flags.is_last() {
            assert_eq!(rest, []);
            return;
        }
    }
}

/// The same message with only its first parts, and more behind them.
pub(crate) fn rebuilt(message: &Message<'_>, keep: usize, more: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let kind = message.kind().unwrap();
    let mut writer = MessageWriter::begin(&mut out, kind, message.header.tx_id, 0);
    message.parts().take(keep).for_each(|part| writer.part(part));
    (0..more).for_each(|_| writer.u8(0xaa));
    writer.finish(None);
    out
}

/// Writes a request and reads it back; then again without some of its last parts, which must not panic, and with parts
/// too many, which must not pass.
macro_rules! check_request {
    ($type:ident, $value:expr) => {{
        let value = $value;
        let mut out = Vec::new();
        value.encode(&mut out, &$crate::message::testing::ENVELOPE);
        $crate::message::testing::with_message(&out, |message| {
            assert_eq!(message.header.tx_id, 7);
            assert!(message.header.flags.is_retry());
            let security = $crate::codec::Security::Request { connection_id: -5, unique_id: Some(9) };
            assert_eq!(message.security().map($crate::codec::Security::from_client), Some(security));
            $crate::message::testing::check_decoding!($type, value, message);
        });
    }};
}

/// As `check_request`, for plain replies.
macro_rules! check_reply {
    ($type:ident, $value:expr) => {{
        let value = $value;
        let mut out = Vec::new();
        value.encode(&mut out, &$crate::message::testing::REPLY_ENVELOPE);
        $crate::message::testing::with_message(&out, |message| {
            assert_eq!(message.header.tx_id, 7);
            assert_eq!(message.security(), Some(&(-5_i64).to_be_bytes()[..]));
            $crate::message::testing::check_decoding!($type, value, message);
        });
    }};
}

/// Writes a message of a feed and reads it back for the test to look at; then again with parts missing at the end and with
/// one too many, neither of which must pass.
macro_rules! check_feed {
    ($type:ident, $value:expr, |$found:ident| $check:block) => {{
        use $crate::message::testing::{rebuilt, with_message};
        let mut out = Vec::new();
        $value.encode(&mut out);
        with_message(&out, |message| {
            assert_eq!((message.security(), message.header.flags.0), (None, 0));
            let $found = $type::decode(message).unwrap();
            $check
            for keep in 1..message.part_count() {
                let shorter = rebuilt(message, keep, 0);
                with_message(&shorter, |message| assert!($type::decode(message).is_err(), "{keep} parts"));
            }
            let longer = rebuilt(message, message.part_count(), 1);
            with_message(&longer, |message| assert!($type::decode(message).is_err(), "too many parts"));
        });
    }};
}

macro_rules! check_decoding {
    ($type:ident, $value:ident, $message:ident) => {{
        use $crate::message::testing::{rebuilt, with_message};
        assert_eq!($type::decode($message), Ok($value));
        for keep in 1..$message.part_count() {
            let shorter = rebuilt($message, keep, 0);
            with_message(&shorter, |message| _ = $type::decode(message));
        }
        let longer = rebuilt($message, $message.part_count(), 3);
        with_message(&longer, |message| assert!($type::decode(message).is_err(), "too many parts"));
    }};
}

pub(crate) use {check_decoding, check_feed, check_reply, check_request};
