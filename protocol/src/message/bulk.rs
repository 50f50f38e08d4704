//! What putAll and removeAll share: the flags of the request, and the chunked reply (Geode `PutAllOp`, `RemoveAllOp`).

use super::envelope::ReplyEnvelope;
use super::network_hop::NetworkHop;
use super::parts;
use super::version_tag::VersionTag;
use super::versioned_list::{self, VersionedList};
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Chunk, ChunkedWriter, MessageType, PartKind};

/// What a client says of its own region. Tags are of use to it only if it keeps data and versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BulkFlags {
    /// It keeps no data.
    pub is_proxy: bool,
    /// It keeps versions.
    pub is_versioned: bool,
}

impl BulkFlags {
    const PROXY: i32 = 0x01;
    const VERSIONED: i32 = 0x02;

    /// Whether the client has use for version tags.
    #[must_use]
    pub const fn wants_tags(self) -> bool {
        self.is_versioned && !self.is_proxy
    }

    pub(crate) const fn from_wire(flags: i32) -> Self {
        Self { is_proxy: flags & Self::PROXY != 0, is_versioned: flags & Self::VERSIONED != 0 }
    }

    pub(crate) const fn to_wire(self) -> i32 {
        (if self.is_proxy { Self::PROXY } else { 0 }) | (if self.is_versioned { Self::VERSIONED } else { 0 })
    }
}

/// The answer to a putAll or removeAll, chunk by chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BulkReply<'a> {
    /// Says that another member owns some of the keys.
    pub hop: Option<NetworkHop>,
    /// The tags of one chunk, in the order of the request; `None` if the server sends none.
    pub list: Option<VersionedList<'a>>,
}

impl<'a> BulkReply<'a> {
    /// The most tags that Geode puts into one chunk.
    pub const TAGS_PER_CHUNK: usize = 200;

    /// Reads one chunk: a null, a list, or a word about another member and a list.
    ///
    /// # Errors
    /// If it holds something else.
    pub fn decode_chunk(chunk: &Chunk<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "PUTALL or REMOVE_ALL";
        let mut reply = Self::default();
        for part in chunk.parts() {
            match (part.kind, part.bytes) {
                _ if part.is_null() => {}
                (PartKind::Object, bytes) => reply.list = Some(VersionedList::decode(bytes)?),
                (_, [metadata_version, kind]) => {
                    reply.hop = Some(NetworkHop { metadata_version: *metadata_version, kind: *kind });
                }
                (_, [_]) => {}
                _ => return Err(DecodeError::Parts { message: MESSAGE, problem: "a part of unknown use" }),
            }
        }
        Ok(reply)
    }

    /// Writes a whole reply without tags, which is an answer to every request.
    pub fn encode_without_tags(out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = ChunkedWriter::begin(out, MessageType::Response, 1, envelope.tx_id);
        writer.begin_chunk();
        writer.null();
        parts::end_chunk(&mut writer, true, envelope);
    }

    /// Writes what goes in front of the first chunk of tags.
    pub fn encode_header(out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        ChunkedWriter::begin(out, MessageType::Response, 1, envelope.tx_id);
    }

    /// Writes one chunk of tags.
    pub fn encode_chunk<'t, I>(out: &mut impl Buffer, tags: I, last: bool, envelope: &ReplyEnvelope)
    where
        I: IntoIterator<Item = Option<VersionTag<'t>>, IntoIter: ExactSizeIterator + Clone>,
    {
        let mut writer = ChunkedWriter::resume(out);
        writer.begin_chunk();
        writer.object_with(|out| versioned_list::encode_tags(out, tags));
        parts::end_chunk(&mut writer, last, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{REPLY_ENVELOPE, reply_of, with_chunks};
    use crate::message::version_tag::tests::any_tag;

    #[test]
    fn a_reply_without_tags() {
        let bytes = reply_of(BulkReply::encode_without_tags);
        with_chunks(&bytes, |chunk| assert_eq!(BulkReply::decode_chunk(chunk), Ok(BulkReply::default())));
    }

    #[test]
    fn flags_both_ways() {
        for wire in 0..4 {
            assert_eq!(BulkFlags::from_wire(wire).to_wire(), wire);
            assert_eq!(BulkFlags::from_wire(wire).wants_tags(), wire == 2);
        }
    }

    proptest! {
        #[test]
        fn tags_there_and_back(
            tags in proptest::collection::vec(proptest::option::of(any_tag()), 1..30), size in 1_usize..9,
        ) {
            let tags: Vec<_> = tags.into_iter().map(|tag| tag.filter(|tag| !tag.persistent)).collect();
            let mut bytes = Vec::new();
            BulkReply::encode_header(&mut bytes, &REPLY_ENVELOPE);
            let chunks = tags.chunks(size);
            let last = chunks.len() - 1;
            for (index, chunk) in chunks.enumerate() {
                BulkReply::encode_chunk(&mut bytes, chunk.iter().copied(), index == last, &REPLY_ENVELOPE);
            }
            let mut found = Vec::new();
            with_chunks(&bytes, |chunk| {
                found.extend(BulkReply::decode_chunk(chunk).unwrap().list.unwrap().tags());
            });
            prop_assert_eq!(found, tags);
        }
    }
}
