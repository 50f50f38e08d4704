//! The first message of a connection: who may come in. Geode: `ServerSideHandshakeImpl.java`; RFC.md section 11 for what is
//! refused.

use bytes::BytesMut;
use druse_protocol::auth::Peer;
use druse_protocol::compat::NO_CREDENTIALS;
use druse_protocol::handshake::{
    AcceptanceCode, ClientHello, CommunicationMode, HelloError, SecurityMode, Welcome, put_refusal,
};
use druse_protocol::time::Micros;
use druse_protocol::version::VersionOrdinal;

use super::client::Client;
use crate::core::NodeCore;
use crate::seam::CloseReason;

/// What became of the bytes so far.
pub(super) enum Greeting {
    /// More are needed.
    Incomplete,
    /// The client is in, and its hello had so many bytes.
    Accepted(Box<Client>, usize),
    /// The client wants to be told of changes: whether it may is still to be seen.
    Feed(Box<Client>, Box<ClientHello>, usize),
    /// It is not.
    Refused(CloseReason),
}

/// Reads a hello and answers it.
pub(super) fn greet(core: &NodeCore, peer: &Peer, input: &[u8], out: &mut BytesMut, now: Micros) -> Greeting {
    let (hello, size) = match ClientHello::decode(input) {
        Ok(Some(read)) => read,
        Ok(None) => return Greeting::Incomplete,
        Err(error) => return Greeting::Refused(refuse_bytes(core, error, out)),
    };
    if hello.mode.is_feed() {
        let client = Client::new(core, &hello, peer.clone(), now);
        return Greeting::Feed(Box::new(client), Box::new(hello), size);
    }
    if let Some((code, text)) = refusal(core, &hello) {
        return Greeting::Refused(refuse(core, hello.mode, hello.version, code, text, out));
    }
    Welcome::accepted(core.member.clone()).encode(out);
    Greeting::Accepted(Box::new(Client::new(core, &hello, peer.clone(), now)), size)
}

fn refusal(core: &NodeCore, hello: &ClientHello) -> Option<(AcceptanceCode, &'static str)> {
    if hello.mode == CommunicationMode::GatewayToGateway {
        return Some((AcceptanceCode::Refused, "this node receives no gateways"));
    }
    match hello.security {
        SecurityMode::DiffieHellman => {
            let text = "credentials by Diffie-Hellman are not supported; use TLS";
            Some((AcceptanceCode::AuthenticationFailed, text))
        }
        SecurityMode::None if core.security.is_some() => {
            Some((AcceptanceCode::AuthenticationRequired, NO_CREDENTIALS))
        }
        _ => None,
    }
}

fn refuse_bytes(core: &NodeCore, error: HelloError, out: &mut BytesMut) -> CloseReason {
    let text = error.to_string();
    match error {
        HelloError::NotAClient(byte) => CloseReason::NotAClient(byte),
        HelloError::Malformed(error) => CloseReason::Malformed(error),
        HelloError::UnsupportedVersion { mode, version } => {
            refuse(core, mode, version, AcceptanceCode::Refused, &text, out)
        }
        HelloError::BadConflation { mode, version, .. } => {
            refuse(core, mode, version, AcceptanceCode::Invalid, &text, out)
        }
        // As Geode: whoever does not know this field is no client.
        HelloError::BadReplyCode(_) => CloseReason::HandshakeRefused(text),
    }
}

fn refuse(
    core: &NodeCore,
    mode: CommunicationMode,
    version: VersionOrdinal,
    code: AcceptanceCode,
    text: &str,
    out: &mut BytesMut,
) -> CloseReason {
    put_refusal(mode, version, code, &core.member, text, out);
    CloseReason::HandshakeRefused(text.to_owned())
}
