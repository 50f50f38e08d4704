//! The engine that keeps everything in this process and forgets it at the end.

use std::sync::Arc;

use arc_swap::ArcSwap;
use druse_protocol::time::Micros;
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

use super::table::{ScanPosition, Table, Tables};
use super::{
    ChangeLog, Engine, EngineError, Note, Outcome, Record, RegionId, Retention, TombstoneBounds, Usage,
    Write, Written,
};

/// What a [`MemoryEngine`] is made of.
#[derive(Debug, Clone, Copy)]
pub struct MemoryOptions {
    /// 31 random bits that tell this start's log apart from the last one's.
    pub epoch: u32,
    /// 64 random bits that keep clients from choosing keys that collide.
    pub hash_seed: u64,
    /// How much of the log is kept.
    pub retention: Retention,
}

/// Finishes every operation before it returns.
#[derive(Debug)]
pub struct MemoryEngine {
    log: Arc<ChangeLog>,
    hasher: SeedableRandomState,
    tables: ArcSwap<Tables>,
}

/// What an attacker who chooses keys cannot know.
#[cfg(not(test))]
fn shared_seed() -> &'static SharedSeed {
    SharedSeed::global_random()
}

/// Entries are met in the order of their hashes: a run that is to be replayed needs the same ones.
#[cfg(test)]
fn shared_seed() -> &'static SharedSeed {
    SharedSeed::global_fixed()
}

impl MemoryEngine {
    /// An engine without regions.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        Self {
            log: Arc::new(ChangeLog::new(options.epoch, options.retention)),
            hasher: SeedableRandomState::with_seed(options.hash_seed, shared_seed()),
            tables: ArcSwap::default(),
        }
    }

    fn with<T>(
        &self,
        region: RegionId,
        act: impl FnOnce(&Table) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        act(self.tables.load().get(usize::from(region.0)).ok_or(EngineError::NoRegion)?)
    }
}

impl Engine for MemoryEngine {
    fn open(&self, region: RegionId, tombstones: TombstoneBounds) {
        self.tables.rcu(|tables| {
            let mut tables = Tables::clone(tables);
            while tables.len() <= usize::from(region.0) {
                let number = RegionId(u16::try_from(tables.len()).unwrap_or(u16::MAX));
                tables.push(Arc::new(Table::new(number, self.hasher.clone(), tombstones)));
            }
            tables
        });
    }

    fn get(&self, region: RegionId, key: &[u8]) -> Option<Record> {
        self.tables.load().get(usize::from(region.0))?.get(key)
    }

    fn write(&self, region: RegionId, write: Write, note: Note) -> Outcome<Result<Written, EngineError>> {
        Outcome::Ready(self.with(region, |table| table.write(&self.log, write, note)))
    }

    fn write_all(
        &self,
        region: RegionId,
        writes: Vec<Write>,
        note: Note,
    ) -> Outcome<Result<Vec<Written>, EngineError>> {
        Outcome::Ready(self.with(region, |table| table.write_all(&self.log, writes, &note)))
    }

    fn clear(&self, region: RegionId, now: Micros, note: Note) -> Outcome<Result<Record, EngineError>> {
        Outcome::Ready(self.with(region, |table| table.clear(&self.log, now, note)))
    }

    fn scan(&self, region: RegionId, position: &mut ScanPosition, out: &mut Vec<Record>) -> bool {
        self.tables.load().get(usize::from(region.0)).is_some_and(|table| table.scan(position, out))
    }

    fn len(&self, region: RegionId) -> usize {
        self.tables.load().get(usize::from(region.0)).map_or(0, |table| table.len())
    }

    fn usage(&self, region: RegionId) -> Usage {
        self.tables.load().get(usize::from(region.0)).map_or_else(Usage::default, |table| table.usage())
    }

    fn log(&self) -> &Arc<ChangeLog> {
        &self.log
    }

    fn sweep(&self, now: Micros) {
        self.tables.load().iter().for_each(|table| table.sweep(now));
    }
}
