//! Messages into a buffer, without knowing their length beforehand.
//!
//! Lengths are filled in at the end, so that a reply is built in the very buffer it is sent from.

use super::frame::Flags;
use super::{ChunkFlags, MessageType, Part, PartKind};

/// A buffer that messages are written to: appending, and going back to fill in a length.
pub trait Buffer: bytes::BufMut {
    /// How many bytes have been written.
    fn position(&self) -> usize;
    /// Overwrites four bytes at an earlier position.
    fn patch_i32(&mut self, at: usize, value: i32);
    /// Overwrites one byte at an earlier position.
    fn patch_u8(&mut self, at: usize, value: u8);
    /// Forgets everything from `position` on.
    fn rewind(&mut self, position: usize);
}

macro_rules! buffer {
    ($type:ty) => {
        impl Buffer for $type {
            fn position(&self) -> usize {
                self.len()
            }

            fn patch_i32(&mut self, at: usize, value: i32) {
                if let Some(field) = self.get_mut(at..at + 4) {
                    field.copy_from_slice(&value.to_be_bytes());
                }
            }

            fn patch_u8(&mut self, at: usize, value: u8) {
                if let Some(field) = self.get_mut(at) {
                    *field = value;
                }
            }

            fn rewind(&mut self, position: usize) {
                self.truncate(position);
            }
        }
    };
}

buffer!(Vec<u8>);
buffer!(bytes::BytesMut);

fn size_i32(size: usize) -> i32 {
    // Callers bound their messages by far less; a wrong length would desynchronise the stream.
    i32::try_from(size).unwrap_or(i32::MAX)
}

macro_rules! part_writers {
    () => {
        /// A part of bytes as they are. Empty means null; a Java `byte[]` goes through [`Self::bytes`].
        pub fn raw(&mut self, bytes: &[u8]) {
            self.part(Part { kind: PartKind::Raw, bytes });
        }

        /// A part that holds a serialized object.
        pub fn object(&mut self, bytes: &[u8]) {
            self.part(Part { kind: PartKind::Object, bytes });
        }

        /// A null part.
        pub fn null(&mut self) {
            self.raw(&[]);
        }

        /// A Java `byte[]`, which may be empty.
        pub fn bytes(&mut self, bytes: &[u8]) {
            let kind = if bytes.is_empty() { PartKind::EmptyBytes } else { PartKind::Raw };
            self.part(Part { kind, bytes });
        }

        /// Text without prefix, in modified UTF-8 as it stands; empty text is sent as an empty array.
        pub fn text(&mut self, modified_utf8: &[u8]) {
            self.bytes(modified_utf8);
        }

        /// A number of four bytes.
        pub fn i32(&mut self, value: i32) {
            self.raw(&value.to_be_bytes());
        }

        /// A number of eight bytes.
        pub fn i64(&mut self, value: i64) {
            self.raw(&value.to_be_bytes());
        }

        /// A number of one byte.
        pub fn u8(&mut self, value: u8) {
            self.raw(&[value]);
        }

        /// A part as it stands.
        pub fn part(&mut self, part: Part<'_>) {
            self.parts += 1;
            put_part(self.out, part);
        }

        /// An object part whose bytes `write` appends.
        pub fn object_with(&mut self, write: impl FnOnce(&mut B)) {
            self.parts += 1;
            let at = self.out.position();
            self.out.put_i32(0);
            self.out.put_u8(PartKind::Object.to_wire());
            write(self.out);
            let size = self.out.position() - at - Part::HEADER_SIZE;
            self.out.patch_i32(at, size_i32(size));
        }
    };
}

fn put_part(out: &mut impl Buffer, part: Part<'_>) {
    out.put_i32(size_i32(part.bytes.len()));
    out.put_u8(part.kind.to_wire());
    out.put_slice(part.bytes);
}

