//! The records of one region, in shards.
//!
//! Lock order: shards in rising order, then the log. Readers take one shard for as long as it takes to clone a pointer.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering};

use druse_protocol::time::Micros;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;
use parking_lot::{RwLock, RwLockWriteGuard};

use super::shard::{Shard, share};
use super::{
    Change, ChangeKind, ChangeLog, Draft, EngineError, Expected, Note, Record, RegionId, TombstoneBounds,
    Usage, Write, Written,
};

/// Enough that a scan, which copies a shard's pointers under its lock, takes some 50 us of a million entries at a time, and
/// few enough that an empty region costs 40 KB. Tables grow by doubling: with this number they are well filled at a million
/// entries (1.15 million is where they double), and not just beyond a doubling.
const SHARDS: usize = 320;

/// How far a scan has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanPosition {
    shard: usize,
}

impl ScanPosition {
    /// Behind the last entry.
    pub const END: Self = Self { shard: usize::MAX };
}

/// The records of one region and its counters.
#[derive(Debug)]
pub(super) struct Table {
    region: RegionId,
    hasher: SeedableRandomState,
    tombstones: TombstoneBounds,
    shards: Box<[RwLock<Shard>]>,
    entries: AtomicIsize,
    /// Changed under the lock of the log only, so region versions rise with sequence numbers.
    region_version: AtomicU64,
}

impl Table {
    pub(super) fn new(region: RegionId, hasher: SeedableRandomState, tombstones: TombstoneBounds) -> Self {
        Self {
            region,
            hasher,
            tombstones,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            entries: AtomicIsize::new(0),
            region_version: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Record> {
        let hash = self.hash(key);
        self.shard(hash).read().find(hash, key).cloned()
    }

    pub(super) fn write(&self, log: &ChangeLog, write: Write, note: Note) -> Result<Written, EngineError> {
        let hash = self.hash(write.draft.key());
        let mut shard = self.shard(hash).write();
        let current = shard.find(hash, write.draft.key());
        if !holds(write.expected, current) {
            return Err(EngineError::Conflict(vec![write]));
        }
        let entry_version = shard.version_after(current);
        let old = current.cloned();
        let mut record = None;
        let mut pending = Some((write.draft, note));
        log.append(|seq| {
            let (draft, note) = pending.take()?;
            let change = self.change(seq, draft, entry_version, old.clone(), note);
            record = Some(change.record.clone());
            Some(change)
        });
        // The log has called for the one change it was offered.
        let record = record.ok_or(EngineError::Unknown)?;
        self.place(&mut shard, hash, &record);
        Ok(Written { record, old })
    }

    pub(super) fn write_all(
        &self,
        log: &ChangeLog,
        writes: Vec<Write>,
        note: &Note,
    ) -> Result<Vec<Written>, EngineError> {
        let hashes: Vec<u64> = writes.iter().map(|write| self.hash(write.draft.key())).collect();
        let mut locked = self.lock_all(&hashes);
        let Some(plan) = plan(&locked, &hashes, &writes) else {
            return Err(EngineError::Conflict(writes));
        };
        let mut written: Vec<Written> = Vec::with_capacity(writes.len());
        let mut steps = plan.into_iter().zip(writes);
        log.append(|seq| {
            let (step, write) = steps.next()?;
            let old = match step.earlier {
                Some(index) => written.get(index).map(|earlier| earlier.record.clone()),
                None => step.old,
            };
            let change = self.change(seq, write.draft, step.entry_version, old.clone(), note.clone());
            written.push(Written { record: change.record.clone(), old });
            Some(change)
        });
        for (hash, written) in hashes.into_iter().zip(&written) {
            if let Some(shard) = locked.shard_mut(hash) {
                self.place(shard, hash, &written.record);
            }
        }
        Ok(written)
    }

    pub(super) fn clear(&self, log: &ChangeLog, now: Micros, note: Note) -> Result<Record, EngineError> {
        let mut shards: Vec<_> = self.shards.iter().map(RwLock::write).collect();
        let mut record = None;
        let mut pending = Some((Draft::new(&[], None, now.as_millis()), note));
        log.append(|seq| {
            let (draft, note) = pending.take()?;
            let change = Change { kind: ChangeKind::Clear, ..self.change(seq, draft, 0, None, note) };
            record = Some(change.record.clone());
            Some(change)
        });
        let mut emptied = Vec::with_capacity(shards.len());
        for shard in &mut shards {
            let (entries, shard) = shard.clear();
            self.add_entries(-isize::try_from(entries).unwrap_or(isize::MAX));
            emptied.push(shard);
        }
        // A million records are freed after the locks are.
        drop(shards);
        drop(emptied);
        record.ok_or(EngineError::Unknown)
    }

    pub(super) fn scan(&self, position: &mut ScanPosition, out: &mut Vec<Record>) -> bool {
        out.clear();
        while let Some(shard) = self.shards.get(position.shard) {
            position.shard = position.shard.saturating_add(1);
            let shard = shard.read();
            if shard.entries() > 0 {
                out.reserve(shard.entries());
                out.extend(shard.existing().cloned());
                return true;
            }
        }
        false
    }

    pub(super) fn len(&self) -> usize {
        usize::try_from(self.entries.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(super) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        self.shards.iter().for_each(|shard| shard.read().add_usage(&mut usage));
        usage
    }

    pub(super) fn sweep(&self, now: Micros) {
        for shard in &self.shards {
            self.trim(&mut shard.write(), now.as_millis());
        }
    }

    fn change(&self, seq: u64, draft: Draft, entry_version: u32, old: Option<Record>, note: Note) -> Change {
        let region_version = self.region_version.fetch_add(1, Ordering::Relaxed) + 1;
        let record = draft.seal(seq, entry_version, region_version);
        let was_there = old.as_ref().is_some_and(|old| !old.is_tombstone());
        let kind = match record.value() {
            None => ChangeKind::Destroy,
            Some(_) if !was_there => ChangeKind::Create,
            Some(super::Value::Invalid) => ChangeKind::Invalidate,
            Some(_) => ChangeKind::Update,
        };
        Change { region: self.region, kind, record, old, note, goes_on: false }
    }

    fn place(&self, shard: &mut Shard, hash: u64, record: &Record) {
        self.add_entries(shard.put(hash, record.clone(), |other| self.hash(other.key())));
        if record.is_tombstone() {
            self.trim(shard, record.version().timestamp_millis);
        }
    }

    fn trim(&self, shard: &mut Shard, now_millis: i64) {
        let age = i64::try_from(self.tombstones.age.as_millis()).unwrap_or(i64::MAX);
        let most = share(self.tombstones, self.shards.len());
        shard.trim(most, now_millis.saturating_sub(age), |record| self.hash(record.key()));
    }

    fn add_entries(&self, growth: isize) {
        if growth != 0 {
            self.entries.fetch_add(growth, Ordering::Relaxed);
        }
    }

    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        // In range by construction: the index is reduced to the number of shards, which is not 0.
        &self.shards[shard_index(hash)]
    }

    /// Locks the shards of all these keys, in rising order so that two batches never wait for one another.
    fn lock_all(&self, hashes: &[u64]) -> Locked<'_> {
        let mut indices: Vec<usize> = hashes.iter().map(|hash| shard_index(*hash)).collect();
        indices.sort_unstable();
        indices.dedup();
        Locked(indices.into_iter().filter_map(|i| Some((i, self.shards.get(i)?.write()))).collect())
    }
}

/// Shards locked for a batch, by rising index.
struct Locked<'a>(Vec<(usize, RwLockWriteGuard<'a, Shard>)>);

