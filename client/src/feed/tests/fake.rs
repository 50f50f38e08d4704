//! Servers in memory, told by the test what to push and asked by it what they were told.

use std::collections::HashMap;
use std::sync::Arc;

use druse_protocol::auth::{AuthError, BoxFuture, Credentials};
use druse_protocol::codec::{FrameLimits, Header, Message, MessageType};
use druse_protocol::compat;
use druse_protocol::handshake::{
    AcceptanceCode, ClientHello, FeedWelcome, Member, MemberKind, PIPELINED_GROUP, SecurityMode, Welcome,
};
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::credentials::{UserCredentials, UserCredentialsReply};
use druse_protocol::message::envelope::ReplyEnvelope;
use druse_protocol::message::exception::Framing;
use druse_protocol::message::feed::{FeedEventId, FeedMessage};
use druse_protocol::message::feed_control::PeriodicAck;
use druse_protocol::message::interest::{InterestReply, RegisterInterest, RegisterInterestList};
use druse_protocol::message::value::ValueRef;
use druse_protocol::message::version_tag::VersionTag;
use druse_protocol::message::versioned_list::{ListEntry, ListForm, ListValue};
use druse_protocol::version::VersionOrdinal;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::endpoint::ServerLocation;
use crate::sync::Mutex;
use crate::transport::{Stream, Transport};

/// How much a feed's socket holds.
const SOCKET_BYTES: usize = 4096;

/// Some servers in memory.
#[derive(Clone, Default)]
pub(super) struct FakeGrid(Arc<Mutex<HashMap<String, FakeServer>>>);

/// One of them.
#[derive(Clone)]
pub(super) struct FakeServer {
    pub(super) location: ServerLocation,
    state: Arc<Mutex<State>>,
}

/// What it was told, and how it is to answer.
#[derive(Default)]
pub(super) struct State {
    /// What was said to it about feeds and logins, in order.
    pub(super) heard: Vec<Heard>,
    /// What it answers to a registration: keys, values and versions.
    pub(super) entries: Vec<(Vec<u8>, Vec<u8>, u32)>,
    /// The next registrations that it refuses as expired.
    pub(super) expire_registrations: usize,
    /// The next logins that it refuses as expired, in message 77 and on feeds.
    pub(super) expire_logins: usize,
    /// Whether acknowledgements are answered.
    pub(super) is_mute: bool,
    pub(super) is_druse: bool,
    pub(super) queue_size: i32,
    pub(super) endpoint_type: u8,
    feed: Option<mpsc::UnboundedSender<Vec<u8>>>,
    life: CancellationToken,
    is_down: bool,
    ids: i64,
}

/// Something that a server was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Feed { primary: bool, token: Option<String> },
    Login { token: String, id: i64 },
    Register { region: String, id: Option<i64> },
    Acked { thread: i64, sequence: i64 },
    Other(MessageType),
}

impl FakeGrid {
    pub(super) fn server(&self, host: &str) -> FakeServer {
        let location = ServerLocation::new(host, 40404);
        let server = FakeServer { location, state: Arc::default() };
        self.0.lock().insert(host.to_owned(), server.clone());
        server
    }
}

