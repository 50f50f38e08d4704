//! Errors that are a text only: each operation has a message type of its own for them.
//!
//! A client raises `ServerOperationException` with the text. Only the type that belongs to the operation will do: any other
//! breaks the client's connection, or its reading of the reply.

use std::borrow::Cow;

use super::Framing;
use crate::codec::writer::Buffer;
use crate::codec::{Chunk, ChunkedHeader, ChunkedWriter, Message, MessageType, MessageWriter, text};
use crate::error::DecodeError;
use crate::message::envelope::ReplyEnvelope;

/// The type of error that a client accepts in answer to a request of that type; `None` where only an EXCEPTION will do. What
/// is wrong with a continuous query itself may as well be a CQ_EXCEPTION_TYPE 50.
#[must_use]
pub const fn text_error_type(request: MessageType) -> Option<MessageType> {
    use MessageType as M;
    Some(match request {
        M::Get
        | M::GetEntry
        | M::GetFunctionAttributes
        | M::RequestEventValue
        | M::UserCredentialMessage
        | M::RemoveUserAuth
        | M::TransactionSynchronization => M::RequestDataError,
        M::Put | M::PutAll | M::PutAllWithCallback | M::RemoveAll => M::PutDataError,
        M::Destroy => M::DestroyDataError,
        M::Invalidate => M::InvalidateError,
        M::ContainsKey => M::ContainsKeyDataError,
        M::KeySet => M::KeySetDataError,
        M::Size => M::SizeError,
        M::ClearRegion => M::ClearRegionDataError,
        M::DestroyRegion => M::DestroyRegionDataError,
        M::CreateRegion => M::CreateRegionDataError,
        M::GetAll70 | M::GetAllWithCallback => M::GetAllDataError,
        M::Query | M::QueryWithParameters => M::QueryDataError,
        M::ExecuteFunction => M::ExecuteFunctionError,
        M::ExecuteRegionFunction | M::ExecuteRegionFunctionSingleHop => M::ExecuteRegionFunctionError,
        M::RegisterInterest | M::RegisterInterestList => M::RegisterInterestDataError,
        M::UnregisterInterest | M::UnregisterInterestList => M::UnregisterInterestDataError,
        M::ExecuteCq
        | M::ExecuteCqWithInitialResults
        | M::StopCq
        | M::CloseCq
        | M::GetCqStats
        | M::MonitorCq => M::CqDataError,
        M::GetDurableCqs => M::GetDurableCqsDataError,
        M::GetClientPrMetadata => M::GetClientPrMetadataError,
        M::GetClientPartitionAttributes => M::GetClientPartitionAttributesError,
        _ => return None,
    })
}

/// Whether a message type is one of those errors.
const fn is_text_error(kind: MessageType) -> bool {
    use MessageType as M;
    matches!(
        kind,
        M::RequestDataError
            | M::PutDataError
            | M::DestroyDataError
            | M::InvalidateError
            | M::ContainsKeyDataError
            | M::KeySetDataError
            | M::SizeError
            | M::ClearRegionDataError
            | M::DestroyRegionDataError
            | M::CreateRegionDataError
            | M::GetAllDataError
            | M::QueryDataError
            | M::CqDataError
            | M::CqException
            | M::ExecuteFunctionError
            | M::ExecuteRegionFunctionError
            | M::RegisterInterestDataError
            | M::UnregisterInterestDataError
            | M::GetClientPrMetadataError
            | M::GetClientPartitionAttributesError
            | M::GetDurableCqsDataError
            | M::PutDeltaError
            | M::RequestEventValueError
            | M::UnknownMessageTypeError
    )
}

/// An error of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError<'a> {
    /// What kind of error; see [`text_error_type`].
    pub kind: MessageType,
    /// What the application reads.
    pub text: Cow<'a, str>,
}

impl<'a> TextError<'a> {
    /// Writes the reply. A reply that has begun in chunks cannot end with a text: [`Framing::LastChunk`] is taken for
    /// [`Framing::Chunked`].
    pub fn encode<B: Buffer>(&self, out: &mut B, framing: Framing, envelope: &ReplyEnvelope) {
        let id = envelope.next_connection_id.map(i64::to_be_bytes);
        let security = id.as_ref().map(|id| &id[..]);
        let text = text::encode(&self.text);
        if framing == Framing::Plain {
            let mut writer = MessageWriter::begin(out, self.kind, envelope.tx_id, 0);
            writer.text(&text);
            return writer.finish(security);
        }
        let mut writer = ChunkedWriter::begin(out, self.kind, 1, envelope.tx_id);
        writer.begin_chunk();
        writer.text(&text);
        writer.end_chunk(true, security);
    }

    /// Reads a plain reply, if it is such an error.
    ///
    /// # Errors
    /// If it is one, and has no text.
    pub fn decode(message: &Message<'a>) -> Result<Option<Self>, DecodeError> {
        let Some(kind) = message.kind().filter(|&kind| is_text_error(kind)) else { return Ok(None) };
        let part = message.parts().expect("text error", "no text")?;
        Self::from_text(kind, part.bytes).map(Some)
    }

    /// Reads the chunk of a chunked reply, if its header announced such an error.
    ///
    /// # Errors
    /// If it did, and there is no text.
    pub fn decode_chunk(header: &ChunkedHeader, chunk: &Chunk<'a>) -> Result<Option<Self>, DecodeError> {
        let Some(kind) = header.kind().filter(|&kind| is_text_error(kind)) else { return Ok(None) };
        let part = chunk.parts().expect("text error", "no text")?;
        Self::from_text(kind, part.bytes).map(Some)
    }

    fn from_text(kind: MessageType, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let text = text::decode(bytes).ok_or(DecodeError::BadText { field: "error text" })?;
        Ok(Self { kind, text })
    }
}
