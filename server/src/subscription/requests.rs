//! What clients ask of their feeds.

use std::sync::Arc;

use druse_protocol::time::Micros;

use super::FeedId;
use super::cq::{Cq, CqTarget, QuerySubscriber};
use super::feed::{Registration, State, Turn};
use super::frames;
use super::interest::{Interest, Matcher, Subscriber};
use super::lane::Pending;
use super::shard::Shard;
use super::snapshot::Snapshot;
use super::told::Loss;
use crate::engine::{Record, RegionId};
use crate::query::CqPredicate;
use crate::region::Region;
use crate::security::Cell;

/// The client has no feed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this client has no subscription feed on this node")]
pub(crate) struct NoFeed;

/// A registration of interest.
pub(crate) struct InterestRequest {
    pub(crate) region: Arc<Region>,
    pub(crate) interest: Vec<Interest>,
    /// Whether values are wanted, or only that something changed.
    pub(crate) values: bool,
    pub(crate) durable: bool,
}

/// What a registration is answered with.
pub(crate) struct Registered {
    /// Whether this node tells the client of changes: of several it is the one whose answer counts.
    pub(crate) primary: bool,
    /// The entries as of the registration; one for each interest.
    pub(crate) snapshots: Vec<Arc<Snapshot>>,
}

/// A continuous query to be run.
pub(crate) struct QueryRequest {
    pub(crate) name: Arc<[u8]>,
    pub(crate) text: Arc<str>,
    pub(crate) region: Arc<Region>,
    pub(crate) predicate: Arc<CqPredicate>,
    pub(crate) durable: bool,
    /// Whose it is; `None` where nobody is asked.
    pub(crate) user: Option<Arc<Cell>>,
    /// When the connection said hello over which it comes.
    pub(crate) since: Micros,
}

impl Shard {
    /// REGISTER_INTEREST and its list form. What was registered before stays where it stood.
    ///
    /// # Errors
    /// [`NoFeed`].
    pub(crate) fn register(
        &mut self,
        key: &[u8],
        request: &InterestRequest,
        now: Micros,
    ) -> Result<Registered, NoFeed> {
        let id = self.find_settled(key)?;
        let (passed, last) = (self.passed(), self.last_seq());
        let region = request.region.id();
        let mut snapshots = Vec::new();
        for interest in &request.interest {
            let subscriber = Subscriber { feed: id, values: request.values, after: last };
            self.entry(&request.region).interest.insert(interest, subscriber);
            let registration = Registration { region, interest: interest.clone(), durable: request.durable };
            let snapshot = self.with_feed(id, now, |feed, turn| {
                let is_new = feed.add_interest(registration);
                if is_new {
                    turn.metrics.feeds.registrations.inc();
                }
                // Also of a new registration: an older one of the same keys may have changes that wait.
                let line = feed.line(0);
                let matcher = Matcher::new(interest);
                if request.values
                    && let Some(lane) = feed.lane(0)
                {
                    let is_meant =
                        |it: &Pending| it.change.change.region == region && matcher.concerns(it.change.key());
                    lane.want_values(is_meant);
                }
                let snapshot = Snapshot::of_interest(region, matcher, line, passed);
                feed.watch_for(&snapshot, 0);
                snapshot
            });
            snapshots.extend(snapshot);
        }
        Ok(Registered { primary: self.is_primary(id), snapshots })
    }

    /// The feed of a client that has registered something, and with that is back for good.
    fn find_settled(&mut self, key: &[u8]) -> Result<FeedId, NoFeed> {
        let id = self.find(key).ok_or(NoFeed)?;
        self.feed_mut(id).ok_or(NoFeed)?.away_since = None;
        Ok(id)
    }

    /// UNREGISTER_INTEREST and its list form.
    pub(crate) fn unregister(&mut self, key: &[u8], region: &Region, interest: &[Interest], now: Micros) {
        let Some(id) = self.find(key) else { return };
        for interest in interest {
            self.forget_interest(id, region.id(), interest);
        }
        self.with_feed(id, now, |_, _| ());
    }

    /// All interest in a region ends. With `keep_durable` what a durable client wants to be kept stays.
    pub(crate) fn unregister_all(&mut self, key: &[u8], region: &Region, keep_durable: bool) {
        let Some(id) = self.find(key) else { return };
        let Some(feed) = self.feed(id) else { return };
        let of_region = feed.interest.iter().filter(|it| it.region == region.id());
        let going: Vec<_> = of_region.filter(|it| !(keep_durable && it.durable)).cloned().collect();
        for registration in going {
            self.forget_interest(id, registration.region, &registration.interest);
        }
    }

