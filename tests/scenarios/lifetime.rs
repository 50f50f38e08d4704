//! Nodes that restart, clients that close, operations that are given up, crowds of tasks and users.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use druse_client::{Error, ProviderError};
use druse_protocol::codec::MessageType;
use druse_support::provider::token;
use druse_support::{Act, FaultProxy, Grid, Tokens, eventually};

use crate::common::{Orders, connect, finish, grid_with, herd, hurried, key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_restarts_costs_one_login_and_no_provider_call() {
    let (old, new) = (Grid::start().await, Grid::start().await);
    let proxy = FaultProxy::before(old.address()).await;
    let provider = Tokens::of("ann");
    let (client, orders) = connect(proxy.client(), &provider);
    orders.put(&key(0), &0).await.unwrap();
    proxy.redirect(new.address());
    eventually("nothing leads to the old node any more", || proxy.open() == 0).await;
    let outcomes = herd(32, |n| {
        let orders = orders.clone();
        async move { orders.put(&key(n), &1).await }
    });
    for outcome in outcomes.await {
        outcome.unwrap();
    }
    assert_eq!(new.entries(), 32);
    assert_eq!((provider.calls(), new.manager.logins("ann")), (1, 1));
    old.finish().await;
    finish(new, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_restarts_under_load_fails_no_operation() {
    let (old, new) = (Grid::start().await, Grid::start().await);
    let proxy = FaultProxy::before(old.address()).await;
    let provider = Tokens::of("ann");
    let (client, orders) = connect(proxy.client(), &provider);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..16)
        .map(|n| {
            let (orders, stop, done) = (orders.clone(), stop.clone(), done.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    orders.put(&key(n), &1).await?;
                    done.fetch_add(1, Ordering::SeqCst);
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    eventually("the load runs", || done.load(Ordering::SeqCst) > 200).await;
    proxy.redirect(new.address());
    let before = done.load(Ordering::SeqCst);
    eventually("the load goes on", || done.load(Ordering::SeqCst) > before + 200).await;
    stop.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap().unwrap();
    }
    assert_eq!((provider.calls(), new.manager.logins("ann")), (1, 1));
    old.finish().await;
    finish(new, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_meet_one_expiry() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    let done = Arc::new(AtomicUsize::new(0));
    let outcomes = herd(1000, |n| {
        let (orders, done, manager) = (orders.clone(), done.clone(), grid.manager.clone());
        async move {
            for round in 0..5 {
                orders.put(&key(n), &round).await?;
                if done.fetch_add(1, Ordering::SeqCst) == 1500 {
                    manager.expire("ann");
                }
            }
            orders.get(&key(n)).await
        }
    });
    for outcome in outcomes.await {
        assert_eq!(outcome.unwrap(), Some(4));
    }
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 2));
    assert!(client.connections() <= 9, "eight and the one for logins: {}", client.connections());
    assert!((0..1000).all(|n| grid.changes(&key(n)) == Some(5)));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_operations_under_way() {
    let grid = Grid::start().await;
    let proxy = FaultProxy::before(grid.address()).await;
    let provider = Tokens::of("ann");
    let (client, orders) = connect(proxy.client(), &provider);
    orders.put(&key(0), &0).await.unwrap();
    proxy.fault(MessageType::Get, Act::LoseReply, 1);
    let load: Vec<_> = (0..64)
        .map(|n| {
            let orders = orders.clone();
            tokio::spawn(async move {
                loop {
                    if n % 2 == 0 {
                        orders.get(&key(n)).await.map(drop)?
                    } else {
                        orders.put(&key(n), &1).await?
                    }
                }
                #[allow(unreachable_code)]
                Ok::<(), Error>(())
            })
        })
        .collect();
    eventually("the load runs", || grid.entries() > 10).await;
    client.close().await;
    for task in load {
        let error = task.await.unwrap().unwrap_err();
        // A put that was under way may have been carried out.
        let ended =
            matches!(error, Error::Closed | Error::Connection(_) | Error::Login(_) | Error::InDoubt(_));
        assert!(ended, "{error:?}");
    }
    assert!(matches!(
        orders.get(&key(0)).await.unwrap_err(),
        Error::Closed | Error::Login(_) | Error::Credential(_)
    ));
    assert_eq!(client.connections(), 0);
    drop(proxy);
    grid.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_those_who_wait_for_a_provider() {
    let grid = Grid::start().await;
    // The second answer never satisfies: the interval before the third is for ever.
    let provider = Tokens::scripted(|call, _| {
        if call == 1 {
            return Ok(token("ann", 1));
        }
        Err(ProviderError::Unavailable { message: "later".to_owned(), source: None })
    });
    let mut config = hurried();
    config.gate.min_interval = Duration::from_secs(3600);
    config.gate.max_interval = Duration::from_secs(3600);
    config.operation_timeout = Duration::from_secs(7200);
    let client = grid.client().config(config).auth_initialize(provider.clone()).build().unwrap();
    let orders: Orders = client.region("orders");
    orders.put(&key(0), &0).await.unwrap();
    grid.manager.expire("ann");
    let waiting = tokio::spawn({
        let orders = orders.clone();
        async move { orders.put(&key(0), &1).await }
    });
    eventually("the refusal has come", || grid.manager.of("ann").refusals == 1).await;
    client.close().await;
    assert!(matches!(waiting.await.unwrap(), Err(Error::Credential(_) | Error::Closed)));
    assert_eq!(provider.calls(), 1);
    grid.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_that_are_given_up_leave_connections_in_step() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    for n in 0..50 {
        orders.put(&key(n), &i64::try_from(n).unwrap()).await.unwrap();
    }
    for round in 0..20 {
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let orders = orders.clone();
                tokio::spawn(async move {
                    orders.get(&key(n)).await.unwrap();
                    orders.put(&key(n + 100), &1).await.unwrap();
                })
            })
            .collect();
        if round == 10 {
            grid.manager.expire("ann");
        }
        for _ in 0..round % 4 {
            tokio::task::yield_now().await;
        }
        for (n, task) in tasks.iter().enumerate() {
            if n % 3 != 0 {
                task.abort();
            }
        }
        for (n, task) in tasks.into_iter().enumerate() {
            let outcome = task.await;
            assert!(n % 3 != 0 || outcome.is_ok());
        }
        for n in 0..50 {
            assert_eq!(orders.get(&key(n)).await.unwrap(), Some(i64::try_from(n).unwrap()));
        }
    }
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 2));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_is_closed_is_logged_out_and_may_come_again() {
    let grid = Grid::start().await;
    let client = grid.client().config(hurried()).multi_user().build().unwrap();
    let (ann, bob) = (Tokens::of("ann"), Tokens::of("bob"));
    let of_ann = client.user("ann", ann.clone()).unwrap();
    let bobs: Orders = client.user("bob", bob.clone()).unwrap().region("orders");
    of_ann.region::<String, i64>("orders").put(&key(0), &0).await.unwrap();
    bobs.put(&key(1), &1).await.unwrap();
    assert_eq!(grid.metrics().logins_live.get(), 2);
    of_ann.close().await;
    eventually("ann is logged out", || grid.manager.of("ann").logouts == 1).await;
    assert_eq!(grid.metrics().logins_live.get(), 1);
    assert_eq!(bobs.get(&key(1)).await.unwrap(), Some(1));

    let again = Tokens::of("ann");
    let anns: Orders = client.user("ann", again.clone()).unwrap().region("orders");
    assert_eq!(anns.get(&key(0)).await.unwrap(), Some(0));
    assert_eq!((ann.calls(), again.calls(), bob.calls()), (1, 1, 1));
    assert_eq!((grid.manager.logins("ann"), grid.manager.logins("bob")), (2, 1));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_a_stalled_server_can_be_closed() {
    let grid = Grid::start().await;
    let proxy = FaultProxy::before(grid.address()).await;
    let client = proxy.client().config(hurried()).multi_user().build().unwrap();
    let ann = client.user("ann", Tokens::of("ann")).unwrap();
    ann.region::<String, i64>("orders").put(&key(0), &0).await.unwrap();
    proxy.fault(MessageType::RemoveUserAuth, Act::LoseReply, 1);
    ann.close().await;
    assert!(proxy.is_done());
    finish(grid, client).await;
}
