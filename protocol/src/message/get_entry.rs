//! GET_ENTRY 89, sent inside transactions only (Geode `GetEntryOp`, `GetEntry70`, `EntrySnapshot`).

use bytes::BufMut;

use super::envelope::{Envelope, ReplyEnvelope};
use super::key::KeyRef;
use super::objects;
use super::parts::{self, PartReader};
use super::region;
use super::value::ValueRef;
use super::version_tag::VersionTag;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, Reader};
use crate::value::take_object;

const DATA_SERIALIZABLE: u8 = 0x2d;
const CLASS: u8 = 0x2b;
const NULL: u8 = 0x29;
const SNAPSHOT_CLASS: &[u8] = b"org.apache.geode.internal.cache.EntrySnapshot";
const NO_ENTRY: i32 = 0x08;

/// Asks for an entry with what the server knows about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetEntry<'a> {
    /// Full path of the region.
    pub region: &'a str,
    /// The key.
    pub key: KeyRef<'a>,
}

impl<'a> GetEntry<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or region or key are missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::GetEntry])?;
        let region = region::decode(&mut parts)?;
        let key = parts.key()?;
        parts.finish()?;
        Ok(Self { region, key })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::GetEntry, envelope);
        writer.text(self.region.as_bytes());
        writer.part(self.key.to_part());
        parts::finish_request(writer, envelope);
    }
}

/// An entry at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntrySnapshot<'a> {
    /// The key, serialized.
    pub key: &'a [u8],
    /// The value; null, or a token object, for an entry without one.
    pub value: ValueRef<'a>,
    /// When it was last changed, in milliseconds since the epoch.
    pub last_modified_ms: i64,
    /// Whether it was removed meanwhile.
    pub is_removed: bool,
    /// Its version.
    pub tag: Option<VersionTag<'a>>,
    /// How it was used, where the region counts that.
    pub statistics: Option<EntryStatistics>,
}

/// How an entry was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryStatistics {
    /// In milliseconds since the epoch.
    pub last_accessed_ms: i64,
    /// Reads that found a value.
    pub hits: i64,
    /// Reads that found none.
    pub misses: i64,
}

impl<'a> EntrySnapshot<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        const FIELD: &str = "entry";
        let mut reader = Reader::new(bytes);
        objects::expect_code(&mut reader, DATA_SERIALIZABLE, FIELD)?;
        objects::expect_code(&mut reader, CLASS, FIELD)?;
        match take_object(&mut reader)? {
            [0x57, _, _, class @ ..] if class == SNAPSHOT_CLASS => {}
            _ => return Err(DecodeError::Opaque { code: DATA_SERIALIZABLE }),
        }
        let has_statistics = reader.bool(FIELD)?;
        let key = take_object(&mut reader)?;
        let value = objects::value(&mut reader)?;
        let last_modified_ms = reader.i64("last modified")?;
        let is_removed = reader.bool(FIELD)?;
        let tag = match reader.rest().first() {
            Some(&NULL) => reader.u8(FIELD).map(|_| None)?,
            _ => Some(VersionTag::read_object(&mut reader)?),
        };
        let statistics = match has_statistics {
            true => Some(EntryStatistics {
                last_accessed_ms: reader.i64("last accessed")?,
                hits: reader.i64("hits")?,
                misses: reader.i64("misses")?,
            }),
            false => None,
        };
        reader.finish(FIELD)?;
        Ok(Self { key, value, last_modified_ms, is_removed, tag, statistics })
    }

    fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&[DATA_SERIALIZABLE, CLASS]);
        objects::put_class_name(out, SNAPSHOT_CLASS);
        out.put_u8(u8::from(self.statistics.is_some()));
        out.put_slice(self.key);
        objects::put_value(out, self.value);
        out.put_i64(self.last_modified_ms);
        out.put_u8(u8::from(self.is_removed));
        match &self.tag {
            None => out.put_u8(NULL),
            Some(tag) => tag.encode_object(out),
        }
        if let Some(statistics) = self.statistics {
            out.put_i64(statistics.last_accessed_ms);
            out.put_i64(statistics.hits);
            out.put_i64(statistics.misses);
        }
    }
}

/// The answer to a [`GetEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GetEntryReply<'a> {
    /// The entry, if there is one.
    pub entry: Option<EntrySnapshot<'a>>,
}

impl<'a> GetEntryReply<'a> {
    /// Reads the reply.
    ///
    /// # Errors
    /// If it is another message, or the entry malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Response])?;
        let entry = parts.part("no entry")?.object().map(EntrySnapshot::decode).transpose()?;
        parts.optional_i32("the flags are no number")?;
        parts.finish()?;
        Ok(Self { entry })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut writer = parts::reply(out, MessageType::Response, envelope);
        match &self.entry {
            None => {
                writer.null();
                writer.i32(NO_ENTRY);
            }
            Some(entry) => {
                writer.object_with(|out| entry.encode(out));
                writer.i32(0);
            }
        }
        parts::finish_reply(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{any_key, any_object, any_value, check_reply, check_request};
    use crate::message::version_tag::tests::any_tag;

    proptest! {
        #[test]
        fn requests_there_and_back(key in any_key()) {
            check_request!(GetEntry, GetEntry { region: "/r", key: key.get() });
        }

        #[test]
        fn replies_there_and_back(
            key in any_object(), value in any_value(), last_modified_ms: i64, is_removed: bool,
            tag in proptest::option::of(any_tag()), statistics: Option<(i64, i64, i64)>, is_there: bool,
        ) {
            let statistics = statistics.map(|(last_accessed_ms, hits, misses)| {
                EntryStatistics { last_accessed_ms, hits, misses }
            });
            let entry = is_there.then_some(EntrySnapshot {
                key: &key, value: value.get(), last_modified_ms, is_removed, tag, statistics,
            });
            check_reply!(GetEntryReply, GetEntryReply { entry });
        }

        #[test]
        fn truncated_entries_are_refused(key in any_object(), value in any_value(), tag in any_tag()) {
            let entry = EntrySnapshot {
                key: &key, value: value.get(), last_modified_ms: 1, is_removed: false, tag: Some(tag),
                statistics: None,
            };
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            prop_assert_eq!(EntrySnapshot::decode(&bytes), Ok(entry));
            for end in 0..bytes.len() {
                prop_assert!(EntrySnapshot::decode(&bytes[..end]).is_err());
            }
        }
    }
}
