//! What a node keeps for a client that is told of changes (Geode `CacheClientProxy`, `HARegionQueue`).
//!
//! ```text
//!           handshake          primary (durable: CLIENT_READY)     bound, give-up, shutdown
//!  (new) ────────────► Secondary ────────► Running ─────────────────────────────────► Draining ──flushed──┐
//!           └────────► AwaitReady ──────────▲ ▲ └── socket lost ───────────┬──────────────────────────────┘
//!                                           │ └── the same client ─┐       ▼
//!                                           └── CLIENT_READY ──────┤ Parked │ Paused ── time over, goodbye, revoked ──► gone
//! ```
//! A feed does no IO and reads no clock: what a socket took, what time it is and what has happened to a login are told to
//! it, and what is to be written is taken from it. RFC.md section 12.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use druse_protocol::time::Micros;
use druse_protocol::version::VersionOrdinal;

use super::cq::Cq;
use super::frames::CqHit;
use super::interest::Interest;
use super::lane::{Lane, Pending};
use super::policies::FeedPolicies;
use super::shard::ShardContext;
use super::shared::SharedChange;
use super::snapshot::Snapshot;
use super::stamp::Stamp;
use super::told::Told;
use super::unacknowledged::Unacknowledged;
use super::{FeedId, frames};
use crate::engine::{ClientIdentity, RegionId};
use crate::metrics::{FeedMetrics, Metrics};
use crate::security::{Cell, CellWatcher, ClientLogins, Security};

/// What the handshake has told of a client.
#[derive(Debug, Clone)]
pub(crate) struct FeedClient {
    pub(crate) version: VersionOrdinal,
    /// The member bytes: the client is not told of its own changes, except by its queries.
    pub(crate) identity: ClientIdentity,
    /// How long its queue outlives its connections, if it is durable.
    pub(crate) durable: Option<Duration>,
    /// Whether of two updates that wait only the later one is wanted.
    pub(crate) conflates: bool,
    /// Whether the client has several users, none of whom the feed itself belongs to.
    pub(crate) has_several_users: bool,
    /// Whether the client has said with its feed that it understands notices: it is one of ours.
    pub(crate) takes_notices: bool,
    /// For logs.
    pub(crate) name: Arc<str>,
}

/// Where a feed stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Collects, for the case that the primary is lost.
    Secondary,
    /// A durable client has not said yet that it is ready.
    AwaitReady,
    /// Events go out.
    Running,
    /// What was begun is finished, then the socket is closed.
    Draining {
        /// At the latest then.
        until: Micros,
    },
    /// The socket is gone; the client is expected back.
    Parked {
        /// Until then.
        until: Micros,
    },
    /// The durable client is away.
    Paused {
        /// Until then.
        until: Micros,
    },
}

/// A registration of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) region: RegionId,
    pub(super) interest: Interest,
    pub(super) durable: bool,
}

/// What the present turn gives a feed.
pub(super) struct Turn<'t> {
    pub(super) policies: &'t FeedPolicies,
    pub(super) security: Option<&'t Security>,
    pub(super) metrics: &'t Metrics,
    pub(super) stamp: &'t mut Stamp,
    pub(super) now: Micros,
    /// Random, from 0 to 1.
    pub(super) chance: f64,
}

impl<'t> Turn<'t> {
    pub(super) fn new(context: &'t ShardContext, stamp: &'t mut Stamp, now: Micros, chance: f64) -> Self {
        let ShardContext { policies, security, metrics, .. } = context;
        Self { policies, security: security.as_deref(), metrics, stamp, now, chance }
    }
}

