//! Which events have been seen, and of which the server has been told (Geode `QueueStateImpl`). Pure.
//!
//! Servers send an event again when they are not sure that it arrived: to a client that comes back, and from a backup
//! that takes over. Every event carries its origin, a member and one of its threads, and a number that rises there. What
//! is not above the highest number of its origin is a repetition.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use druse_protocol::message::feed::FeedEventId;
use druse_protocol::time::Micros;

/// How many origins are remembered. A writer has one for each of its threads; where there are more than this, those
/// that have been silent longest are forgotten before their time.
const MAX_ORIGINS: usize = 100_000;

/// How many events one acknowledgement names.
const MAX_ACKED_AT_ONCE: usize = 1_000;

/// An event by its number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    /// The member whose event it is.
    pub(crate) member: Bytes,
    /// Its thread.
    pub(crate) thread: i64,
    /// The event's number there.
    pub(crate) sequence: i64,
}

impl Stamp {
    /// The same, ready for an acknowledgement.
    pub(crate) fn id(&self) -> FeedEventId<'_> {
        FeedEventId { member: &self.member, thread: self.thread, sequence: self.sequence }
    }
}

/// What is remembered of one origin.
#[derive(Debug)]
struct Origin {
    seen: i64,
    applied: Option<i64>,
    acked: Option<i64>,
    /// When the server was told last; unset while it has not been told of everything.
    quiet_since: Option<Micros>,
}

/// The events seen by one client, whichever server they came from.
#[derive(Debug, Default)]
pub(crate) struct QueueState {
    origins: HashMap<Bytes, HashMap<i64, Origin>>,
    count: usize,
    unacked: HashSet<(Bytes, i64)>,
}

impl QueueState {
    /// Takes note of an event; `None` if it is a repetition.
    pub(crate) fn admit(&mut self, member: &[u8], thread: i64, sequence: i64) -> Option<Stamp> {
        let (member, threads) = match self.origins.get_key_value(member) {
            Some((member, _)) => (member.clone(), self.origins.get_mut(member.clone().as_ref())?),
            // Copied: a slice of the message would keep the whole message.
            None => {
                let member = Bytes::copy_from_slice(member);
                (member.clone(), self.origins.entry(member).or_default())
            }
        };
        match threads.get_mut(&thread) {
            Some(origin) if sequence <= origin.seen => return None,
            Some(origin) => origin.seen = sequence,
            None => {
                let origin = Origin { seen: sequence, applied: None, acked: None, quiet_since: None };
                threads.insert(thread, origin);
                self.count += 1;
                self.make_room();
            }
        }
        Some(Stamp { member, thread, sequence })
    }

    /// The application has the event: the server may be told.
    pub(crate) fn applied(&mut self, stamp: &Stamp) {
        let Some(origin) = self.origin(&stamp.member, stamp.thread) else { return };
        if origin.applied < Some(stamp.sequence) {
            origin.applied = Some(stamp.sequence);
            origin.quiet_since = None;
            self.unacked.insert((stamp.member.clone(), stamp.thread));
        }
    }

    /// Whether there is something to tell the server.
    pub(crate) fn has_news(&self) -> bool {
        !self.unacked.is_empty()
    }

    /// What to tell the server next.
    pub(crate) fn to_ack(&self) -> Vec<Stamp> {
        let stamp = |(member, thread): &(Bytes, i64)| {
            let sequence = self.origins.get(member)?.get(thread)?.applied?;
            Some(Stamp { member: member.clone(), thread: *thread, sequence })
        };
        self.unacked.iter().filter_map(stamp).take(MAX_ACKED_AT_ONCE).collect()
    }

    /// The server has answered.
    pub(crate) fn acked(&mut self, stamps: &[Stamp], now: Micros) {
        for stamp in stamps {
            let Some(origin) = self.origin(&stamp.member, stamp.thread) else { continue };
            origin.acked = origin.acked.max(Some(stamp.sequence));
            if origin.acked >= origin.applied {
                origin.quiet_since = Some(now);
                self.unacked.remove(&(stamp.member.clone(), stamp.thread));
            }
        }
    }

