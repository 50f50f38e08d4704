//! Dialogues with a session, in virtual time: send, expect.

mod bad_input;
mod captures;
mod expiry;
mod feed_limits;
mod feeds;
mod handshake;
mod login;
mod opcodes;
mod operations;
mod queries;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use druse_protocol::auth::{Credentials, Peer};
use druse_protocol::codec::{
    Chunk, ChunkedHeader, FIRST_CONNECTION_ID, FrameLimits, Message, MessageType, NO_TRANSACTION,
};
use druse_protocol::handshake::{
    ClientHello, ClientProxyMembershipId, CommunicationMode, Member, MemberKind, SecurityMode, Welcome,
};
use druse_protocol::message::credentials::{UserCredentials, UserCredentialsReply};
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::event_id::EventIdRef;
use druse_protocol::message::exception::{ExceptionReply, RemoteException, TextError};
use druse_protocol::message::get::{Get, GetReply, Presence};
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::put::{Put, PutOperation, PutReply};
use druse_protocol::message::value::ValueRef;
use druse_protocol::time::{ManualClock, Micros};
use druse_protocol::version::VersionOrdinal;

use super::Session;
use crate::core::{FeedOptions, NodeCore, NodeParts};
use crate::engine::tests::memory;
use crate::engine::{Engine, Retention};
use crate::metrics::Metrics;
use crate::pdx::{PdxBounds, PdxRegistry};
use crate::query::QueryBounds;
use crate::region::{Region, RegionOptions, RegionRegistry};
use crate::seam::{Adopt, CloseReason, ConnectionEngine, Next};
use crate::security::testing::{TestManager, credentials};
use crate::security::{Security, SecurityPolicies};
use crate::shutdown::Shutdown;
use crate::subscription::FeedPolicies;

pub(super) const START: Micros = Micros(1_700_000_000_000_000);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const REGION: &str = "/orders";

/// A node with one region.
pub(super) struct Node {
    pub(super) core: Arc<NodeCore>,
    pub(super) manager: Arc<TestManager>,
    pub(super) region: Arc<Region>,
    /// The time of feeds; that of a connection is its own.
    pub(super) clock: Arc<ManualClock>,
    shutdown: Shutdown,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown.abort();
    }
}

impl Node {
    pub(super) fn secured() -> Self {
        Self::with(TestManager::new(), Some(SecurityPolicies::default()))
    }

    pub(super) fn open() -> Self {
        Self::with(TestManager::new(), None)
    }

    pub(super) fn with(manager: Arc<TestManager>, policies: Option<SecurityPolicies>) -> Self {
        Self::on(Arc::new(memory(Retention::default())), manager, policies, FeedPolicies::default())
    }

    pub(super) fn on(
        engine: Arc<dyn Engine>,
        manager: Arc<TestManager>,
        policies: Option<SecurityPolicies>,
        feeds: FeedPolicies,
    ) -> Self {
        let metrics = Arc::new(Metrics::default());
        let pdx = Arc::new(PdxRegistry::in_memory(PdxBounds::default()));
        let regions = RegionRegistry::new(engine, pdx.same_object());
        let region = regions.create(REGION, RegionOptions::default()).expect("region");
        let security =
            policies.map(|policies| Security::new(manager.clone(), policies, [7; 32], Arc::clone(&metrics)));
        let mut member = Vec::new();
        Member::new(&[127, 0, 0, 1], 40404, "node", MemberKind::Normal, "1").encode(&mut member);
        let clock = Arc::new(ManualClock::new(START));
        let core = NodeCore::new(NodeParts {
            regions: Arc::new(regions),
            pdx,
            security,
            metrics,
            frames: FrameLimits::default(),
            queries: QueryBounds::default(),
            member,
            feeds: FeedOptions { policies: feeds, shards: 1, seed: 7, clock: clock.clone() },
        });
        let shutdown = Shutdown::default();
        core.feeds.start(&shutdown);
        Self { core: Arc::new(core), manager, region, clock, shutdown }
    }

    /// A connection of client 1 that has said hello.
    pub(super) async fn connect(&self, version: VersionOrdinal) -> Talk {
        self.connect_as(1, version).await
    }

    /// A connection of a client of that number.
    pub(super) async fn connect_as(&self, client: i32, version: VersionOrdinal) -> Talk {
        let mut talk = self.talk(version);
        let answer = talk.send(&hello(client, version)).await;
        let (welcome, size) = Welcome::decode(&answer).expect("a welcome").expect("all of it");
        assert!(welcome.is_accepted() && size == answer.len(), "{welcome:?}");
        talk
    }

    /// A connection on which nothing has been said.
    pub(super) fn talk(&self, version: VersionOrdinal) -> Talk {
        Talk {
            session: Session::new(Arc::clone(&self.core), Peer::default()),
            version,
            now: START,
            connection_id: FIRST_CONNECTION_ID,
            unique_id: None,
            sequence: 0,
            closed: None,
            adopt: None,
        }
    }

    pub(super) fn security(&self) -> &Arc<Security> {
        self.core.security.as_ref().expect("a node with logins")
    }

