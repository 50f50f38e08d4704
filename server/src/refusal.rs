//! Refusing a client for whom there is no place, in the words and the layout that its handshake asks for.

use bytes::BytesMut;
use druse_protocol::handshake::{AcceptanceCode, ClientHello, CommunicationMode, HelloError, put_refusal};
use druse_protocol::time::Micros;
use druse_protocol::version::VersionOrdinal;

use crate::seam::{CloseReason, ConnectionEngine, Next, Step};

/// An engine that understands one handshake and refuses it.
pub(crate) struct Refusal {
    member: Vec<u8>,
    text: String,
}

impl Refusal {
    /// Refuses with `text`, in the name of the serialized `member`.
    pub(crate) fn new(member: Vec<u8>, text: String) -> Self {
        Self { member, text }
    }

    fn say(&self, mode: CommunicationMode, version: VersionOrdinal, out: &mut BytesMut) {
        // A feed knows no other code than its own.
        let code = if mode.is_feed() { AcceptanceCode::FeedRefused } else { AcceptanceCode::Refused };
        put_refusal(mode, version, code, &self.member, &self.text, out);
    }
}

impl ConnectionEngine for Refusal {
    type Completion = ();

    fn receive(&mut self, input: &[u8], _now: Micros, out: &mut BytesMut) -> Step<()> {
        let reason = match ClientHello::decode(input) {
            Ok(None) => return Step { consumed: 0, next: Next::Input },
            Ok(Some((hello, _))) => {
                self.say(hello.mode, hello.version, out);
                CloseReason::HandshakeRefused(self.text.clone())
            }
            Err(HelloError::UnsupportedVersion { mode, version }) => {
                self.say(mode, version, out);
                CloseReason::HandshakeRefused(self.text.clone())
            }
            Err(HelloError::NotAClient(byte)) => CloseReason::NotAClient(byte),
            Err(HelloError::Malformed(error)) => CloseReason::Malformed(error),
            Err(_) => CloseReason::Protocol("a handshake that no client sends"),
        };
        Step { consumed: input.len(), next: Next::Close(reason) }
    }

    fn resume(&mut self, _now: Micros, _out: &mut BytesMut) -> Step<()> {
        Step { consumed: 0, next: Next::Input }
    }

    fn complete(&mut self, (): (), _now: Micros, _out: &mut BytesMut) -> Step<()> {
        Step { consumed: 0, next: Next::Input }
    }

    fn close(&mut self, _now: Micros) {}
}

#[cfg(test)]
mod tests {
    use druse_protocol::handshake::{
        ClientProxyMembershipId, FeedWelcome, Member, MemberKind, SecurityMode, Welcome,
    };

    use super::*;

    fn hello(mode: CommunicationMode) -> Vec<u8> {
        let mut member = Vec::new();
        Member::new(&[127, 0, 0, 1], 0, "client", MemberKind::Loner, "tag").encode(&mut member);
        let hello = ClientHello {
            mode,
            version: VersionOrdinal::GEODE_1_15_0,
            read_timeout_ms: 0,
            client_id: ClientProxyMembershipId::new(&member, 1).expect("identity"),
            conflation: 0,
            security: SecurityMode::None,
        };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        bytes
    }

    fn refuse(input: &[u8]) -> (BytesMut, Next<()>) {
        let mut out = BytesMut::new();
        let mut member = Vec::new();
        Member::new(&[127, 0, 0, 1], 40404, "node", MemberKind::Loner, "tag").encode(&mut member);
        let step =
            Refusal::new(member, "exceeded max-connections 7".to_owned()).receive(input, Micros(0), &mut out);
        (out, step.next)
    }

    #[test]
    fn operations_are_refused_with_code_60_and_the_text() {
        let hello = hello(CommunicationMode::ClientToServer);
        let (out, next) = refuse(&hello);
        let (welcome, size) = Welcome::decode(&out).expect("a welcome").expect("all of it");
        assert_eq!((welcome.code, welcome.message.as_str()), (60, "exceeded max-connections 7"));
        assert_eq!(size, out.len());
        assert!(matches!(next, Next::Close(CloseReason::HandshakeRefused(_))));
        let (out, next) = refuse(&hello[..hello.len() - 1]);
        assert!(out.is_empty() && matches!(next, Next::Input));
    }

    #[test]
    fn feeds_are_refused_in_their_own_layout() {
        let (out, _) = refuse(&hello(CommunicationMode::PrimaryServerToClient));
        let (welcome, size) = FeedWelcome::decode(&out).expect("a welcome").expect("all of it");
        assert_eq!((welcome.code, size), (106, out.len()));
    }

    #[test]
    fn strangers_get_no_answer() {
        let (out, next) = refuse(&[0x16, 3, 1]);
        assert!(out.is_empty() && matches!(next, Next::Close(CloseReason::NotAClient(0x16))));
    }
}
