//! REGISTER_INSTANTIATORS 51 and REGISTER_DATASERIALIZERS 67: classes that a client reads and writes itself (Geode
//! `RegisterInstantiators`, `RegisterDataSerializers`). Both are answered by an
//! [`super::acknowledgement::Acknowledgement`]: a client that is refused tries again at its next connection.

use super::envelope::Envelope;
use super::event_id::EventIdRef;
use super::parts::{self, PartReader};
use crate::DecodeError;
use crate::codec::frame::Parts;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

/// One registration. Class names are serialized strings, although their parts are raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered<'a> {
    /// Class of the serializer or instantiator.
    pub class: &'a [u8],
    /// Class that an instantiator makes; `None` for serializers, which are asked.
    pub instantiated: Option<&'a [u8]>,
    /// Its number in serialized data.
    pub id: i32,
}

/// Tells a server of serializers.
#[derive(Debug, Clone)]
pub struct Registration<R> {
    /// Instantiators rather than serializers.
    pub are_instantiators: bool,
    /// What is registered.
    pub entries: R,
    /// The event.
    pub event: EventIdRef,
}

impl<'a> Registration<Registrations<'a>> {
    /// Reads either request.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let kinds = [MessageType::RegisterInstantiators, MessageType::RegisterDataSerializers];
        let mut parts = PartReader::of(message, &kinds)?;
        let are_instantiators = message.kind() == Some(MessageType::RegisterInstantiators);
        let each = if are_instantiators { 3 } else { 2 };
        if parts.left() % each != 1 {
            return Err(parts.error("a registration is incomplete"));
        }
        let left = parts.left() / each;
        let entries = Registrations { are_instantiators, left, parts: parts.rest() };
        for _ in 0..left {
            for _ in 1..each {
                parts.part("no class name")?;
            }
            parts.i32("no number")?;
        }
        let event = parts.event()?;
        parts.finish()?;
        Ok(Self { are_instantiators, entries, event })
    }
}

impl<'a, R> Registration<R>
where
    R: Clone + IntoIterator<Item = Registered<'a>>,
{
    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let kind = match self.are_instantiators {
            true => MessageType::RegisterInstantiators,
            false => MessageType::RegisterDataSerializers,
        };
        let mut writer = parts::request(out, kind, envelope);
        for entry in self.entries.clone() {
            writer.raw(entry.class);
            if self.are_instantiators {
                writer.raw(entry.instantiated.unwrap_or_default());
            }
            writer.i32(entry.id);
        }
        self.event.write(&mut writer);
        parts::finish_request(writer, envelope);
    }
}

/// The registrations of a decoded request.
#[derive(Debug, Clone)]
pub struct Registrations<'a> {
    are_instantiators: bool,
    left: usize,
    parts: Parts<'a>,
}

impl<'a> Iterator for Registrations<'a> {
    type Item = Registered<'a>;

    fn next(&mut self) -> Option<Registered<'a>> {
        self.left = self.left.checked_sub(1)?;
        let class = self.parts.next()?.bytes;
        let instantiated = match self.are_instantiators {
            true => Some(self.parts.next()?.bytes),
            false => None,
        };
        Some(Registered { class, instantiated, id: self.parts.next()?.as_i32()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{ENVELOPE, any_event, rebuilt, with_message};

    proptest! {
        #[test]
        fn there_and_back(
            are_instantiators: bool, event in any_event(), ids in proptest::collection::vec(any::<i32>(), 0..5),
        ) {
            let entries: Vec<_> = ids.iter().map(|id| Registered {
                class: &[0x57, 0, 1, b'S'],
                instantiated: are_instantiators.then_some(&[0x57, 0, 1, b'T']),
                id: *id,
            }).collect();
            let mut out = Vec::new();
            Registration { are_instantiators, entries: entries.iter().copied(), event }.encode(&mut out, &ENVELOPE);
            with_message(&out, |message| {
                let found = Registration::decode(message).unwrap();
                assert_eq!((found.are_instantiators, found.event), (are_instantiators, event));
                assert_eq!(found.entries.collect::<Vec<_>>(), entries);
                for keep in 1..message.part_count() {
                    with_message(&rebuilt(message, keep, 0), |message| {
                        assert!(Registration::decode(message).is_err());
                    });
                }
            });
        }
    }
}
