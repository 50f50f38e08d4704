//! The small exchanges that are no operations: handshake, login, ping, goodbye; and telling an exception from a reply.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use druse_protocol::DecodeError;
use druse_protocol::auth::Credentials;
use druse_protocol::codec::{Chunk, ChunkedHeader, FrameLimits, Message, MessageType, NO_TRANSACTION};
use druse_protocol::handshake::{
    ClientHello as Hello, ClientProxyMembershipId, CommunicationMode, Member, MemberKind, SecurityMode,
    Welcome,
};
use druse_protocol::message::credentials::{
    NO_UNIQUE_ID, RemoveUserAuth, UserCredentials, UserCredentialsReply,
};
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::exception::{ExceptionReply, RemoteException, TextError};
use druse_protocol::message::housekeeping::{CloseConnection, Ping};
use druse_protocol::version::VersionOrdinal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connection::{Reply, Request};
use crate::endpoint::ServerLocation;
use crate::error::ConnectError;
use crate::transport::Stream;

/// What stands for an id on servers that ask nobody who they are. Servers never give it out.
pub(crate) const NO_SECURITY: i64 = 0;

/// Counts the clients of this process, as Geode counts pools.
static CLIENTS: AtomicI32 = AtomicI32::new(1);

/// What all connections of a client say first, with the very same identity.
pub(crate) struct ClientHello {
    bytes: Bytes,
}

impl ClientHello {
    /// `secured` tells the server that logins will come.
    pub(crate) fn new(secured: bool, read_timeout: Duration) -> Result<Self, DecodeError> {
        // The identity tells clients apart; nobody looks for the client at this address.
        let tag = format!("{:016x}", rand::random::<u64>());
        let mut member = Member::new(&[127, 0, 0, 1], 0, "druse-client", MemberKind::Loner, tag);
        member.process_id = i32::try_from(std::process::id()).unwrap_or(0);
        let mut identity = Vec::new();
        member.encode(&mut identity);
        let hello = Hello {
            mode: CommunicationMode::ClientToServer,
            version: VersionOrdinal::GEODE_1_15_0,
            read_timeout_ms: i32::try_from(read_timeout.as_millis()).unwrap_or(i32::MAX),
            client_id: ClientProxyMembershipId::new(&identity, CLIENTS.fetch_add(1, Ordering::Relaxed))?,
            conflation: 0,
            security: if secured { SecurityMode::Normal(None) } else { SecurityMode::None },
        };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        Ok(Self { bytes: bytes.into() })
    }

    /// Shakes hands; tells whether the server allows requests to be pipelined.
    pub(crate) async fn exchange(
        &self,
        stream: &mut Box<dyn Stream>,
        server: &ServerLocation,
    ) -> Result<bool, ConnectError> {
        let unreachable = |source: std::io::Error| ConnectError::Unreachable {
            server: server.to_string(),
            source: std::sync::Arc::new(source),
        };
        stream.write_all(&self.bytes).await.map_err(unreachable)?;
        stream.flush().await.map_err(unreachable)?;
        let mut input = Vec::with_capacity(256);
        loop {
            // Byte by byte at the end: what follows the handshake belongs to somebody else. A server sends nothing
            // of its own accord, so reading whatever is there is the same.
            if stream.read_buf(&mut input).await.map_err(unreachable)? == 0 {
                return Err(unreachable(std::io::ErrorKind::UnexpectedEof.into()));
            }
            let answer = Welcome::decode(&input)
                .map_err(|source| ConnectError::Handshake { server: server.to_string(), source })?;
            let Some((welcome, _)) = answer else { continue };
            if welcome.is_accepted() {
                return Ok(welcome.is_pipelined());
            }
            let (server, code, message) = (server.to_string(), welcome.code, welcome.message);
            return Err(ConnectError::Refused { server, code, message });
        }
    }
}

fn envelope(unique_id: Option<i64>) -> Envelope {
    // The connection puts its own id in front on sending.
    Envelope { tx_id: NO_TRANSACTION, retry: false, security: unique_id.map(|id| (0, Some(id))) }
}

