//! What goes out next: chosen event by event under the login of each, and taken back where the socket did not take it.

use std::time::Duration;

use bytes::Bytes;
use druse_protocol::auth::{AuthError, Operation};
use druse_protocol::message::key::KeyRef;

use super::feed::{Feed, State, Turn};
use super::frames;
use super::lane::{Item, Lane, Pending};
#[cfg(test)]
use super::sim::bug::{self, Bug};
use crate::security::Wanted;

/// The most that one write takes.
const BATCH_BYTES: usize = 64 << 10;
/// The most events in it.
const BATCH_EVENTS: usize = 1024;
/// What a lane may put into a batch before it is another's turn.
const CREDIT: usize = 16 << 10;
/// When permission is asked again that the manager could neither give nor refuse.
const RETRY: Duration = Duration::from_secs(1);

/// A part of a batch: what it is, and its bytes.
struct Entry {
    origin: Origin,
    frame: Bytes,
}

enum Origin {
    /// It was owed before.
    Owed,
    /// It stood in that lane.
    Lane(u32, Item),
}

/// Frames for one write.
#[derive(Default)]
pub(crate) struct Batch {
    entries: Vec<Entry>,
    bytes: usize,
}

impl Batch {
    /// The frames, in order.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(|entry| &*entry.frame)
    }

    /// The frame, if it is the only one.
    pub(crate) fn only_frame(&self) -> Option<&[u8]> {
        match self.entries.as_slice() {
            [entry] => Some(&entry.frame),
            _ => None,
        }
    }

    /// Whether there is nothing to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all frames.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.entries.len() >= BATCH_EVENTS
    }

    fn push(&mut self, origin: Origin, frame: Bytes) {
        self.bytes += frame.len();
        self.entries.push(Entry { origin, frame });
    }
}

/// What a socket is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Write the batch, if there is anything in it, and ask again.
    Write,
    /// Write the batch, if there is anything in it: nothing else may go out now.
    WriteLast,
    /// Be closed in peace: the client has everything that was begun.
    Finish,
    /// Be closed at once, behind the last word in the batch if it takes that without waiting.
    Cut,
}

impl Feed {
    /// Fills a batch with what may go out now.
    pub(super) fn fill(&mut self, batch: &mut Batch, turn: &mut Turn<'_>) -> Wish {
        self.keep_time(turn);
        while let Some(frame) = self.owed.pop_front() {
            batch.push(Origin::Owed, frame);
        }
        if self.cut {
            return Wish::Cut;
        }
        match self.state {
            State::Running if self.resume.is_none() => self.fill_from_lanes(batch, turn),
            State::Draining { until } if batch.is_empty() || turn.now >= until => {
                // Who can be asked for a login may be about to give the feed up for want of one, and read no further.
                self.flushed = batch.is_empty() && !self.client.version.knows_expiry();
                return Wish::Finish;
            }
            State::Draining { .. } => return Wish::Write,
            _ => {}
        }
        // What is left although there is room rests on a login that has just ended, which is to be looked at.
        let is_left = batch.is_full() || self.lanes.iter().any(|lane| !lane.is_empty());
        if is_left { Wish::Write } else { Wish::WriteLast }
    }

    /// Does what is due although nothing can be sent. Returns whether the socket stays.
    pub(super) fn attend(&mut self, turn: &mut Turn<'_>) -> bool {
        self.keep_time(turn);
        let is_late = matches!(self.state, State::Draining { until } if turn.now >= until);
        !self.cut && !is_late
    }

    /// What is due because time has passed.
    fn keep_time(&mut self, turn: &mut Turn<'_>) {
        if !self.look_at_logins(turn) {
            return;
        }
        self.ask_if_due(turn);
        self.renew_if_due(turn);
        self.give_up_if_due(turn);
        self.ping_if_silent(turn);
        if self.resume.as_ref().is_some_and(|resume| turn.now >= resume.until) {
            self.resume = None;
        }
        let (bytes, age) = turn.policies.unacknowledged;
        self.unacknowledged.trim(bytes, age, turn.now);
    }

    fn fill_from_lanes(&mut self, batch: &mut Batch, turn: &mut Turn<'_>) {
        #[cfg(test)]
        if bug::is_in(Bug::HoldsAll) && self.lanes.iter().any(|lane| !lane.is_live(turn.now)) {
            return;
        }
        let count = self.lanes.len();
        let mut idle = 0;
        while idle < count && !batch.is_full() {
            let at = self.turn_of % count.max(1);
            self.turn_of = at + 1;
            let before = batch.entries.len();
            if let Some(lane) = self.lanes.get_mut(at) {
                fill_from(lane, batch, turn);
            }
            idle = if batch.entries.len() == before { idle + 1 } else { 0 };
        }
    }

