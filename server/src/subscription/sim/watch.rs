//! What the node's sockets take, and why the node ends them (I1, I2, I9, I14).

use std::ops::Range;
use std::time::Duration;

use druse_protocol::codec::{FrameLimits, Message};
use druse_protocol::message::feed::{FeedEventId, FeedMessage};
use druse_protocol::time::Micros;

use super::super::FeedId;
use super::super::feed::State;
use super::client::Client;
use super::net::Wire;
use super::plan::{Kind, Want, key_text};
use super::world::{Event, World};
use super::{Verdict, wrong};

/// Requests to log in that may go out for one end of a login: one early, five late, and one that was under way.
const ASKS: u32 = 7;

/// What a change keeps alive at most, in bytes: all values of a simulation are small.
const CHANGE: usize = 400;

/// When a message was begun, if that matters, and its bytes.
type Begun = (Option<Micros>, Vec<u8>);

/// A feed's socket.
pub(super) struct Socket {
    pub(super) client: usize,
    pub(super) feed: FeedId,
    pub(super) wire: Wire,
    /// Of a message whose rest is to come, and when its first byte was taken.
    pending: Vec<u8>,
    begun: Option<Micros>,
    /// Bytes of it that were overtaken by a revocation while they were written.
    overtaken: Range<usize>,
    /// When what was taken last arrives.
    arrival: Micros,
    /// Whether the node has ended it.
    pub(super) is_over: bool,
    /// Whether a stranger has taken the feed over.
    pub(super) is_taken: bool,
    /// Whether the client has let go of it.
    pub(super) is_abandoned: bool,
}

impl Socket {
    pub(super) fn new(client: usize, feed: FeedId, wire: Wire, now: Micros) -> Self {
        Self {
            client,
            feed,
            wire,
            pending: Vec::new(),
            begun: None,
            overtaken: 0..0,
            arrival: now,
            is_over: false,
            is_taken: false,
            is_abandoned: false,
        }
    }
}

impl World {
    /// Looks at what all sockets have taken.
    pub(super) fn look_at_sockets(&mut self) -> Verdict {
        let numbers: Vec<u64> = self.sockets.keys().copied().collect();
        for number in numbers {
            self.look_at_socket(number)?;
        }
        self.sockets.retain(|_, socket| !(socket.is_over && socket.is_abandoned));
        Ok(())
    }

    fn look_at_socket(&mut self, number: u64) -> Verdict {
        let Some(socket) = self.sockets.get_mut(&number) else { return Ok(()) };
        let (bytes, overtaken) = socket.wire.take();
        let before = socket.pending.len();
        if !overtaken.is_empty() {
            socket.overtaken = overtaken.start + before..overtaken.end + before;
        }
        socket.pending.extend_from_slice(&bytes);
        while let Some((begun, frame)) = self.next_frame(number)? {
            if let Some(begun) = begun {
                self.check_frame(number, begun, &frame)?;
            }
            let lag = self.some(Duration::from_millis(20));
            let now = self.now;
            let Some(socket) = self.sockets.get_mut(&number) else { return Ok(()) };
            socket.arrival = socket.arrival.max(now + lag);
            let delay = socket.arrival.saturating_since(now);
            self.after(delay, Event::Arrive { socket: number, frame });
        }
        let Some(socket) = self.sockets.get_mut(&number) else { return Ok(()) };
        if socket.wire.has_ended() && !std::mem::replace(&mut socket.is_over, true) {
            let delay = socket.arrival.saturating_since(self.now);
            let is_abandoned = socket.is_abandoned;
            self.after(delay, Event::Ended { socket: number });
            if !is_abandoned {
                return self.check_end(number);
            }
        }
        Ok(())
    }

