//! Remembers which events were applied, so that one that comes again is answered and not applied again.
//!
//! A *lane* is one thread of one client: its event numbers rise. Per lane the last operation is remembered with its
//! answer. Whoever wants to apply an event *claims* the lane; a second arrival of the same lane waits until the claim is
//! given back, and then finds the answer.
//!
//! ```text
//!                 begin, number above the highest        finish(answer)
//!   (no claim) ────────────────────────────────► claimed ──────────────► (no claim), highest = number
//!                 begin ──► Busy, waits for ◄────────┤ dropped: the operation failed, nothing is remembered
//! ```
//! Geode: `DistributedEventTracker.java`, and the retry branches of `Put70.java`, `Destroy70.java`, `PutAll80.java`.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use druse_protocol::time::Micros;
use foldhash::quality::RandomState;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::lane::{Answer, Lane, Recall};
use super::lru::Lru;
use super::mutation::EventNumber;
use crate::engine::ClientIdentity;

const SHARDS: usize = 16;

/// How much is remembered. The longest unused goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerBounds {
    /// Threads of one client.
    pub lanes_per_client: usize,
    /// Threads of all clients.
    pub lanes: usize,
    /// Bytes of old values and of versions that are kept for answers. Beyond it such answers are given without them.
    pub pinned_bytes: usize,
    /// Time after which a lane that is not used is forgotten.
    pub age: Duration,
}

impl Default for TrackerBounds {
    /// 300 s is Geode's own (`gemfire.messageTrackingTimeout`). A thousand threads are more than clients have, and
    /// 100 000 lanes take some 20 MB.
    fn default() -> Self {
        Self {
            lanes_per_client: 1_000,
            lanes: 100_000,
            pinned_bytes: 16 << 20,
            age: Duration::from_secs(300),
        }
    }
}

/// What an event that has just arrived is to do.
#[derive(Debug)]
pub(super) enum Begin<'t> {
    /// Apply it, and give the claim its answer. In an operation on many keys the first of them may have been applied.
    Fresh(Claim<'t>, Recall),
    /// All of it was applied before.
    Known(Recall),
    /// Another arrival of this lane is at work: try again when this is cancelled.
    Busy(CancellationToken),
}

/// The memory of one region.
#[derive(Debug)]
pub(super) struct Tracker {
    bounds: TrackerBounds,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    pinned: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shard {
    clients: Lru<ClientIdentity, Lru<i64, Lane>>,
    lanes: usize,
    claims: Vec<Claimed>,
    next_ticket: u64,
}

/// A lane at work.
#[derive(Debug)]
struct Claimed {
    ticket: u64,
    member: ClientIdentity,
    event: EventNumber,
    count: usize,
    /// Made by the first who waits.
    done: Option<CancellationToken>,
}

impl Tracker {
    pub(super) fn new(bounds: TrackerBounds) -> Self {
        Self {
            bounds,
            hasher: RandomState::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
            pinned: AtomicUsize::new(0),
        }
    }

    /// An event that takes `count` numbers has arrived.
    pub(super) fn begin(
        &self,
        member: &ClientIdentity,
        event: EventNumber,
        count: usize,
        now: Micros,
    ) -> Begin<'_> {
        let shard_index = self.shard_index(member);
        let Some(shard) = self.shards.get(shard_index) else { return Begin::Known(Recall::default()) };
        let mut shard = shard.lock();
        let same_lane = |claim: &&mut Claimed| claim.event.thread == event.thread && claim.member == *member;
        if let Some(claim) = shard.claims.iter_mut().find(same_lane) {
            return Begin::Busy(claim.done.get_or_insert_default().clone());
        }
        let recall = shard.recall(member, event, count, now, self.bounds.age);
        if recall.known >= count {
            return Begin::Known(recall);
        }
        let ticket = shard.next_ticket;
        shard.next_ticket += 1;
        shard.claims.push(Claimed { ticket, member: member.clone(), event, count, done: None });
        Begin::Fresh(Claim { tracker: self, shard: shard_index, ticket }, recall)
    }