    /// Another server is to be told, which may know nothing of what the last one was told.
    pub(crate) fn begin_anew(&mut self) {
        for (member, threads) in &mut self.origins {
            for (thread, origin) in threads.iter_mut().filter(|(_, origin)| origin.applied.is_some()) {
                origin.acked = None;
                self.unacked.insert((member.clone(), *thread));
            }
        }
    }

    /// Forgets origins that the server was told of so long ago.
    pub(crate) fn expire(&mut self, now: Micros, timeout: Duration) {
        self.forget(|since| now.saturating_since(since) >= timeout);
    }

    fn origin(&mut self, member: &Bytes, thread: i64) -> Option<&mut Origin> {
        self.origins.get_mut(member)?.get_mut(&thread)
    }

    /// Forgets the older half of the quiet origins once there are too many.
    fn make_room(&mut self) {
        if self.count <= MAX_ORIGINS {
            return;
        }
        let quiet = self.origins.values().flat_map(HashMap::values).filter_map(|origin| origin.quiet_since);
        let mut quiet: Vec<Micros> = quiet.collect();
        quiet.sort_unstable();
        if let Some(&middle) = quiet.get(quiet.len() / 2) {
            self.forget(|since| since <= middle);
        }
    }

    fn forget(&mut self, is_over: impl Fn(Micros) -> bool) {
        for threads in self.origins.values_mut() {
            threads.retain(|_, origin| !origin.quiet_since.is_some_and(&is_over));
        }
        self.origins.retain(|_, threads| !threads.is_empty());
        self.count = self.origins.values().map(HashMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Micros = Micros::from_secs(1_000);

    #[test]
    fn what_is_not_above_the_highest_is_a_repetition() {
        let mut state = QueueState::default();
        assert!(state.admit(b"m", 1, 5).is_some());
        for repeated in [5, 4, -1] {
            assert_eq!(state.admit(b"m", 1, repeated), None);
        }
        assert!(state.admit(b"m", 1, 6).is_some());
        assert!(state.admit(b"m", 2, 5).is_some(), "another thread");
        assert!(state.admit(b"n", 1, 5).is_some(), "another member");
    }

    #[test]
    fn only_what_was_applied_is_acknowledged_and_only_until_it_is() {
        let mut state = QueueState::default();
        let first = state.admit(b"m", 1, 1).unwrap();
        let second = state.admit(b"m", 1, 2).unwrap();
        assert!(!state.has_news());
        state.applied(&first);
        assert_eq!(state.to_ack(), std::slice::from_ref(&first));
        state.applied(&second);
        state.acked(&[first], T0);
        assert_eq!(state.to_ack(), std::slice::from_ref(&second), "the answer is to an older word");
        state.acked(&[second], T0);
        assert!(!state.has_news());
    }

    #[test]
    fn origins_are_forgotten_once_the_server_knows_and_time_has_passed() {
        let (mut state, timeout) = (QueueState::default(), Duration::from_secs(900));
        let acked = state.admit(b"m", 1, 1).unwrap();
        let waiting = state.admit(b"m", 2, 1).unwrap();
        state.applied(&acked);
        state.acked(&[acked], T0);
        state.expire(T0 + timeout - Duration::from_secs(1), timeout);
        assert_eq!(state.admit(b"m", 1, 1), None);
        state.expire(T0 + timeout, timeout);
        assert!(state.admit(b"m", 1, 1).is_some(), "forgotten");
        assert_eq!(state.admit(b"m", 2, 1), None, "{waiting:?} has not been acknowledged");
    }

    #[test]
    fn a_new_server_is_told_everything() {
        let mut state = QueueState::default();
        let stamp = state.admit(b"m", 1, 1).unwrap();
        state.applied(&stamp);
        state.acked(std::slice::from_ref(&stamp), T0);
        state.begin_anew();
        assert_eq!(state.to_ack(), [stamp]);
    }

    #[test]
    fn the_number_of_origins_is_bounded() {
        let mut state = QueueState::default();
        for thread in 0..=MAX_ORIGINS as i64 {
            let stamp = state.admit(b"m", thread, 1).unwrap();
            state.applied(&stamp);
            state.acked(&[stamp], T0 + Duration::from_millis(thread as u64));
        }
        assert!(state.count <= MAX_ORIGINS / 2 + 2, "{}", state.count);
        assert_eq!(state.admit(b"m", MAX_ORIGINS as i64, 1), None, "the newest are kept");
    }
}
