//! The EXCEPTION message: a throwable and its stack trace, in the framing that the request's sender expects.

use super::{Exception, RemoteException};
use crate::codec::frame::Parts;
use crate::codec::writer::Buffer;
use crate::codec::{Chunk, ChunkedWriter, Message, MessageType, MessageWriter, text};
use crate::error::DecodeError;
use crate::message::envelope::ReplyEnvelope;
use crate::value::java_stream;

/// How an error has to be framed. It follows the request, never the error, and a mistake costs the client its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A message with a header of 17 bytes.
    Plain,
    /// A header of 12 bytes and one chunk.
    Chunked,
    /// The last chunk of a reply whose header has gone out already.
    LastChunk,
}

impl Framing {
    /// The framing of an answer to a request of which nothing has been answered yet.
    #[must_use]
    pub const fn of(request: MessageType) -> Self {
        if request.is_answered_in_chunks() { Self::Chunked } else { Self::Plain }
    }
}

impl Exception<'_> {
    /// Writes the reply.
    pub fn encode<B: Buffer>(&self, out: &mut B, framing: Framing, envelope: &ReplyEnvelope) {
        let id = envelope.next_connection_id.map(i64::to_be_bytes);
        let security = id.as_ref().map(|id| &id[..]);
        let trace = self.stack_trace();
        let trace = text::encode(&trace);
        if framing == Framing::Plain {
            let mut writer = MessageWriter::begin(out, MessageType::Exception, envelope.tx_id, 0);
            writer.object_with(|out| self.write(out));
            writer.text(&trace);
            return writer.finish(security);
        }
        let mut writer = match framing {
            Framing::Chunked => ChunkedWriter::begin(out, MessageType::Exception, 2, envelope.tx_id),
            _ => ChunkedWriter::resume(out),
        };
        writer.begin_chunk();
        writer.object_with(|out| self.write(out));
        writer.text(&trace);
        writer.end_exception(security);
    }
}

/// The parts of a received EXCEPTION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExceptionReply<'a> {
    /// The throwable as a serialized object.
    pub throwable: &'a [u8],
    /// Its stack trace in modified UTF-8; empty if there is none.
    pub stack_trace: &'a [u8],
}

impl<'a> ExceptionReply<'a> {
    /// Reads a plain EXCEPTION.
    ///
    /// # Errors
    /// If the message is another one or has no part.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        match message.kind() {
            Some(MessageType::Exception) => Self::from_parts(message.parts()),
            _ => Err(DecodeError::Invalid {
                field: "message type",
                value: i64::from(message.header.type_number),
            }),
        }
    }

    /// The exception in a chunk of a reply, if there is one: the reply may have begun as something else.
    #[must_use]
    pub fn from_chunk(chunk: &Chunk<'a>) -> Option<Self> {
        let reply = Self::from_parts(chunk.parts()).ok()?;
        let serializable = reply.throwable.first() == Some(&0x2c);
        // Geode puts the number of parts into the flags of an exception's chunk, and of no other.
        (chunk.flags.is_last() && chunk.flags.part_count().is_some() && serializable).then_some(reply)
    }

    fn from_parts(mut parts: Parts<'a>) -> Result<Self, DecodeError> {
        let throwable = parts.expect("EXCEPTION", "no throwable")?;
        // Java clients are content without a stack trace, and so are we.
        let trace = parts.next().and_then(|part| part.raw()).unwrap_or_default();
        Ok(Self { throwable: throwable.bytes, stack_trace: trace })
    }

    /// The exception itself. A throwable that cannot be read whole still has a class name or a stack trace, and an
    /// exception read in part is better than none: the sender has refused something either way.
    #[must_use]
    pub fn exception(&self) -> RemoteException {
        if let Ok(exception) = RemoteException::read(self.throwable) {
            return exception;
        }
        let trace = text::decode(self.stack_trace).unwrap_or_default();
        let mut exception = RemoteException::from_stack_trace(&trace);
        let class = self.throwable.get(1..).and_then(java_stream::root_class_name);
        if let Some(class) = class {
            if class != exception.class_name() {
                exception.message = exception.message.filter(|_| trace.starts_with(&*class));
            }
            exception.lineage = vec![class.into_owned()];
        }
        exception
    }
}