    /// Logouts so far.
    pub(super) fn logouts(&self) -> usize {
        self.security().log_out();
        self.manager.logouts()
    }
}

/// A hello of a client of that number.
pub(super) fn hello(client: i32, version: VersionOrdinal) -> Vec<u8> {
    let mut bytes = Vec::new();
    hello_of(client, version).encode(&mut bytes);
    bytes
}

pub(super) fn hello_of(client: i32, version: VersionOrdinal) -> ClientHello {
    let mut member = Vec::new();
    Member::new(&[127, 0, 0, 1], client, "client", MemberKind::Loner, "tag").encode(&mut member);
    ClientHello {
        mode: CommunicationMode::ClientToServer,
        version,
        read_timeout_ms: 10_000,
        client_id: ClientProxyMembershipId::new(&member, 1).expect("identity"),
        conflation: 0,
        security: SecurityMode::Normal(None),
    }
}

/// One connection, seen from the client.
pub(super) struct Talk {
    session: Session,
    version: VersionOrdinal,
    pub(super) now: Micros,
    pub(super) connection_id: i64,
    pub(super) unique_id: Option<i64>,
    pub(super) sequence: i64,
    pub(super) closed: Option<CloseReason>,
    /// Takes the socket, once the session has given it away.
    pub(super) adopt: Option<Adopt>,
}

impl Talk {
    /// Sends bytes and gives all that comes back. Everything that is read here is read as if at once.
    pub(super) async fn send(&mut self, input: &[u8]) -> Vec<u8> {
        let mut answered = Vec::new();
        let mut input = input;
        while self.closed.is_none() {
            let mut out = BytesMut::new();
            let step = self.session.receive(input, self.now, &mut out);
            assert!(step.consumed <= input.len());
            input = &input[step.consumed..];
            answered.extend_from_slice(&out);
            let stuck = step.consumed == 0;
            self.carry_on(step.next, &mut answered).await;
            if input.is_empty() || stuck {
                break;
            }
        }
        answered
    }

    /// Sends bytes and returns before anything is waited for.
    pub(super) fn begin(&mut self, input: &[u8]) -> (Vec<u8>, Next<super::Completion>) {
        let mut out = BytesMut::new();
        let step = self.session.receive(input, self.now, &mut out);
        (out.to_vec(), step.next)
    }

    pub(super) async fn carry_on(&mut self, mut next: Next<super::Completion>, answered: &mut Vec<u8>) {
        loop {
            let mut out = BytesMut::new();
            next = match next {
                Next::Input => return,
                Next::More => self.session.resume(self.now, &mut out).next,
                Next::Wait(future) => {
                    let completion = future.await;
                    self.session.complete(completion, self.now, &mut out).next
                }
                Next::Close(reason) => {
                    self.closed = Some(reason);
                    return;
                }
                Next::HandOver(adopt) => {
                    self.adopt = Some(adopt);
                    return;
                }
            };
            answered.extend_from_slice(&out);
        }
    }

    pub(super) fn resume(&mut self) -> (Vec<u8>, Next<super::Completion>) {
        let mut out = BytesMut::new();
        let step = self.session.resume(self.now, &mut out);
        (out.to_vec(), step.next)
    }

    /// How many ids the client has.
    pub(super) fn users(&self) -> usize {
        match &self.session.stage {
            super::Stage::Serving(serving) => serving.client.logins.as_ref().map_or(0, |logins| logins.len()),
            _ => 0,
        }
    }

    pub(super) fn good_until(&self) -> Micros {
        self.session.good_until()
    }

    pub(super) fn envelope(&self) -> Envelope {
        let security = Some((self.connection_id, Some(self.unique_id.unwrap_or(-1))));
        Envelope { tx_id: NO_TRANSACTION, retry: false, security }
    }

