//! A share of the node's feeds, and the one cursor over the change log that serves them all.
//!
//! ```text
//!  log … 41 42 43 ─► cursor ─► index: interest, queries ─► lane of a feed ─► batch ─► socket
//! ```
//! No IO, no clock, no locks of its own: whoever owns a shard tells it what has happened and asks it what to write.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use druse_protocol::message::key::KeyRef;
use druse_protocol::time::Micros;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::FeedId;
use super::batch::{Batch, Wish};
use super::cq::QueryIndex;
use super::feed::{Feed, Turn};
use super::frames::CqHit;
use super::interest::{InterestIndex, Subscriber};
use super::open::TimedOut;
use super::policies::FeedPolicies;
use super::shared::SharedChange;
use super::stamp::Stamp;
use crate::engine::{Change, ChangeKind, Cursor, CursorRead, RegionId};
use crate::metrics::Metrics;
use crate::pdx::PdxRegistry;
use crate::region::{Region, RegionRegistry};
use crate::security::Security;

/// Changes that are looked at before somebody else has a turn.
const STRIDE: usize = 256;

/// A shard may always be this many changes behind. With small values it is ten thousand, as the log keeps thirty.
const LEAST_BEHIND: u64 = 256;

/// What the shards of a node share.
pub(crate) struct ShardContext {
    pub(crate) regions: Arc<RegionRegistry>,
    pub(crate) security: Option<Arc<Security>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pdx: Arc<PdxRegistry>,
    pub(crate) policies: FeedPolicies,
    /// The node's member bytes, as event ids have them.
    pub(crate) member: Vec<u8>,
}

/// A share of the node's feeds.
pub(crate) struct Shard {
    pub(super) context: Arc<ShardContext>,
    /// Made with the first feed: a log that nobody reads need not be kept.
    cursor: Option<Cursor>,
    pub(super) stamp: Stamp,
    random: StdRng,
    feeds: HashMap<FeedId, Feed, foldhash::fast::RandomState>,
    next_feed: u32,
    pub(super) by_key: HashMap<Box<[u8]>, FeedId>,
    pub(super) regions: HashMap<RegionId, RegionFeeds>,
    /// When a feed has something to do although nothing comes: one entry for each.
    timers: BTreeSet<(Micros, FeedId)>,
    armed: HashMap<FeedId, Micros>,
    /// Feeds that are to be looked at, in the order in which they have their turn.
    dirty: VecDeque<FeedId>,
    /// Durable clients that did not come back in time.
    pub(super) timed_out: TimedOut,
    read: Vec<Change>,
    /// Whether a feed has a snapshot under way: hardly ever, and then all feeds are looked through.
    has_snapshots: bool,
}

/// Who is to be told of the changes of a region.
pub(super) struct RegionFeeds {
    pub(super) region: Arc<Region>,
    pub(super) interest: InterestIndex,
    pub(super) queries: QueryIndex,
}

impl Shard {
    /// A shard without feeds. `seed` decides what is random in it, `start` is later than any earlier start of the node.
    pub(crate) fn new(context: Arc<ShardContext>, seed: u64, start: Micros) -> Self {
        let epoch = context.regions.engine().log().epoch();
        Self {
            cursor: None,
            stamp: Stamp::new(epoch, context.member.clone(), start),
            random: StdRng::seed_from_u64(seed),
            feeds: HashMap::default(),
            next_feed: 0,
            by_key: HashMap::new(),
            regions: HashMap::new(),
            timers: BTreeSet::new(),
            armed: HashMap::new(),
            dirty: VecDeque::new(),
            timed_out: TimedOut::default(),
            read: Vec::new(),
            has_snapshots: false,
            context,
        }
    }

    /// The place up to which all changes have been looked at.
    pub(super) fn passed(&self) -> u64 {
        match &self.cursor {
            Some(cursor) => cursor.next_seq() - 1,
            None => self.context.regions.engine().log().last_seq(),
        }
    }

    /// How many changes may not have been looked at before whoever writes has to wait: a third of what the log keeps.
    pub(crate) fn most_behind(&self) -> u64 {
        let kept = self.context.regions.engine().log().usage().changes as u64;
        (kept / 3).max(LEAST_BEHIND)
    }

    /// How many changes have not been looked at.
    pub(crate) fn behind(&self) -> u64 {
        self.cursor.as_ref().map_or(0, Cursor::behind)
    }

