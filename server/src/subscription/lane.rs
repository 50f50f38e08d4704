//! A lane: the events of a feed that rest on one login, in the order of the log.
//!
//! ```text
//!  Live ──the login has ended──► Held ──a fresher login──► Live
//!                                 └──── a bound ──► Lost ── a fresher login, the loss told ──► Live
//! ```
//! Whether a lane is held is not remembered but asked: it is held while its login is not live. RFC.md section 12.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use druse_protocol::time::Micros;

use super::frames::CqHit;
use super::shared::SharedChange;
use crate::engine::{ChangeKind, RegionId};
use crate::security::Cell;

/// A change that waits for a client.
pub(crate) struct Pending {
    pub(super) change: Arc<SharedChange>,
    /// Whether the client has interest, and then whether in values.
    pub(super) interest: Option<bool>,
    /// Its queries that the change concerns; most often none.
    pub(super) cqs: Vec<CqHit>,
}

impl Pending {
    pub(super) fn seq(&self) -> u64 {
        self.change.seq()
    }

    pub(super) fn bytes(&self) -> usize {
        self.change.change.pinned_bytes()
    }
}

/// What stands in a lane.
pub(crate) enum Item {
    /// A change.
    Event(Pending),
    /// The place from which on a durable client lets events touch its regions.
    Marker,
    /// Something stood here that is not to go out: most often a newer update of the same key stands further back.
    Conflated,
}

/// The newest plain update of each key that waits: what conflation replaces.
type Updates = HashMap<(RegionId, Box<[u8]>), u64>;

/// The events of one user.
pub(crate) struct Lane {
    /// Never used again within a feed: a client keeps a counter for each.
    pub(super) number: u32,
    /// Whose events; `None` where nobody is asked who they are.
    pub(super) cell: Option<Arc<Cell>>,
    items: VecDeque<Item>,
    /// Place of the first item among all that ever stood here.
    first: u64,
    updates: Option<Updates>,
    /// Bytes of all changes that wait here.
    pub(super) bytes: usize,
    /// Changes that wait here.
    pub(super) events: usize,
    /// Whether the lane waits for its user to run a query again: whoever has opened the feed of several users anew has
    /// shown no credentials.
    pub(super) awaits_user: bool,
    /// Place in the log of the last change that was written to the client's socket.
    pub(super) line: u64,
    /// The changes that were dropped at a bound, until the client has been told.
    pub(super) lost: Option<(u64, u64)>,
    /// Changes of which the client was told that they are lost, over a connection that then broke.
    pub(super) untold: Option<(u64, u64)>,
    /// What the lane has been through since its login ended.
    pub(super) wait: Wait,
    /// The generation of whose end the client's queries have been told.
    pub(super) told: Option<u64>,
}

/// How long a lane has been held, and what was done about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wait {
    /// Since when it is held.
    pub(super) since: Option<Micros>,
    /// How often the client has been asked since an event last went out or a login lived to its end.
    pub(super) asks: u32,
    /// The end of the last login that was live here.
    pub(super) end: Option<Micros>,
    /// When permission is to be asked again, because the manager could not tell.
    pub(super) retry: Option<Micros>,
    /// When the client is to be asked again.
    pub(super) next_ask: Option<Micros>,
    /// When it was asked last, early or late.
    pub(super) last_ask: Option<Micros>,
    /// Stale logins of the cell at that time: more of them are an answer that did not help.
    pub(super) stale: u32,
    /// Logins of the cell that took until it was held: more of them while it still is came and went unseen.
    pub(super) logins: u32,
}

impl Lane {
    pub(super) fn new(number: u32, cell: Option<Arc<Cell>>, conflates: bool) -> Self {
        Self {
            number,
            cell,
            items: VecDeque::new(),
            // High enough to count down from as often as anything is put back.
            first: 1 << 40,
            updates: conflates.then(Updates::default),
            bytes: 0,
            events: 0,
            awaits_user: false,
            line: 0,
            lost: None,
            untold: None,
            wait: Wait::default(),
            told: None,
        }
    }

    /// Whether the user's events may go out. What may not is found out event by event.
    pub(super) fn is_live(&self, now: Micros) -> bool {
        self.cell.as_ref().is_none_or(|cell| cell.is_live(now))
    }