    /// The next whole message, and when it was begun; `None` if a revocation came while it was handed over, which is too
    /// late for it.
    fn next_frame(&mut self, number: u64) -> Result<Option<Begun>, super::Violation> {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(&number) else { return Ok(None) };
        if socket.pending.is_empty() {
            return Ok(None);
        }
        let begun = *socket.begun.get_or_insert(now);
        let size = match Message::decode(&socket.pending, &FrameLimits::default()) {
            Ok(Some((_, size))) => size,
            Ok(None) => return Ok(None),
            Err(error) => return Err(wrong(format!("socket {number} was given no message: {error}"))),
        };
        socket.begun = None;
        let is_overtaken = socket.overtaken.contains(&0);
        let left = |at: usize| at.saturating_sub(size);
        socket.overtaken = left(socket.overtaken.start)..left(socket.overtaken.end);
        Ok(Some((Some(begun).filter(|_| !is_overtaken), socket.pending.drain(..size).collect())))
    }

    fn check_frame(&mut self, number: u64, begun: Micros, frame: &[u8]) -> Verdict {
        let decoded = Message::decode(frame, &FrameLimits::default()).ok().flatten();
        let message = decoded.and_then(|(message, _)| FeedMessage::decode(&message).ok());
        let Some(message) = message else { return Err(wrong("a message that is none".to_owned())) };
        match &message {
            FeedMessage::Entry(event) if event.tag.is_some() => {
                let key = event.key.key_bytes().map(|key| key_text(&key)).unwrap_or_default();
                self.check_event(number, begun, &event.id, Some(&key))
            }
            FeedMessage::Region(event) => self.check_event(number, begun, &event.id, None),
            FeedMessage::ReAuthenticate(_) => self.check_ask(number),
            _ => Ok(()),
        }
    }

    /// I1 and I2: nothing goes out but to a user whose login is good and who may see it.
    fn check_event(
        &mut self,
        number: u64,
        begun: Micros,
        id: &FeedEventId<'_>,
        key: Option<&str>,
    ) -> Verdict {
        self.tell(|| format!("socket {number} takes {} of thread {:x}", id.sequence, id.thread));
        let Some(socket) = self.sockets.get(&number).filter(|_| self.node.security.is_some()) else {
            return Ok(());
        };
        let lane = (id.thread & 0xFFFF_FFFF) as u32;
        let feed = self.node.task.shard.feed(socket.feed);
        let lane = feed.and_then(|feed| feed.lanes.iter().find(|it| it.number == lane));
        let Some(cell) = lane.and_then(|lane| lane.cell.as_ref()) else { return Ok(()) };
        if !self.node.ledger.was_live(cell, begun) {
            return Err(wrong(format!("I1: {} was sent at {begun} without a login", id.sequence)));
        }
        let name = cell.name();
        match key.is_some_and(|key| begun == self.now && self.node.manager.is_denied(&name, key)) {
            true => Err(wrong(format!("I2: {} was sent to {name}, who may not see it", id.sequence))),
            false => Ok(()),
        }
    }

    /// I9: nobody is asked too often, or who cannot answer.
    fn check_ask(&mut self, number: u64) -> Verdict {
        let Some(socket) = self.sockets.get(&number) else { return Ok(()) };
        let client = socket.client;
        if self.clients[client].feed != Some(socket.feed) {
            return Ok(());
        }
        let it = &mut self.clients[client];
        it.asks += 1;
        let most = ASKS * it.users.len() as u32;
        if it.kind.is_old() || it.kind == Kind::JavaMulti {
            return Err(wrong(format!("I9: client {client} was asked and cannot answer")));
        }
        match it.asks > most {
            true => Err(wrong(format!("I9: client {client} was asked {} times", it.asks))),
            false => Ok(()),
        }
    }

    /// I14: a feed is ended for a reason that is its own.
    fn check_end(&self, number: u64) -> Verdict {
        let Some(socket) = self.sockets.get(&number) else { return Ok(()) };
        let it = &self.clients[socket.client];
        self.tell(|| format!("the node ends socket {number} of client {}", socket.client));
        let feed = self.node.task.shard.feed(socket.feed);
        let is_lost = feed.is_some_and(|feed| feed.lanes.iter().any(|lane| lane.lost.is_some()));
        let was_replaced = feed.is_some_and(|feed| feed.connected);
        let has_reason = it.is_draining
            || it.leaves
            || it.says_goodbye
            || is_lost
            || socket.is_taken
            || was_replaced
            || it.was_revoked
            || self.waited_enough(it);
        match has_reason {
            true => Ok(()),
            false => Err(wrong(format!("I14: the feed of client {} was ended for no reason", socket.client))),
        }
    }

