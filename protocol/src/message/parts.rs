//! What every message family needs to take parts out of a message and to put one round its parts.

use super::envelope::{Envelope, ReplyEnvelope};
use super::event_id::EventIdRef;
use super::feed::FeedEventId;
use super::key::KeyRef;
use super::network_hop::NetworkHop;
use super::value::ValueRef;
use super::version_tag::VersionTag;
use crate::DecodeError;
use crate::codec::frame::Parts;
use crate::codec::writer::Buffer;
use crate::codec::{Chunk, ChunkedWriter, Flags, Message, MessageType, MessageWriter, Part};

/// The parts of one message, taken in order; every error names the message.
#[derive(Debug, Clone)]
pub(crate) struct PartReader<'a> {
    message: &'static str,
    parts: Parts<'a>,
    left: usize,
}

impl<'a> PartReader<'a> {
    /// Begins with the first part of a message that must be one of `kinds`.
    pub(crate) fn of(message: &Message<'a>, kinds: &[MessageType]) -> Result<Self, DecodeError> {
        match message.kind().filter(|kind| kinds.contains(kind)) {
            Some(kind) => {
                Ok(Self { message: kind.geode_name(), parts: message.parts(), left: message.part_count() })
            }
            None => Err(DecodeError::Invalid {
                field: "message type",
                value: i64::from(message.header.type_number),
            }),
        }
    }

    /// How many parts have not been taken yet.
    pub(crate) const fn left(&self) -> usize {
        self.left
    }

    /// An error about this message's parts.
    pub(crate) const fn error(&self, problem: &'static str) -> DecodeError {
        DecodeError::Parts { message: self.message, problem }
    }

    /// The next part, which must be there.
    pub(crate) fn part(&mut self, problem: &'static str) -> Result<Part<'a>, DecodeError> {
        self.optional().ok_or(self.error(problem))
    }

    /// The next part, if there is one.
    pub(crate) fn optional(&mut self) -> Option<Part<'a>> {
        let part = self.parts.next()?;
        self.left = self.left.saturating_sub(1);
        Some(part)
    }

    /// The key, which may not be null.
    pub(crate) fn key(&mut self) -> Result<KeyRef<'a>, DecodeError> {
        let part = self.part("no key")?;
        KeyRef::from_part(part).ok_or(self.error("no key"))
    }

    /// The event id.
    pub(crate) fn event(&mut self) -> Result<EventIdRef, DecodeError> {
        EventIdRef::from_part(self.part("no event id")?)
    }

    /// The event id of a message on a feed.
    pub(crate) fn feed_event(&mut self) -> Result<FeedEventId<'a>, DecodeError> {
        FeedEventId::decode_object(self.object("no event id")?)
    }

    /// Text in modified UTF-8, which may not be empty.
    pub(crate) fn text(&mut self, problem: &'static str) -> Result<&'a [u8], DecodeError> {
        self.part(problem)?.raw().filter(|text| !text.is_empty()).ok_or(self.error(problem))
    }

    /// A serialized object, which may not be null.
    pub(crate) fn object(&mut self, problem: &'static str) -> Result<&'a [u8], DecodeError> {
        self.part(problem)?.object().ok_or(self.error(problem))
    }

    /// A value that may be left out, such as a callback argument; null if it is.
    pub(crate) fn optional_value(&mut self) -> ValueRef<'a> {
        self.optional().map_or(ValueRef::Null, ValueRef::from_part)
    }

    /// A version tag, if the flags announced one.
    pub(crate) fn tag_if(&mut self, announced: bool) -> Result<Option<VersionTag<'a>>, DecodeError> {
        if announced { VersionTag::from_part(self.part("no version tag")?) } else { Ok(None) }
    }

    /// The part that may name another member; it may be left out.
    pub(crate) fn hop(&mut self) -> Result<Option<NetworkHop>, DecodeError> {
        match self.optional() {
            Some(part) => NetworkHop::decode(part.bytes, self),
            None => Ok(None),
        }
    }

    /// A number of four bytes.
    pub(crate) fn i32(&mut self, problem: &'static str) -> Result<i32, DecodeError> {
        let part = self.part(problem)?;
        part.as_i32().ok_or(self.error(problem))
    }

    /// A number of eight bytes.
    pub(crate) fn i64(&mut self, problem: &'static str) -> Result<i64, DecodeError> {
        let part = self.part(problem)?;
        part.as_i64().ok_or(self.error(problem))
    }

    /// A number of one byte.
    pub(crate) fn u8(&mut self, problem: &'static str) -> Result<u8, DecodeError> {
        let part = self.part(problem)?;
        part.as_u8().ok_or(self.error(problem))
    }

    /// A number of four bytes that may be left out.
    pub(crate) fn optional_i32(&mut self, problem: &'static str) -> Result<Option<i32>, DecodeError> {
        match self.optional() {
            Some(part) => part.as_i32().map(Some).ok_or(self.error(problem)),
            None => Ok(None),
        }
    }

    /// The parts that have not been taken yet.
    pub(crate) fn rest(&self) -> Parts<'a> {
        self.parts.clone()
    }

    /// A serialized `Boolean`. Java reads any byte but 0 as true.
    pub(crate) fn boolean(&mut self, problem: &'static str) -> Result<bool, DecodeError> {
        match self.part(problem)?.object() {
            Some([0x35, value]) => Ok(*value != 0),
            _ => Err(self.error(problem)),
        }
    }

    /// A count of things that take `parts_each` parts: never more than the parts that are left can hold, so that a
    /// caller may reserve as many.
    pub(crate) fn count(
        &mut self,
        parts_each: usize,
        field: &'static str,
        problem: &'static str,
    ) -> Result<usize, DecodeError> {
        let value = self.i32(problem)?;
        let count = usize::try_from(value)
            .map_err(|_| DecodeError::NegativeLength { field, value: i64::from(value) })?;
        let limit = self.left / parts_each.max(1);
        if count > limit {
            return Err(DecodeError::TooLarge { field, value: count as u64, limit: limit as u64 });
        }
        Ok(count)
    }

    /// Says that no part may follow.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        match self.left {
            0 => Ok(()),
            _ => Err(self.error("too many parts")),
        }
    }
}

