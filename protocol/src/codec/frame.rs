//! Plain messages: a 17-byte header, parts, and perhaps a security part.
//!
//! ```text
//!  type:i32 | length:i32 | parts:i32 | transaction:i32 | flags:u8 |  ( size:i32 kind:u8 bytes ) × parts  | [ security part ]
//! ```
//! `length` counts everything behind the header, security part included; `parts` does not count the security part.

use super::{MessageType, Reader};
use crate::error::DecodeError;

/// The bits of the header's last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// A security part follows the parts.
    pub const SECURITY: u8 = 0x02;
    /// The operation may already have been carried out.
    pub const RETRY: u8 = 0x04;

    /// Whether a security part follows.
    #[must_use]
    pub const fn has_security(self) -> bool {
        self.0 & Self::SECURITY != 0
    }

    /// Whether the sender is not sure that this is the first attempt.
    #[must_use]
    pub const fn is_retry(self) -> bool {
        self.0 & Self::RETRY != 0
    }
}

/// The first 17 bytes of a plain message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The message's number, known to Geode or not.
    pub type_number: i32,
    /// Bytes behind the header.
    pub length: usize,
    /// Number of parts, the security part not counted. Geode passes over a message with none that is no ping, and so
    /// a negative number is let through here.
    pub parts: i32,
    /// Transaction, or [`super::NO_TRANSACTION`].
    pub tx_id: i32,
    /// Security part and retry.
    pub flags: Flags,
}

/// What a reader accepts before it believes a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// The longest body in bytes. Geode has no limit here; a node that believes every length can be filled by one peer.
    pub message_bytes: usize,
    /// The most parts. A putAll has two for each entry.
    pub parts: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        // 64 MiB holds any sane putAll and lets a hundred peers misbehave on a small machine.
        Self { message_bytes: 64 << 20, parts: 2_000_000 }
    }
}

impl Header {
    /// Size of the header on the wire.
    pub const SIZE: usize = 17;

    /// Reads a header; `Ok(None)` if it is not complete yet.
    ///
    /// # Errors
    /// If a length is negative, above the limits, or contradicts the number of parts.
    pub fn decode(bytes: &[u8], limits: &FrameLimits) -> Result<Option<Self>, DecodeError> {
        let Some(bytes) = bytes.get(..Self::SIZE) else { return Ok(None) };
        let mut reader = Reader::new(bytes);
        let type_number = reader.i32("message type")?;
        let length = reader.length(limits.message_bytes, "message length")?;
        let parts = reader.i32("number of parts")?;
        let tx_id = reader.i32("transaction id")?;
        let flags = Flags(reader.u8("flags")?);
        if parts > 0 && (parts as usize > limits.parts || parts as usize > length / Part::HEADER_SIZE) {
            let limit = limits.parts.min(length / Part::HEADER_SIZE);
            return Err(DecodeError::TooLarge {
                field: "number of parts",
                value: parts as u64,
                limit: limit as u64,
            });
        }
        if (length > 0) != (parts > 0) {
            return Err(DecodeError::Invalid { field: "number of parts", value: i64::from(parts) });
        }
        Ok(Some(Self { type_number, length, parts, tx_id, flags }))
    }
}

/// How a part's bytes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartKind {
    /// Bytes as they are: text, numbers, a Java `byte[]`.
    Raw,
    /// One serialized object.
    Object,
    /// A Java `byte[]` of length 0 (raw and empty would be null).
    EmptyBytes,
}

impl PartKind {
    /// The byte on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Object => 1,
            Self::EmptyBytes => 2,
        }
    }
}

/// One part of a message, borrowed from its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// How the bytes are meant.
    pub kind: PartKind,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl<'a> Part<'a> {
    /// Size of a part's header on the wire.
    pub const HEADER_SIZE: usize = 5;

    /// Reads one part.
    ///
    /// # Errors
    /// If the bytes end, a length is negative or the kind unknown.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let length = reader.length(usize::MAX, "part length")?;
        let kind = match reader.u8("part kind")? {
            0 => PartKind::Raw,
            1 => PartKind::Object,
            2 => PartKind::EmptyBytes,
            other => return Err(DecodeError::Invalid { field: "part kind", value: i64::from(other) }),
        };
        let bytes = reader.bytes(length, "part")?;
        // Kind 2 forces an empty array, whatever else the part holds.
        let bytes = if kind == PartKind::EmptyBytes { &[] } else { bytes };
        Ok(Self { kind, bytes })
    }

    /// Whether the part stands for null: nothing at all, or the serialized null that the C++ client sends.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match self.kind {
            PartKind::Raw => self.bytes.is_empty(),
            PartKind::Object => self.bytes.is_empty() || self.bytes == [0x29],
            PartKind::EmptyBytes => false,
        }
    }

    /// The bytes of a raw part.
    #[must_use]
    pub fn raw(&self) -> Option<&'a [u8]> {
        (self.kind != PartKind::Object).then_some(self.bytes)
    }

    /// The serialized object, `None` for null and for raw parts.
    #[must_use]
    pub fn object(&self) -> Option<&'a [u8]> {
        (self.kind == PartKind::Object && !self.is_null()).then_some(self.bytes)
    }

    /// The number in a raw part of exactly four bytes.
    #[must_use]
    pub fn as_i32(&self) -> Option<i32> {
        self.raw()?.try_into().ok().map(i32::from_be_bytes)
    }

    /// The number in a raw part of exactly eight bytes.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.raw()?.try_into().ok().map(i64::from_be_bytes)
    }

    /// The value of a raw part of exactly one byte.
    #[must_use]
    pub fn as_u8(&self) -> Option<u8> {
        match self.raw()? {
            [byte] => Some(*byte),
            _ => None,
        }
    }
}