impl Transport for FakeGrid {
    fn connect<'a>(&'a self, server: &'a ServerLocation) -> BoxFuture<'a, std::io::Result<Box<dyn Stream>>> {
        let found = self.0.lock().get(&server.host).filter(|server| !server.state.lock().is_down).cloned();
        Box::pin(async move {
            let found = found.ok_or(std::io::ErrorKind::ConnectionRefused)?;
            let (ours, theirs) = tokio::io::duplex(SOCKET_BYTES);
            let life = found.state.lock().life.clone();
            tokio::spawn(async move { life.run_until_cancelled(found.serve(theirs)).await });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

impl FakeServer {
    /// Sets it up, or looks at it.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock())
    }

    /// Pushes a message.
    pub(super) fn push(&self, message: &FeedMessage<'_>) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.push_bytes(bytes);
    }

    pub(super) fn push_bytes(&self, bytes: Vec<u8>) {
        let state = self.state.lock();
        state.feed.as_ref().expect("a feed").send(bytes).expect("a feed that is read");
    }

    pub(super) fn has_feed(&self) -> bool {
        self.state.lock().feed.is_some()
    }

    /// Cuts all connections; later ones are refused until [`FakeServer::start`].
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.is_down = true;
        state.feed = None;
        std::mem::take(&mut state.life).cancel();
    }

    pub(super) fn start(&self) {
        self.state.lock().is_down = false;
    }

    /// Everything of one kind that it was told.
    pub(super) fn heard<T>(&self, pick: impl Fn(&Heard) -> Option<T>) -> Vec<T> {
        self.state.lock().heard.iter().filter_map(pick).collect()
    }

    async fn serve(self, mut stream: DuplexStream) {
        let mut input = Vec::new();
        let hello = loop {
            match ClientHello::decode(&input).expect("a hello") {
                Some((hello, size)) => {
                    input.drain(..size);
                    break hello;
                }
                None if stream.read_buf(&mut input).await.unwrap_or(0) == 0 => return,
                None => {}
            }
        };
        let (reader, writer) = tokio::io::split(stream);
        if hello.mode.is_feed() {
            self.serve_feed(&hello, writer).await;
        } else {
            self.serve_requests(reader, writer, input).await;
        }
    }

    async fn serve_feed(self, hello: &ClientHello, mut writer: WriteHalf<DuplexStream>) {
        let (feed, mut messages) = mpsc::unbounded_channel();
        let welcome = {
            let mut state = self.state.lock();
            let token = match &hello.security {
                SecurityMode::Normal(Some(credentials)) => Some(token_of(credentials)),
                _ => None,
            };
            let primary = hello.mode.to_wire() == 101;
            state.heard.push(Heard::Feed { primary, token });
            match take_one(&mut state.expire_logins) {
                true => FeedWelcome::refused(AcceptanceCode::AuthenticationFailed, "expired"),
                false => {
                    state.feed = Some(feed);
                    FeedWelcome::accepted(state.endpoint_type, state.queue_size)
                }
            }
        };
        let mut bytes = Vec::new();
        welcome.encode(VersionOrdinal::GEODE_1_15_0, &mut bytes);
        let _ = writer.write_all(&bytes).await;
        while let Some(bytes) = messages.recv().await {
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }

    async fn serve_requests(
        self,
        mut reader: ReadHalf<DuplexStream>,
        mut writer: WriteHalf<DuplexStream>,
        mut input: Vec<u8>,
    ) {
        let mut bytes = Vec::new();
        self.welcome().encode(&mut bytes);
        let _ = writer.write_all(&bytes).await;
        let limits = FrameLimits::default();
        loop {
            while let Some(header) = Header::decode(&input, &limits).unwrap() {
                let size = Header::SIZE + header.length;
                if input.len() < size {
                    break;
                }
                let frame: Vec<u8> = input.drain(..size).collect();
                let (message, _) = Message::decode(&frame, &limits).unwrap().unwrap();
                let answer = self.answer(&message);
                if writer.write_all(&answer).await.is_err() {
                    return;
                }
            }
            if reader.read_buf(&mut input).await.unwrap_or(0) == 0 {
                return;
            }
        }
    }

    fn welcome(&self) -> Welcome {
        let state = self.state.lock();
        let mut member = Member::new(&[127, 0, 0, 1], 1, self.location.host.clone(), MemberKind::Normal, "1");
        if state.is_druse {
            member.groups.push(PIPELINED_GROUP.to_owned());
        }
        let mut bytes = Vec::new();
        member.encode(&mut bytes);
        let (endpoint_type, queue_size) = (state.endpoint_type, state.queue_size);
        Welcome { endpoint_type, queue_size, ..Welcome::accepted(bytes) }
    }

    fn answer(&self, message: &Message<'_>) -> Vec<u8> {
        let mut state = self.state.lock();
        let kind = message.kind().expect("a message of Geode's");
        let id = message.security().map(|security| i64::from_be_bytes(security[8..].try_into().unwrap()));
        let envelope = ReplyEnvelope { tx_id: message.header.tx_id, next_connection_id: id.map(|_| 4711) };
        let mut out = Vec::new();
        match kind {
            MessageType::UserCredentialMessage => {
                state.log_in(message, id.unwrap_or(-1), &mut out, &envelope)
            }
            MessageType::RegisterInterest | MessageType::RegisterInterestList => {
                state.register(message, id, &mut out, &envelope);
            }
            MessageType::PeriodicAck => {
                let ids = PeriodicAck::decode(message).unwrap().events;
                let acked = |id: FeedEventId<'_>| Heard::Acked { thread: id.thread, sequence: id.sequence };
                state.heard.extend(ids.into_iter().map(acked));
                if !state.is_mute {
                    Acknowledgement::default().encode(&mut out, &envelope);
                }
            }
            MessageType::Ping => Acknowledgement::default().encode(&mut out, &envelope),
            other => {
                state.heard.push(Heard::Other(other));
                Acknowledgement::default().encode(&mut out, &envelope);
            }
        }
        out
    }
}

impl State {
    fn log_in(&mut self, message: &Message<'_>, id: i64, out: &mut Vec<u8>, envelope: &ReplyEnvelope) {
        let credentials = UserCredentials::decode(message).unwrap().credentials.unwrap();
        self.heard.push(Heard::Login { token: token_of(&credentials), id });
        if take_one(&mut self.expire_logins) {
            let error = AuthError::Expired("expired".to_owned());
            compat::exception_of(&error, VersionOrdinal::GEODE_1_15_0).encode(out, Framing::Plain, envelope);
            return;
        }
        let unique_id = if id > 0 {
            id
        } else {
            self.ids += 1;
            1000 + self.ids
        };
        UserCredentialsReply { unique_id: Some(unique_id) }.encode(out, envelope);
    }

    fn register(
        &mut self,
        message: &Message<'_>,
        id: Option<i64>,
        out: &mut Vec<u8>,
        envelope: &ReplyEnvelope,
    ) {
        let region = match message.kind() {
            Some(MessageType::RegisterInterest) => RegisterInterest::decode(message).unwrap().region,
            _ => RegisterInterestList::decode(message).unwrap().region,
        };
        if take_one(&mut self.expire_registrations) {
            let error = AuthError::Expired("expired".to_owned());
            compat::exception_of(&error, VersionOrdinal::GEODE_1_15_0).encode(
                out,
                Framing::Chunked,
                envelope,
            );
            return;
        }
        self.heard.push(Heard::Register { region: region.to_owned(), id });
        InterestReply::encode_header(out, envelope);
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|(key, value, version)| {
                let value = ListValue::Value(ValueRef::Object(value));
                let tag = Some(VersionTag::new(*version, u64::from(*version), 1));
                (key.as_slice(), ListEntry { value, tag })
            })
            .collect();
        InterestReply::encode_entries(
            out,
            entries,
            ListForm { versioned: true, wrapped: true },
            true,
            envelope,
        );
    }
}

/// Whether one is left of what is to go wrong.
fn take_one(left: &mut usize) -> bool {
    let one = *left > 0;
    *left -= usize::from(one);
    one
}

fn token_of(credentials: &Credentials) -> String {
    credentials.get(druse_protocol::auth::TOKEN).unwrap_or_default().to_owned()
}