    /// The socket took that many bytes of the batch. Of a frame that was begun the rest is owed; what was not begun stands
    /// where it stood before.
    pub(super) fn written(&mut self, batch: &mut Batch, mut taken: usize, turn: &Turn<'_>) {
        if taken > 0 {
            self.last_write = turn.now;
        }
        let mut left = Vec::new();
        for Entry { origin, frame } in batch.entries.drain(..) {
            let begun = taken.min(frame.len());
            taken -= begun;
            if begun == 0 {
                left.push((origin, frame));
                continue;
            }
            self.between_frames = begun == frame.len();
            if begun < frame.len() {
                self.owed.push_back(frame.slice(begun..));
            }
            if let Origin::Lane(number, Item::Event(pending)) = origin {
                self.sent(number, pending, turn);
            }
        }
        batch.bytes = 0;
        // The rest of a frame goes first, then what is owed, in its order.
        let owed_before = self.owed.len();
        for (origin, frame) in left.into_iter().rev() {
            match origin {
                Origin::Owed => self.owed.insert(owed_before, frame),
                Origin::Lane(number, item) => {
                    if let Some(lane) = self.lane(number) {
                        lane.put_back(item);
                    }
                }
            }
        }
    }

    fn sent(&mut self, number: u32, pending: Pending, turn: &Turn<'_>) {
        turn.metrics.feeds.events_sent.inc();
        if let Some(lane) = self.lane(number) {
            lane.line = lane.line.max(pending.seq());
            lane.wait.asks = 0;
        }
        self.unacknowledged.push(number, pending, turn.now);
    }
}

/// Takes what may go out from a lane: as much as its credit allows, and nothing once its login has ended.
fn fill_from(lane: &mut Lane, batch: &mut Batch, turn: &mut Turn<'_>) {
    if lane.awaits_user || lane.wait.retry.is_some_and(|at| turn.now < at) {
        return;
    }
    lane.wait.retry = None;
    let end = batch.bytes + CREDIT;
    while batch.bytes < end && !batch.is_full() {
        let Some(item) = lane.pop() else { return };
        let frame = match &item {
            Item::Conflated => continue,
            Item::Marker => frames::marker(turn.stamp),
            Item::Event(pending) => match permission(lane, pending, turn) {
                Permission::Given => frame(pending, lane.number, turn),
                Permission::Never => {
                    turn.metrics.feeds.events_refused.inc();
                    continue;
                }
                Permission::Expired => return lane.put_back(item),
                Permission::Unknown => {
                    lane.wait.retry = Some(turn.now + RETRY);
                    return lane.put_back(item);
                }
            },
        };
        batch.push(Origin::Lane(lane.number, item), frame);
    }
}

fn frame(pending: &Pending, lane: u32, turn: &Turn<'_>) -> Bytes {
    match (pending.interest, pending.cqs.as_slice()) {
        (Some(values), []) if lane == 0 => pending.change.frame(values, turn.stamp),
        (interest, hits) => frames::event(&pending.change, interest, hits, turn.stamp, lane),
    }
}

enum Permission {
    Given,
    /// The event is not for this user.
    Never,
    /// The login has ended.
    Expired,
    /// The manager could not tell.
    Unknown,
}

/// Whether the lane's user may see the change now. Asked for each event, just before it goes out.
fn permission(lane: &Lane, pending: &Pending, turn: &Turn<'_>) -> Permission {
    let Some(security) = turn.security else { return Permission::Given };
    // Without a subject nothing is delivered (ref. 3, section 7, row 5).
    let Some(cell) = &lane.cell else { return Permission::Never };
    let shared = &pending.change;
    let path = shared.region.path();
    let key = (!shared.key().is_empty()).then(|| KeyRef::from_canonical(shared.key()));
    let wanted = Wanted::data(Operation::Read, path.strip_prefix('/').unwrap_or(path), key);
    match security.authorize(cell, Some(shared.change.region.0.into()), &wanted, turn.now) {
        Ok(_) => Permission::Given,
        Err(AuthError::NotAuthorized(_)) => Permission::Never,
        Err(error) if error.is_expired() => Permission::Expired,
        Err(error) => {
            tracing::debug!(%path, %error, "whether an event may go out could not be told: it waits");
            Permission::Unknown
        }
    }
}
