//! D2: region work across an expiry.

use std::sync::atomic::{AtomicUsize, Ordering};

use druse_client::{Client, Error};
use druse_protocol::auth::Operation;
use druse_protocol::codec::MessageType;
use druse_support::{Act, FaultProxy, Grid, Scripted, Tokens};

use crate::common::{Orders, connect, finish, grid_with, hurried, key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_01_the_provider_is_not_refreshed() {
    let provider = Tokens::stale("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    orders.put(&key(0), &0).await.unwrap();
    grid.manager.expire("ann");
    for n in 1..100 {
        let error = orders.put(&key(n), &1).await.unwrap_err();
        assert!(error.needs_reauthentication(), "{error:?}");
    }
    assert_eq!(grid.entries(), 1, "the region is unchanged");
    let tally = grid.manager.of("ann");
    assert_eq!((tally.permits, tally.logins), (1, 1), "only the first put was let in");
    // One call and one login for each put that failed, no loop behind any of them.
    assert_eq!((provider.calls(), tally.refused_logins), (100, 99));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_02_a_single_user() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    orders.get(&key(0)).await.unwrap();
    grid.manager.expire("ann");
    let before = grid.manager.of("ann");
    orders.put(&key(0), &1).await.unwrap();
    let after = grid.manager.of("ann");
    assert_eq!((after.refusals - before.refusals, after.permits - before.permits), (1, 1));
    assert_eq!((provider.calls(), after.logins), (2, 2));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_03_two_users_of_whom_one_expires() {
    let grid = Grid::start().await;
    let client = grid.client().config(hurried()).multi_user().build().unwrap();
    let (ann, bob) = (Tokens::of("ann"), Tokens::of("bob"));
    let of = |name: &str, provider: &Tokens| -> Orders {
        client.user(name, provider.clone()).unwrap().region("orders")
    };
    let (anns, bobs) = (of("ann", &ann), of("bob", &bob));
    anns.put(&key(0), &0).await.unwrap();
    bobs.put(&key(1), &1).await.unwrap();
    grid.manager.expire("bob");
    anns.put(&key(0), &2).await.unwrap();
    bobs.put(&key(1), &3).await.unwrap();
    assert_eq!((ann.calls(), grid.manager.logins("ann")), (1, 1), "untouched");
    assert_eq!((bob.calls(), grid.manager.logins("bob")), (2, 2), "renewed once");
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_11_two_servers() {
    let manager = Scripted::new();
    let first = Grid::guarded(manager.clone(), |node| node).await;
    let second = Grid::guarded(manager.clone(), |node| node).await;
    let provider = Tokens::of("ann");
    let builder = Client::builder().server(first.location()).server(second.location());
    let (client, orders) = connect(builder, &provider);
    for n in 0..4 {
        orders.put(&key(n), &0).await.unwrap();
    }
    assert_eq!((provider.calls(), manager.logins("ann")), (1, 2), "one login on each");
    manager.expire("ann");
    let before = manager.of("ann");
    for n in 0..100 {
        orders.put(&key(n), &1).await.unwrap();
    }
    let after = manager.of("ann");
    assert_eq!(after.permits_by_version.get(&2), Some(&100), "the new credential did it all");
    assert!(after.refusals - before.refusals <= 2, "one for each server at most: {after:?}");
    assert_eq!((provider.calls(), after.logins), (2, 4));
    client.close().await;
    first.stop().await;
    second.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_11_through_a_locator() {
    let grid = Grid::with(|node| node.locator_port(0)).await;
    let locator = druse_client::ServerLocation::new("127.0.0.1", grid.node().locator_port().unwrap());
    let provider = Tokens::of("ann");
    let (client, orders) = connect(Client::builder().locator(locator), &provider);
    orders.put(&key(0), &0).await.unwrap();
    grid.manager.expire("ann");
    for n in 0..100 {
        orders.put(&key(n), &1).await.unwrap();
    }
    let tally = grid.manager.of("ann");
    assert_eq!((tally.refusals, tally.permits_by_version.get(&2)), (1, Some(&100)));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_12_expiry_in_the_middle_of_a_stream() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    let done = AtomicUsize::new(0);
    let stream = |lane: usize| {
        let (orders, done, manager) = (&orders, &done, &grid.manager);
        async move {
            for n in (lane..1000).step_by(4) {
                orders.put(&key(n), &i64::try_from(n).unwrap()).await?;
                if done.fetch_add(1, Ordering::SeqCst) == 99 {
                    manager.expire("ann");
                }
            }
            Ok::<(), Error>(())
        }
    };
    tokio::try_join!(stream(0), stream(1), stream(2), stream(3)).unwrap();
    let tally = grid.manager.of("ann");
    assert_eq!(tally.permits_by_version.values().sum::<u64>(), 1000, "{tally:?}");
    assert!(tally.permits_by_version[&1] >= 100 && tally.permits_by_version[&2] > 0, "{tally:?}");
    assert_eq!(grid.entries(), 1000, "no gap");
    assert_eq!((provider.calls(), tally.logins), (2, 2));
    finish(grid, client).await;
}

fn thousand() -> Vec<(String, i64)> {
    (0..1000).map(|n| (key(n), 1)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_13_put_all() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    grid.manager.expire_next("ann", Operation::Write, 1);
    let entries = thousand();
    orders.put_all(entries.iter().map(|(key, value)| (key, value))).await.unwrap();
    let tally = grid.manager.of("ann");
    assert_eq!((tally.permits, tally.refusals), (1, 1), "one question for the whole of it");
    assert_eq!((grid.entries(), provider.calls()), (1000, 2));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_13_put_all_whose_reply_is_lost_and_whose_login_ends_meanwhile() {
    let grid = Grid::start().await;
    let proxy = FaultProxy::before(grid.address()).await;
    let provider = Tokens::of("ann");
    let (client, orders) = connect(proxy.client(), &provider);
    orders.put(&key(0), &0).await.unwrap();
    proxy.fault(MessageType::PutAll, Act::DropReply, 1);
    grid.manager.expire_after("ann", Operation::Write, 1, 1);
    let entries = thousand();
    orders.put_all(entries.iter().map(|(key, value)| (key, value))).await.unwrap();
    assert!(proxy.is_done());
    assert_eq!((grid.entries(), provider.calls()), (1000, 2));
    assert_eq!(grid.changes(&key(7)), Some(1), "applied once");
    finish(grid, client).await;
}
