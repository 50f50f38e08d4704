//! D6: users who go, users whose rights change, and renewals, beside feeds that go on. D6-06 falls due with transactions.

use std::sync::Arc;
use std::time::Duration;

use druse_client::auth::providers::StaticCredentials;
use druse_client::feed::{FeedState, Interest, RegionEvent, Subscription};
use druse_client::{Client, Credentials, SystemClock};
use druse_identity::users::{Entry, UsersConfig, UsersSecurityManager, hash_password};
use druse_protocol::message::credentials::RemoveUserAuth;
use druse_server::Node;
use druse_server::metrics::{OperationKind, OperationResult};
use druse_support::grid::location;
use druse_support::raw::Raw;
use druse_support::{Grid, Tokens};

use crate::common::{Lifetimes, Orders, finish, get, herd, hurried, key, living};
use crate::watching::{Person, QUIET, all, client_of, query_within, write};

const ALL_ORDERS: &str = "SELECT * FROM /orders o WHERE o >= 0";

#[tokio::test(start_paused = true)]
async fn d6_01_another_user_who_goes_is_nothing_to_mine() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let client = grid.piped_client().config(hurried()).multi_user().build().unwrap();
    let ann = client.user("ann", Tokens::of("ann")).unwrap();
    let bob = client.user("bob", Tokens::of("bob")).unwrap();
    let mut for_ann = ann.continuous_query(ALL_ORDERS).await.unwrap();
    let mut for_bob = bob.continuous_query(ALL_ORDERS).await.unwrap();
    write(&orders, 0..10).await;
    let region: Orders = bob.region("orders");
    bob.close().await;
    write(&orders, 10..20).await;
    assert_eq!(query_within(QUIET, &mut for_ann).await.values, all(0..20));
    assert_eq!(query_within(QUIET, &mut for_bob).await.values, all(0..10), "what had come by then");
    assert!(region.get(&key(0)).await.is_err(), "who has gone does nothing more");
    assert_eq!((grid.manager.logins("ann"), grid.manager.of("bob").logouts), (1, 1));
    assert_eq!(grid.metrics().feeds.opened.get(), 1, "the feed was never lost");
    client.close().await;
    finish(grid, writer).await;
}

#[tokio::test(start_paused = true)]
async fn d6_02_who_leaves_hears_that_they_have_left() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let mut ann = Raw::over(grid.pipes().open().unwrap());
    ann.greet("ann and bob").await;
    ann.log_in("ann:1").await.unwrap();
    let id_of_ann = ann.unique_id;
    ann.unique_id = -1;
    ann.log_in("bob:1").await.unwrap();
    let mut goodbye = Vec::new();
    RemoveUserAuth { keep_alive: false }.encode(&mut goodbye, &ann.envelope());
    ann.ask(&goodbye).await.expect("an answer");
    assert_eq!(get(&mut ann).await.unwrap_err(), "AuthenticationRequiredException", "and then the end");
    assert_eq!(grid.manager.of("bob").logouts, 1);
    ann.unique_id = id_of_ann;
    get(&mut ann).await.expect("the other user of the connection stays");
    drop(ann);
    grid.finish().await;
}

#[tokio::test(start_paused = true)]
async fn d6_03_only_who_has_lost_a_right_is_told_no_more() {
    let grid = Grid::in_virtual_time(|node| node.region("parcels")).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let parcels: Orders = writer.region("parcels");
    let mut ann = Person::with(&grid, &Tokens::of("ann")).await;
    let mut of_parcels = ann.client.region("parcels").subscribe(Interest::all_keys()).await.unwrap();
    let mut bob = Person::with(&grid, &Tokens::of("bob")).await;
    write(&orders, 0..10).await;
    grid.manager.deny_from("ann", 1, "orders");
    write(&orders, 10..20).await;
    write(&parcels, 0..10).await;
    let seen = ann.sees_within(QUIET).await;
    // What was on its way to her before the right went may be among it, in its order; what was written after may not.
    assert_eq!(seen.values, all(0..i64::try_from(seen.values.len()).unwrap()));
    assert!(seen.values.len() <= 10, "{seen:?}");
    assert_eq!(crate::watching::within(QUIET, &mut of_parcels).await.values, all(0..10));
    assert_eq!(bob.sees_within(QUIET).await.values, all(0..20));
    assert_eq!(grid.metrics().feeds.events_refused.get(), 20 - u64::try_from(seen.values.len()).unwrap());
    assert_eq!(grid.metrics().feeds.opened.get(), 2, "nobody's feed has ended");
    drop(of_parcels);
    for client in [ann.client, bob.client] {
        client.close().await;
    }
    finish(grid, writer).await;
}

/// A node whose users stand in a file, and the file.
struct Listed {
    node: Node,
    manager: Arc<UsersSecurityManager>,
    file: tempfile::NamedTempFile,
}

fn entry(name: &str, hash: &str) -> String {
    let mut entry = Entry::new(name, hash);
    entry.entitlements = vec!["grid:data:*".to_owned()];
    entry.to_toml()
}

