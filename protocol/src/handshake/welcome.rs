//! What a server answers.

use bytes::BufMut;

use super::incremental;
use super::member::Member;
use crate::codec::{Reader, text};
use crate::error::DecodeError;
use crate::value::put_byte_array;

/// The longest answer in bytes: a member, a text and, on feeds, lists of registered classes.
pub(super) const MAX_WELCOME_BYTES: usize = 1 << 20;

/// The first byte of an answer (Geode `Handshake.REPLY_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AcceptanceCode {
    /// Come in.
    Ok = 59,
    /// Refused: version, too many connections, anything without a code of its own.
    Refused = 60,
    /// Refused: conflation, deny list.
    Invalid = 61,
    /// Refused: no credentials.
    AuthenticationRequired = 62,
    /// Refused: wrong credentials, or expired ones on a feed.
    AuthenticationFailed = 63,
    /// Refused: the durable id is in use.
    DuplicateDurableClient = 64,
    /// A gateway may come in, and the receiver shows credentials of its own.
    OkWithServerCredentials = 65,
    /// A feed may come in.
    FeedOk = 105,
    /// A feed is refused.
    FeedRefused = 106,
}

impl AcceptanceCode {
    /// The code of a byte, if it is one.
    #[must_use]
    pub const fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            59 => Some(Self::Ok),
            60 => Some(Self::Refused),
            61 => Some(Self::Invalid),
            62 => Some(Self::AuthenticationRequired),
            63 => Some(Self::AuthenticationFailed),
            64 => Some(Self::DuplicateDurableClient),
            65 => Some(Self::OkWithServerCredentials),
            105 => Some(Self::FeedOk),
            106 => Some(Self::FeedRefused),
            _ => None,
        }
    }
}

/// The answer on operation connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The code as it stands on the wire.
    pub code: u8,
    /// 0 no queue here, 1 a redundant one, 2 a primary one.
    pub endpoint_type: u8,
    /// Events in that queue.
    pub queue_size: i32,
    /// The server's serialized member.
    pub member: Vec<u8>,
    /// Empty means success, whatever the code.
    pub message: String,
    /// Whether the server takes deltas.
    pub delta_propagation: bool,
}

impl Welcome {
    /// Come in.
    #[must_use]
    pub fn accepted(member: Vec<u8>) -> Self {
        Self {
            code: AcceptanceCode::Ok as u8,
            endpoint_type: 0,
            queue_size: 0,
            member,
            message: String::new(),
            // A node without the Java classes cannot apply one; told so, clients send whole values.
            delta_propagation: false,
        }
    }

    /// Stay out, for this reason. An empty text would mean success.
    #[must_use]
    pub fn refused(code: AcceptanceCode, member: Vec<u8>, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.is_empty() {
            message.push_str("refused");
        }
        Self { code: code as u8, message, delta_propagation: true, ..Self::accepted(member) }
    }

    /// Whether the client may come in: what counts is the text.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.message.is_empty()
    }

    /// Whether the server allows requests to be pipelined.
    #[must_use]
    pub fn is_pipelined(&self) -> bool {
        Member::decode(&self.member).is_ok_and(|member| member.is_pipelined())
    }

    /// Reads an answer off the front of `bytes`: it and its size, or `Ok(None)` if it is not all there yet.
    ///
    /// # Errors
    /// If the bytes are none; [`Stranger::of`] may know what they are instead.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let whole = Self::read(&mut reader).map(|welcome| (welcome, bytes.len() - reader.remaining()));
        incremental(bytes, MAX_WELCOME_BYTES, "handshake reply", whole)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let code = read_code(reader)?;
        let endpoint_type = reader.u8("endpoint type")?;
        let queue_size = reader.i32("queue size")?;
        let member = reader.byte_array("server member")?.unwrap_or_default().to_vec();
        let message = read_text(reader)?;
        let delta_propagation = reader.bool("delta propagation")?;
        Ok(Self { code, endpoint_type, queue_size, member, message, delta_propagation })
    }

    /// Writes the answer.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.code);
        out.put_u8(self.endpoint_type);
        out.put_i32(self.queue_size);
        put_byte_array(&self.member, out);
        put_text(out, &self.message);
        out.put_u8(u8::from(self.delta_propagation));
    }
}

