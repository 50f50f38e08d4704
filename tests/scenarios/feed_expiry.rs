//! D2: feeds whose logins end. Whatever happens, no event is lost in silence, and none comes twice.

use std::time::Duration;

use druse_client::feed::{
    ContinuousQuery, DurableClient, FeedConfig, FeedState, Interest, InterestResultPolicy, QueueFate,
};
use druse_client::{Client, ClientConfig};
use druse_server::FeedPolicies;
use druse_support::provider::token;
use druse_support::{Grid, Tokens};

use crate::common::{Orders, finish, hurried, key};
use crate::watching::{QUIET, all, client_of, query_within, within, write};

const ALL_ORDERS: &str = "SELECT * FROM /orders o WHERE o >= 0";

/// Long enough for a client to come back and fetch what it has missed.
const LONG: Duration = Duration::from_secs(60);

/// A provider whose second answer takes that long.
fn slow_the_second_time(name: &'static str, takes: Duration) -> Tokens {
    Tokens::scripted(move |call, _| Ok(token(name, call))).slow_at(2, takes)
}

/// A node that waits five seconds for a login, and its clients' providers take eight.
fn impatient() -> FeedPolicies {
    FeedPolicies { reauthenticate_wait: Duration::from_secs(5), ..FeedPolicies::default() }
}

fn too_slow(name: &'static str) -> Tokens {
    slow_the_second_time(name, Duration::from_secs(8))
}

#[tokio::test(start_paused = true)]
async fn d2_04_a_query_whose_login_ends() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let provider = Tokens::of("ann");
    let (client, _) = client_of(&grid, &provider);
    let mut query = client.continuous_query(ALL_ORDERS).await.unwrap();
    assert_eq!(grid.manager.logins("ann"), 2, "the feed's and the first request's");
    grid.manager.expire("ann");
    write(&orders, 0..3).await;
    assert_eq!(query_within(QUIET, &mut query).await.values, [0, 1, 2], "each once");
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 3));
    let tally = grid.manager.of("ann");
    assert_eq!((tally.refusals, tally.permits_by_version.get(&2)), (1, Some(&3)));
    client.close().await;
    finish(grid, writer).await;
}

#[tokio::test(start_paused = true)]
async fn d2_05_an_answer_that_comes_after_the_wait() {
    let grid = Grid::in_virtual_time(|node| node.feeds(impatient())).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let (client, followed) = client_of(&grid, &too_slow("ann"));
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    within(QUIET, &mut changes).await;
    grid.manager.expire("ann");
    write(&orders, 0..100).await;
    let seen = within(LONG, &mut changes).await;
    let mut known: Vec<i64> = seen.values.iter().chain(&seen.snapshot).copied().collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known, all(0..100), "{:?}", seen.states);
    assert_eq!(grid.metrics().feeds.given_up.get(), 1);
    client.close().await;
    finish(grid, writer).await;
}

fn durable(grid: &Grid, provider: &Tokens) -> (Client, Orders) {
    let durable = DurableClient { id: "reader".to_owned(), timeout: Duration::from_secs(300) };
    let feeds = FeedConfig { durable: Some(durable), ..FeedConfig::default() };
    let config = ClientConfig { feeds, ..hurried() };
    let client = grid.piped_client().config(config).auth_initialize(provider.clone()).build().unwrap();
    let orders = client.region("orders");
    (client, orders)
}

#[tokio::test(start_paused = true)]
async fn d2_06_a_late_answer_of_a_durable_client_costs_no_event() {
    let grid = Grid::in_virtual_time(|node| node.feeds(impatient())).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let (client, followed) = durable(&grid, &too_slow("ann"));
    let changes = followed.subscribe(Interest::all_keys()).result_policy(InterestResultPolicy::None);
    let mut changes = changes.durable(true).await.unwrap();
    client.ready_for_events().await.unwrap();
    within(QUIET, &mut changes).await;
    grid.manager.expire("ann");
    write(&orders, 0..100).await;
    let seen = within(LONG, &mut changes).await;
    assert_eq!(seen.values, all(0..100), "{:?}", seen.states);
    assert_eq!(grid.metrics().feeds.given_up.get(), 1, "the wait was over");
    let is_kept = |state: &FeedState| matches!(state, FeedState::Connected { queue: QueueFate::Kept, .. });
    assert!(seen.was(is_kept) && !seen.was(|state| matches!(state, FeedState::Resynchronised { .. })));
    drop(changes);
    client.close().await;
    finish(grid, writer).await;
}

