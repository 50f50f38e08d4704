//! CONTAINS_KEY 38 (Geode `ContainsKeyOp`, `ContainsKey66`).

use super::envelope::{Envelope, ReplyEnvelope};
use super::key::KeyRef;
use super::parts::{self, PartReader};
use super::region;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

/// What a region may contain; the discriminant is the number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ContainsMode {
    /// An entry under the key, with a value or not.
    Key = 0,
    /// An entry with a value under the key.
    ValueForKey = 1,
    /// The value, under any key: [`Contains::key`] is that value.
    Value = 2,
}

/// Asks whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contains<'a> {
    /// Full path of the region.
    pub region: &'a str,
    /// The key, or the value in [`ContainsMode::Value`], where text stands for a `String` as well.
    pub key: KeyRef<'a>,
    /// What is asked.
    pub mode: ContainsMode,
}

impl<'a> Contains<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, the mode unknown, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::ContainsKey])?;
        let region = region::decode(&mut parts)?;
        let key = parts.key()?;
        let mode = match parts.i32("no mode")? {
            0 => ContainsMode::Key,
            1 => ContainsMode::ValueForKey,
            2 => ContainsMode::Value,
            other => return Err(DecodeError::Invalid { field: "mode", value: i64::from(other) }),
        };
        parts.finish()?;
        Ok(Self { region, key, mode })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::ContainsKey, envelope);
        writer.text(self.region.as_bytes());
        writer.part(self.key.to_part());
        writer.i32(self.mode as i32);
        parts::finish_request(writer, envelope);
    }
}

/// The answer to a [`Contains`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainsReply {
    /// Whether it is there.
    pub is_there: bool,
}

impl ContainsReply {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message, or holds no `Boolean`.
    pub fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Response])?;
        let is_there = parts.boolean("the answer is no boolean")?;
        parts.finish()?;
        Ok(Self { is_there })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = parts::reply(out, MessageType::Response, envelope);
        writer.object(&[0x35, u8::from(self.is_there)]);
        parts::finish_reply(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{ENVELOPE, any_key, check_reply, check_request, rebuilt, with_message};

    #[test]
    fn an_unknown_mode_is_named() {
        let mut out = Vec::new();
        Contains { region: "/r", key: KeyRef::Text(b"k"), mode: ContainsMode::Key }
            .encode(&mut out, &ENVELOPE);
        let short = with_message(&out, |message| rebuilt(message, 2, 1));
        let error = DecodeError::Parts { message: "CONTAINS_KEY", problem: "no mode" };
        assert_eq!(with_message(&short, Contains::decode).unwrap_err(), error);
    }

    proptest! {
        #[test]
        fn requests_there_and_back(key in any_key(), mode in 0..3) {
            let mode = [ContainsMode::Key, ContainsMode::ValueForKey, ContainsMode::Value][mode as usize];
            check_request!(Contains, Contains { region: "/r", key: key.get(), mode });
        }

        #[test]
        fn replies_there_and_back(is_there: bool) {
            check_reply!(ContainsReply, ContainsReply { is_there });
        }
    }
}
