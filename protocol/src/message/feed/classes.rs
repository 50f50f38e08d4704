//! REGISTER_INSTANTIATORS 51 and REGISTER_DATASERIALIZERS 67 on a feed: classes that another client reads and writes itself
//! (Geode `ClientInstantiatorMessage`, `ClientDataSerializerMessage`). The requests of the same numbers are in
//! [`crate::message::registration`]; they differ in the event id and in what serializers say.

use super::event_id::FeedEventId;
use crate::DecodeError;
use crate::codec::frame::Parts;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, MessageWriter};
use crate::message::parts::{PartReader, count_i32};
use crate::message::registration::Registered;

/// Instantiators that another client registered: `( class | instantiated class | number ) × n | event id`.
#[derive(Debug, Clone)]
pub struct InstantiatorsNotice<'a, R = Instantiators<'a>> {
    /// What was registered.
    pub entries: R,
    /// The event. Java does not look whether it is a repetition.
    pub id: FeedEventId<'a>,
}

impl<'a> InstantiatorsNotice<'a> {
    /// Reads the message.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::RegisterInstantiators])?;
        if parts.left() % 3 != 1 {
            return Err(parts.error("an instantiator is incomplete"));
        }
        let entries = Instantiators { left: parts.left() / 3, parts: parts.rest() };
        for _ in 0..entries.left {
            parts.part("no class name")?;
            parts.part("no class name")?;
            parts.i32("no number")?;
        }
        let id = parts.feed_event()?;
        parts.finish()?;
        Ok(Self { entries, id })
    }
}

impl<'r, R: Clone + IntoIterator<Item = Registered<'r>>> InstantiatorsNotice<'_, R> {
    /// Writes the message.
    pub fn encode(&self, out: &mut impl Buffer) {
        let mut writer = MessageWriter::begin(out, MessageType::RegisterInstantiators, super::TX_ID, 0);
        for entry in self.entries.clone() {
            writer.bytes(entry.class);
            writer.bytes(entry.instantiated.unwrap_or_default());
            writer.i32(entry.id);
        }
        writer.object_with(|out| self.id.encode_object(out));
        writer.finish(None);
    }
}

/// The instantiators of a decoded message.
#[derive(Debug, Clone)]
pub struct Instantiators<'a> {
    left: usize,
    parts: Parts<'a>,
}

impl<'a> Iterator for Instantiators<'a> {
    type Item = Registered<'a>;

    fn next(&mut self) -> Option<Registered<'a>> {
        self.left = self.left.checked_sub(1)?;
        let class = self.parts.next()?.bytes;
        let instantiated = Some(self.parts.next()?.bytes);
        Some(Registered { class, instantiated, id: self.parts.next()?.as_i32()? })
    }
}

/// Serializers that another client registered: `( class | number | n | supported class × n ) × m | event id`.
#[derive(Debug, Clone)]
pub struct SerializersNotice<'a, S = Serializers<'a>> {
    /// What was registered.
    pub entries: S,
    /// The event. Java does not look whether it is a repetition.
    pub id: FeedEventId<'a>,
}

/// One serializer. Class names are serialized strings.
#[derive(Debug, Clone)]
pub struct Serializer<'a, N = ClassNames<'a>> {
    /// Its own class.
    pub class: &'a [u8],
    /// Its number in serialized data.
    pub id: i32,
    /// The classes that it writes.
    pub supported: N,
}

impl<'a> SerializersNotice<'a> {
    /// Reads the message.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::RegisterDataSerializers])?;
        let mut entries = Serializers { left: 0, parts: parts.rest() };
        while parts.left() > 1 {
            parts.part("no class name")?;
            parts.i32("no number")?;
            for _ in 0..parts.count(1, "number of classes", "no number of classes")? {
                parts.part("no class name")?;
            }
            entries.left += 1;
        }
        let id = parts.feed_event()?;
        parts.finish()?;
        Ok(Self { entries, id })
    }
}

impl<'s, S, N> SerializersNotice<'_, S>
where
    S: Clone + IntoIterator<Item = Serializer<'s, N>>,
    N: IntoIterator<Item = &'s [u8], IntoIter: ExactSizeIterator>,
{
    /// Writes the message.
    pub fn encode(&self, out: &mut impl Buffer) {
        let mut writer = MessageWriter::begin(out, MessageType::RegisterDataSerializers, super::TX_ID, 0);
        for entry in self.entries.clone() {
            writer.bytes(entry.class);
            writer.i32(entry.id);
            let supported = entry.supported.into_iter();
            writer.i32(count_i32(supported.len()));
            supported.for_each(|name| writer.bytes(name));
        }
        writer.object_with(|out| self.id.encode_object(out));
        writer.finish(None);
    }
}

/// The serializers of a decoded message.
#[derive(Debug, Clone)]
pub struct Serializers<'a> {
    left: usize,
    parts: Parts<'a>,
}

impl<'a> Iterator for Serializers<'a> {
    type Item = Serializer<'a>;

    fn next(&mut self) -> Option<Serializer<'a>> {
        self.left = self.left.checked_sub(1)?;
        let class = self.parts.next()?.bytes;
        let id = self.parts.next()?.as_i32()?;
        let left = usize::try_from(self.parts.next()?.as_i32()?).ok()?;
        let supported = ClassNames { left, parts: self.parts.clone() };
        // The names are stepped over here, so that the next serializer is found whether they are looked at or not.
        for _ in 0..left {
            self.parts.next()?;
        }
        Some(Serializer { class, id, supported })
    }
}

/// The classes that a serializer writes.
#[derive(Debug, Clone)]
pub struct ClassNames<'a> {
    left: usize,
    parts: Parts<'a>,
}

impl<'a> Iterator for ClassNames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        Some(self.parts.next()?.bytes)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ClassNames<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::event_id::tests::any_id;
    use super::*;
    use crate::message::testing::check_feed;

    const NAME: &[u8] = &[0x57, 0, 1, b'S'];

    proptest! {
        #[test]
        fn instantiators_there_and_back(id in any_id(), ids in proptest::collection::vec(any::<i32>(), 0..4)) {
            let entries: Vec<_> =
                ids.iter().map(|&id| Registered { class: NAME, instantiated: Some(NAME), id }).collect();
            let notice = InstantiatorsNotice { entries: entries.iter().copied(), id };
            check_feed!(InstantiatorsNotice, notice, |found| {
                assert_eq!(found.id, id);
                assert_eq!(found.entries.clone().collect::<Vec<_>>(), entries.clone());
            });
        }

        #[test]
        fn serializers_there_and_back(
            id in any_id(), sizes in proptest::collection::vec((any::<i32>(), 0..3_usize), 0..4),
        ) {
            let names = [NAME; 3];
            let entries = sizes.iter().map(|&(id, count)| {
                Serializer { class: NAME, id, supported: names.into_iter().take(count) }
            });
            let notice = SerializersNotice { entries, id };
            check_feed!(SerializersNotice, notice, |found| {
                assert_eq!(found.id, id);
                let found: Vec<_> = found.entries.clone().map(|entry| {
                    assert!(entry.supported.clone().all(|name| name == NAME));
                    (entry.id, entry.supported.count())
                }).collect();
                assert_eq!(found, sizes.clone());
            });
        }
    }
}
