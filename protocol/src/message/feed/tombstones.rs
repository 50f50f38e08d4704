//! TOMBSTONE_OPERATION 103: the server has forgotten the versions of destroyed entries, and caching clients may, too (Geode
//! `ClientTombstoneMessage`).
//!
//! ```text
//!  region | 0 or 1:i32 | versions or keys:object | event id
//! ```

use super::event_id::FeedEventId;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, MessageWriter, NO_TRANSACTION};
use crate::message::parts::PartReader;
use crate::message::region;

/// What the tombstones that are forgotten are known by, serialized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten<'a> {
    /// A map of each member to the highest region version of its tombstones: regions that are not partitioned.
    Versions(&'a [u8]),
    /// The set of their keys: partitioned regions.
    Keys(&'a [u8]),
}

/// Tombstones of a region that the server has forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TombstoneOperation<'a> {
    /// Full path of the region.
    pub region: &'a str,
    /// Which.
    pub forgotten: Forgotten<'a>,
    /// The event.
    pub id: FeedEventId<'a>,
}

impl<'a> TombstoneOperation<'a> {
    /// Reads the message.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::TombstoneOperation])?;
        let region = region::decode(&mut parts)?;
        let operation = parts.i32("no tombstone operation")?;
        let bytes = parts.object("no tombstones")?;
        let forgotten = match operation {
            0 => Forgotten::Versions(bytes),
            1 => Forgotten::Keys(bytes),
            other => {
                return Err(DecodeError::Invalid { field: "tombstone operation", value: i64::from(other) });
            }
        };
        let id = parts.feed_event()?;
        parts.finish()?;
        Ok(Self { region, forgotten, id })
    }

    /// Writes the message, like Geode with the transaction id of none: no other message of a feed has it.
    pub fn encode(&self, out: &mut impl Buffer) {
        let (operation, bytes) = match self.forgotten {
            Forgotten::Versions(bytes) => (0, bytes),
            Forgotten::Keys(bytes) => (1, bytes),
        };
        let mut writer = MessageWriter::begin(out, MessageType::TombstoneOperation, NO_TRANSACTION, 0);
        writer.text(self.region.as_bytes());
        writer.i32(operation);
        writer.object(bytes);
        writer.object_with(|out| self.id.encode_object(out));
        writer.finish(None);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::event_id::tests::any_id;
    use super::*;
    use crate::message::testing::{any_object, check_feed};

    proptest! {
        #[test]
        fn there_and_back(region in "/[a-z]{1,9}", keys: bool, object in any_object(), id in any_id()) {
            let forgotten = if keys { Forgotten::Keys(&object) } else { Forgotten::Versions(&object) };
            let message = TombstoneOperation { region: &region, forgotten, id };
            check_feed!(TombstoneOperation, message, |found| {
                assert_eq!(found, message);
            });
        }
    }
}