/// Begins a request.
pub(crate) fn request<'b, B: Buffer>(
    out: &'b mut B,
    kind: MessageType,
    envelope: &Envelope,
) -> MessageWriter<'b, B> {
    MessageWriter::begin(out, kind, envelope.tx_id, if envelope.retry { Flags::RETRY } else { 0 })
}

/// Ends a request.
pub(crate) fn finish_request<B: Buffer>(writer: MessageWriter<'_, B>, envelope: &Envelope) {
    let mut bytes = [0; 16];
    let (connection, user) = bytes.split_at_mut(8);
    match envelope.security {
        None => writer.finish(None),
        Some((connection_id, unique_id)) => {
            connection.copy_from_slice(&connection_id.to_be_bytes());
            match unique_id {
                Some(id) => user.copy_from_slice(&id.to_be_bytes()),
                None => return writer.finish(Some(connection)),
            }
            writer.finish(Some(&bytes));
        }
    }
}

/// Begins a plain reply.
pub(crate) fn reply<'b, B: Buffer>(
    out: &'b mut B,
    kind: MessageType,
    envelope: &ReplyEnvelope,
) -> MessageWriter<'b, B> {
    MessageWriter::begin(out, kind, envelope.tx_id, 0)
}

/// Ends a plain reply.
pub(crate) fn finish_reply<B: Buffer>(writer: MessageWriter<'_, B>, envelope: &ReplyEnvelope) {
    match envelope.next_connection_id {
        None => writer.finish(None),
        Some(id) => writer.finish(Some(&id.to_be_bytes())),
    }
}

/// Ends a chunk; the next connection id goes with the last one.
pub(crate) fn end_chunk<B: Buffer>(writer: &mut ChunkedWriter<'_, B>, last: bool, envelope: &ReplyEnvelope) {
    match envelope.next_connection_id.filter(|_| last) {
        None => writer.end_chunk(last, None),
        Some(id) => writer.end_chunk(last, Some(&id.to_be_bytes())),
    }
}

/// The part of a chunk that has just one.
pub(crate) fn only_part<'a>(chunk: &Chunk<'a>, message: &'static str) -> Result<Part<'a>, DecodeError> {
    let mut parts = chunk.parts();
    let part = parts.expect(message, "a chunk without parts")?;
    match parts.next() {
        None => Ok(part),
        Some(_) => Err(DecodeError::Parts { message, problem: "a chunk with more than one part" }),
    }
}

/// The number of things in a message; one that does not fit could not have been encoded.
pub(crate) fn count_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
