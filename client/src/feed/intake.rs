//! What a client remembers of the events it was sent, whichever server sent them. Pure but for a wake-up.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::message::feed::FeedEventId;
use druse_protocol::time::Micros;
use tokio::sync::Notify;

use super::ledger::{Ledger, Receipt};
use super::seen::{QueueState, Stamp};

/// Tells new events from repetitions, and knows which the server may forget.
#[derive(Debug)]
pub(crate) struct Intake {
    seen: QueueState,
    /// Where servers keep events for a durable client, an event counts once the application has taken it; elsewhere it
    /// counts when it has come, because whatever waits in this process is lost with it in any case.
    untaken: Option<Ledger>,
    is_sealed: bool,
}

/// A new event.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// To be reported when it has been handed on.
    OnArrival(Stamp),
    /// To be held with every copy of it.
    WhenTaken(Receipt),
}

impl Admitted {
    /// To be kept beside a copy of the event.
    pub(crate) fn receipt(&self) -> Option<Receipt> {
        match self {
            Self::OnArrival(_) => None,
            Self::WhenTaken(receipt) => Some(receipt.clone()),
        }
    }
}

impl Intake {
    /// `taken` is notified whenever the application has taken an event of a durable client.
    pub(crate) fn new(durable: bool, taken: &Arc<Notify>) -> Self {
        let untaken = durable.then(|| Ledger::new(Arc::clone(taken)));
        Self { seen: QueueState::default(), untaken, is_sealed: false }
    }

    /// Whether the application must take something before another event may come.
    pub(crate) fn is_full(&self) -> bool {
        self.untaken.as_ref().is_some_and(Ledger::is_full)
    }

    /// Lets an event in, unless it has come before.
    pub(crate) fn admit(&mut self, id: &FeedEventId<'_>) -> Option<Admitted> {
        let stamp = self.seen.admit(id.member, id.thread, id.sequence)?;
        Some(match &mut self.untaken {
            Some(ledger) => Admitted::WhenTaken(ledger.enter(stamp)),
            None => Admitted::OnArrival(stamp),
        })
    }

    /// The event has been handed on.
    pub(crate) fn arrived(&mut self, stamp: &Stamp) {
        self.seen.applied(stamp);
    }

    /// What the server is to be told next.
    pub(crate) fn next_acks(&mut self) -> Vec<Stamp> {
        if self.is_sealed {
            return Vec::new();
        }
        let taken = self.untaken.as_mut().map(Ledger::settle).unwrap_or_default();
        taken.iter().for_each(|stamp| self.seen.applied(stamp));
        self.seen.to_ack()
    }

    /// The client leaves: what has not been acknowledged is to come again.
    pub(crate) fn seal(&mut self) {
        self.is_sealed = true;
    }

    /// Whether there is more to tell.
    pub(crate) fn has_news(&self) -> bool {
        self.seen.has_news()
    }

    /// The server has been told.
    pub(crate) fn acked(&mut self, stamps: &[Stamp], now: Micros, tracking_timeout: Duration) {
        self.seen.acked(stamps, now);
        self.seen.expire(now, tracking_timeout);
    }

    /// Another server is told from now on.
    pub(crate) fn begin_anew(&mut self) {
        self.seen.begin_anew();
    }
}
