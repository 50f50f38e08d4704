//! Feeds on two servers of a cluster, one of which is killed.

use std::time::Duration;

use druse_client::feed::{FeedConfig, FeedState, Interest, QueueFate, Redundancy, RegionEvent};
use druse_client::{Client, ClientConfig, Credentials, Region, ServerLocation};

use crate::feeds::{Seen, data, next};
use crate::server::Geode;

/// Two servers of one cluster.
fn pair() -> [Geode; 2] {
    let first = Geode::start(&["--scripted-users", "--locator-port", "0"]);
    let locator = first.locator_port.unwrap().to_string();
    let second = Geode::start(&["--scripted-users", "--join", &locator]);
    [first, second]
}

fn client(servers: &[Geode], user: &str, feeds: FeedConfig) -> Client {
    let config = ClientConfig { feeds, ..ClientConfig::default() };
    let builder = Client::builder().config(config).credentials(Credentials::password(user, user));
    servers.iter().fold(builder, |builder, server| builder.server(server.location())).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_is_killed_and_nothing_is_lost_or_doubled() {
    let servers = pair();
    let feeds = FeedConfig { redundancy: Redundancy::AllServers, ..FeedConfig::default() };
    let reader = client(&servers, "reader", feeds);
    let followed: Region<String, i64> = reader.region("orders");
    let mut changes = followed.subscribe(Interest::all_keys()).await.unwrap();
    let RegionEvent::Feed(FeedState::Connected { server: primary, .. }) = next(&mut changes).await else {
        panic!("a primary comes first");
    };
    assert_eq!(data(&mut changes).await, Seen::SnapshotComplete);

    // The survivor's clients write on while the other server dies.
    let [dead, alive]: [Geode; 2] = split(servers, &primary);
    let writer = alive.client().credentials(Credentials::password("writer", "writer")).build().unwrap();
    let orders: Region<String, i64> = writer.region("orders");
    let writes = tokio::spawn(async move {
        for value in 0..300 {
            orders.put(&"k".to_owned(), &value).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut dead = Some(dead);
    let (mut seen, mut states) = (Vec::new(), Vec::new());
    while seen.len() < 300 {
        if seen.len() == 100 {
            drop(dead.take());
        }
        match next(&mut changes).await {
            RegionEvent::Created { value, .. } | RegionEvent::Updated { value, .. } => {
                seen.push(value.unwrap())
            }
            RegionEvent::Feed(state) => states.push(state),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, (0..300).collect::<Vec<_>>());
    assert!(states.iter().any(|state| matches!(state, FeedState::Interrupted { .. })), "{states:?}");
    let kept = |state: &FeedState| matches!(state, FeedState::Connected { queue: QueueFate::Kept, .. });
    assert!(states.iter().any(kept), "{states:?}");
    writes.await.unwrap();
    reader.close().await;
}

/// The server at `primary`, and the other.
fn split(servers: [Geode; 2], primary: &ServerLocation) -> [Geode; 2] {
    let [first, second] = servers;
    if first.location() == *primary { [first, second] } else { [second, first] }
}