    /// Whether a client has had all the time that it may take to log in.
    fn waited_enough(&self, it: &Client) -> bool {
        let policies = &self.plan.policies;
        let Some(feed) = self.node.feed(&it.key).filter(|_| !it.several()) else { return false };
        let Some(cell) = feed.lanes.first().and_then(|lane| lane.cell.as_ref()) else { return false };
        let Some(since) = self.node.ledger.over_since(cell, &self.node.manager, self.now) else {
            return false;
        };
        let wait = match it.kind.is_old() {
            true => policies.old_client_wait,
            false => policies.reauthenticate_wait,
        };
        self.now >= since + wait || it.asks >= policies.late_asks
    }

    /// Notes which feeds the node has let go of, and whether it had a reason.
    pub(super) fn look_at_feeds(&mut self) -> Verdict {
        for client in 0..self.clients.len() {
            let it = &self.clients[client];
            let feed = self.node.feed(&it.key);
            match (it.feed, feed) {
                (Some(known), Some(feed)) if feed.id == known => self.note_feed(client)?,
                (Some(_), _) => self.note_gone(client)?,
                (None, _) => {}
            }
        }
        Ok(())
    }

    fn note_feed(&mut self, client: usize) -> Verdict {
        let Some(feed) = self.node.feed(&self.clients[client].key) else { return Ok(()) };
        let until = match feed.state {
            State::Parked { until } | State::Paused { until } => Some(until),
            _ => None,
        };
        let (size, bytes) = feed.size();
        let (bound, most_bytes) = (self.plan.policies.queue_events, self.plan.policies.queue_bytes);
        let is_paused = matches!(feed.state, State::Paused { .. });
        if size > bound + 1 {
            return Err(wrong(format!("I10: {size} changes wait for client {client}, at most {bound} may")));
        }
        if bytes > most_bytes + CHANGE {
            return Err(wrong(format!(
                "I10: {bytes} bytes wait for client {client}, at most {most_bytes} may"
            )));
        }
        let is_draining = matches!(feed.state, State::Draining { .. });
        let is_lost = feed.lanes.iter().any(|lane| lane.lost.is_some());
        let it = &self.clients[client];
        let has_reason =
            is_lost || it.leaves || it.says_goodbye || it.was_taken_over() || self.waited_enough(it);
        if is_draining && !it.is_draining && !has_reason {
            return Err(wrong(format!("I14: the feed of client {client} is given up for no reason")));
        }
        let it = &mut self.clients[client];
        it.is_draining = is_draining;
        it.until = until;
        if is_paused {
            it.drop_what_is_not_durable();
        }
        Ok(())
    }

    fn note_gone(&mut self, client: usize) -> Verdict {
        let now = self.now;
        let it = &mut self.clients[client];
        let was_displaced = std::mem::take(&mut it.was_displaced);
        let has_reason = it.leaves
            || it.gives_up_queue
            || it.was_revoked
            || was_displaced
            || it.until.is_some_and(|until| now >= until);
        it.feed = None;
        it.until = None;
        it.book.void();
        it.book.owes_notice.clear();
        it.results.clear();
        self.tell(|| format!("the queue of client {client} is gone"));
        match has_reason {
            true => Ok(()),
            false => Err(wrong(format!("I4: the queue of client {client} went for no reason"))),
        }
    }
}

impl Client {
    /// What a durable client did not want to be kept while it is away goes.
    fn drop_what_is_not_durable(&mut self) {
        let Self { wants, book, results, .. } = self;
        for (number, want) in
            wants.iter().enumerate().filter(|(number, _)| book.has(*number)).collect::<Vec<_>>()
        {
            let (durable, name) = match want {
                Want::Interest { durable, .. } => (*durable, None),
                Want::Query { durable, name, .. } => (*durable, Some(name)),
            };
            if durable {
                continue;
            }
            book.forget(|it| it == number);
            if let Some(name) = name {
                book.close_query(0, name);
                results.forget(name);
            }
        }
    }
}
