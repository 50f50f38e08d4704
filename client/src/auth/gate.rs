//! The credential gate of one user: carries out what [`GateState`] decides.
//!
//! Whoever needs a credential waits for a *flight*, one provider call that runs in a task of its own: a caller that is
//! cancelled or runs into its deadline leaves the flight to the others. A provider that hangs meets the flight's own
//! deadline; one that panics fails its flight.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{AuthInitialize, ProvidedCredentials, ProviderError};
use druse_protocol::time::Micros;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::state::{Decision, FlightId, GateError, GateState, Generation, Issued, Want};
use crate::runtime::Runtime;
use crate::sync::Mutex;

/// How a gate treats its provider.
#[derive(Debug, Clone, PartialEq)]
pub struct GateConfig {
    /// How long one provider call may take. 10 s: as long as a Geode client waits for an answer by default.
    pub provider_timeout: Duration,
    /// The least time between the starts of two provider calls. Callers wait for it; they do not fail. 100 ms: ten
    /// calls a second is what a refused credential costs at worst.
    pub min_interval: Duration,
    /// Where the doubling of the interval after failures ends. 30 s.
    pub max_interval: Duration,
    /// At what share of a credential's life it is renewed, if its end is known; a tenth of that is jitter, either way.
    /// 0.8; zero or less switches early renewal off.
    pub renew_at: f64,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            provider_timeout: Duration::from_secs(10),
            min_interval: Duration::from_millis(100),
            max_interval: Duration::from_secs(30),
            renew_at: 0.8,
        }
    }
}

type Landed = Option<Result<Arc<Issued>, GateError>>;

/// The gate of one user. Dropping it ends its tasks.
pub struct Gate {
    shared: Arc<Shared>,
}

struct Shared {
    user: String,
    provider: Arc<dyn AuthInitialize>,
    config: GateConfig,
    runtime: Arc<dyn Runtime>,
    inner: Mutex<Inner>,
    newest: watch::Sender<Generation>,
    closing: CancellationToken,
}

struct Inner {
    state: GateState,
    flight: Option<watch::Receiver<Landed>>,
    /// Whether the held credential has been asked for since it came: an idle user is not renewed for ever.
    used: bool,
    provider_calls: u64,
}

impl Gate {
    /// A gate in front of `provider`; `user` is empty for a client with a single user.
    #[must_use]
    pub fn new(
        user: impl Into<String>,
        provider: Arc<dyn AuthInitialize>,
        config: GateConfig,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        let user = user.into();
        let shown = if user.is_empty() { "the client".to_owned() } else { format!("user {user:?}") };
        Self {
            shared: Arc::new(Shared {
                inner: Mutex::new(Inner {
                    state: GateState::new(user),
                    flight: None,
                    used: false,
                    provider_calls: 0,
                }),
                user: shown,
                provider,
                config,
                runtime,
                newest: watch::Sender::new(Generation::NONE),
                closing: CancellationToken::new(),
            }),
        }
    }

    /// A credential as good as `want` says: the one held, or the next one that the provider hands out. `server` is
    /// what the provider is told if this caller is the one who makes it be asked.
    ///
    /// # Errors
    /// See [`GateError`]; everybody who waited for one call gets the same one.
    pub async fn credential(
        &self,
        want: Want,
        server: &str,
        deadline: Micros,
    ) -> Result<Arc<Issued>, GateError> {
        if self.shared.closing.is_cancelled() {
            // Whoever has been logged out does not come back by the credential that is still in memory.
            return Err(GateError::Closed);
        }
        let mut flight = match self.shared.decide(want, server) {
            Ok(issued) => return Ok(issued),
            Err(flight) => flight,
        };
        let landed = async {
            // An error means that the flight's task is gone without landing: the runtime is shutting down.
            let landed = flight.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
            landed.unwrap_or(Err(GateError::Closed))
        };
        tokio::select! {
            biased;
            landed = landed => landed,
            () = self.shared.closing.cancelled() => Err(GateError::Closed),
            () = self.shared.runtime.sleep_until(deadline) => Err(self.shared.past_deadline()),
        }
    }

    /// A server has said that this generation will never do; the next caller asks the provider anew. Unless there is an
    /// older one that was renewed early and still lives: that one is held again until it runs out. Tells whether it is.
    pub fn invalidate(&self, generation: Generation) -> bool {
        let older = self.shared.inner.lock().state.invalidate(generation, self.shared.runtime.now());
        if let Some(older) = &older {
            self.shared.newest.send_replace(older.generation);
        }
        older.is_some()
    }

    /// Puts in a credential that was kept from an earlier run.
    ///
    /// # Errors
    /// If it cannot be one.
    pub fn preload(&self, provided: ProvidedCredentials) -> Result<(), GateError> {
        let issued = {
            let mut inner = self.shared.inner.lock();
            inner.used = false;
            inner.state.preload(provided, self.shared.runtime.now())?
        };
        self.shared.announce(&issued);
        Ok(())
    }

    /// Follows the generation held, so that logins can be renewed before an operation needs it.
    #[must_use]
    pub fn generations(&self) -> watch::Receiver<Generation> {
        self.shared.newest.subscribe()
    }

    /// What is held at the moment, live or not.
    #[must_use]
    pub fn held(&self) -> Option<Arc<Issued>> {
        self.shared.inner.lock().state.held().cloned()
    }

    /// How often the provider has been called.
    #[must_use]
    pub fn provider_calls(&self) -> u64 {
        self.shared.inner.lock().provider_calls
    }

