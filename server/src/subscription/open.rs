//! How a feed begins: as a new one, or as that of a client that is back.

use std::collections::VecDeque;
use std::sync::Arc;

use druse_protocol::handshake::AcceptanceCode;
use druse_protocol::time::Micros;

use super::FeedId;
use super::feed::{Feed, FeedClient, State};
use super::shard::Shard;
use crate::security::{Cell, CellWatcher, ClientLogins};

/// Durable clients that are remembered because they did not come back in time; the oldest are forgotten first.
const REMEMBERED: usize = 10_000;

/// What a durable client is told whose queue is there no more, instead of the events that wait in it.
const NO_QUEUE: i32 = -2;
/// And one whose queue went because it stayed away for too long.
const TIMED_OUT: i32 = -1;

/// A client that wants to be told of changes.
pub(crate) struct Opening {
    /// By which the client's connections are told to be of one client.
    pub(crate) key: Box<[u8]>,
    pub(crate) client: FeedClient,
    /// The feed's share in the client's logins; `None` where nobody is asked who they are.
    pub(crate) logins: Option<ClientLogins>,
    /// The login of a client with one user.
    pub(crate) cell: Option<Arc<Cell>>,
    /// Whether this node is to be the one that tells.
    pub(crate) primary: bool,
}

/// What a client is told of its feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) id: FeedId,
    /// 0 a new queue, 1 a redundant one that was there, 2 a primary one that was there.
    pub(crate) endpoint_type: u8,
    /// Events that wait; -2 if there was no queue of a durable client, -1 if it has timed out.
    pub(crate) queue_size: i32,
    /// The socket of before is to be closed: its feed goes on with the new one.
    pub(crate) replaces_socket: bool,
}

/// Why a client has to stay out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// Two processes use one durable id.
    #[error("a durable client with this id is connected")]
    DurableInUse,
    /// Somebody else's feed under this identity lives.
    #[error("this client's feed belongs to another user")]
    OtherUser,
}

impl OpenError {
    /// As a Geode server answers.
    pub(crate) const fn code(self) -> AcceptanceCode {
        match self {
            Self::DurableInUse => AcceptanceCode::DuplicateDurableClient,
            Self::OtherUser => AcceptanceCode::AuthenticationFailed,
        }
    }
}

/// How a client's feed of before stands towards a new one.
enum Before {
    /// There is none that counts.
    Nothing,
    /// It goes on, perhaps on another socket than the one that it still has.
    GoesOn { id: FeedId, replaces_socket: bool },
}

impl Shard {
    /// Opens a feed. `bell` makes what is heard of its logins known to the shard's owner.
    ///
    /// # Errors
    /// If the client's own feed of before stands in the way.
    pub(crate) fn open(
        &mut self,
        opening: Opening,
        bell: impl FnOnce(FeedId) -> Arc<dyn CellWatcher>,
        now: Micros,
    ) -> Result<Opened, OpenError> {
        Ok(match self.before(&opening, now)? {
            Before::Nothing => self.open_new(opening, bell, now),
            Before::GoesOn { id, replaces_socket } => {
                Opened { replaces_socket, ..self.resume(id, opening, now) }
            }
        })
    }

    fn before(&mut self, opening: &Opening, now: Micros) -> Result<Before, OpenError> {
        let Some(id) = self.find(&opening.key) else { return Ok(Before::Nothing) };
        let Some(feed) = self.feed(id) else { return Ok(Before::Nothing) };
        let theirs = opening.cell.as_ref().map(|cell| cell.name());
        let is_theirs =
            feed.principal() == theirs && feed.client.has_several_users == opening.client.has_several_users;
        if !is_theirs {
            if feed.connected {
                return Err(OpenError::OtherUser);
            }
            // Nothing of the one user's backlog crosses to the other.
            self.remove(id);
            return Ok(Before::Nothing);
        }
        if feed.connected && feed.is_durable() && feed.client.identity != opening.client.identity {
            return Err(OpenError::DurableInUse);
        }
        let (replaces_socket, is_another) = (feed.connected, feed.client.identity != opening.client.identity);
        if let Some(feed) = self.feed_mut(id) {
            // Another process that uses a durable id means its goodbye as it says it.
            feed.away_since = (!is_another).then_some(Micros::MIN);
        }
        // A socket that is replaced is as good as broken: what went out on it has perhaps not arrived.
        if replaces_socket && self.with_feed(id, now, |feed, turn| feed.disconnect(turn)) != Some(false) {
            self.remove(id);
            return Ok(Before::Nothing);
        }
        Ok(Before::GoesOn { id, replaces_socket })
    }

