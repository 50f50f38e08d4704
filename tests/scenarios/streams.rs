//! Our client's streams against our node, whose feeds it follows.

use std::time::Duration;

use druse_client::feed::{
    ContinuousQuery, CqEvent, DurableClient, FeedConfig, FeedState, Interest, QueueFate, RegionEvent,
    Subscription,
};
use druse_client::{Client, ClientConfig};
use druse_support::{Grid, Tokens};

use crate::common::{Orders, connect, finish, hurried, key};

const PATIENCE: Duration = Duration::from_secs(30);

async fn next(stream: &mut Subscription<String, i64>) -> RegionEvent<String, i64> {
    let event = tokio::time::timeout(PATIENCE, stream.next()).await;
    event.expect("an event in time").expect("a stream that goes on").expect("an event that can be read")
}

async fn next_of(query: &mut ContinuousQuery<String, i64>) -> CqEvent<String, i64> {
    let event = tokio::time::timeout(PATIENCE, query.next()).await;
    event.expect("an event in time").expect("a query that goes on").expect("an event that can be read")
}

/// The values of the next `count` changes, and what was said of the feed meanwhile.
async fn values(stream: &mut Subscription<String, i64>, count: usize) -> (Vec<i64>, Vec<FeedState>) {
    let (mut values, mut states) = (Vec::new(), Vec::new());
    while values.len() < count {
        match next(stream).await {
            RegionEvent::Created { value, .. } | RegionEvent::Updated { value, .. } => {
                values.push(value.unwrap())
            }
            RegionEvent::Feed(state) => states.push(state),
            RegionEvent::Snapshot { .. } | RegionEvent::SnapshotComplete => {}
            other => panic!("{other:?}"),
        }
    }
    (values, states)
}

