//! REMOVE_ALL 109 (Geode `RemoveAllOp`, `RemoveAll`). The reply is a [`super::bulk::BulkReply`].

use super::bulk::BulkFlags;
use super::envelope::Envelope;
use super::event_id::EventIdRef;
use super::key::KeyRef;
use super::parts::{self, PartReader};
use super::region;
use super::value::ValueRef;
use crate::DecodeError;
use crate::codec::frame::Parts;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

/// Removes many entries; absent ones are no error.
#[derive(Debug, Clone)]
pub struct RemoveAll<'a, K = RemoveAllKeys<'a>> {
    /// Full path of the region.
    pub region: &'a str,
    /// The event of the first key; each further one takes the next number.
    pub event: EventIdRef,
    /// What the client says of its region.
    pub flags: BulkFlags,
    /// For callbacks on the server; null if the application gave none.
    pub callback: ValueRef<'a>,
    /// The keys.
    pub keys: K,
    /// How long a C++ client waits for the reply.
    pub timeout_ms: Option<i32>,
}

impl<'a> RemoveAll<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::RemoveAll])?;
        let region = region::decode(&mut parts)?;
        let event = parts.event()?;
        let flags = BulkFlags::from_wire(parts.i32("no flags")?);
        let callback = ValueRef::from_part(parts.part("no callback argument")?);
        let count = parts.count(1, "number of keys", "no number of keys")?;
        let keys = RemoveAllKeys { left: count, parts: parts.rest() };
        for _ in 0..count {
            parts.key()?;
        }
        let timeout_ms = parts.optional_i32("the time limit is no number")?;
        parts.finish()?;
        Ok(Self { region, event, flags, callback, keys, timeout_ms })
    }
}

impl<'a, K> RemoveAll<'a, K>
where
    K: Clone + IntoIterator<Item = KeyRef<'a>, IntoIter: ExactSizeIterator>,
{
    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let keys = self.keys.clone().into_iter();
        let mut writer = parts::request(out, MessageType::RemoveAll, envelope);
        writer.text(self.region.as_bytes());
        self.event.write(&mut writer);
        writer.i32(self.flags.to_wire());
        writer.part(self.callback.to_part());
        writer.i32(parts::count_i32(keys.len()));
        keys.for_each(|key| writer.part(key.to_part()));
        if let Some(timeout_ms) = self.timeout_ms {
            writer.i32(timeout_ms);
        }
        parts::finish_request(writer, envelope);
    }
}

/// The keys of a decoded request: none is null.
#[derive(Debug, Clone)]
pub struct RemoveAllKeys<'a> {
    left: usize,
    parts: Parts<'a>,
}

impl<'a> Iterator for RemoveAllKeys<'a> {
    type Item = KeyRef<'a>;

    fn next(&mut self) -> Option<KeyRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        KeyRef::from_part(self.parts.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for RemoveAllKeys<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{ENVELOPE, any_event, any_key, any_value, rebuilt, with_message};

    proptest! {
        #[test]
        fn there_and_back(
            event in any_event(), flags in 0..4, callback in any_value(), timeout_ms: Option<i32>,
            keys in proptest::collection::vec(any_key(), 0..9),
        ) {
            let keys: Vec<_> = keys.iter().map(|key| key.get()).collect();
            let request = RemoveAll {
                region: "/r", event, flags: BulkFlags::from_wire(flags), callback: callback.get(),
                keys: keys.iter().copied(), timeout_ms,
            };
            let mut out = Vec::new();
            request.encode(&mut out, &ENVELOPE);
            with_message(&out, |message| {
                let found = RemoveAll::decode(message).unwrap();
                assert_eq!((found.region, found.event, found.flags), ("/r", event, request.flags));
                assert_eq!((found.callback, found.timeout_ms), (request.callback, timeout_ms));
                assert_eq!(found.keys.collect::<Vec<_>>(), keys);
                for keep in 1..message.part_count() {
                    // The last part may be the time limit; without any other the count is too high.
                    let optional = usize::from(timeout_ms.is_some());
                    with_message(&rebuilt(message, keep, 0), |shorter| {
                        let fits = keep >= message.part_count() - optional;
                        assert_eq!(RemoveAll::decode(shorter).is_ok(), fits, "{keep} parts");
                    });
                }
                with_message(&rebuilt(message, message.part_count(), 2), |longer| {
                    assert!(RemoveAll::decode(longer).is_err());
                });
            });
        }
    }
}
