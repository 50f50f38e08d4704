//! What keeps a connection going and ends it: PING 5, CLOSE_CONNECTION 18, CLIENT_READY 53, MAKE_PRIMARY 31, PERIODIC_ACK 52.

use super::envelope::Envelope;
use super::parts;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{FrameLimits, NO_TRANSACTION};

    const ENVELOPE: Envelope = Envelope { tx_id: NO_TRANSACTION, retry: false, security: None };

    #[test]
    fn a_ping_as_captured() {
        let mut out = Vec::new();
        Ping::encode(&mut out, &ENVELOPE);
        assert_eq!(out, [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]);
    }

    #[test]
    fn a_goodbye_round_trips() {
        for keep_alive in [false, true] {
            let mut out = Vec::new();
            CloseConnection { keep_alive }.encode(&mut out, &ENVELOPE);
            let (message, _) = Message::decode(&out, &FrameLimits::default()).unwrap().unwrap();
            assert_eq!(CloseConnection::decode(&message), CloseConnection { keep_alive });
        }
    }
}