/// A client's events.
pub(crate) struct Feed {
    pub(super) id: FeedId,
    /// By which the client's connections are told to be of one client.
    pub(super) key: Box<[u8]>,
    pub(super) client: FeedClient,
    /// Keeps the client's logins as long as the feed.
    pub(super) logins: Option<ClientLogins>,
    pub(super) state: State,
    /// Whether there is a socket.
    pub(super) connected: bool,
    /// Lane 0 has the marker, and of a client with one user everything.
    pub(super) lanes: Vec<Lane>,
    next_lane: u32,
    /// Where the round of lanes goes on.
    pub(super) turn_of: usize,
    /// Goes out before anything else: the rest of a frame, and messages that are no changes.
    pub(super) owed: VecDeque<Bytes>,
    /// Whether the socket stands between two messages: it has been greeted, and nothing was begun that is not finished.
    pub(super) between_frames: bool,
    pub(super) unacknowledged: Unacknowledged,
    pub(super) interest: Vec<Registration>,
    pub(super) cqs: Vec<Cq>,
    /// Queries that a resynchronisation took, until their listeners have been told.
    pub(super) lost_queries: HashSet<Arc<[u8]>>,
    /// Losses that were told and perhaps not heard.
    pub(super) told: Told,
    pub(super) snapshots: Vec<Weak<Snapshot>>,
    pub(super) resume: Option<Resume>,
    pub(super) renewal: Renewal,
    pub(super) last_write: Micros,
    /// Whether the feed is among those that are to be looked at.
    pub(super) is_dirty: bool,
    /// Queries whose user has gone.
    pub(super) orphaned: Vec<Arc<[u8]>>,
    pub(super) bell: Arc<dyn CellWatcher>,
    /// Whether the socket is to be closed at once.
    pub(super) cut: bool,
    /// Whether the client has said that it will not come back.
    pub(super) leaves: bool,
    /// Whether the socket took everything that was begun before it was closed, and the client will read it.
    pub(super) flushed: bool,
    /// When a socket came last, and when the one before.
    pub(super) opened: (Micros, Micros),
    /// When the socket of before went, until the client has registered something since; the earliest time of all if the node
    /// has ended it, or once the client has a socket again.
    pub(super) away_since: Option<Micros>,
}

/// What is waited for after a feed was resumed.
pub(super) struct Resume {
    /// The registrations that the client has not repeated.
    pub(super) expected: Vec<(RegionId, Interest)>,
    /// It is waited no longer.
    pub(super) until: Micros,
}

/// When a client is to be asked for a login before the end of the one that it has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Renewal {
    /// Of which generation of the login.
    pub(super) generation: u64,
    pub(super) at: Option<Micros>,
}

impl Feed {
    pub(super) fn new(
        id: FeedId,
        key: Box<[u8]>,
        client: FeedClient,
        logins: Option<ClientLogins>,
        cell: Option<Arc<Cell>>,
        bell: Arc<dyn CellWatcher>,
        now: Micros,
    ) -> Self {
        if let Some(cell) = &cell {
            cell.watch(Some(Arc::clone(&bell)));
        }
        let lanes = vec![Lane::new(0, cell, client.conflates)];
        Self {
            id,
            key,
            client,
            logins,
            state: State::Secondary,
            connected: false,
            lanes,
            next_lane: 1,
            turn_of: 0,
            owed: VecDeque::new(),
            between_frames: false,
            unacknowledged: Unacknowledged::default(),
            interest: Vec::new(),
            cqs: Vec::new(),
            lost_queries: HashSet::new(),
            told: Told::default(),
            snapshots: Vec::new(),
            resume: None,
            renewal: Renewal::default(),
            last_write: now,
            is_dirty: false,
            orphaned: Vec::new(),
            bell,
            cut: false,
            leaves: false,
            flushed: false,
            opened: (Micros::MIN, Micros::MIN),
            away_since: None,
        }
    }

    /// Whether events go out.
    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Whether the client understands notices. Of one with several users only their logins can tell.
    pub(super) fn takes_notices(&self) -> bool {
        self.client.takes_notices || self.logins.as_ref().is_some_and(|logins| logins.takes_notices())
    }

    /// Whether the client's queue outlives its connections by its own wish.
    pub(super) fn is_durable(&self) -> bool {
        self.client.durable.is_some()
    }

    /// The principal to whom everything belongs; `None` where there are several, or nobody is asked.
    pub(super) fn principal(&self) -> Option<Arc<str>> {
        self.lanes.first().and_then(|lane| lane.cell.as_ref()).map(|cell| cell.name())
    }