/// What a security part says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// From a client: the connection's latest id, and the user's. Clients before 1.15 leave the user out at login.
    Request {
        /// The id that the server sent last on this connection.
        connection_id: i64,
        /// The user's id; 0 and -1 mean none.
        unique_id: Option<i64>,
    },
    /// Bytes of another size: encrypted, or wrong.
    Unreadable,
}

impl Security {
    /// Reads the bytes of a client's security part.
    #[must_use]
    pub fn from_client(bytes: &[u8]) -> Self {
        let mut reader = Reader::new(bytes);
        match bytes.len() {
            8 => match reader.i64("connection id") {
                Ok(connection_id) => Self::Request { connection_id, unique_id: None },
                Err(_) => Self::Unreadable,
            },
            16 => match (reader.i64("connection id"), reader.i64("unique id")) {
                (Ok(connection_id), Ok(id)) => Self::Request { connection_id, unique_id: Some(id) },
                _ => Self::Unreadable,
            },
            _ => Self::Unreadable,
        }
    }
}

/// A whole plain message, borrowed from the buffer it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    parts: &'a [u8],
    security: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Cuts one message off the front of `bytes`: the message and its whole size, or `Ok(None)` if it is not all there
    /// yet. Parts are checked here, once, so that [`Message::parts`] cannot fail.
    ///
    /// # Errors
    /// If the bytes are no message, or one above the limits.
    pub fn decode(bytes: &'a [u8], limits: &FrameLimits) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some(header) = Header::decode(bytes, limits)? else { return Ok(None) };
        let size = Header::SIZE + header.length;
        let Some(body) = bytes.get(Header::SIZE..size) else { return Ok(None) };
        let mut reader = Reader::new(body);
        for _ in 0..header.parts {
            Part::decode(&mut reader)?;
        }
        let parts = body.get(..body.len() - reader.remaining()).unwrap_or_default();
        let security = match header.flags.has_security() && header.parts > 0 {
            true => Some(Part::decode(&mut reader)?.bytes),
            false => None,
        };
        reader.finish("message")?;
        Ok(Some((Self { header, parts, security }, size)))
    }

    /// What the message is, if Geode has a name for its number.
    #[must_use]
    pub const fn kind(&self) -> Option<MessageType> {
        MessageType::from_wire(self.header.type_number)
    }

    /// The parts, in order.
    #[must_use]
    pub const fn parts(&self) -> Parts<'a> {
        Parts { reader: Reader::new(self.parts) }
    }

    /// How many parts there are, the security part not counted.
    #[must_use]
    pub const fn part_count(&self) -> usize {
        if self.header.parts > 0 { self.header.parts as usize } else { 0 }
    }

    /// The bytes of the security part.
    #[must_use]
    pub const fn security(&self) -> Option<&'a [u8]> {
        self.security
    }
}

/// The parts of one message or chunk, already checked.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    reader: Reader<'a>,
}

impl<'a> Parts<'a> {
    /// Walks parts that have been checked before.
    pub(super) const fn checked(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes) }
    }

    /// The next part, or an error that names the message it is missing from.
    ///
    /// # Errors
    /// If there is none left.
    pub fn expect(&mut self, message: &'static str, problem: &'static str) -> Result<Part<'a>, DecodeError> {
        self.next().ok_or(DecodeError::Parts { message, problem })
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if self.reader.is_empty() { None } else { Part::decode(&mut self.reader).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{MessageWriter, NO_TRANSACTION};

    fn ping_with(security: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = MessageWriter::begin(&mut out, MessageType::Ping, NO_TRANSACTION, 0);
        writer.raw(&[0]);
        writer.finish(security);
        out
    }

    #[test]
    fn a_message_is_not_there_until_its_last_byte_is() {
        let bytes = ping_with(Some(&[7; 16]));
        for end in 0..bytes.len() {
            assert_eq!(Message::decode(&bytes[..end], &FrameLimits::default()), Ok(None), "{end} bytes");
        }
        let (message, size) = Message::decode(&bytes, &FrameLimits::default()).unwrap().unwrap();
        assert_eq!((size, message.kind(), message.part_count()), (bytes.len(), Some(MessageType::Ping), 1));
        assert_eq!(message.security(), Some(&[7; 16][..]));
    }

    #[test]
    fn a_message_without_parts_cannot_carry_a_security_part() {
        let mut bytes = vec![0, 0, 0, 5, 0, 0, 0, 13, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 2];
        bytes.extend([0, 0, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(Message::decode(&bytes, &FrameLimits::default()).is_err());
    }

    #[test]
    fn lengths_are_checked_before_the_body_arrives() {
        let limits = FrameLimits { message_bytes: 1000, parts: 10 };
        let header = |length: i32, parts: i32| {
            let mut bytes = vec![0, 0, 0, 7];
            bytes.extend(length.to_be_bytes());
            bytes.extend(parts.to_be_bytes());
            bytes.extend([0xff, 0xff, 0xff, 0xff, 0]);
            Header::decode(&bytes, &limits)
        };
        assert!(matches!(header(1001, 1), Err(DecodeError::TooLarge { .. })));
        assert!(matches!(header(-1, 1), Err(DecodeError::NegativeLength { .. })));
        assert!(matches!(header(1000, 11), Err(DecodeError::TooLarge { .. })));
        assert!(matches!(header(9, 2), Err(DecodeError::TooLarge { .. })));
        assert!(header(1000, 10).unwrap().is_some());
    }
}
