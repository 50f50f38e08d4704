//! GET_FUNCTION_ATTRIBUTES 91: what a client must know before it runs a function by name (Geode
//! `GetFunctionAttribute`).

use super::envelope::{Envelope, ReplyEnvelope};
use super::parts::{self, PartReader};
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

/// Asks for a function's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionAttributes<'a> {
    /// The function's name, in modified UTF-8.
    pub function: &'a [u8],
}

impl<'a> FunctionAttributes<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or names no function.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::GetFunctionAttributes])?;
        let function = parts.text("no function")?;
        parts.finish()?;
        Ok(Self { function })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::GetFunctionAttributes, envelope);
        writer.text(self.function);
        parts::finish_request(writer, envelope);
    }
}

/// The answer to a [`FunctionAttributes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FunctionAttributesReply {
    /// It answers with results.
    pub has_result: bool,
    /// It may be run again elsewhere when a server is lost.
    pub is_ha: bool,
    /// It should run where the data is written.
    pub optimizes_for_write: bool,
}

impl FunctionAttributesReply {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message, or has not its three bytes.
    pub fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Response])?;
        let [has_result, is_ha, optimizes] = *parts.part("no attributes")?.bytes else {
            return Err(parts.error("the attributes are not three bytes"));
        };
        parts.finish()?;
        Ok(Self { has_result: has_result != 0, is_ha: is_ha != 0, optimizes_for_write: optimizes != 0 })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = parts::reply(out, MessageType::Response, envelope);
        writer.raw(&[self.has_result, self.is_ha, self.optimizes_for_write].map(u8::from));
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
        fn there_and_back(name in "[a-z]{1,20}", has_result: bool, is_ha: bool, optimizes_for_write: bool) {
            check_request!(FunctionAttributes, FunctionAttributes { function: name.as_bytes() });
            let reply = FunctionAttributesReply { has_result, is_ha, optimizes_for_write };
            check_reply!(FunctionAttributesReply, reply);
        }
    }
}