    /// EXECUTECQ. The same name with the same text keeps its place in the feed; with another text it is another query.
    /// With `initial` the entries as of this moment are returned.
    ///
    /// # Errors
    /// [`NoFeed`].
    pub(crate) fn execute_cq(
        &mut self,
        key: &[u8],
        request: QueryRequest,
        initial: bool,
        now: Micros,
    ) -> Result<Option<Arc<Snapshot>>, NoFeed> {
        let id = self.find_settled(key)?;
        self.with_feed(id, now, |feed, _| feed.suspect(request.since, now));
        let (passed, last) = (self.passed(), self.last_seq());
        let known = self.feed(id).and_then(|feed| feed.cq(&request.name).cloned());
        let known =
            known.filter(|cq| cq.text == request.text && self.takes_over(id, cq, request.user.as_ref()));
        let line = match &known {
            Some(cq) => self.feed(id).map_or(last, |feed| feed.line(cq.lane)),
            None => {
                self.forget_query(id, &request.name);
                self.insert_query(id, &request, last, now);
                last
            }
        };
        let pdx = Arc::clone(&self.context.pdx);
        let snapshot = self.with_feed(id, now, |feed, turn| {
            feed.tell_lost_query(&request.name, request.region.path(), turn);
            let lane = feed.cq(&request.name).map_or(0, |cq| cq.lane);
            initial.then(|| {
                let target = CqTarget {
                    name: Arc::clone(&request.name),
                    predicate: Arc::clone(&request.predicate),
                    pdx: Arc::clone(&pdx),
                };
                let snapshot = Snapshot::of_query(request.region.id(), target, line, passed);
                feed.watch_for(&snapshot, lane);
                snapshot
            })
        });
        Ok(snapshot.flatten())
    }

    /// Whether a query that is executed again belongs to the same user; the lane then goes on under the login that the user
    /// has now.
    fn takes_over(&mut self, id: FeedId, cq: &Cq, user: Option<&Arc<Cell>>) -> bool {
        let Some(feed) = self.feed_mut(id) else { return false };
        if cq.lane == 0 {
            return true;
        }
        user.is_some_and(|user| feed.claim_lane(user) == Some(cq.lane))
    }

    fn insert_query(&mut self, id: FeedId, request: &QueryRequest, last: u64, now: Micros) {
        let lane = self.with_feed(id, now, |feed, turn| {
            turn.metrics.feeds.registrations.inc();
            let user = request.user.as_ref().filter(|_| feed.client.has_several_users);
            let lane = user.map_or(0, |user| feed.lane_of(user, last));
            feed.cqs.push(Cq {
                name: Arc::clone(&request.name),
                text: Arc::clone(&request.text),
                region: request.region.id(),
                path: request.region.path().into(),
                lane,
                durable: request.durable,
            });
            lane
        });
        let Some(lane) = lane else { return };
        let subscriber = QuerySubscriber { feed: id, lane, name: Arc::clone(&request.name), after: last };
        self.entry(&request.region).queries.insert(&request.text, &request.predicate, subscriber);
    }

    /// STOPCQ and CLOSECQ: no event of it goes out any more. Returns whether there was such a query.
    pub(crate) fn close_cq(&mut self, key: &[u8], name: &[u8]) -> bool {
        let Some(id) = self.find(key) else { return false };
        let there = self.feed(id).is_some_and(|feed| feed.cq(name).is_some());
        self.forget_query(id, name);
        there
    }

    /// The region that a query is over.
    pub(crate) fn region_of_cq(&self, key: &[u8], name: &[u8]) -> Option<Box<str>> {
        Some(self.feed(self.find(key)?)?.cq(name)?.path.clone())
    }

    /// GETDURABLECQS.
    pub(crate) fn durable_cqs(&self, key: &[u8]) -> Vec<Arc<[u8]>> {
        let feed = self.find(key).and_then(|id| self.feed(id));
        let cqs = feed.into_iter().flat_map(|feed| &feed.cqs);
        cqs.filter(|cq| cq.durable).map(|cq| Arc::clone(&cq.name)).collect()
    }

    /// MAKE_PRIMARY: from here on this node tells. `ready` if a durable client has said so before.
    pub(crate) fn make_primary(&mut self, key: &[u8], ready: bool, now: Micros) {
        if let Some(id) = self.find(key) {
            self.with_feed(id, now, |feed, turn| feed.make_primary(ready, turn));
        }
    }

    /// CLIENT_READY.
    pub(crate) fn client_ready(&mut self, key: &[u8], now: Micros) {
        if let Some(id) = self.find(key) {
            self.with_feed(id, now, |feed, _| feed.client_ready());
        }
    }

    /// PERIODIC_ACK.
    pub(crate) fn acknowledge(&mut self, key: &[u8], numbers: &[(i64, i64)]) {
        let places: Vec<_> =
            numbers.iter().filter_map(|&(thread, seq)| self.stamp.place(thread, seq)).collect();
        let messages =
            numbers.iter().filter_map(|&(thread, seq)| self.stamp.message_number(thread, seq)).max();
        let Some(feed) = self.find(key).and_then(|id| self.feed_mut(id)) else { return };
        if let Some(message) = messages {
            feed.told.heard(message);
        }
        for (lane, seq) in places {
            feed.told.heard_behind(lane, seq);
            feed.unacknowledged.acknowledge(lane, seq);
        }
    }

