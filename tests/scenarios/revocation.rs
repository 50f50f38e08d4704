//! D5: logins that are ended from outside, on operations and feeds.

use std::time::Duration;

use druse_client::auth::providers::FileCredentials;
use druse_client::feed::{FeedState, Interest};
use druse_client::{Credentials, Error, Micros};
use druse_protocol::auth::RevocationScope;
use druse_support::raw::Raw;
use druse_support::{Grid, Tokens};

use crate::common::{Lifetimes, Orders, finish, get, hurried, is_login_refusal, key, living, tokens};
use crate::watching::{Person, QUIET, all, client_of, write};

/// Long enough for a client to have tried everything to come back.
const LONG: Duration = Duration::from_secs(300);

fn person(name: &str) -> RevocationScope {
    RevocationScope::Principal(name.to_owned())
}

/// All logins that there are.
fn until_now(grid: &Grid) -> Micros {
    grid.now() + Duration::from_micros(1)
}

/// The messages of an error and of all that it stems from.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(|error| format!("{error}; ")).collect()
}

async fn close(people: impl IntoIterator<Item = Person>) {
    for person in people {
        drop(person.changes);
        person.client.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn d5_01_a_feed_whose_login_ends_is_told_so_and_then_cut_off() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let end = grid.now() + Duration::from_secs(10);
    let mut ann = Person::with(&grid, &tokens("ann", Lifetimes::Secret, move || end)).await;
    let bob = Person::with(&grid, &Tokens::of("bob")).await;
    write(&bob.orders, 0..10).await;
    assert_eq!(ann.sees_within(QUIET).await.values, all(0..10));
    tokio::time::sleep(end.saturating_since(grid.now())).await;
    write(&bob.orders, 10..20).await;
    let seen = ann.sees_within(LONG).await;
    assert!(seen.is_empty(), "nothing after the end: {seen:?}");
    let first = |wanted: fn(&FeedState) -> bool| seen.states.iter().position(wanted);
    let (held, cut) = (
        first(|state| matches!(state, FeedState::Held)).expect("a notice"),
        first(|state| matches!(state, FeedState::Interrupted { .. })).expect("a cut"),
    );
    assert!(held < cut, "first the notice, then the cut: {:?}", seen.states);
    assert!(seen.was(|state| matches!(state, FeedState::ReauthenticationFailed(_))), "{:?}", seen.states);
    assert_eq!((grid.metrics().feeds.asks_late.get(), grid.metrics().feeds.given_up.get()), (1, 1));
    close([ann, bob]).await;
    grid.finish().await;
}

#[tokio::test(start_paused = true)]
async fn d5_02_a_live_user_is_cut_off_and_nobody_else() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let mut ann = Person::with(&grid, &Tokens::stale("ann")).await;
    let mut bob = Person::with(&grid, &Tokens::of("bob")).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    write(&orders, 0..10).await;
    assert_eq!(ann.sees_within(QUIET).await.values, all(0..10));
    let before = grid.now();
    grid.manager.revoke(person("ann"), until_now(&grid));
    write(&orders, 10..20).await;
    assert_eq!(grid.now(), before, "no time has passed, and none is needed");
    let seen = ann.sees_within(LONG).await;
    assert!(seen.is_empty(), "{seen:?}");
    assert!(matches!(seen.states[..2], [FeedState::Revoked, FeedState::Interrupted { .. }]), "{seen:?}");
    assert!(!seen.was(|state| matches!(state, FeedState::Held)), "revoked, not expired");
    let error = ann.orders.get(&key(0)).await.unwrap_err();
    assert!(is_login_refusal(&error) && chain(&error).contains("revoked"), "{}", chain(&error));
    assert_eq!(bob.sees_within(QUIET).await.values, all(0..20));
    assert_eq!((grid.manager.logins("bob"), grid.metrics().logins_live.get()), (2, 2));
    close([ann, bob]).await;
    finish(grid, writer).await;
}

