//! An engine as a remote log would make one: a write is decided when it arrives there, some time after it was asked for,
//! and writes that were asked for together arrive in any order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use druse_protocol::time::Micros;

use crate::engine::{
    ChangeLog, Engine, EngineError, MemoryEngine, Note, Outcome, Record, RegionId, ScanPosition,
    TombstoneBounds, Usage, Write, Written,
};

/// Completes writes after 250 to 1000 us of the runtime's time.
#[derive(Debug)]
pub(crate) struct DelayedEngine {
    inner: Arc<MemoryEngine>,
    asked: AtomicU64,
    /// While set, writes fail when they arrive.
    pub(crate) unreachable: AtomicBool,
}

impl DelayedEngine {
    pub(crate) fn new(inner: MemoryEngine) -> Self {
        Self { inner: Arc::new(inner), asked: AtomicU64::new(0), unreachable: AtomicBool::new(false) }
    }

    fn later<T: Send + 'static>(
        &self,
        act: impl FnOnce(&MemoryEngine) -> Outcome<Result<T, EngineError>> + Send + 'static,
    ) -> Outcome<Result<T, EngineError>> {
        let (inner, fails) = (Arc::clone(&self.inner), self.unreachable.load(Ordering::SeqCst));
        let way = Duration::from_micros(250 * (1 + self.asked.fetch_add(1, Ordering::SeqCst) * 5 % 4));
        let task = tokio::spawn(async move {
            tokio::time::sleep(way).await;
            if fails { Err(EngineError::Unavailable) } else { act(&inner).finish().await }
        });
        Outcome::Waiting(Box::pin(async move { task.await.unwrap_or(Err(EngineError::Unknown)) }))
    }
}

impl Engine for DelayedEngine {
    fn open(&self, region: RegionId, tombstones: TombstoneBounds) {
        self.inner.open(region, tombstones);
    }

    fn get(&self, region: RegionId, key: &[u8]) -> Option<Record> {
        self.inner.get(region, key)
    }

    fn write(&self, region: RegionId, write: Write, note: Note) -> Outcome<Result<Written, EngineError>> {
        self.later(move |inner| inner.write(region, write, note))
    }

    fn write_all(
        &self,
        region: RegionId,
        writes: Vec<Write>,
        note: Note,
    ) -> Outcome<Result<Vec<Written>, EngineError>> {
        self.later(move |inner| inner.write_all(region, writes, note))
    }

    fn clear(&self, region: RegionId, now: Micros, note: Note) -> Outcome<Result<Record, EngineError>> {
        self.later(move |inner| inner.clear(region, now, note))
    }

    fn scan(&self, region: RegionId, position: &mut ScanPosition, out: &mut Vec<Record>) -> bool {
        self.inner.scan(region, position, out)
    }

    fn len(&self, region: RegionId) -> usize {
        self.inner.len(region)
    }

    fn usage(&self, region: RegionId) -> Usage {
        self.inner.usage(region)
    }

    fn log(&self) -> &Arc<ChangeLog> {
        self.inner.log()
    }

    fn sweep(&self, now: Micros) {
        self.inner.sweep(now);
    }
}
