//! Expiry, against the real server: one provider call and one login for each server, whatever the herd.

use std::sync::Arc;

use druse_client::{Client, Error, Region};

use crate::server::Geode;
use crate::users::Versions;

fn key(n: usize) -> String {
    format!("key{n}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_that_meet_one_expiry_cost_one_call_and_one_login_for_each_server() {
    let servers = [Geode::scripted(), Geode::scripted()];
    let provider = Versions::of("alice");
    let mut builder = Client::builder().auth_initialize(provider.clone());
    for server in &servers {
        builder = builder.server(server.location());
    }
    let client = builder.build().unwrap();
    let region: Region<String, i64> = client.region("orders");
    for n in 0..8 {
        region.put(&key(n), &0).await.unwrap();
    }
    assert_eq!(provider.calls(), 1);
    for server in &servers {
        assert_eq!(server.count("alice", "logins"), 1);
        server.control("/expire?user=alice");
    }

    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let region = region.clone();
            tokio::spawn(async move {
                for round in 0..10 {
                    region.put(&key(task), &round).await?;
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(provider.calls(), 2, "one call for the one expiry");
    for server in &servers {
        assert_eq!(server.count("alice", "logins"), 2, "one login for the one expiry");
    }
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_expiries_in_a_row_fail_nothing() {
    let server = Geode::scripted();
    let provider = Versions::of("alice");
    let client = server.client().auth_initialize(provider.clone()).build().unwrap();
    let region: Region<String, i64> = client.region("orders");
    for round in 0..100 {
        region.put(&key(0), &round).await.unwrap();
        server.control("/expire?user=alice");
        assert_eq!(region.get(&key(0)).await.unwrap(), Some(round));
    }
    assert_eq!(provider.calls(), 101);
    assert_eq!(server.count("alice", "logins"), 101);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expiry_that_never_ends_surfaces_after_one_renewal() {
    let server = Geode::scripted();
    let provider = Versions::of("alice");
    let client = server.client().auth_initialize(provider.clone()).build().unwrap();
    let region: Region<String, i64> = client.region("orders");
    region.put(&key(0), &1).await.unwrap();
    server.control("/expire-next?n=1000&user=alice");
    let error = region.get(&key(0)).await.unwrap_err();
    assert!(matches!(error, Error::Expired { .. }), "{error:?}");
    assert!(provider.calls() <= 2, "{}", provider.calls());
    server.control("/reset");
    assert_eq!(region.get(&key(0)).await.unwrap(), Some(1));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_credential_surfaces_and_changes_nothing() {
    let server = Geode::scripted();
    let provider = Versions::stale("alice");
    let client = server.client().auth_initialize(provider.clone()).build().unwrap();
    let region: Region<String, i64> = client.region("orders");
    region.put(&key(0), &1).await.unwrap();
    server.control("/expire?user=alice");
    let error = region.put(&key(0), &2).await.unwrap_err();
    assert!(error.needs_reauthentication(), "{error:?}");
    assert_eq!(provider.calls(), 2);
    assert!(server.control("/region/get?region=orders&key=key0").to_string().contains('1'));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expiry_in_the_middle_of_a_bulk_read_repeats_it_whole() {
    let server = Geode::scripted();
    let provider = Versions::of("alice");
    let client = server.client().auth_initialize(provider.clone()).build().unwrap();
    let region: Region<String, i64> = client.region("orders");
    let keys: Vec<String> = (0..250).map(key).collect();
    let entries: Vec<(String, i64)> = keys.iter().cloned().zip(0..).collect();
    region.put_all(entries.iter().map(|(key, value)| (key, value))).await.unwrap();
    server.control("/expire-next?n=1&user=alice&operation=READ");
    let values = region.get_all(&keys).await.unwrap();
    assert_eq!(values, (0..250).map(Some).collect::<Vec<_>>());
    assert_eq!(provider.calls(), 2);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_users_expiry_is_nothing_to_another() {
    let server = Geode::scripted();
    let client = server.client().multi_user().build().unwrap();
    let (ann, bob) = (Versions::of("ann"), Versions::of("bob"));
    let ann_region: Region<String, i64> = client.user("ann", ann.clone()).unwrap().region("orders");
    let bob_region: Region<String, i64> = client.user("bob", bob.clone()).unwrap().region("orders");
    ann_region.put(&key(1), &1).await.unwrap();
    bob_region.put(&key(2), &2).await.unwrap();
    server.control("/expire?user=bob");
    for _ in 0..20 {
        assert_eq!(ann_region.get(&key(1)).await.unwrap(), Some(1));
        assert_eq!(bob_region.get(&key(2)).await.unwrap(), Some(2));
    }
    assert_eq!((ann.calls(), bob.calls()), (1, 2));
    assert_eq!((server.count("ann", "logins"), server.count("bob", "logins")), (1, 2));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_fails_for_another_reason_keeps_the_credential() {
    let server = Geode::scripted();
    let provider = Versions::of("alice");
    let client = Arc::new(server.client().auth_initialize(provider.clone()).build().unwrap());
    let region: Region<String, i64> = client.region("orders");
    server.control("/login-error?kind=failed&n=1");
    let error = region.put(&key(0), &1).await.unwrap_err();
    assert!(error.needs_reauthentication(), "{error:?}");
    assert_eq!(provider.calls(), 1, "a fresh credential that is refused is not asked for again at once");
    region.put(&key(0), &1).await.unwrap();
    assert_eq!(provider.calls(), 2);
    client.close().await;
}
