//! What keeps a connection going and ends it: PING 5, CLOSE_CONNECTION 18. Both are answered by an
//! [`Acknowledgement`](super::acknowledgement::Acknowledgement).

use super::envelope::{Envelope, ReplyEnvelope};
use super::exception::{Framing, TextError};
use super::parts;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};
use crate::compat;

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
        let flag = message.parts().next().and_then(|part| part.as_u8());
        Self { keep_alive: flag.is_some_and(|flag| flag != 0) }
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::CloseConnection, envelope);
        writer.u8(u8::from(self.keep_alive));
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
    fn flags_round_trip() {
        for value in [false, true] {
            let mut out = Vec::new();
            CloseConnection { keep_alive: value }.encode(&mut out, &ENVELOPE);
            assert_eq!(with_message(&out, CloseConnection::decode), CloseConnection { keep_alive: value });
        }
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
