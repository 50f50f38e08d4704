//! Regions: what the operations of Geode's clients mean, over an [`Engine`].
//!
//! ```text
//!   request ─► claim the client's lane ─► decide on the current record ─► engine.write ─► remember the answer
//!                 │ seen before              │ nothing to do                 │ conflict: decide again
//!                 └─► answer from memory     └─► answer, remembered          └─► (a waiting engine: the rest in a task)
//! ```
//! The behaviour is that of a replicated, versioned region of Geode 1.15 (`LocalRegion.java`, `AbstractRegionMap.java`),
//! as `protocol/2-operations.md` describes it, with two differences on purpose: a destroy of a key that does not exist makes
//! no tombstone, and versions do not begin again at 1 where a key was forgotten or the region cleared.

mod bulk;
mod decide;
mod lane;
mod lru;
mod mutate;
mod mutation;
mod registry;
mod scan;
#[cfg(test)]
mod tests;
mod tracker;

use std::fmt;
use std::sync::Arc;

pub use decide::SameObject;
use druse_protocol::time::Micros;
pub use mutation::{
    BulkMutated, Condition, Effect, EventNumber, EventOrigin, Mutated, Mutation, Old, RegionError,
};
pub use registry::{RegionRegistry, RegistryError};
pub use scan::Scan;
use tokio_util::task::TaskTracker;
use tracker::Tracker;
pub use tracker::TrackerBounds;

use crate::engine::{Engine, Record, RegionId, TombstoneBounds, Usage};

/// How a region behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegionOptions {
    /// The number of entries beyond which no new key is taken; approximate while several are created at once.
    pub max_entries: Option<usize>,
    /// How long removed keys are remembered.
    pub tombstones: TombstoneBounds,
    /// How much is remembered of events.
    pub tracker: TrackerBounds,
}

/// What a region costs, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionUsage {
    /// Entries and bytes.
    pub store: Usage,
    /// Threads of clients whose last operation is remembered.
    pub lanes: usize,
    /// Bytes that are kept for answers to repeated operations.
    pub lane_bytes: usize,
}

/// A named set of entries.
///
/// Operations take what the wire gives (bytes and the present moment) and return at once, unless the engine has to wait.
pub struct Region {
    id: RegionId,
    path: Box<str>,
    options: RegionOptions,
    engine: Arc<dyn Engine>,
    tracker: Tracker,
    same_object: Arc<SameObject>,
    /// Owns what goes on after a waiting engine has answered; the registry waits for it at the end.
    tasks: TaskTracker,
}

impl Region {
    /// The full path, with its leading slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Number of the region in changes of the log.
    #[must_use]
    pub fn id(&self) -> RegionId {
        self.id
    }

    /// What is under `key`, if anything ever was: an entry, an invalid one, or the tombstone of a removed one.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Record> {
        self.engine.get(self.id, key)
    }

    /// Place of the newest change in the log of all regions.
    pub(crate) fn last_seq(&self) -> u64 {
        self.engine.log().last_seq()
    }

    /// Number of entries, invalid ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.engine.len(self.id)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, in no order, a few at a time.
    #[must_use]
    pub fn scan(self: &Arc<Self>) -> Scan {
        Scan::new(Arc::clone(self))
    }

    /// What the region costs. Visits every shard: for metrics, not for operations.
    #[must_use]
    pub fn usage(&self) -> RegionUsage {
        let (lanes, lane_bytes) = self.tracker.usage();
        RegionUsage { store: self.engine.usage(self.id), lanes, lane_bytes }
    }

    fn sweep(&self, now: Micros) {
        self.tracker.sweep(now);
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("id", &self.id).field("path", &self.path).finish_non_exhaustive()
    }
}