    /// Returns as soon as there is a change to be looked at.
    pub(crate) async fn ready(&mut self) {
        match &mut self.cursor {
            Some(cursor) => cursor.ready().await,
            None => std::future::pending().await,
        }
    }

    /// Looks at the next changes. Returns whether there may be more.
    pub(crate) fn advance(&mut self, now: Micros) -> bool {
        let Some(cursor) = &mut self.cursor else { return false };
        let mut read = std::mem::take(&mut self.read);
        let outcome = cursor.read(STRIDE, &mut read);
        for change in read.drain(..) {
            self.route(change, now);
        }
        self.read = read;
        match outcome {
            CursorRead::CaughtUp => return false,
            CursorRead::Changes => {}
            CursorRead::Lost(range) => self.lose(*range.start(), *range.end(), now),
        }
        self.tell_snapshots();
        true
    }

    fn tell_snapshots(&mut self) {
        if !std::mem::take(&mut self.has_snapshots) {
            return;
        }
        let passed = self.passed();
        for feed in self.feeds.values_mut().filter(|feed| !feed.snapshots.is_empty()) {
            feed.snapshots.retain(|snapshot| match snapshot.upgrade() {
                Some(snapshot) => {
                    snapshot.passed(passed);
                    true
                }
                None => false,
            });
            self.has_snapshots |= !feed.snapshots.is_empty();
        }
    }

    /// Hands a change to everybody who is to have it.
    fn route(&mut self, change: Change, now: Micros) {
        let Some(entry) = self.regions.get(&change.region) else { return };
        let shared = SharedChange::new(change, Arc::clone(&entry.region), &self.context.metrics);
        let text = match entry.interest.looks_at_text() {
            true => KeyRef::from_canonical(shared.key()).text(),
            false => None,
        };
        let text = text.as_deref();
        let Self { context, stamp, feeds, dirty, .. } = self;
        let turn = Turn::new(context, stamp, now, 0.0);
        let mut offer = |feed: FeedId, lane: u32, after: u64, interest: Option<bool>, hit: Option<CqHit>| {
            let Some(feed) = feeds.get_mut(&feed).filter(|_| after < shared.seq()) else { return };
            if interest.is_some() && shared.change.note.origin.as_ref() == Some(&feed.client.identity) {
                // Whoever changed it knows.
                return;
            }
            feed.offer(lane, &shared, interest, hit, &turn);
            if !std::mem::replace(&mut feed.is_dirty, true) {
                dirty.push_back(feed.id);
            }
        };
        let mut late = Vec::new();
        let interested = |it: Subscriber| {
            if it.values && it.after >= shared.seq() {
                late.push(it.feed);
            }
            offer(it.feed, 0, it.after, Some(it.values), None);
        };
        if shared.change.kind == ChangeKind::Clear {
            entry.interest.of_region(interested);
        } else {
            entry.interest.of_key(shared.key(), text, interested);
        }
        entry.queries.matching(&shared, &context.pdx, |it, operation| {
            let hit = CqHit { name: Arc::clone(&it.name), operation };
            offer(it.feed, it.lane, it.after, None, Some(hit));
        });
        // Interest in values that came after the change is answered as of the lane's line: an older interest in keys alone
        // must not take the value away behind the answer.
        for id in late {
            if let Some(lane) = feeds.get_mut(&id).and_then(|feed| feed.lane(0)) {
                lane.last_wants_value(shared.seq());
            }
        }
    }

    /// The log was trimmed before it was looked at: every feed has missed something.
    fn lose(&mut self, first: u64, last: u64, now: Micros) {
        tracing::error!(first, last, "changes were dropped before feeds saw them: resynchronising all");
        for id in self.feeds.keys().copied().collect::<Vec<_>>() {
            self.with_feed(id, now, |feed, turn| feed.miss(first, last, turn));
        }
    }

