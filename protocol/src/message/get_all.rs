//! GET_ALL_70 100 and GET_ALL_WITH_CALLBACK 107, and their chunked reply (Geode `GetAllOp`, `GetAll70`).

use super::envelope::{Envelope, ReplyEnvelope};
use super::objects::{self, ObjectList};
use super::parts::{self, PartReader};
use super::region;
use super::value::ValueRef;
use super::versioned_list::{self, ListEntry, ListForm, VersionedList};
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Chunk, ChunkedWriter, Message, MessageType};

/// Asks for many values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetAll<'a, K = ObjectList<'a>> {
    /// Full path of the region.
    pub region: &'a str,
    /// The keys, serialized; `None` asks for all, which no client of today does.
    pub keys: Option<K>,
    /// Which of the two requests it is.
    pub form: GetAllForm<'a>,
}

/// What a [`GetAll`] says beside its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetAllForm<'a> {
    /// GET_ALL_70.
    Plain {
        /// Each value of the answer in a byte array of its own.
        wrapped: bool,
    },
    /// GET_ALL_WITH_CALLBACK with its callback argument.
    WithCallback(ValueRef<'a>),
}

impl<'a> GetAll<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, a part is missing or malformed, or a key cannot be told from the next one.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let kinds = [MessageType::GetAll70, MessageType::GetAllWithCallback];
        let mut parts = PartReader::of(message, &kinds)?;
        let region = region::decode(&mut parts)?;
        let keys = parts.part("no keys")?;
        let keys = match keys.object() {
            Some(bytes) => Some(ObjectList::read_array(bytes, "keys")?),
            None if keys.is_null() => None,
            None => return Err(parts.error("the keys are no array")),
        };
        let form = match message.kind() {
            Some(MessageType::GetAllWithCallback) => {
                GetAllForm::WithCallback(ValueRef::from_part(parts.part("no callback argument")?))
            }
            _ => GetAllForm::Plain { wrapped: parts.i32("no form of the values")? == 1 },
        };
        parts.finish()?;
        Ok(Self { region, keys, form })
    }
}

impl<'k, K> GetAll<'_, K>
where
    K: Clone + IntoIterator<Item = &'k [u8], IntoIter: ExactSizeIterator>,
{
    /// Writes the request; keys in canonical form.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let kind = match self.form {
            GetAllForm::Plain { .. } => MessageType::GetAll70,
            GetAllForm::WithCallback(_) => MessageType::GetAllWithCallback,
        };
        let mut writer = parts::request(out, kind, envelope);
        writer.text(self.region.as_bytes());
        match self.keys.clone() {
            None => writer.null(),
            Some(keys) => writer.object_with(|out| {
                let keys = keys.into_iter();
                objects::begin_array(out, keys.len());
                keys.for_each(|key| out.put_slice(key));
            }),
        }
        match self.form {
            GetAllForm::Plain { wrapped } => writer.i32(i32::from(wrapped)),
            GetAllForm::WithCallback(callback) => writer.part(callback.to_part()),
        }
        parts::finish_request(writer, envelope);
    }
}

/// The answer to a [`GetAll`], chunk by chunk: an entry for every key, in the order of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GetAllReply<'a> {
    /// The values of one chunk.
    pub list: VersionedList<'a>,
}

impl<'a> GetAllReply<'a> {
    /// The most values that Geode puts into one chunk (`BaseCommand.MAXIMUM_CHUNK_SIZE`).
    pub const VALUES_PER_CHUNK: usize = 100;

    /// Reads one chunk.
    ///
    /// # Errors
    /// If it holds no list, or a value that cannot be told from the next one.
    pub fn decode_chunk(chunk: &Chunk<'a>) -> Result<Self, DecodeError> {
        let part = parts::only_part(chunk, "GET_ALL")?;
        Ok(Self { list: VersionedList::decode(part.bytes)? })
    }

    /// Writes what goes in front of the first chunk.
    pub fn encode_header(out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        ChunkedWriter::begin(out, MessageType::Response, 1, envelope.tx_id);
    }

    /// Writes one chunk. The last one must be sent, even if it is empty.
    pub fn encode_chunk<'e, I>(
        out: &mut impl Buffer,
        entries: I,
        form: ListForm,
        last: bool,
        envelope: &ReplyEnvelope,
    ) where
        I: IntoIterator<Item = ListEntry<'e>, IntoIter: ExactSizeIterator + Clone>,
    {
        let mut writer = ChunkedWriter::resume(out);
        writer.begin_chunk();
        writer.object_with(|out| versioned_list::encode_values(out, entries, form));
        parts::end_chunk(&mut writer, last, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{
        ENVELOPE, REPLY_ENVELOPE, any_object, any_value, rebuilt, with_chunks, with_message,
    };
    use crate::message::versioned_list::ListValue;

    proptest! {
        #[test]
        fn requests_there_and_back(
            keys in proptest::option::of(proptest::collection::vec(any_object(), 0..300)),
            wrapped: bool, callback in proptest::option::of(any_value()),
        ) {
            let form = match &callback {
                Some(callback) => GetAllForm::WithCallback(callback.get()),
                None => GetAllForm::Plain { wrapped },
            };
            let slices = keys.as_ref().map(|keys| keys.iter().map(Vec::as_slice));
            let mut out = Vec::new();
            GetAll { region: "/r", keys: slices, form }.encode(&mut out, &ENVELOPE);
            with_message(&out, |message| {
                let found = GetAll::decode(message).unwrap();
                assert_eq!((found.region, found.form), ("/r", form));
                let found: Option<Vec<_>> = found.keys.map(|keys| keys.iter().map(<[u8]>::to_vec).collect());
                assert_eq!(found, keys);
                for (keep, more) in [(1, 0), (2, 0), (3, 1)] {
                    with_message(&rebuilt(message, keep, more), |other| assert!(GetAll::decode(other).is_err()));
                }
            });
        }

        #[test]
        fn replies_there_and_back(
            values in proptest::collection::vec(any_value(), 0..30), size in 1_usize..9, wrapped: bool,
        ) {
            let form = ListForm { versioned: false, wrapped };
            let entries: Vec<_> = values.iter()
                .map(|value| ListEntry { value: ListValue::Value(value.get()), tag: None }).collect();
            let mut out = Vec::new();
            GetAllReply::encode_header(&mut out, &REPLY_ENVELOPE);
            for chunk in entries.chunks(size) {
                GetAllReply::encode_chunk(&mut out, chunk.iter().copied(), form, false, &REPLY_ENVELOPE);
            }
            GetAllReply::encode_chunk(&mut out, [], form, true, &REPLY_ENVELOPE);
            let mut found = Vec::new();
            with_chunks(&out, |chunk| {
                found.extend(GetAllReply::decode_chunk(chunk).unwrap().list.entries());
            });
            prop_assert_eq!(found, entries);
        }
    }
}
