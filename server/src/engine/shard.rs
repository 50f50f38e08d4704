//! One shard of a region's table: what stands behind one lock.

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::{Record, TombstoneBounds, next_entry_version};

/// The highest version that a key without a record goes on from. A client takes a tag for stale if it is behind the one it
/// has cached, and for one that wrapped if the two differ by more than 65 536 (`AbstractRegionEntry.java`,
/// `checkForConflict`): going on from here serves all keys that were changed less often than that.
const HIGHEST_FLOOR: u32 = 0xFFFF;

/// Records by key, and what was counted about them.
#[derive(Debug, Default)]
pub(super) struct Shard {
    records: HashTable<Record>,
    /// Tombstones in the order of their making, those included that were overwritten since.
    graves: VecDeque<Record>,
    tombstones: usize,
    key_bytes: usize,
    value_bytes: usize,
    /// The highest entry version that was given out.
    top_version: u32,
    /// The entry version that keys without a record go on from.
    floor: u32,
}

impl Shard {
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<&Record> {
        self.records.find(hash, |record| record.key() == key)
    }

    /// The entry version of the record that will follow `current`.
    pub(super) fn version_after(&self, current: Option<&Record>) -> u32 {
        next_entry_version(current.map_or(self.floor, |record| record.version().entry))
    }

    /// Puts `record` in the place of whatever has its key. The growth of the number of existing keys is returned.
    pub(super) fn put(&mut self, hash: u64, record: Record, hasher: impl Fn(&Record) -> u64) -> isize {
        let is_tombstone = record.is_tombstone();
        self.top_version = self.top_version.max(record.version().entry);
        if is_tombstone {
            self.graves.push_back(record.clone());
        }
        self.count(&record, true);
        let slot = self.records.entry(hash, |other| other.key() == record.key(), hasher);
        let was_there = match slot {
            hashbrown::hash_table::Entry::Occupied(mut slot) => {
                let old = std::mem::replace(slot.get_mut(), record);
                self.count(&old, false);
                !old.is_tombstone()
            }
            hashbrown::hash_table::Entry::Vacant(slot) => {
                slot.insert(record);
                false
            }
        };
        isize::from(!is_tombstone) - isize::from(was_there)
    }

    /// Buries for good what is over the bounds.
    pub(super) fn trim(&mut self, most: usize, oldest_millis: i64, hash: impl Fn(&Record) -> u64) {
        while let Some(grave) = self.graves.front() {
            if self.graves.len() <= most && grave.version().timestamp_millis > oldest_millis {
                break;
            }
            if let Some(grave) = self.graves.pop_front()
                && let Ok(slot) = self.records.find_entry(hash(&grave), |record| record.same(&grave))
            {
                slot.remove();
                self.count(&grave, false);
                self.floor = self.floor.max(grave.version().entry.min(HIGHEST_FLOOR));
            }
        }
    }

    /// Takes everything out. The number of keys that existed is returned with what has to be freed.
    pub(super) fn clear(&mut self) -> (usize, Self) {
        let floor = self.floor.max(self.top_version.min(HIGHEST_FLOOR));
        let emptied = std::mem::replace(self, Self { floor, top_version: floor, ..Self::default() });
        (emptied.entries(), emptied)
    }

    pub(super) fn entries(&self) -> usize {
        self.records.len() - self.tombstones
    }

    pub(super) fn existing(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| !record.is_tombstone())
    }

    pub(super) fn add_usage(&self, usage: &mut super::Usage) {
        // What glibc adds to an allocation and rounds it by, on average.
        const ALLOCATOR: usize = 16;
        let graves = self.graves.capacity() * size_of::<Record>();
        usage.entries += self.entries();
        usage.tombstones += self.tombstones;
        usage.key_bytes += self.key_bytes;
        usage.value_bytes += self.value_bytes;
        usage.overhead_bytes += self.records.allocation_size()
            + graves
            + self.records.len() * (super::RECORD_OVERHEAD + ALLOCATOR)
            + size_of::<Self>();
    }

    fn count(&mut self, record: &Record, comes: bool) {
        let key = record.key().len();
        let value = record.payload_len() - key;
        let tombstones = usize::from(record.is_tombstone());
        let change = |total: &mut usize, by: usize| {
            *total = if comes { *total + by } else { total.saturating_sub(by) };
        };
        change(&mut self.key_bytes, key);
        change(&mut self.value_bytes, value);
        change(&mut self.tombstones, tombstones);
    }
}

/// The share of a bound that one of `shards` shards keeps, rounded up unless it is nothing.
pub(super) fn share(bounds: TombstoneBounds, shards: usize) -> usize {
    bounds.count.div_ceil(shards)
}
