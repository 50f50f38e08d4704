//! The credential gate in virtual time: herds, hangs, failures, short and long lives.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use druse_client::auth::state::Want;
use druse_client::auth::{Gate, GateConfig, GateError, Generation};
use druse_client::runtime::{Runtime, TokioClock, TokioRuntime};
use druse_protocol::auth::{
    AuthInitialize, BoxFuture, CredentialRequest, Credentials, ProvidedCredentials, ProviderError,
};
use druse_protocol::time::{Clock, Micros};
use parking_lot::Mutex;

const T0: Micros = Micros::from_secs(1_800_000_000);

/// What the provider does at its n-th call, from 1.
type Script = dyn Fn(u64) -> Answer + Send + Sync;

enum Answer {
    Token { life: Option<Duration>, after: Duration },
    Fail,
    Hang,
    Panic,
}

struct Scripted {
    calls: AtomicU64,
    asked: Mutex<Vec<(Micros, CredentialRequest)>>,
    clock: TokioClock,
    script: Box<Script>,
}

impl AuthInitialize for Scripted {
    fn credentials(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            self.asked.lock().push((self.clock.now(), request));
            match (self.script)(call) {
                Answer::Token { life, after } => {
                    tokio::time::sleep(after).await;
                    let mut provided = ProvidedCredentials::new(Credentials::token(format!("token-{call}")));
                    provided.expires_at = life.map(|life| self.clock.now() + life);
                    Ok(provided)
                }
                Answer::Fail => {
                    let message = "identity provider answered 503".to_owned();
                    Err(ProviderError::Unavailable { message, source: None })
                }
                Answer::Hang => std::future::pending().await,
                Answer::Panic => panic!("a provider with a bug"),
            }
        })
    }
}

struct Fixture {
    gate: Arc<Gate>,
    provider: Arc<Scripted>,
    runtime: Arc<TokioRuntime>,
}

fn fixture(config: GateConfig, script: impl Fn(u64) -> Answer + Send + Sync + 'static) -> Fixture {
    let clock = TokioClock::starting_at(T0);
    let runtime = TokioRuntime::new(Arc::new(clock));
    let provider = Arc::new(Scripted {
        calls: AtomicU64::new(0),
        asked: Mutex::default(),
        clock,
        script: Box::new(script),
    });
    let gate = Arc::new(Gate::new("", Arc::clone(&provider) as _, config, Arc::clone(&runtime) as _));
    Fixture { gate, provider, runtime }
}

impl Fixture {
    fn soon(&self) -> Micros {
        self.runtime.now() + Duration::from_secs(60)
    }

    async fn want(&self, want: Want) -> Result<Generation, GateError> {
        self.gate.credential(want, "server:40404", self.soon()).await.map(|issued| issued.generation)
    }

    fn calls(&self) -> u64 {
        self.provider.calls.load(Ordering::SeqCst)
    }