    /// Takes up a claim that was [laid down](Claim::lay_down).
    pub(super) fn take_up(&self, ticket: Ticket) -> Claim<'_> {
        Claim { tracker: self, shard: ticket.shard, ticket: ticket.ticket }
    }

    /// Forgets lanes that were not used for long.
    pub(super) fn sweep(&self, now: Micros) {
        for shard in &self.shards {
            let freed = shard.lock().sweep(now, self.bounds.age);
            self.pinned.fetch_sub(freed, Ordering::Relaxed);
        }
    }

    /// Lanes remembered, and bytes kept for their answers.
    pub(super) fn usage(&self) -> (usize, usize) {
        let lanes = self.shards.iter().map(|shard| shard.lock().lanes).sum();
        (lanes, self.pinned.load(Ordering::Relaxed))
    }

    fn shard_index(&self, member: &ClientIdentity) -> usize {
        // The remainder is below 16.
        (self.hasher.hash_one(member) % SHARDS as u64) as usize
    }

    fn settle(&self, shard: usize, ticket: u64, answer: Option<(Answer, Micros)>) {
        let Some(shard) = self.shards.get(shard) else { return };
        let mut shard = shard.lock();
        let Some(at) = shard.claims.iter().position(|claim| claim.ticket == ticket) else { return };
        let claim = shard.claims.swap_remove(at);
        if let Some((mut answer, now)) = answer {
            if self.pinned.load(Ordering::Relaxed) + answer.pinned_bytes() > self.bounds.pinned_bytes {
                answer.strip();
            }
            self.pinned.fetch_add(answer.pinned_bytes(), Ordering::Relaxed);
            let lane = Lane::new(claim.event.sequence, claim.count, answer, now);
            let freed = shard.remember(&claim.member, claim.event.thread, lane, &self.bounds);
            self.pinned.fetch_sub(freed, Ordering::Relaxed);
        }
        drop(shard);
        if let Some(done) = claim.done {
            done.cancel();
        }
    }
}

impl Shard {
    fn recall(
        &mut self,
        member: &ClientIdentity,
        event: EventNumber,
        count: usize,
        now: Micros,
        age: Duration,
    ) -> Recall {
        let lane = self.clients.touch(member).and_then(|lanes| lanes.touch(&event.thread));
        let Some(lane) = lane.filter(|lane| !lane.is_stale(now, age)) else { return Recall::default() };
        lane.used(now);
        lane.recall(event.sequence, count)
    }

    /// Returns how many pinned bytes went with what was forgotten.
    fn remember(
        &mut self,
        member: &ClientIdentity,
        thread: i64,
        mut lane: Lane,
        bounds: &TrackerBounds,
    ) -> usize {
        let Some(lanes) = self.clients.touch_or_insert(member, Lru::default) else {
            return lane.pinned_bytes();
        };
        let mut freed = 0;
        let before = lanes.len();
        if let Some(known) = lanes.touch(&thread) {
            std::mem::swap(known, &mut lane);
            return lane.pinned_bytes();
        }
        lanes.touch_or_insert(&thread, || lane);
        while lanes.len() > bounds.lanes_per_client.max(1) {
            freed += lanes.pop_oldest().map_or(0, |(_, lane)| lane.pinned_bytes());
        }
        self.lanes = self.lanes + lanes.len() - before;
        while self.lanes > bounds.lanes.div_ceil(SHARDS) {
            freed += self.forget_oldest();
        }
        freed
    }

    fn forget_oldest(&mut self) -> usize {
        let Some((_, lanes)) = self.clients.oldest_mut() else {
            self.lanes = 0;
            return 0;
        };
        let freed = lanes.pop_oldest().map(|(_, lane)| lane.pinned_bytes());
        if lanes.is_empty() {
            self.clients.pop_oldest();
        }
        self.lanes -= usize::from(freed.is_some());
        freed.unwrap_or(0)
    }

    fn sweep(&mut self, now: Micros, age: Duration) -> usize {
        let (mut freed, mut forgotten) = (0, 0);
        self.clients.retain(|lanes| {
            while lanes.oldest_mut().is_some_and(|(_, lane)| lane.is_stale(now, age)) {
                freed += lanes.pop_oldest().map_or(0, |(_, lane)| lane.pinned_bytes());
                forgotten += 1;
            }
            !lanes.is_empty()
        });
        self.lanes -= forgotten;
        freed
    }
}

/// The right to apply one event. Dropped without an answer it leaves no trace.
#[derive(Debug)]
pub(super) struct Claim<'t> {
    tracker: &'t Tracker,
    shard: usize,
    ticket: u64,
}

/// A claim without its borrow, for whoever goes on later. It must be taken up again.
#[derive(Debug)]
#[must_use = "a claim that is not taken up again blocks its lane for good"]
pub(super) struct Ticket {
    shard: usize,
    ticket: u64,
}

impl Claim<'_> {
    /// The event was answered: remember it.
    pub(super) fn finish(self, answer: Answer, now: Micros) {
        let (tracker, ticket) = (self.tracker, self.lay_down());
        tracker.settle(ticket.shard, ticket.ticket, Some((answer, now)));
    }

    pub(super) fn lay_down(self) -> Ticket {
        let ticket = Ticket { shard: self.shard, ticket: self.ticket };
        std::mem::forget(self);
        ticket
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.tracker.settle(self.shard, self.ticket, None);
    }
}
