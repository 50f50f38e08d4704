//! One entry of the change log, and who caused it.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use foldhash::quality::RandomState;
use triomphe::ThinArc;

use super::{Record, RegionId};

/// Bytes that many hold: one pointer wide.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedBytes(ThinArc<(), u8>);

impl SharedBytes {
    /// A copy of `bytes`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(ThinArc::from_header_and_slice((), bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0.slice
    }
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.as_slice().len())
    }
}

/// The member bytes of a client, as they stand in event ids: shared, one pointer wide.
///
/// A connection makes one at its handshake and hands it in with every write. Two are equal when their bytes are, however
/// many connections made one each; trailing zeros do not count, as in Geode (`EventID.java`, `equalMembershipIds`).
#[derive(Clone)]
pub struct ClientIdentity(ThinArc<u64, u8>);

/// Identities are hashed once, when they are made, and looked up with every write. Seeded for this process, so that no
/// client can choose identities that collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

impl ClientIdentity {
    /// The identity with these member bytes.
    #[must_use]
    pub fn new(member: &[u8]) -> Self {
        Self(ThinArc::from_header_and_slice(HASHER.hash_one(significant(member)), member))
    }

    /// The member bytes as the client sent them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.slice
    }

    fn hash(&self) -> u64 {
        self.0.header.header
    }
}

fn significant(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..len).unwrap_or(bytes)
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.as_bytes(), other.as_bytes())
            || (self.hash() == other.hash() && significant(self.as_bytes()) == significant(other.as_bytes()))
    }
}

impl Eq for ClientIdentity {}

impl Hash for ClientIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash().hash(state);
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentity({} bytes)", self.as_bytes().len())
    }
}

/// What happened to the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The key had no entry and has one now.
    Create,
    /// The entry has another value.
    Update,
    /// The entry has lost its value and stays.
    Invalidate,
    /// The entry is gone; [`Change::record`] is its tombstone.
    Destroy,
    /// Every entry of the region is gone; [`Change::record`] has an empty key.
    Clear,
}

/// Which sort of request brought the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cause {
    /// A request for one key, or for the whole region.
    #[default]
    Single,
    /// One of many keys in a PUTALL or REMOVE_ALL.
    Bulk,
}

/// What a change carries besides the records: made by whoever writes, kept for feeds.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// Who asked for it; `None` for the node itself.
    pub origin: Option<ClientIdentity>,
    /// The callback argument of the request, one serialized object.
    pub callback: Option<SharedBytes>,
    /// Which sort of request it was.
    pub cause: Cause,
}

/// One entry of the log. Cloning it clones pointers.
#[derive(Debug, Clone)]
pub struct Change {
    /// The region that it happened to.
    pub region: RegionId,
    /// What happened.
    pub kind: ChangeKind,
    /// The very record that the region holds from this change on.
    pub record: Record,
    /// What stood there before, tombstones included.
    pub old: Option<Record>,
    /// Who and why.
    pub note: Note,
    /// Whether this change belongs together with the next one: a cursor passes both or neither.
    pub goes_on: bool,
}

impl Change {
    /// Place in the log.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.record.seq()
    }

    /// Bytes that the log keeps alive on account of this change, each counted as if nobody else held it.
    #[must_use]
    pub fn pinned_bytes(&self) -> usize {
        let records = [Some(&self.record), self.old.as_ref()];
        let records: usize =
            records.into_iter().flatten().map(|record| record.payload_len() + super::RECORD_OVERHEAD).sum();
        size_of::<Self>()
            + records
            + self.note.callback.as_ref().map_or(0, |callback| callback.as_slice().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_equal_by_their_bytes_without_trailing_zeros() {
        let hasher = foldhash::quality::FixedState::default();
        let (a, b, c) =
            (ClientIdentity::new(b"ab"), ClientIdentity::new(b"ab\0\0"), ClientIdentity::new(b"abc"));
        assert_eq!(a, b);
        assert_eq!(hasher.hash_one(&a), hasher.hash_one(&b));
        assert_ne!(a, c);
        assert_eq!(ClientIdentity::new(b"\0"), ClientIdentity::new(b""));
    }

    #[test]
    fn a_change_stays_small() {
        assert!(size_of::<Change>() <= 48, "{}", size_of::<Change>());
    }
}