    async fn herd(&self, size: usize, want: Want) -> Vec<Result<Generation, GateError>> {
        let deadline = self.soon();
        let tasks: Vec<_> = (0..size)
            .map(|_| {
                let gate = Arc::clone(&self.gate);
                tokio::spawn(async move {
                    gate.credential(want, "server:40404", deadline).await.map(|i| i.generation)
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    }
}

fn lives(life: Duration) -> Answer {
    Answer::Token { life: Some(life), after: Duration::from_millis(20) }
}

fn for_ever() -> Answer {
    Answer::Token { life: None, after: Duration::from_millis(20) }
}

#[tokio::test(start_paused = true)]
async fn a_herd_at_the_start_costs_one_call() {
    let fixture = fixture(GateConfig::default(), |_| for_ever());
    let outcomes = fixture.herd(500, Want::Live).await;
    assert!(outcomes.iter().all(|outcome| *outcome.as_ref().unwrap() == Generation(1)));
    assert_eq!(fixture.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_herd_that_meets_one_expiry_costs_one_call() {
    let fixture = fixture(GateConfig::default(), |_| for_ever());
    fixture.want(Want::Live).await.unwrap();
    let outcomes = fixture.herd(500, Want::NewerThan(Generation(1))).await;
    assert!(outcomes.iter().all(|outcome| *outcome.as_ref().unwrap() == Generation(2)));
    assert_eq!(fixture.calls(), 2);
    // A straggler that was refused under the old generation finds the new one.
    assert_eq!(fixture.want(Want::NewerThan(Generation(1))).await.unwrap(), Generation(2));
    assert_eq!(fixture.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_herd_that_meets_a_failure_shares_it() {
    let fixture = fixture(GateConfig::default(), |_| Answer::Fail);
    let outcomes = fixture.herd(200, Want::Live).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(GateError::Provider { .. }))));
    assert_eq!(fixture.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_failure_shows_its_whole_chain() {
    let fixture = fixture(GateConfig::default(), |_| Answer::Fail);
    let error = fixture.want(Want::Live).await.unwrap_err();
    assert_eq!(error.to_string(), "the credential provider of the client failed");
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "identity provider answered 503");
    assert!(error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_hanging_provider_meets_its_deadline_and_the_next_call_works() {
    let fixture = fixture(GateConfig::default(), |call| if call == 1 { Answer::Hang } else { for_ever() });
    let begun = fixture.runtime.now();
    let error = fixture.want(Want::Live).await.unwrap_err();
    assert!(matches!(error, GateError::Timeout { .. }), "{error}");
    assert_eq!(fixture.runtime.now().saturating_since(begun), GateConfig::default().provider_timeout);
    assert_eq!(fixture.want(Want::Live).await.unwrap(), Generation(1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_a_short_deadline_leaves_the_call_to_the_others() {
    let fixture =
        fixture(GateConfig::default(), |_| Answer::Token { life: None, after: Duration::from_secs(5) });
    let hurried = fixture.gate.credential(Want::Live, "s", fixture.runtime.now() + Duration::from_secs(1));
    let (hurried, patient) = tokio::join!(hurried, fixture.want(Want::Live));
    assert!(matches!(hurried, Err(GateError::Deadline { .. })));
    assert_eq!(patient.unwrap(), Generation(1));
    assert_eq!(fixture.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_caller_does_not_cancel_the_call() {
    let fixture =
        fixture(GateConfig::default(), |_| Answer::Token { life: None, after: Duration::from_secs(5) });
    let gate = Arc::clone(&fixture.gate);
    let deadline = fixture.soon();
    let first = tokio::spawn(async move { gate.credential(Want::Live, "s", deadline).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.abort();
    assert_eq!(fixture.want(Want::Live).await.unwrap(), Generation(1));
    assert_eq!(fixture.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_panics_fails_its_call_and_wedges_nothing() {
    let fixture = fixture(GateConfig::default(), |call| if call == 1 { Answer::Panic } else { for_ever() });
    assert!(matches!(fixture.want(Want::Live).await, Err(GateError::Provider { .. })));
    assert_eq!(fixture.want(Want::Live).await.unwrap(), Generation(1));
}

#[tokio::test(start_paused = true)]
async fn a_known_life_is_renewed_before_it_ends_and_nobody_waits() {
    let fixture = fixture(GateConfig::default(), |_| lives(Duration::from_secs(10)));
    fixture.want(Want::Live).await.unwrap();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = fixture.runtime.now();
        fixture.want(Want::Live).await.unwrap();
        assert_eq!(fixture.runtime.now(), before, "an operation waited for a renewal");
    }
    // 100 s of lives of 10 s, each renewed at 72 to 88 per cent.
    assert!((10..=15).contains(&fixture.calls()), "{}", fixture.calls());
}

#[tokio::test(start_paused = true)]
async fn an_idle_user_is_not_renewed_for_ever() {
    let fixture = fixture(GateConfig::default(), |_| lives(Duration::from_secs(10)));
    fixture.want(Want::Live).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(fixture.calls() <= 2, "{}", fixture.calls());
    fixture.want(Want::Live).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn renewal_fails_while_the_old_token_lives() {
    let fixture = fixture(GateConfig::default(), |call| match call {
        1 => lives(Duration::from_secs(100)),
        2..=4 => Answer::Fail,
        _ => lives(Duration::from_secs(100)),
    });
    fixture.want(Want::Live).await.unwrap();
    for _ in 0..120 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fixture.want(Want::Live).await.expect("the old token still lives, or the new one is there");
    }
    assert!((5..=6).contains(&fixture.calls()), "{}", fixture.calls());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_no_server_accepts_leaves_the_old_token_in_use_until_its_end() {
    let fixture = fixture(GateConfig::default(), |_| lives(Duration::from_secs(10)));
    fixture.want(Want::Live).await.unwrap();
    fixture.want(Want::Live).await.unwrap();
    // Renewal begins between 7.2 s and 8.8 s.
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(fixture.want(Want::Live).await.unwrap(), Generation(2));
    assert!(fixture.gate.invalidate(Generation(2)), "there is something to go on with");
    assert_eq!((fixture.want(Want::Live).await.unwrap(), fixture.calls()), (Generation(1), 2));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((fixture.want(Want::Live).await.unwrap(), fixture.calls()), (Generation(3), 3));
}

#[tokio::test(start_paused = true)]
async fn lives_shorter_than_the_spacing_slow_callers_down_and_fail_none() {
    let fixture = fixture(GateConfig::default(), |_| Answer::Token {
        life: Some(Duration::from_millis(30)),
        after: Duration::from_millis(1),
    });
    let begun = fixture.runtime.now();
    for _ in 0..50 {
        fixture.want(Want::Live).await.unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let elapsed = fixture.runtime.now().saturating_since(begun).as_millis();
    assert!(u128::from(fixture.calls()) <= elapsed / 100 + 1, "{} calls in {elapsed} ms", fixture.calls());
}

#[tokio::test(start_paused = true)]
async fn very_long_lives_do_not_overflow_a_timer() {
    let century = Duration::from_secs(100 * 365 * 86_400);
    let fixture = fixture(GateConfig::default(), move |_| lives(century));
    fixture.want(Want::Live).await.unwrap();
    tokio::time::sleep(Duration::from_secs(86_400 * 30)).await;
    assert_eq!(fixture.want(Want::Live).await.unwrap(), Generation(1));
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_not_asked_for_in_a_storm() {
    let fixture = fixture(GateConfig::default(), |_| for_ever());
    for _ in 0..20 {
        let generation = fixture.want(Want::Live).await.unwrap();
        fixture.gate.invalidate(generation);
    }
    let asked: Vec<_> = fixture.provider.asked.lock().iter().map(|(at, _)| *at).collect();
    assert_eq!(asked.len(), 20);
    for pair in asked.windows(2) {
        assert!(pair[1].saturating_since(pair[0]) >= GateConfig::default().min_interval);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_report_neither_drops_the_new_credential_nor_asks_again() {
    let fixture = fixture(GateConfig::default(), |_| for_ever());
    for generation in 0..6 {
        fixture.want(Want::NewerThan(Generation(generation))).await.unwrap();
    }
    fixture.gate.invalidate(Generation(5));
    assert_eq!(fixture.want(Want::Live).await.unwrap(), Generation(6));
    assert_eq!(fixture.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_cache_heals_with_one_call() {
    let fixture = fixture(GateConfig::default(), |_| for_ever());
    fixture.gate.preload(ProvidedCredentials::new(Credentials::token("from last week"))).unwrap();
    let poisoned = fixture.want(Want::Live).await.unwrap();
    assert_eq!(fixture.calls(), 0);
    assert!(fixture.want(Want::NewerThan(poisoned)).await.unwrap() > poisoned);
    assert_eq!(fixture.calls(), 1);
    let request = fixture.provider.asked.lock()[0].1.clone();
    assert_eq!(request.refused, Some(Credentials::token("from last week")));
    assert_eq!(request.server, "server:40404");
}

#[tokio::test(start_paused = true)]
async fn closing_ends_everybody_who_waits() {
    let fixture = fixture(GateConfig::default(), |_| Answer::Hang);
    let gate = Arc::clone(&fixture.gate);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        gate.close();
    });
    assert!(matches!(fixture.want(Want::Live).await, Err(GateError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_closed_gate_hands_out_nothing_that_it_still_holds() {
    let fixture = fixture(GateConfig::default(), |_| for_ever());
    fixture.want(Want::Live).await.unwrap();
    fixture.gate.close();
    assert!(matches!(fixture.want(Want::Live).await, Err(GateError::Closed)));
    assert_eq!(fixture.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_herd_whose_renewal_fails_shares_one_failure_and_the_next_one_heals() {
    let fixture = fixture(GateConfig::default(), |call| if call == 2 { Answer::Fail } else { for_ever() });
    fixture.want(Want::Live).await.unwrap();
    let outcomes = fixture.herd(200, Want::NewerThan(Generation(1))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(GateError::Provider { .. }))));
    assert_eq!(fixture.calls(), 2);
    let outcomes = fixture.herd(200, Want::NewerThan(Generation(1))).await;
    assert!(outcomes.iter().all(|outcome| *outcome.as_ref().unwrap() == Generation(2)));
    assert_eq!(fixture.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_meets_expiry_during_an_early_renewal_joins_it() {
    let fixture = fixture(GateConfig::default(), |call| match call {
        1 => lives(Duration::from_secs(10)),
        _ => Answer::Token { life: None, after: Duration::from_secs(5) },
    });
    fixture.want(Want::Live).await.unwrap();
    fixture.want(Want::Live).await.unwrap();
    // Renewal begins between 7.2 s and 8.8 s, and takes five.
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(fixture.calls(), 2);
    let outcomes = fixture.herd(50, Want::NewerThan(Generation(1))).await;
    assert!(outcomes.iter().all(|outcome| *outcome.as_ref().unwrap() == Generation(2)));
    assert_eq!(fixture.calls(), 2, "the early call serves those who were refused, too");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_stays_down_is_asked_ever_more_rarely_and_callers_meet_their_own_deadline() {
    let fixture = fixture(GateConfig::default(), |_| Answer::Fail);
    let begun = fixture.runtime.now();
    let mut deadlines = 0;
    while fixture.runtime.now().saturating_since(begun) < Duration::from_secs(600) {
        let deadline = fixture.runtime.now() + Duration::from_secs(5);
        match fixture.gate.credential(Want::Live, "s", deadline).await {
            Err(error @ GateError::Deadline { .. }) => {
                deadlines += 1;
                let last = std::error::Error::source(&error).expect("what the last call failed with");
                assert_eq!(last.to_string(), "the credential provider of the client failed");
            }
            Err(GateError::Provider { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(deadlines > 0);
    // 0.1, 0.2, ... 25.6 s, then every 30 s: nine doublings in the first minute, 18 more calls in the other nine.
    assert!((25..=31).contains(&fixture.calls()), "{}", fixture.calls());
}

#[tokio::test(start_paused = true)]
async fn users_do_not_wait_for_one_another() {
    // D9-04: one user's provider hangs, another's answers.
    let slow = fixture(GateConfig::default(), |_| Answer::Hang);
    let fast = fixture(GateConfig::default(), |_| for_ever());
    let begun = fast.runtime.now();
    let (hung, served) = tokio::join!(slow.want(Want::Live), async {
        let outcome = fast.want(Want::Live).await;
        (outcome, fast.runtime.now().saturating_since(begun))
    });
    assert!(matches!(hung, Err(GateError::Timeout { .. })));
    assert_eq!((served.0.unwrap(), served.1), (Generation(1), Duration::from_millis(20)));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_expiries_cost_ten_thousand_calls() {
    let fixture = fixture(GateConfig::default(), |_| Answer::Token { life: None, after: Duration::ZERO });
    for generation in 0..10_000 {
        let outcomes = fixture.herd(3, Want::NewerThan(Generation(generation))).await;
        assert!(outcomes.iter().all(|o| *o.as_ref().unwrap() == Generation(generation + 1)));
    }
    assert_eq!(fixture.calls(), 10_000);
}