    /// Changes that wait or are unacknowledged, and the bytes that they keep alive.
    pub(super) fn size(&self) -> (usize, usize) {
        let sent = self.unacknowledged.size();
        self.lanes.iter().fold(sent, |(events, bytes), lane| (events + lane.events, bytes + lane.bytes))
    }

    /// The lane of a user among several, who has now shown who it is: it goes on under that login.
    pub(super) fn claim_lane(&mut self, cell: &Arc<Cell>) -> Option<u32> {
        let is_theirs = |lane: &&Lane| lane.cell.as_ref().is_some_and(|it| it.name() == cell.name());
        let number = self.lanes.iter().find(is_theirs)?.number;
        self.rebind(number, cell);
        if let Some(lane) = self.lane(number) {
            lane.awaits_user = false;
        }
        Some(number)
    }

    /// The same; a new one if there is none.
    pub(super) fn lane_of(&mut self, cell: &Arc<Cell>, passed: u64) -> u32 {
        if let Some(number) = self.claim_lane(cell) {
            return number;
        }
        let number = self.next_lane;
        self.next_lane += 1;
        cell.watch(Some(Arc::clone(&self.bell)));
        let mut lane = Lane::new(number, Some(Arc::clone(cell)), self.client.conflates);
        lane.line = passed;
        self.lanes.push(lane);
        number
    }

    /// Gives a lane the login that its user has now.
    pub(super) fn rebind(&mut self, number: u32, cell: &Arc<Cell>) {
        let bell = Arc::clone(&self.bell);
        let Some(lane) = self.lane(number) else { return };
        if let Some(before) = lane.cell.replace(Arc::clone(cell)) {
            self.unwatch(&before);
        }
        cell.watch(Some(bell));
    }

    /// Nothing more is to be heard of a login, unless another lane rests on it, too.
    pub(super) fn unwatch(&self, cell: &Arc<Cell>) {
        let rests = |lane: &Lane| lane.cell.as_ref().is_some_and(|it| Arc::ptr_eq(it, cell));
        if !self.lanes.iter().any(rests) {
            cell.watch(None);
        }
    }

