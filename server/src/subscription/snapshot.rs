//! What a registration is answered with: the entries as they stood at the registration's line, so that every event that
//! comes afterwards is newer than what the answer says.
//!
//! ```text
//!  snapshot(key) = what stood there before the first change behind the line, else what stands there now
//! ```
//! The shard writes down what stood before as changes pass; the session that answers walks the region meanwhile and looks
//! here. RFC.md section 12.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::cq::CqTarget;
use super::frames::CqHit;
use super::interest::{Interest, Matcher};
use super::shared::SharedChange;
#[cfg(test)]
use super::sim::bug::{self, Bug};
use crate::engine::{Record, RegionId};

/// The entries at a line, as far as they differ from now.
pub(crate) struct Snapshot {
    region: RegionId,
    target: Target,
    /// Changes up to this place are in; later ones are not.
    line: u64,
    before: Mutex<HashMap<Box<[u8]>, Noted>>,
    /// The shard has looked at all changes up to this place.
    passed: AtomicU64,
    progress: Notify,
}

/// What is known of a key that has changed behind the line.
struct Noted {
    /// What stood there at the line, until it has been told.
    before: Option<Record>,
    /// Place of the last change that the client is told.
    last: u64,
}

/// Which changes count.
enum Target {
    Interest(Matcher),
    Query(CqTarget),
}

impl Snapshot {
    pub(super) fn of_interest(region: RegionId, interest: Matcher, line: u64, passed: u64) -> Arc<Self> {
        Self::new(region, Target::Interest(interest), line, passed)
    }

    pub(super) fn of_query(region: RegionId, query: CqTarget, line: u64, passed: u64) -> Arc<Self> {
        Self::new(region, Target::Query(query), line, passed)
    }

    fn new(region: RegionId, target: Target, line: u64, passed: u64) -> Arc<Self> {
        #[cfg(test)]
        let line = if bug::is_in(Bug::SnapshotAtNow) { u64::MAX } else { line };
        Arc::new(Self {
            region,
            target,
            line,
            before: Mutex::default(),
            passed: AtomicU64::new(passed),
            progress: Notify::new(),
        })
    }

    /// A change that goes to the client because of its interest, or because of one of its queries. Of those behind the
    /// line the first one of its key says what stood there at the line. What the client is not told for the sake of this
    /// registration does not count: the snapshot has to bring it.
    pub(super) fn note(&self, shared: &SharedChange, interest: Option<bool>, hit: Option<&CqHit>) {
        let counts = match &self.target {
            Target::Interest(target) => interest.is_some() && target.concerns(shared.key()),
            Target::Query(query) => hit.is_some_and(|hit| hit.name == query.name),
        };
        if !counts || shared.change.region != self.region || shared.seq() <= self.line {
            return;
        }
        let mut before = self.before.lock();
        match before.get_mut(shared.key()) {
            Some(noted) => noted.last = noted.last.max(shared.seq()),
            None => {
                let noted = Noted { before: shared.old().cloned(), last: shared.seq() };
                before.insert(shared.key().into(), noted);
            }
        }
    }

    /// All changes up to `seq` have been noted.
    pub(super) fn passed(&self, seq: u64) {
        self.passed.store(seq, Ordering::Release);
        self.progress.notify_waiters();
    }

    /// Whether the entry of that key is one that the snapshot is about.
    pub(crate) fn is_about(&self, record: &Record) -> bool {
        match &self.target {
            Target::Interest(interest) => interest.concerns(record.key()),
            Target::Query(query) => query.is_about(record),
        }
    }

    /// The one key that it is about, if it is about one.
    pub(crate) fn only_key(&self) -> Option<&[u8]> {
        match &self.target {
            Target::Interest(interest) => match interest.interest() {
                Interest::Key(key) => Some(key),
                Interest::All | Interest::Pattern(_) => None,
            },
            Target::Query(_) => None,
        }
    }

    /// The entry at the line, of which `now` stands there now; `Err` if it cannot be told before the shard has come to that
    /// place of the log.
    pub(crate) fn entry(&self, now: &Record) -> Result<Option<Record>, u64> {
        if now.seq() <= self.line {
            if matches!(self.target, Target::Query(_)) {
                // A row is told once: a change that comes before the walk ends must not make `rest` tell it again. Of
                // entries the client makes one, however often they come.
                let told = Noted { before: None, last: now.seq() };
                self.before.lock().entry(now.key().into()).or_insert(told);
            }
            return Ok(Some(now.clone()));
        }
        if !self.has_passed(now.seq()) {
            return Err(now.seq());
        }
        // What has been told is not told again by `rest`.
        match self.before.lock().get_mut(now.key()) {
            Some(noted) => {
                let before = noted.before.take();
                Ok(if self.is_untold(now, noted.last) { Some(now.clone()) } else { before })
            }
            // A change that does not count, such as one of the client's own.
            None => Ok(Some(now.clone())),
        }
    }

    /// Whether an entry is as a change has made it that the client is not told, being its own, although it is told of
    /// changes before it: nothing else would bring it.
    fn is_untold(&self, now: &Record, last_told: u64) -> bool {
        matches!(self.target, Target::Interest(_)) && now.seq() > last_told
    }

    /// What stood there at the line and has not been told: entries that are gone now.
    pub(crate) fn rest(&self) -> Vec<Record> {
        let gone = self.before.lock().values_mut().filter_map(|it| it.before.take()).collect::<Vec<_>>();
        gone.into_iter().filter(|record| self.is_about(record)).collect()
    }

    /// Whether the shard has come to that place of the log.
    pub(crate) fn has_passed(&self, seq: u64) -> bool {
        self.passed.load(Ordering::Acquire) >= seq
    }

    /// Returns when the shard has come to that place of the log.
    pub(crate) async fn reaches(self: Arc<Self>, seq: u64) {
        loop {
            let progress = self.progress.notified();
            if self.has_passed(seq) {
                return;
            }
            progress.await;
        }
    }
}