impl Listed {
    /// Looks at the file only when it is told to.
    async fn with(users: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), users).unwrap();
        let mut config = UsersConfig::new(file.path());
        config.look_every = Duration::from_secs(1 << 30);
        let manager = Arc::new(UsersSecurityManager::open(config, Arc::new(SystemClock)).unwrap());
        let builder = Node::builder().bind([127, 0, 0, 1].into()).port(0).region("orders");
        let node = builder.security(manager.clone()).start().await.unwrap();
        Self { node, manager, file }
    }

    async fn follower(&self, name: &str) -> (Client, Orders, Subscription<String, i64>) {
        let shown = StaticCredentials::new(Credentials::password(name, "open sesame"));
        let builder = Client::builder().server(location(self.node.address())).config(hurried());
        let client = builder.auth_initialize(shown).build().unwrap();
        let orders: Orders = client.region("orders");
        let changes = orders.subscribe(Interest::all_keys()).await.unwrap();
        (client, orders, changes)
    }

    /// Replaces the file; how many users are no longer what they were.
    fn reload(&self, users: &str) -> usize {
        std::fs::write(self.file.path(), users).unwrap();
        self.manager.reload().unwrap()
    }
}

/// What comes next but a snapshot; it must come.
async fn next(changes: &mut Subscription<String, i64>) -> RegionEvent<String, i64> {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(30), changes.next()).await;
        match next.expect("something in time").expect("a stream that goes on").unwrap() {
            RegionEvent::Snapshot { .. } | RegionEvent::SnapshotComplete => {}
            RegionEvent::Feed(FeedState::Connected { .. } | FeedState::CaughtUp) => {}
            other => return other,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d6_04_and_05_a_reload_cuts_off_those_who_were_deleted_and_nobody_else() {
    let hash = hash_password("open sesame").unwrap();
    let (ann, bob, cid) = (entry("ann", &hash), entry("bob", &hash), entry("cid", &hash));
    let listed = Listed::with(&format!("{ann}{bob}{cid}")).await;
    let (writer, orders, _) = listed.follower("cid").await;
    let (of_ann, _, mut for_ann) = listed.follower("ann").await;
    let (of_bob, _, mut for_bob) = listed.follower("bob").await;

    // The same rules in another order.
    assert_eq!(listed.reload(&format!("# sorted\n{cid}{bob}{ann}")), 0);
    orders.put(&key(0), &1).await.unwrap();
    for changes in [&mut for_ann, &mut for_bob] {
        assert!(matches!(next(changes).await, RegionEvent::Created { value: Some(1), .. }));
    }

    assert_eq!(listed.reload(&format!("{ann}{cid}")), 1);
    assert!(matches!(next(&mut for_bob).await, RegionEvent::Feed(FeedState::Revoked)));
    assert!(matches!(next(&mut for_bob).await, RegionEvent::Feed(FeedState::Interrupted { .. })));
    orders.put(&key(0), &2).await.unwrap();
    assert!(matches!(next(&mut for_ann).await, RegionEvent::Updated { value: Some(2), .. }));
    assert!(
        matches!(next(&mut for_bob).await, RegionEvent::Feed(FeedState::ReauthenticationFailed(_))),
        "no way back, and not one event"
    );
    assert_eq!(listed.node.metrics().feeds.live.get(), 2);
    for client in [writer, of_ann, of_bob] {
        client.close().await;
    }
    listed.node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn d6_07_a_feed_goes_on_through_renewals_without_another_connection() {
    for lifetimes in [Lifetimes::Told, Lifetimes::Secret] {
        let grid = Grid::in_virtual_time(|node| node).await;
        let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
        let provider = living(&grid, "ann", lifetimes, Duration::from_secs(10));
        let mut ann = Person::with(&grid, &provider).await;
        let reading = tokio::spawn(async move {
            let seen = ann.sees_within(Duration::from_secs(105)).await;
            (seen, ann)
        });
        for value in 0..100 {
            orders.put(&key(0), &value).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let (seen, ann) = reading.await.unwrap();
        assert_eq!(seen.values, all(0..100), "{lifetimes:?}");
        assert!(seen.states.is_empty(), "neither held nor interrupted: {:?}", seen.states);
        assert_eq!(grid.metrics().feeds.opened.get(), 1);
        assert!((10..=15).contains(&provider.calls()), "{lifetimes:?}: {}", provider.calls());
        // The first credential is shown by the feed and by the first request, every other one once.
        assert_eq!(grid.manager.logins("ann"), provider.calls() + 1, "{lifetimes:?}");
        assert_eq!(grid.metrics().expiries.get(), 0);
        ann.client.close().await;
        finish(grid, writer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn d6_08_no_connection_of_a_pool_meets_an_expiry_that_was_renewed_ahead_of() {
    let grid = Grid::in_virtual_time(|node| node).await;
    let provider = living(&grid, "ann", Lifetimes::Told, Duration::from_secs(10));
    let (client, orders) = client_of(&grid, &provider);
    let crowd = || {
        let orders = orders.clone();
        herd(400, move |n| {
            let orders = orders.clone();
            async move { orders.put(&key(n), &1).await }
        })
    };
    assert!(crowd().await.iter().all(Result::is_ok));
    let members = client.connections();
    assert!(members > 1, "a pool");
    for renewals in 1..=3 {
        tokio::time::sleep(Duration::from_millis(4_500)).await;
        // A user who does nothing is not renewed.
        orders.put(&key(0), &1).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(client.connections(), members, "they idle");
        assert!(crowd().await.iter().all(Result::is_ok));
        assert_eq!((provider.calls(), grid.manager.logins("ann")), (1 + renewals, 1 + renewals));
        let refused = grid.metrics().operations.of(OperationKind::Put, OperationResult::Expired).get();
        assert_eq!(refused, 0, "none was borrowed with a login that had ended");
    }
    finish(grid, client).await;
}
