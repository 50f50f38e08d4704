//! The users, their providers and their tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use druse_client::{
    AuthInitialize, BoxFuture, Client, Clock, CredentialRequest, Credentials, Error, Micros,
    ProvidedCredentials, ProviderError, Region, ServerLocation, SystemClock,
};
use druse_identity::mint::{AccessToken, Mint};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::follower::{FeedTally, Follower};
use super::{DemoArgs, Failure, REGION};

const NAMES: [&str; 12] =
    ["ann", "bob", "cleo", "dan", "eva", "finn", "gina", "hugo", "iris", "jan", "kim", "leo"];

/// How long the provider takes to answer, as an identity provider across a network would.
const PROVIDER_DELAY: Duration = Duration::from_millis(40);

/// How many keys each task goes over.
pub(super) const KEYS: i64 = 10;

/// How long followers may take to catch up when the writers have stopped.
const LAST_EVENTS: Duration = Duration::from_secs(2);

/// Upper bounds of the latency buckets in microseconds, doubling.
const BUCKETS: usize = 24;

/// Latencies, by powers of two of a microsecond.
#[derive(Debug, Default)]
pub(super) struct Latencies([AtomicU64; BUCKETS]);

impl Latencies {
    fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = (64 - micros.leading_zeros() as usize).min(BUCKETS - 1);
        if let Some(count) = self.0.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An upper bound of the given share of all latencies.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let wanted = (counts.iter().sum::<u64>() as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(1 << bucket);
            }
        }
        Duration::from_micros(1 << BUCKETS)
    }
}

/// What one user does and has done.
#[derive(Debug)]
pub(super) struct UserState {
    pub(super) name: String,
    pub(super) token_life: Duration,
    /// Whether the provider says how long a token lives.
    pub(super) tells_life: bool,
    pub(super) operations: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) provider_calls: AtomicU64,
    /// Every token handed out.
    pub(super) tokens: Mutex<Vec<Token>>,
    pub(super) first_failure: Mutex<Option<String>>,
    /// Changes of entries that have been acknowledged.
    pub(super) writes: AtomicU64,
    /// What it has seen of the user that it follows.
    pub(super) feed: FeedTally,
    pub(super) latencies: Arc<Latencies>,
}

/// A token that was handed out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) asked_at: Micros,
    pub(super) ends_at: Micros,
}

impl UserState {
    /// When the newest token runs out.
    pub(super) fn token_ends_in(&self, now: Micros) -> Option<Duration> {
        self.tokens.lock().last().map(|token| token.ends_at.saturating_since(now))
    }
}

/// Mints tokens and counts how often it is asked.
struct DemoProvider {
    mint: Arc<Mint>,
    user: Arc<UserState>,
}

impl AuthInitialize for DemoProvider {
    fn credentials(&self, _: CredentialRequest) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        Box::pin(async {
            let asked_at = SystemClock.now();
            tokio::time::sleep(PROVIDER_DELAY).await;
            self.user.provider_calls.fetch_add(1, Ordering::Relaxed);
            let now = SystemClock.now();
            let expires_at = now + self.user.token_life;
            let token = AccessToken::new(&self.user.name, expires_at)
                .issued_at(now)
                .scope(format!("grid:data:read:{REGION} grid:data:write:{REGION}"));
            let token = self.mint.mint(&token).map_err(|error| ProviderError::Denied {
                message: "no token can be minted".to_owned(),
                source: Some(Arc::new(error)),
            })?;
            self.user.tokens.lock().push(Token { asked_at, ends_at: expires_at });
            let mut provided = ProvidedCredentials::new(Credentials::token(token));
            provided.expires_at = self.user.tells_life.then_some(expires_at);
            Ok(provided)
        })
    }
}

/// All users at work.
pub(super) struct Workload {
    pub(super) users: Vec<Arc<UserState>>,
    pub(super) latencies: Arc<Latencies>,
    pub(super) started: Instant,
    clients: Vec<Client>,
    stopping: CancellationToken,
    tasks: TaskTracker,
    following: CancellationToken,
    followers: TaskTracker,
}

/// What it came to.
pub(super) struct Outcome {
    pub(super) users: Vec<UserOutcome>,
    pub(super) latencies: Arc<Latencies>,
    pub(super) elapsed: Duration,
    /// Acknowledged writes that the follower has not seen.
    pub(super) unseen: u64,
}

/// What it came to for one user.
pub(super) struct UserOutcome {
    pub(super) state: Arc<UserState>,
    /// Credentials that the client went through.
    pub(super) generations: u64,
}

