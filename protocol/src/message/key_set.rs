//! KEY_SET 40 and its chunked reply (Geode `KeySetOp`, `KeySet`).

use super::envelope::{Envelope, ReplyEnvelope};
use super::objects::{self, ObjectList};
use super::parts::{self, PartReader};
use super::region;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Chunk, ChunkedWriter, Message, MessageType};

/// Asks for all keys of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySet<'a> {
    /// Full path of the region.
    pub region: &'a str,
}

impl<'a> KeySet<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or the region is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::KeySet])?;
        let region = region::decode(&mut parts)?;
        parts.finish()?;
        Ok(Self { region })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::KeySet, envelope);
        writer.text(self.region.as_bytes());
        parts::finish_request(writer, envelope);
    }
}

/// The answer to a [`KeySet`], chunk by chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeySetReply<'a> {
    /// The keys of one chunk, serialized.
    pub keys: ObjectList<'a>,
}

impl<'a> KeySetReply<'a> {
    /// The most keys that Geode puts into one chunk (`BaseCommand.MAXIMUM_CHUNK_SIZE`).
    pub const KEYS_PER_CHUNK: usize = 100;

    /// Reads one chunk.
    ///
    /// # Errors
    /// If it holds no list of keys.
    pub fn decode_chunk(chunk: &Chunk<'a>) -> Result<Self, DecodeError> {
        let part = parts::only_part(chunk, "KEY_SET")?;
        Ok(Self { keys: ObjectList::read_list(part.bytes, "keys")? })
    }

    /// Writes what goes in front of the first chunk.
    pub fn encode_header(out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        ChunkedWriter::begin(out, MessageType::Response, 1, envelope.tx_id);
    }

    /// Writes one chunk of canonical keys. The last one must be sent, even if it is empty.
    pub fn encode_chunk<'k>(
        out: &mut impl Buffer,
        keys: impl IntoIterator<Item = &'k [u8], IntoIter: ExactSizeIterator>,
        last: bool,
        envelope: &ReplyEnvelope,
    ) {
        let keys = keys.into_iter();
        let mut writer = ChunkedWriter::resume(out);
        writer.begin_chunk();
        writer.object_with(|out| {
            objects::begin_list(out, keys.len());
            keys.for_each(|key| out.put_slice(key));
        });
        parts::end_chunk(&mut writer, last, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{REPLY_ENVELOPE, any_object, check_request, with_chunks};

    proptest! {
        #[test]
        fn requests_there_and_back(region in "/[a-zA-Z0-9_.-]{1,20}") {
            check_request!(KeySet, KeySet { region: &region });
        }

        #[test]
        fn replies_there_and_back(keys in proptest::collection::vec(any_object(), 0..300)) {
            let mut out = Vec::new();
            KeySetReply::encode_header(&mut out, &REPLY_ENVELOPE);
            let chunks: Vec<&[Vec<u8>]> = keys.chunks(KeySetReply::KEYS_PER_CHUNK).collect();
            for chunk in &chunks {
                KeySetReply::encode_chunk(&mut out, chunk.iter().map(Vec::as_slice), false, &REPLY_ENVELOPE);
            }
            KeySetReply::encode_chunk(&mut out, [], true, &REPLY_ENVELOPE);
            let mut found: Vec<Vec<u8>> = Vec::new();
            with_chunks(&out, |chunk| {
                let reply = KeySetReply::decode_chunk(chunk).unwrap();
                found.extend(reply.keys.iter().map(<[u8]>::to_vec));
            });
            prop_assert_eq!(found, keys);
        }
    }
}