    fn open_new(
        &mut self,
        opening: Opening,
        bell: impl FnOnce(FeedId) -> Arc<dyn CellWatcher>,
        now: Micros,
    ) -> Opened {
        let Opening { key, client, logins, cell, primary } = opening;
        let queue_size = match client.durable {
            None => 0,
            Some(_) if self.timed_out.forget(&key) => TIMED_OUT,
            Some(_) => NO_QUEUE,
        };
        let id = self.insert(|id| Feed::new(id, key, client, logins, cell, bell(id), now));
        let passed = self.passed();
        self.with_feed(id, now, |feed, turn| {
            feed.lanes.iter_mut().for_each(|lane| lane.line = passed);
            feed.connect(primary, passed, turn);
        });
        Opened { id, endpoint_type: 0, queue_size, replaces_socket: false }
    }

    /// The feed goes on; or, if what waited was lost, the client has to fetch everything anew.
    fn resume(&mut self, id: FeedId, opening: Opening, now: Micros) -> Opened {
        let is_lost =
            |feed: &Feed| !feed.client.has_several_users && feed.lanes.iter().any(|it| it.lost.is_some());
        let anew = self.feed(id).is_some_and(is_lost);
        if anew {
            self.forget_registrations(id);
        }
        let passed = self.passed();
        let mut opened = Opened { id, endpoint_type: 0, queue_size: 0, replaces_socket: false };
        self.with_feed(id, now, |feed, turn| {
            let was_secondary = feed.state == State::Secondary;
            feed.client = opening.client;
            // The login may be the same cell; if not, it is the same user's, with whom the feed goes on.
            if let Some(cell) = &opening.cell {
                feed.rebind(0, cell);
            }
            let waiting = feed.connect(opening.primary, passed, turn);
            if feed.is_durable() && anew {
                // As if there were none: what it held is gone, and of one that was kept nothing would be missed.
                opened.queue_size = NO_QUEUE;
            } else if feed.is_durable() {
                opened.endpoint_type = if was_secondary { 1 } else { 2 };
                opened.queue_size = i32::try_from(waiting).unwrap_or(i32::MAX);
            } else if !anew {
                turn.metrics.feeds.resumed.inc();
                feed.await_registrations(turn);
            }
        });
        opened
    }

    /// A resynchronised client registers everything again, as if for the first time.
    fn forget_registrations(&mut self, id: FeedId) {
        let Some(feed) = self.feed(id) else { return };
        let interest = feed.interest.clone();
        let queries: Vec<_> = feed.cqs.iter().map(|cq| Arc::clone(&cq.name)).collect();
        for registration in interest {
            self.forget_interest(id, registration.region, &registration.interest);
        }
        for name in &queries {
            self.forget_query(id, name);
        }
        if let Some(feed) = self.feed_mut(id) {
            feed.lost_queries.extend(queries);
            // What comes from here on is not lost any more.
            feed.lanes.iter_mut().for_each(|lane| lane.lost = None);
        }
    }
}

/// Durable clients whose queue went before they came back: they are told so.
#[derive(Debug, Default)]
pub(super) struct TimedOut(VecDeque<Box<[u8]>>);

impl TimedOut {
    pub(super) fn remember(&mut self, key: &[u8]) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(key.into());
    }

    /// Whether the client is one of them; it is none any longer.
    fn forget(&mut self, key: &[u8]) -> bool {
        let before = self.0.len();
        self.0.retain(|it| **it != *key);
        self.0.len() < before
    }
}