impl Workload {
    pub(super) async fn start(args: &DemoArgs, mint: Arc<Mint>, port: u16) -> Result<Self, Failure> {
        let mut workload = Self {
            users: Vec::new(),
            latencies: Arc::default(),
            started: Instant::now(),
            clients: Vec::new(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            following: CancellationToken::new(),
            followers: TaskTracker::new(),
        };
        for index in 0..args.users {
            let user = Arc::new(UserState::new(index, args, Arc::clone(&workload.latencies)));
            let provider = DemoProvider { mint: Arc::clone(&mint), user: Arc::clone(&user) };
            let client = Client::builder()
                .server(ServerLocation::new("127.0.0.1", port))
                .auth_initialize(provider)
                .build()
                .map_err(|error| Failure::work("a client cannot be set up").because(&error))?;
            workload.users.push(user);
            workload.clients.push(client);
        }
        workload.follow().await?;
        workload.work(args);
        Ok(workload)
    }

    /// Has each user follow the next one. A user who is alone follows nobody: a client is not told of its own changes.
    async fn follow(&self) -> Result<(), Failure> {
        let next = self.users.iter().cycle().skip(1);
        for ((user, client), followed) in self.users.iter().zip(&self.clients).zip(next) {
            if followed.name == user.name {
                continue;
            }
            let region = client.region(REGION);
            let follower = Follower::start(&region, Arc::clone(user), &followed.name)
                .await
                .map_err(|error| Failure::work("a feed cannot be set up").because(&error))?;
            self.followers.spawn(follower.run(self.following.clone()));
        }
        Ok(())
    }

    fn work(&self, args: &DemoArgs) {
        for (user, client) in self.users.iter().zip(&self.clients) {
            for task in 0..args.tasks {
                let worker = Worker {
                    region: client.region(REGION),
                    user: Arc::clone(user),
                    prefix: format!("{}/{task}", user.name),
                    pause: Duration::from_secs(1) / args.rate,
                };
                self.tasks.spawn(worker.run(self.stopping.clone()));
            }
        }
    }

    /// Each user with the one that it follows.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&UserState, &UserState)> {
        let next = self.users.iter().cycle().skip(1);
        let pairs = self.users.iter().zip(next).map(|(user, followed)| (&**user, &**followed));
        pairs.filter(|(user, followed)| user.name != followed.name)
    }

    /// Waits until every write that was acknowledged has been seen.
    async fn catch_up(&self) {
        let is_behind = |(user, followed): (&UserState, &UserState)| {
            user.feed.events.load(Ordering::Relaxed) < followed.writes.load(Ordering::Relaxed)
        };
        let deadline = Instant::now() + LAST_EVENTS;
        while self.pairs().any(is_behind) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Lets every task finish what it has begun.
    pub(super) async fn stop(self) -> Outcome {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let elapsed = self.started.elapsed();
        self.catch_up().await;
        self.following.cancel();
        self.followers.close();
        self.followers.wait().await;
        let unseen = self.unseen();
        let mut users = Vec::new();
        for (state, client) in self.users.into_iter().zip(&self.clients) {
            let held = client.gate().and_then(|gate| gate.held());
            users.push(UserOutcome { state, generations: held.map_or(0, |issued| issued.generation.0) });
            client.close().await;
        }
        Outcome { users, latencies: self.latencies, elapsed, unseen }
    }

    /// How many acknowledged writes nobody was told of.
    fn unseen(&self) -> u64 {
        let unseen = |(user, followed): (&UserState, &UserState)| {
            let events = user.feed.events.load(Ordering::Relaxed);
            followed.writes.load(Ordering::Relaxed).saturating_sub(events)
        };
        self.pairs().map(unseen).sum()
    }
}

impl UserState {
    fn new(index: u16, args: &DemoArgs, latencies: Arc<Latencies>) -> Self {
        let index = usize::from(index);
        let name = match NAMES.get(index) {
            Some(name) => (*name).to_owned(),
            None => format!("user{index}"),
        };
        Self {
            name,
            // 1, 1.5, 2, 2.5, 3 times the shortest.
            token_life: args.token_life.mul_f64(1.0 + (index % 5) as f64 / 2.0),
            tells_life: index % 2 == 1,
            operations: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            provider_calls: AtomicU64::new(0),
            tokens: Mutex::default(),
            first_failure: Mutex::default(),
            writes: AtomicU64::new(0),
            feed: FeedTally::default(),
            latencies,
        }
    }
}

struct Worker {
    region: Region<String, i64>,
    user: Arc<UserState>,
    prefix: String,
    pause: Duration,
}

impl Worker {
    async fn run(self, stopping: CancellationToken) {
        let mut ticks = tokio::time::interval(self.pause);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        for round in 0_i64.. {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let begun = Instant::now();
            let outcome = self.operate(round).await;
            self.user.latencies.record(begun.elapsed());
            self.user.operations.fetch_add(1, Ordering::Relaxed);
            if let Err(problem) = outcome {
                self.user.failures.fetch_add(1, Ordering::Relaxed);
                self.user.first_failure.lock().get_or_insert(problem);
            }
        }
    }

    /// One operation of a small cycle over ten keys. What it finds must be what it has stored.
    async fn operate(&self, round: i64) -> Result<(), String> {
        let key = format!("{}/{}", self.prefix, (round / 4) % KEYS);
        let value = round / 4;
        let outcome = match round % 4 {
            0 => self.region.put(&key, &value).await,
            1 => expect(self.region.get(&key).await, &Some(value)),
            2 => expect(self.region.replace_if(&key, &value, &-value).await, &true),
            _ => expect(self.region.get(&key).await, &Some(-value)),
        };
        if outcome.is_ok() && round % 2 == 0 {
            self.user.writes.fetch_add(1, Ordering::Relaxed);
        }
        outcome.map_err(|error| chain(&error))
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(found: Result<T, Error>, expected: &T) -> Result<(), Error> {
    let found = found?;
    if found == *expected {
        return Ok(());
    }
    Err(Error::Conversion { what: "value", problem: format!("expected {expected:?}, found {found:?}") })
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