    /// Whether its user is to be asked for a login, by an id that nobody else may learn.
    pub(super) fn is_to_be_asked(&self) -> bool {
        self.wait.since.is_some() && !self.awaits_user
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The changes that wait, in order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Pending> {
        self.items.iter().filter_map(|item| match item {
            Item::Event(pending) => Some(pending),
            Item::Marker | Item::Conflated => None,
        })
    }

    /// The change behind all others.
    pub(super) fn last(&mut self) -> Option<&mut Pending> {
        match self.items.back_mut()? {
            Item::Event(pending) => Some(pending),
            Item::Marker | Item::Conflated => None,
        }
    }

    /// Puts a change behind all others. Of two plain updates of one key only the later one stays, if the client wants
    /// that.
    pub(super) fn push(&mut self, pending: Pending) {
        if let Some(updates) = &mut self.updates
            && pending.change.change.kind == ChangeKind::Update
            && pending.cqs.is_empty()
        {
            let key = (pending.change.change.region, pending.change.key().into());
            let place = self.first + self.items.len() as u64;
            if let Some(earlier) = updates.insert(key, place) {
                self.conflate(earlier);
            }
        }
        self.bytes += pending.bytes();
        self.events += 1;
        self.items.push_back(Item::Event(pending));
    }

    fn conflate(&mut self, place: u64) {
        let Some(at) = place.checked_sub(self.first).and_then(|at| usize::try_from(at).ok()) else { return };
        let Some(item) = self.items.get_mut(at) else { return };
        if matches!(item, Item::Event(pending) if pending.cqs.is_empty())
            && let Item::Event(pending) = std::mem::replace(item, Item::Conflated)
        {
            self.bytes -= pending.bytes();
            self.events -= 1;
        }
    }

    /// Puts the marker behind what waits. One that was put there for an earlier connection counts no more: between the two
    /// a client would compare what waits with the snapshots that it takes now.
    pub(super) fn push_marker(&mut self) {
        for item in self.items.iter_mut().filter(|item| matches!(item, Item::Marker)) {
            *item = Item::Conflated;
        }
        self.items.push_back(Item::Marker);
    }

    /// Takes the first item out.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.first += 1;
        if let Item::Event(pending) = &item {
            self.bytes -= pending.bytes();
            self.events -= 1;
            if let Some(updates) = &mut self.updates {
                let key = (pending.change.change.region, pending.change.key().into());
                if updates.get(&key).is_some_and(|place| *place < self.first) {
                    updates.remove(&key);
                }
            }
        }
        Some(item)
    }

    /// Puts an item back in front of all others.
    pub(super) fn put_back(&mut self, item: Item) {
        // What was conflated away stays away; what comes back is never the newest of its key unless nothing followed.
        self.first = self.first.wrapping_sub(1);
        if let Item::Event(pending) = &item {
            self.bytes += pending.bytes();
            self.events += 1;
        }
        self.items.push_front(item);
    }

    /// Of these changes that wait, values are wanted, too, if they go to anybody who has interest.
    pub(super) fn want_values(&mut self, of: impl Fn(&Pending) -> bool) {
        for item in &mut self.items {
            if let Item::Event(pending) = item
                && pending.interest == Some(false)
                && of(pending)
            {
                pending.interest = Some(true);
            }
        }
    }

    /// The same of the last change, if it is that one.
    pub(super) fn last_wants_value(&mut self, seq: u64) {
        if let Some(last) = self.last().filter(|last| last.seq() == seq && last.interest.is_some()) {
            last.interest = Some(true);
        }
    }

    /// Drops everything and remembers what it was.
    pub(super) fn lose(&mut self) {
        let range = self.waiting().fold(self.lost, |range: Option<(u64, u64)>, pending| {
            let seq = pending.seq();
            Some(range.map_or((seq, seq), |(first, last)| (first.min(seq), last.max(seq))))
        });
        self.clear();
        self.lost = range;
    }

    /// One more change is missed by a lane that has lost some.
    pub(super) fn lose_one(&mut self, seq: u64) {
        if let Some((_, last)) = &mut self.lost {
            *last = (*last).max(seq);
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.first += self.items.len() as u64;
        self.items = VecDeque::new();
        (self.bytes, self.events) = (0, 0);
        if let Some(updates) = &mut self.updates {
            updates.clear();
        }
    }

    /// Drops the queries of that name from what waits; a change that concerns nothing else goes wholly.
    pub(super) fn forget_query(&mut self, name: &[u8]) {
        let items = std::mem::take(&mut self.items);
        (self.bytes, self.events) = (0, 0);
        for item in items {
            let item = match item {
                Item::Event(pending) => without(pending, name).map_or(Item::Conflated, Item::Event),
                other => other,
            };
            if let Item::Event(pending) = &item {
                self.bytes += pending.bytes();
                self.events += 1;
            }
            self.items.push_back(item);
        }
    }
}

fn without(mut pending: Pending, name: &[u8]) -> Option<Pending> {
    pending.cqs.retain(|hit| &*hit.name != name);
    (pending.interest.is_some() || !pending.cqs.is_empty()).then_some(pending)
}