/// Writes one plain message. Nothing is valid until [`MessageWriter::finish`].
#[derive(Debug)]
pub struct MessageWriter<'b, B: Buffer> {
    out: &'b mut B,
    start: usize,
    parts: i32,
    flags: u8,
    apart: usize,
}

impl<'b, B: Buffer> MessageWriter<'b, B> {
    /// Begins a message; `flags` without the security bit, which [`MessageWriter::finish`] sets.
    pub fn begin(out: &'b mut B, kind: MessageType, tx_id: i32, flags: u8) -> Self {
        let start = out.position();
        out.put_i32(kind.to_wire());
        out.put_i32(0);
        out.put_i32(0);
        out.put_i32(tx_id);
        out.put_u8(flags);
        Self { out, start, parts: 0, flags, apart: 0 }
    }

    part_writers!();

    /// A part without its bytes, which are to be sent from where they are: says where in the buffer they belong.
    pub fn part_apart(&mut self, part: Part<'_>) -> usize {
        self.parts += 1;
        self.apart += part.bytes.len();
        self.out.put_i32(size_i32(part.bytes.len()));
        self.out.put_u8(part.kind.to_wire());
        self.out.position()
    }

    /// Ends the message, with a security part if there is one.
    pub fn finish(self, security: Option<&[u8]>) {
        if let Some(bytes) = security {
            put_part(self.out, Part { kind: PartKind::Raw, bytes });
            self.out.patch_u8(self.start + super::Header::SIZE - 1, self.flags | Flags::SECURITY);
        }
        let length = self.out.position() - self.start - super::Header::SIZE + self.apart;
        self.out.patch_i32(self.start + 4, size_i32(length));
        self.out.patch_i32(self.start + 8, self.parts);
    }
}

/// Writes one chunked reply, chunk by chunk.
#[derive(Debug)]
pub struct ChunkedWriter<'b, B: Buffer> {
    out: &'b mut B,
    chunk: usize,
    parts: i32,
}

impl<'b, B: Buffer> ChunkedWriter<'b, B> {
    /// Writes the header; every chunk will have `parts` parts unless it is an exception.
    pub fn begin(out: &'b mut B, kind: MessageType, parts: i32, tx_id: i32) -> Self {
        out.put_i32(kind.to_wire());
        out.put_i32(parts);
        out.put_i32(tx_id);
        Self::resume(out)
    }

    /// Goes on with a reply whose header, and perhaps some chunks, went out before.
    pub fn resume(out: &'b mut B) -> Self {
        let chunk = out.position();
        Self { out, chunk, parts: 0 }
    }

    /// Begins a chunk.
    pub fn begin_chunk(&mut self) {
        self.chunk = self.out.position();
        self.parts = 0;
        self.out.put_i32(0);
        self.out.put_u8(0);
    }

    part_writers!();

    /// Bytes in the present chunk so far.
    #[must_use]
    pub fn chunk_size(&self) -> usize {
        self.out.position() - self.chunk
    }

    /// Ends a chunk; only the last one may carry a security part.
    pub fn end_chunk(&mut self, last: bool, security: Option<&[u8]>) {
        self.end_with(if last { ChunkFlags::LAST } else { 0 }, security);
    }

    /// Ends the reply with an exception: the chunk must hold its two parts.
    pub fn end_exception(&mut self, security: Option<&[u8]>) {
        self.end_with(ChunkFlags::LAST | ChunkFlags::EXCEPTION, security);
    }

    fn end_with(&mut self, mut flags: u8, security: Option<&[u8]>) {
        if let Some(bytes) = security {
            put_part(self.out, Part { kind: PartKind::Raw, bytes });
            flags |= ChunkFlags::SECURITY;
        }
        let length = self.out.position() - self.chunk - super::Chunk::HEADER_SIZE;
        self.out.patch_i32(self.chunk, size_i32(length));
        self.out.patch_u8(self.chunk + 4, flags);
    }
}
