//! What a region holds under one key, and what the change log holds of it: the same allocation.

use std::fmt;

use triomphe::{Arc, ThinArc};

/// Entry versions count in 24 bits, as Geode's do, and begin again at 1 after the last.
///
/// Geode: `VersionTag.java` (`getEntryVersion`), `AbstractRegionEntry.java` (`checkForConflict`).
pub const LAST_ENTRY_VERSION: u32 = 0x00FF_FFFF;

/// Region versions have 48 bits on the wire.
pub const LAST_REGION_VERSION: u64 = (1 << 48) - 1;

/// Bytes of a record besides its key and value: reference count, length and header.
pub const RECORD_OVERHEAD: usize = 48;

/// Number of a region within its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId(pub u16);

/// A value as it travels and is stored: the bytes are never looked into here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// The key exists and has no value ("invalid" in Geode; a null on the wire).
    Invalid,
    /// A Java `byte[]`, stored raw, without a type code.
    Bytes(&'a [u8]),
    /// One serialized object, type code included.
    Object(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes; none of an invalid value.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Invalid => &[],
            Self::Bytes(bytes) | Self::Object(bytes) => bytes,
        }
    }
}

/// Values are data of the application: only their kind and size are shown.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("Invalid"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Object(bytes) => write!(f, "Object({} bytes)", bytes.len()),
        }
    }
}

/// What the wire calls a version tag, without a member: "the node that answered".
///
/// Geode: `VersionTag.java`, `VMVersionTag.java`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    /// 1, 2, 3 … per key; see [`LAST_ENTRY_VERSION`].
    pub entry: u32,
    /// 1, 2, 3 … per region; see [`LAST_REGION_VERSION`].
    pub region: u64,
    /// Milliseconds since the epoch.
    pub timestamp_millis: i64,
}

/// What stands in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Invalid,
    Bytes,
    Object,
    Tombstone,
}

/// 32 bytes: memory per entry is a promise, hence the narrow fields.
#[derive(Debug)]
struct Header {
    seq: u64,
    region_version: u64,
    timestamp_millis: i64,
    key_len: u32,
    /// Entry version in the low 24 bits, [`State`] above them.
    entry_and_state: u32,
}

/// A record that no engine has taken yet: its numbers are still open.
pub struct Draft(ThinArc<Header, u8>);

impl Draft {
    /// A record that holds `value` under `key`; `None` makes it a tombstone.
    ///
    /// Keys are shorter than 4 GiB: the frame limits see to that, and longer ones are cut off here.
    #[must_use]
    pub fn new(key: &[u8], value: Option<Value<'_>>, timestamp_millis: i64) -> Self {
        let state = match value {
            None => State::Tombstone,
            Some(Value::Invalid) => State::Invalid,
            Some(Value::Bytes(_)) => State::Bytes,
            Some(Value::Object(_)) => State::Object,
        };
        let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
        let header = Header {
            seq: 0,
            region_version: 0,
            timestamp_millis,
            key_len,
            entry_and_state: (state as u32) << 24,
        };
        Self(joined(header, key, value.map_or(&[], Value::bytes)))
    }

    /// The key, in the one form by which nodes index.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        key(&self.0)
    }

    /// Whether this would remove the key.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        state(&self.0) == State::Tombstone
    }

    /// Closes the numbers: the record is now as everybody will see it.
    #[must_use]
    pub fn seal(mut self, seq: u64, entry_version: u32, region_version: u64) -> Record {
        self.0.with_arc_mut(|arc| {
            // A draft cannot be cloned, so this is always the only pointer.
            if let Some(inner) = Arc::get_mut(arc) {
                let header = inner.header_mut();
                header.seq = seq;
                header.region_version = region_version & LAST_REGION_VERSION;
                header.entry_and_state =
                    (header.entry_and_state & !LAST_ENTRY_VERSION) | (entry_version & LAST_ENTRY_VERSION);
            }
        });
        Record(self.0)
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("tombstone", &self.is_tombstone()).finish_non_exhaustive()
    }
}

/// What is or was under a key: immutable, shared, one pointer wide.
#[derive(Clone)]
pub struct Record(ThinArc<Header, u8>);

