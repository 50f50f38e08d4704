//! What the node counts. Plain atomics: counting must not cost an operation anything worth measuring. The Prometheus
//! form is made from them on demand, by [`render`].

mod export;
mod feeds;
mod histogram;
mod labels;

use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

pub use export::render;
pub use feeds::FeedMetrics;
pub use histogram::{Histogram, LATENCY_BOUNDS_MICROS};
pub use labels::{Label, LoginResult, OperationKind, OperationResult, RefusalReason};

/// Something that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        // Nothing is inferred from the order of two counters.
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Something that grows and shrinks.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// One less.
    pub fn dec(&self) {
        self.add(-1);
    }

    /// `n` more; less if negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Exactly `value`.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One counter for each value of a label.
#[derive(Debug)]
pub struct Labelled<L: Label> {
    counts: Box<[Counter]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label> Default for Labelled<L> {
    fn default() -> Self {
        Self { counts: L::ALL.iter().map(|_| Counter::default()).collect(), label: PhantomData }
    }
}

impl<L: Label> Labelled<L> {
    /// The counter of one label value.
    #[must_use]
    pub fn of(&self, label: L) -> &Counter {
        // The table was made from `ALL`, in which `index` is a position.
        &self.counts[label.index()]
    }

    /// The sum over all values.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(Counter::get).sum()
    }
}

/// Operations, by what was asked and how it ended.
#[derive(Debug)]
pub struct Operations(Box<[Labelled<OperationResult>]>);

impl Default for Operations {
    fn default() -> Self {
        Self(OperationKind::ALL.iter().map(|_| Labelled::default()).collect())
    }
}

impl Operations {
    /// The counter of one pair.
    #[must_use]
    pub fn of(&self, kind: OperationKind, result: OperationResult) -> &Counter {
        self.0[kind.index()].of(result)
    }

    /// The sum over everything.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(Labelled::total).sum()
    }
}

/// Everything a node counts. Gauges that belong to a structure (live logins, entries) are set by that structure's
/// owner as it changes.
#[derive(Debug, Default)]
pub struct Metrics {
    /// What clients are told of changes.
    pub feeds: FeedMetrics,
    /// Connections accepted.
    pub connections_accepted: Counter,
    /// Connections open now.
    pub connections_open: Gauge,
    /// Connections refused or cut off, by reason.
    pub connections_refused: Labelled<RefusalReason>,
    /// Bytes read from clients.
    pub bytes_received: Counter,
    /// Bytes written to clients.
    pub bytes_sent: Counter,
    /// Bytes reserved for messages that are still arriving.
    pub bytes_in_flight: Gauge,
    /// Operations by kind and result.
    pub operations: Operations,
    /// From the reading of a request (or of several at once) to the handing over of the answer, ready answers only.
    pub request_latency: Histogram,
    /// Attempts to log in.
    pub logins: Labelled<LoginResult>,
    /// Logins that hold now.
    pub logins_live: Gauge,
    /// Logins whose time ran out, whether an operation or a timer found it.
    pub expiries: Counter,
    /// Logins that replaced an earlier one under the same id.
    pub reauthentications: Counter,
    /// Operations refused because the user may not do them.
    pub authorization_refusals: Counter,
    /// Subjects handed back to the security manager.
    pub logouts: Counter,
    /// Logins cut off from outside.
    pub revocations: Counter,
    /// Entries in all regions.
    pub entries: Gauge,
    /// Bytes that entries take, keys, values and overhead.
    pub entry_bytes: Gauge,
    /// Requests answered by the locator.
    pub locator_requests: Counter,
    /// Requests the locator did not understand.
    pub locator_refusals: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_value_has_its_own_counter() {
        let operations = Operations::default();
        for &kind in OperationKind::ALL {
            for &result in OperationResult::ALL {
                assert_eq!(operations.of(kind, result).get(), 0, "{kind:?} {result:?}");
                operations.of(kind, result).inc();
            }
        }
        assert_eq!(operations.total(), (OperationKind::ALL.len() * OperationResult::ALL.len()) as u64);
    }
}
