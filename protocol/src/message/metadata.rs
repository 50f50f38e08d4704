//! Where the buckets of a region are: GET_CLIENT_PARTITION_ATTRIBUTES 73 and GET_CLIENT_PR_METADATA 71, as far as
//! regions without partitions need them (Geode `GetClientPartitionAttributesOp`, `GetClientPRMetaDataOp`).
//!
//! Java clients ask 73 in the background after the first bulk operation on a region. The answer "no partitions" must have
//! two parts; on any other they ask again and again. Neither request carries a security part.

use super::envelope::{Envelope, ReplyEnvelope};
use super::key::KeyRef;
use super::parts::{self, PartReader};
use super::region;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

const INTEGER: u8 = 0x39;
const NO_PARTITIONS: i32 = -1;

macro_rules! region_request {
    ($name:ident, $kind:ident, $purpose:literal) => {
        #[doc = $purpose]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name<'a> {
            /// Full path of the region.
            pub region: &'a str,
        }

        impl<'a> $name<'a> {
            /// Reads the request.
            ///
            /// # Errors
            /// If it is another message, or the region is missing or malformed.
            pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
                let mut parts = PartReader::of(message, &[MessageType::$kind])?;
                let region = region::decode(&mut parts)?;
                parts.finish()?;
                Ok(Self { region })
            }

            /// Writes the request.
            pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
                let mut writer = parts::request(out, MessageType::$kind, envelope);
                writer.text(self.region.as_bytes());
                parts::finish_request(writer, envelope);
            }
        }
    };
}

region_request!(PartitionAttributes, GetClientPartitionAttributes, "Asks how a region is partitioned.");
region_request!(PartitionMetadata, GetClientPrMetadata, "Asks which servers hold a region's buckets.");

/// The answer to [`PartitionAttributes`]; what only partitioned regions have is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionAttributesReply<'a> {
    /// How many buckets there are; `None` for a region without partitions.
    pub buckets: Option<i32>,
    /// For a region with partitions the one that it is placed with, if any; else the region's own path.
    pub path: Option<KeyRef<'a>>,
}

impl<'a> PartitionAttributesReply<'a> {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message, or has not its two parts.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let kind = MessageType::ResponseClientPartitionAttributes;
        let mut parts = PartReader::of(message, &[kind])?;
        let buckets = match parts.part("no number of buckets")?.object() {
            Some([INTEGER, a, b, c, d]) => i32::from_be_bytes([*a, *b, *c, *d]),
            _ => return Err(parts.error("the number of buckets is no integer")),
        };
        let path = KeyRef::from_part(parts.part("no path")?);
        Ok(Self { buckets: (buckets != NO_PARTITIONS).then_some(buckets), path })
    }

    /// Writes the answer for a region without partitions.
    ///
    /// # Errors
    /// If the path cannot be a Java string, which that of a region in use always can.
    pub fn encode_unpartitioned(
        out: &mut impl Buffer,
        path: &str,
        envelope: &ReplyEnvelope,
    ) -> Result<(), DecodeError> {
        let path = KeyRef::Text(path.as_bytes()).key_bytes()?;
        let mut writer = parts::reply(out, MessageType::ResponseClientPartitionAttributes, envelope);
        writer.object_with(|out| {
            out.put_u8(INTEGER);
            out.put_i32(NO_PARTITIONS);
        });
        writer.object(&path);
        parts::finish_reply(writer, envelope);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{check_request, reply_of, with_message};

    proptest! {
        #[test]
        fn there_and_back(region in "/[a-zA-Z0-9_.-]{1,20}") {
            check_request!(PartitionAttributes, PartitionAttributes { region: &region });
            check_request!(PartitionMetadata, PartitionMetadata { region: &region });
            let bytes = reply_of(|out, envelope| {
                PartitionAttributesReply::encode_unpartitioned(out, &region, envelope).unwrap();
            });
            with_message(&bytes, |message| {
                let reply = PartitionAttributesReply::decode(message).unwrap();
                assert_eq!(reply.buckets, None);
                assert_eq!(reply.path.and_then(|path| path.text()).as_deref(), Some(&*region));
                assert_eq!(message.parts().next().unwrap().bytes, [0x39, 0xff, 0xff, 0xff, 0xff]);
            });
        }
    }
}
