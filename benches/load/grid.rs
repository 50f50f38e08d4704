//! The Geode protocol, spoken to Geode and Druse alike: the handshake of a 1.15.1 client, one login by message 77, then
//! operations that carry the id which the last reply of their connection gave out.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use druse_protocol::auth::Credentials;
use druse_protocol::codec::{FIRST_CONNECTION_ID, FrameLimits, Message, MessageType, NO_TRANSACTION};
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
const REGION_PATH: &str = "/load";
/// Longest wait for an answer in blocking calls.
const PATIENCE: Duration = Duration::from_secs(20);

static IDENTITIES: AtomicI32 = AtomicI32::new(1);

/// What a client with a fresh identity says first.
pub(crate) fn hello() -> Outcome<Vec<u8>> {
    let counter = IDENTITIES.fetch_add(1, Ordering::Relaxed);
    let tag = format!("load-{}-{counter}", std::process::id());
    let mut identity = Vec::new();
    Member::new(&[127, 0, 0, 1], 0, "load", MemberKind::Loner, tag).encode(&mut identity);
    let mut hello = Vec::new();
    ClientHello {
        mode: CommunicationMode::ClientToServer,
        version: VersionOrdinal::GEODE_1_15_0,
        read_timeout_ms: 30_000,
        client_id: ClientProxyMembershipId::new(&identity, counter)?,
        conflation: 0,
        security: SecurityMode::Normal(None),
    }
    .encode(&mut hello);
    Ok(hello)
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
        let mut stream = TcpStream::connect(self.server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&self.hello)?;
        let mut input = Vec::new();
        let welcome = loop {
            if let Some((welcome, _)) = Welcome::decode(&input)? {
                break welcome;
            }
            read_more(&mut stream, &mut input)?;
        };
        if !welcome.is_accepted() {
            return Err(format!("the server refused: {}", welcome.message).into());
        }
        self.lanes += 1;
        let mut wire = GridWire::new(self.lanes);
        wire.unique_id = self.unique_id.unwrap_or(NO_UNIQUE_ID);
        Ok(GridConnection { stream, wire })
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
}

fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> Outcome<()> {
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

    fn envelope(&self) -> Envelope {
        let security = Some((self.connection_id, Some(self.unique_id)));
        Envelope { tx_id: NO_TRANSACTION, retry: false, security }
    }

    /// A server may give out another connection id with every reply; clients echo the last one.
    fn remember(&mut self, message: &Message<'_>) {
        let id = message.security().and_then(|bytes| bytes.get(..8)?.try_into().ok());
        self.connection_id = id.map_or(self.connection_id, i64::from_be_bytes);
    }
}

impl Wire for GridWire {
    fn request(&mut self, operation: Operation, key: &[u8], out: &mut Vec<u8>) {
        let key = KeyRef::Text(key);
        match operation {
            Operation::Get => {
                Get { region: REGION_PATH, key, callback: ValueRef::Null }.encode(out, &self.envelope());
            }
            Operation::Put => {
                self.sequence += 1;
                let put = Put {
                    region: REGION_PATH,
                    operation: PutOperation::Update,
                    wants_old_value: false,
                    expected: None,
                    key,
                    is_delta: false,
                    value: ValueRef::Bytes(&[0x5a; VALUE_BYTES]),
                    event: EventIdRef { thread: self.lane, sequence: self.sequence },
                    callback: ValueRef::Null,
                };
                put.encode(out, &self.envelope());
            }
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
fn refusal(message: &Message<'_>) -> Outcome<()> {
    if message.kind() == Some(MessageType::Exception) {
        return Err(format!("{:?}", ExceptionReply::decode(message)?.exception()).into());
    }
    match TextError::decode(message)? {
        Some(error) => Err(error.text.into_owned().into()),
        None => Ok(()),
    }
}
