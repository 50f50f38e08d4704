//! The small exchanges that are no operations: login, ping, goodbye; and telling an exception from a reply.

use bytes::Bytes;
use druse_protocol::DecodeError;
use druse_protocol::auth::Credentials;
use druse_protocol::codec::{Chunk, ChunkedHeader, FrameLimits, Message, MessageType, NO_TRANSACTION};
use druse_protocol::message::credentials::{
    NO_UNIQUE_ID, RemoveUserAuth, UserCredentials, UserCredentialsReply,
};
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::exception::{ExceptionReply, RemoteException, TextError};
use druse_protocol::message::feed_control::{ClientReady, MakePrimary, PeriodicAck};
use druse_protocol::message::housekeeping::{CloseConnection, Ping};

use crate::connection::{Reply, Request};
use crate::feed::Stamp;

/// What stands for an id on servers that ask nobody who they are. Servers never give it out.
pub(crate) const NO_SECURITY: i64 = 0;

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

/// `keep_alive`: the server is to keep what it holds for a durable client.
pub(crate) fn close_connection(keep_alive: bool) -> Request {
    let mut bytes = Vec::new();
    CloseConnection { keep_alive }.encode(&mut bytes, &envelope(None));
    Request { bytes: bytes.into(), kind: MessageType::CloseConnection, secured: false }
}

/// A backup is to push events from now on.
pub(crate) fn make_primary(client_ready_sent: bool) -> Request {
    let mut bytes = Vec::new();
    MakePrimary { client_ready_sent }.encode(&mut bytes, &envelope(None));
    Request { bytes: bytes.into(), kind: MessageType::MakePrimary, secured: false }
}

/// A durable client wants what was kept for it.
pub(crate) fn client_ready() -> Request {
    let mut bytes = Vec::new();
    ClientReady::encode(&mut bytes, &envelope(None));
    Request { bytes: bytes.into(), kind: MessageType::ClientReady, secured: false }
}

/// The server need not keep these events, nor those before them.
pub(crate) fn periodic_ack(stamps: &[Stamp]) -> Request {
    let events = stamps.iter().map(Stamp::id).collect();
    let mut bytes = Vec::new();
    PeriodicAck { events }.encode(&mut bytes, &envelope(None));
    Request { bytes: bytes.into(), kind: MessageType::PeriodicAck, secured: false }
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

/// The bytes that a reply lies in.
pub(crate) const fn frame(reply: &Reply) -> &Bytes {
    match reply {
        Reply::Plain(bytes) | Reply::Chunked(bytes) => bytes,
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