/// Who answers when it is no server: told by the first byte of what should have been an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// The byte begins a TLS alert.
    #[error("the server expects TLS")]
    TlsServer,
    /// A locator says so when it is taken for a server.
    #[error("a locator was taken for a server")]
    Locator,
}

impl Stranger {
    /// Who begins with this byte.
    #[must_use]
    pub const fn of(first: u8) -> Option<Self> {
        match first {
            21 => Some(Self::TlsServer),
            crate::locator::SERVER_IS_LOCATOR => Some(Self::Locator),
            _ => None,
        }
    }
}

/// The first byte of an answer, which must be one of the known codes.
pub(super) fn read_code(reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
    let code = reader.u8("acceptance code")?;
    match AcceptanceCode::from_wire(code) {
        Some(_) => Ok(code),
        None => Err(DecodeError::Invalid { field: "acceptance code", value: i64::from(code) }),
    }
}

pub(super) fn read_text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let field = "message";
    Ok(text::decode(reader.utf(field)?).ok_or(DecodeError::BadText { field })?.into_owned())
}

pub(super) fn put_text(out: &mut impl BufMut, message: &str) {
    // Texts are ours and short; one that is not loses its end rather than its length.
    let cut = message.char_indices().map(|(at, _)| at).find(|&at| at > 8000).unwrap_or(message.len());
    let bytes = text::encode(message.get(..cut).unwrap_or_default());
    out.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    out.put_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::{MemberKind, PIPELINED_GROUP};

    fn member(groups: &[&str]) -> Vec<u8> {
        let mut member = Member::new(&[127, 0, 0, 1], 40404, "localhost", MemberKind::Loner, "tag");
        member.groups = groups.iter().map(|&group| group.to_owned()).collect();
        let mut bytes = Vec::new();
        member.encode(&mut bytes);
        bytes
    }

    #[test]
    fn answers_round_trip_and_wait_for_their_last_byte() {
        for welcome in [
            Welcome::accepted(member(&[])),
            Welcome::refused(
                AcceptanceCode::AuthenticationRequired,
                member(&[]),
                "No security credentials are provided",
            ),
        ] {
            let mut bytes = Vec::new();
            welcome.encode(&mut bytes);
            for end in 0..bytes.len() {
                assert_eq!(Welcome::decode(&bytes[..end]), Ok(None));
            }
            assert_eq!(Welcome::decode(&bytes), Ok(Some((welcome, bytes.len()))));
        }
    }

    #[test]
    fn the_captured_refusal_layout() {
        let mut bytes = Vec::new();
        Welcome::refused(AcceptanceCode::AuthenticationRequired, vec![1, 2], "No").encode(&mut bytes);
        assert_eq!(bytes, [0x3e, 0, 0, 0, 0, 0, 2, 1, 2, 0, 2, b'N', b'o', 1]);
    }

    #[test]
    fn a_refusal_is_never_silent() {
        assert!(!Welcome::refused(AcceptanceCode::Refused, Vec::new(), "").is_accepted());
    }

    #[test]
    fn only_a_node_that_says_so_is_pipelined() {
        assert!(Welcome::accepted(member(&["a", PIPELINED_GROUP])).is_pipelined());
        assert!(!Welcome::accepted(member(&["a"])).is_pipelined());
        assert!(!Welcome::accepted(Vec::new()).is_pipelined());
    }

    #[test]
    fn a_tls_alert_is_no_answer() {
        assert!(Welcome::decode(&[0x15, 3, 3, 0, 2, 2, 80]).is_err());
        assert_eq!(Stranger::of(0x15), Some(Stranger::TlsServer));
        assert!(Welcome::decode(&[67]).is_err());
        assert_eq!(Stranger::of(67), Some(Stranger::Locator));
        assert_eq!(Stranger::of(59), None);
    }
}
