//! The PDX registry: types and enums by number, numbers by type (Geode `GetPDXIdForType`, `AddPDXEnum` …).
//!
//! Types and enums are serialized objects here; `value::pdx` looks inside. These messages never belong to a transaction.
//! 94 and 96 are answered by an [`super::acknowledgement::Acknowledgement`].

use super::envelope::{Envelope, ReplyEnvelope};
use super::objects;
use super::parts::{self, PartReader};
use super::value::NULL_OBJECT;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, Reader};
use crate::value::{put_array_length, take_object};

const HASH_MAP: u8 = 0x43;
const INTEGER: u8 = 0x39;

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PdxKind {
    /// `PdxType`: the fields of a class.
    Type,
    /// `EnumInfo`: a constant of an enum.
    Enum,
}

/// What is asked of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PdxQuestion<'a> {
    /// 93, 97: the number of this object, a new one if need be.
    IdFor(&'a [u8]),
    /// 92, 98: the object of this number.
    ById(i32),
    /// 94, 96: remember an object under a number that another cluster gave it.
    Add(&'a [u8], i32),
    /// 101, 102: everything.
    All,
}

/// A request to the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PdxRequest<'a> {
    /// What it is about.
    pub kind: PdxKind,
    /// What is asked.
    pub question: PdxQuestion<'a>,
}

impl<'a> PdxRequest<'a> {
    /// Reads any of the eight requests.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &TYPES)?;
        let kind = match message.kind() {
            Some(
                MessageType::GetPdxIdForEnum
                | MessageType::GetPdxEnumById
                | MessageType::AddPdxEnum
                | MessageType::GetPdxEnums,
            ) => PdxKind::Enum,
            _ => PdxKind::Type,
        };
        let question = match message.kind() {
            Some(MessageType::GetPdxIdForType | MessageType::GetPdxIdForEnum) => {
                PdxQuestion::IdFor(parts.object("no object")?)
            }
            Some(MessageType::AddPdxType | MessageType::AddPdxEnum) => {
                PdxQuestion::Add(parts.object("no object")?, parts.i32("no number")?)
            }
            Some(MessageType::GetPdxTypes | MessageType::GetPdxEnums) => {
                // A number without meaning, because a message needs a part.
                parts.part("no part")?;
                PdxQuestion::All
            }
            _ => PdxQuestion::ById(parts.i32("no number")?),
        };
        parts.finish()?;
        Ok(Self { kind, question })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, self.message_type(), envelope);
        match self.question {
            PdxQuestion::IdFor(object) => writer.object(object),
            PdxQuestion::ById(id) => writer.i32(id),
            PdxQuestion::Add(object, id) => {
                writer.object(object);
                writer.i32(id);
            }
            PdxQuestion::All => writer.i32(0),
        }
        parts::finish_request(writer, envelope);
    }

    const fn message_type(&self) -> MessageType {
        match (self.kind, self.question) {
            (PdxKind::Type, PdxQuestion::IdFor(_)) => MessageType::GetPdxIdForType,
            (PdxKind::Type, PdxQuestion::ById(_)) => MessageType::GetPdxTypeById,
            (PdxKind::Type, PdxQuestion::Add(..)) => MessageType::AddPdxType,
            (PdxKind::Type, PdxQuestion::All) => MessageType::GetPdxTypes,
            (PdxKind::Enum, PdxQuestion::IdFor(_)) => MessageType::GetPdxIdForEnum,
            (PdxKind::Enum, PdxQuestion::ById(_)) => MessageType::GetPdxEnumById,
            (PdxKind::Enum, PdxQuestion::Add(..)) => MessageType::AddPdxEnum,
            (PdxKind::Enum, PdxQuestion::All) => MessageType::GetPdxEnums,
        }
    }
}

const TYPES: [MessageType; 8] = [
    MessageType::GetPdxTypeById,
    MessageType::GetPdxIdForType,
    MessageType::AddPdxType,
    MessageType::AddPdxEnum,
    MessageType::GetPdxIdForEnum,
    MessageType::GetPdxEnumById,
    MessageType::GetPdxTypes,
    MessageType::GetPdxEnums,
];

/// The answer to [`PdxQuestion::IdFor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PdxIdReply {
    /// The number.
    pub id: i32,
}