    /// Lets a feed do something, after which it is to be looked at.
    pub(super) fn with_feed<T>(
        &mut self,
        id: FeedId,
        now: Micros,
        act: impl FnOnce(&mut Feed, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let outcome = self.quietly(id, now, act);
        self.has_snapshots |= self.feeds.get(&id).is_some_and(|feed| !feed.snapshots.is_empty());
        self.mark(id);
        outcome
    }

    /// Lets a feed do something, and determines anew when it has something to do although nothing comes.
    fn quietly<T>(
        &mut self,
        id: FeedId,
        now: Micros,
        act: impl FnOnce(&mut Feed, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let Self { context, stamp, random, feeds, .. } = self;
        let feed = feeds.get_mut(&id)?;
        let mut turn = Turn::new(context, stamp, now, random.random());
        let outcome = act(feed, &mut turn);
        let deadline = feed.deadline(&context.policies);
        let orphaned = std::mem::take(&mut feed.orphaned);
        self.arm_by(id, deadline);
        for name in orphaned {
            self.forget_query(id, &name);
        }
        Some(outcome)
    }

    /// The feed is to be looked at.
    pub(crate) fn mark(&mut self, id: FeedId) {
        if let Some(feed) = self.feeds.get_mut(&id)
            && !std::mem::replace(&mut feed.is_dirty, true)
        {
            self.dirty.push_back(id);
        }
    }

    /// How many feeds are to be looked at.
    pub(crate) fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// Takes the feed that is to be looked at next.
    pub(crate) fn next_dirty(&mut self) -> Option<FeedId> {
        let id = self.dirty.pop_front()?;
        if let Some(feed) = self.feeds.get_mut(&id) {
            feed.is_dirty = false;
        }
        Some(id)
    }

    /// Fills a batch with what a feed may send now.
    pub(crate) fn fill(&mut self, id: FeedId, batch: &mut Batch, now: Micros) -> Wish {
        let wish = self.quietly(id, now, |feed, turn| feed.fill(batch, turn));
        wish.unwrap_or(Wish::Cut)
    }

    /// A feed's socket took that many bytes of the batch.
    pub(crate) fn written(&mut self, id: FeedId, batch: &mut Batch, taken: usize, now: Micros) {
        self.quietly(id, now, |feed, turn| feed.written(batch, taken, turn));
    }

    /// Does what is due on a feed that cannot send at present. Returns whether its socket is to be closed.
    pub(crate) fn attend(&mut self, id: FeedId, now: Micros) -> bool {
        let goes_on = self.quietly(id, now, |feed, turn| feed.attend(turn)).unwrap_or(false);
        if !goes_on
            && self.feed(id).is_some_and(|feed| !feed.connected && (feed.leaves || !feed.is_durable()))
        {
            self.remove(id);
        }
        !goes_on
    }

    /// What is sent before anything else.
    pub(crate) fn greet(&mut self, id: FeedId, welcome: Bytes) {
        if let Some(feed) = self.feeds.get_mut(&id) {
            feed.owed.push_front(welcome);
        }
        self.mark(id);
    }

    /// A feed's socket is gone.
    pub(crate) fn disconnected(&mut self, id: FeedId, now: Micros) {
        match self.with_feed(id, now, |feed, turn| feed.disconnect(turn)) {
            Some(true) => self.remove(id),
            Some(false) => self.drop_what_is_not_durable(id),
            None => {}
        }
    }

    /// What a durable client has not asked to be kept while it is away goes.
    fn drop_what_is_not_durable(&mut self, id: FeedId) {
        let Some(feed) = self.feeds.get(&id).filter(|feed| feed.is_durable()) else { return };
        let interest: Vec<_> = feed.interest.iter().filter(|it| !it.durable).cloned().collect();
        let queries: Vec<_> =
            feed.cqs.iter().filter(|cq| !cq.durable).map(|cq| Arc::clone(&cq.name)).collect();
        for registration in interest {
            self.forget_interest(id, registration.region, &registration.interest);
        }
        for name in queries {
            self.forget_query(id, &name);
        }
    }

    /// Takes a feed out, with everything that belongs to it.
    pub(super) fn remove(&mut self, id: FeedId) {
        let Some(mut feed) = self.feeds.remove(&id) else { return };
        self.by_key.remove(&feed.key);
        self.arm(id, None);
        let registrations = i64::try_from(feed.interest.len() + feed.cqs.len()).unwrap_or_default();
        self.context.metrics.feeds.registrations.add(-registrations);
        for registration in std::mem::take(&mut feed.interest) {
            if let Some(entry) = self.regions.get_mut(&registration.region) {
                entry.interest.remove(&registration.interest, id);
            }
        }
        for cq in std::mem::take(&mut feed.cqs) {
            if let Some(entry) = self.regions.get_mut(&cq.region) {
                entry.queries.remove(id, &cq.name);
            }
        }
        self.regions.retain(|_, entry| !entry.interest.is_empty() || !entry.queries.is_empty());
        feed.leave(&self.context.metrics.feeds);
    }

    /// Takes a new feed in.
    pub(super) fn insert(&mut self, make: impl FnOnce(FeedId) -> Feed) -> FeedId {
        let log = self.context.regions.engine().log();
        self.cursor.get_or_insert_with(|| log.cursor_at_end());
        let id = FeedId(self.next_feed);
        self.next_feed = self.next_feed.wrapping_add(1);
        let feed = make(id);
        self.by_key.insert(feed.key.clone(), id);
        self.feeds.insert(id, feed);
        self.context.metrics.feeds.live.inc();
        self.context.metrics.feeds.away.inc();
        id
    }

    pub(super) fn feed_mut(&mut self, id: FeedId) -> Option<&mut Feed> {
        self.feeds.get_mut(&id)
    }

    pub(super) fn feed(&self, id: FeedId) -> Option<&Feed> {
        self.feeds.get(&id)
    }

    /// The feed of a client, if it has one.
    pub(super) fn find(&self, key: &[u8]) -> Option<FeedId> {
        self.by_key.get(key).copied()
    }

    /// Who is told of the changes of a region.
    pub(super) fn entry(&mut self, region: &Arc<Region>) -> &mut RegionFeeds {
        self.regions.entry(region.id()).or_insert_with(|| RegionFeeds {
            region: Arc::clone(region),
            interest: InterestIndex::default(),
            queries: QueryIndex::default(),
        })
    }

    /// When the next feed has something to do although nothing comes.
    pub(crate) fn next_timer(&self) -> Option<Micros> {
        self.timers.first().map(|&(at, _)| at)
    }

    /// Marks the feeds whose time has come, and lets go of those whose clients have not come back.
    pub(crate) fn on_timers(&mut self, now: Micros) {
        while let Some(&(at, id)) = self.timers.first()
            && at <= now
        {
            self.arm(id, None);
            if self.feeds.get(&id).is_some_and(|feed| feed.is_over(now)) {
                self.time_out(id);
            } else {
                self.mark(id);
            }
        }
    }

    fn time_out(&mut self, id: FeedId) {
        if let Some(feed) = self.feeds.get(&id) {
            tracing::info!(client = %feed.client.name, "the client did not come back: its queue goes");
            if feed.is_durable() {
                self.timed_out.remember(&feed.key);
            }
        }
        self.remove(id);
    }

    /// The feed is looked at at that time, or sooner: most deadlines move on with each write, and a timer that is early finds
    /// nothing to do and is set again.
    fn arm_by(&mut self, id: FeedId, deadline: Option<Micros>) {
        let is_early = self.armed.get(&id).zip(deadline).is_some_and(|(armed, at)| *armed <= at);
        if !is_early {
            self.arm(id, deadline);
        }
    }

    fn arm(&mut self, id: FeedId, deadline: Option<Micros>) {
        let before = match deadline {
            Some(at) => self.armed.insert(id, at),
            None => self.armed.remove(&id),
        };
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, id));
        }
        if let Some(at) = deadline {
            self.timers.insert((at, id));
        }
    }

    /// Whether everything that waits on the node is more than may. Then the longest backlog of this shard goes, unless it is
    /// no longer than a fair share: it is another shard's turn then. Returns whether one went.
    pub(crate) fn relieve_node(&mut self, now: Micros) -> bool {
        let metrics = &self.context.metrics.feeds;
        let bound = self.context.policies.node_bytes;
        if usize::try_from(metrics.kept_bytes.get()).unwrap_or_default() <= bound {
            return false;
        }
        let share = bound / usize::try_from(metrics.live.get()).unwrap_or_default().max(1);
        let longest = self.feeds.values().map(|feed| (feed.size().1, feed.id)).max();
        let Some((_, id)) = longest.filter(|(bytes, _)| *bytes > share) else { return false };
        self.with_feed(id, now, |feed, turn| feed.overflow(feed.heaviest(), turn));
        true
    }

    /// How many feeds there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.feeds.len()
    }

    /// Counts what waits, for metrics.
    pub(crate) fn usage(&self) -> (usize, usize) {
        let add = |(events, bytes): (usize, usize), feed: &Feed| {
            let size = feed.size();
            (events + size.0, bytes + size.1)
        };
        self.feeds.values().fold((0, 0), add)
    }
}