    /// Sends one request; the plain answer, or the error that it holds. Keeps the connection id.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, Refused> {
        let answer = self.send(request).await;
        self.read(answer)
    }

    pub(super) fn read(&mut self, answer: Vec<u8>) -> Result<Vec<u8>, Refused> {
        let (message, size) =
            Message::decode(&answer, &FrameLimits::default()).expect("an answer").expect("all of it");
        assert_eq!(size, answer.len(), "one answer to one request");
        if let Some(security) = message.security() {
            self.connection_id = i64::from_be_bytes(security.try_into().expect("8 bytes"));
        }
        if message.kind() == Some(MessageType::Exception) {
            return Err(Refused::Exception(ExceptionReply::decode(&message).expect("exception").exception()));
        }
        match TextError::decode(&message).expect("text") {
            Some(error) => Err(Refused::Text(error.kind, error.text.into_owned())),
            None => Ok(answer),
        }
    }

    /// Sends one request; the parts of the chunks of its answer, or the error that it ends in.
    pub(super) async fn ask_chunks(&mut self, request: &[u8]) -> Result<Chunks, Refused> {
        let answer = self.send(request).await;
        self.read_chunks(&answer)
    }

    pub(super) fn read_chunks(&mut self, answer: &[u8]) -> Result<Chunks, Refused> {
        let (header, mut at) = match ChunkedHeader::decode(answer, &FrameLimits::default()).expect("header") {
            Some(header) => (header, ChunkedHeader::SIZE),
            None => panic!("no header in {} bytes", answer.len()),
        };
        let mut chunks = Vec::new();
        loop {
            let (chunk, size) = Chunk::decode(&answer[at..], &header, &FrameLimits::default())
                .expect("chunk")
                .expect("all of it");
            if let Some(security) = chunk.security() {
                self.connection_id = i64::from_be_bytes(security.try_into().expect("8 bytes"));
            }
            if let Some(exception) = ExceptionReply::from_chunk(&chunk) {
                assert_eq!(at + size, answer.len());
                return Err(Refused::Exception(exception.exception()));
            }
            if let Some(error) = TextError::decode_chunk(&header, &chunk).expect("text") {
                return Err(Refused::Text(error.kind, error.text.into_owned()));
            }
            chunks.push(answer[at..at + size].to_vec());
            at += size;
            if chunk.flags.is_last() {
                assert_eq!(at, answer.len(), "nothing follows the last chunk");
                return Ok(Chunks { header, chunks });
            }
        }
    }

    /// Logs `name` in until `expires_at`, under the id that the talk has.
    pub(super) async fn login(&mut self, name: &str, expires_at: Option<Micros>) -> Result<i64, Refused> {
        self.login_with(credentials(name, None, expires_at)).await
    }

    pub(super) async fn login_with(&mut self, credentials: Credentials) -> Result<i64, Refused> {
        let request = self.login_request(credentials);
        let answer = self.ask(&request).await?;
        let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
        let id = UserCredentialsReply::decode(&message).expect("an id").unique_id.expect("an id");
        self.unique_id = Some(id);
        Ok(id)
    }

    pub(super) fn login_request(&self, credentials: Credentials) -> Vec<u8> {
        let mut envelope = self.envelope();
        if !self.version.knows_expiry() {
            envelope.security = Some((self.connection_id, None));
        }
        let mut request = Vec::new();
        UserCredentials { credentials: Some(credentials) }.encode(&mut request, &envelope);
        request
    }

    pub(super) fn get_request(&self, key: &str) -> Vec<u8> {
        let mut request = Vec::new();
        let get = Get { region: REGION, key: KeyRef::Text(key.as_bytes()), callback: ValueRef::Null };
        get.encode(&mut request, &self.envelope());
        request
    }

    /// The bytes under a key.
    pub(super) async fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Refused> {
        let answer = self.ask(&self.get_request(key)).await?;
        let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
        let reply = GetReply::decode(&message).expect("a reply");
        Ok((reply.presence == Presence::Found).then(|| reply.value.bytes().to_vec()))
    }

    pub(super) fn put_request(&mut self, key: &str, value: &[u8]) -> Vec<u8> {
        self.sequence += 1;
        let mut request = Vec::new();
        put_of(key, value, self.sequence).encode(&mut request, &self.envelope());
        request
    }

    /// Stores bytes; the entry's version.
    pub(super) async fn put(&mut self, key: &str, value: &[u8]) -> Result<u32, Refused> {
        let request = self.put_request(key, value);
        let answer = self.ask(&request).await?;
        let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
        Ok(PutReply::decode(&message).expect("a reply").tag.expect("a tag").entry_version)
    }
}

/// A put of bytes, by thread 1.
pub(super) fn put_of<'a>(key: &'a str, value: &'a [u8], sequence: i64) -> Put<'a> {
    Put {
        region: REGION,
        operation: PutOperation::Update,
        wants_old_value: false,
        expected: None,
        key: KeyRef::Text(key.as_bytes()),
        is_delta: false,
        value: ValueRef::Bytes(value),
        event: EventIdRef { thread: 1, sequence },
        callback: ValueRef::Null,
    }
}

/// The chunks of a reply.
#[derive(Debug)]
pub(super) struct Chunks {
    header: ChunkedHeader,
    chunks: Vec<Vec<u8>>,
}

impl Chunks {
    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn each<T>(&self, mut read: impl FnMut(&Chunk<'_>) -> T) -> Vec<T> {
        self.chunks
            .iter()
            .map(|bytes| {
                read(&Chunk::decode(bytes, &self.header, &FrameLimits::default()).unwrap().unwrap().0)
            })
            .collect()
    }
}

/// An answer that is an error.
#[derive(Debug)]
pub(super) enum Refused {
    Exception(RemoteException),
    Text(MessageType, String),
}

impl Refused {
    /// The class's name without its package, and the message.
    pub(super) fn says(&self) -> (String, String) {
        match self {
            Self::Exception(exception) => {
                let class = exception.class_name();
                let class = class.rsplit('.').next().unwrap_or(class).to_owned();
                (class, exception.message.clone().unwrap_or_default())
            }
            Self::Text(kind, text) => (kind.geode_name().to_owned(), text.clone()),
        }
    }

    pub(super) fn class(&self) -> String {
        self.says().0
    }
}
