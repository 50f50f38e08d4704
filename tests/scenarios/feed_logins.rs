//! D2, D6 and D9: feeds whose logins end, in virtual time. Whatever happens, no event is lost in silence.

use std::time::Duration;

use druse_client::feed::{ContinuousQuery, CqEvent, FeedState, Interest, InterestResultPolicy, Lost};
use druse_client::{Client, Error};
use druse_server::FeedPolicies;
use druse_support::provider::token;
use druse_support::{Grid, Tokens};

use crate::common::{Lifetimes, Orders, finish, hurried, key, living, until_quiet};

const QUIET: Duration = Duration::from_secs(2);

fn client_of(grid: &Grid, provider: &Tokens) -> (Client, Orders) {
    let client = grid.piped_client().config(hurried()).auth_initialize(provider.clone()).build().unwrap();
    let orders = client.region("orders");
    (client, orders)
}

/// A provider whose second answer takes that long.
fn slow_the_second_time(name: &'static str, takes: Duration) -> Tokens {
    Tokens::scripted(move |call, _| Ok(token(name, call))).slow_at(2, takes)
}

async fn write(orders: &Orders, values: std::ops::Range<i64>) {
    for value in values {
        orders.put(&key(usize::try_from(value).unwrap()), &value).await.unwrap();
    }
}

async fn values_of(query: &mut ContinuousQuery<String, i64>) -> Vec<i64> {
    let mut values = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(QUIET, query.next()).await {
        if let CqEvent::Created { value, .. } | CqEvent::Updated { value, .. } = event.unwrap() {
            values.extend(value);
        }
    }
    values
}

#[tokio::test(start_paused = true)]
async fn d2_04_a_query_whose_login_ends() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let provider = Tokens::of("ann");
    let (client, _) = client_of(&grid, &provider);
    let mut query = client.continuous_query("SELECT * FROM /orders o WHERE o >= 0").await.unwrap();
    grid.manager.expire("ann");
    write(&orders, 0..3).await;
    assert_eq!(values_of(&mut query).await, [0, 1, 2], "each once");
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 2));
    client.close().await;
    finish(grid, writer).await;
}

#[tokio::test(start_paused = true)]
async fn d2_05_an_answer_that_comes_after_the_wait() {
    let policies = FeedPolicies { reauthenticate_wait: Duration::from_secs(5), ..FeedPolicies::default() };
    let grid = Grid::in_virtual_time(|node| node.feeds(policies)).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let (client, followed) = client_of(&grid, &slow_the_second_time("ann", Duration::from_secs(8)));
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    until_quiet(&mut changes, QUIET).await;
    grid.manager.expire("ann");
    write(&orders, 0..100).await;
    let seen = until_quiet(&mut changes, Duration::from_secs(60)).await;
    let mut known: Vec<i64> = seen.values.iter().chain(&seen.snapshot).copied().collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known, (0..100).collect::<Vec<_>>(), "{:?}", seen.states);
    client.close().await;
    finish(grid, writer).await;
}