/// The login ends while the client is away, and again before it has said that it is ready.
#[tokio::test(start_paused = true)]
async fn d2_06_a_durable_client_whose_login_ends_before_it_is_ready() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let provider = Tokens::of("ann");
    let (client, followed) = durable(&grid, &provider);
    let mut changes = followed.subscribe(Interest::all_keys()).durable(true).await.unwrap();
    client.ready_for_events().await.unwrap();
    within(QUIET, &mut changes).await;
    client.close_keeping_events().await;
    drop((changes, client, followed));
    grid.manager.expire("ann");
    write(&orders, 0..10).await;
    let (client, followed) = durable(&grid, &Tokens::scripted(|call, _| Ok(token("ann", 1 + call))));
    let mut changes = followed.subscribe(Interest::all_keys()).durable(true).await.unwrap();
    grid.manager.expire("ann");
    client.ready_for_events().await.expect("no login is needed to be ready");
    let seen = within(LONG, &mut changes).await;
    assert_eq!(seen.values, all(0..10), "{:?}", seen.states);
    drop(changes);
    client.close().await;
    finish(grid, writer).await;
}

/// Geode loses what fell due meanwhile and says nothing.
#[tokio::test(start_paused = true)]
async fn d2_07_a_late_answer_of_a_client_without_snapshots_loses_nothing_in_silence() {
    for grace in [Duration::ZERO, Duration::from_secs(60)] {
        let policies = FeedPolicies { grace, ..impatient() };
        let grid = Grid::in_virtual_time(|node| node.feeds(policies)).await;
        let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
        let (client, followed) = client_of(&grid, &too_slow("ann"));
        let changes = followed.subscribe(Interest::all_keys()).result_policy(InterestResultPolicy::None);
        let mut changes = changes.await.unwrap();
        within(QUIET, &mut changes).await;
        grid.manager.expire("ann");
        write(&orders, 0..100).await;
        let seen = within(LONG, &mut changes).await;
        let told = seen.was(|state| matches!(state, FeedState::Resynchronised { .. }));
        let complete = seen.values == all(0..100);
        assert!(complete || told, "grace {grace:?}: {} values, {:?}", seen.values.len(), seen.states);
        assert!(complete || grace.is_zero(), "within the grace the queue is kept");
        client.close().await;
        finish(grid, writer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn d2_09_the_end_of_one_login_among_several_users_holds_that_users_query() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let client = grid.piped_client().config(hurried()).multi_user().build().unwrap();
    let (ann, bob) = (Tokens::of("ann"), slow_the_second_time("bob", Duration::from_secs(5)));
    let of_ann = client.user("ann", ann.clone()).unwrap();
    let of_bob = client.user("bob", bob.clone()).unwrap();
    let mut for_ann = of_ann.continuous_query(ALL_ORDERS).await.unwrap();
    let mut for_bob = of_bob.continuous_query(ALL_ORDERS).await.unwrap();
    write(&orders, 0..1).await;
    grid.manager.expire("bob");
    write(&orders, 1..3).await;
    assert_eq!(query_within(QUIET, &mut for_ann).await.values, [0, 1, 2], "at once");
    let seen = query_within(QUIET, &mut for_bob).await;
    assert!(seen.values.is_empty() || seen.values == [0], "{seen:?}");
    assert!(seen.was(|state| matches!(state, FeedState::Held)), "{seen:?}");
    let rest = query_within(LONG, &mut for_bob).await;
    let values: Vec<i64> = seen.values.iter().chain(&rest.values).copied().collect();
    assert_eq!(values, [0, 1, 2]);
    assert!(rest.was(|state| matches!(state, FeedState::Released)), "{rest:?}");
    assert_eq!((ann.calls(), bob.calls()), (1, 2), "nobody but him, and he once");
    assert_eq!((grid.manager.logins("ann"), grid.manager.logins("bob")), (1, 2));
    assert_eq!(grid.metrics().feeds.asks_late.get(), 1, "a client of ours is asked for the one user's login");
    client.close().await;
    finish(grid, writer).await;
}

#[tokio::test(start_paused = true)]
async fn d2_10_queries_are_made_stopped_and_closed_by_a_user_whose_login_has_ended() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let provider = Tokens::of("ann");
    let (client, orders) = client_of(&grid, &provider);
    orders.put(&key(0), &0).await.unwrap();
    grid.manager.expire("ann");
    let mut query: ContinuousQuery<String, i64> = client.continuous_query(ALL_ORDERS).await.unwrap();
    // The feed is opened with the new credential, which the request about the query shows once more.
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 3));
    grid.manager.expire("ann");
    query.stop().await.unwrap();
    grid.manager.expire("ann");
    query.execute().await.unwrap();
    orders.put(&key(1), &1).await.unwrap();
    assert_eq!(query_within(QUIET, &mut query).await.values, [1]);
    grid.manager.expire("ann");
    query.close().await;
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (5, 6), "one login for each expiry");
    finish(grid, client).await;
}
