//! What a feed says of itself: CLIENT_MARKER 54, SERVER_TO_CLIENT_PING 99, CLIENT_RE_AUTHENTICATE 110 (Geode
//! `ClientMarkerMessageImpl`, `ClientPingMessageImpl`, `ClientReAuthenticateMessage`).

use super::event_id::FeedEventId;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, MessageWriter};
use crate::message::parts::PartReader;

/// What was kept for the client lies behind; from here on events are of the present. A durable client tells its listeners
/// that the region is live, once. The id must be a fresh one, or the client takes the marker for a repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientMarker<'a> {
    /// The marker's own id, which the client acknowledges like an event's.
    pub id: FeedEventId<'a>,
}

impl<'a> ClientMarker<'a> {
    /// Reads the message.
    ///
    /// # Errors
    /// If it is another message or has no event id.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::ClientMarker])?;
        let id = parts.feed_event()?;
        parts.finish()?;
        Ok(Self { id })
    }

    /// Writes the message.
    pub fn encode(&self, out: &mut impl Buffer) {
        let mut writer = MessageWriter::begin(out, MessageType::ClientMarker, super::TX_ID, 0);
        writer.object_with(|out| self.id.encode_object(out));
        writer.finish(None);
    }
}

/// A sign of life of a feed that has nothing to say: no parts, no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPing;

impl FeedPing {
    /// Writes the message.
    pub fn encode(self, out: &mut impl Buffer) {
        MessageWriter::begin(out, MessageType::ServerToClientPing, super::TX_ID, 0).finish(None);
    }
}

/// The server asks for a new login, now or soon: events wait for it. Never to be sent to clients before 1.15, whose feed
/// breaks on the unknown number, nor to a Java client with many users, which cannot tell whose login is meant and ends
/// its feed. The id must be a fresh one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientReAuthenticate<'a> {
    /// The unique id of the user that is meant: an addition of ours, for Druse clients with many users. Java looks at the
    /// last part alone.
    pub user: Option<i64>,
    /// The message's own id.
    pub id: FeedEventId<'a>,
}

impl<'a> ClientReAuthenticate<'a> {
    /// Reads the message.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::ClientReAuthenticate])?;
        let user = if parts.left() > 1 { Some(parts.i64("the user is no number")?) } else { None };
        let id = parts.feed_event()?;
        parts.finish()?;
        Ok(Self { user, id })
    }

    /// Writes the message.
    pub fn encode(&self, out: &mut impl Buffer) {
        let mut writer = MessageWriter::begin(out, MessageType::ClientReAuthenticate, super::TX_ID, 0);
        if let Some(user) = self.user {
            writer.i64(user);
        }
        writer.object_with(|out| self.id.encode_object(out));
        writer.finish(None);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::event_id::tests::any_id;
    use super::*;
    use crate::message::testing::check_feed;

    #[test]
    fn the_ping_as_captured() {
        let mut out = Vec::new();
        FeedPing.encode(&mut out);
        assert_eq!(out, [&[0, 0, 0, 0x63][..], &[0; 13]].concat());
    }

    proptest! {
        #[test]
        fn there_and_back(id in any_id(), user: Option<i64>) {
            let marker = ClientMarker { id };
            check_feed!(ClientMarker, marker, |found| {
                assert_eq!(found, marker);
            });
            let ask = ClientReAuthenticate { user, id };
            check_feed!(ClientReAuthenticate, ask, |found| {
                assert_eq!(found, ask);
            });
        }
    }
}
