//! CLIENT_REGISTER_INTEREST 65 and CLIENT_UNREGISTER_INTEREST 66: an application on the server has changed the client's
//! interest, and the client is told, so that it registers the same after a break (Geode `ClientInterestMessageImpl`).
//!
//! ```text
//!  region | key | type | [ policy ] | durable | updates as invalidates | event id
//! ```

use super::cqs::boolean;
use super::event_id::FeedEventId;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, MessageWriter};
use crate::message::interest::{InterestResultPolicy, InterestType};
use crate::message::key::KeyRef;
use crate::message::parts::PartReader;
use crate::message::region;

const BYTE: u8 = 0x37;
const INTEGER: u8 = 0x39;

/// A change of interest that the client did not ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterestChange<'a> {
    /// Full path of the region.
    pub region: &'a str,
    /// The key or pattern; a list for many keys.
    pub key: KeyRef<'a>,
    /// How the key is meant.
    pub kind: InterestType,
    /// The policy of new interest; `None` if the interest has ended.
    pub registered: Option<InterestResultPolicy>,
    /// Whether it outlives the client's absence.
    pub durable: bool,
    /// Whether the client is told of changes without their values.
    pub updates_as_invalidates: bool,
    /// The event.
    pub id: FeedEventId<'a>,
}

impl<'a> InterestChange<'a> {
    /// Reads either message.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let kinds = [MessageType::ClientRegisterInterest, MessageType::ClientUnregisterInterest];
        let mut parts = PartReader::of(message, &kinds)?;
        let region = region::decode(&mut parts)?;
        let key = parts.key()?;
        let kind = interest_type(&mut parts)?;
        let registered = match message.kind() {
            Some(MessageType::ClientRegisterInterest) => Some(policy(&mut parts)?),
            _ => None,
        };
        let durable = parts.boolean("no word on durability")?;
        let updates_as_invalidates = parts.boolean("no word on values")?;
        let id = parts.feed_event()?;
        parts.finish()?;
        Ok(Self { region, key, kind, registered, durable, updates_as_invalidates, id })
    }

    /// Writes the message.
    pub fn encode(&self, out: &mut impl Buffer) {
        let kind = match self.registered {
            Some(_) => MessageType::ClientRegisterInterest,
            None => MessageType::ClientUnregisterInterest,
        };
        let mut writer = MessageWriter::begin(out, kind, super::TX_ID, 0);
        writer.text(self.region.as_bytes());
        writer.part(self.key.to_part());
        writer.object(&[INTEGER, 0, 0, 0, self.kind.to_wire()]);
        if let Some(policy) = self.registered {
            writer.object(&[BYTE, policy.to_wire()]);
        }
        writer.object(boolean(self.durable));
        writer.object(boolean(self.updates_as_invalidates));
        writer.object_with(|out| self.id.encode_object(out));
        writer.finish(None);
    }
}

fn interest_type(parts: &mut PartReader<'_>) -> Result<InterestType, DecodeError> {
    match parts.object("no interest type")? {
        &[INTEGER, a, b, c, d] => InterestType::from_wire(i32::from_be_bytes([a, b, c, d])),
        _ => Err(parts.error("the interest type is no Integer")),
    }
}

fn policy(parts: &mut PartReader<'_>) -> Result<InterestResultPolicy, DecodeError> {
    match parts.object("no interest result policy")? {
        &[BYTE, policy] => InterestResultPolicy::from_wire(policy),
        _ => Err(parts.error("the interest result policy is no Byte")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::event_id::tests::any_id;
    use super::*;
    use crate::message::testing::{any_key, check_feed};

    proptest! {
        #[test]
        fn there_and_back(
            region in "/[a-z]{1,9}", key in any_key(), kind in 0..5, policy in 0..4_u8, durable: bool,
            updates_as_invalidates: bool, id in any_id(),
        ) {
            let kind = InterestType::from_wire(kind).unwrap();
            let registered = InterestResultPolicy::from_wire(policy).ok();
            let change = InterestChange {
                region: &region, key: key.get(), kind, registered, durable, updates_as_invalidates, id,
            };
            check_feed!(InterestChange, change, |found| {
                assert_eq!(found, change);
            });
        }
    }
}
