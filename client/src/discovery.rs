//! What the locators name: asked for by one task at a time, however many operations need the answer.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::BoxFuture;
use druse_protocol::time::Micros;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::endpoint::ServerLocation;
use crate::error::Error;
use crate::runtime::Runtime;
use crate::sync::Mutex;

/// How long an answer of the locators is good for. Geode clients ask as often (`ping-interval`).
const LOCATOR_INTERVAL: Duration = Duration::from_secs(10);

/// Asks locators for servers; the real one does IO.
pub(crate) trait Discovery: Send + Sync + 'static {
    fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerLocation>, Error>>;
}

/// The servers that the locators have named.
pub(crate) struct Named {
    locators: Arc<dyn Discovery>,
    runtime: Arc<dyn Runtime>,
    closing: CancellationToken,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    known: Arc<[ServerLocation]>,
    asked_at: Option<Micros>,
    flight: Option<watch::Receiver<Landed>>,
}

type Landed = Option<Result<(), Error>>;

impl Named {
    /// Nothing is known yet. `closing` ends whatever is being asked.
    pub(crate) fn new(
        locators: Arc<dyn Discovery>,
        runtime: Arc<dyn Runtime>,
        closing: CancellationToken,
    ) -> Self {
        Self { locators, runtime, closing, state: Arc::default() }
    }

    /// What is known. If that is old it is asked for again behind the caller's back, who does not wait: locators that
    /// are down stop nobody whose servers are up.
    pub(crate) fn known(&self) -> Arc<[ServerLocation]> {
        let now = self.runtime.now();
        let mut state = self.state.lock();
        let fresh = state.asked_at.is_some_and(|at| now.saturating_since(at) < LOCATOR_INTERVAL);
        if !fresh && !state.known.is_empty() {
            self.flight(&mut state, now);
        }
        Arc::clone(&state.known)
    }

    /// Waits for an answer that is not there yet; what was known before is good enough if the locators fail.
    pub(crate) async fn newer(&self, deadline: Micros) -> Result<Arc<[ServerLocation]>, Error> {
        let mut flight = self.flight(&mut self.state.lock(), self.runtime.now());
        let landed = tokio::select! {
            biased;
            landed = flight.wait_for(Option::is_some) => landed.ok().and_then(|landed| landed.clone()),
            () = self.runtime.sleep_until(deadline) => {
                return Err(Error::Locator("no locator answered before the operation's deadline".to_owned()));
            }
        };
        let known = Arc::clone(&self.state.lock().known);
        match landed {
            Some(Err(error)) if known.is_empty() => Err(error),
            Some(_) => Ok(known),
            // The task is gone without an answer: the client has been closed.
            None => Err(Error::Closed),
        }
    }

    /// Something that was named has failed: the next one to look asks again.
    pub(crate) fn doubt(&self) {
        self.state.lock().asked_at = None;
    }

    /// The question under way, or a new one.
    fn flight(&self, state: &mut State, now: Micros) -> watch::Receiver<Landed> {
        // A question whose sender is gone has been answered, or has died with the runtime.
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return flight.clone();
        }
        state.asked_at = Some(now);
        let (sender, receiver) = watch::channel(None);
        state.flight = Some(receiver.clone());
        let (locators, closing) = (Arc::clone(&self.locators), self.closing.clone());
        let state = Arc::clone(&self.state);
        self.runtime.spawn(Box::pin(async move {
            if let Some(answer) = closing.run_until_cancelled(locators.servers()).await {
                sender.send_replace(Some(land(&state, answer)));
            }
        }));
        receiver
    }
}