impl Record {
    /// The key, in the one form by which nodes index; empty in the record of a cleared region.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        key(&self.0)
    }

    /// The value; `None` of a tombstone, that is of a key that was removed.
    #[must_use]
    pub fn value(&self) -> Option<Value<'_>> {
        let bytes = self.0.slice.get(self.key().len()..).unwrap_or(&[]);
        match state(&self.0) {
            State::Invalid => Some(Value::Invalid),
            State::Bytes => Some(Value::Bytes(bytes)),
            State::Object => Some(Value::Object(bytes)),
            State::Tombstone => None,
        }
    }

    /// Whether this remembers a key that was removed.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        state(&self.0) == State::Tombstone
    }

    /// Place of the change that made this record in the engine's log; never reused within an epoch.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.0.header.header.seq
    }

    /// The version tag.
    #[must_use]
    pub fn version(&self) -> Version {
        let header = &self.0.header.header;
        Version {
            entry: header.entry_and_state & LAST_ENTRY_VERSION,
            region: header.region_version,
            timestamp_millis: header.timestamp_millis,
        }
    }

    /// Bytes of key and value.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.0.slice.len()
    }

    /// Whether both are the same allocation.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.0, &raw const *other.0)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("seq", &self.seq())
            .field("version", &self.version())
            .field("value", &self.value())
            .finish_non_exhaustive()
    }
}

/// The entry version that follows `version`: 1 after the last one, never 0.
#[must_use]
pub fn next_entry_version(version: u32) -> u32 {
    if version >= LAST_ENTRY_VERSION { 1 } else { version + 1 }
}

fn key(inner: &ThinArc<Header, u8>) -> &[u8] {
    inner.slice.get(..inner.header.header.key_len as usize).unwrap_or(&[])
}

fn state(inner: &ThinArc<Header, u8>) -> State {
    match inner.header.header.entry_and_state >> 24 {
        0 => State::Invalid,
        1 => State::Bytes,
        2 => State::Object,
        _ => State::Tombstone,
    }
}

/// Key and value side by side in one allocation. An allocation of this shape is filled from one slice, so the two are
/// brought together first: on the stack while they are short, which nearly all are.
fn joined(header: Header, key: &[u8], value: &[u8]) -> ThinArc<Header, u8> {
    const ON_STACK: usize = 512;
    let len = key.len() + value.len();
    let mut stack = [0_u8; ON_STACK];
    if let Some(room) = stack.get_mut(..len) {
        let (front, back) = room.split_at_mut(key.len());
        front.copy_from_slice(key);
        back.copy_from_slice(value);
        return ThinArc::from_header_and_slice(header, room);
    }
    ThinArc::from_header_and_slice(header, &[key, value].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_back_what_went_in() {
        for len in [0, 1, 100, 511, 512, 513, 100_000] {
            let value = vec![7; len];
            let record = Draft::new(b"key", Some(Value::Object(&value)), 99).seal(5, 6, 7);
            assert_eq!(record.key(), b"key");
            assert_eq!(record.value(), Some(Value::Object(&value)));
            assert_eq!(record.version(), Version { entry: 6, region: 7, timestamp_millis: 99 });
            assert_eq!((record.seq(), record.payload_len()), (5, len + 3));
        }
        assert_eq!(Draft::new(b"k", Some(Value::Invalid), 0).seal(1, 1, 1).value(), Some(Value::Invalid));
        assert_eq!(
            Draft::new(b"k", Some(Value::Bytes(b"")), 0).seal(1, 1, 1).value(),
            Some(Value::Bytes(b""))
        );
        assert!(Draft::new(b"k", None, 0).seal(1, 1, 1).is_tombstone());
    }

    #[test]
    fn entry_versions_wrap_to_one() {
        assert_eq!(next_entry_version(1), 2);
        assert_eq!(next_entry_version(LAST_ENTRY_VERSION - 1), LAST_ENTRY_VERSION);
        assert_eq!(next_entry_version(LAST_ENTRY_VERSION), 1);
    }

    #[test]
    fn the_header_stays_as_small_as_promised() {
        assert_eq!(size_of::<Header>() + 2 * size_of::<usize>(), RECORD_OVERHEAD);
        assert_eq!(size_of::<Record>(), size_of::<usize>());
        assert_eq!(size_of::<Option<Record>>(), size_of::<usize>());
    }

    #[test]
    fn debug_shows_no_data() {
        let record = Draft::new(b"secret-key", Some(Value::Bytes(b"secret-value")), 0).seal(1, 1, 1);
        assert!(!format!("{record:?}").contains("secret"));
    }
}