impl Locked<'_> {
    fn shard(&self, hash: u64) -> Option<&Shard> {
        let at = self.0.binary_search_by_key(&shard_index(hash), |(index, _)| *index).ok()?;
        self.0.get(at).map(|(_, shard)| &**shard)
    }

    fn shard_mut(&mut self, hash: u64) -> Option<&mut Shard> {
        let at = self.0.binary_search_by_key(&shard_index(hash), |(index, _)| *index).ok()?;
        self.0.get_mut(at).map(|(_, shard)| &mut **shard)
    }
}

/// What one write of a batch will do, decided before anything is changed.
struct Step {
    entry_version: u32,
    old: Option<Record>,
    /// Index of the write that names the same key before this one does.
    earlier: Option<usize>,
}

/// `None` if any condition does not hold.
fn plan(locked: &Locked<'_>, hashes: &[u64], writes: &[Write]) -> Option<Vec<Step>> {
    let mut plan: Vec<Step> = Vec::with_capacity(writes.len());
    let mut seen: HashTable<usize> = HashTable::with_capacity(writes.len());
    let hash_of = |index: &usize| hashes.get(*index).copied().unwrap_or_default();
    for (index, (hash, write)) in hashes.iter().zip(writes).enumerate() {
        let key = write.draft.key();
        let shard = locked.shard(*hash)?;
        let current = shard.find(*hash, key);
        if !holds(write.expected, current) {
            return None;
        }
        let same_key = |other: &usize| writes.get(*other).is_some_and(|other| other.draft.key() == key);
        let earlier = seen.find_mut(*hash, same_key).map(|last| std::mem::replace(last, index));
        if earlier.is_none() {
            seen.insert_unique(*hash, index, hash_of);
        }
        let entry_version = match earlier.and_then(|earlier| plan.get(earlier)) {
            Some(earlier) => super::next_entry_version(earlier.entry_version),
            None => shard.version_after(current),
        };
        plan.push(Step { entry_version, old: current.cloned(), earlier });
    }
    Some(plan)
}

fn holds(expected: Expected, current: Option<&Record>) -> bool {
    match expected {
        Expected::Any => true,
        Expected::Nothing => current.is_none(),
        Expected::Seq(seq) => current.is_some_and(|record| record.seq() == seq),
    }
}

/// Scales 32 bits of the hash to the number of shards. The table inside a shard goes by the lowest and the highest bits, so
/// these are from between.
fn shard_index(hash: u64) -> usize {
    let bits = (hash >> 20) & 0xFFFF_FFFF;
    // Below SHARDS, because the bits are below 1 << 32.
    ((bits * SHARDS as u64) >> 32) as usize
}

/// Tables of all regions by number; regions are only ever added.
pub(super) type Tables = Vec<Arc<Table>>;
