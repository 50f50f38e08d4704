//! A peer that sends whatever it is given.

use std::net::SocketAddr;
use std::time::Duration;

use druse_client::Stream;
use druse_protocol::auth::Credentials;
use druse_protocol::codec::{Chunk, ChunkedHeader, FIRST_CONNECTION_ID, FrameLimits, Message, MessageType};
use druse_protocol::handshake::{
    ClientHello, ClientProxyMembershipId, CommunicationMode, Member, MemberKind, SecurityMode, Welcome,
};
use druse_protocol::message::credentials::{UserCredentials, UserCredentialsReply};
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::exception::{ExceptionReply, RemoteException};
use druse_protocol::version::VersionOrdinal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a peer waits if nothing else is said.
const PATIENCE: Duration = Duration::from_secs(30);

/// A hello as a client of today says it; `tag` tells clients apart.
#[must_use]
pub fn hello(tag: &str) -> ClientHello {
    let mut member = Vec::new();
    Member::new(&[127, 0, 0, 1], 0, "client", MemberKind::Loner, tag).encode(&mut member);
    ClientHello {
        mode: CommunicationMode::ClientToServer,
        version: VersionOrdinal::GEODE_1_15_0,
        read_timeout_ms: 10_000,
        client_id: ClientProxyMembershipId::new(&member, 1).expect("an identity"),
        conflation: 0,
        security: SecurityMode::Normal(None),
    }
}

/// Any bytes of a hello.
#[must_use]
pub fn hello_bytes(hello: &ClientHello) -> Vec<u8> {
    let mut bytes = Vec::new();
    hello.encode(&mut bytes);
    bytes
}

/// The peer.
pub struct Raw {
    /// The socket or pipe, for what has no method here.
    pub stream: Box<dyn Stream>,
    /// What has come and has not been taken.
    pub input: Vec<u8>,
    /// What the node wants echoed.
    pub connection_id: i64,
    /// Whom the node takes us for.
    pub unique_id: i64,
    /// How long something that must come may take. Not a measure of speed: what never comes fails the test.
    pub patience: Duration,
}

