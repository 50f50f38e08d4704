//! The small part that tells a client whether it came to the right member of a partitioned region.

use super::parts::PartReader;
use crate::DecodeError;
use crate::codec::MessageWriter;
use crate::codec::writer::Buffer;

/// What a member that does not own the bucket says (`BucketAdvisor`, `PartitionedRegion.getMetadataVersion`). A member
/// that does, and every member for a region without partitions, sends one zero byte or nothing instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkHop {
    /// Version of the partition metadata; a client that knows an older one asks again.
    pub metadata_version: u8,
    /// 1: the owner is a server of the same group; 2: of another group.
    pub kind: u8,
}

impl NetworkHop {
    /// Writes the part of replies that always have one: Java clients need at least a byte there.
    pub(crate) fn encode<B: Buffer>(hop: Option<Self>, writer: &mut MessageWriter<'_, B>) {
        match hop {
            None => writer.u8(0),
            Some(hop) => writer.raw(&[hop.metadata_version, hop.kind]),
        }
    }

    /// Reads the part's bytes: none, one or two of them.
    pub(crate) fn decode(bytes: &[u8], parts: &PartReader<'_>) -> Result<Option<Self>, DecodeError> {
        match *bytes {
            [] | [_] => Ok(None),
            [metadata_version, kind] => Ok(Some(Self { metadata_version, kind })),
            _ => Err(parts.error("the metadata part has more than two bytes")),
        }
    }
}