async fn values_of(query: &mut ContinuousQuery<String, i64>, count: usize) -> Vec<i64> {
    let mut values = Vec::new();
    while values.len() < count {
        match next_of(query).await {
            CqEvent::Created { value, .. } | CqEvent::Updated { value, .. } => values.push(value.unwrap()),
            CqEvent::Feed(_)
            | CqEvent::Initial { .. }
            | CqEvent::InitialComplete
            | CqEvent::Failed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    values
}

/// Writes `count` values to one key, a little apart.
async fn write(orders: Orders, values: std::ops::Range<i64>) {
    for value in values {
        orders.put(&key(0), &value).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_begins_with_the_snapshot_and_follows_every_change() {
    let grid = Grid::start().await;
    let (writer, orders) = connect(grid.client(), &Tokens::of("writer"));
    let (reader, followed) = connect(grid.client(), &Tokens::of("reader"));
    for n in 0..250 {
        orders.put(&key(n), &0).await.unwrap();
    }
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    let mut entries = 0;
    loop {
        match next(&mut changes).await {
            RegionEvent::Snapshot { value: Some(0), .. } => entries += 1,
            RegionEvent::SnapshotComplete => break,
            RegionEvent::Feed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(entries, 250);
    write(orders.clone(), 1..101).await;
    assert_eq!(values(&mut changes, 100).await.0, (1..101).collect::<Vec<_>>());
    orders.remove(&key(1)).await.unwrap();
    assert!(matches!(next(&mut changes).await, RegionEvent::Destroyed { key: gone } if gone == key(1)));
    reader.close().await;
    finish(grid, writer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expiry_costs_one_call_each_and_no_event() {
    let grid = Grid::start().await;
    let (writer, orders) = connect(grid.client(), &Tokens::of("writer"));
    let provider = Tokens::of("reader");
    let (reader, followed) = connect(grid.client(), &provider);
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    let writes = tokio::spawn(write(orders, 0..400));
    for round in 1..=4 {
        grid.manager.expire("reader");
        let seen = values(&mut changes, 100).await.0;
        assert_eq!(seen, ((round - 1) * 100..round * 100).collect::<Vec<_>>());
    }
    writes.await.unwrap();
    assert_eq!(provider.calls(), 5);
    reader.close().await;
    finish(grid, writer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_second_are_renewed_before_they_end() {
    let grid = Grid::start().await;
    let (writer, orders) = connect(grid.client(), &Tokens::of("writer"));
    let provider = Tokens::living("reader".to_owned(), Duration::from_secs(1));
    let (reader, followed) = connect(grid.client(), &provider);
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    let writes = tokio::spawn(write(orders, 0..1_000));
    let (seen, states) = values(&mut changes, 1_000).await;
    assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
    let held = states.iter().filter(|state| matches!(state, FeedState::Held)).count();
    assert_eq!(held, 0, "the client renews ahead: {states:?}");
    writes.await.unwrap();
    reader.close().await;
    finish(grid, writer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_users_expiry_is_nothing_to_anothers_query() {
    let grid = Grid::start().await;
    let (writer, orders) = connect(grid.client(), &Tokens::of("writer"));
    let client = grid.client().config(hurried()).multi_user().build().unwrap();
    let (ann, bob) = (Tokens::of("ann"), Tokens::good_then_bad("bob", 1));
    let of_ann = client.user("ann", ann.clone()).unwrap();
    let of_bob = client.user("bob", bob.clone()).unwrap();
    let query = "SELECT * FROM /orders o WHERE o >= 0";
    let mut for_ann = of_ann.continuous_query::<String, i64>(query).await.unwrap();
    let mut for_bob = of_bob.continuous_query::<String, i64>(query).await.unwrap();
    write(orders.clone(), 0..100).await;
    assert_eq!(values_of(&mut for_ann, 100).await, (0..100).collect::<Vec<_>>());
    assert_eq!(values_of(&mut for_bob, 100).await, (0..100).collect::<Vec<_>>());
    // Bob's provider has no good token any more; Ann's has.
    grid.manager.expire("bob");
    write(orders.clone(), 100..200).await;
    assert_eq!(values_of(&mut for_ann, 100).await, (100..200).collect::<Vec<_>>());
    loop {
        if let CqEvent::Feed(FeedState::ReauthenticationFailed(error)) = next_of(&mut for_bob).await {
            assert!(error.needs_reauthentication(), "{error:?}");
            break;
        }
    }
    grid.manager.expire("ann");
    write(orders.clone(), 200..300).await;
    assert_eq!(values_of(&mut for_ann, 100).await, (200..300).collect::<Vec<_>>());
    assert_eq!(ann.calls(), 2);
    client.close().await;
    finish(grid, writer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_client_that_comes_back_gets_every_event_once() {
    let grid = Grid::start().await;
    let (writer, orders) = connect(grid.client(), &Tokens::of("writer"));
    let durable = || -> (Client, Orders) {
        let durable = DurableClient { id: "reader-1".to_owned(), timeout: Duration::from_secs(60) };
        let feeds = FeedConfig { durable: Some(durable), ..FeedConfig::default() };
        let config = ClientConfig { feeds, ..hurried() };
        let client = grid.client().config(config).auth_initialize(Tokens::of("reader")).build().unwrap();
        let orders = client.region("orders");
        (client, orders)
    };
    let (first, followed) = durable();
    let mut changes = followed.subscribe(Interest::all_keys()).durable(true).await.unwrap();
    first.ready_for_events().await.unwrap();
    write(orders.clone(), 0..100).await;
    assert_eq!(values(&mut changes, 40).await.0, (0..40).collect::<Vec<_>>());
    first.close_keeping_events().await;
    write(orders.clone(), 100..200).await;
    let (second, followed) = durable();
    let mut changes = followed.subscribe(Interest::all_keys()).durable(true).await.unwrap();
    second.ready_for_events().await.unwrap();
    let (seen, states) = values(&mut changes, 160).await;
    assert_eq!(seen, (40..200).collect::<Vec<_>>());
    assert!(matches!(states[0], FeedState::Connected { queue: QueueFate::Kept, .. }), "{states:?}");
    second.close().await;
    finish(grid, writer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_follows_what_comes_into_its_result_and_leaves_it() {
    let grid = Grid::start().await;
    let (client, orders) = connect(grid.client(), &Tokens::of("ann"));
    orders.put(&key(1), &100).await.unwrap();
    let query = client.continuous_query::<String, i64>("SELECT * FROM /orders o WHERE o > 10");
    let mut query = query.with_initial_results().await.unwrap();
    for value in [5, 50, 60, 6] {
        orders.put(&key(2), &value).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 5 {
        match next_of(&mut query).await {
            CqEvent::Initial { value, .. } => seen.push(("initial", value)),
            CqEvent::InitialComplete => seen.push(("complete", None)),
            CqEvent::Created { value, .. } => seen.push(("created", value)),
            CqEvent::Updated { value, .. } => seen.push(("updated", value)),
            CqEvent::Destroyed { .. } => seen.push(("destroyed", None)),
            CqEvent::Feed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let expected = [
        ("initial", Some(100)),
        ("complete", None),
        ("created", Some(50)),
        ("updated", Some(60)),
        ("destroyed", None),
    ];
    assert_eq!(seen, expected);
    drop(query);
    finish(grid, client).await;
}
