//! D5: logins that are ended from outside, on operations and feeds, in virtual time.

use std::time::Duration;

use druse_client::auth::providers::FileCredentials;
use druse_client::feed::{FeedState, Interest, Subscription};
use druse_client::{Client, Micros};
use druse_protocol::auth::RevocationScope;
use druse_support::raw::Raw;
use druse_support::{Grid, Tokens};

use crate::common::{Lifetimes, Orders, finish, hurried, is_login_refusal, key, living, until_quiet};

const QUIET: Duration = Duration::from_secs(2);

/// Somebody who does things and is told of things.
struct Person {
    client: Client,
    orders: Orders,
    changes: Subscription<String, i64>,
}

impl Person {
    async fn with(grid: &Grid, provider: &Tokens) -> Self {
        let client = grid.piped_client().config(hurried()).auth_initialize(provider.clone()).build().unwrap();
        let orders: Orders = client.region("orders");
        let mut changes = orders.subscribe(Interest::all_keys()).await.unwrap();
        until_quiet(&mut changes, QUIET).await;
        Self { client, orders, changes }
    }
}

async fn write(orders: &Orders, values: std::ops::Range<i64>) {
    for value in values {
        orders.put(&key(0), &value).await.unwrap();
    }
}

fn person(name: &str) -> RevocationScope {
    RevocationScope::Principal(name.to_owned())
}

/// The messages of an error and of all that it stems from.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(|error| format!("{error}; ")).collect()
}

#[tokio::test(start_paused = true)]
async fn d5_01_a_feed_whose_login_ends_is_told_so_and_sees_nothing_more() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let end = grid.now() + Duration::from_secs(10);
    let provider = crate::common::tokens("ann", Lifetimes::Secret, move || end);
    let mut ann = Person::with(&grid, &provider).await;
    let bob = Person::with(&grid, &Tokens::of("bob")).await;
    write(&bob.orders, 0..10).await;
    assert_eq!(until_quiet(&mut ann.changes, QUIET).await.values, (0..10).collect::<Vec<_>>());
    tokio::time::sleep(end.saturating_since(grid.now())).await;
    write(&bob.orders, 10..20).await;
    let seen = until_quiet(&mut ann.changes, Duration::from_secs(300)).await;
    assert!(seen.values.is_empty() && seen.snapshot.is_empty(), "nothing after the end: {seen:?}");
    let first = |wanted: fn(&FeedState) -> bool| seen.states.iter().position(wanted);
    let told = first(|state| matches!(state, FeedState::Held | FeedState::ReauthenticationFailed(_)));
    let cut = first(|state| matches!(state, FeedState::Interrupted { .. }));
    assert!(told.is_some() && told < cut, "first the notice, then the cut: {:?}", seen.states);
    for person in [ann, bob] {
        person.client.close().await;
    }
    grid.finish().await;
}

#[tokio::test(start_paused = true)]
async fn d5_02_a_live_user_is_cut_off_and_nobody_else() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let mut ann = Person::with(&grid, &Tokens::stale("ann")).await;
    let mut bob = Person::with(&grid, &Tokens::of("bob")).await;
    write(&bob.orders, 0..10).await;
    assert_eq!(until_quiet(&mut ann.changes, QUIET).await.values.len(), 10);
    let before = grid.now() + Duration::from_micros(1);
    grid.manager.revoke(person("ann"), before);
    write(&bob.orders, 10..20).await;
    let seen = until_quiet(&mut ann.changes, Duration::from_secs(60)).await;
    assert!(seen.values.is_empty(), "{seen:?}");
    assert!(seen.states.iter().any(|state| matches!(state, FeedState::Revoked)), "{:?}", seen.states);
    let error = ann.orders.get(&key(0)).await.unwrap_err();
    assert!(is_login_refusal(&error) && chain(&error).contains("revoked"), "{}", chain(&error));
    assert_eq!(until_quiet(&mut bob.changes, QUIET).await.values, (0..20).collect::<Vec<_>>());
    assert_eq!((grid.manager.logins("bob"), grid.metrics().expiries.get()), (1, 0));
    for person in [ann, bob] {
        person.client.close().await;
    }
    grid.finish().await;
}