/// Takes an answer over. Locators that know nobody say no more than locators that are silent.
fn land(state: &Mutex<State>, answer: Result<Vec<ServerLocation>, Error>) -> Result<(), Error> {
    let nobody = || Error::Locator("the locators know no server".to_owned());
    match answer.and_then(|servers| if servers.is_empty() { Err(nobody()) } else { Ok(servers) }) {
        Ok(servers) => {
            debug!(count = servers.len(), "servers named by the locators");
            state.lock().known = servers.into();
            Ok(())
        }
        Err(error) => {
            warn!(%error, "no servers from the locators");
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::runtime::{TokioClock, TokioRuntime};

    const T0: Micros = Micros::from_secs(1_000);
    const ANSWER_TIME: Duration = Duration::from_millis(100);

    /// What the locators answer, if they do: the n-th answer names a server with port n.
    struct Scripted {
        asked: AtomicUsize,
        answers: fn(usize) -> Option<Result<Vec<ServerLocation>, Error>>,
    }

    impl Discovery for Scripted {
        fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerLocation>, Error>> {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            Box::pin(async move {
                match (self.answers)(asked) {
                    Some(answer) => {
                        tokio::time::sleep(ANSWER_TIME).await;
                        answer
                    }
                    None => std::future::pending().await,
                }
            })
        }
    }

    struct Fixture {
        named: Arc<Named>,
        locators: Arc<Scripted>,
        runtime: Arc<TokioRuntime>,
        closing: CancellationToken,
    }

    fn fixture(answers: fn(usize) -> Option<Result<Vec<ServerLocation>, Error>>) -> Fixture {
        let locators = Arc::new(Scripted { asked: AtomicUsize::new(0), answers });
        let runtime = TokioRuntime::new(Arc::new(TokioClock::starting_at(T0)));
        let closing = CancellationToken::new();
        let named = Named::new(Arc::clone(&locators) as _, Arc::clone(&runtime) as _, closing.clone());
        Fixture { named: Arc::new(named), locators, runtime, closing }
    }

    fn server(port: usize) -> Vec<ServerLocation> {
        vec![ServerLocation::new("server", u16::try_from(port).unwrap())]
    }

    fn later(fixture: &Fixture, seconds: u64) -> Micros {
        fixture.runtime.now() + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_cold_herd_asks_once() {
        let fixture = fixture(|asked| Some(Ok(server(asked))));
        let deadline = later(&fixture, 30);
        let herd: Vec<_> = (0..500)
            .map(|_| {
                let named = Arc::clone(&fixture.named);
                tokio::spawn(async move { named.newer(deadline).await })
            })
            .collect();
        for task in herd {
            assert_eq!(task.await.unwrap().unwrap()[..], server(1)[..]);
        }
        assert_eq!(fixture.locators.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn silent_locators_cost_no_more_than_the_deadline_and_one_question() {
        let fixture = fixture(|_| None);
        for _ in 0..3 {
            let deadline = later(&fixture, 5);
            let error = fixture.named.newer(deadline).await.unwrap_err();
            assert!(matches!(error, Error::Locator(_)) && error.is_retryable(), "{error:?}");
            assert_eq!(fixture.runtime.now(), deadline);
        }
        assert_eq!(fixture.locators.asked.load(Ordering::SeqCst), 1, "the first question is still open");
        fixture.closing.cancel();
        assert!(matches!(fixture.named.newer(later(&fixture, 5)).await, Err(Error::Closed)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_answer_is_used_while_a_new_one_is_fetched() {
        let fixture = fixture(|asked| Some(Ok(server(asked))));
        fixture.named.newer(later(&fixture, 30)).await.unwrap();
        tokio::time::sleep(LOCATOR_INTERVAL).await;
        assert_eq!(fixture.named.known()[..], server(1)[..], "nobody waits");
        tokio::time::sleep(ANSWER_TIME * 2).await;
        assert_eq!(fixture.named.known()[..], server(2)[..]);
        fixture.named.doubt();
        fixture.named.known();
        tokio::time::sleep(ANSWER_TIME * 2).await;
        assert_eq!(fixture.named.known()[..], server(3)[..], "doubt makes an answer old");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_outlives_locators_that_fail_or_know_nobody() {
        let fixture = fixture(|asked| {
            Some(match asked {
                1 | 4 => Ok(Vec::new()),
                2 => Ok(server(2)),
                _ => Err(Error::Locator("down".to_owned())),
            })
        });
        let newer = || fixture.named.newer(later(&fixture, 30));
        assert!(matches!(newer().await, Err(Error::Locator(_))), "nobody is known yet");
        for _ in 2..=4 {
            assert_eq!(newer().await.unwrap()[..], server(2)[..]);
        }
        assert_eq!(fixture.locators.asked.load(Ordering::SeqCst), 4);
    }
}
