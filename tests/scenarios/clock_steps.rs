//! D9-07: the clock of a node is set by ten minutes, either way, while its issuer's goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use druse_client::feed::FeedState;
use druse_client::runtime::TokioClock;
use druse_client::{Clock, Credentials, Micros, ProvidedCredentials};
use druse_server::SteadyClock;
use druse_support::grid::VIRTUAL_EPOCH;
use druse_support::provider::bad_token;
use druse_support::{Grid, Tokens};

use crate::common::{Lifetimes, finish, key, living};
use crate::watching::{Person, QUIET, all, client_of, write};

const STEP: Duration = Duration::from_secs(600);

/// The clock of an operating system that can be set; everybody else has the true time.
struct Wall {
    truth: TokioClock,
    step: AtomicI64,
}

impl Wall {
    fn at_the_true_time() -> Arc<Self> {
        Arc::new(Self { truth: TokioClock::starting_at(VIRTUAL_EPOCH), step: AtomicI64::new(0) })
    }

    /// Off by that many seconds from now on.
    fn set_off_by(&self, seconds: i64) {
        self.step.store(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Wall {
    fn now(&self) -> Micros {
        Micros(self.truth.now().0 + self.step.load(Ordering::SeqCst))
    }
}

/// A node whose clock can be set.
async fn grid() -> (Grid, Arc<Wall>) {
    let wall = Wall::at_the_true_time();
    let clock = SteadyClock::over(wall.clone());
    (Grid::in_virtual_time(|node| node.clock(Arc::new(clock))).await, wall)
}

#[tokio::test(start_paused = true)]
async fn d9_07_a_clock_that_is_set_back_lets_no_login_live_longer() {
    let (grid, wall) = grid().await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let end = grid.now() + Duration::from_secs(30);
    let provider = Tokens::scripted(move |call, _| {
        let token = Credentials::token(format!("ann:{call}:{}", end.0));
        Ok(if call == 1 { ProvidedCredentials::new(token) } else { bad_token("ann") })
    });
    let mut ann = Person::with(&grid, &provider).await;
    wall.set_off_by(-600);
    write(&orders, 0..10).await;
    assert_eq!(ann.sees_within(QUIET).await.values, all(0..10), "it lives as long as it did");
    tokio::time::sleep(end.saturating_since(grid.now())).await;
    write(&orders, 10..20).await;
    let seen = ann.sees_within(Duration::from_secs(300)).await;
    assert!(seen.is_empty() && seen.was(|state| matches!(state, FeedState::Held)), "{seen:?}");
    ann.orders.get(&key(0)).await.expect_err("the login is over for operations, too");
    assert_eq!(grid.manager.logins("ann"), 2, "the feed's and the first request's, with the one good token");
    ann.client.close().await;
    finish(grid, writer).await;
}

/// New logins are read by the clock as it is: they are as good as the difference between the two clocks allows.
#[tokio::test(start_paused = true)]
async fn d9_07_a_clock_that_is_set_back_shuts_nobody_out() {
    let (grid, wall) = grid().await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let provider = living(&grid, "ann", Lifetimes::Secret, Duration::from_secs(60));
    let mut ann = Person::with(&grid, &provider).await;
    for steps in [&[-600][..], &[0], &[600, 0]] {
        for &seconds in steps {
            // Where the node is ahead of the issuer a login of a minute is over as soon as it comes.
            wall.set_off_by(seconds);
            tokio::time::sleep(QUIET).await;
        }
        let calls = provider.calls();
        for value in 0..300 {
            orders.put(&key(0), &value).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(ann.sees_within(QUIET).await.values, all(0..300), "{steps:?}");
        let calls = provider.calls() - calls;
        assert!(calls <= 7, "{steps:?}: {calls} calls in five minutes");
    }
    ann.client.close().await;
    finish(grid, writer).await;
}

#[tokio::test(start_paused = true)]
async fn d9_07_a_clock_that_is_set_forward_cuts_off_by_the_step_at_most() {
    let (grid, wall) = grid().await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let provider = living(&grid, "ann", Lifetimes::Secret, Duration::from_secs(3600));
    let mut ann = Person::with(&grid, &provider).await;
    let begun = grid.now();
    wall.set_off_by(600);
    write(&orders, 0..10).await;
    assert_eq!(ann.sees_within(QUIET).await.values, all(0..10));
    assert_eq!(provider.calls(), 1, "nothing has ended");
    while provider.calls() == 1 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let lived = grid.now().saturating_since(begun);
    // It is renewed ahead, half a minute and a quarter of that at most.
    let least = Duration::from_secs(3600) - STEP - Duration::from_secs(40);
    assert!(lived >= least && lived <= Duration::from_secs(3600) - STEP, "{lived:?}");
    write(&orders, 10..20).await;
    assert_eq!(ann.sees_within(QUIET).await.values, all(10..20));
    assert_eq!(grid.metrics().feeds.opened.get(), 1);
    ann.client.close().await;
    finish(grid, writer).await;
}
