//! Several servers, and some of them go.

use druse_protocol::codec::MessageType;

use super::*;
use crate::feed::{Lost, QueueFate, Redundancy};

fn with_copies(copies: usize) -> FeedConfig {
    FeedConfig { redundancy: Redundancy::Copies(copies), ..FeedConfig::default() }
}

/// Which of two servers pushes events, and the other.
fn primary_first<'s>(a: &'s FakeServer, b: &'s FakeServer) -> (&'s FakeServer, &'s FakeServer) {
    let is_primary = |server: &FakeServer| {
        !server.heard(|heard| matches!(heard, Heard::Feed { primary: true, .. }).then_some(())).is_empty()
    };
    if is_primary(a) { (a, b) } else { (b, a) }
}

#[tokio::test(start_paused = true)]
async fn a_backup_takes_over_and_nothing_is_lost_or_doubled() {
    let grid = FakeGrid::default();
    let (a, b) = (grid.server("a"), grid.server("b"));
    let client = client(&grid, &[&a, &b], with_copies(1), &Tokens::default());
    let mut stream = subscribed(&client).await;
    let (primary, backup) = primary_first(&a, &b);
    assert_eq!((registrations(primary), registrations(backup)), (1, 1));
    push_update(primary, "k", 1, 1, 1);
    push_update(primary, "k", 2, 1, 2);
    assert_eq!((update(&mut stream).await.1, update(&mut stream).await.1), (1, 2));
    primary.stop();
    assert!(matches!(state(&mut stream).await, FeedState::Interrupted { .. }));
    let taken_over = state(&mut stream).await;
    assert!(matches!(taken_over, FeedState::Connected { queue: QueueFate::Kept, .. }), "{taken_over:?}");
    // The backup does not know what the primary was told, and sends again.
    for sequence in 1..=3 {
        push_update(backup, "k", sequence, 1, sequence);
    }
    push_marker(backup, 1);
    assert_eq!(update(&mut stream).await.1, 3);
    assert!(matches!(state(&mut stream).await, FeedState::CaughtUp));
    assert_eq!(registrations(backup), 1, "it knew already");
    let promoted = Heard::Other(MessageType::MakePrimary);
    assert_eq!(backup.heard(|heard| (*heard == promoted).then_some(())).len(), 1);
    eventually("the backup is told what it need not keep", || acked(backup).contains(&(1, 3))).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_becomes_a_backup() {
    let grid = FakeGrid::default();
    let (a, b) = (grid.server("a"), grid.server("b"));
    let client = client(&grid, &[&a, &b], with_copies(1), &Tokens::default());
    let mut stream = subscribed(&client).await;
    let (primary, backup) = primary_first(&a, &b);
    primary.stop();
    assert!(matches!(state(&mut stream).await, FeedState::Interrupted { .. }));
    primary.start();
    eventually("a backup again", || primary.has_feed()).await;
    eventually("registered", || registrations(primary) == 2).await;
    backup.stop();
    eventually("promoted", || {
        let promoted = Heard::Other(MessageType::MakePrimary);
        !primary.heard(|heard| (*heard == promoted).then_some(())).is_empty()
    })
    .await;
    push_update(primary, "k", 1, 1, 1);
    assert_eq!(update(&mut stream).await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_backup_the_stream_is_registered_again_and_told_what_it_missed() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let client = client(&grid, &[&server], FeedConfig::default(), &Tokens::default());
    let mut stream = subscribed(&client).await;
    server.with(|state| {
        state.entries = vec![(serialized(&"k".to_owned()), serialized(&5_i64), 5)];
    });
    server.stop();
    assert!(matches!(state(&mut stream).await, FeedState::Interrupted { .. }));
    tokio::time::sleep(Duration::from_secs(30)).await;
    server.start();
    assert!(matches!(state(&mut stream).await, FeedState::Connected { queue: QueueFate::New, .. }));
    let lost = state(&mut stream).await;
    assert!(matches!(lost, FeedState::Resynchronised { lost: Lost::Unknown }), "{lost:?}");
    let entry = next(&mut stream).await;
    assert!(matches!(entry, RegionEvent::Snapshot { value: Some(5), .. }), "{entry:?}");
    assert!(matches!(next(&mut stream).await, RegionEvent::SnapshotComplete));
    push_update(&server, "k", 5, 1, 5);
    push_update(&server, "k", 6, 1, 6);
    assert_eq!(update(&mut stream).await.1, 6, "the snapshot shows the fifth already");
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_silent_for_too_long_is_given_up() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let client = client(&grid, &[&server], FeedConfig::default(), &Tokens::default());
    let mut stream = subscribed(&client).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(180)).await;
        server.push(&FeedMessage::Ping);
    }
    settle().await;
    push_update(&server, "k", 1, 1, 1);
    assert_eq!(update(&mut stream).await.1, 1, "three pings apart is healthy");
    tokio::time::sleep(Duration::from_secs(226)).await;
    assert!(matches!(state(&mut stream).await, FeedState::Interrupted { .. }));
    assert!(matches!(state(&mut stream).await, FeedState::Connected { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_acknowledgements_has_forgotten_the_client() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let client = client(&grid, &[&server], FeedConfig::default(), &Tokens::default());
    let mut stream = subscribed(&client).await;
    server.with(|state| state.is_mute = true);
    push_update(&server, "k", 1, 1, 1);
    assert_eq!(update(&mut stream).await.1, 1);
    assert!(matches!(state(&mut stream).await, FeedState::Interrupted { .. }));
    server.with(|state| state.is_mute = false);
    assert!(matches!(state(&mut stream).await, FeedState::Connected { .. }));
}

#[tokio::test(start_paused = true)]
async fn with_nobody_there_a_subscription_says_so() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    server.stop();
    let client = client(&grid, &[&server], FeedConfig::default(), &Tokens::default());
    let orders: Region<String, i64> = client.region("orders");
    let error = orders.subscribe(Interest::all_keys()).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    server.start();
    subscribed(&client).await;
}
