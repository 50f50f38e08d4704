//! What a client says on its queue connection about its feed: MAKE_PRIMARY 31, PERIODIC_ACK 52, CLIENT_READY 53,
//! REQUEST_EVENT_VALUE 68. None of them carries a security part. All but the last are answered by an
//! [`Acknowledgement`](super::acknowledgement::Acknowledgement).

use super::envelope::{Envelope, ReplyEnvelope};
use super::feed::FeedEventId;
use super::parts::{self, PartReader};
use super::value::ValueRef;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};
use crate::error::DecodeError;

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
        let flag = message.parts().next().and_then(|part| part.as_u8());
        Self { client_ready_sent: flag.is_some_and(|flag| flag != 0) }
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::MakePrimary, envelope);
        writer.u8(u8::from(self.client_ready_sent));
        parts::finish_request(writer, envelope);
    }
}

/// A durable client is ready for the events that were kept for it. The request says nothing else: Java sends a null part,
/// C++ a zero byte.
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

/// The client has received these events and everything before them on their lanes, so that servers need not keep them. A
/// Geode server that has no feed of the client, or takes offence at an id, does not answer at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodicAck<'a> {
    /// The last event of each lane with something new.
    pub events: Vec<FeedEventId<'a>>,
}

impl<'a> PeriodicAck<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message or a part is no event id.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::PeriodicAck])?;
        // As many as there are parts, which the frame's limits bound.
        let mut events = Vec::with_capacity(parts.left());
        while parts.left() > 0 {
            events.push(parts.feed_event()?);
        }
        Ok(Self { events })
    }

    /// Writes the request; there must be an event in it, or the server passes it over.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::PeriodicAck, envelope);
        self.events.iter().for_each(|event| writer.object_with(|out| event.encode_object(out)));
        parts::finish_request(writer, envelope);
    }
}

/// Asks for the whole value of an event whose delta could not be applied (Geode `GetEventValueOp`, `RequestEventValue`).
/// Where the server has forgotten the event, it answers REQUEST_EVENT_VALUE_ERROR 69 with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestEventValue<'a> {
    /// The event.
    pub event: FeedEventId<'a>,
    /// An argument that comes back with the value; clients send none.
    pub callback: ValueRef<'a>,
}

impl<'a> RequestEventValue<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or the event id is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::RequestEventValue])?;
        let event = parts.feed_event()?;
        let callback = parts.optional_value();
        parts.finish()?;
        Ok(Self { event, callback })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::RequestEventValue, envelope);
        writer.object_with(|out| self.event.encode_object(out));
        if !self.callback.is_null() {
            writer.part(self.callback.to_part());
        }
        parts::finish_request(writer, envelope);
    }
}

/// The answer to a [`RequestEventValue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventValueReply<'a> {
    /// The value.
    pub value: ValueRef<'a>,
    /// The argument of the request.
    pub callback: ValueRef<'a>,
}

impl<'a> EventValueReply<'a> {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message or holds no value.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Response])?;
        let value = ValueRef::from_part(parts.part("no value")?);
        let callback = parts.optional_value();
        parts.finish()?;
        Ok(Self { value, callback })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = parts::reply(out, MessageType::Response, envelope);
        writer.part(self.value.to_part());
        if !self.callback.is_null() {
            writer.part(self.callback.to_part());
        }
        parts::finish_reply(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::feed::event_id::tests::any_id;
    use super::*;
    use crate::codec::NO_TRANSACTION;
    use crate::message::testing::{any_value, check_reply, check_request, with_message};

    const ENVELOPE: Envelope = Envelope { tx_id: NO_TRANSACTION, retry: false, security: None };

    #[test]
    fn client_ready_as_captured() {
        let mut out = Vec::new();
        ClientReady::encode(&mut out, &ENVELOPE);
        let expected = [0, 0, 0, 0x35, 0, 0, 0, 5, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0];
        assert_eq!(out, expected);
    }

    #[test]
    fn make_primary_round_trips() {
        for client_ready_sent in [false, true] {
            let mut out = Vec::new();
            let primary = MakePrimary { client_ready_sent };
            primary.encode(&mut out, &ENVELOPE);
            assert_eq!(with_message(&out, MakePrimary::decode), primary);
        }
    }

    #[test]
    fn what_is_no_acknowledgement_is_refused() {
        let mut out = Vec::new();
        ClientReady::encode(&mut out, &ENVELOPE);
        assert!(with_message(&out, PeriodicAck::decode).is_err());
        let mut out = Vec::new();
        let mut writer = parts::request(&mut out, MessageType::PeriodicAck, &ENVELOPE);
        writer.object(&[0x01, 0x24, 7]);
        parts::finish_request(writer, &ENVELOPE);
        assert!(with_message(&out, PeriodicAck::decode).is_err());
    }

    proptest! {
        #[test]
        fn acknowledgements_there_and_back(events in proptest::collection::vec(any_id(), 1..5)) {
            check_request!(PeriodicAck, PeriodicAck { events: events.clone() });
        }

        #[test]
        fn event_values_there_and_back(event in any_id(), value in any_value(), callback in any_value()) {
            check_request!(RequestEventValue, RequestEventValue { event, callback: callback.get() });
            check_reply!(EventValueReply, EventValueReply { value: value.get(), callback: callback.get() });
        }
    }
}
