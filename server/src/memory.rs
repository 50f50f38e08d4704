//! A bound on what large messages hold, over the whole node.
//!
//! Small messages are bounded by the number of connections. A large one reserves its size here before it is buffered,
//! and waits if others hold too much: a hundred peers that each announce 64 MiB cost one budget, not a hundred.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::metrics::Metrics;

/// What a message or an unread answer may hold without reserving.
pub(crate) const FREE_BYTES: usize = 64 << 10;

/// The budget; cheap to share.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: usize,
    used: AtomicUsize,
    freed: Notify,
    metrics: Arc<Metrics>,
}

impl MemoryBudget {
    /// A budget of `limit` bytes, whose use is shown in `metrics`.
    pub(crate) fn new(limit: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0), freed: Notify::new(), metrics })
    }

    /// Reserves `bytes`, waiting until they are free. A request above the whole budget never ends; callers bound the
    /// time, and messages are bounded to fit.
    pub(crate) async fn reserve(self: &Arc<Self>, bytes: usize) -> Reservation {
        loop {
            // Listening begins before looking, or a release in between would be missed.
            let freed = self.freed.notified();
            if let Some(reservation) = self.try_reserve(bytes) {
                return reservation;
            }
            freed.await;
        }
    }

    /// Reserves `bytes` if they are free.
    pub(crate) fn try_reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let fits = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()?;
        Some(self.reserved(bytes))
    }

    fn reserved(self: &Arc<Self>, bytes: usize) -> Reservation {
        self.metrics.bytes_in_flight.add(signed(bytes));
        Reservation { budget: Arc::clone(self), bytes }
    }
}

/// Bytes of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
        self.budget.metrics.bytes_in_flight.add(-signed(self.bytes));
        self.budget.freed.notify_waiters();
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_second_waits_until_the_first_is_gone() {
        let metrics = Arc::new(Metrics::default());
        let budget = MemoryBudget::new(100, Arc::clone(&metrics));
        let first = budget.try_reserve(60).expect("room");
        let mut second = pin!(budget.reserve(60));
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(metrics.bytes_in_flight.get(), 60);
        drop(first);
        assert!(poll(second).is_ready());
        assert_eq!(metrics.bytes_in_flight.get(), 0);
    }
}
