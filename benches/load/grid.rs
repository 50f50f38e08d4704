//! The Geode protocol, spoken to Geode and Druse alike: the handshake of a 1.15.1 client, one login by message 77, then
//! operations that carry the id which the last reply of their connection gave out.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use druse_protocol::auth::Credentials;
use druse_protocol::codec::{
    Chunk, ChunkedHeader, FIRST_CONNECTION_ID, FrameLimits, Message, MessageType, NO_TRANSACTION,
};
use druse_protocol::handshake::{
    ClientHello, ClientProxyMembershipId, CommunicationMode, Member, MemberKind, SecurityMode, Welcome,
};
use druse_protocol::message::credentials::{NO_UNIQUE_ID, UserCredentials, UserCredentialsReply};
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::event_id::EventIdRef;
use druse_protocol::message::exception::{ExceptionReply, TextError};
use druse_protocol::message::get::{Get, GetReply};
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::put::{Put, PutOperation, PutReply};
use druse_protocol::message::value::ValueRef;
use druse_protocol::version::VersionOrdinal;

use super::wire::{Client, Operation, Outcome, VALUE_BYTES, Wire};

/// The region that all servers are started with.
pub(crate) const REGION: &str = "load";
/// Its full path.
pub(crate) const REGION_PATH: &str = "/load";
/// Longest wait for an answer in blocking calls.
const PATIENCE: Duration = Duration::from_secs(20);

static IDENTITIES: AtomicI32 = AtomicI32::new(1);

/// Who a client is: all connections of one client say the same.
pub(crate) struct Identity(ClientProxyMembershipId);

impl Identity {
    /// One that nobody had before.
    pub(crate) fn fresh() -> Outcome<Self> {
        let counter = IDENTITIES.fetch_add(1, Ordering::Relaxed);
        let tag = format!("load-{}-{counter}", std::process::id());
        let mut identity = Vec::new();
        Member::new(&[127, 0, 0, 1], 0, "load", MemberKind::Loner, tag).encode(&mut identity);
        Ok(Self(ClientProxyMembershipId::new(&identity, counter)?))
    }

    /// What the client says first on a connection; `credentials` where the mode wants them at once.
    pub(crate) fn hello(&self, mode: CommunicationMode, credentials: Option<Credentials>) -> Vec<u8> {
        let mut hello = Vec::new();
        ClientHello {
            mode,
            version: VersionOrdinal::GEODE_1_15_0,
            read_timeout_ms: if mode.is_feed() { 0 } else { 30_000 },
            client_id: self.0.clone(),
            conflation: 0,
            security: SecurityMode::Normal(credentials),
        }
        .encode(&mut hello);
        hello
    }
}

/// What a client with a fresh identity says first.
pub(crate) fn hello() -> Outcome<Vec<u8>> {
    Ok(Identity::fresh()?.hello(CommunicationMode::ClientToServer, None))
}

/// A client with an identity of its own and one user.
pub(crate) struct GridClient {
    server: SocketAddr,
    hello: Vec<u8>,
    token: String,
    unique_id: Option<i64>,
    lanes: i64,
}

impl GridClient {
    /// A client whose user shows `token`.
    pub(crate) fn new(server: SocketAddr, token: impl Into<String>) -> Outcome<Self> {
        Ok(Self { server, hello: hello()?, token: token.into(), unique_id: None, lanes: 0 })
    }

    /// Opens a connection without logging in.
    pub(crate) fn open(&mut self) -> Outcome<GridConnection> {
        self.lanes += 1;
        let mut connection = GridConnection::open(self.server, &self.hello, self.lanes)?;
        connection.wire.unique_id = self.unique_id.unwrap_or(NO_UNIQUE_ID);
        Ok(connection)
    }
}

impl Client for GridClient {
    fn connect(&mut self) -> Outcome<(TcpStream, Box<dyn Wire>)> {
        let mut connection = self.open()?;
        if self.unique_id.is_none() {
            connection.login(&self.token)?;
            self.unique_id = Some(connection.wire.unique_id);
        }
        Ok((connection.stream, Box::new(connection.wire)))
    }
}

/// A connection that is used with blocking calls.
pub(crate) struct GridConnection {
    stream: TcpStream,
    wire: GridWire,
}

impl GridConnection {
    /// Opens a connection by saying `hello`, without logging in.
    pub(crate) fn open(server: SocketAddr, hello: &[u8], lane: i64) -> Outcome<Self> {
        let mut stream = dial(server, hello)?;
        let mut input = Vec::new();
        let welcome = loop {
            if let Some((welcome, _)) = Welcome::decode(&input)? {
                break welcome;
            }
            read_more(&mut stream, &mut input)?;
        };
        match welcome.is_accepted() {
            true => Ok(Self { stream, wire: GridWire::new(lane) }),
            false => Err(format!("the server refused: {}", welcome.message).into()),
        }
    }

    /// Logs in: as a new user at first, then under the same id again.
    pub(crate) fn login(&mut self, token: &str) -> Outcome<()> {
        self.stream.write_all(&self.wire.login_request(token))?;
        let mut input = Vec::new();
        while !self.wire.login_reply(&input)? {
            read_more(&mut self.stream, &mut input)?;
        }
        Ok(())
    }

    /// One operation, start to end.
    pub(crate) fn call(&mut self, operation: Operation, key: &[u8]) -> Outcome<()> {
        let mut out = Vec::with_capacity(256);
        self.wire.request(operation, key, &mut out);
        self.stream.write_all(&out)?;
        let mut input = Vec::new();
        while self.wire.reply(operation, &input)?.is_none() {
            read_more(&mut self.stream, &mut input)?;
        }
        Ok(())
    }