    /// REQUEST_EVENT_VALUE: the record of a change that the client has been told of and not acknowledged.
    pub(crate) fn event_value(
        &self,
        key: &[u8],
        thread: i64,
        sequence: i64,
    ) -> Option<(Arc<Region>, Record)> {
        let (lane, seq) = self.stamp.place(thread, sequence)?;
        let feed = self.feed(self.find(key)?)?;
        let sent = feed.unacknowledged.find(lane, seq);
        let waiting = || feed.lanes.iter().flat_map(|it| it.waiting()).find(|pending| pending.seq() == seq);
        let change = &sent.or_else(waiting)?.change;
        Some((Arc::clone(&change.region), change.change.record.clone()))
    }

    /// The client says goodbye, on a connection that it has had since then. Its queue stays if it is durable and wants
    /// that, or if the client is only giving up an attempt to come back.
    pub(crate) fn leave(&mut self, key: &[u8], keep: bool, since: Micros, now: Micros) {
        let Some(id) = self.find(key) else { return };
        let stays = self.with_feed(id, now, |feed, _| {
            if feed.is_coming_back(since) {
                feed.drain(now);
                return true;
            }
            let stays = keep && feed.is_durable();
            feed.leaves = !stays;
            feed.cut = feed.connected;
            stays || feed.connected
        });
        if stays == Some(false) {
            self.remove(id);
        }
    }

    pub(super) fn forget_interest(&mut self, id: FeedId, region: RegionId, interest: &Interest) {
        let Some(feed) = self.feed_mut(id) else { return };
        let before = feed.interest.len();
        feed.interest.retain(|it| it.region != region || it.interest != *interest);
        let gone = before - feed.interest.len();
        self.context.metrics.feeds.registrations.add(-i64::try_from(gone).unwrap_or_default());
        if let Some(entry) = self.regions.get_mut(&region) {
            entry.interest.remove(interest, id);
        }
    }

    pub(super) fn forget_query(&mut self, id: FeedId, name: &[u8]) {
        let Some(feed) = self.feed_mut(id) else { return };
        let Some(at) = feed.cqs.iter().position(|cq| *cq.name == *name) else { return };
        let cq = feed.cqs.remove(at);
        let is_last = !feed.cqs.iter().any(|it| it.lane == cq.lane);
        match feed.lane(cq.lane) {
            // A user without queries has no lane.
            Some(lane) if is_last && lane.number > 0 => lane.clear(),
            Some(lane) => lane.forget_query(name),
            None => {}
        }
        self.context.metrics.feeds.registrations.dec();
        if let Some(entry) = self.regions.get_mut(&cq.region) {
            entry.queries.remove(id, name);
        }
    }

    fn is_primary(&self, id: FeedId) -> bool {
        self.feed(id).is_some_and(|feed| feed.state != State::Secondary)
    }

    /// The newest change of the log, whether or not it has been looked at.
    fn last_seq(&self) -> u64 {
        self.context.regions.engine().log().last_seq()
    }
}

impl super::feed::Feed {
    fn cq(&self, name: &[u8]) -> Option<&Cq> {
        self.cqs.iter().find(|cq| *cq.name == *name)
    }

    /// Queries that are there again, and whose listeners have perhaps not heard it because the connection broke, are told
    /// once more before their events go on.
    pub(super) fn tell_lost_queries(&mut self, lane: u32, turn: &mut Turn<'_>) {
        if self.lost_queries.is_empty() {
            return;
        }
        let of_lane = self.cqs.iter().filter(|cq| cq.lane == lane);
        for (name, path) in of_lane.map(|cq| (Arc::clone(&cq.name), cq.path.clone())).collect::<Vec<_>>() {
            self.tell_lost_query(&name, &path, turn);
        }
    }

    /// A query that a resynchronisation took is there again: its listeners hear that they have missed something.
    fn tell_lost_query(&mut self, name: &Arc<[u8]>, region: &str, turn: &mut Turn<'_>) {
        if self.lost_queries.remove(name) {
            let what = "events were lost: the queue was full";
            self.owed.push_back(frames::query_error(turn.stamp, region, std::slice::from_ref(name), what));
            self.told.add(Loss::Query(Arc::clone(name)), turn.stamp.last_message());
        }
    }

    /// Notes a registration; `false` if it was there.
    fn add_interest(&mut self, registration: Registration) -> bool {
        if let Some(resume) = &mut self.resume {
            resume.expected.retain(|(region, interest)| {
                *region != registration.region || *interest != registration.interest
            });
            if resume.expected.is_empty() {
                self.resume = None;
            }
        }
        let same =
            |it: &&mut Registration| it.region == registration.region && it.interest == registration.interest;
        if let Some(known) = self.interest.iter_mut().find(same) {
            known.durable = registration.durable;
            return false;
        }
        self.interest.push(registration);
        true
    }

    /// Writes into a snapshot what waits, and from now on what comes.
    fn watch_for(&mut self, snapshot: &Arc<Snapshot>, lane: u32) {
        if let Some(lane) = self.lane(lane) {
            for Pending { change, interest, cqs } in lane.waiting() {
                snapshot.note(change, *interest, None);
                cqs.iter().for_each(|hit| snapshot.note(change, None, Some(hit)));
            }
        }
        self.snapshots.push(Arc::downgrade(snapshot));
    }
}
