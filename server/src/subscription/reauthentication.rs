//! What a feed does when a login that its events rest on comes to its end, and shortly before.
//!
//! ```text
//!            warn timer                 the end                     answer no fresher
//!  Live ───── ask ─────► Live ───────────────────► Held: ask ───────────────────────► Held: ask after 1, 2, 4, 8 s
//!   ▲                                               │  │ wait over, or asked often enough
//!   └────────── a fresher login, from anywhere ─────┘  └──► the feed ends; its queue waits for the client
//! ```
//! *Ask* is message 110 to a client that knows it. Others are told in ways that they understand: an operation refused
//! shortly before the end, or the end of the feed. RFC.md section 12.

use std::time::Duration;

use druse_protocol::message::feed::LaneNews;
use druse_protocol::time::Micros;

use super::feed::{Feed, Turn, merged};
use super::policies::FeedPolicies;
#[cfg(test)]
use super::sim::bug::{self, Bug};
use super::told::Loss;
use super::{cq, frames};
use crate::metrics::FeedMetrics;
use crate::security::Standing;

/// After an answer that did not help a client is not asked again within this time.
const LEAST_BETWEEN_ASKS: Duration = Duration::from_secs(1);

impl Feed {
    /// Looks at the logins: what has ended holds its lane back, what has come lets it go. Returns whether the feed goes on.
    pub(super) fn look_at_logins(&mut self, turn: &mut Turn<'_>) -> bool {
        let mut at = 0;
        while let Some(lane) = self.lanes.get(at) {
            at += 1;
            let Some(cell) = &lane.cell else {
                self.tell_loss(at - 1, turn);
                continue;
            };
            match cell.standing(turn.now) {
                Standing::Live => self.release(at - 1, turn),
                Standing::Expired => self.hold(at - 1, turn),
                Standing::Revoked => self.revoke(at - 1, turn),
                Standing::Closed if self.client.has_several_users => {
                    at -= 1;
                    if self.goes_over(at, turn.now) {
                        continue;
                    }
                    self.drop_lane(at, &turn.metrics.feeds);
                }
                Standing::Closed => {
                    self.leaves = true;
                    self.cut = true;
                }
            }
        }
        !self.cut
    }

    /// The login is good, perhaps again.
    fn release(&mut self, at: usize, turn: &mut Turn<'_>) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let generation = lane.cell.as_ref().map_or(0, |cell| cell.generation());
        #[cfg(test)]
        if bug::is_in(Bug::KeptWait) && lane.wait.since.is_some() {
            return;
        }
        lane.wait.end = lane.cell.as_ref().map(|cell| cell.deadline());
        if lane.wait.since.take().is_some() {
            lane.wait.next_ask = None;
            turn.metrics.feeds.lanes_held.dec();
            self.tell(at, LaneNews::Released);
        }
        self.tell_loss(at, turn);
        if at == 0 && self.renewal.generation != generation {
            self.arm_renewal(generation, turn);
        }
    }

    /// The login has run out: what is due waits, and the client is asked.
    fn hold(&mut self, at: usize, turn: &mut Turn<'_>) {
        if self.goes_on(at, turn.now) {
            return self.release(at, turn);
        }
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let (stale, logins) = lane.cell.as_ref().map_or((0, 0), |cell| (cell.stale_logins(), cell.logins()));
        let logins_before = std::mem::replace(&mut lane.wait.logins, logins);
        if lane.wait.since.is_some() {
            if stale != lane.wait.stale || logins != logins_before {
                // An answer came and did not help, or not for long.
                lane.wait.stale = stale;
                self.schedule_ask(at, turn);
            }
            return;
        }
        lane.wait.since = Some(turn.now);
        if lane.wait.end.is_some_and(|end| turn.now >= end) {
            // It was a good one: whoever only listens is not given up for having renewed often.
            lane.wait.asks = 0;
        }
        turn.metrics.feeds.lanes_held.inc();
        if at == 0 {
            self.renewal.at = None;
        }
        self.tell(at, LaneNews::Held);
        if self.client.has_several_users && !self.takes_notices() {
            self.tell_queries_of_end(at, turn);
        } else {
            self.schedule_ask(at, turn);
        }
    }

    /// Whether one user among several has a newer login under another id, with which the lane goes on. What comes later
    /// is not looked for: whoever logs in frees the lane.
    fn goes_on(&self, at: usize, now: Micros) -> bool {
        let Some(lane) = self.lanes.get(at).filter(|lane| lane.wait.since.is_none()) else { return false };
        let (Some(logins), Some(cell)) = (&self.logins, &lane.cell) else { return false };
        self.client.has_several_users && logins.go_on(cell, now)
    }

