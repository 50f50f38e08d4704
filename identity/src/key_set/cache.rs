//! When a key set is good, when it is fetched again and when a key counts as unknown: a pure state machine that is told
//! the time (identity-spec 6.2).
//!
//! ```text
//!  fetched ──── refetch in background ──── wait for the fetch, else the old set ──── refuse
//!     0              80 % of its life              its life over                 stale limit
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::time::Micros;

use super::jwk::Find;
use super::{Algorithm, KeySet, VerifyingKey};

/// How many unknown ids are remembered.
const MAX_NEGATIVES: usize = 1024;
/// The longest pause between attempts while fetching fails.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// A clock that has stepped back by more than this makes the age of a set meaningless, and it is fetched anew.
const STEP_BACK: Duration = Duration::from_secs(60);

/// The numbers by which a source of key sets is treated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// The life of a set whose source says nothing.
    pub life: Duration,
    /// The shortest life that is granted to a source.
    pub min_life: Duration,
    /// The longest.
    pub max_life: Duration,
    /// How long an old set stands in while fetching fails, counted from its fetch.
    pub stale_limit: Duration,
    /// The least time between two fetches that unknown keys have forced.
    pub forced_pause: Duration,
    /// How long a key that a forced fetch did not bring counts as unknown.
    pub negative_life: Duration,
}

impl Policy {
    /// For a set on the network: random key ids cost the issuer one request in ten seconds at most.
    #[must_use]
    pub const fn network() -> Self {
        Self {
            life: Duration::from_secs(5 * 60),
            min_life: Duration::from_secs(60),
            max_life: Duration::from_secs(24 * 3600),
            stale_limit: Duration::from_secs(24 * 3600),
            forced_pause: Duration::from_secs(10),
            negative_life: Duration::from_secs(30),
        }
    }

    /// For a file, where looking is cheap: a new one is noticed within two seconds, and at once by a token that needs
    /// it.
    #[must_use]
    pub const fn file() -> Self {
        Self {
            life: Duration::from_secs(2),
            min_life: Duration::from_secs(1),
            max_life: Duration::from_secs(2),
            forced_pause: Duration::from_millis(200),
            negative_life: Duration::from_secs(1),
            ..Self::network()
        }
    }
}

/// A set with the instants that its age decides.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) set: Arc<KeySet>,
    fetched_at: Micros,
    refetch_at: Micros,
    life_ends_at: Micros,
    dead_at: Micros,
}

impl Snapshot {
    /// Whether nothing at all needs to be done about the set.
    pub(super) fn is_fresh(&self, now: Micros) -> bool {
        now < self.refetch_at && now > self.fetched_at - STEP_BACK
    }
}

/// How a key set stands, for those who watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySetStatus {
    /// Fetches that brought a set, or the word that nothing is new.
    pub fetches: u64,
    /// Fetches that failed.
    pub failures: u64,
    /// The usable keys held.
    pub keys: usize,
    /// Time since the last fetch that did not fail; `None` before the first.
    pub age: Option<Duration>,
    /// Whether a set whose life is over stands in because it cannot be fetched again, or there is none at all although
    /// it was tried.
    pub is_stale: bool,
}

/// Everything known of one issuer's keys.
#[derive(Debug)]
pub(super) struct State {
    policy: Policy,
    fetches: u64,
    failed_fetches: u64,
    current: Option<Arc<Snapshot>>,
    flight: Option<Flight>,
    failures: u32,
    retry_at: Micros,
    forced_again_at: Micros,
    negatives: Negatives,
}

/// A fetch on its way.
#[derive(Debug)]
struct Flight {
    forced: bool,
    /// The ids that this fetch is to settle.
    asked: BTreeSet<Option<String>>,
}

/// What to do about a token's key.
#[derive(Debug)]
pub(super) enum Step {
    /// Here it is. With `refresh`, a fetch is to be started behind the caller's back.
    Found { key: Arc<VerifyingKey>, refresh: bool },
    /// Start a fetch and ask again when it has ended.
    Fetch { forced: bool },
    /// One is on its way: ask again when it has ended.
    Wait,
    /// The set has no such key.
    Unknown,
    /// The key of that id is for other algorithms.
    OtherAlgorithm,
    /// More than one key would do.
    Ambiguous,
    /// Nobody can tell before that instant.
    Unavailable { again_at: Micros },
}

/// What a fetch brought.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A set, and its life if the source says one.
    New { set: KeySet, life: Option<Duration> },
    /// The set is what it was.
    Unchanged,
    /// Nothing.
    Failed,
}

