//! Visits every entry of a region without holding a lock between two steps.

use std::sync::Arc;

use super::Region;
use crate::engine::{Record, ScanPosition};

/// A walk over the entries of a region. An entry whose key exists from the first step to the last is given exactly once;
/// keys that come or go meanwhile may be given or not. It holds pointers to one shard's records: a few thousandths of the region.
#[derive(Debug)]
pub struct Scan {
    region: Arc<Region>,
    position: ScanPosition,
    shard: Vec<Record>,
}

impl Scan {
    /// A walk over nothing.
    pub(crate) fn over(region: Arc<Region>) -> Self {
        Self { position: ScanPosition::END, ..Self::new(region) }
    }

    pub(super) fn new(region: Arc<Region>) -> Self {
        Self { region, position: ScanPosition::default(), shard: Vec::new() }
    }
}

impl Iterator for Scan {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.shard.pop() {
                return Some(record);
            }
            if !self.region.engine.scan(self.region.id, &mut self.position, &mut self.shard) {
                return None;
            }
        }
    }
}
