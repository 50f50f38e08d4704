//! REPLY 6 without more to say: clear, create and destroy of regions, registrations, new PDX types.

use super::envelope::ReplyEnvelope;
use super::network_hop::NetworkHop;
use super::parts::{self, PartReader};
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

/// It is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Acknowledgement {
    /// Says that another member owns the data.
    pub hop: Option<NetworkHop>,
}

impl Acknowledgement {
    /// Reads the reply; what it holds beyond its first part is passed over, as Java clients do.
    ///
    /// # Errors
    /// If it is another message.
    pub fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Reply])?;
        Ok(Self { hop: parts.hop()? })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = parts::reply(out, MessageType::Reply, envelope);
        NetworkHop::encode(self.hop, &mut writer);
        parts::finish_reply(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{any_hop, reply_of, with_message};

    proptest! {
        #[test]
        fn there_and_back(hop in any_hop()) {
            let bytes = reply_of(|out, envelope| Acknowledgement { hop }.encode(out, envelope));
            prop_assert_eq!(with_message(&bytes, Acknowledgement::decode), Ok(Acknowledgement { hop }));
        }
    }
}
