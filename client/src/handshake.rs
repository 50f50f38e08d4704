//! What connections say first: operations, the queue connection beside a feed, the feed itself. All with one identity.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use druse_protocol::DecodeError;
use druse_protocol::auth::Credentials;
use druse_protocol::handshake::{
    ClientHello, ClientProxyMembershipId, CommunicationMode, FeedWelcome, Member, MemberKind, SecurityMode,
    Welcome,
};
use druse_protocol::version::VersionOrdinal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::endpoint::ServerLocation;
use crate::error::ConnectError;
use crate::feed::{Conflation, DurableClient};
use crate::transport::Stream;

/// Counts the clients of this process, as Geode counts pools.
static CLIENTS: AtomicI32 = AtomicI32::new(1);

/// The counter of every durable client: a server knows it again by its id and this number, which must therefore be the
/// same in every process. Geode's pools count from 1.
const DURABLE_COUNTER: i32 = 1;

/// Who a client is, in the words of the handshake.
pub(crate) struct Identity {
    client_id: ClientProxyMembershipId,
    secured: bool,
    read_timeout_ms: i32,
    conflation: Conflation,
}

impl Identity {
    /// `secured` tells servers that logins will come.
    pub(crate) fn new(
        secured: bool,
        read_timeout: Duration,
        durable: Option<&DurableClient>,
        conflation: Conflation,
    ) -> Result<Self, DecodeError> {
        // The identity tells clients apart; nobody looks for the client at this address.
        let tag = format!("{:016x}", rand::random::<u64>());
        let mut member = Member::new(&[127, 0, 0, 1], 0, "druse-client", MemberKind::Loner, tag);
        member.process_id = i32::try_from(std::process::id()).unwrap_or(0);
        let counter = match durable {
            Some(durable) => {
                member.durable_id = Some(durable.id.clone());
                member.durable_timeout_s = i32::try_from(durable.timeout.as_secs()).unwrap_or(i32::MAX);
                DURABLE_COUNTER
            }
            None => CLIENTS.fetch_add(1, Ordering::Relaxed),
        };
        let mut identity = Vec::new();
        member.encode(&mut identity);
        Ok(Self {
            client_id: ClientProxyMembershipId::new(&identity, counter)?,
            secured,
            read_timeout_ms: i32::try_from(read_timeout.as_millis()).unwrap_or(i32::MAX),
            conflation,
        })
    }

    /// The first bytes of a connection for operations.
    pub(crate) fn operations(&self) -> Vec<u8> {
        self.requests(CommunicationMode::ClientToServer)
    }

    /// The first bytes of the connection that carries what is to be said about a feed.
    pub(crate) fn queue(&self) -> Vec<u8> {
        self.requests(CommunicationMode::ClientToServerForQueue)
    }

    /// The first bytes of a feed. `shown` is what a client with one user shows at once; with several users nobody is
    /// shown, and each continuous query belongs to the login that it was executed under.
    pub(crate) fn feed(&self, is_primary: bool, shown: Option<Credentials>) -> Vec<u8> {
        let mode = match is_primary {
            true => CommunicationMode::PrimaryServerToClient,
            false => CommunicationMode::SecondaryServerToClient,
        };
        let security = match shown {
            Some(credentials) => SecurityMode::Normal(Some(credentials)),
            None if self.secured => SecurityMode::MultiUserFeed,
            None => SecurityMode::None,
        };
        self.hello(mode, security, 0)
    }

    fn requests(&self, mode: CommunicationMode) -> Vec<u8> {
        let security = if self.secured { SecurityMode::Normal(None) } else { SecurityMode::None };
        self.hello(mode, security, self.read_timeout_ms)
    }

    fn hello(&self, mode: CommunicationMode, security: SecurityMode, read_timeout_ms: i32) -> Vec<u8> {
        let hello = ClientHello {
            mode,
            version: VersionOrdinal::GEODE_1_15_0,
            read_timeout_ms,
            client_id: self.client_id.clone(),
            conflation: self.conflation.to_wire(),
            security,
        };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        bytes
    }
}

/// Shakes hands on a connection for requests.
pub(crate) async fn greet(
    stream: &mut Box<dyn Stream>,
    hello: &[u8],
    server: &ServerLocation,
) -> Result<Welcome, ConnectError> {
    // A server sends nothing of its own accord on such a connection, so nothing is left over.
    let (welcome, _) = exchange(stream, hello, server, Welcome::decode).await?;
    match welcome.is_accepted() {
        true => Ok(welcome),
        false => Err(refused(server, welcome.code, welcome.message)),
    }
}

/// Shakes hands on a feed. Events may stand behind the answer already.
pub(crate) async fn greet_feed(
    stream: &mut Box<dyn Stream>,
    hello: &[u8],
    server: &ServerLocation,
) -> Result<(FeedWelcome, BytesMut), ConnectError> {
    let (welcome, rest) = exchange(stream, hello, server, FeedWelcome::decode).await?;
    match welcome.is_accepted() {
        true => Ok((welcome, rest)),
        false => Err(refused(server, welcome.code, welcome.message)),
    }
}

fn refused(server: &ServerLocation, code: u8, message: String) -> ConnectError {
    ConnectError::Refused { server: server.to_string(), code, message }
}

type Decode<T> = fn(&[u8]) -> Result<Option<(T, usize)>, DecodeError>;

/// Sends the hello and reads the answer; what came behind it is returned, too.
async fn exchange<T>(
    stream: &mut Box<dyn Stream>,
    hello: &[u8],
    server: &ServerLocation,
    decode: Decode<T>,
) -> Result<(T, BytesMut), ConnectError> {
    let unreachable = |source: std::io::Error| ConnectError::Unreachable {
        server: server.to_string(),
        source: Arc::new(source),
    };
    stream.write_all(hello).await.map_err(unreachable)?;
    stream.flush().await.map_err(unreachable)?;
    let mut input = BytesMut::with_capacity(512);
    loop {
        if stream.read_buf(&mut input).await.map_err(unreachable)? == 0 {
            return Err(unreachable(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let answer = decode(&input)
            .map_err(|source| ConnectError::Handshake { server: server.to_string(), source })?;
        if let Some((answer, size)) = answer {
            input.advance(size);
            return Ok((answer, input));
        }
    }
}
