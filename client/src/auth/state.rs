//! What a gate decides, as a pure state machine: no IO, no clock, no lock.
//!
//! ```text
//!            want                         landed(credentials)
//!  Empty ───────────► Flying ───────────────────────────────────────► Holding(g+1)
//!    ▲                  ▲  │ landed(failure)                              │   │
//!    │                  │  └──────────► Empty, or Holding(g) as before    │   │ want newer than g,
//!    │ invalidate(g)    └─────────────────────────────────────────────────┼───┘ early renewal
//!    └────────────────────────────────────────────────────────────────────┘
//! ```
//! `Flying` is not exclusive: while a renewal flies, whoever does not need a newer generation goes on with the one held.
//! And `invalidate(g+1)` leads back to `Holding(g)` where `g` was renewed early and still lives: a renewal that brings
//! something useless takes nothing away.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{CredentialRequest, Credentials, ProvidedCredentials, ProviderError};
use druse_protocol::time::Micros;
use zeroize::Zeroizing;

use super::gate::GateConfig;

/// Counts the credentials of one user in this process, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// Before the first credential.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A credential that the provider handed out, and its number.
#[derive(Debug)]
pub struct Issued {
    /// Which one it is.
    pub generation: Generation,
    /// What to show at login.
    pub credentials: Credentials,
    /// When the provider was asked for it.
    pub asked_at: Micros,
    /// When it runs out, if the provider said so.
    pub expires_at: Option<Micros>,
}

impl Issued {
    /// Whether it is not known to have run out.
    #[must_use]
    pub fn is_live(&self, now: Micros) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

/// Why there is no credential. Shared by everybody who waited for the same provider call.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The provider refused or failed.
    #[error("the credential provider of {user} failed")]
    Provider {
        /// The user, for people.
        user: String,
        /// What the provider said.
        #[source]
        source: Arc<ProviderError>,
    },
    /// The provider answered with something that cannot be a credential.
    #[error("the credential provider of {user} returned unusable credentials: {problem}")]
    Unusable {
        /// The user, for people.
        user: String,
        /// Which field is wrong, and how; no values.
        problem: &'static str,
    },
    /// The provider did not answer in time. Its call has been abandoned.
    #[error("the credential provider of {user} did not answer within {limit:?}")]
    Timeout {
        /// The user, for people.
        user: String,
        /// The limit that it met.
        limit: Duration,
    },
    /// The caller's own deadline came before the gate had an answer; the provider call goes on for others.
    #[error("no credential for {user} before the operation's deadline")]
    Deadline {
        /// The user, for people.
        user: String,
        /// What the call before this one had failed with, if it had.
        #[source]
        last: Option<Arc<dyn StdError + Send + Sync>>,
    },
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

impl GateError {
    /// Whether asking again later may help without anybody doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Provider { source, .. } => matches!(**source, ProviderError::Unavailable { .. }),
            Self::Timeout { .. } | Self::Deadline { .. } => true,
            Self::Unusable { .. } | Self::Closed => false,
        }
    }
}

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Any credential that is not known to have run out.
    Live,
    /// One that came after this.
    NewerThan(Generation),
}

/// Names one provider call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlightId(u64);

/// What to do for a caller.
#[derive(Debug)]
pub enum Decision {
    /// Here it is.
    Use(Arc<Issued>),
    /// A call is under way: wait for it.
    Join(FlightId),
    /// Ask the provider, not before the given instant; the caller then waits for this flight like everybody else.
    Start(FlightId, Micros),
}

/// The state of one user's gate.
#[derive(Debug)]
pub struct GateState {
    user: String,
    held: Option<Arc<Issued>>,
    /// The one before, if it was still good when it was renewed: no server has judged its successor yet.
    previous: Option<Arc<Issued>>,
    issued: u64,
    flights: u64,
    flight: Option<FlightId>,
    last_asked: Option<Micros>,
    failures: u32,
    last_failure: Option<GateError>,
    refused: Option<Credentials>,
    memento: Option<Zeroizing<String>>,
}

