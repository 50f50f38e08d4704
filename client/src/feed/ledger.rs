//! Which events the application has taken, in the order in which they came. Pure but for a wake-up.
//!
//! A durable client must not acknowledge an event that lies unread in a queue of its own process: if the process ended,
//! nobody would send it again. Streams are read at different speeds and an acknowledgement covers everything before it,
//! so what counts is the longest run of events, from the oldest on, that have all been taken.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use super::seen::Stamp;

/// How many events may lie untaken or behind one that does.
pub(crate) const MAX_UNSETTLED: usize = 16_384;

/// Held with every copy of an event that waits for the application; the last one that is dropped settles the event.
#[derive(Debug, Clone)]
pub(crate) struct Receipt {
    _held: Arc<Held>,
}

#[derive(Debug)]
struct Held(Arc<Notify>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// The events under way.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: VecDeque<(Stamp, Weak<Held>)>,
    settled: Arc<Notify>,
}

impl Ledger {
    /// `settled` is notified whenever the application has taken an event.
    pub(crate) fn new(settled: Arc<Notify>) -> Self {
        Self { entries: VecDeque::new(), settled }
    }

    /// Enters an event. It is settled when the receipt and all its clones are gone.
    pub(crate) fn enter(&mut self, stamp: Stamp) -> Receipt {
        let held = Arc::new(Held(Arc::clone(&self.settled)));
        self.entries.push_back((stamp, Arc::downgrade(&held)));
        Receipt { _held: held }
    }

    /// Whether no further event may be entered for now.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= MAX_UNSETTLED
    }

    /// The events that have been taken, with all before them.
    pub(crate) fn settle(&mut self) -> Vec<Stamp> {
        let untaken = self.entries.iter().position(|(_, held)| held.strong_count() > 0);
        let taken = untaken.unwrap_or(self.entries.len());
        self.entries.drain(..taken).map(|(stamp, _)| stamp).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn stamp(sequence: i64) -> Stamp {
        Stamp { member: Bytes::from_static(b"m"), thread: 1, sequence }
    }

    #[test]
    fn an_event_is_settled_when_all_before_it_are() {
        let mut ledger = Ledger::new(Arc::default());
        let receipts: Vec<_> = (1..=3).map(|sequence| ledger.enter(stamp(sequence))).collect();
        let [first, second, third] = <[Receipt; 3]>::try_from(receipts).unwrap();
        let copy = first.clone();
        drop((first, second));
        assert_eq!(ledger.settle(), [], "a copy of the first lies in another stream");
        drop(copy);
        assert_eq!(ledger.settle(), [stamp(1), stamp(2)]);
        drop(third);
        assert_eq!(ledger.settle(), [stamp(3)]);
    }

    #[tokio::test]
    async fn taking_an_event_is_noticed() {
        let settled = Arc::new(Notify::new());
        let mut ledger = Ledger::new(Arc::clone(&settled));
        drop(ledger.enter(stamp(1)));
        settled.notified().await;
    }
}
