//! GET (`REQUEST` 0) and its reply (Geode `GetOp`, `Get70`).

use super::envelope::{Envelope, ReplyEnvelope};
use super::key::KeyRef;
use super::network_hop::NetworkHop;
use super::parts::{self, PartReader};
use super::region;
use super::value::ValueRef;
use super::version_tag::VersionTag;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

const HAS_CALLBACK: i32 = 0x01;
const HAS_TAG: i32 = 0x02;
const NO_ENTRY: i32 = 0x04;
const INVALID_VALUE: i32 = 0x08;

/// Asks for one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Get<'a> {
    /// Full path of the region.
    pub region: &'a str,
    /// The key.
    pub key: KeyRef<'a>,
    /// For callbacks on the server; null if the application gave none.
    pub callback: ValueRef<'a>,
}

impl<'a> Get<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or region or key are missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Get])?;
        let region = region::decode(&mut parts)?;
        let key = parts.key()?;
        let callback = parts.optional_value();
        parts.finish()?;
        Ok(Self { region, key, callback })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::Get, envelope);
        writer.text(self.region.as_bytes());
        writer.part(self.key.to_part());
        if !self.callback.is_null() {
            writer.part(self.callback.to_part());
        }
        parts::finish_request(writer, envelope);
    }
}

/// What there is under the key of a [`Get`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// An entry with the value that is in the reply.
    #[default]
    Found,
    /// No entry, or the tombstone of one.
    Absent,
    /// An entry that was invalidated, or created without a value.
    Invalid,
}

/// The answer to a [`Get`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GetReply<'a> {
    /// The value; null unless one was found.
    pub value: ValueRef<'a>,
    /// What there is under the key.
    pub presence: Presence,
    /// The request's callback argument again, if the server echoes it.
    pub callback: Option<ValueRef<'a>>,
    /// The entry's version, or its tombstone's.
    pub tag: Option<VersionTag<'a>>,
    /// Says that another member owns the key.
    pub hop: Option<NetworkHop>,
}

impl<'a> GetReply<'a> {
    /// Reads the reply. Flags may be missing.
    ///
    /// # Errors
    /// If it is another message, or its parts contradict its flags.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Response])?;
        let value = ValueRef::from_part(parts.part("no value")?);
        let flags = if parts.left() > 0 { parts.i32("the flags are no number")? } else { 0 };
        let callback = match flags & HAS_CALLBACK {
            0 => None,
            _ => Some(ValueRef::from_part(parts.part("no callback argument")?)),
        };
        let tag = parts.tag_if(flags & HAS_TAG != 0)?;
        let hop = parts.hop()?;
        parts.finish()?;
        let presence = match (flags & NO_ENTRY, flags & INVALID_VALUE) {
            (0, 0) => Presence::Found,
            (0, _) => Presence::Invalid,
            _ => Presence::Absent,
        };
        Ok(Self { value, presence, callback, tag, hop })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut flags = match self.presence {
            Presence::Found => 0,
            Presence::Absent => NO_ENTRY,
            Presence::Invalid => INVALID_VALUE,
        };
        if self.callback.is_some() {
            flags |= HAS_CALLBACK;
        }
        if self.tag.is_some() {
            flags |= HAS_TAG;
        }
        let mut writer = parts::reply(out, MessageType::Response, envelope);
        writer.part(self.value.to_part());
        writer.i32(flags);
        if let Some(callback) = self.callback {
            writer.part(callback.to_part());
        }
        if let Some(tag) = &self.tag {
            tag.write(&mut writer);
        }
        if self.hop.is_some() {
            NetworkHop::encode(self.hop, &mut writer);
        }
        parts::finish_reply(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{
        any_hop, any_key, any_value, check_reply, check_request, reply_of, with_message,
    };
    use crate::message::version_tag::tests::any_tag;

    #[test]
    fn every_row_of_the_reply() {
        let tag = Some(VersionTag::new(1, 1, 1));
        let value = ValueRef::Bytes(&[1]);
        let plain = GetReply::default();
        for (reply, flags) in [
            (GetReply { value, ..plain }, 0),
            (GetReply { value, tag, ..plain }, 2),
            (GetReply { value, tag, callback: Some(value), ..plain }, 3),
            (GetReply { presence: Presence::Absent, ..plain }, 4),
            (GetReply { presence: Presence::Absent, tag, ..plain }, 6),
            (GetReply { presence: Presence::Invalid, ..plain }, 8),
            (GetReply { presence: Presence::Invalid, tag, ..plain }, 10),
        ] {
            let bytes = reply_of(|out, envelope| reply.encode(out, envelope));
            let found = with_message(&bytes, |message| message.parts().nth(1).and_then(|part| part.as_i32()));
            assert_eq!(found, Some(flags), "{reply:?}");
        }
    }

    proptest! {
        #[test]
        fn requests_there_and_back(key in any_key(), callback in any_value()) {
            check_request!(Get, Get { region: "/data", key: key.get(), callback: callback.get() });
        }

        #[test]
        fn replies_there_and_back(
            value in any_value(), callback in proptest::option::of(any_value()),
            tag in proptest::option::of(any_tag()), hop in any_hop(), presence in 0..3,
        ) {
            let presence = [Presence::Found, Presence::Absent, Presence::Invalid][presence as usize];
            let callback = callback.as_ref().map(|callback| callback.get());
            check_reply!(GetReply, GetReply { value: value.get(), presence, callback, tag, hop });
        }
    }
}