impl State {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            fetches: 0,
            failed_fetches: 0,
            current: None,
            flight: None,
            failures: 0,
            retry_at: Micros::MIN,
            forced_again_at: Micros::MIN,
            negatives: Negatives::default(),
        }
    }

    pub(super) fn current(&self) -> Option<&Arc<Snapshot>> {
        self.current.as_ref()
    }

    pub(super) fn status(&self, now: Micros) -> KeySetStatus {
        let current = self.current.as_ref();
        KeySetStatus {
            fetches: self.fetches,
            failures: self.failed_fetches,
            keys: current.map_or(0, |snapshot| snapshot.set.keys().len()),
            age: current.map(|snapshot| now.saturating_since(snapshot.fetched_at)),
            // Nobody fetches what nobody asks for: an old set is stale only if fetching it has failed.
            is_stale: self.failures > 0 && current.is_none_or(|snapshot| now >= snapshot.life_ends_at),
        }
    }

    /// Decides about a key. `Fetch` and `Found { refresh: true }` oblige the caller to fetch, and to tell of its end.
    pub(super) fn decide(&mut self, algorithm: Algorithm, id: Option<&str>, now: Micros) -> Step {
        let Some(snapshot) = self.current.clone().filter(|s| now < s.dead_at) else {
            return self.fetch_or_wait(id, now);
        };
        let fresh = snapshot.is_fresh(now);
        if now >= snapshot.life_ends_at && (self.flight.is_some() || now >= self.retry_at) {
            // Its life is over: a key that the issuer has withdrawn must not live on here.
            return self.fetch_or_wait(id, now);
        }
        match snapshot.set.find(algorithm, id) {
            Find::Found(key) => {
                let refresh = !fresh && self.flight.is_none() && now >= self.retry_at;
                if refresh {
                    self.take_off(false, None);
                }
                Step::Found { key, refresh }
            }
            Find::OtherAlgorithm => Step::OtherAlgorithm,
            Find::Ambiguous => Step::Ambiguous,
            Find::Absent => self.decide_unknown(id, now),
        }
    }

    /// Takes note of a fetch that has ended.
    pub(super) fn landed(&mut self, outcome: Outcome, now: Micros) {
        let flight = self.flight.take();
        let (set, life) = match outcome {
            Outcome::New { set, life } => (Arc::new(set), life.unwrap_or(self.policy.life)),
            Outcome::Unchanged => match &self.current {
                Some(snapshot) => (Arc::clone(&snapshot.set), self.policy.life),
                None => return self.failed(now),
            },
            Outcome::Failed => return self.failed(now),
        };
        self.fetches += 1;
        self.failures = 0;
        self.retry_at = Micros::MIN;
        let life = life.clamp(self.policy.min_life, self.policy.max_life);
        self.current = Some(Arc::new(Snapshot {
            set,
            fetched_at: now,
            refetch_at: now + life.mul_f64(0.8),
            life_ends_at: now + life,
            dead_at: now + self.policy.stale_limit.max(life),
        }));
        if let Some(flight) = flight.filter(|flight| flight.forced) {
            self.note_absent(flight.asked, now);
        }
    }

    fn decide_unknown(&mut self, id: Option<&str>, now: Micros) -> Step {
        if self.negatives.holds(id, now) {
            return Step::Unknown;
        }
        if let Some(flight) = &mut self.flight {
            flight.ask(id);
            return Step::Wait;
        }
        let stepped_back = self.forced_again_at > now + self.policy.forced_pause;
        if now >= self.forced_again_at.max(self.retry_at) || stepped_back {
            self.forced_again_at = now + self.policy.forced_pause;
            self.take_off(true, id);
            return Step::Fetch { forced: true };
        }
        Step::Unavailable { again_at: self.forced_again_at.max(self.retry_at) }
    }

    fn fetch_or_wait(&mut self, id: Option<&str>, now: Micros) -> Step {
        if let Some(flight) = &mut self.flight {
            flight.ask(id);
            return Step::Wait;
        }
        if now < self.retry_at && self.retry_at <= now + MAX_PAUSE {
            return Step::Unavailable { again_at: self.retry_at };
        }
        self.take_off(false, id);
        Step::Fetch { forced: false }
    }

    fn take_off(&mut self, forced: bool, id: Option<&str>) {
        let mut flight = Flight { forced, asked: BTreeSet::new() };
        flight.ask(id);
        self.flight = Some(flight);
    }

    /// Each failure doubles the pause before the next attempt, from one second.
    fn failed(&mut self, now: Micros) {
        let pause = Duration::from_secs(1 << self.failures.min(8)).min(MAX_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.failed_fetches += 1;
        self.retry_at = now + pause;
    }

    fn note_absent(&mut self, asked: BTreeSet<Option<String>>, now: Micros) {
        let Some(snapshot) = &self.current else { return };
        for id in asked {
            let known = snapshot.set.keys().any(|key| id.is_some() && key.id() == id.as_deref());
            if !known {
                self.negatives.insert(id, now, self.policy.negative_life);
            }
        }
    }
}

impl Flight {
    fn ask(&mut self, id: Option<&str>) {
        if self.asked.len() < MAX_NEGATIVES {
            self.asked.insert(id.map(str::to_owned));
        }
    }
}

/// Ids known to be unknown, each for a while.
#[derive(Debug, Default)]
struct Negatives {
    until: BTreeMap<Option<String>, Micros>,
    /// The same by time, for forgetting the oldest.
    by_time: BTreeSet<(Micros, Option<String>)>,
}

impl Negatives {
    fn holds(&self, id: Option<&str>, now: Micros) -> bool {
        self.until.get(&id.map(str::to_owned)).is_some_and(|until| now < *until)
    }

    fn insert(&mut self, id: Option<String>, now: Micros, life: Duration) {
        self.forget(|until| until <= now);
        if self.until.len() >= MAX_NEGATIVES {
            let mut one = true;
            self.forget(|_| std::mem::take(&mut one));
        }
        let until = now + life;
        if let Some(old) = self.until.insert(id.clone(), until) {
            self.by_time.remove(&(old, id.clone()));
        }
        self.by_time.insert((until, id));
    }

    /// Forgets from the oldest on, while `old` says so.
    fn forget(&mut self, mut old: impl FnMut(Micros) -> bool) {
        while let Some((until, _)) = self.by_time.first() {
            if !old(*until) {
                break;
            }
            if let Some((_, id)) = self.by_time.pop_first() {
                self.until.remove(&id);
            }
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