    /// Whether a user whose id was taken away has a login under another one, with which the lane goes on.
    fn goes_over(&mut self, at: usize, now: Micros) -> bool {
        let Some((number, cell)) =
            self.lanes.get(at).and_then(|lane| Some((lane.number, lane.cell.as_ref()?)))
        else {
            return false;
        };
        let other = self.logins.as_ref().and_then(|logins| logins.login_of(&cell.name(), now));
        let other = other.filter(|other| other.standing(now) != Standing::Closed);
        other.inspect(|other| self.rebind(number, other)).is_some()
    }

    /// The login was ended from outside: nothing goes out any more, and nobody is asked.
    fn revoke(&mut self, at: usize, turn: &mut Turn<'_>) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        lane.wait.next_ask = None;
        let is_new = lane.wait.since.is_none();
        if is_new {
            lane.wait.since = Some(turn.now);
            turn.metrics.feeds.lanes_held.inc();
        }
        if at == 0 {
            self.renewal.at = None;
        }
        if self.client.has_several_users {
            if is_new {
                self.tell(at, LaneNews::Revoked);
            }
        } else if !std::mem::replace(&mut self.cut, true) {
            // Nothing that was due goes out any more, the rest of a frame neither; but one of our own clients is told why.
            self.owed.clear();
            if self.between_frames {
                self.tell(at, LaneNews::Revoked);
            }
        }
    }

    /// Determines when the client is to be asked before the end of its login.
    fn arm_renewal(&mut self, generation: u64, turn: &Turn<'_>) {
        self.renewal.generation = generation;
        self.renewal.at = None;
        let Some(cell) = self.lanes.first().and_then(|lane| lane.cell.as_ref()) else { return };
        let end = cell.deadline();
        if !turn.policies.renew_early || matches!(end, Micros::MAX | Micros::MIN) {
            return;
        }
        let lead = turn.policies.lead_of(end.saturating_since(turn.now), 0.75 + turn.chance / 2.0);
        self.renewal.at = Some(end - lead);
    }

    /// Shortly before the end: a client that renews now never meets it.
    pub(super) fn renew_if_due(&mut self, turn: &mut Turn<'_>) {
        let is_due = self.renewal.at.is_some_and(|at| turn.now >= at) && self.is_running() && self.connected;
        if !is_due {
            return;
        }
        self.renewal.at = None;
        // Once the end has come the client is asked for another reason.
        if !self.lanes.first().is_some_and(|lane| lane.is_live(turn.now)) {
            return;
        }
        let Some(lane) = self.lanes.first_mut() else { return };
        let Some(cell) = lane.cell.clone() else { return };
        if self.client.version.knows_expiry() {
            lane.wait.last_ask = Some(turn.now);
            lane.wait.stale = cell.stale_logins();
            turn.metrics.feeds.asks_early.inc();
            self.tell(0, LaneNews::RenewBy(cell.deadline()));
            self.owed.push_back(frames::log_in(turn.stamp, None));
        } else {
            turn.metrics.feeds.nudges.inc();
            cell.nudge();
        }
    }

    /// Asks now, or as soon as it may be asked again.
    fn schedule_ask(&mut self, at: usize, turn: &mut Turn<'_>) {
        // A Java client with several users cannot tell whose login is meant, and ends its feed.
        let knows_whose = !self.client.has_several_users || self.takes_notices();
        if !self.client.version.knows_expiry() || !knows_whose {
            return;
        }
        let Some(lane) = self.lanes.get_mut(at) else { return };
        lane.wait.next_ask = match (lane.wait.asks, lane.wait.last_ask) {
            (0, _) | (_, None) => Some(turn.now),
            (asks, Some(last)) => Some(last + LEAST_BETWEEN_ASKS * 2_u32.pow(asks.min(10) - 1)),
        };
        self.ask_if_due(turn);
    }