/// Message 77, for the given id or for a new one.
pub(crate) fn login(credentials: &Credentials, id: Option<i64>) -> Request {
    let mut bytes = Vec::new();
    let login = UserCredentials { credentials: Some(credentials.clone()) };
    login.encode(&mut bytes, &envelope(Some(id.filter(|&id| id != NO_SECURITY).unwrap_or(NO_UNIQUE_ID))));
    Request { bytes: bytes.into(), kind: MessageType::UserCredentialMessage, secured: true }
}

/// The id in the answer to a login.
pub(crate) fn login_reply(reply: &Reply) -> Result<i64, DecodeError> {
    Ok(UserCredentialsReply::decode(&plain(reply)?)?.unique_id.unwrap_or(NO_SECURITY))
}

pub(crate) fn remove_user_auth(unique_id: i64) -> Request {
    let mut bytes = Vec::new();
    RemoveUserAuth { keep_alive: false }.encode(&mut bytes, &envelope(Some(unique_id)));
    Request { bytes: bytes.into(), kind: MessageType::RemoveUserAuth, secured: true }
}

pub(crate) fn ping() -> Request {
    let mut bytes = Vec::new();
    Ping::encode(&mut bytes, &envelope(None));
    Request { bytes: bytes.into(), kind: MessageType::Ping, secured: false }
}

pub(crate) fn close_connection() -> Request {
    let mut bytes = Vec::new();
    CloseConnection { keep_alive: false }.encode(&mut bytes, &envelope(None));
    Request { bytes: bytes.into(), kind: MessageType::CloseConnection, secured: false }
}

/// The whole message of a plain reply.
pub(crate) fn plain(reply: &Reply) -> Result<Message<'_>, DecodeError> {
    match reply {
        Reply::Plain(bytes) => {
            let message = Message::decode(bytes, &unlimited())?;
            message
                .map(|(message, _)| message)
                .ok_or(DecodeError::Parts { message: "reply", problem: "cut off" })
        }
        Reply::Chunked(_) => {
            Err(DecodeError::Parts { message: "reply", problem: "chunks where none were expected" })
        }
    }
}

/// The chunks of a chunked reply.
pub(crate) fn chunks(reply: &Reply) -> Result<Vec<Chunk<'_>>, DecodeError> {
    let (_, chunks) = framed_chunks(reply)?;
    Ok(chunks)
}

fn framed_chunks(reply: &Reply) -> Result<(ChunkedHeader, Vec<Chunk<'_>>), DecodeError> {
    let cut_off = DecodeError::Parts { message: "reply", problem: "cut off" };
    let Reply::Chunked(bytes) = reply else {
        return Err(DecodeError::Parts { message: "reply", problem: "no chunks where some were expected" });
    };
    let header = ChunkedHeader::decode(bytes, &unlimited())?.ok_or(cut_off)?;
    let mut rest = bytes.get(ChunkedHeader::SIZE..).unwrap_or_default();
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let (chunk, size) = Chunk::decode(rest, &header, &unlimited())?.ok_or(cut_off)?;
        chunks.push(chunk);
        rest = rest.get(size..).unwrap_or_default();
    }
    Ok((header, chunks))
}

/// The connection has compared lengths with the client's limits by now.
fn unlimited() -> FrameLimits {
    FrameLimits { message_bytes: usize::MAX, parts: usize::MAX }
}

/// The exception that a reply is, if it is one; a text error counts as one of the class that Java clients make of it.
pub(crate) fn exception(reply: &Reply) -> Result<Option<RemoteException>, DecodeError> {
    match reply {
        Reply::Plain(_) => {
            let message = plain(reply)?;
            if message.kind() == Some(MessageType::Exception) {
                return Ok(Some(ExceptionReply::decode(&message)?.exception()));
            }
            Ok(TextError::decode(&message)?.map(of_text))
        }
        Reply::Chunked(_) => {
            let (header, chunks) = framed_chunks(reply)?;
            let Some(last) = chunks.last() else { return Ok(None) };
            if let Some(exception) = ExceptionReply::from_chunk(last) {
                return Ok(Some(exception.exception()));
            }
            Ok(TextError::decode_chunk(&header, last)?.map(of_text))
        }
    }
}

fn of_text(error: TextError<'_>) -> RemoteException {
    RemoteException {
        lineage: vec!["org.apache.geode.cache.client.ServerOperationException".to_owned()],
        message: Some(error.text.into_owned()),
        cause: None,
    }
}
