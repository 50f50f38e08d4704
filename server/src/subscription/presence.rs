//! How a feed's client comes, goes, and comes back: what each does to the state of its feed.

use std::time::Duration;

use druse_protocol::time::Micros;

use super::feed::{Feed, Resume, State, Turn};
use super::frames;
use super::lane::Item;

impl Feed {
    /// Whether a goodbye on a connection that the client has had since then means only this connection. A Java client says it
    /// with the words with which it leaves for good, and tries again, if it finds its server to have failed while it was
    /// opening the way back (Geode's `QueueManagerImpl.addToConnectionList`), and sometimes when its feed has ended
    /// (`checkEndpoint`).
    /// The node may not have heard yet that the socket is gone: a connection that is newer than the socket is on the way
    /// back, too. A client that has nothing registered has nothing to come back to.
    pub(super) fn is_coming_back(&self, since: Micros) -> bool {
        let has_any = !self.interest.is_empty() || !self.cqs.is_empty();
        has_any && (since > self.opened.0 || self.away_since.is_some_and(|lost| since >= lost))
    }

    /// One of several users runs a query over a connection that is older than the opening before the last one. A client
    /// opens that connection anew before its feed, so that the socket is somebody else's, who has shown no credentials.
    pub(super) fn suspect(&mut self, since: Micros, now: Micros) {
        if self.client.has_several_users && self.connected && since < self.opened.1 {
            self.drain(now);
        }
    }

    /// Ends the socket as soon as what was begun is out.
    pub(super) fn drain(&mut self, now: Micros) {
        if self.connected {
            self.state = State::Draining { until: now + Duration::from_secs(1) };
        } else if self.client.durable.is_none() && !matches!(self.state, State::Parked { .. }) {
            self.state = State::Parked { until: now };
        }
    }

    /// A socket has come: for a new feed, or for one whose client is back; the shard has looked at the log up to `passed`.
    /// Returns what waits for a durable client.
    pub(super) fn connect(&mut self, primary: bool, passed: u64, turn: &mut Turn<'_>) -> usize {
        if !std::mem::replace(&mut self.connected, true) {
            turn.metrics.feeds.away.dec();
        }
        turn.metrics.feeds.opened.inc();
        let waiting = self.size().0;
        self.owed.clear();
        (self.cut, self.leaves, self.between_frames, self.flushed) = (false, false, false, false);
        self.last_write = turn.now;
        self.opened = (turn.now, self.opened.0);
        for lane in self.lanes.iter_mut().filter(|lane| lane.number > 0 && lane.cell.is_some()) {
            lane.awaits_user = true;
        }
        let after = match (primary, self.is_durable()) {
            (false, _) => State::Secondary,
            (true, true) => State::AwaitReady,
            (true, false) => State::Running,
        };
        if self.is_durable() {
            // What a durable client registers again is answered as of now, where its marker stands, too.
            self.lanes.iter_mut().for_each(|lane| lane.line = passed);
        }
        if self.is_durable() && primary {
            if let Some(lane) = self.lanes.first_mut() {
                lane.push_marker();
            }
        } else if primary {
            self.owed.push_back(frames::marker(turn.stamp));
        }
        self.state = after;
        self.lanes.iter_mut().for_each(|lane| lane.wait.asks = 0);
        waiting
    }

    /// The client knows its registrations to be lost and repeats them: until it has, nothing that waits may overtake the
    /// snapshots that it takes.
    pub(super) fn await_registrations(&mut self, turn: &Turn<'_>) {
        let expected: Vec<_> = self.interest.iter().map(|it| (it.region, it.interest.clone())).collect();
        let until = turn.now + turn.policies.resume_wait;
        self.resume = (!expected.is_empty()).then_some(Resume { expected, until });
    }

    /// MAKE_PRIMARY: `ready` if the client has said so before.
    pub(super) fn make_primary(&mut self, ready: bool, turn: &mut Turn<'_>) {
        if self.state != State::Secondary {
            return;
        }
        if self.is_durable() && !ready {
            if let Some(lane) = self.lanes.first_mut() {
                lane.push_marker();
            }
            self.state = State::AwaitReady;
            return;
        }
        self.owed.push_back(frames::marker(turn.stamp));
        self.state = State::Running;
        if self.must_return() && self.lanes.iter().any(|lane| lane.lost.is_some()) {
            self.drain(turn.now);
        }
    }

    /// CLIENT_READY.
    pub(super) fn client_ready(&mut self) {
        if self.state == State::AwaitReady {
            self.state = State::Running;
        }
    }

    /// The socket is gone. Returns whether the feed is gone with it.
    pub(super) fn disconnect(&mut self, turn: &Turn<'_>) -> bool {
        if std::mem::take(&mut self.connected) {
            turn.metrics.feeds.away.inc();
            // A feed that the node itself has ended may be followed by a goodbye on any connection, see `is_coming_back`.
            let is_ours = matches!(self.state, State::Draining { .. });
            self.away_since.get_or_insert(if is_ours { Micros::MIN } else { turn.now });
        }
        self.owed.clear();
        self.resume = None;
        self.take_back();
        self.tell_again();
        let trimmed = self.unacknowledged.take_trimmed();
        // A socket that was closed in peace has brought everything that was written to it.
        if !self.flushed {
            trimmed.into_iter().for_each(|(lane, range)| self.lose(lane, range, turn));
        }
        let revoked = std::mem::take(&mut self.cut);
        match self.client.durable {
            Some(timeout) if !self.leaves => {
                self.state = State::Paused { until: turn.now + timeout };
                false
            }
            None if !self.leaves && !revoked => {
                self.state = State::Parked { until: turn.now + turn.policies.grace };
                false
            }
            _ => true,
        }
    }

    /// What went out unacknowledged stands in front again, each in its lane.
    fn take_back(&mut self) {
        for sent in self.unacknowledged.take().into_iter().rev() {
            if let Some(lane) = self.lane(sent.lane) {
                lane.put_back(Item::Event(sent.pending));
            }
        }
    }

    /// Whether there is still somebody to wait for.
    pub(super) fn is_over(&self, now: Micros) -> bool {
        match self.state {
            State::Parked { until } | State::Paused { until } => now >= until,
            State::Secondary | State::AwaitReady | State::Running | State::Draining { .. } => false,
        }
    }
}
