//! The runtime round the state machine: one fetch at a time, on a task that the cache owns.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use druse_protocol::time::{Clock, Micros};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::cache::{KeySetStatus, Outcome, Snapshot, State, Step};
use super::jwk::Find;
use super::{Algorithm, Fetch, FetchError, KeySet, Policy, VerifyingKey};

/// Why there is no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The issuer has no such key.
    #[error("the token names a key that its issuer does not have")]
    Unknown,
    /// The key is for other algorithms.
    #[error("the token's key is not for the token's algorithm")]
    OtherAlgorithm,
    /// The token names no key, and more than one would do.
    #[error("the token does not name its key, and the issuer has several")]
    Ambiguous,
    /// The issuer's keys are not to be had at the moment.
    #[error("the issuer's keys are not available, try again in {wait_s} s")]
    Unavailable {
        /// Seconds until asking again makes sense, at least one.
        wait_s: u64,
    },
}

/// One issuer's keys, kept fresh. Readers of a fresh set take no lock and never wait.
pub struct KeySetCache {
    shared: Arc<Shared>,
}

struct Shared {
    /// What readers see; always what `state` holds.
    current: ArcSwapOption<Snapshot>,
    state: Mutex<State>,
    fetch: Box<dyn Fetch>,
    clock: Arc<dyn Clock>,
    /// Counts the fetches that have ended.
    landings: watch::Sender<u64>,
    /// The task of the fetch on its way.
    task: Mutex<Option<AbortHandle>>,
}

impl KeySetCache {
    /// A cache that has fetched nothing yet. Its methods must be called within a tokio runtime.
    pub fn new(fetch: impl Fetch, policy: Policy, clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                current: ArcSwapOption::empty(),
                state: Mutex::new(State::new(policy)),
                fetch: Box::new(fetch),
                clock,
                landings: watch::Sender::new(0),
                task: Mutex::new(None),
            }),
        }
    }

    /// The key of a token. Waits for a fetch if there is no way round it; the caller bounds the waiting.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn key(&self, algorithm: Algorithm, id: Option<&str>) -> Result<Arc<VerifyingKey>, KeyError> {
        loop {
            let now = self.shared.clock.now();
            if let Some(key) = self.shared.fresh_key(algorithm, id, now) {
                return Ok(key);
            }
            let mut landings = self.shared.landings.subscribe();
            let step = self.shared.state.lock().decide(algorithm, id, now);
            match step {
                Step::Found { key, refresh } => {
                    if refresh {
                        self.start(false);
                    }
                    return Ok(key);
                }
                Step::Fetch { forced } => self.start(forced),
                Step::Wait => {}
                Step::Unknown => return Err(KeyError::Unknown),
                Step::OtherAlgorithm => return Err(KeyError::OtherAlgorithm),
                Step::Ambiguous => return Err(KeyError::Ambiguous),
                Step::Unavailable { again_at } => {
                    let wait_s = again_at.saturating_since(now).as_secs().max(1);
                    return Err(KeyError::Unavailable { wait_s });
                }
            }
            // The sender lives in `shared`, so this cannot fail while `self` is borrowed.
            let _ = landings.changed().await;
        }
    }

    /// The newest set, if one was ever fetched: for diagnosis.
    #[must_use]
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.shared.current.load().as_ref().map(|snapshot| Arc::clone(&snapshot.set))
    }

    /// How the set stands, for those who watch it.
    #[must_use]
    pub fn status(&self) -> KeySetStatus {
        let now = self.shared.clock.now();
        self.shared.state.lock().status(now)
    }

    fn start(&self, forced: bool) {
        let landing = Landing { shared: Arc::clone(&self.shared), outcome: Outcome::Failed };
        let task = tokio::spawn(landing.fly(forced));
        *self.shared.task.lock() = Some(task.abort_handle());
    }
}

impl Drop for KeySetCache {
    fn drop(&mut self) {
        if let Some(task) = self.shared.task.lock().take() {
            task.abort();
        }
    }
}

impl fmt::Debug for KeySetCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySetCache").field("source", &self.shared.fetch.source()).finish_non_exhaustive()
    }
}

impl Shared {
    fn fresh_key(&self, algorithm: Algorithm, id: Option<&str>, now: Micros) -> Option<Arc<VerifyingKey>> {
        let current = self.current.load();
        let snapshot = current.as_ref().filter(|snapshot| snapshot.is_fresh(now))?;
        match snapshot.set.find(algorithm, id) {
            Find::Found(key) => Some(key),
            _ => None,
        }
    }
}

/// A fetch on its way. However it ends, be it by a panic in the source, those who wait are told.
struct Landing {
    shared: Arc<Shared>,
    outcome: Outcome,
}

impl Landing {
    async fn fly(mut self, forced: bool) {
        let source = self.shared.fetch.source().to_owned();
        match self.shared.fetch.fetch(forced).await {
            Ok(None) => self.outcome = Outcome::Unchanged,
            Ok(Some(fetched)) => match KeySet::parse(&fetched.document) {
                Ok(set) => {
                    report_new(&source, &set);
                    self.outcome = Outcome::New { set, life: fetched.life };
                }
                Err(error) => report_failure(&source, &FetchError::Document(error)),
            },
            Err(error) => report_failure(&source, &error),
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Failed);
        let now = self.shared.clock.now();
        let mut state = self.shared.state.lock();
        state.landed(outcome, now);
        self.shared.current.store(state.current().cloned());
        drop(state);
        self.shared.landings.send_modify(|landings| *landings = landings.wrapping_add(1));
    }
}

fn report_new(source: &str, set: &KeySet) {
    tracing::debug!(source, keys = set.keys().len(), ignored = set.ignored(), "key set fetched");
    if set.keys().len() == 0 {
        tracing::warn!(source, ignored = set.ignored(), "the key set holds no usable key");
    }
}

fn report_failure(source: &str, error: &FetchError) {
    tracing::warn!(source, %error, "key set not fetched; an older one stands in for up to a day");
}

#[cfg(test)]
#[path = "runtime_tests.rs"]
mod tests;
