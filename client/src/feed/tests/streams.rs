//! One server: snapshots, repetitions, acknowledgements, slow applications.

use druse_protocol::codec::MessageType;

use super::*;
use crate::error::Error;
use crate::feed::{DurableClient, QueueFate};

#[tokio::test(start_paused = true)]
async fn a_stream_begins_with_the_snapshot_and_goes_on_with_what_is_newer() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    server.with(|state| {
        state.entries = vec![(serialized(&"k".to_owned()), serialized(&7_i64), 7)];
    });
    let client = client(&grid, &[&server], FeedConfig::default(), &Tokens::default());
    let orders: Region<String, i64> = client.region("orders");
    let mut stream = orders.subscribe(Interest::all_keys()).await.unwrap();
    // Under way when the snapshot was taken: the one before it, the one that it shows, the one after.
    for sequence in 6..=8 {
        push_update(&server, "k", sequence, 1, sequence);
    }
    assert!(matches!(
        next(&mut stream).await,
        RegionEvent::Feed(FeedState::Connected { queue: QueueFate::New, .. })
    ));
    let first = next(&mut stream).await;
    assert!(matches!(&first, RegionEvent::Snapshot { key, value: Some(7) } if key == "k"), "{first:?}");
    assert!(matches!(next(&mut stream).await, RegionEvent::SnapshotComplete));
    assert_eq!(update(&mut stream).await, ("k".to_owned(), 8));
    client.close().await;
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn repetitions_are_passed_over_and_every_event_is_acknowledged() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let client = client(&grid, &[&server], FeedConfig::default(), &Tokens::default());
    let mut stream = subscribed(&client).await;
    for sequence in [1, 2, 2, 1, 3] {
        push_update(&server, "k", sequence, 1, sequence);
    }
    push_update(&server, "k", 100, 2, 1);
    for expected in [1, 2, 3, 100] {
        assert_eq!(update(&mut stream).await.1, expected);
    }
    let all = vec![(1, 3), (2, 1)];
    eventually("acknowledged", || {
        let mut acked = acked(&server);
        acked.sort_unstable();
        acked == all
    })
    .await;
    tokio::time::sleep(PATIENCE).await;
    assert_eq!(acked(&server).len(), 2, "nothing new, nothing said");
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_holds_the_feed_and_loses_nothing() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let feeds = FeedConfig { waiting_events: 4, ..FeedConfig::default() };
    let client = client(&grid, &[&server], feeds, &Tokens::default());
    let mut stream = subscribed(&client).await;
    for sequence in 1..=500 {
        push_update(&server, "k", sequence, 1, sequence);
    }
    tokio::time::sleep(PATIENCE).await;
    let acked_so_far = acked(&server).last().map(|(_, sequence)| *sequence);
    assert_eq!(acked_so_far, Some(4), "the fifth event waits for room");
    for expected in 1..=500 {
        assert_eq!(update(&mut stream).await.1, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_is_taken_back_and_no_longer_holds_the_feed() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let feeds = FeedConfig { waiting_events: 1, ..FeedConfig::default() };
    let client = client(&grid, &[&server], feeds, &Tokens::default());
    let orders: Region<String, i64> = client.region("orders");
    let mut kept = subscribed(&client).await;
    let dropped = orders.subscribe(Interest::key(&"k".to_owned())).await.unwrap();
    for sequence in 1..=3 {
        push_update(&server, "k", sequence, 1, sequence);
    }
    assert_eq!(update(&mut kept).await.1, 1);
    drop(dropped);
    assert_eq!(update(&mut kept).await.1, 2);
    assert_eq!(update(&mut kept).await.1, 3);
    let unregistered = Heard::Other(MessageType::UnregisterInterestList);
    eventually("taken back", || !server.heard(|heard| (*heard == unregistered).then_some(())).is_empty())
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_durable_client_acknowledges_what_the_application_is_done_with() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let durable = DurableClient { id: "d".to_owned(), timeout: Duration::from_secs(60) };
    let feeds = FeedConfig { durable: Some(durable), ..FeedConfig::default() };
    let client = client(&grid, &[&server], feeds, &Tokens::default());
    let orders: Region<String, i64> = client.region("orders");
    let mut stream = orders.subscribe(Interest::all_keys()).durable(true).await.unwrap();
    client.ready_for_events().await.unwrap();
    let ready = Heard::Other(MessageType::ClientReady);
    assert_eq!(server.heard(|heard| (*heard == ready).then_some(())).len(), 1);
    for sequence in 1..=3 {
        push_update(&server, "k", sequence, 1, sequence);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(acked(&server), [], "nothing has been read");
    assert_eq!((update(&mut stream).await.1, update(&mut stream).await.1), (1, 2));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(acked(&server), [(1, 1)], "the application is still busy with the second");
    client.close_keeping_events().await;
    assert_eq!(acked(&server), [(1, 1), (1, 2)], "what was handed out counts, the third comes again");
    assert!(stream.next().await.is_none());
    let feeds = server.heard(|heard| matches!(heard, Heard::Feed { .. }).then_some(()));
    assert_eq!(feeds.len(), 1, "nobody looks for a feed behind the goodbye");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_registered_fails_and_leaves_nothing_behind() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let provider = Tokens::default();
    let client = client(&grid, &[&server], FeedConfig::default(), &provider);
    let orders: Region<String, i64> = client.region("orders");
    let durable = orders.subscribe(Interest::all_keys()).durable(true).await.unwrap_err();
    assert!(matches!(durable, Error::Configuration(_)), "{durable:?}");
    server.with(|state| state.expire_registrations = 2);
    let expired = orders.subscribe(Interest::all_keys()).await.unwrap_err();
    assert!(matches!(expired, Error::Expired { .. }), "{expired:?}");
    assert!(client.core().feeds.registry.entries().is_empty());
    subscribed(&client).await;
}

#[tokio::test(start_paused = true)]
async fn an_expiry_met_while_registering_is_renewed_once() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let provider = Tokens::default();
    let client = client(&grid, &[&server], FeedConfig::default(), &provider);
    server.with(|state| state.expire_registrations = 1);
    subscribed(&client).await;
    assert_eq!(provider.calls(), 2);
    assert_eq!(logins(&server), ["t1", "t2"]);
}

#[tokio::test(start_paused = true)]
async fn rubbish_on_the_feed_ends_it_and_another_begins() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let client = client(&grid, &[&server], FeedConfig::default(), &Tokens::default());
    let mut stream = subscribed(&client).await;
    server.push_bytes(vec![0xff; 64]);
    assert!(matches!(state(&mut stream).await, FeedState::Interrupted { .. }));
    assert!(matches!(state(&mut stream).await, FeedState::Connected { .. }));
    assert!(matches!(state(&mut stream).await, FeedState::Resynchronised { .. }));
    eventually("a feed", || server.has_feed()).await;
    push_update(&server, "k", 1, 1, 1);
    assert_eq!(update(&mut stream).await.1, 1);
}
