//! The change log: one order for everything that happens on an engine, and cursors over it.
//!
//! ```text
//!             retained: at most `changes` and `bytes`          ┌ next append
//!   … 38 39 │ 40 41 42 43 44 45 46 47 48 49 │ 50 51 52 53 54 ─┘
//!     lost  │ first                           ▲ cursor: reads from here, learns `Lost(first..=last)` if it fell out
//! ```

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::Change;

/// How much of the log is kept for cursors that stay behind. Whichever bound is reached first counts; a batch that is
/// larger than both is kept until the next change.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Number of changes.
    pub changes: usize,
    /// Bytes of all the records that the changes keep alive, see [`Change::pinned_bytes`].
    pub bytes: usize,
    /// Number of changes as long as no cursor was ever made. Nobody can have stood anywhere then, and history that is
    /// read by nobody costs writers and readers alike their cache.
    pub unread: usize,
}

impl Default for Retention {
    /// Thrice what a feed's shard may be behind before writers wait for it (10 000), within the memory of an idle node.
    fn default() -> Self {
        Self { changes: 30_000, bytes: 16 << 20, unread: 256 }
    }
}

/// Trimming goes this share of a bound below it, so that most appends have nothing to drop.
const SLACK: usize = 64;

/// What the log holds at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogUsage {
    /// Changes that are retained.
    pub changes: usize,
    /// Bytes that they keep alive.
    pub bytes: usize,
    /// Place of the newest change; 0 before the first.
    pub last_seq: u64,
    /// Cursors that exist.
    pub cursors: usize,
}

/// The one ordered log of an engine.
#[derive(Debug)]
pub struct ChangeLog {
    epoch: u32,
    retention: Retention,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    changes: VecDeque<Change>,
    bytes: usize,
    last_seq: u64,
    /// One place per cursor; the waker of those that wait.
    cursors: Vec<Place>,
    waiting: usize,
    /// Whether there ever was a cursor.
    read: bool,
}

#[derive(Debug)]
enum Place {
    Vacant,
    Idle,
    Waiting(Waker),
}

impl ChangeLog {
    /// An empty log. `epoch` tells it apart from the log of an earlier start: 31 random bits, the sign bit is dropped.
    #[must_use]
    pub fn new(epoch: u32, retention: Retention) -> Self {
        let inner = Inner {
            changes: VecDeque::new(),
            bytes: 0,
            last_seq: 0,
            cursors: Vec::new(),
            waiting: 0,
            read: false,
        };
        Self { epoch: epoch & 0x7FFF_FFFF, retention, inner: Mutex::new(inner) }
    }

    /// Tells this log apart from every other: sequence numbers compare only within one epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Place of the newest change; 0 before the first.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.inner.lock().last_seq
    }

    /// What is retained, for metrics.
    #[must_use]
    pub fn usage(&self) -> LogUsage {
        let inner = self.inner.lock();
        let cursors = inner.cursors.iter().filter(|place| !matches!(place, Place::Vacant)).count();
        LogUsage { changes: inner.changes.len(), bytes: inner.bytes, last_seq: inner.last_seq, cursors }
    }

    /// A cursor whose first change is the one after `seq`, be it retained, lost or yet to come. A `seq` beyond the
    /// newest change is taken for the newest.
    #[must_use]
    pub fn cursor_after(self: &Arc<Self>, seq: u64) -> Cursor {
        self.cursor(Some(seq))
    }

    /// A cursor whose first change is the next one to be written.
    #[must_use]
    pub fn cursor_at_end(self: &Arc<Self>) -> Cursor {
        self.cursor(None)
    }

    /// Appends what belongs together, under one lock: `make` is given the place of each change in turn and returns the
    /// change at that place, and `None` after the last. [`Change::goes_on`] is set here.
    ///
    /// Engines call this while they hold the locks of every key concerned, so the log's order is the order of each key.
    pub(super) fn append(&self, mut make: impl FnMut(u64) -> Option<Change>) {
        let mut inner = self.inner.lock();
        let before = inner.changes.len();
        while let Some(mut change) = make(inner.last_seq + 1) {
            change.goes_on = false;
            inner.last_seq += 1;
            inner.bytes += change.pinned_bytes();
            if inner.changes.len() > before
                && let Some(previous) = inner.changes.back_mut()
            {
                previous.goes_on = true;
            }
            inner.changes.push_back(change);
        }
        let dropped = inner.trim(self.retention);
        let wakers = inner.take_wakers();
        drop(inner);
        // Freed records and woken tasks are nobody's business who waits for the lock.
        drop(dropped);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn cursor(self: &Arc<Self>, after: Option<u64>) -> Cursor {
        let mut inner = self.inner.lock();
        let vacant = inner.cursors.iter().position(|place| matches!(place, Place::Vacant));
        let place = vacant.unwrap_or_else(|| {
            inner.cursors.push(Place::Vacant);
            inner.cursors.len() - 1
        });
        inner.set_place(place, Place::Idle);
        inner.read = true;
        let next = after.map_or(inner.last_seq, |seq| seq.min(inner.last_seq)) + 1;
        Cursor { log: Arc::clone(self), next, place }
    }
}