impl PdxIdReply {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message, or holds no number.
    pub fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Response])?;
        let id = parts.i32("no number")?;
        parts.finish()?;
        Ok(Self { id })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = parts::reply(out, MessageType::Response, envelope);
        writer.i32(self.id);
        parts::finish_reply(writer, envelope);
    }
}

/// The answer to [`PdxQuestion::ById`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PdxObjectReply<'a> {
    /// The serialized type or enum; `None` if the number is unknown, which is an error at the client.
    pub object: Option<&'a [u8]>,
}

impl<'a> PdxObjectReply<'a> {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Response])?;
        let object = parts.part("no object")?.object();
        parts.finish()?;
        Ok(Self { object })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = parts::reply(out, MessageType::Response, envelope);
        match self.object {
            Some(object) => writer.object(object),
            None => writer.null(),
        }
        parts::finish_reply(writer, envelope);
    }
}

/// The answer to [`PdxQuestion::All`]: a `HashMap` of numbers and objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PdxMapReply<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> PdxMapReply<'a> {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message, or holds no map.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Response])?;
        let bytes = parts.object("no map")?;
        parts.finish()?;
        let mut reader = Reader::new(bytes);
        objects::expect_code(&mut reader, HASH_MAP, "map")?;
        let count = reader.array_length("map")?.unwrap_or(0);
        // A number takes five bytes, an object at least one.
        objects::check_count(count, reader.remaining() / 6, "map")?;
        let bytes = reader.rest();
        for _ in 0..count {
            entry(&mut reader)?;
        }
        reader.finish("map")?;
        Ok(Self { count, bytes })
    }

    /// The numbers and objects of the registry.
    #[must_use]
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (i32, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        // Checked by `decode`: the fallback is never reached.
        (0..self.count).map(move |_| entry(&mut reader).unwrap_or((0, NULL_OBJECT)))
    }

    /// Writes a reply.
    pub fn encode<'e, I>(out: &mut impl Buffer, entries: I, envelope: &ReplyEnvelope)
    where
        I: IntoIterator<Item = (i32, &'e [u8]), IntoIter: ExactSizeIterator>,
    {
        let entries = entries.into_iter();
        let mut writer = parts::reply(out, MessageType::Response, envelope);
        writer.object_with(|out| {
            out.put_u8(HASH_MAP);
            put_array_length(Some(entries.len()), out);
            for (id, object) in entries {
                out.put_u8(INTEGER);
                out.put_i32(id);
                out.put_slice(object);
            }
        });
        parts::finish_reply(writer, envelope);
    }
}

fn entry<'a>(reader: &mut Reader<'a>) -> Result<(i32, &'a [u8]), DecodeError> {
    objects::expect_code(reader, INTEGER, "map key")?;
    Ok((reader.i32("map key")?, take_object(reader)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{any_object, check_reply, check_request, reply_of, with_message};

    proptest! {
        #[test]
        fn requests_there_and_back(object in any_object(), id: i32) {
            for kind in [PdxKind::Type, PdxKind::Enum] {
                for question in [
                    PdxQuestion::IdFor(&object), PdxQuestion::ById(id), PdxQuestion::Add(&object, id),
                    PdxQuestion::All,
                ] {
                    check_request!(PdxRequest, PdxRequest { kind, question });
                }
            }
        }

        #[test]
        fn replies_there_and_back(object in any_object(), id: i32) {
            check_reply!(PdxIdReply, PdxIdReply { id });
            check_reply!(PdxObjectReply, PdxObjectReply { object: Some(&object) });
            check_reply!(PdxObjectReply, PdxObjectReply { object: None });
        }

        #[test]
        fn maps_there_and_back(entries in proptest::collection::vec((any::<i32>(), any_object()), 0..300)) {
            let slices: Vec<_> = entries.iter().map(|(id, object)| (*id, object.as_slice())).collect();
            let bytes = reply_of(|out, envelope| PdxMapReply::encode(out, slices.iter().copied(), envelope));
            with_message(&bytes, |message| {
                let reply = PdxMapReply::decode(message).unwrap();
                assert_eq!(reply.entries().collect::<Vec<_>>(), slices);
            });
        }
    }
}
