//! GET_ALL: permission is asked key by key; a key that may not be read becomes that key's exception, an expired login ends
//! the whole reply.

use std::sync::Arc;

use druse_protocol::auth::{AuthError, Operation};
use druse_protocol::codec::Message;
use druse_protocol::compat;
use druse_protocol::message::get_all::{GetAll, GetAllForm, GetAllReply};
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::versioned_list::{ListEntry, ListForm, ListValue};
use druse_protocol::value::put_str;

use super::convert::{tag, value_of};
use crate::engine::Record;
use crate::region::{Region, Scan};
use crate::session::exchange::{Answer, Exchange, LongReply, Progress, SHARE_BYTES};
use crate::session::failure::Failure;

/// Looks many values up.
pub(super) fn get_all(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = GetAll::decode(message)?;
    let Some(region) = exchange.core.regions.get(request.region.as_bytes()) else {
        // Geode asks for the keys only; so nobody may learn here what regions there are.
        exchange.allow(request.region, None, Operation::Read, None)?;
        return Err(Failure::NoRegion(request.region.into()));
    };
    let keys = match request.keys {
        Some(keys) => {
            let mut packed = PackedKeys::default();
            for key in keys {
                packed.push(&KeyRef::Object(key).key_bytes()?);
            }
            Keys::Named(packed)
        }
        None => {
            exchange.allow(request.region, Some(&*region), Operation::Read, None)?;
            // No client of today asks for all, and the answer has no keys: only their order could tell.
            Keys::All(region.scan())
        }
    };
    let wrapped = matches!(request.form, GetAllForm::Plain { wrapped: true });
    Ok(Answer::Long(Box::new(Values { region, keys, wrapped })))
}

struct Values {
    region: Arc<Region>,
    keys: Keys,
    wrapped: bool,
}

enum Keys {
    Named(PackedKeys),
    All(Scan),
}

/// Keys of a request that outlive it: two allocations, whatever their number.
#[derive(Default)]
struct PackedKeys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    taken: usize,
    position: usize,
}

impl PackedKeys {
    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    fn next(&mut self) -> Option<&[u8]> {
        let end = *self.ends.get(self.taken)?;
        let key = self.bytes.get(self.position..end)?;
        self.taken += 1;
        self.position = end;
        Some(key)
    }

    fn is_over(&self) -> bool {
        self.taken == self.ends.len()
    }
}

/// What is answered for one key.
enum Row {
    Found(Record),
    Absent,
    Refused { object: Vec<u8>, text: Vec<u8> },
}

impl Row {
    fn entry(&self) -> ListEntry<'_> {
        match self {
            Self::Found(record) if record.is_tombstone() => {
                ListEntry { value: ListValue::Absent, tag: Some(tag(record.version())) }
            }
            Self::Found(record) => {
                ListEntry { value: ListValue::Value(value_of(record)), tag: Some(tag(record.version())) }
            }
            Self::Absent => ListEntry { value: ListValue::Absent, tag: None },
            Self::Refused { object, text } => {
                ListEntry { value: ListValue::Exception { object, text }, tag: None }
            }
        }
    }

    fn refused(error: &AuthError, exchange: &Exchange<'_>) -> Self {
        let exception = compat::exception_of(error, exchange.client.version);
        let (mut object, mut text) = (Vec::new(), Vec::new());
        exception.write(&mut object);
        put_str(&exception.to_java_string(), &mut text);
        Self::Refused { object, text }
    }

    fn size(&self) -> usize {
        match self {
            Self::Found(record) => record.payload_len(),
            Self::Absent => 1,
            Self::Refused { object, text } => object.len() + text.len(),
        }
    }
}

impl Values {
    fn next(&mut self, exchange: &mut Exchange<'_>) -> Result<Option<Row>, Failure> {
        let key = match &mut self.keys {
            Keys::All(scan) => return Ok(scan.find(|record| !record.is_tombstone()).map(Row::Found)),
            Keys::Named(keys) => keys.next(),
        };
        let Some(key) = key else { return Ok(None) };
        let region = &*self.region;
        match exchange.allow(region.path(), Some(region), Operation::Read, Some(KeyRef::from_canonical(key)))
        {
            Ok(()) => Ok(Some(region.get(key).map_or(Row::Absent, Row::Found))),
            Err(Failure::Auth(error @ AuthError::NotAuthorized(_))) => {
                Ok(Some(Row::refused(&error, exchange)))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Whether nothing follows. Of a walk over all entries it shows only in a last, empty chunk.
    fn is_over(&self) -> bool {
        match &self.keys {
            Keys::Named(keys) => keys.is_over(),
            Keys::All(_) => false,
        }
    }
}

impl LongReply for Values {
    fn begin(&mut self, exchange: &mut Exchange<'_>) {
        let envelope = exchange.envelope();
        GetAllReply::encode_header(exchange.out, &envelope);
    }

    fn chunk(&mut self, exchange: &mut Exchange<'_>) -> Result<Progress, Failure> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        let mut last = self.is_over();
        while !last && rows.len() < GetAllReply::VALUES_PER_CHUNK && bytes < SHARE_BYTES {
            match self.next(exchange)? {
                Some(row) => {
                    bytes += row.size();
                    rows.push(row);
                    last = self.is_over();
                }
                None => last = true,
            }
        }
        let form = ListForm { versioned: true, wrapped: self.wrapped };
        let envelope = exchange.envelope();
        GetAllReply::encode_chunk(exchange.out, rows.iter().map(Row::entry), form, last, &envelope);
        Ok(if last { Progress::Last } else { Progress::More })
    }
}
