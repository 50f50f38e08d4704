//! Where regions live.
//!
//! An [`Engine`] holds the records of all regions of a node and one [`ChangeLog`]: every change gets one sequence number,
//! and whoever wants to see changes is a [`Cursor`] over them. Regions decide *whether* something is written
//! ([`crate::region`]); engines see to it that it is written only if nothing came in between.
//!
//! ```text
//!   Region ── write(draft, expected) ──► Engine ── one lock per key's shard ──► table: key → Record ─┐ the same
//!                                               └─ one lock ─► log: … 41 42 43 Change{record, old} ─┘ allocation
//! ```
//!
//! [`MemoryEngine`] finishes every write before it returns. An engine whose writes wait for a remote log returns a
//! future instead ([`Outcome::Waiting`]), keeps a table and a log of its own as the view that reads and cursors use, and
//! resolves the future once that view has caught up with the write: so writers read what they wrote.

mod change;
mod log;
mod memory;
mod record;
mod shard;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::Arc;

pub use change::{Cause, Change, ChangeKind, ClientIdentity, Note, SharedBytes};
use druse_protocol::auth::BoxFuture;
use druse_protocol::time::Micros;
pub use log::{ChangeLog, Cursor, CursorRead, LogUsage, Retention};
pub use memory::{MemoryEngine, MemoryOptions};
pub use record::{
    Draft, LAST_ENTRY_VERSION, LAST_REGION_VERSION, RECORD_OVERHEAD, Record, RegionId, Value, Version,
    next_entry_version,
};
pub use table::ScanPosition;

/// Something that is there already, or that will be.
pub enum Outcome<T> {
    /// It is there.
    Ready(T),
    /// It will be. The work goes on whether or not the future is polled, and also if it is dropped.
    Waiting(BoxFuture<'static, T>),
}

impl<T> Outcome<T> {
    /// Waits if there is anything to wait for.
    pub async fn finish(self) -> T {
        match self {
            Self::Ready(value) => value,
            Self::Waiting(future) => future.await,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Outcome<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(value) => f.debug_tuple("Ready").field(value).finish(),
            Self::Waiting(_) => f.write_str("Waiting"),
        }
    }
}

/// What must stand under a key for a write to take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Anything.
    Any,
    /// No record at all, not even a tombstone.
    Nothing,
    /// The record with this sequence number.
    Seq(u64),
}

/// One key's part of a change.
#[derive(Debug)]
pub struct Write {
    /// The record to be. A tombstone is kept as one only as long as the region's bounds allow.
    pub draft: Draft,
    /// The condition.
    pub expected: Expected,
}

/// What a write did.
#[derive(Debug, Clone)]
pub struct Written {
    /// The record as it now stands in the region and in the log.
    pub record: Record,
    /// What stood there before, tombstones included.
    pub old: Option<Record>,
}

/// Why an engine did not write. Nothing at all was changed, unless it is said otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Something else stands under a key than was expected; the writes are handed back, to be decided again.
    #[error("another write came first")]
    Conflict(Vec<Write>),
    /// The place where the engine keeps its log cannot be reached.
    #[error("the change log cannot be reached")]
    Unavailable,
    /// The engine cannot say whether the change took place.
    #[error("the fate of the change is unknown")]
    Unknown,
    /// No region was opened under this number.
    #[error("no such region")]
    NoRegion,
}

/// How long and how many removed keys are remembered, so that their versions go on counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TombstoneBounds {
    /// Number in one region; approximate, because each shard keeps its share. 0: none are kept.
    pub count: usize,
    /// Age at which they are dropped.
    pub age: std::time::Duration,
}

impl Default for TombstoneBounds {
    /// Geode's own (`TombstoneService.java`): 10 minutes, 100 000.
    fn default() -> Self {
        Self { count: 100_000, age: std::time::Duration::from_secs(600) }
    }
}

/// What a region costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Keys that exist, invalid ones included.
    pub entries: usize,
    /// Removed keys that are remembered.
    pub tombstones: usize,
    /// Bytes of all keys, those of tombstones included.
    pub key_bytes: usize,
    /// Bytes of all values.
    pub value_bytes: usize,
    /// Estimate of everything else: headers, table slots, rounding of the allocator.
    pub overhead_bytes: usize,
}

/// Where regions live. See the [module](self) for the contract.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// Makes room for a region. Numbers are given out one after the other, from 0.
    fn open(&self, region: RegionId, tombstones: TombstoneBounds);

    /// The record under `key`, tombstones included. Never waits for a writer longer than that one needs to swap a
    /// pointer, or to finish a batch.
    fn get(&self, region: RegionId, key: &[u8]) -> Option<Record>;

    /// Writes one record. [`EngineError::Conflict`] hands back the one write.
    fn write(&self, region: RegionId, write: Write, note: Note) -> Outcome<Result<Written, EngineError>>;

    /// Writes all or nothing, under consecutive sequence numbers that a cursor passes as one. The conditions speak of
    /// what stands there before the batch; a key that is named twice is written twice, in order.
    fn write_all(
        &self,
        region: RegionId,
        writes: Vec<Write>,
        note: Note,
    ) -> Outcome<Result<Vec<Written>, EngineError>>;

    /// Removes every record, tombstones included, as one change. Entry versions go on above those that were there.
    fn clear(&self, region: RegionId, now: Micros, note: Note) -> Outcome<Result<Record, EngineError>>;

    /// Replaces `out` by the records of the next part of the region, tombstones left out, and returns false when
    /// nothing was left to visit. A key that is there from the first call to the last is given exactly once.
    fn scan(&self, region: RegionId, position: &mut ScanPosition, out: &mut Vec<Record>) -> bool;

    /// Number of keys that exist, without visiting them.
    fn len(&self, region: RegionId) -> usize;

    /// What the region costs.
    fn usage(&self, region: RegionId) -> Usage;

    /// The one log of all regions.
    fn log(&self) -> &Arc<ChangeLog>;

    /// Drops tombstones that are too old.
    fn sweep(&self, now: Micros);
}
