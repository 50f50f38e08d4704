//! Where tasks run and how they wait, behind a trait, so that the model checker and the simulation can take its place.

use std::sync::Arc;

use druse_protocol::auth::BoxFuture;
use druse_protocol::time::{Clock, Micros};

/// Runs tasks and waits for instants.
pub trait Runtime: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Micros;

    /// Runs a task. Whoever spawns gives it a way to end: nothing here stops it.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Ends at `at`, or at once if that has passed.
    fn sleep_until(&self, at: Micros) -> BoxFuture<'static, ()>;

    /// A number in `0.0..1.0`, for spreading things that would otherwise happen together.
    fn random(&self) -> f64;
}

/// The tokio runtime that the client is used in.
pub struct TokioRuntime {
    clock: Arc<dyn Clock>,
}

impl TokioRuntime {
    /// Takes the time from `clock`, and waits by tokio's timer.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock })
    }
}

impl Runtime for TokioRuntime {
    fn now(&self) -> Micros {
        self.clock.now()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }

    fn sleep_until(&self, at: Micros) -> BoxFuture<'static, ()> {
        let wait = at.saturating_since(self.clock.now());
        Box::pin(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        })
    }

    fn random(&self) -> f64 {
        rand::random()
    }
}

/// A clock that follows tokio's timer, paused or not: for tests in virtual time.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    origin: tokio::time::Instant,
    epoch: Micros,
}

impl TokioClock {
    /// Shows `epoch` now, and moves on with tokio's time.
    #[must_use]
    pub fn starting_at(epoch: Micros) -> Self {
        Self { origin: tokio::time::Instant::now(), epoch }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Micros {
        self.epoch + self.origin.elapsed()
    }
}