    pub(super) fn lane(&mut self, number: u32) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.number == number)
    }

    /// A change that the client is to have: by interest, or as a hit of one of its queries. One that is offered several
    /// times to one lane is one event there.
    pub(super) fn offer(
        &mut self,
        number: u32,
        shared: &Arc<SharedChange>,
        interest: Option<bool>,
        hit: Option<CqHit>,
        turn: &Turn<'_>,
    ) {
        let snapshots = self.snapshots.iter().filter_map(Weak::upgrade);
        snapshots.for_each(|snapshot| snapshot.note(shared, interest, hit.as_ref()));
        let Some(lane) = self.lane(number) else { return };
        if let Some(last) = lane.last().filter(|last| last.seq() == shared.seq()) {
            last.interest = interest.max(last.interest);
            last.cqs.extend(hit);
            return;
        }
        let cqs = hit.into_iter().collect();
        self.push(number, Pending { change: Arc::clone(shared), interest, cqs }, turn);
    }

    /// At a bound the lane is lost, or with it the whole feed.
    fn push(&mut self, number: u32, pending: Pending, turn: &Turn<'_>) {
        let (events, bytes) = self.size();
        let is_over = events >= turn.policies.queue_events || bytes >= turn.policies.queue_bytes;
        let is_secondary = self.state == State::Secondary;
        let Some(lane) = self.lane(number) else { return };
        if lane.lost.is_some() {
            return lane.lose_one(pending.seq());
        }
        lane.push(pending);
        if is_over && is_secondary {
            // The primary delivers these: the oldest are the first that it has delivered.
            lane.pop();
        } else if is_over {
            self.overflow(self.heaviest(), turn);
        }
    }

    /// The lane that keeps most alive: whoever waits for long must not cost the others their events.
    pub(super) fn heaviest(&self) -> u32 {
        let weight = |lane: &&Lane| {
            let (events, bytes) = self.unacknowledged.size_of(lane.number);
            (lane.bytes + bytes, lane.events + events)
        };
        self.lanes.iter().max_by_key(weight).map_or(0, |lane| lane.number)
    }

    /// Changes were dropped that nobody has looked at.
    pub(super) fn miss(&mut self, first: u64, last: u64, turn: &Turn<'_>) {
        for number in self.lanes.iter().map(|lane| lane.number).collect::<Vec<_>>() {
            self.lose(number, (first, last), turn);
        }
    }

    /// Changes of a lane are gone, and with them what waits behind them.
    pub(super) fn lose(&mut self, number: u32, range: (u64, u64), turn: &Turn<'_>) {
        if let Some(lane) = self.lane(number) {
            lane.lost = merged(lane.lost, Some(range));
            self.overflow(number, turn);
        }
    }

    /// Whether the end of the feed is the only way to tell the client that events were lost. One of our own is told the range
    /// over the feed that it has, and so are the queries of several users.
    pub(super) fn must_return(&self) -> bool {
        !self.client.has_several_users && !self.takes_notices()
    }

    /// More waits than may: what waits is dropped, and the client is made to fetch the present state.
    pub(super) fn overflow(&mut self, number: u32, turn: &Turn<'_>) {
        let sent = self.unacknowledged.drop_lane(number);
        let Some(lane) = self.lane(number) else { return };
        lane.lost = merged(lane.lost, sent);
        lane.lose();
        let (first, last) = lane.lost.unwrap_or_default();
        turn.metrics.feeds.resynchronised.inc();
        turn.metrics.feeds.events_lost.add(last.saturating_sub(first) + 1);
        tracing::warn!(client = %self.client.name, lane = number, first, last, "events were dropped: the client is resynchronised");
        // A secondary goes on collecting nothing: its client learns of it when this node is to tell.
        if self.must_return() && self.state != State::Secondary {
            self.drain(turn.now);
        }
    }

    /// The feed is over: what was counted of it is counted off.
    pub(super) fn leave(&mut self, metrics: &FeedMetrics) {
        metrics.live.dec();
        if !self.connected {
            metrics.away.dec();
        }
        let held = self.lanes.iter().filter(|lane| lane.wait.since.is_some()).count();
        metrics.lanes_held.add(-i64::try_from(held).unwrap_or_default());
    }

    /// When something is to be done although nothing has come.
    pub(super) fn deadline(&self, policies: &FeedPolicies) -> Option<Micros> {
        let state = match self.state {
            State::Parked { until } | State::Paused { until } | State::Draining { until } => Some(until),
            State::Secondary | State::AwaitReady | State::Running => None,
        };
        let ping = self.connected.then(|| self.last_write + policies.ping_interval);
        let resume = self.resume.as_ref().map(|resume| resume.until);
        let renewal = self.renewal.at.filter(|_| self.is_running());
        let end = self.connected.then(|| self.next_end()).flatten();
        [state, ping, resume, renewal, end, self.wait_deadline(policies)].into_iter().flatten().min()
    }

    /// When the next login ends that has not.
    fn next_end(&self) -> Option<Micros> {
        let live = self.lanes.iter().filter(|lane| lane.wait.since.is_none());
        let ends = live.filter_map(|lane| Some(lane.cell.as_ref()?.deadline()));
        ends.filter(|end| !matches!(*end, Micros::MIN | Micros::MAX)).min()
    }

    /// A sign of life, if nothing else has gone out for long.
    pub(super) fn ping_if_silent(&mut self, turn: &Turn<'_>) {
        if self.connected && turn.now >= self.last_write + turn.policies.ping_interval {
            self.last_write = turn.now;
            if self.owed.is_empty() {
                self.owed.push_back(frames::ping());
            }
        }
    }

    /// Where the registration or query stands: changes up to here are in its snapshot.
    pub(super) fn line(&self, lane: u32) -> u64 {
        self.lanes.iter().find(|it| it.number == lane).map_or(0, |lane| lane.line)
    }
}

/// Both ranges, and what lies between them.
pub(super) fn merged(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (one, other) {
        (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
        _ => one.or(other),
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        for cell in self.lanes.iter().filter_map(|lane| lane.cell.as_ref()) {
            cell.watch(None);
        }
    }
}
