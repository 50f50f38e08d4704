//! What must hold of bytes from a stranger, one function a fuzz target.
//!
//! Nothing may panic, run long or take much memory; the fuzzer watches over that by itself. Beyond it each function states
//! what its decoder promises: what was decoded is written again and means the same, what is cut off the front of a stream
//! does not depend on what comes behind.
//!
//! The functions stand here and not in `fuzz_targets` so that `cargo test` can run them over the corpus without a fuzzer.

mod oql;
mod parts;
#[cfg(test)]
mod tests;
mod types;

use std::fmt::Debug;

use druse_protocol::codec::{Chunk, ChunkedHeader, FrameLimits, Header, Message, Reader};
use druse_protocol::handshake::{
    AcceptanceCode, ClientHello, ClientProxyMembershipId, FeedWelcome, GatewayAnswer, Member, Welcome,
};
use druse_protocol::locator::{Opening, Request, Response};
use druse_protocol::message::credentials::{RemoveUserAuth, UserCredentials, UserCredentialsReply};
use druse_protocol::message::exception::{ExceptionReply, RemoteException, TextError};
use druse_protocol::message::fuzzing::{judge_chunk, judge_feed, judge_headed_chunk, judge_message};
use druse_protocol::message::housekeeping::CloseConnection;
use druse_protocol::message::key::KeyRef;
use druse_protocol::value::java_stream::{self, Stream};
use druse_protocol::value::pdx::{EnumInfo, PdxType};
use druse_protocol::value::{Value, equality, key as value_key, object_length};

pub use oql::oql;
pub use parts::{chunk_from, message_from, pack};
use types::Types;

/// Small, so that the limits themselves are met.
const LIMITS: FrameLimits = FrameLimits { message_bytes: 4096, parts: 64 };

/// Plain messages out of a stream of bytes.
pub fn frame(data: &[u8]) {
    let cut = |bytes: &[u8]| Message::decode(bytes, &LIMITS).map(|cut| cut.map(|(_, size)| size));
    settled(data, cut);
    if let Ok(Some((message, size))) = Message::decode(data, &LIMITS) {
        assert!(size <= Header::SIZE + LIMITS.message_bytes);
        assert_eq!(message.parts().count(), message.part_count());
        judge_message(&message);
    }
}

/// Chunked replies out of a stream of bytes, and chunks of parts that a fuzzer can reach.
pub fn chunk(data: &[u8]) {
    if let Some(reply) = chunk_from(data) {
        chunks(&reply);
    }
    chunks(data);
}

fn chunks(data: &[u8]) {
    let Ok(Some(header)) = ChunkedHeader::decode(data, &LIMITS) else { return };
    let mut rest = &data[ChunkedHeader::SIZE..];
    while let Ok(Some((chunk, size))) = Chunk::decode(rest, &header, &LIMITS) {
        settled(rest, |bytes| Chunk::decode(bytes, &header, &LIMITS).map(|cut| cut.map(|(_, size)| size)));
        judge_chunk(&chunk);
        judge_headed_chunk(&header, &chunk);
        _ = ExceptionReply::from_chunk(&chunk);
        _ = TextError::decode_chunk(&header, &chunk);
        rest = &rest[size..];
    }
}

/// Requests and plain replies: a type and parts, so that the fuzzer need not get the lengths right. See [`pack`].
pub fn requests(data: &[u8]) {
    let Some(bytes) = message_from(data) else { return };
    if let Ok(Some((message, _))) = Message::decode(&bytes, &FrameLimits::default()) {
        judge_message(&message);
        _ = ExceptionReply::decode(&message);
        _ = TextError::decode(&message);
        _ = UserCredentials::decode(&message);
        _ = UserCredentialsReply::decode(&message);
        _ = RemoveUserAuth::decode(&message);
        _ = CloseConnection::decode(&message);
    }
}

/// What a server pushes: one message that a fuzzer can reach, see [`pack`], and a stream of them.
pub fn feed(data: &[u8]) {
    let packed = message_from(data).unwrap_or_default();
    for bytes in [&packed[..], data] {
        let mut rest = bytes;
        while let Ok(Some((message, size))) = Message::decode(rest, &FrameLimits::default()) {
            judge_feed(&message);
            rest = &rest[size..];
        }
    }
}

/// Serialized throwables.
pub fn exception(data: &[u8]) {
    if let Ok(exception) = RemoteException::read(data) {
        assert!(!exception.lineage.is_empty());
        _ = exception.to_string();
    }
    _ = RemoteException::from_stack_trace(&String::from_utf8_lossy(data));
}

