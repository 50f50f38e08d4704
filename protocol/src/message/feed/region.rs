//! What happened to a whole region: LOCAL_DESTROY_REGION 17, CLEAR_REGION 36, INVALIDATE_REGION 55.
//!
//! ```text
//!  region | callback | has CQs | [ CQs ] | event id
//! ```
//! 36 is also the request by which a client clears a region; the two are told apart by the connection they come on.

use super::cqs::{self, CqEvent, Cqs};
use super::event_id::FeedEventId;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, MessageWriter};
use crate::message::parts::PartReader;
use crate::message::region;
use crate::message::value::ValueRef;

/// What happened to the region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegionOperation {
    /// It is gone.
    Destroy,
    /// It is empty.
    Clear,
    /// None of its entries has a value any more. Java clients tell their CQs and leave the region alone.
    Invalidate,
}

impl RegionOperation {
    const fn kind(self) -> MessageType {
        match self {
            Self::Destroy => MessageType::LocalDestroyRegion,
            Self::Clear => MessageType::ClearRegion,
            Self::Invalidate => MessageType::InvalidateRegion,
        }
    }
}

/// A change of a whole region, on its way to one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionEvent<'a, C = Cqs<'a>> {
    /// What happened.
    pub operation: RegionOperation,
    /// Full path of the region.
    pub region: &'a str,
    /// The argument that the writer gave for listeners.
    pub callback: ValueRef<'a>,
    /// The continuous queries over the region.
    pub cqs: C,
    /// The event.
    pub id: FeedEventId<'a>,
}

impl<'a> RegionEvent<'a> {
    /// Reads any of the three messages.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        use RegionOperation as R;
        let kinds = [R::Destroy, R::Clear, R::Invalidate].map(R::kind);
        let mut parts = PartReader::of(message, &kinds)?;
        let operation = match message.kind() {
            Some(MessageType::LocalDestroyRegion) => R::Destroy,
            Some(MessageType::ClearRegion) => R::Clear,
            _ => R::Invalidate,
        };
        let region = region::decode(&mut parts)?;
        let callback = ValueRef::from_part(parts.part("no callback argument")?);
        let has_cqs = parts.boolean("no word on CQs")?;
        let cqs = Cqs::read_if(has_cqs, &mut parts)?;
        let id = parts.feed_event()?;
        parts.finish()?;
        Ok(Self { operation, region, callback, cqs, id })
    }
}

impl<'c, C> RegionEvent<'_, C>
where
    C: Clone + IntoIterator<Item = CqEvent<'c>, IntoIter: ExactSizeIterator>,
{
    /// Writes the message.
    pub fn encode(&self, out: &mut impl Buffer) {
        let mut writer = MessageWriter::begin(out, self.operation.kind(), super::TX_ID, 0);
        writer.text(self.region.as_bytes());
        writer.part(self.callback.to_part());
        cqs::write(&mut writer, self.cqs.clone(), |_| {});
        writer.object_with(|out| self.id.encode_object(out));
        writer.finish(None);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cqs::tests::{any_cqs, lend};
    use super::super::event_id::tests::any_id;
    use super::*;
    use crate::message::testing::{any_value, check_feed};

    proptest! {
        #[test]
        fn there_and_back(
            operation in proptest::sample::select(vec![
                RegionOperation::Destroy, RegionOperation::Clear, RegionOperation::Invalidate,
            ]),
            region in "/[a-z]{1,9}", callback in any_value(), cqs in any_cqs(), id in any_id(),
        ) {
            let cqs = lend(&cqs);
            let event = RegionEvent {
                operation, region: &region, callback: callback.get(), cqs: cqs.iter().copied(), id,
            };
            check_feed!(RegionEvent, event, |found| {
                assert_eq!(found.cqs.clone().collect::<Vec<_>>(), cqs.clone());
                assert_eq!((found.operation, found.region), (operation, &*region));
                assert_eq!((found.callback, found.id), (callback.get(), id));
            });
        }
    }
}
