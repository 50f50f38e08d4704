//! Feeds, against the real server: interest, durable clients, expiry, redundancy.

use std::time::Duration;

use druse_client::feed::{FeedState, Interest, InterestResultPolicy, RegionEvent, Subscription};
use druse_client::{Client, Credentials, Error, FromValue, Region};

use crate::server::Geode;

/// How long an event may take; what never comes fails its test.
const PATIENCE: Duration = Duration::from_secs(30);

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
