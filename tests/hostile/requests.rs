//! What attackers begin with: a request of every type, and good requests of the types that a node carries out.

use druse_protocol::auth::Credentials;
use druse_protocol::codec::{
    Chunk, ChunkedHeader, FIRST_CONNECTION_ID, FrameLimits, Header, Message, MessageType, MessageWriter,
    NO_TRANSACTION,
};
use druse_protocol::handshake::Welcome;
use druse_protocol::message::bulk::BulkFlags;
use druse_protocol::message::contains::{Contains, ContainsMode};
use druse_protocol::message::credentials::UserCredentials;
use druse_protocol::message::destroy::Destroy;
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::event_id::EventIdRef;
use druse_protocol::message::get::Get;
use druse_protocol::message::get_all::{GetAll, GetAllForm};
use druse_protocol::message::invalidate::Invalidate;
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::key_set::KeySet;
use druse_protocol::message::put::{Put, PutOperation};
use druse_protocol::message::put_all::PutAll;
use druse_protocol::message::remove_all::RemoveAll;
use druse_protocol::message::size::Size;
use druse_protocol::message::value::ValueRef;
use druse_support::raw::Raw;

/// The region of all requests.
const REGION: &str = "/orders";

/// What a request shows in its security part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) connection_id: i64,
    pub(crate) unique_id: i64,
}

impl Shown {
    /// The next request of a peer.
    pub(crate) fn by(peer: &Raw) -> Self {
        Self { connection_id: peer.connection_id, unique_id: peer.unique_id }
    }

    /// The first request on another connection of the same client, which needs no login of its own.
    pub(crate) fn first(peer: &Raw) -> Self {
        Self { connection_id: FIRST_CONNECTION_ID, unique_id: peer.unique_id }
    }

    pub(crate) fn part(self) -> Vec<u8> {
        [self.connection_id.to_be_bytes(), self.unique_id.to_be_bytes()].concat()
    }

    fn envelope(self) -> Envelope {
        let security = Some((self.connection_id, Some(self.unique_id)));
        Envelope { tx_id: NO_TRANSACTION, retry: false, security }
    }
}

/// A message of any type, with these parts.
pub(crate) fn message(kind: MessageType, parts: &[&[u8]], security: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = MessageWriter::begin(&mut bytes, kind, NO_TRANSACTION, 0);
    for part in parts {
        writer.raw(part);
    }
    writer.finish(security);
    bytes
}

/// A message of every type there is, requests or not, of three parts that mean something to most of them.
pub(crate) fn of_every_type(shown: Shown) -> Vec<(MessageType, Vec<u8>)> {
    let security = shown.part();
    let parts: [&[u8]; 3] = [REGION.as_bytes(), b"key", b"value"];
    MessageType::ALL.iter().map(|&kind| (kind, message(kind, &parts, Some(&security)))).collect()
}

/// Requests that are in order.
pub(crate) fn good(shown: Shown) -> Vec<(MessageType, Vec<u8>)> {
    let envelope = shown.envelope();
    let (region, key, callback) = (REGION, KeyRef::Text(b"key"), ValueRef::Null);
    let event = |sequence| EventIdRef { thread: 1, sequence };
    let flags = BulkFlags { is_proxy: true, is_versioned: false };
    let keys = [KeyRef::Text(b"key"), KeyRef::Text(b"other")];
    let entries = keys.map(|key| (key, ValueRef::Bytes(b"value")));
    let put = Put {
        region,
        operation: PutOperation::Update,
        wants_old_value: false,
        expected: None,
        key,
        is_delta: false,
        value: ValueRef::Bytes(b"value"),
        event: event(1),
        callback,
    };
    let credentials = Some(Credentials::token("mallory:1"));
    let mut requests = Requests { envelope, all: Vec::new() };
    requests.add(MessageType::Put, |out, envelope| put.encode(out, envelope));
    requests.add(MessageType::Get, |out, e| Get { region, key, callback }.encode(out, e));
    requests.add(MessageType::ContainsKey, |out, e| {
        Contains { region, key, mode: ContainsMode::Key }.encode(out, e);
    });
    requests.add(MessageType::GetAll70, |out, e| {
        let keys = keys.map(|key| key.canonical().unwrap());
        let keys = Some(keys.iter().map(|key| &**key));
        GetAll { region, keys, form: GetAllForm::Plain { wrapped: false } }.encode(out, e);
    });
    requests.add(MessageType::KeySet, |out, e| KeySet { region }.encode(out, e));
    requests.add(MessageType::Size, |out, e| Size { region }.encode(out, e));
    requests.add(MessageType::Invalidate, |out, e| {
        Invalidate { region, key, event: event(2), callback }.encode(out, e);
    });
    requests.add(MessageType::Destroy, |out, e| {
        Destroy { region, key, expected: None, event: event(3), callback }.encode(out, e);
    });
    requests.add(MessageType::PutAll, |out, e| {
        let entries = entries.iter().copied();
        PutAll {
            region,
            event: event(4),
            skip_callbacks: false,
            flags,
            callback: None,
            entries,
            timeout_ms: None,
        }
        .encode(out, e);
    });
    requests.add(MessageType::RemoveAll, |out, e| {
        let keys = keys.iter().copied();
        RemoveAll { region, event: event(6), flags, callback, keys, timeout_ms: None }.encode(out, e);
    });
    requests.add(MessageType::UserCredentialMessage, |out, e| UserCredentials { credentials }.encode(out, e));
    requests.all
}

struct Requests {
    envelope: Envelope,
    all: Vec<(MessageType, Vec<u8>)>,
}

impl Requests {
    fn add(&mut self, kind: MessageType, encode: impl FnOnce(&mut Vec<u8>, &Envelope)) {
        let mut bytes = Vec::new();
        encode(&mut bytes, &self.envelope);
        self.all.push((kind, bytes));
    }
}

/// Where the lengths of a message stand: its own, the number of its parts, and each part's.
pub(crate) fn lengths(message: &[u8]) -> Vec<usize> {
    let number = |at: usize| message[at..at + 4].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let mut fields = vec![4, 8];
    let mut at = Header::SIZE;
    while at < message.len() {
        fields.push(at);
        at += 5 + number(at);
    }
    fields
}

/// What a node has said on a connection to which `kind` was the last thing sent: nothing behind its welcome, or whole
/// answers and nothing else.
pub(crate) fn answers(said: &[u8], kind: MessageType) -> usize {
    let (_, size) = Welcome::decode(said).unwrap().unwrap();
    count(&said[size..], kind)
}

/// How many answers these bytes are, all of them whole.
pub(crate) fn count(bytes: &[u8], kind: MessageType) -> usize {
    let mut rest = bytes;
    let mut answers = 0;
    while !rest.is_empty() {
        rest = &rest[answer_size(rest, kind)..];
        answers += 1;
    }
    answers
}

fn answer_size(bytes: &[u8], kind: MessageType) -> usize {
    let limits = FrameLimits::default();
    if let Ok(Some((message, size))) = Message::decode(bytes, &limits)
        && message.kind().is_some()
    {
        return size;
    }
    assert!(kind.is_answered_in_chunks(), "{kind:?} is answered by something else than a message");
    let header = ChunkedHeader::decode(bytes, &limits).unwrap().unwrap();
    let mut size = ChunkedHeader::SIZE;
    loop {
        let (chunk, length) = Chunk::decode(&bytes[size..], &header, &limits).unwrap().unwrap();
        size += length;
        if chunk.flags.is_last() {
            return size;
        }
    }
}