impl GateState {
    /// A gate that holds nothing yet.
    #[must_use]
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            held: None,
            previous: None,
            issued: 0,
            flights: 0,
            flight: None,
            last_asked: None,
            failures: 0,
            last_failure: None,
            refused: None,
            memento: None,
        }
    }

    /// What is held, live or not.
    #[must_use]
    pub fn held(&self) -> Option<&Arc<Issued>> {
        self.held.as_ref()
    }

    /// What the last provider call failed with, if it failed.
    #[must_use]
    pub fn last_failure(&self) -> Option<&GateError> {
        self.last_failure.as_ref()
    }

    /// What to do for somebody who wants a credential.
    pub fn want(&mut self, want: Want, now: Micros, config: &GateConfig) -> Decision {
        if let Want::NewerThan(refused) = want {
            self.previous.take_if(|previous| previous.generation <= refused);
        }
        if let Some(held) = &self.held {
            let enough = match want {
                Want::Live => held.is_live(now),
                Want::NewerThan(generation) => held.generation > generation,
            };
            if enough {
                return Decision::Use(Arc::clone(held));
            }
            if matches!(want, Want::NewerThan(generation) if generation == held.generation) {
                self.refused = Some(held.credentials.clone());
            }
        }
        self.join_or_start(now, config)
    }

    /// What to do when it is time to renew a credential that still works; `None` if there is no need any more.
    pub fn renew_early(
        &mut self,
        generation: Generation,
        now: Micros,
        config: &GateConfig,
    ) -> Option<Decision> {
        let due = self.held.as_ref().is_some_and(|held| held.generation == generation);
        due.then(|| self.join_or_start(now, config))
    }

    fn join_or_start(&mut self, now: Micros, config: &GateConfig) -> Decision {
        if let Some(flight) = self.flight {
            return Decision::Join(flight);
        }
        self.flights += 1;
        let flight = FlightId(self.flights);
        self.flight = Some(flight);
        let not_before = self.not_before(now, config);
        self.last_asked = Some(not_before);
        Decision::Start(flight, not_before)
    }

    /// The earliest instant at which the provider may be asked again. Waiting here, and not failing, is what turns a
    /// storm of refusals into a trickle of calls. Never further off than one interval: a clock that has stepped back
    /// must not shut the provider out until it has caught up.
    fn not_before(&self, now: Micros, config: &GateConfig) -> Micros {
        let Some(last) = self.last_asked else { return now };
        let doublings = self.failures.saturating_sub(1).min(16);
        let interval = config
            .min_interval
            .saturating_mul(1 << doublings)
            .min(config.max_interval.max(config.min_interval));
        (last + interval).clamp(now, now + interval)
    }

    /// What to tell the provider.
    #[must_use]
    pub fn request(&self, server: &str, deadline: Micros) -> CredentialRequest {
        let mut request = CredentialRequest::new(self.user.clone(), server, deadline);
        request.refused.clone_from(&self.refused);
        request.memento.clone_from(&self.memento);
        request
    }

    /// A provider call has ended. What it ended with goes to everybody who waits for this flight; `None` if the flight
    /// is not the one under way, so that a call given up long ago changes nothing.
    pub fn landed(
        &mut self,
        flight: FlightId,
        answer: Result<ProvidedCredentials, GateError>,
        now: Micros,
    ) -> Option<Result<Arc<Issued>, GateError>> {
        if self.flight != Some(flight) {
            return None;
        }
        self.flight = None;
        let outcome = answer.and_then(|provided| self.accept(provided, now));
        match &outcome {
            Ok(_) => {
                self.failures = 0;
                self.last_failure = None;
                self.refused = None;
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.last_failure = Some(error.clone());
            }
        }
        Some(outcome)
    }

    fn accept(&mut self, provided: ProvidedCredentials, now: Micros) -> Result<Arc<Issued>, GateError> {
        let unusable = |problem| Err(GateError::Unusable { user: self.user.clone(), problem });
        if provided.credentials.is_empty() {
            return unusable("credentials: there are none");
        }
        if provided.credentials.iter().any(|(name, _)| name.is_empty()) {
            return unusable("credentials: a property has no name");
        }
        if provided.expires_at.is_some_and(|at| at <= now) {
            return unusable("expires_at: it is in the past");
        }
        self.memento = provided.memento;
        self.issued += 1;
        let issued = Arc::new(Issued {
            generation: Generation(self.issued),
            credentials: provided.credentials,
            asked_at: self.last_asked.unwrap_or(now),
            expires_at: provided.expires_at,
        });
        let renewed = self.held.replace(Arc::clone(&issued));
        self.previous =
            renewed.filter(|held| held.is_live(now) && self.refused.as_ref() != Some(&held.credentials));
        Ok(issued)
    }

    /// A server has said that this generation will never do. Gives the older one to go on with, if it was renewed early
    /// and still lives. A report that comes late, about a generation that has been replaced, changes nothing.
    pub fn invalidate(&mut self, generation: Generation, now: Micros) -> Option<Arc<Issued>> {
        self.previous.take_if(|previous| previous.generation == generation);
        if let Some(held) = self.held.take_if(|held| held.generation == generation) {
            self.refused = Some(held.credentials.clone());
            self.held = self.previous.take();
        }
        self.held.clone().filter(|held| held.generation < generation && held.is_live(now))
    }

    /// Puts in a credential that was not asked for (kept from an earlier run, say).
    pub fn preload(&mut self, provided: ProvidedCredentials, now: Micros) -> Result<Arc<Issued>, GateError> {
        self.accept(provided, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Micros = Micros::from_secs(1_000);

    fn config() -> GateConfig {
        GateConfig {
            min_interval: Duration::from_millis(100),
            max_interval: Duration::from_secs(1),
            ..GateConfig::default()
        }
    }

    fn token(text: &str) -> ProvidedCredentials {
        ProvidedCredentials::new(Credentials::token(text))
    }

    fn started(decision: Decision) -> (FlightId, Micros) {
        match decision {
            Decision::Start(flight, not_before) => (flight, not_before),
            other => panic!("expected a start, got {other:?}"),
        }
    }

    fn used(decision: Decision) -> Generation {
        match decision {
            Decision::Use(issued) => issued.generation,
            other => panic!("expected a credential, got {other:?}"),
        }
    }

    #[test]
    fn the_second_to_ask_joins_the_first() {
        let mut gate = GateState::new("ann");
        let (flight, not_before) = started(gate.want(Want::Live, T0, &config()));
        assert_eq!(not_before, T0);
        assert!(matches!(gate.want(Want::Live, T0, &config()), Decision::Join(joined) if joined == flight));
        gate.landed(flight, Ok(token("a")), T0).unwrap().unwrap();
        assert_eq!(used(gate.want(Want::Live, T0, &config())), Generation(1));
    }

    #[test]
    fn a_refusal_of_an_old_generation_finds_the_new_one() {
        let mut gate = GateState::new("ann");
        let (flight, _) = started(gate.want(Want::Live, T0, &config()));
        gate.landed(flight, Ok(token("a")), T0);
        let (flight, _) = started(gate.want(Want::NewerThan(Generation(1)), T0, &config()));
        gate.landed(flight, Ok(token("b")), T0);
        assert_eq!(used(gate.want(Want::NewerThan(Generation(1)), T0, &config())), Generation(2));
        gate.invalidate(Generation(1), T0);
        assert_eq!(
            used(gate.want(Want::Live, T0, &config())),
            Generation(2),
            "a stale report changes nothing"
        );
    }

    #[test]
    fn the_refused_credential_and_the_memento_reach_the_provider() {
        let mut gate = GateState::new("ann");
        let (flight, _) = started(gate.want(Want::Live, T0, &config()));
        let mut first = token("a");
        first.memento = Some(Zeroizing::new("refresh-1".to_owned()));
        gate.landed(flight, Ok(first), T0);
        gate.want(Want::NewerThan(Generation(1)), T0, &config());
        let request = gate.request("host:1", T0);
        assert_eq!(request.refused, Some(Credentials::token("a")));
        assert_eq!(request.memento.as_ref().map(|memento| memento.as_str()), Some("refresh-1"));
    }

    #[test]
    fn calls_are_spaced_and_failures_spread_them_further() {
        let mut gate = GateState::new("ann");
        let (mut asked, mut now) = (Vec::new(), T0);
        for _ in 0..6 {
            let (flight, at) = started(gate.want(Want::Live, now, &config()));
            asked.push(at.saturating_since(T0).as_millis());
            now = at;
            let failure = GateError::Timeout { user: "ann".to_owned(), limit: Duration::from_secs(1) };
            gate.landed(flight, Err(failure), at).unwrap().unwrap_err();
        }
        assert_eq!(asked, [0, 100, 300, 700, 1500, 2500]);
    }

    #[test]
    fn a_clock_that_steps_back_does_not_shut_the_provider_out() {
        let mut gate = GateState::new("ann");
        let (flight, _) = started(gate.want(Want::Live, T0, &config()));
        gate.landed(flight, Ok(token("a")), T0);
        let earlier = T0 - Duration::from_secs(600);
        let (_, at) = started(gate.want(Want::NewerThan(Generation(1)), earlier, &config()));
        assert_eq!(at, earlier + config().min_interval);
    }

    #[test]
    fn a_failed_renewal_leaves_the_old_credential_in_use() {
        let mut gate = GateState::new("ann");
        let (flight, _) = started(gate.want(Want::Live, T0, &config()));
        gate.landed(flight, Ok(token("a").expiring_at(T0 + Duration::from_secs(10))), T0);
        let (flight, at) = started(gate.renew_early(Generation(1), T0, &config()).unwrap());
        assert_eq!(
            used(gate.want(Want::Live, T0, &config())),
            Generation(1),
            "nobody waits for an early renewal"
        );
        gate.landed(flight, Err(GateError::Closed), at);
        assert_eq!(used(gate.want(Want::Live, T0, &config())), Generation(1));
        let late = T0 + Duration::from_secs(10);
        assert!(matches!(gate.want(Want::Live, late, &config()), Decision::Start(..)), "until it runs out");
    }

    /// A gate that holds generation 2, fetched five seconds before the end of generation 1.
    fn renewed_early() -> GateState {
        let mut gate = GateState::new("ann");
        let (flight, _) = started(gate.want(Want::Live, T0, &config()));
        gate.landed(flight, Ok(token("a").expiring_at(T0 + Duration::from_secs(10))), T0);
        let soon = T0 + Duration::from_secs(5);
        let (flight, _) = started(gate.renew_early(Generation(1), soon, &config()).unwrap());
        gate.landed(flight, Ok(token("b")), soon);
        assert_eq!(used(gate.want(Want::Live, soon, &config())), Generation(2));
        gate
    }

    #[test]
    fn an_early_renewal_that_no_server_accepts_leads_back_to_the_old_credential() {
        let (soon, end) = (T0 + Duration::from_secs(6), T0 + Duration::from_secs(10));
        let mut gate = renewed_early();
        for told in 0..2 {
            let older = gate.invalidate(Generation(2), soon).map(|issued| issued.generation);
            assert_eq!(older, Some(Generation(1)), "told {told} times before");
        }
        assert_eq!(used(gate.want(Want::Live, soon, &config())), Generation(1));
        assert!(matches!(gate.want(Want::Live, end, &config()), Decision::Start(..)), "until it runs out");
        assert_eq!(gate.request("host:1", T0).refused, Some(Credentials::token("b")));
    }

    #[test]
    fn what_was_refused_or_has_run_out_is_not_gone_back_to() {
        let (soon, end) = (T0 + Duration::from_secs(6), T0 + Duration::from_secs(10));
        let mut refused = renewed_early();
        assert_eq!(used(refused.want(Want::NewerThan(Generation(1)), soon, &config())), Generation(2));
        assert!(refused.invalidate(Generation(2), soon).is_none(), "a server has refused the old one");
        let mut reported = renewed_early();
        assert!(reported.invalidate(Generation(1), soon).is_none());
        assert!(reported.invalidate(Generation(2), soon).is_none(), "a server has said it will never do");
        let mut late = renewed_early();
        assert!(late.invalidate(Generation(2), end).is_none(), "it has run out meanwhile");
        assert!(matches!(late.want(Want::Live, end, &config()), Decision::Start(..)));
    }

    #[test]
    fn rubbish_is_refused_by_name() {
        let mut gate = GateState::new("ann");
        for (rubbish, field) in [
            (ProvidedCredentials::new(Credentials::new()), "credentials"),
            (ProvidedCredentials::new(Credentials::new().with("", "x")), "no name"),
            (token("a").expiring_at(T0), "expires_at"),
        ] {
            let (flight, _) = started(gate.want(Want::Live, T0, &config()));
            let error = gate.landed(flight, Ok(rubbish), T0).unwrap().unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        }
    }

    #[test]
    fn a_flight_given_up_changes_nothing_when_it_lands_after_all() {
        let mut gate = GateState::new("ann");
        let (first, _) = started(gate.want(Want::Live, T0, &config()));
        gate.landed(first, Err(GateError::Closed), T0);
        let (second, _) = started(gate.want(Want::Live, T0, &config()));
        assert!(gate.landed(first, Ok(token("late")), T0).is_none());
        assert!(gate.landed(second, Ok(token("good")), T0).is_some());
    }
}
