//! What keeps a connection going and ends it: PING 5, CLOSE_CONNECTION 18, CLIENT_READY 53, MAKE_PRIMARY 31, PERIODIC_ACK 52.
//! All are answered by an [`Acknowledgement`](super::acknowledgement::Acknowledgement), but for what [`PeriodicAck`] says.

use super::envelope::{Envelope, ReplyEnvelope};
use super::exception::{Framing, TextError};
use super::parts::{self, PartReader};
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};
use crate::compat;
use crate::error::DecodeError;

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping;

impl Ping {
    /// Writes the request, without a part as C++ clients and Java clients before 1.14 do; servers of all versions
    /// answer it.
    pub fn encode(out: &mut impl Buffer, envelope: &Envelope) {
        let writer = parts::request(out, MessageType::Ping, envelope);
        parts::finish_request(writer, envelope);
    }

    /// The serialized member that a Java client from 1.14 on means to ping: the server's own, as it learnt it at the
    /// handshake. `None` if it names none.
    #[must_use]
    pub fn target<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
        message.parts().next().and_then(|part| part.object())
    }
}

/// Writes a request of one byte, which is a yes or a no.
fn encode_flag(out: &mut impl Buffer, kind: MessageType, flag: bool, envelope: &Envelope) {
    let mut writer = parts::request(out, kind, envelope);
    writer.u8(u8::from(flag));
    parts::finish_request(writer, envelope);
}

/// Reads the flag of such a request; one that is missing counts as no.
fn flag(message: &Message<'_>) -> bool {
    let flag = message.parts().next().and_then(|part| part.as_u8());
    flag.is_some_and(|flag| flag != 0)
}

/// A goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseConnection {
    /// Whether a durable client's queues are to be kept.
    pub keep_alive: bool,
}

impl CloseConnection {
    /// Reads the request; a flag that is missing counts as no.
    #[must_use]
    pub fn decode(message: &Message<'_>) -> Self {
        Self { keep_alive: flag(message) }
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        encode_flag(out, MessageType::CloseConnection, self.keep_alive, envelope);
    }
}

/// A client's feed becomes its primary one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MakePrimary {
    /// Whether the client has said before that it is ready for events.
    pub client_ready_sent: bool,
}

impl MakePrimary {
    /// Reads the request; a flag that is missing counts as no.
    #[must_use]
    pub fn decode(message: &Message<'_>) -> Self {
        Self { client_ready_sent: flag(message) }
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        encode_flag(out, MessageType::MakePrimary, self.client_ready_sent, envelope);
    }
}

/// A durable client is ready for the events that were kept for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientReady;

impl ClientReady {
    /// Writes the request as Java does, with a null part: a message without parts would be passed over.
    pub fn encode(out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::ClientReady, envelope);
        writer.null();
        parts::finish_request(writer, envelope);
    }
}

/// The client has received these events, so that other servers need not keep them. A server that has no feed of the
/// client, or takes offence at an id, does not answer at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodicAck<'a> {
    /// Serialized event ids, member included.
    pub events: Vec<&'a [u8]>,
}

impl<'a> PeriodicAck<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message or a part is no object.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::PeriodicAck])?;
        // As many as there are parts, which the frame's limits bound.
        let mut events = Vec::with_capacity(parts.left());
        while let Some(part) = parts.optional() {
            events.push(part.object().ok_or(parts.error("an event id is no object"))?);
        }
        Ok(Self { events })
    }

    /// Writes the request; there must be an event in it, or the server passes it over.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::PeriodicAck, envelope);
        self.events.iter().for_each(|event| writer.object(event));
        parts::finish_request(writer, envelope);
    }
}

/// Answers a message that has a number and no command: always plain, whatever framing the request wanted.
pub fn put_unknown_message_type(out: &mut impl Buffer, envelope: &ReplyEnvelope) {
    let error =
        TextError { kind: MessageType::UnknownMessageTypeError, text: compat::UNKNOWN_MESSAGE_TYPE.into() };
    error.encode(out, Framing::Plain, envelope);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::NO_TRANSACTION;
    use crate::message::testing::with_message;

    const ENVELOPE: Envelope = Envelope { tx_id: NO_TRANSACTION, retry: false, security: None };

    #[test]
    fn a_ping_as_captured() {
        let mut out = Vec::new();
        Ping::encode(&mut out, &ENVELOPE);
        assert_eq!(out, [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]);
        assert_eq!(with_message(&out, Ping::target), None);
    }

    #[test]
    fn client_ready_as_captured() {
        let mut out = Vec::new();
        ClientReady::encode(&mut out, &ENVELOPE);
        let expected = [0, 0, 0, 0x35, 0, 0, 0, 5, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0];
        assert_eq!(out, expected);
    }

    #[test]
    fn flags_round_trip() {
        for value in [false, true] {
            let mut out = Vec::new();
            CloseConnection { keep_alive: value }.encode(&mut out, &ENVELOPE);
            assert_eq!(with_message(&out, CloseConnection::decode), CloseConnection { keep_alive: value });
            let mut out = Vec::new();
            let primary = MakePrimary { client_ready_sent: value };
            primary.encode(&mut out, &ENVELOPE);
            assert_eq!(with_message(&out, MakePrimary::decode), primary);
        }
    }

    #[test]
    fn acknowledged_events_round_trip() {
        let ack = PeriodicAck { events: vec![&[1, 0x24, 7], &[1, 0x24, 8]] };
        let mut out = Vec::new();
        ack.encode(&mut out, &ENVELOPE);
        assert_eq!(with_message(&out, PeriodicAck::decode), Ok(ack));
        let mut out = Vec::new();
        CloseConnection { keep_alive: true }.encode(&mut out, &ENVELOPE);
        assert!(with_message(&out, PeriodicAck::decode).is_err());
    }

    #[test]
    fn an_unknown_type_is_answered_in_the_words_of_geode() {
        let mut out = Vec::new();
        put_unknown_message_type(
            &mut out,
            &ReplyEnvelope { tx_id: NO_TRANSACTION, next_connection_id: None },
        );
        with_message(&out, |message| {
            assert_eq!(message.kind(), Some(MessageType::UnknownMessageTypeError));
            let text = message.parts().next().unwrap().bytes;
            assert_eq!(text, compat::UNKNOWN_MESSAGE_TYPE.as_bytes());
        });
    }
}
