//! DESTROY 9: destroy, and remove of an expected value (Geode `DestroyOp`, `Destroy70`).

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
use crate::codec::{Message, MessageType, Part};

const DESTROY: u8 = 19;
const REMOVE: u8 = 46;
/// What C++ clients send for a remove: a serialized `Byte`.
const NATIVE_REMOVE: &[u8] = &[0x37, 8];

const HAS_TAG: i32 = 0x01;
const HAS_NOT_FOUND: i32 = 0x02;

/// Removes one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destroy<'a> {
    /// Full path of the region.
    pub region: &'a str,
    /// The key.
    pub key: KeyRef<'a>,
    /// `None` for a destroy; for a remove the value that must be there, null for an entry without one.
    pub expected: Option<ValueRef<'a>>,
    /// The event.
    pub event: EventIdRef,
    /// For callbacks on the server; null if the application gave none.
    pub callback: ValueRef<'a>,
}

impl<'a> Destroy<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, the operation is no removal, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Destroy])?;
        let region = region::decode(&mut parts)?;
        let key = parts.key()?;
        let expected = parts.part("no expected value")?;
        let is_remove = is_remove(parts.part("no operation")?)?;
        let event = parts.event()?;
        let callback = parts.optional_value();
        parts.finish()?;
        let expected = is_remove.then(|| ValueRef::from_expectation(expected));
        Ok(Self { region, key, expected, event, callback })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::Destroy, envelope);
        writer.text(self.region.as_bytes());
        writer.part(self.key.to_part());
        match self.expected {
            None => {
                writer.null();
                writer.u8(DESTROY);
            }
            Some(expected) => {
                writer.part(expected.to_expectation());
                writer.u8(REMOVE);
            }
        }
        self.event.write(&mut writer);
        if !self.callback.is_null() {
            writer.part(self.callback.to_part());
        }
        parts::finish_request(writer, envelope);
    }
}

fn is_remove(part: Part<'_>) -> Result<bool, DecodeError> {
    if part.is_null() {
        return Ok(false);
    }
    match part.as_u8() {
        Some(DESTROY) => Ok(false),
        Some(REMOVE) => Ok(true),
        Some(other) => Err(DecodeError::Invalid { field: "operation", value: i64::from(other) }),
        None if part.object() == Some(NATIVE_REMOVE) => Ok(true),
        None => Err(DecodeError::Parts { message: "DESTROY", problem: "the operation is no single byte" }),
    }
}

/// The answer to a [`Destroy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DestroyReply<'a> {
    /// The version of the tombstone.
    pub tag: Option<VersionTag<'a>>,
    /// Says that another member owns the key.
    pub hop: Option<NetworkHop>,
    /// Whether there was nothing to remove, or not the expected value. Servers always say it.
    pub entry_not_found: Option<bool>,
}

impl<'a> DestroyReply<'a> {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message, or its parts contradict its flags.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Reply])?;
        let flags = parts.i32("the flags are no number")?;
        let tag = parts.tag_if(flags & HAS_TAG != 0)?;
        let hop = parts.hop()?;
        let entry_not_found = match flags & HAS_NOT_FOUND {
            0 => None,
            _ => Some(parts.i32("no word whether the entry was found")? != 0),
        };
        parts.finish()?;
        Ok(Self { tag, hop, entry_not_found })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut flags = 0;
        if self.tag.is_some() {
            flags |= HAS_TAG;
        }
        if self.entry_not_found.is_some() {
            flags |= HAS_NOT_FOUND;
        }
        let mut writer = parts::reply(out, MessageType::Reply, envelope);
        writer.i32(flags);
        if let Some(tag) = &self.tag {
            tag.write(&mut writer);
        }
        NetworkHop::encode(self.hop, &mut writer);
        if let Some(not_found) = self.entry_not_found {
            writer.i32(i32::from(not_found));
        }
        parts::finish_reply(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::PartKind;
    use crate::message::testing::{any_event, any_hop, any_key, any_value, check_reply, check_request};
    use crate::message::version_tag::tests::any_tag;

    #[test]
    fn operations_of_every_client() {
        for (kind, bytes, remove) in [
            (PartKind::Raw, &[19][..], false),
            (PartKind::Raw, &[46], true),
            (PartKind::Raw, &[], false),
            (PartKind::Object, &[0x29], false),
            (PartKind::Object, &[0x37, 8], true),
        ] {
            assert_eq!(is_remove(Part { kind, bytes }), Ok(remove), "{kind:?} {bytes:?}");
        }
        assert!(is_remove(Part { kind: PartKind::Raw, bytes: &[12] }).is_err());
        assert!(is_remove(Part { kind: PartKind::Object, bytes: &[0x37, 9] }).is_err());
    }

    proptest! {
        #[test]
        fn requests_there_and_back(
            key in any_key(), expected in proptest::option::of(any_value()), event in any_event(),
            callback in any_value(),
        ) {
            let expected = expected.as_ref().map(|value| value.get());
            let destroy = Destroy { region: "/r", key: key.get(), expected, event, callback: callback.get() };
            check_request!(Destroy, destroy);
        }

        #[test]
        fn replies_there_and_back(
            tag in proptest::option::of(any_tag()), hop in any_hop(), entry_not_found: Option<bool>,
        ) {
            check_reply!(DestroyReply, DestroyReply { tag, hop, entry_not_found });
        }
    }
}