impl Raw {
    /// A connection over a socket, on which nothing has been said.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self::over(stream)
    }

    /// A connection over any stream, on which nothing has been said.
    pub fn over(stream: impl Stream) -> Self {
        let stream = Box::new(stream);
        let connection_id = FIRST_CONNECTION_ID;
        Self { stream, input: Vec::new(), connection_id, unique_id: -1, patience: PATIENCE }
    }

    /// A connection behind its handshake.
    pub async fn greeted(address: SocketAddr, tag: &str) -> Self {
        let mut raw = Self::connect(address).await;
        raw.greet(tag).await;
        raw
    }

    /// A connection with a login.
    pub async fn logged_in(address: SocketAddr, tag: &str, token: &str) -> Self {
        let mut raw = Self::greeted(address, tag).await;
        raw.log_in(token).await.expect("a login");
        raw
    }

    /// Says hello, and is let in.
    pub async fn greet(&mut self, tag: &str) {
        self.greet_with(&hello(tag)).await;
    }

    /// Says any hello, and is let in.
    pub async fn greet_with(&mut self, hello: &ClientHello) {
        self.send(&hello_bytes(hello)).await;
        let welcome = self.welcome().await.expect("a welcome");
        assert!(welcome.is_accepted(), "{}", welcome.message);
    }

    /// Logs in, again if there was a login before. Gives the class of what it was refused with.
    ///
    /// # Errors
    /// If the node refuses.
    pub async fn log_in(&mut self, token: &str) -> Result<(), String> {
        self.show(Credentials::token(token)).await
    }

    /// The same with any credentials.
    ///
    /// # Errors
    /// If the node refuses.
    pub async fn show(&mut self, credentials: Credentials) -> Result<(), String> {
        let credentials = Some(credentials);
        let envelope = self.envelope();
        let mut login = Vec::new();
        UserCredentials { credentials }.encode(&mut login, &envelope);
        let reply = self.ask(&login).await?;
        self.unique_id =
            UserCredentialsReply::decode(&whole(&reply)).expect("a login").unique_id.expect("an id");
        Ok(())
    }

    /// Sends a request and waits for its plain answer; an exception is given by its class.
    ///
    /// # Errors
    /// If the node answers with an exception.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        self.send(request).await;
        let reply = self.reply().await.expect("an answer");
        let message = whole(&reply);
        if message.kind() == Some(MessageType::Exception) {
            let exception = ExceptionReply::decode(&message).expect("an exception").exception();
            return Err(class_of(&exception));
        }
        Ok(reply)
    }

    /// Sends a request and waits for all chunks of its answer; an exception in them is given by its class.
    ///
    /// # Errors
    /// If the node answers with an exception.
    pub async fn ask_in_chunks(&mut self, request: &[u8]) -> Result<(), String> {
        self.send(request).await;
        let limits = FrameLimits::default();
        loop {
            if let Some(outcome) = self.take_chunks(&limits) {
                return outcome;
            }
            assert!(self.read().await, "the node closes instead of an answer");
        }
    }

    /// Takes a whole answer in chunks off the input.
    fn take_chunks(&mut self, limits: &FrameLimits) -> Option<Result<(), String>> {
        let header = ChunkedHeader::decode(&self.input, limits).expect("a header")?;
        let mut at = ChunkedHeader::SIZE;
        loop {
            let rest = self.input.get(at..).unwrap_or_default();
            let (chunk, size) = Chunk::decode(rest, &header, limits).expect("a chunk")?;
            at += size;
            if chunk.flags.is_last() {
                let exception = ExceptionReply::from_chunk(&chunk).map(|reply| class_of(&reply.exception()));
                if let Some(id) = chunk.security().and_then(|bytes| bytes.try_into().ok()) {
                    self.connection_id = i64::from_be_bytes(id);
                }
                self.input.drain(..at);
                return Some(exception.map_or(Ok(()), Err));
            }
        }
    }

    /// What goes round a request of this peer's user.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope { tx_id: -1, retry: false, security: Some((self.connection_id, Some(self.unique_id))) }
    }

    /// Sends bytes. A node that has closed already takes none; that is for the reader to find out.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The answer to a hello, or `None` if the node has closed instead.
    pub async fn welcome(&mut self) -> Option<Welcome> {
        loop {
            if let Some((welcome, size)) = Welcome::decode(&self.input).expect("a welcome") {
                self.input.drain(..size);
                return Some(welcome);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// The bytes of the next plain message, or `None` if the node has closed instead.
    pub async fn reply(&mut self) -> Option<Vec<u8>> {
        loop {
            let limits = FrameLimits { message_bytes: 256 << 20, ..FrameLimits::default() };
            if let Some((message, size)) = Message::decode(&self.input, &limits).expect("a frame") {
                if let Some(id) = message.security().and_then(|bytes| bytes.try_into().ok()) {
                    self.connection_id = i64::from_be_bytes(id);
                }
                return Some(self.input.drain(..size).collect());
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Reads what is there; false at the end, clean or not.
    pub async fn read(&mut self) -> bool {
        let read = tokio::time::timeout(self.patience, self.stream.read_buf(&mut self.input)).await;
        matches!(read.expect("the node neither answers nor closes"), Ok(read) if read > 0)
    }

    /// Sends bytes, says that no more will come, and reads until the node closes.
    pub async fn last(&mut self, bytes: &[u8]) -> &[u8] {
        self.send(bytes).await;
        // A node that has closed already does not mind.
        let _ = self.stream.shutdown().await;
        self.to_the_end().await
    }

    /// Reads until the node closes.
    pub async fn to_the_end(&mut self) -> &[u8] {
        while self.read().await {}
        &self.input
    }
}

/// The class of an exception, without its package.
fn class_of(exception: &RemoteException) -> String {
    exception.class_name().rsplit('.').next().unwrap_or_default().to_owned()
}

/// The message that a frame is.
#[must_use]
pub fn whole(frame: &[u8]) -> Message<'_> {
    let limits = FrameLimits { message_bytes: 256 << 20, ..FrameLimits::default() };
    Message::decode(frame, &limits).expect("a frame").expect("all of it").0
}
