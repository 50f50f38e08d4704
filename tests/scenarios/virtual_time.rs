//! Crowds and long times: a node and its clients on one thread, through pipes, where time moves when nobody has
//! anything to do.

use std::sync::Arc;
use std::time::Duration;

use druse_client::{Client, ClientConfig, Clock, Error};
use druse_server::metrics::{LoginResult, Metrics};
use druse_server::security::SecurityPolicies;
use druse_support::{Grid, Tokens};

use crate::common::{Lifetimes, Orders, finish, herd, hurried, key, living, tokens};

fn refused_logins(metrics: &Metrics) -> u64 {
    [LoginResult::Expired, LoginResult::Failed, LoginResult::Unavailable, LoginResult::Throttled]
        .iter()
        .map(|&result| metrics.logins.of(result).get())
        .sum()
}

#[tokio::test(start_paused = true)]
async fn d3_07_load_across_renewals() {
    let grid = Grid::in_virtual_time(|node| node).await;
    for lifetimes in [Lifetimes::Told, Lifetimes::Secret] {
        let name = format!("{lifetimes:?}");
        let provider = living(&grid, &name, lifetimes, Duration::from_secs(1));
        let client = grid.piped_client().config(hurried()).auth_initialize(provider.clone()).build().unwrap();
        let orders: Orders = client.region("orders");
        orders.get(&key(0)).await.unwrap();
        let puts = herd(8, |task| {
            let (orders, name) = (orders.clone(), name.clone());
            async move {
                for n in 0..2_000 {
                    orders.put(&format!("{name} {task}"), &n).await?;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Ok::<(), Error>(())
            }
        });
        assert!(puts.await.iter().all(Result::is_ok));
        assert!(
            (0..8).all(|task| grid.changes(&format!("{name} {task}")) == Some(2_000)),
            "none lost, none twice"
        );
        // Ten seconds of lives of one second; those that are known are renewed at 72 to 88 per cent.
        assert!((10..=15).contains(&provider.calls()), "{lifetimes:?}: {}", provider.calls());
        assert_eq!(provider.calls(), grid.manager.logins(&name));
        client.close().await;
    }
    assert_eq!((refused_logins(grid.metrics()), grid.metrics().connections_refused.total()), (0, 0));
    grid.finish().await;
}

/// Users of some clients whose tokens all end at one instant. Nobody fails, every provider is asked once more, and each
/// user is logged in once more; the most logins that the manager saw at a time.
async fn mass_expiry(clients: usize, users: usize, node: SecurityPolicies, login_takes: Duration) -> usize {
    let grid = Grid::in_virtual_time(|builder| builder.policies(node)).await;
    grid.manager.delay_login(login_takes);
    let (first_end, clock) = (grid.now() + Duration::from_secs(60), grid.clock());
    let end = move || if clock.now() < first_end { first_end } else { first_end + Duration::from_secs(3600) };
    let clients: Vec<Client> =
        (0..clients).map(|_| grid.piped_client().config(hurried()).multi_user().build().unwrap()).collect();
    let users: Arc<[(Tokens, Orders)]> = (0..users)
        .map(|n| {
            let provider = tokens(format!("user{n}"), Lifetimes::Secret, end);
            let user = clients[n % clients.len()].user(&format!("user{n}"), provider.clone()).unwrap();
            (provider, user.region("orders"))
        })
        .collect();
    let all_put = |value: i64| {
        let users = Arc::clone(&users);
        herd(users.len(), move |n| {
            let users = Arc::clone(&users);
            async move { users[n].1.put(&key(n), &value).await }
        })
    };
    assert!(all_put(1).await.iter().all(Result::is_ok));
    assert!(grid.now() < first_end, "all are logged in before the end");
    tokio::time::sleep(first_end.saturating_since(grid.now())).await;
    assert!(all_put(2).await.iter().all(Result::is_ok));

    assert!(users.iter().all(|(provider, _)| provider.calls() == 2), "one call for each user and expiry");
    assert_eq!(grid.manager.balance().0, 2 * users.len() as u64, "and one login");
    assert_eq!((grid.metrics().expiries.get(), refused_logins(grid.metrics())), (users.len() as u64, 0));
    assert!((0..users.len()).all(|n| grid.changes(&key(n)) == Some(2)));
    let most_logins_at_once = grid.manager.most_logins_at_once();
    for client in clients {
        client.close().await;
    }
    grid.finish().await;
    most_logins_at_once
}

#[tokio::test(start_paused = true)]
async fn d9_01_ten_thousand_users_expire_at_one_instant() {
    let node = SecurityPolicies { concurrent_logins: 64, ..SecurityPolicies::default() };
    let most = mass_expiry(40, 10_000, node, Duration::from_millis(10)).await;
    assert_eq!(most, 64, "as many logins at a time as the node allows, and no more");
}

#[tokio::test(start_paused = true)]
async fn d9_01_many_users_of_one_client_take_turns_at_its_connections() {
    // The last of them has its turn after twenty seconds, which is longer than an answer may take: waiting for a
    // connection is no reason to give a login up.
    let most = mass_expiry(1, 2_000, SecurityPolicies::default(), Duration::from_millis(100)).await;
    assert_eq!(most, ClientConfig::default().pool.max_connections + 1);
}

/// A day of tokens that live a second: nothing is kept for those that are over.
#[tokio::test(start_paused = true)]
async fn d9_06_a_day_of_short_lives() {
    const DAY: Duration = Duration::from_secs(86_400);
    const PAUSE: Duration = Duration::from_secs(20);
    let grid = Grid::in_virtual_time(|node| node).await;
    let client = grid.piped_client().config(hurried()).multi_user().build().unwrap();
    let users: Vec<(Tokens, Orders)> = [Lifetimes::Told, Lifetimes::Secret]
        .into_iter()
        .map(|lifetimes| {
            let name = format!("{lifetimes:?}");
            let provider = living(&grid, &name, lifetimes, Duration::from_secs(1));
            let user = client.user(&name, provider.clone()).unwrap();
            (provider, user.region("orders"))
        })
        .collect();
    let end = grid.now() + DAY;
    let mut rounds = 0;
    while grid.now() < end {
        for (n, (_, orders)) in users.iter().enumerate() {
            orders.put(&key(n), &rounds).await.unwrap();
        }
        rounds += 1;
        let live = grid.metrics().logins_live.get();
        assert!(live <= 2, "{live} logins of two users in round {rounds}");
        tokio::time::sleep(PAUSE).await;
        // A timer has ended them, and their subjects are logged out.
        assert_eq!(grid.metrics().logins_live.get(), 0, "round {rounds}");
        let (logins, logouts) = grid.manager.balance();
        assert_eq!(logins, logouts, "round {rounds}");
    }
    assert!(rounds > 4_000);
    for (provider, _) in &users {
        assert_eq!(provider.calls(), u64::try_from(rounds).unwrap(), "one call for each expiry");
    }
    assert!(client.connections() <= ClientConfig::default().pool.max_connections);
    finish(grid, client).await;
}
