//! PUTALL 56 and PUT_ALL_WITH_CALLBACK 108 (Geode `PutAllOp`, `PutAll80`). The reply is a [`super::bulk::BulkReply`].

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

/// Stores many values.
#[derive(Debug, Clone)]
pub struct PutAll<'a, E = PutAllEntries<'a>> {
    /// Full path of the region.
    pub region: &'a str,
    /// The event of the first entry; each further one takes the next number.
    pub event: EventIdRef,
    /// Whether the server's callbacks are to stay silent.
    pub skip_callbacks: bool,
    /// What the client says of its region.
    pub flags: BulkFlags,
    /// The callback argument, which may be null; `None` makes it a PUTALL without one.
    pub callback: Option<ValueRef<'a>>,
    /// Keys and values.
    pub entries: E,
    /// How long a C++ client waits for the reply.
    pub timeout_ms: Option<i32>,
}

impl<'a> PutAll<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, a part is missing or malformed, or a key or value is null.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let kinds = [MessageType::PutAll, MessageType::PutAllWithCallback];
        let mut parts = PartReader::of(message, &kinds)?;
        let region = region::decode(&mut parts)?;
        let event = parts.event()?;
        let skip_callbacks = parts.i32("no word about callbacks")? != 0;
        let flags = BulkFlags::from_wire(parts.i32("no flags")?);
        let count = parts.count(2, "number of entries", "no number of entries")?;
        let callback = match message.kind() {
            Some(MessageType::PutAllWithCallback) => {
                Some(ValueRef::from_part(parts.part("no callback argument")?))
            }
            _ => None,
        };
        let entries = PutAllEntries { left: count, parts: parts.rest() };
        for _ in 0..count {
            parts.key()?;
            if parts.part("a key without a value")?.is_null() {
                return Err(parts.error("a value is null"));
            }
        }
        let timeout_ms = parts.optional_i32("the time limit is no number")?;
        parts.finish()?;
        Ok(Self { region, event, skip_callbacks, flags, callback, entries, timeout_ms })
    }
}

impl<'a, E> PutAll<'a, E>
where
    E: Clone + IntoIterator<Item = (KeyRef<'a>, ValueRef<'a>), IntoIter: ExactSizeIterator>,
{
    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let kind = match self.callback {
            None => MessageType::PutAll,
            Some(_) => MessageType::PutAllWithCallback,
        };
        let entries = self.entries.clone().into_iter();
        let mut writer = parts::request(out, kind, envelope);
        writer.text(self.region.as_bytes());
        self.event.write(&mut writer);
        writer.i32(i32::from(self.skip_callbacks));
        writer.i32(self.flags.to_wire());
        writer.i32(parts::count_i32(entries.len()));
        if let Some(callback) = self.callback {
            writer.part(callback.to_part());
        }
        for (key, value) in entries {
            writer.part(key.to_part());
            writer.part(value.to_part());
        }
        if let Some(timeout_ms) = self.timeout_ms {
            writer.i32(timeout_ms);
        }
        parts::finish_request(writer, envelope);
    }
}

/// The entries of a decoded request: no key and no value is null.
#[derive(Debug, Clone)]
pub struct PutAllEntries<'a> {
    left: usize,
    parts: Parts<'a>,
}

impl<'a> Iterator for PutAllEntries<'a> {
    type Item = (KeyRef<'a>, ValueRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let key = KeyRef::from_part(self.parts.next()?)?;
        Some((key, ValueRef::from_part(self.parts.next()?)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for PutAllEntries<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::{MessageWriter, NO_TRANSACTION};
    use crate::message::testing::{ENVELOPE, any_event, any_key, any_value, rebuilt, with_message};

    fn with_count(count: i32, entries: i32) -> Result<usize, DecodeError> {
        let mut out = Vec::new();
        let mut writer = MessageWriter::begin(&mut out, MessageType::PutAll, NO_TRANSACTION, 0);
        writer.text(b"/r");
        writer.raw(&[0, 1, 0, 1]);
        writer.i32(0);
        writer.i32(3);
        writer.i32(count);
        for _ in 0..entries {
            writer.text(b"k");
            writer.bytes(b"v");
        }
        writer.finish(None);
        with_message(&out, |message| PutAll::decode(message).map(|request| request.entries.len()))
    }

    #[test]
    fn the_count_must_fit_the_parts() {
        assert_eq!(with_count(2, 2), Ok(2));
        assert_eq!(with_count(0, 0), Ok(0));
        let field = "number of entries";
        assert_eq!(with_count(3, 2), Err(DecodeError::TooLarge { field, value: 3, limit: 2 }));
        assert_eq!(
            with_count(i32::MAX, 2),
            Err(DecodeError::TooLarge { field, value: i32::MAX as u64, limit: 2 })
        );
        assert_eq!(with_count(-1, 2), Err(DecodeError::NegativeLength { field, value: -1 }));
        assert!(with_count(1, 2).is_err());
    }

    proptest! {
        #[test]
        fn there_and_back(
            event in any_event(), skip_callbacks: bool, flags in 0..4,
            callback in proptest::option::of(any_value()), timeout_ms: Option<i32>,
            entries in proptest::collection::vec((any_key(), any_value()), 0..9),
        ) {
            let entries: Vec<_> = entries.iter().map(|(key, value)| (key.get(), value.get())).collect();
            let has_null = entries.iter().any(|(_, value)| value.is_null());
            let request = PutAll {
                region: "/r", event, skip_callbacks, flags: BulkFlags::from_wire(flags),
                callback: callback.as_ref().map(|callback| callback.get()),
                entries: entries.iter().copied(), timeout_ms,
            };
            let mut out = Vec::new();
            request.encode(&mut out, &ENVELOPE);
            with_message(&out, |message| {
                for keep in 1..message.part_count() {
                    with_message(&rebuilt(message, keep, 0), |message| _ = PutAll::decode(message));
                }
                let Ok(found) = PutAll::decode(message) else {
                    assert!(has_null);
                    return;
                };
                assert!(!has_null);
                let head = |r: &PutAll<'_, ()>| (r.event, r.skip_callbacks, r.flags, r.timeout_ms);
                let PutAll { region, event, skip_callbacks, flags, callback, timeout_ms, .. } = found;
                assert_eq!(
                    head(&PutAll { region, event, skip_callbacks, flags, callback, timeout_ms, entries: () }),
                    (request.event, request.skip_callbacks, request.flags, request.timeout_ms)
                );
                assert_eq!((region, callback), (request.region, request.callback));
                assert_eq!(found.entries.collect::<Vec<_>>(), entries);
            });
        }
    }
}