impl Inner {
    fn first_seq(&self) -> u64 {
        self.changes.front().map_or(self.last_seq + 1, Change::seq)
    }

    /// Takes whole batches off the front once a bound is passed; the newest batch always stays. Goes a little below
    /// the bounds, so that most appends have nothing to do here.
    fn trim(&mut self, retention: Retention) -> Vec<Change> {
        let most = if self.read { retention.changes } else { retention.changes.min(retention.unread) };
        if self.changes.len() <= most && self.bytes <= retention.bytes {
            return Vec::new();
        }
        let (changes, bytes) = (most - most / SLACK, retention.bytes - retention.bytes / SLACK);
        let mut dropped = Vec::with_capacity(self.changes.len().saturating_sub(changes));
        while self.changes.len() > changes || self.bytes > bytes {
            let batch = 1 + self.changes.iter().take_while(|change| change.goes_on).count();
            if batch >= self.changes.len() {
                break;
            }
            for change in self.changes.drain(..batch) {
                self.bytes = self.bytes.saturating_sub(change.pinned_bytes());
                dropped.push(change);
            }
        }
        dropped
    }

    fn take_wakers(&mut self) -> Vec<Waker> {
        if self.waiting == 0 {
            return Vec::new();
        }
        self.waiting = 0;
        let woken = |place: &mut Place| match std::mem::replace(place, Place::Vacant) {
            Place::Vacant => None,
            Place::Idle => {
                *place = Place::Idle;
                None
            }
            Place::Waiting(waker) => {
                *place = Place::Idle;
                Some(waker)
            }
        };
        self.cursors.iter_mut().filter_map(woken).collect()
    }

    fn set_place(&mut self, at: usize, new: Place) {
        if let Some(place) = self.cursors.get_mut(at) {
            self.waiting -= usize::from(matches!(place, Place::Waiting(_)));
            self.waiting += usize::from(matches!(new, Place::Waiting(_)));
            *place = new;
        }
    }
}

/// What [`Cursor::read`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorRead {
    /// Changes were added, in order; more may be there.
    Changes,
    /// The cursor stands behind the newest change.
    CaughtUp,
    /// These were dropped before the cursor came to them. It goes on behind them.
    Lost(RangeInclusive<u64>),
}

/// A reader of the log that stands between two changes. It costs nothing while it stands still.
#[derive(Debug)]
pub struct Cursor {
    log: Arc<ChangeLog>,
    next: u64,
    place: usize,
}

impl Cursor {
    /// Place of the change that [`Cursor::read`] will give next.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// How many changes stand between the cursor and the end of the log.
    #[must_use]
    pub fn behind(&self) -> u64 {
        (self.log.last_seq() + 1).saturating_sub(self.next)
    }

    /// Adds the next changes to `out`: about `most` of them, and more only to bring the last batch to its end.
    pub fn read(&mut self, most: usize, out: &mut Vec<Change>) -> CursorRead {
        let inner = self.log.inner.lock();
        let first = inner.first_seq();
        if self.next < first {
            let lost = self.next..=first - 1;
            self.next = first;
            return CursorRead::Lost(lost);
        }
        let skip = usize::try_from(self.next - first).unwrap_or(usize::MAX);
        let mut taken = 0_usize;
        for change in inner.changes.iter().skip(skip) {
            out.push(change.clone());
            taken += 1;
            if taken >= most && !change.goes_on {
                break;
            }
        }
        self.next += taken as u64;
        if taken == 0 { CursorRead::CaughtUp } else { CursorRead::Changes }
    }

    /// Returns as soon as [`Cursor::read`] has something to say.
    pub async fn ready(&mut self) {
        std::future::poll_fn(|context| self.poll_ready(context)).await;
    }

    /// [`Cursor::ready`] for owners of several cursors.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.log.inner.lock();
        if inner.last_seq >= self.next {
            return Poll::Ready(());
        }
        inner.set_place(self.place, Place::Waiting(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.log.inner.lock().set_place(self.place, Place::Vacant);
    }
}
