//! Feeds, against the real server: interest, durable clients, expiry, redundancy.

use std::collections::HashMap;
use std::time::Duration;

use druse_client::feed::{
    DurableClient, FeedConfig, FeedState, Interest, InterestResultPolicy, QueueFate, RegionEvent,
    Subscription,
};
use druse_client::{Client, ClientConfig, Credentials, FromValue, Region};

use crate::server::Geode;
use crate::users::Versions;

/// How long an event may take; what never comes fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a stream says, for comparison: data alone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen<V> {
    Snapshot(String, Option<V>),
    SnapshotComplete,
    Created(String, Option<V>),
    Updated(String, Option<V>),
    Invalidated(String),
    Destroyed(String),
    Cleared,
}

/// The next event that is about data, or about the feed.
pub(crate) async fn next<V: FromValue>(stream: &mut Subscription<String, V>) -> RegionEvent<String, V> {
    let event = tokio::time::timeout(PATIENCE, stream.next()).await;
    event.expect("an event in time").expect("a stream that goes on").expect("an event that can be read")
}

/// The next event about data.
pub(crate) async fn data<V: FromValue + std::fmt::Debug>(stream: &mut Subscription<String, V>) -> Seen<V> {
    loop {
        return match next(stream).await {
            RegionEvent::Feed(_) => continue,
            RegionEvent::Snapshot { key, value } => Seen::Snapshot(key, value),
            RegionEvent::SnapshotComplete => Seen::SnapshotComplete,
            RegionEvent::Created { key, value } => Seen::Created(key, value),
            RegionEvent::Updated { key, value } => Seen::Updated(key, value),
            RegionEvent::Invalidated { key } => Seen::Invalidated(key),
            RegionEvent::Destroyed { key } => Seen::Destroyed(key),
            RegionEvent::Cleared => Seen::Cleared,
            other => panic!("unexpected: {other:?}"),
        };
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn alice(server: &Geode) -> Client {
    server.client().credentials(Credentials::password("alice", "alice")).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_keys_come_with_a_snapshot_and_then_every_change() {
    let server = Geode::scripted();
    let (reader, writer) = (alice(&server), alice(&server));
    let orders: Region<String, i64> = writer.region("orders");
    orders.put(&text("old"), &1).await.unwrap();

    let followed: Region<String, i64> = reader.region("orders");
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    assert!(matches!(next(&mut changes).await, RegionEvent::Feed(FeedState::Connected { .. })));
    assert_eq!(data(&mut changes).await, Seen::Snapshot(text("old"), Some(1)));
    assert_eq!(data(&mut changes).await, Seen::SnapshotComplete);

    orders.put(&text("k"), &2).await.unwrap();
    orders.put(&text("k"), &3).await.unwrap();
    orders.invalidate(&text("k")).await.unwrap();
    orders.remove(&text("k")).await.unwrap();
    orders.clear().await.unwrap();
    assert_eq!(data(&mut changes).await, Seen::Created(text("k"), Some(2)));
    assert_eq!(data(&mut changes).await, Seen::Updated(text("k"), Some(3)));
    assert_eq!(data(&mut changes).await, Seen::Invalidated(text("k")));
    assert_eq!(data(&mut changes).await, Seen::Destroyed(text("k")));
    assert_eq!(data(&mut changes).await, Seen::Cleared);
    reader.close().await;
    assert!(changes.next().await.is_none(), "a closed client's streams end");
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interest_in_keys_lists_and_patterns_brings_just_those() {
    let server = Geode::scripted();
    let (reader, writer) = (alice(&server), alice(&server));
    let orders: Region<String, i64> = writer.region("orders");
    for key in ["a", "b", "c", "order-1", "order-x"] {
        orders.put(&text(key), &0).await.unwrap();
    }
    let followed: Region<String, i64> = reader.region("orders");
    let mut one = followed.subscribe(Interest::key(&text("a"))).await.unwrap();
    let list = [text("b"), text("c"), text("missing")];
    let mut some =
        followed.subscribe(Interest::keys(&list)).result_policy(InterestResultPolicy::Keys).await.unwrap();
    let mut matching = followed
        .subscribe(Interest::regex("order-[0-9]+"))
        .result_policy(InterestResultPolicy::None)
        .await
        .unwrap();
    assert_eq!(data(&mut one).await, Seen::Snapshot(text("a"), Some(0)));
    assert_eq!(data(&mut one).await, Seen::SnapshotComplete);
    let mut keys = vec![data(&mut some).await, data(&mut some).await];
    keys.sort_by_key(|seen| format!("{seen:?}"));
    assert_eq!(keys, [Seen::Snapshot(text("b"), None), Seen::Snapshot(text("c"), None)]);
    assert_eq!(data(&mut some).await, Seen::SnapshotComplete);

    for (value, key) in (1..).zip(["a", "b", "c", "d", "order-1", "order-x", "missing"]) {
        orders.put(&text(key), &value).await.unwrap();
    }
    assert_eq!(data(&mut one).await, Seen::Updated(text("a"), Some(1)));
    assert_eq!(data(&mut some).await, Seen::Updated(text("b"), Some(2)));
    assert_eq!(data(&mut some).await, Seen::Updated(text("c"), Some(3)));
    assert_eq!(data(&mut some).await, Seen::Created(text("missing"), Some(7)));
    assert_eq!(data(&mut matching).await, Seen::Updated(text("order-1"), Some(5)));

    one.close().await;
    orders.put(&text("a"), &10).await.unwrap();
    orders.put(&text("b"), &11).await.unwrap();
    assert_eq!(data(&mut some).await, Seen::Updated(text("b"), Some(11)));
    reader.close().await;
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_values_changes_come_as_invalidations() {
    let server = Geode::scripted();
    let (reader, writer) = (alice(&server), alice(&server));
    let orders: Region<String, i64> = writer.region("orders");
    let followed: Region<String, i64> = reader.region("orders");
    let mut changes = followed.subscribe(Interest::all_keys()).values(false).await.unwrap();
    assert_eq!(data(&mut changes).await, Seen::SnapshotComplete);
    orders.put(&text("k"), &1).await.unwrap();
    orders.put(&text("k"), &2).await.unwrap();
    orders.remove(&text("k")).await.unwrap();
    assert_eq!(data(&mut changes).await, Seen::Invalidated(text("k")));
    assert_eq!(data(&mut changes).await, Seen::Invalidated(text("k")));
    assert_eq!(data(&mut changes).await, Seen::Destroyed(text("k")));
    reader.close().await;
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_many_chunks_is_whole() {
    let server = Geode::scripted();
    let (reader, writer) = (alice(&server), alice(&server));
    let orders: Region<String, i64> = writer.region("orders");
    let entries: HashMap<String, i64> = (0..1_234).map(|n| (format!("key{n}"), n)).collect();
    orders.put_all(&entries).await.unwrap();
    let followed: Region<String, i64> = reader.region("orders");
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    let mut found = HashMap::new();
    loop {
        match data(&mut changes).await {
            Seen::Snapshot(key, value) => assert_eq!(found.insert(key, value.unwrap()), None),
            Seen::SnapshotComplete => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(found, entries);
    reader.close().await;
    writer.close().await;
}

/// The numbers that the values of `count` updates bring.
async fn values(stream: &mut Subscription<String, i64>, count: usize) -> Vec<i64> {
    let mut values = Vec::new();
    while values.len() < count {
        match data(stream).await {
            Seen::Created(_, value) | Seen::Updated(_, value) => values.push(value.unwrap()),
            Seen::Snapshot(..) | Seen::SnapshotComplete => {}
            other => panic!("{other:?}"),
        }
    }
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_client_that_comes_back_gets_every_event_once() {
    let server = Geode::scripted();
    let writer = alice(&server);
    let orders: Region<String, i64> = writer.region("orders");
    let durable = || {
        let durable = DurableClient { id: text("reader-1"), timeout: Duration::from_secs(60) };
        let feeds = FeedConfig { durable: Some(durable), ..FeedConfig::default() };
        let config = ClientConfig { feeds, ..ClientConfig::default() };
        server.client().config(config).credentials(Credentials::password("alice", "alice")).build().unwrap()
    };
    let subscribe = async |client: &Client| {
        let followed: Region<String, i64> = client.region("orders");
        let subscription = followed.subscribe(Interest::all_keys()).durable(true);
        subscription.result_policy(InterestResultPolicy::None).await.unwrap()
    };

    let first = durable();
    let mut changes = subscribe(&first).await;
    first.ready_for_events().await.unwrap();
    for value in 0..50 {
        orders.put(&text("k"), &value).await.unwrap();
    }
    // Twenty are taken, the others wait in this process, which goes.
    assert_eq!(values(&mut changes, 20).await, (0..20).collect::<Vec<_>>());
    first.close_keeping_events().await;
    drop((changes, first));
    for value in 50..100 {
        orders.put(&text("k"), &value).await.unwrap();
    }

    let second = durable();
    let mut changes = subscribe(&second).await;
    let connected = next(&mut changes).await;
    assert!(
        matches!(connected, RegionEvent::Feed(FeedState::Connected { queue: QueueFate::Kept, .. })),
        "{connected:?}"
    );
    second.ready_for_events().await.unwrap();
    let seen = values(&mut changes, 80).await;
    assert_eq!(seen, (20..100).collect::<Vec<_>>());
    assert!(matches!(next(&mut changes).await, RegionEvent::Feed(FeedState::CaughtUp)));
    orders.put(&text("k"), &100).await.unwrap();
    assert_eq!(values(&mut changes, 1).await, [100]);
    second.close().await;
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_two_seconds_lose_and_double_nothing() {
    let server = Geode::scripted();
    let (reading, writing) = (Versions::of("reader"), Versions::of("writer"));
    let reader = server.client().auth_initialize(reading.clone()).build().unwrap();
    let writer = server.client().auth_initialize(writing).build().unwrap();
    let followed: Region<String, i64> = reader.region("orders");
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    let orders: Region<String, i64> = writer.region("orders");
    let writes = tokio::spawn(async move {
        for value in 0..600 {
            orders.put(&text("k"), &value).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        writer.close().await;
    });
    let expiries = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            server.control("/expire?user=reader");
        }
    };
    let (seen, ()) = tokio::join!(values(&mut changes, 600), expiries);
    assert_eq!(seen, (0..600).collect::<Vec<_>>());
    writes.await.unwrap();
    let calls = reading.calls();
    assert!((3..=4).contains(&calls), "{calls} calls: one, and one for each expiry that an event met");
    reader.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_cannot_be_renewed_is_told_on_the_stream() {
    let server = Geode::scripted();
    let writer = alice(&server);
    let reader = server.client().auth_initialize(Versions::stale("reader")).build().unwrap();
    let followed: Region<String, i64> = reader.region("orders");
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    server.control("/expire?user=reader");
    writer.region::<String, i64>("orders").put(&text("k"), &1).await.unwrap();
    loop {
        if let RegionEvent::Feed(FeedState::ReauthenticationFailed(error)) = next(&mut changes).await {
            assert!(error.needs_reauthentication(), "{error:?}");
            break;
        }
    }
    reader.close().await;
    writer.close().await;
}
