//! SIZE 81 (Geode `SizeOp`, `Size`). Clients send it without a security part.

use super::envelope::{Envelope, ReplyEnvelope};
use super::parts::{self, PartReader};
use super::region;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

const INTEGER: u8 = 0x39;

/// Asks how many entries a region has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size<'a> {
    /// Full path of the region.
    pub region: &'a str,
}

impl<'a> Size<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or the region is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Size])?;
        let region = region::decode(&mut parts)?;
        parts.finish()?;
        Ok(Self { region })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::Size, envelope);
        writer.text(self.region.as_bytes());
        parts::finish_request(writer, envelope);
    }
}

/// The answer to a [`Size`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeReply {
    /// Entries, those without a value included.
    pub entries: i32,
}

impl SizeReply {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message, or holds no `Integer`.
    pub fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Response])?;
        let entries = match parts.part("no size")?.object() {
            Some([INTEGER, a, b, c, d]) => i32::from_be_bytes([*a, *b, *c, *d]),
            _ => return Err(parts.error("the size is no integer")),
        };
        parts.finish()?;
        Ok(Self { entries })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = parts::reply(out, MessageType::Response, envelope);
        writer.object_with(|out| {
            out.put_u8(INTEGER);
            out.put_i32(self.entries);
        });
        parts::finish_reply(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{check_reply, check_request};

    proptest! {
        #[test]
        fn there_and_back(region in "/[a-zA-Z0-9_.-]{1,20}", entries: i32) {
            check_request!(Size, Size { region: &region });
            check_reply!(SizeReply, SizeReply { entries });
        }
    }
}