    /// Ends everything under way; all who wait get [`GateError::Closed`].
    pub fn close(&self) {
        self.shared.closing.cancel();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("user", &self.shared.user)
            .field("generation", &*self.shared.newest.borrow())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The credential, or the flight to wait for; starts the flight if there is none.
    fn decide(self: &Arc<Self>, want: Want, server: &str) -> Result<Arc<Issued>, watch::Receiver<Landed>> {
        let now = self.runtime.now();
        let mut inner = self.inner.lock();
        inner.used = true;
        match inner.state.want(want, now, &self.config) {
            Decision::Use(issued) => Ok(issued),
            decision => Err(self.flight_for(&mut inner, decision, server)),
        }
    }

    fn flight_for(
        self: &Arc<Self>,
        inner: &mut Inner,
        decision: Decision,
        server: &str,
    ) -> watch::Receiver<Landed> {
        if let (Decision::Join(_), Some(flight)) = (&decision, &inner.flight) {
            return flight.clone();
        }
        let (sender, receiver) = watch::channel(None);
        if let Decision::Start(flight, not_before) = decision {
            inner.flight = Some(receiver.clone());
            let landing = Landing { shared: Arc::clone(self), flight, sender, done: false };
            let server = server.to_owned();
            self.runtime.spawn(Box::pin(fly(landing, not_before, server)));
        }
        receiver
    }

    fn past_deadline(&self) -> GateError {
        let last = self.inner.lock().state.last_failure().cloned();
        GateError::Deadline { user: self.user.clone(), last: last.map(|error| Arc::new(error) as _) }
    }

    fn announce(self: &Arc<Self>, issued: &Arc<Issued>) {
        self.newest.send_replace(issued.generation);
        let Some(expires_at) = issued.expires_at else { return };
        if self.config.renew_at > 0.0 {
            let renewal = renew_early(Arc::clone(self), issued.generation, issued.asked_at, expires_at);
            self.runtime.spawn(Box::pin(renewal));
        }
    }
}

/// One provider call, from the wait before it to its landing.
async fn fly(landing: Landing, not_before: Micros, server: String) {
    let shared = Arc::clone(&landing.shared);
    let call = async {
        shared.runtime.sleep_until(not_before).await;
        let limit = shared.config.provider_timeout;
        let deadline = shared.runtime.now() + limit;
        let request = {
            let mut inner = shared.inner.lock();
            inner.provider_calls += 1;
            inner.state.request(&server, deadline)
        };
        debug!(user = %shared.user, %server, "asking the credential provider");
        tokio::select! {
            biased;
            answer = shared.provider.credentials(request) => answer.map_err(|error| GateError::Provider {
                user: shared.user.clone(),
                source: Arc::new(error),
            }),
            () = shared.runtime.sleep_until(deadline) => {
                Err(GateError::Timeout { user: shared.user.clone(), limit })
            }
        }
    };
    let answer = tokio::select! {
        biased;
        () = shared.closing.cancelled() => Err(GateError::Closed),
        answer = call => answer,
    };
    landing.land(answer);
}

/// Lands a flight exactly once, also if its task dies on the way: a flight that never landed would keep everybody out.
struct Landing {
    shared: Arc<Shared>,
    flight: FlightId,
    sender: watch::Sender<Landed>,
    done: bool,
}

impl Landing {
    fn land(mut self, answer: Result<ProvidedCredentials, GateError>) {
        self.finish(answer);
    }

    fn finish(&mut self, answer: Result<ProvidedCredentials, GateError>) {
        self.done = true;
        let now = self.shared.runtime.now();
        let outcome = {
            let mut inner = self.shared.inner.lock();
            let outcome = inner.state.landed(self.flight, answer, now);
            if outcome.is_some() {
                inner.flight = None;
            }
            if matches!(outcome, Some(Ok(_))) {
                inner.used = false;
            }
            outcome
        };
        match &outcome {
            Some(Ok(issued)) => {
                debug!(user = %self.shared.user, generation = %issued.generation, "credential obtained");
                self.shared.announce(issued);
            }
            Some(Err(error)) => warn!(user = %self.shared.user, %error, "no credential"),
            None => {}
        }
        self.sender.send_replace(outcome);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.done {
            let message = "the provider panicked, or the runtime is shutting down".to_owned();
            let source = Arc::new(ProviderError::Unavailable { message, source: None });
            self.finish(Err(GateError::Provider { user: self.shared.user.clone(), source }));
        }
    }
}

/// Renews a credential before it runs out, while everybody goes on with it. If that fails the gate's own spacing says
/// when to try again, for as long as the old one lives.
async fn renew_early(shared: Arc<Shared>, generation: Generation, asked_at: Micros, expires_at: Micros) {
    let life = expires_at.saturating_since(asked_at);
    let share = (shared.config.renew_at * (0.9 + 0.2 * shared.runtime.random())).clamp(0.0, 1.0);
    let mut due = asked_at + life.mul_f64(share);
    loop {
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => return,
            () = shared.runtime.sleep_until(due) => {}
        }
        let now = shared.runtime.now();
        if now >= expires_at {
            return;
        }
        let flight = {
            let mut inner = shared.inner.lock();
            if !inner.used {
                return;
            }
            let Some(decision) = inner.state.renew_early(generation, now, &shared.config) else { return };
            shared.flight_for(&mut inner, decision, "")
        };
        // Losing the sender means that the flight has ended without landing; the next round finds out why.
        let landed = { flight }.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
        match landed {
            Some(Err(GateError::Closed) | Ok(_)) => return,
            _ => due = shared.runtime.now() + shared.config.min_interval,
        }
    }
}