/// Geode loses what fell due meanwhile and says nothing.
#[tokio::test(start_paused = true)]
async fn d2_07_a_late_answer_of_a_client_without_snapshots_loses_nothing_in_silence() {
    for grace in [Duration::ZERO, Duration::from_secs(60)] {
        let policies =
            FeedPolicies { reauthenticate_wait: Duration::from_secs(5), grace, ..FeedPolicies::default() };
        let grid = Grid::in_virtual_time(|node| node.feeds(policies)).await;
        let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
        let (client, followed) = client_of(&grid, &slow_the_second_time("ann", Duration::from_secs(8)));
        let changes = followed.subscribe(Interest::all_keys()).result_policy(InterestResultPolicy::None);
        let mut changes = changes.await.unwrap();
        until_quiet(&mut changes, QUIET).await;
        grid.manager.expire("ann");
        write(&orders, 0..100).await;
        let seen = until_quiet(&mut changes, Duration::from_secs(60)).await;
        let told = seen.states.iter().any(|state| matches!(state, FeedState::Resynchronised { .. }));
        let complete = seen.values == (0..100).collect::<Vec<_>>();
        assert!(complete || told, "grace {grace:?}: {} values, {:?}", seen.values.len(), seen.states);
        assert!(complete || grace.is_zero(), "within the grace the queue is kept");
        client.close().await;
        finish(grid, writer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn d2_10_queries_are_made_stopped_and_closed_by_a_user_whose_login_has_ended() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let provider = Tokens::of("ann");
    let (client, orders) = client_of(&grid, &provider);
    orders.put(&key(0), &0).await.unwrap();
    grid.manager.expire("ann");
    let query = "SELECT * FROM /orders o WHERE o >= 0";
    let mut query: ContinuousQuery<String, i64> = client.continuous_query(query).await.unwrap();
    grid.manager.expire("ann");
    query.stop().await.unwrap();
    grid.manager.expire("ann");
    query.execute().await.unwrap();
    orders.put(&key(1), &1).await.unwrap();
    assert_eq!(values_of(&mut query).await, [1]);
    grid.manager.expire("ann");
    query.close().await;
    assert_eq!(provider.calls(), grid.manager.logins("ann"));
    finish(grid, client).await;
}

#[tokio::test(start_paused = true)]
async fn d6_07_a_feed_goes_on_through_renewals_without_another_connection() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let provider = living(&grid, "ann", Lifetimes::Told, Duration::from_secs(10));
    let (client, followed) = client_of(&grid, &provider);
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    until_quiet(&mut changes, QUIET).await;
    let opened = grid.metrics().feeds.opened.get();
    let reading = tokio::spawn(async move {
        let seen = until_quiet(&mut changes, Duration::from_secs(10)).await;
        (seen, changes)
    });
    for value in 0..100 {
        orders.put(&key(0), &value).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (seen, changes) = reading.await.unwrap();
    assert_eq!(seen.values, (0..100).collect::<Vec<_>>());
    assert_eq!(grid.metrics().feeds.opened.get(), opened, "no reconnect: {:?}", seen.states);
    assert!(provider.calls() >= 10, "{}", provider.calls());
    assert_eq!(provider.calls(), grid.manager.logins("ann"));
    drop(changes);
    client.close().await;
    finish(grid, writer).await;
}

/// Geode's clients ask twice: once for the feed and once for the operation.
#[tokio::test(start_paused = true)]
async fn d9_03_an_operation_and_the_feed_meet_one_expiry() {
    for feed_first in [true, false] {
        let grid = Grid::in_virtual_time(|node| node).await;
        let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
        let provider = Tokens::of("ann");
        let (client, followed) = client_of(&grid, &provider);
        let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
        until_quiet(&mut changes, QUIET).await;
        grid.manager.expire("ann");
        let k = key(0);
        let (event, operation) = (orders.put(&k, &1), followed.get(&k));
        let outcome: Result<_, Error> = if feed_first {
            tokio::try_join!(event, operation).map(drop)
        } else {
            tokio::try_join!(operation, event).map(drop)
        };
        outcome.unwrap();
        assert_eq!(until_quiet(&mut changes, QUIET).await.values, [1]);
        assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 2), "feed first: {feed_first}");
        client.close().await;
        finish(grid, writer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn d9_05_what_does_not_fit_while_a_user_is_away_is_told_by_its_range() {
    let policies = FeedPolicies { queue_events: 50, ..FeedPolicies::default() };
    let grid = Grid::in_virtual_time(|node| node.feeds(policies)).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let (client, followed) = client_of(&grid, &slow_the_second_time("ann", Duration::from_secs(8)));
    let changes = followed.subscribe(Interest::all_keys()).result_policy(InterestResultPolicy::None);
    let mut changes = changes.await.unwrap();
    until_quiet(&mut changes, QUIET).await;
    grid.manager.expire("ann");
    write(&orders, 0..200).await;
    let seen = until_quiet(&mut changes, Duration::from_secs(60)).await;
    let lost = seen.states.iter().find_map(|state| match state {
        FeedState::Resynchronised { lost } => Some(*lost),
        _ => None,
    });
    let Some(Lost::Range { first, last }) = lost else { panic!("{:?}", seen.states) };
    assert_eq!(last - first + 1 + seen.values.len() as u64, 200, "{first}..={last} and {:?}", seen.values);
    write(&orders, 200..210).await;
    assert_eq!(until_quiet(&mut changes, QUIET).await.values, (200..210).collect::<Vec<_>>());
    client.close().await;
    finish(grid, writer).await;
}
