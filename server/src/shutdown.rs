//! How a node ends: it drains first, then aborts, and is gone only when every task is.
//!
//! ```text
//!   Running ──► Draining (nothing new begins; what was begun is finished) ──► Aborting (tasks are dropped)
//! ```
//! Each task of the node is spawned here and nowhere else, so that none can outlive it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio_util::task::TaskTracker;

/// Phases in order; 0 is running.
const DRAINING: u8 = 1;
const ABORTING: u8 = 2;

/// The end of a node, shared by all of its tasks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shutdown {
    phase: Arc<Phase>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Phase {
    reached: AtomicU8,
    bell: Arc<Notify>,
}

impl Shutdown {
    /// Spawns a task that ends with the node at the latest. It is polled once more at each change of phase, and
    /// should then notice by [`Shutdown::is_draining`] and end by itself.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut watch = Watch { phase: Arc::clone(&self.phase), bell: None };
        self.tasks.spawn(async move {
            let mut task = pin!(task);
            poll_fn(|cx| if watch.aborting(cx) { Poll::Ready(()) } else { task.as_mut().poll(cx) }).await;
        });
    }

    /// Whether nothing new may begin. One atomic read: connections ask at every turn.
    pub(crate) fn is_draining(&self) -> bool {
        self.phase.reached.load(Ordering::Acquire) >= DRAINING
    }

    /// Resolves when the draining begins. Only for use within [`Shutdown::spawn`], which does the waking.
    pub(crate) async fn draining(&self) {
        poll_fn(|_| if self.is_draining() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Ends the node: drains for at most `patience`, then aborts. Returns when every task is gone.
    pub(crate) async fn finish(&self, patience: Duration) {
        self.reach(DRAINING);
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "shutdown cuts off what did not end in time");
            self.reach(ABORTING);
            self.tasks.wait().await;
        }
    }

    /// Ends every task at its next turn, without waiting.
    pub(crate) fn abort(&self) {
        self.reach(ABORTING);
    }

    fn reach(&self, phase: u8) {
        self.phase.reached.fetch_max(phase, Ordering::AcqRel);
        self.phase.bell.notify_waiters();
    }
}

/// One task's ear for the bell. It is registered once and not touched again until it rings, so that a task pays one
/// atomic read a turn.
struct Watch {
    phase: Arc<Phase>,
    bell: Option<Pin<Box<OwnedNotified>>>,
}

impl Watch {
    fn aborting(&mut self, cx: &mut Context<'_>) -> bool {
        let reached = self.phase.reached.load(Ordering::Acquire);
        if reached == ABORTING {
            return true;
        }
        if self.bell.is_none() || reached == DRAINING {
            self.listen(cx);
        }
        false
    }

    fn listen(&mut self, cx: &mut Context<'_>) {
        loop {
            let bell = self.bell.get_or_insert_with(|| {
                let bell = Arc::clone(&self.phase.bell);
                Box::pin(bell.notified_owned())
            });
            if bell.as_mut().poll(cx).is_pending() {
                // The phase may have changed before the registration: look again, so that the ring is not missed.
                if self.phase.reached.load(Ordering::Acquire) == ABORTING {
                    cx.waker().wake_by_ref();
                }
                return;
            }
            self.bell = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// Sets a flag when it is dropped.
    struct Flag(Arc<AtomicBool>);

    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_listens_ends_by_itself() {
        let shutdown = Shutdown::default();
        let ended = Arc::new(AtomicBool::new(false));
        let (listener, flag) = (shutdown.clone(), Arc::clone(&ended));
        shutdown.spawn(async move {
            listener.draining().await;
            flag.store(true, Ordering::SeqCst);
        });
        tokio::task::yield_now().await;
        shutdown.finish(Duration::from_secs(1)).await;
        assert!(ended.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deaf_task_is_dropped_after_the_patience() {
        let shutdown = Shutdown::default();
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = Flag(Arc::clone(&dropped));
        shutdown.spawn(async move {
            let _flag = flag;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        let begun = tokio::time::Instant::now();
        shutdown.finish(Duration::from_secs(1)).await;
        assert_eq!(begun.elapsed().as_secs(), 1);
        assert!(dropped.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_spawned_too_late_still_ends() {
        let shutdown = Shutdown::default();
        shutdown.abort();
        shutdown.spawn(std::future::pending());
        shutdown.finish(Duration::ZERO).await;
    }
}