    /// Asks those whose time has come. A client that has been asked often enough is given up.
    pub(super) fn ask_if_due(&mut self, turn: &mut Turn<'_>) {
        if !self.connected || !self.is_running() {
            return;
        }
        for at in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(at) else { return };
            if !lane.is_to_be_asked() || lane.wait.next_ask.is_none_or(|ask| turn.now < ask) {
                continue;
            }
            lane.wait.next_ask = None;
            if lane.wait.asks >= turn.policies.late_asks {
                if !self.client.has_several_users {
                    self.give_up(turn);
                }
                continue;
            }
            lane.wait.asks += 1;
            lane.wait.last_ask = Some(turn.now);
            lane.wait.stale = lane.cell.as_ref().map_or(0, |cell| cell.stale_logins());
            let user = self.user_of(at);
            turn.metrics.feeds.asks_late.inc();
            self.owed.push_back(frames::log_in(turn.stamp, user));
        }
    }

    /// Ends a feed whose client has not logged in in time. Its queue is kept.
    pub(super) fn give_up_if_due(&mut self, turn: &Turn<'_>) {
        if self.client.has_several_users || !self.is_running() || !self.connected {
            return;
        }
        if self.give_up_at(turn.policies).is_some_and(|at| turn.now >= at) {
            self.give_up(turn);
        }
    }

    fn give_up(&mut self, turn: &Turn<'_>) {
        tracing::info!(client = %self.client.name, "no login came: the feed ends, its queue waits");
        turn.metrics.feeds.given_up.inc();
        self.drain(turn.now);
    }

    fn give_up_at(&self, policies: &FeedPolicies) -> Option<Micros> {
        let lane = self.lanes.first()?;
        // Nobody is missed as long as nothing is due.
        let since = lane.wait.since.filter(|_| !lane.is_empty())?;
        let wait = match self.client.version.knows_expiry() {
            true => policies.reauthenticate_wait,
            false => policies.old_client_wait,
        };
        Some(since + wait)
    }

    /// When something is to be done about a lane that waits.
    pub(super) fn wait_deadline(&self, policies: &FeedPolicies) -> Option<Micros> {
        if !self.is_running() {
            return None;
        }
        let give_up = self.give_up_at(policies).filter(|_| !self.client.has_several_users);
        let to_be_asked = self.lanes.iter().filter(|lane| lane.is_to_be_asked());
        let retries = self.lanes.iter().filter_map(|lane| lane.wait.retry);
        to_be_asked.filter_map(|lane| lane.wait.next_ask).chain(retries).chain(give_up).min()
    }

    /// A lane without a login that could ever be good again.
    fn drop_lane(&mut self, at: usize, metrics: &FeedMetrics) {
        let lane = self.lanes.remove(at);
        if let Some(cell) = &lane.cell {
            self.unwatch(cell);
        }
        if lane.wait.since.is_some() {
            metrics.lanes_held.dec();
        }
        self.orphaned.extend(self.cqs.iter().filter(|cq| cq.lane == lane.number).map(|cq| cq.name.clone()));
    }

    /// Tells one of our own clients.
    fn tell(&mut self, at: usize, news: LaneNews) {
        // Whoever has opened the feed anew has not shown to be one of its users.
        let is_known = self.lanes.get(at).is_some_and(|lane| !lane.awaits_user);
        if self.takes_notices() && self.connected && is_known {
            let user = self.user_of(at).unwrap_or(druse_protocol::message::feed::notice::SINGLE_USER);
            self.owed.push_back(frames::news(user, news));
        }
    }

    /// The id by which one of our own clients knows the user of a lane.
    fn user_of(&self, at: usize) -> Option<i64> {
        if !self.client.has_several_users {
            return None;
        }
        let cell = self.lanes.get(at)?.cell.as_ref()?;
        self.logins.as_ref()?.id_of(cell)
    }

    /// Nothing would make a user log in who only listens: the listeners are told, once for each login.
    fn tell_queries_of_end(&mut self, at: usize, turn: &mut Turn<'_>) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let generation = lane.cell.as_ref().map(|cell| cell.generation());
        if !turn.policies.tell_queries
            || lane.awaits_user
            || !self.connected
            || std::mem::replace(&mut lane.told, generation) == generation
        {
            return;
        }
        let number = lane.number;
        self.tell_queries(number, "login expired", turn);
    }

    /// What was dropped at a bound is told before anything else goes out.
    fn tell_loss(&mut self, at: usize, turn: &mut Turn<'_>) {
        if !self.connected || !self.is_running() {
            return;
        }
        let Some(lane) = self.lanes.get_mut(at).filter(|lane| !lane.awaits_user) else { return };
        let number = lane.number;
        let lost = merged(lane.lost.take(), lane.untold.take());
        self.tell_lost_queries(number, turn);
        let Some((from, to)) = lost else { return };
        let place = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
        self.tell(at, LaneNews::Lost { from: place(from), to: place(to) });
        let is_numbered = self.tell_queries(number, &format!("events {from} to {to} were lost"), turn);
        // A notice has no number of its own: whatever is numbered next comes behind it.
        let message = turn.stamp.last_message() + i64::from(!is_numbered);
        self.told.add(Loss::Events { lane: number, from, to }, message);
    }

    /// Returns whether there is a query to be told.
    fn tell_queries(&mut self, lane: u32, what: &str, turn: &mut Turn<'_>) -> bool {
        let mut has_queries = false;
        for (region, names) in cq::by_region(self.cqs.iter().filter(|cq| cq.lane == lane)) {
            self.owed.push_back(frames::query_error(turn.stamp, &region, &names, what));
            has_queries = true;
        }
        has_queries
    }
}
