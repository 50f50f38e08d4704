//! What can be asked of a region, and what it answers.

use crate::engine::{Cause, ClientIdentity, EngineError, Note, Record, SharedBytes, Value, Version};

/// Place of an operation among those of one thread of one client.
///
/// Geode: `EventID.java`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventNumber {
    /// The client's thread.
    pub thread: i64,
    /// Rises within the thread; an operation on n keys takes n numbers and names the first.
    pub sequence: i64,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct EventOrigin {
    /// The client; one value per connection, cloned with every operation.
    pub member: ClientIdentity,
    /// The event id; `None` for operations of the node itself, which are never repeated.
    pub event: Option<EventNumber>,
    /// Whether the request carries the retry mark. It changes nothing (an event seen before is answered from memory
    /// with or without it) and is kept for logs.
    pub retry: bool,
}

impl EventOrigin {
    pub(super) fn note(&self, cause: Cause, callback: Option<&[u8]>) -> Note {
        Note { origin: Some(self.member.clone()), callback: callback.map(SharedBytes::new), cause }
    }
}

/// A change of one key. Keys are in canonical form throughout.
#[derive(Debug, Clone, Copy)]
pub enum Mutation<'a> {
    /// put, create, putIfAbsent and both replaces.
    Put {
        /// The key.
        key: &'a [u8],
        /// [`Value::Invalid`] makes an entry without a value and is allowed only where there is none
        /// ([`RegionError::NullValue`]).
        value: Value<'a>,
        /// When to store it.
        condition: Condition<'a>,
        /// The callback argument, one serialized object.
        callback: Option<&'a [u8]>,
    },
    /// destroy and both removes.
    Destroy {
        /// The key.
        key: &'a [u8],
        /// The value that must stand there, for remove(k, v).
        expected: Option<Value<'a>>,
        /// The callback argument, one serialized object.
        callback: Option<&'a [u8]>,
    },
    /// invalidate: the entry stays and loses its value.
    Invalidate {
        /// The key.
        key: &'a [u8],
        /// The callback argument, one serialized object.
        callback: Option<&'a [u8]>,
    },
}

/// When a value is stored. An invalid entry counts as present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Always: put and create (which on a Geode server overwrites, too).
    None,
    /// putIfAbsent.
    IfAbsent,
    /// replace(k, v).
    IfPresent,
    /// replace(k, old, new). [`Value::Invalid`] stands for Geode's INVALID token and matches an invalid entry.
    IfEquals(Value<'a>),
}

/// Whether an operation did what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It did, now or at an earlier attempt.
    Applied,
    /// Nothing was changed: there is no such key.
    Absent,
    /// Nothing was changed: putIfAbsent found the key.
    Present,
    /// Nothing was changed: another value was expected.
    Mismatch,
}

/// What stood under the key before the operation.
#[derive(Debug, Clone, Default)]
pub enum Old {
    /// Nothing, or it does not matter: a repeated operation that did not ask for it.
    #[default]
    Absent,
    /// This entry; it may be invalid.
    Entry(Record),
    /// Something that is no longer known: a repeated replace(k, v) long ago. Geode answers with its INVALID token.
    Forgotten,
}

impl Old {
    /// The entry, if there was one and it is known.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Entry(record) => Some(record),
            Self::Absent | Self::Forgotten => None,
        }
    }
}

/// The answer to a [`Mutation`].
#[derive(Debug, Clone)]
pub struct Mutated {
    /// What came of it.
    pub effect: Effect,
    /// What stood there before. Certain for putIfAbsent and replace(k, v), also when they are repeated.
    pub old: Old,
    /// Version of the entry after the operation, for replies that carry a tag. Also where nothing was changed and the
    /// reply carries one: that of the tombstone of an absent key, that of an entry which was invalid already.
    pub version: Option<Version>,
    /// The answer comes from memory: this event had been seen before.
    pub replayed: bool,
}

/// The answer to an operation on many keys.
#[derive(Debug, Clone)]
pub struct BulkMutated {
    /// One version per key, in the order of the request; none where an earlier attempt had applied it and its version is
    /// no longer known.
    pub versions: Vec<Option<Version>>,
    /// How many keys, from the front, an earlier attempt had applied.
    pub replayed: usize,
}

/// Why a region did not do what it was asked to. The operation is not remembered: it may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// An existing entry cannot be given a null; the request's own data error on the wire.
    #[error("a null value cannot replace an existing entry")]
    NullValue,
    /// The region holds as many entries as it was configured to.
    #[error("the region is full: it holds its {0} entries")]
    Full(usize),
    /// The engine's log cannot be reached; nothing was changed.
    #[error("the store is not available")]
    Unavailable,
    /// The engine cannot say whether the change took place.
    #[error("the fate of the operation is unknown")]
    Unknown,
}

impl From<EngineError> for RegionError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unknown => Self::Unknown,
            // Conflicts are decided again and do not come here.
            EngineError::Conflict(_) | EngineError::Unavailable | EngineError::NoRegion => Self::Unavailable,
        }
    }
}
