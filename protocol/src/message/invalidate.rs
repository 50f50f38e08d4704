//! INVALIDATE 83: the entry stays, its value goes (Geode `InvalidateOp`, `Invalidate70`).

use super::envelope::{Envelope, ReplyEnvelope};
use super::event_id::EventIdRef;
use super::key::KeyRef;
use super::network_hop::NetworkHop;
use super::parts::{self, PartReader};
use super::region;
use super::value::ValueRef;
use super::version_tag::VersionTag;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

const HAS_TAG: i32 = 0x01;

/// Takes the value from an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalidate<'a> {
    /// Full path of the region.
    pub region: &'a str,
    /// The key.
    pub key: KeyRef<'a>,
    /// The event.
    pub event: EventIdRef,
    /// For callbacks on the server; null if the application gave none.
    pub callback: ValueRef<'a>,
}

impl<'a> Invalidate<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Invalidate])?;
        let region = region::decode(&mut parts)?;
        let key = parts.key()?;
        let event = parts.event()?;
        let callback = parts.optional_value();
        parts.finish()?;
        Ok(Self { region, key, event, callback })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::Invalidate, envelope);
        writer.text(self.region.as_bytes());
        writer.part(self.key.to_part());
        self.event.write(&mut writer);
        if !self.callback.is_null() {
            writer.part(self.callback.to_part());
        }
        parts::finish_request(writer, envelope);
    }
}

/// The answer to an [`Invalidate`]; an absent key is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InvalidateReply<'a> {
    /// The entry's version.
    pub tag: Option<VersionTag<'a>>,
    /// Says that another member owns the key.
    pub hop: Option<NetworkHop>,
}

impl<'a> InvalidateReply<'a> {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message, or its parts contradict its flags.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Reply])?;
        let flags = parts.i32("the flags are no number")?;
        let tag = parts.tag_if(flags & HAS_TAG != 0)?;
        let hop = parts.hop()?;
        parts.finish()?;
        Ok(Self { tag, hop })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = parts::reply(out, MessageType::Reply, envelope);
        writer.i32(if self.tag.is_some() { HAS_TAG } else { 0 });
        if let Some(tag) = &self.tag {
            tag.write(&mut writer);
        }
        NetworkHop::encode(self.hop, &mut writer);
        parts::finish_reply(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{any_event, any_hop, any_key, any_value, check_reply, check_request};
    use crate::message::version_tag::tests::any_tag;

    proptest! {
        #[test]
        fn requests_there_and_back(key in any_key(), event in any_event(), callback in any_value()) {
            let callback = callback.get();
            check_request!(Invalidate, Invalidate { region: "/r", key: key.get(), event, callback });
        }

        #[test]
        fn replies_there_and_back(tag in proptest::option::of(any_tag()), hop in any_hop()) {
            check_reply!(InvalidateReply, InvalidateReply { tag, hop });
        }
    }
}