    /// A request that is answered in chunks, start to end. What the chunks hold is not looked at.
    pub(crate) fn call_chunked(
        &mut self,
        answer: MessageType,
        encode: impl FnOnce(&mut Vec<u8>, &Envelope),
    ) -> Outcome<()> {
        let mut out = Vec::new();
        encode(&mut out, &self.wire.envelope());
        self.stream.write_all(&out)?;
        let mut input = Vec::new();
        while !self.wire.chunked_reply(answer, &input)? {
            read_more(&mut self.stream, &mut input)?;
        }
        Ok(())
    }

    /// The socket and what there is to remember of it.
    pub(crate) fn into_parts(self) -> (TcpStream, GridWire) {
        (self.stream, self.wire)
    }
}

/// Connects, and says who it is.
pub(crate) fn dial(server: SocketAddr, hello: &[u8]) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(hello)?;
    Ok(stream)
}

/// Waits for more bytes.
pub(crate) fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> Outcome<()> {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer)? {
        0 => Err("the server closed the connection".into()),
        size => {
            input.extend_from_slice(&buffer[..size]);
            Ok(())
        }
    }
}

/// What one connection has to remember.
pub(crate) struct GridWire {
    connection_id: i64,
    unique_id: i64,
    lane: i64,
    sequence: i64,
}

impl GridWire {
    /// A connection behind its handshake; each connection of a client counts its events on a lane of its own.
    pub(crate) const fn new(lane: i64) -> Self {
        Self { connection_id: FIRST_CONNECTION_ID, unique_id: NO_UNIQUE_ID, lane, sequence: 0 }
    }

    /// Message 77: for a new id at first, for the same one afterwards.
    pub(crate) fn login_request(&self, token: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let credentials = Some(Credentials::token(token));
        UserCredentials { credentials }.encode(&mut out, &self.envelope());
        out
    }

    /// Takes the answer to a login; `false` if it is not all there.
    pub(crate) fn login_reply(&mut self, input: &[u8]) -> Outcome<bool> {
        let Some((message, _)) = Message::decode(input, &FrameLimits::default())? else { return Ok(false) };
        self.remember(&message);
        refusal(&message)?;
        self.unique_id = UserCredentialsReply::decode(&message)?.unique_id.ok_or("the login gave no id")?;
        Ok(true)
    }

    /// Writes a put.
    pub(crate) fn put(&mut self, key: &[u8], value: ValueRef<'_>, out: &mut Vec<u8>) {
        self.sequence += 1;
        let put = Put {
            region: REGION_PATH,
            operation: PutOperation::Update,
            wants_old_value: false,
            expected: None,
            key: KeyRef::Text(key),
            is_delta: false,
            value,
            event: EventIdRef { thread: self.lane, sequence: self.sequence },
            callback: ValueRef::Null,
        };
        put.encode(out, &self.envelope());
    }

    /// Whether all chunks of a reply of that kind are there.
    fn chunked_reply(&mut self, answer: MessageType, input: &[u8]) -> Outcome<bool> {
        let limits = FrameLimits::default();
        let Some(header) = ChunkedHeader::decode(input, &limits)? else { return Ok(false) };
        let mut rest = &input[ChunkedHeader::SIZE..];
        while let Some((chunk, size)) = Chunk::decode(rest, &header, &limits)? {
            if header.kind() != Some(answer) {
                return Err(format!("refused: {}", String::from_utf8_lossy(&rest[..size])).into());
            }
            if chunk.flags.is_last() {
                self.echo(chunk.security());
                return Ok(true);
            }
            rest = &rest[size..];
        }
        Ok(false)
    }

    fn envelope(&self) -> Envelope {
        let security = Some((self.connection_id, Some(self.unique_id)));
        Envelope { tx_id: NO_TRANSACTION, retry: false, security }
    }

    /// A server may give out another connection id with every reply; clients echo the last one.
    fn remember(&mut self, message: &Message<'_>) {
        self.echo(message.security());
    }

    fn echo(&mut self, security: Option<&[u8]>) {
        let id = security.and_then(|bytes| bytes.get(..8)?.try_into().ok());
        self.connection_id = id.map_or(self.connection_id, i64::from_be_bytes);
    }
}

impl Wire for GridWire {
    fn request(&mut self, operation: Operation, key: &[u8], out: &mut Vec<u8>) {
        match operation {
            Operation::Get => {
                Get { region: REGION_PATH, key: KeyRef::Text(key), callback: ValueRef::Null }
                    .encode(out, &self.envelope());
            }
            Operation::Put => self.put(key, ValueRef::Bytes(&[0x5a; VALUE_BYTES]), out),
        }
    }

    fn reply(&mut self, operation: Operation, input: &[u8]) -> Outcome<Option<usize>> {
        let Some((message, size)) = Message::decode(input, &FrameLimits::default())? else { return Ok(None) };
        self.remember(&message);
        refusal(&message)?;
        match operation {
            Operation::Get => match GetReply::decode(&message)?.value {
                ValueRef::Bytes(value) if value.len() == VALUE_BYTES => {}
                other => return Err(format!("a get was answered with {other:?}").into()),
            },
            Operation::Put => drop(PutReply::decode(&message)?),
        }
        Ok(Some(size))
    }
}

/// The exception in a reply, if it is one.
pub(crate) fn refusal(message: &Message<'_>) -> Outcome<()> {
    if message.kind() == Some(MessageType::Exception) {
        return Err(format!("{:?}", ExceptionReply::decode(message)?.exception()).into());
    }
    match TextError::decode(message)? {
        Some(error) => Err(error.text.into_owned().into()),
        None => Ok(()),
    }
}