/// A user among several keeps nobody else's events back, and a query of theirs ends where it stood.
#[tokio::test(start_paused = true)]
async fn d5_02_one_user_among_several_is_cut_off() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let client = grid.piped_client().config(hurried()).multi_user().build().unwrap();
    let (ann, bob) = (Tokens::of("ann"), Tokens::of("bob"));
    let of_ann = client.user("ann", ann.clone()).unwrap();
    let of_bob = client.user("bob", bob.clone()).unwrap();
    let query = "SELECT * FROM /orders o WHERE o >= 0";
    let mut for_ann = of_ann.continuous_query(query).await.unwrap();
    let mut for_bob = of_bob.continuous_query(query).await.unwrap();
    write(&orders, 0..10).await;
    assert_eq!(crate::watching::query_within(QUIET, &mut for_ann).await.values, all(0..10));
    grid.manager.revoke(person("ann"), until_now(&grid));
    write(&orders, 10..20).await;
    let seen = crate::watching::query_within(LONG, &mut for_ann).await;
    assert!(seen.is_empty() && matches!(seen.states[..], [FeedState::Revoked]), "{seen:?}");
    assert_eq!(crate::watching::query_within(QUIET, &mut for_bob).await.values, all(0..20));
    assert_eq!((ann.calls(), bob.calls()), (1, 1), "who was revoked is not asked for another login");
    let region: Orders = of_ann.region("orders");
    region.get(&key(0)).await.expect("another credential is another matter");
    let seen = crate::watching::query_within(QUIET, &mut for_ann).await;
    assert_eq!(seen.values, all(10..20), "and the query goes on where it stood: {seen:?}");
    client.close().await;
    finish(grid, writer).await;
}

#[tokio::test(start_paused = true)]
async fn d5_03_a_revocation_before_the_login() {
    let grid = Grid::in_virtual_time(|node| node).await;
    grid.manager.refuse_up_to("ann", 1);
    let (client, orders) = client_of(&grid, &Tokens::stale("ann"));
    let error = orders.get(&key(0)).await.unwrap_err();
    assert!(is_login_refusal(&error) && chain(&error).contains("revoked"), "{}", chain(&error));
    let error = orders.subscribe(Interest::all_keys()).await.unwrap_err();
    assert!(is_login_refusal(&error), "{error:?}");
    finish(grid, client).await;
}

#[tokio::test(start_paused = true)]
async fn d5_04_old_credentials_stay_refused_and_new_ones_work() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let provider = Tokens::of("ann");
    let mut ann = Person::with(&grid, &provider).await;
    write(&orders, 0..1).await;
    assert_eq!(ann.sees_within(QUIET).await.values, [0]);
    grid.manager.revoke(person("ann"), until_now(&grid));
    write(&orders, 0..10).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    ann.orders.put(&key(100), &100).await.expect("a new credential");
    write(&orders, 10..20).await;
    let seen = ann.sees_within(QUIET).await;
    assert_eq!((seen.snapshot, seen.values), (all(0..10), all(10..20)), "{:?}", seen.states);
    assert_eq!(provider.calls(), 2);
    let mut old = Raw::over(grid.pipes().open().unwrap());
    old.greet("somebody with an old token").await;
    for _ in 0..3 {
        assert_eq!(old.log_in("ann:1").await.unwrap_err(), "AuthenticationFailedException");
        assert_eq!(get(&mut old).await.unwrap_err(), "AuthenticationRequiredException");
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    old.log_in("ann:3").await.expect("made after the revocation");
    drop(old);
    close([ann]).await;
    finish(grid, writer).await;
}

#[tokio::test(start_paused = true)]
async fn d5_05_a_user_whom_only_the_manager_knows() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let mut ann = Raw::over(grid.pipes().open().unwrap());
    ann.greet("made by the manager").await;
    // Nothing but the manager's word says who this is, and through which application they came.
    ann.show(Credentials::token("somebody made up@app:1")).await.unwrap();
    get(&mut ann).await.unwrap();
    grid.manager.revoke(RevocationScope::Client("app".to_owned()), until_now(&grid));
    assert_eq!(get(&mut ann).await.unwrap_err(), "AuthenticationExpiredException");
    assert_eq!(
        ann.show(Credentials::token("somebody made up@app:1")).await.unwrap_err(),
        "AuthenticationFailedException"
    );
    assert_eq!(grid.manager.of("somebody made up@app").logouts, 1);
    drop(ann);
    grid.finish().await;
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
    let mut people = Vec::new();
    for name in ["ann@acme", "bob@acme"] {
        let life = Duration::from_secs(3600);
        people.push(Person::with(&grid, &living(&grid, name, Lifetimes::Secret, life)).await);
        grid.manager.refuse_up_to(name, u64::MAX);
    }
    let mut cid = Person::with(&grid, &Tokens::of("cid@other")).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    grid.manager.revoke(RevocationScope::Client("acme".to_owned()), until_now(&grid));
    write(&orders, 0..10).await;
    for person in &mut people {
        let seen = person.sees_within(QUIET).await;
        assert!(seen.is_empty() && seen.was(|state| matches!(state, FeedState::Revoked)), "{seen:?}");
        let error: Error = person.orders.get(&key(0)).await.unwrap_err();
        assert!(is_login_refusal(&error), "{error:?}");
    }
    assert_eq!(cid.sees_within(QUIET).await.values, all(0..10));
    assert_eq!((grid.manager.logins("cid@other"), grid.metrics().logins_live.get()), (2, 2));
    people.push(cid);
    close(people).await;
    finish(grid, writer).await;
}
