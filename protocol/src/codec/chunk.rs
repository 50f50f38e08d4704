//! Chunked replies: a 12-byte header, then chunks until one says that it is the last.
//!
//! ```text
//!  type:i32 | parts per chunk:i32 | transaction:i32 |  ( length:i32 flags:u8 parts [ security part ] ) × n
//! ```

use super::frame::Parts;
use super::{FrameLimits, MessageType, Part, Reader};
use crate::error::DecodeError;

/// The bits of a chunk's flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChunkFlags(pub u8);

impl ChunkFlags {
    /// No chunk follows.
    pub const LAST: u8 = 0x01;
    /// A security part follows the parts; in the last chunk only.
    pub const SECURITY: u8 = 0x02;
    /// Function replies: another server would have been nearer to the data.
    pub const REFRESH_METADATA: u8 = 0x04;
    /// An exception chunk: two parts, whatever the header announced.
    pub const EXCEPTION: u8 = 0x40;

    /// Whether no chunk follows.
    #[must_use]
    pub const fn is_last(self) -> bool {
        self.0 & Self::LAST != 0
    }

    /// Whether a security part follows.
    #[must_use]
    pub const fn has_security(self) -> bool {
        self.0 & Self::SECURITY != 0
    }

    /// The number of parts in this chunk, if it differs from the header's.
    #[must_use]
    pub const fn part_count(self) -> Option<usize> {
        match self.0 >> 5 {
            0 => None,
            count => Some(count as usize),
        }
    }
}

/// The first 12 bytes of a chunked reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkedHeader {
    /// The message's number.
    pub type_number: i32,
    /// Parts in each chunk, unless a chunk says otherwise.
    pub parts: usize,
    /// As in the request.
    pub tx_id: i32,
}

impl ChunkedHeader {
    /// Size of the header on the wire.
    pub const SIZE: usize = 12;

    /// Reads a header; `Ok(None)` if it is not complete yet.
    ///
    /// # Errors
    /// If the number of parts is negative or above the limits.
    pub fn decode(bytes: &[u8], limits: &FrameLimits) -> Result<Option<Self>, DecodeError> {
        let Some(bytes) = bytes.get(..Self::SIZE) else { return Ok(None) };
        let mut reader = Reader::new(bytes);
        let type_number = reader.i32("message type")?;
        let parts = reader.length(limits.parts, "number of parts")?;
        let tx_id = reader.i32("transaction id")?;
        Ok(Some(Self { type_number, parts, tx_id }))
    }

    /// What the message is, if Geode has a name for its number.
    #[must_use]
    pub const fn kind(&self) -> Option<MessageType> {
        MessageType::from_wire(self.type_number)
    }
}

/// One chunk, borrowed from the buffer it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Whether it is the last, and what it holds.
    pub flags: ChunkFlags,
    parts: &'a [u8],
    count: usize,
    security: Option<&'a [u8]>,
}

impl<'a> Chunk<'a> {
    /// Size of a chunk's own header.
    pub const HEADER_SIZE: usize = 5;

    /// Cuts one chunk off the front of `bytes`: the chunk and its whole size, or `Ok(None)` if it is not all there yet.
    ///
    /// # Errors
    /// If the bytes are no chunk, or one above the limits.
    pub fn decode(
        bytes: &'a [u8],
        header: &ChunkedHeader,
        limits: &FrameLimits,
    ) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some(own_header) = bytes.get(..Self::HEADER_SIZE) else { return Ok(None) };
        let mut reader = Reader::new(own_header);
        let length = reader.length(limits.message_bytes, "chunk length")?;
        let flags = ChunkFlags(reader.u8("chunk flags")?);
        let size = Self::HEADER_SIZE + length;
        let Some(body) = bytes.get(Self::HEADER_SIZE..size) else { return Ok(None) };
        let count = flags.part_count().unwrap_or(header.parts);
        let mut reader = Reader::new(body);
        for _ in 0..count {
            Part::decode(&mut reader)?;
        }
        let parts = body.get(..body.len() - reader.remaining()).unwrap_or_default();
        let security = match flags.has_security() {
            true => Some(Part::decode(&mut reader)?.bytes),
            false => None,
        };
        reader.finish("chunk")?;
        Ok(Some((Self { flags, parts, count, security }, size)))
    }

    /// The parts, in order.
    #[must_use]
    pub const fn parts(&self) -> Parts<'a> {
        Parts::checked(self.parts)
    }

    /// How many parts there are, the security part not counted.
    #[must_use]
    pub const fn part_count(&self) -> usize {
        self.count
    }

    /// The bytes of the security part.
    #[must_use]
    pub const fn security(&self) -> Option<&'a [u8]> {
        self.security
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{ChunkedWriter, NO_TRANSACTION};

    #[test]
    fn the_captured_empty_key_set_reply() {
        let mut out = Vec::new();
        let mut writer = ChunkedWriter::begin(&mut out, MessageType::Response, 1, NO_TRANSACTION);
        writer.begin_chunk();
        writer.object(&[0x41, 0x00]);
        writer.end_chunk(true, Some(&0x37ed_b9cf_044d_37e5_u64.to_be_bytes()));
        let captured = [
            0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x14, 3, 0, 0, 0, 2, 1, 0x41, 0, 0, 0,
            0, 8, 0, 0x37, 0xed, 0xb9, 0xcf, 0x04, 0x4d, 0x37, 0xe5,
        ];
        assert_eq!(out, captured);

        let limits = FrameLimits::default();
        let header = ChunkedHeader::decode(&out, &limits).unwrap().unwrap();
        let (chunk, size) = Chunk::decode(&out[ChunkedHeader::SIZE..], &header, &limits).unwrap().unwrap();
        assert_eq!(ChunkedHeader::SIZE + size, out.len());
        assert!(chunk.flags.is_last() && chunk.security().is_some());
        assert_eq!(chunk.parts().next().and_then(|part| part.object()), Some(&[0x41, 0][..]));
    }

    #[test]
    fn an_exception_chunk_overrides_the_number_of_parts() {
        assert_eq!(ChunkFlags(0x43).part_count(), Some(2));
        assert_eq!(ChunkFlags(0x03).part_count(), None);
    }
}
