//! The answer to a registration, in chunks: RESPONSE_FROM_PRIMARY 32 with what the policy asked for, or
//! RESPONSE_FROM_SECONDARY 33 with nothing, since a client believes its primary alone (Geode `RegisterInterestOp`,
//! `BaseCommand.fillAndSendRegisterInterestResponseChunks`).
//!
//! | policy | chunks |
//! |---|---|
//! | none | one, with an empty list |
//! | keys | lists of keys |
//! | keys and values | [`VersionedList`]s with keys, also of tombstones |
//!
//! The last chunk must be sent, even if it holds nothing. An error is a text of type REGISTER_INTEREST_DATA_ERROR 21 or an
//! exception, which may also come as the last chunk.

use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Chunk, ChunkedWriter, MessageType};
use crate::message::envelope::ReplyEnvelope;
use crate::message::objects::{self, ObjectList};
use crate::message::parts;
use crate::message::versioned_list::{self, ListEntry, ListForm, VersionedList};

/// What one chunk brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterestReply<'a> {
    /// Nothing: the server is a secondary.
    Nothing,
    /// Keys, serialized.
    Keys(ObjectList<'a>),
    /// Keys, values and versions.
    Entries(VersionedList<'a>),
}

impl<'a> InterestReply<'a> {
    /// The most keys or entries that Geode puts into one chunk (`BaseCommand.MAXIMUM_CHUNK_SIZE`).
    pub const PER_CHUNK: usize = 100;

    /// Reads one chunk.
    ///
    /// # Errors
    /// If it holds no list, or something in one cannot be told from the next.
    pub fn decode_chunk(chunk: &Chunk<'a>) -> Result<Self, DecodeError> {
        let part = parts::only_part(chunk, "REGISTER_INTEREST")?;
        match part.bytes {
            [] => Ok(Self::Nothing),
            [0x41, ..] => ObjectList::read_list(part.bytes, "keys of an interest").map(Self::Keys),
            bytes => VersionedList::decode(bytes).map(Self::Entries),
        }
    }

    /// Writes what a primary puts in front of its first chunk.
    pub fn encode_header(out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        ChunkedWriter::begin(out, MessageType::ResponseFromPrimary, 1, envelope.tx_id);
    }

    /// Writes one chunk of canonical keys.
    pub fn encode_keys<'k>(
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

    /// Writes one chunk of canonical keys, each with what there is under it: a tombstone is absent and has a tag.
    pub fn encode_entries<'e, I>(
        out: &mut impl Buffer,
        entries: I,
        form: ListForm,
        last: bool,
        envelope: &ReplyEnvelope,
    ) where
        I: IntoIterator<Item = (&'e [u8], ListEntry<'e>), IntoIter: ExactSizeIterator + Clone>,
    {
        let mut writer = ChunkedWriter::resume(out);
        writer.begin_chunk();
        writer.object_with(|out| versioned_list::encode_entries(out, entries, form));
        parts::end_chunk(&mut writer, last, envelope);
    }

    /// Writes the whole answer of a secondary.
    pub fn encode_from_secondary(out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = ChunkedWriter::begin(out, MessageType::ResponseFromSecondary, 1, envelope.tx_id);
        writer.begin_chunk();
        writer.null();
        parts::end_chunk(&mut writer, true, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{REPLY_ENVELOPE, any_object, any_value, with_chunks};
    use crate::message::value::ValueRef;
    use crate::message::version_tag::tests::any_tag;
    use crate::message::versioned_list::ListValue;

    #[test]
    fn a_secondary_brings_nothing() {
        let mut out = Vec::new();
        InterestReply::encode_from_secondary(&mut out, &REPLY_ENVELOPE);
        assert_eq!(out[..4], [0, 0, 0, 33]);
        with_chunks(&out, |chunk| assert_eq!(InterestReply::decode_chunk(chunk), Ok(InterestReply::Nothing)));
    }

    #[test]
    fn an_empty_versioned_region_as_captured() {
        let mut out = Vec::new();
        InterestReply::encode_header(&mut out, &REPLY_ENVELOPE);
        let form = ListForm { versioned: true, wrapped: true };
        InterestReply::encode_entries(&mut out, [], form, true, &REPLY_ENVELOPE);
        with_chunks(&out, |chunk| {
            assert_eq!(chunk.parts().next().unwrap().bytes, [0x01, 0x07, 0x19, 0x00]);
            let Ok(InterestReply::Entries(list)) = InterestReply::decode_chunk(chunk) else { panic!() };
            assert_eq!(list.keyed().count(), 0);
        });
    }

    proptest! {
        #[test]
        fn keys_there_and_back(keys in proptest::collection::vec(any_object(), 0..300)) {
            let mut out = Vec::new();
            InterestReply::encode_header(&mut out, &REPLY_ENVELOPE);
            for chunk in keys.chunks(InterestReply::PER_CHUNK) {
                InterestReply::encode_keys(&mut out, chunk.iter().map(Vec::as_slice), false, &REPLY_ENVELOPE);
            }
            InterestReply::encode_keys(&mut out, [], true, &REPLY_ENVELOPE);
            let mut found = Vec::new();
            with_chunks(&out, |chunk| {
                let Ok(InterestReply::Keys(list)) = InterestReply::decode_chunk(chunk) else { panic!() };
                found.extend(list.iter().map(<[u8]>::to_vec));
            });
            prop_assert_eq!(found, keys);
        }

        #[test]
        fn entries_there_and_back(
            entries in proptest::collection::vec((any_object(), any_value(), 0..3_u8, any_tag()), 0..20),
            versioned: bool, wrapped: bool,
        ) {
            let entries: Vec<(&[u8], ListEntry<'_>)> = entries.iter().map(|(key, value, kind, tag)| {
                let value = match kind {
                    0 => ListValue::Absent,
                    1 => ListValue::Value(ValueRef::Null),
                    _ => ListValue::Value(value.get()),
                };
                (&key[..], ListEntry { value, tag: Some(*tag).filter(|tag| versioned && !tag.persistent) })
            }).collect();
            let mut out = Vec::new();
            InterestReply::encode_header(&mut out, &REPLY_ENVELOPE);
            let form = ListForm { versioned, wrapped };
            InterestReply::encode_entries(&mut out, entries.iter().copied(), form, true, &REPLY_ENVELOPE);
            with_chunks(&out, |chunk| {
                let Ok(InterestReply::Entries(list)) = InterestReply::decode_chunk(chunk) else { panic!() };
                assert_eq!(list.keyed().collect::<Vec<_>>(), entries);
            });
        }
    }
}
