//! The same question asked by many at once is worked out once.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// A digest under which a question is known. Secrets are never kept as keys themselves.
pub(crate) type Digest = [u8; 32];

/// Questions that are being worked out. Holds no answers: those who ask together share one, and it goes with the last.
pub(crate) struct Flights<T>(Mutex<HashMap<Digest, Weak<OnceCell<T>>>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Flights<T> {
    /// The answer, worked out by one of those who ask. When that one fails or gives up, the next one tries; so there
    /// is one failure for each who asks, as each is owed its own.
    pub(crate) async fn run<E, F>(&self, key: Digest, work: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let seat = Seat { flights: self, key, cell: Some(self.join(key)) };
        match &seat.cell {
            Some(cell) => cell.get_or_try_init(work).await.cloned(),
            None => work().await,
        }
    }

    /// How many questions are being worked out.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    fn join(&self, key: Digest) -> Arc<OnceCell<T>> {
        let mut flights = self.0.lock();
        if let Some(cell) = flights.get(&key).and_then(Weak::upgrade) {
            return cell;
        }
        let cell = Arc::new(OnceCell::new());
        flights.insert(key, Arc::downgrade(&cell));
        cell
    }
}

/// One who asks. The last to leave, also by being dropped while waiting, clears the table.
struct Seat<'a, T> {
    flights: &'a Flights<T>,
    key: Digest,
    cell: Option<Arc<OnceCell<T>>>,
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock();
        drop(self.cell.take());
        if flights.get(&self.key).is_some_and(|cell| cell.strong_count() == 0) {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn one_works_and_all_have_the_answer() {
        let flights = Flights::<usize>::default();
        let runs = AtomicUsize::new(0);
        let ask = || {
            flights.run([1; 32], || async {
                tokio::task::yield_now().await;
                Ok::<_, ()>(runs.fetch_add(1, Ordering::SeqCst))
            })
        };
        let answers = tokio::join!(ask(), ask(), ask());
        assert_eq!(answers, (Ok(0), Ok(0), Ok(0)));
        assert_eq!(flights.len(), 0);
        assert_eq!(ask().await, Ok(1));
    }

    #[tokio::test]
    async fn whoever_gives_up_hands_the_work_on() {
        let flights = Arc::new(Flights::<usize>::default());
        let slow = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.run([1; 32], std::future::pending::<Result<usize, ()>>).await }
        });
        tokio::task::yield_now().await;
        let waiting = flights.run([1; 32], || async { Ok::<_, ()>(7) });
        slow.abort();
        assert_eq!(waiting.await, Ok(7));
        assert!(slow.await.is_err());
        assert_eq!(flights.len(), 0);
    }
}
