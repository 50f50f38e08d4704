//! A change as all feeds of a shard share it: the records, and the frame in which most of them send it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::frames;
use super::stamp::Stamp;
use crate::engine::{Change, Record};
use crate::metrics::Metrics;
use crate::region::Region;

/// A change that somebody waits for. Encoded once for all feeds that want nothing but the change itself.
pub(crate) struct SharedChange {
    pub(super) change: Change,
    pub(super) region: Arc<Region>,
    with_value: OnceLock<Bytes>,
    without_value: OnceLock<Bytes>,
    _kept: Kept,
}

/// Counts what is kept alive, as long as it is.
struct Kept {
    bytes: i64,
    metrics: Arc<Metrics>,
}

impl Kept {
    fn new(change: &Change, metrics: &Arc<Metrics>) -> Self {
        let bytes = i64::try_from(change.pinned_bytes()).unwrap_or(i64::MAX);
        metrics.feeds.kept_bytes.add(bytes);
        Self { bytes, metrics: Arc::clone(metrics) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.metrics.feeds.kept_bytes.add(-self.bytes);
    }
}

impl SharedChange {
    pub(super) fn new(change: Change, region: Arc<Region>, metrics: &Arc<Metrics>) -> Arc<Self> {
        let kept = Kept::new(&change, metrics);
        Arc::new(Self {
            change,
            region,
            with_value: OnceLock::new(),
            without_value: OnceLock::new(),
            _kept: kept,
        })
    }

    pub(super) fn seq(&self) -> u64 {
        self.change.seq()
    }

    pub(super) fn key(&self) -> &[u8] {
        self.change.record.key()
    }

    /// What stood under the key before; `None` if nothing did.
    pub(super) fn old(&self) -> Option<&Record> {
        self.change.old.as_ref().filter(|old| !old.is_tombstone())
    }

    /// The frame for everybody who has interest and no query.
    pub(super) fn frame(&self, values: bool, stamp: &Stamp) -> Bytes {
        let place = if values { &self.with_value } else { &self.without_value };
        place.get_or_init(|| frames::event(self, Some(values), &[], stamp, 0)).clone()
    }
}
