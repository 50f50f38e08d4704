//! D4: renewal with a longer life, with fewer rights, and after the end, on a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use druse_client::auth::Generation;
use druse_client::{Clock, Error, Micros, SystemClock};
use druse_protocol::time::ManualClock;
use druse_support::provider::{self, bad_token};
use druse_support::raw::Raw;
use druse_support::{Grid, Tokens};

use crate::common::{Orders, finish, get, grid_with, hurried, key};

const T0: Micros = Micros::from_secs(1_800_000_000);

fn token(version: u64, end: Micros) -> String {
    format!("ann:{version}:{}", end.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d4_02_renew_and_then_expire() {
    let clock = Arc::new(ManualClock::new(T0));
    let grid = Grid::with(|node| node.clock(clock.clone())).await;
    let (first, second) = (T0 + Duration::from_secs(10), T0 + Duration::from_secs(20));
    let mut ann = Raw::logged_in(grid.address(), "ann", &token(1, first)).await;
    get(&mut ann).await.unwrap();
    let id = ann.unique_id;
    clock.advance(Duration::from_secs(5));
    ann.log_in(&token(2, second)).await.unwrap();
    assert_eq!(ann.unique_id, id, "a renewal keeps the id");

    clock.set(Micros(second.0 - 1));
    get(&mut ann).await.expect("past the old end, before the new one");
    clock.set(second);
    assert_eq!(get(&mut ann).await.unwrap_err(), "AuthenticationExpiredException");
    assert_eq!(ann.log_in(&token(3, second)).await.unwrap_err(), "AuthenticationExpiredException");
    ann.log_in(&token(4, second + Duration::from_secs(10))).await.unwrap();
    get(&mut ann).await.unwrap();
    drop(ann);
    grid.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d4_03_renew_without_access() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    orders.put(&key(1), &1).await.unwrap();
    grid.manager.deny_from("ann", 2, "orders");
    grid.manager.expire("ann");
    for _ in 0..2 {
        let error = orders.put(&key(1), &2).await.unwrap_err();
        assert!(matches!(error, Error::NotAuthorized(_)), "{error:?}");
        assert!(!error.needs_reauthentication() && !error.is_retryable());
    }
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 2), "the renewal was accepted");
    assert_eq!(grid.changes(&key(1)), Some(1));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d4_06_renew_with_rubbish() {
    let clock = Arc::new(ManualClock::new(T0));
    let grid = Grid::with(|node| node.clock(clock.clone())).await;
    let end = T0 + Duration::from_secs(10);
    let mut ann = Raw::logged_in(grid.address(), "ann", &token(1, end)).await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(ann.log_in("ann:rubbish").await.unwrap_err(), "AuthenticationFailedException");
    assert_eq!(ann.log_in(&token(2, T0)).await.unwrap_err(), "AuthenticationExpiredException");
    assert_eq!(ann.log_in("bob:1").await.unwrap_err(), "AuthenticationFailedException", "another name");
    clock.set(Micros(end.0 - 1));
    get(&mut ann).await.expect("the old login lives to its own end");
    clock.set(end);
    assert_eq!(get(&mut ann).await.unwrap_err(), "AuthenticationExpiredException");
    drop(ann);
    grid.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_renewal_that_brings_rubbish_takes_no_login_away() {
    let grid = Grid::start().await;
    let hour = Duration::from_secs(3600);
    let provider = Tokens::scripted(move |call, _| {
        let provided = if call == 2 { bad_token("ann") } else { provider::token("ann", call) };
        Ok(provided.expiring_at(SystemClock.now() + hour))
    });
    let mut config = hurried();
    // Some two seconds after it has come; only who does something meanwhile is renewed.
    config.gate.renew_at = 2.0 / hour.as_secs_f64();
    let client = grid.client().config(config).auth_initialize(provider.clone()).build().unwrap();
    let orders: Orders = client.region("orders");
    let gate = client.gate().unwrap();
    while gate.held().is_none_or(|held| held.generation < Generation(2)) {
        orders.put(&key(1), &1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for n in 2..5 {
        orders.put(&key(n), &1).await.expect("the login that there was is still good");
    }
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 1));
    assert_eq!(grid.manager.of("ann").refused_logins, 1, "what is refused is not shown again");

    grid.manager.expire("ann");
    orders.put(&key(1), &2).await.unwrap();
    assert!(provider.calls() >= 3);
    finish(grid, client).await;
}