#[tokio::test(start_paused = true)]
async fn d5_03_a_revocation_before_the_login() {
    let grid = Grid::in_virtual_time(|node| node).await;
    grid.manager.refuse_up_to("ann", 1);
    let provider = Tokens::stale("ann");
    let client = grid.piped_client().config(hurried()).auth_initialize(provider).build().unwrap();
    let orders: Orders = client.region("orders");
    let error = orders.get(&key(0)).await.unwrap_err();
    assert!(is_login_refusal(&error), "{error:?}");
    finish(grid, client).await;
}

#[tokio::test(start_paused = true)]
async fn d5_04_old_credentials_stay_refused_and_new_ones_work() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let provider = Tokens::of("ann");
    let mut ann = Person::with(&grid, &provider).await;
    grid.manager.revoke(person("ann"), grid.now() + Duration::from_micros(1));
    tokio::time::sleep(Duration::from_secs(1)).await;
    ann.orders.put(&key(0), &1).await.expect("a new credential");
    let seen = until_quiet(&mut ann.changes, Duration::from_secs(30)).await;
    let told = seen.values.contains(&1) || seen.snapshot.contains(&1);
    assert!(told, "the stream goes on under the new credential: {seen:?}");
    let mut old = Raw::over(grid.pipes().open().unwrap());
    old.greet("somebody with an old token").await;
    for _ in 0..3 {
        assert_eq!(old.log_in("ann:1").await.unwrap_err(), "AuthenticationFailedException");
    }
    drop(old);
    finish(grid, ann.client).await;
}

#[tokio::test(start_paused = true)]
async fn d5_06_a_credential_file_that_is_replaced_under_the_client() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |version: u64, end: Micros| {
        std::fs::write(file.path(), format!("ann:{version}:{}", end.0)).unwrap();
    };
    let first = grid.now() + Duration::from_secs(1);
    write(1, first);
    let provider = FileCredentials::new(file.path());
    let client = grid.piped_client().config(hurried()).auth_initialize(provider).build().unwrap();
    let orders: Orders = client.region("orders");
    orders.put(&key(0), &1).await.unwrap();
    write(2, first + Duration::from_secs(3600));
    tokio::time::sleep(first.saturating_since(grid.now())).await;
    orders.put(&key(0), &2).await.expect("the new file");
    let tally = grid.manager.of("ann");
    assert_eq!((tally.logins, tally.permits_by_version.get(&2)), (2, Some(&1)));
    finish(grid, client).await;
}

#[tokio::test(start_paused = true)]
async fn d5_07_all_that_came_through_one_application_are_cut_off_together() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let mut cut = Vec::new();
    for name in ["ann@acme", "bob@acme"] {
        let life = Duration::from_secs(3600);
        cut.push(Person::with(&grid, &living(&grid, name, Lifetimes::Secret, life)).await);
    }
    let mut other = Person::with(&grid, &Tokens::of("cid@other")).await;
    for name in ["ann@acme", "bob@acme"] {
        grid.manager.refuse_up_to(name, u64::MAX);
    }
    let scope = RevocationScope::Client("acme".to_owned());
    grid.manager.revoke(scope, grid.now() + Duration::from_micros(1));
    write(&other.orders, 0..10).await;
    for person in &mut cut {
        let seen = until_quiet(&mut person.changes, Duration::from_secs(60)).await;
        assert!(seen.values.is_empty() && seen.snapshot.is_empty(), "{seen:?}");
        assert!(is_login_refusal(&person.orders.get(&key(0)).await.unwrap_err()));
    }
    assert_eq!(until_quiet(&mut other.changes, QUIET).await.values, (0..10).collect::<Vec<_>>());
    assert_eq!(grid.manager.logins("cid@other"), 1);
    for person in cut.into_iter().chain([other]) {
        person.client.close().await;
    }
    grid.finish().await;
}
