//! When which login ends: one entry for each cell, in order of time.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use druse_protocol::time::Micros;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::cell::Cell;

/// The table of ends. It only starts things: the cut itself is a comparison with the time at each operation, so that a
/// late timer never lets anything pass.
#[derive(Default)]
pub(crate) struct Deadlines {
    ends: Mutex<BTreeMap<(Micros, u64), Weak<Cell>>>,
    /// The earliest end has changed.
    sooner: Notify,
}

impl Deadlines {
    /// Puts the end of a cell's login in place of the one before. `Micros::MAX` is no end.
    pub(super) fn set(&self, cell: &Arc<Cell>, before: Micros, end: Micros) {
        let serial = cell.serial();
        let mut ends = self.ends.lock();
        ends.remove(&(before, serial));
        if end == Micros::MAX || end == Micros::MIN {
            return;
        }
        let earliest = ends.first_key_value().is_none_or(|(&(first, _), _)| end < first);
        ends.insert((end, serial), Arc::downgrade(cell));
        drop(ends);
        if earliest {
            self.sooner.notify_one();
        }
    }

    /// Takes a cell's entry out.
    pub(super) fn remove(&self, end: Micros, serial: u64) {
        self.ends.lock().remove(&(end, serial));
    }

    /// The earliest end.
    pub(crate) fn next(&self) -> Option<Micros> {
        self.ends.lock().first_key_value().map(|(&(end, _), _)| end)
    }

    /// Takes out the cells whose end has come.
    pub(super) fn due(&self, now: Micros) -> Vec<Arc<Cell>> {
        let mut ends = self.ends.lock();
        // What stays begins right after the last entry that `now` reaches.
        let later = ends.split_off(&(Micros(now.0.saturating_add(1)), 0));
        let due = std::mem::replace(&mut *ends, later);
        drop(ends);
        due.into_values().filter_map(|cell| cell.upgrade()).collect()
    }

    /// Waits until the earliest end may have become earlier.
    pub(super) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    /// How many ends there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.ends.lock().len()
    }
}