/// What either side says first.
pub fn handshake(data: &[u8]) {
    settled(data, |bytes| ClientHello::decode(bytes).map(|cut| cut.map(|(_, size)| size)));
    settled(data, |bytes| Welcome::decode(bytes).map(|cut| cut.map(|(_, size)| size)));
    settled(data, |bytes| GatewayAnswer::decode(bytes).map(|cut| cut.map(|(_, size)| size)));
    // A refusal on a feed may end behind its text, and does so for clients of an unknown version: where the bytes end is
    // all there is to tell by, and the connection ends with it.
    if data.first() != Some(&(AcceptanceCode::FeedRefused as u8)) {
        settled(data, |bytes| FeedWelcome::decode(bytes).map(|cut| cut.map(|(_, size)| size)));
    }
    if let Ok(Some((hello, _))) = ClientHello::decode(data) {
        let mut out = Vec::new();
        hello.encode(&mut out);
        let size = out.len();
        assert_eq!(ClientHello::decode(&out), Ok(Some((hello, size))));
    }
    if let Ok(Some((welcome, _))) = Welcome::decode(data) {
        let mut out = Vec::new();
        welcome.encode(&mut out);
        let size = out.len();
        assert_eq!(Welcome::decode(&out), Ok(Some((welcome, size))));
    }
    // The identity of a C++ client lacks fields without saying which, so that only those of Java can be written again; the
    // node keeps either as bytes.
    if let Some(member) =
        Member::decode(data).ok().filter(|member| member.durable_id.is_some() && member.version.is_some())
    {
        let mut out = Vec::new();
        member.encode(&mut out);
        assert_eq!(Member::decode(&out), Ok(member));
    }
    _ = ClientProxyMembershipId::read(&mut Reader::new(data));
}

/// What clients ask a locator, and what it answers.
pub fn locator(data: &[u8]) {
    _ = Opening::decode(data);
    settled(data, |bytes| Request::decode(bytes).map(|cut| cut.map(|(_, size)| size)));
    settled(data, |bytes| Response::decode(bytes).map(|cut| cut.map(|(_, size)| size)));
    if let Ok(Some((request, _))) = Request::decode(data) {
        let mut out = Vec::new();
        request.encode(&mut out);
        let size = out.len();
        assert_eq!(Request::decode(&out), Ok(Some((request, size))));
    }
    if let Ok(Some((response, _))) = Response::decode(data) {
        let mut out = Vec::new();
        response.encode(&mut out);
        let size = out.len();
        assert_eq!(Response::decode(&out), Ok(Some((response, size))));
    }
}

/// Objects: walked, decoded, shown, written again.
pub fn value(data: &[u8]) {
    let length = object_length(data);
    let mut reader = Reader::new(data);
    // Whatever decodes can be walked. Not the other way round: walking does not look into texts.
    if let Ok(value) = Value::read(&mut reader) {
        assert_eq!(length, Ok(data.len() - reader.remaining()));
        _ = value.to_string();
        let written = value.to_bytes();
        let again = Value::decode(&written);
        assert_eq!(again.map(|again| again.to_bytes()), Ok(written));
    }
    if let Ok(length) = length {
        assert_eq!(object_length(&data[..length]), Ok(length), "what follows does not count");
    }
    streams(data);
    _ = PdxType::decode(data);
    _ = EnumInfo::decode(data);
}

/// Both walks over a Java stream agree.
fn streams(data: &[u8]) {
    let mut reader = Reader::new(data);
    let skipped = java_stream::skip(&mut reader);
    let mut kept_reader = Reader::new(data);
    let kept = Stream::read(&mut kept_reader);
    assert_eq!(skipped.as_ref().err(), kept.as_ref().err());
    if kept.is_ok() {
        assert_eq!(reader.remaining(), kept_reader.remaining());
    }
    _ = java_stream::root_class_name(data);
}

/// Keys: one form for all forms, found by both ways to it.
pub fn key(data: &[u8]) {
    if let Ok(canonical) = value_key::canonical(data) {
        assert_eq!(value_key::canonical(&canonical).as_deref(), Ok(&*canonical));
        assert!(equality::equals(data, &canonical, &()) || object_length(data).is_err());
    }
    let quick = KeyRef::Object(data).canonical();
    if let (Ok(one), Ok(other)) = (value_key::canonical(data), &quick) {
        assert_eq!(one, *other, "both ways to a key's form");
    }
    if let Ok(canonical) = KeyRef::Text(data).canonical() {
        assert_eq!(
            value_key::canonical(&canonical).as_deref(),
            Ok(&*canonical),
            "a text's form is canonical"
        );
        assert_eq!(KeyRef::from_canonical(&canonical).text(), KeyRef::Text(data).text());
    }
}

/// Comparison of two values under PDX types that the peer made up: `type length:u16, type, value length:u16, one, other`.
pub fn equality(data: &[u8]) {
    let Some((pdx_type, rest)) = sized(data) else { return };
    let Some((one, other)) = sized(rest) else { return };
    let types = Types::of(pdx_type);
    let equal = equality::equals(one, other, &types);
    assert_eq!(equal, equality::equals(other, one, &types), "equality is mutual");
    assert!(equality::equals(one, one, &types));
    types.read_fields(one);
}

/// Splits `length:u16` and so many bytes off the front.
fn sized(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// A decoder of streams must not change its mind: what was cut off the front is the same without what follows, and is not
/// complete without its last byte; and what is wrong does not become right by more bytes.
fn settled<E: Debug + PartialEq>(data: &[u8], cut: impl Fn(&[u8]) -> Result<Option<usize>, E>) {
    let Ok(Some(size)) = cut(data) else { return };
    assert!(size <= data.len());
    assert_eq!(cut(&data[..size]), Ok(Some(size)), "what follows does not count");
    for end in 0..size {
        assert_eq!(cut(&data[..end]), Ok(None), "cut at {end} of {size}");
    }
}
