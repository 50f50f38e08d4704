//! D9 on feeds, in virtual time: expiries that meet, users who are slow or away for too long, long runs, storms.

use std::time::Duration;

use druse_client::auth::GateConfig;
use druse_client::feed::{FeedState, Interest, InterestResultPolicy, Lost};
use druse_client::{Client, ClientConfig, Error, UserHandle};
use druse_protocol::auth::RevocationScope;
use druse_server::FeedPolicies;
use druse_support::provider::token;
use druse_support::raw::Raw;
use druse_support::{Grid, Tokens};
use tokio::time::Instant;

use crate::common::{Lifetimes, Orders, finish, get, herd, hurried, key, living};
use crate::watching::{Person, QUIET, Seen, all, client_of, query_within, within, write};

const ALL_ORDERS: &str = "SELECT * FROM /orders o WHERE o >= 0";

fn slow_the_second_time(name: String, takes: Duration) -> Tokens {
    Tokens::scripted(move |call, _| Ok(token(&name, call))).slow_at(2, takes)
}

/// The events that a stream was told to have lost.
fn lost_of(seen: &Seen) -> Option<(u64, u64)> {
    seen.states.iter().find_map(|state| match state {
        FeedState::Resynchronised { lost: Lost::Range { first, last } } => Some((*first, *last)),
        _ => None,
    })
}

/// Geode's clients ask twice: once for the feed and once for the operation.
#[tokio::test(start_paused = true)]
async fn d9_03_an_operation_and_the_feed_meet_one_expiry() {
    for feed_first in [true, false] {
        let grid = Grid::in_virtual_time(|node| node).await;
        let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
        orders.get(&key(0)).await.unwrap();
        let provider = Tokens::of("ann");
        let mut ann = Person::with(&grid, &provider).await;
        let before = grid.manager.logins("ann");
        grid.manager.expire("ann");
        let k = key(0);
        let (event, operation) = (orders.put(&k, &1), ann.orders.get(&k));
        let outcome: Result<_, Error> = if feed_first {
            tokio::try_join!(event, operation).map(drop)
        } else {
            tokio::try_join!(operation, event).map(drop)
        };
        outcome.unwrap();
        assert_eq!(ann.sees_within(QUIET).await.values, [1]);
        let logins = grid.manager.logins("ann") - before;
        assert_eq!((provider.calls(), logins), (2, 1), "feed first: {feed_first}");
        ann.client.close().await;
        finish(grid, writer).await;
    }
}

/// Users of one client with a query each. The first one's provider takes that long when it is asked again.
struct Crowd {
    client: Client,
    users: Vec<UserHandle>,
    providers: Vec<Tokens>,
}

impl Crowd {
    fn of(grid: &Grid, size: usize, slowness: Duration) -> Self {
        let gate = GateConfig { provider_timeout: 2 * slowness, ..hurried().gate };
        let config = ClientConfig { gate, ..hurried() };
        let client = grid.piped_client().config(config).multi_user().build().unwrap();
        let named = |n: usize| {
            let takes = if n == 0 { slowness } else { Duration::from_millis(20) };
            slow_the_second_time(format!("user{n}"), takes)
        };
        let providers: Vec<_> = (0..size).map(named).collect();
        let user =
            |(n, provider): (usize, &Tokens)| client.user(&format!("user{n}"), provider.clone()).unwrap();
        let users = providers.iter().enumerate().map(user).collect();
        Self { client, users, providers }
    }

    /// One put of each user, all at once: what became of it, and how long it took.
    async fn put_all(&self, value: i64) -> Vec<(Result<(), Error>, Duration)> {
        let regions: Vec<Orders> = self.users.iter().map(|user| user.region("orders")).collect();
        let put = |n: usize| {
            let orders = regions[n].clone();
            async move {
                let begun = Instant::now();
                let outcome = orders.put(&key(n), &value).await;
                (outcome.map(drop), begun.elapsed())
            }
        };
        herd(self.users.len(), put).await
    }
}

#[tokio::test(start_paused = true)]
async fn d9_04_one_slow_user_costs_the_others_nothing() {
    const USERS: usize = 26;
    let policies = FeedPolicies { queue_events: 800, ..FeedPolicies::default() };
    let grid = Grid::in_virtual_time(|node| node.feeds(policies)).await;
    let crowd = Crowd::of(&grid, USERS, Duration::from_secs(50));
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    orders.get(&key(0)).await.unwrap();
    let mut queries = Vec::new();
    for user in &crowd.users {
        let mut query = user.continuous_query(ALL_ORDERS).await.unwrap();
        query_within(Duration::from_millis(10), &mut query).await;
        queries.push(query);
    }
    grid.manager.expire("user0");
    let mut outcomes = crowd.put_all(1).await;
    let (slow, _) = outcomes.remove(0);
    assert!(matches!(slow, Err(Error::Credential(_))), "not in time for this one: {slow:?}");
    for (outcome, took) in outcomes {
        outcome.unwrap();
        assert_eq!(took, Duration::ZERO, "nobody waits for somebody else's provider");
    }
    for value in 100..900 {
        orders.put(&key(99), &value).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for query in &mut queries[1..] {
        let seen = query_within(Duration::from_secs(1), query).await;
        let values: Vec<i64> = seen.values.into_iter().filter(|value| *value >= 100).collect();
        assert!(seen.states.is_empty(), "nothing amiss: {:?}", seen.states);
        assert_eq!(values, all(100..900), "and everything");
    }
    let seen = query_within(Duration::from_secs(60), &mut queries[0]).await;
    assert!(seen.values.is_empty(), "{seen:?}");
    let (first, last) = lost_of(&seen).expect("the range of what did not fit");
    assert_eq!(last - first + 1, 25 + 800, "{:?}", seen.states);
    assert!(crowd.put_all(200).await.iter().all(|(outcome, _)| outcome.is_ok()));
    let seen = query_within(QUIET, &mut queries[0]).await;
    assert_eq!(seen.values, [200; USERS]);
    let calls: Vec<u64> = crowd.providers.iter().map(Tokens::calls).collect();
    assert_eq!((calls[0], calls[1..].iter().max()), (2, Some(&1)));
    drop(queries);
    crowd.client.close().await;
    finish(grid, writer).await;
}

#[tokio::test(start_paused = true)]
async fn d9_05_what_does_not_fit_while_a_user_is_away_is_told_by_its_range() {
    for policy in [InterestResultPolicy::None, InterestResultPolicy::KeysValues] {
        let policies = FeedPolicies { queue_events: 50, ..FeedPolicies::default() };
        let grid = Grid::in_virtual_time(|node| node.feeds(policies)).await;
        let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
        let provider = slow_the_second_time("ann".to_owned(), Duration::from_secs(8));
        let (client, followed) = client_of(&grid, &provider);
        let mut changes = followed.subscribe(Interest::all_keys()).result_policy(policy).await.unwrap();
        within(QUIET, &mut changes).await;
        grid.manager.expire("ann");
        write(&orders, 0..200).await;
        let seen = within(Duration::from_secs(60), &mut changes).await;
        let (first, last) = lost_of(&seen).unwrap_or_else(|| panic!("{:?}", seen.states));
        assert_eq!((last - first + 1, seen.values.len()), (200, 0), "{first}..={last} and {:?}", seen.values);
        let fetched = if policy == InterestResultPolicy::None { 0..0 } else { 0..200 };
        assert_eq!(seen.snapshot, all(fetched), "what there is to be had");
        assert_eq!(grid.metrics().feeds.opened.get(), 1, "over the feed that there was");
        write(&orders, 200..210).await;
        assert_eq!(within(QUIET, &mut changes).await.values, all(200..210));
        client.close().await;
        finish(grid, writer).await;
    }
}

/// Hours of tokens that live a second, under a feed, where each is renewed before its end. A whole day without a feed is
/// `d9_06_a_day_of_short_lives`.
#[tokio::test(start_paused = true)]
async fn d9_06_hours_of_short_lives_under_a_feed() {
    const HOURS: Duration = Duration::from_secs(2 * 3600);
    let grid = Grid::in_virtual_time(|node| node).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let provider = living(&grid, "ann", Lifetimes::Secret, Duration::from_secs(1));
    let mut ann = Person::with(&grid, &provider).await;
    let end = grid.now() + HOURS;
    let mut round = 0;
    while grid.now() < end {
        orders.put(&key(0), &round).await.unwrap();
        assert_eq!(ann.sees_within(Duration::from_secs(60)).await.values, [round]);
        let live = grid.metrics().logins_live.get();
        assert!(live <= 2, "{live} logins of two users");
        let (logins, logouts) = grid.manager.balance();
        assert!(logins - logouts <= 3, "{logins} logins and {logouts} logouts in round {round}");
        round += 1;
    }
    assert_eq!(grid.metrics().feeds.opened.get(), 1);
    assert_eq!(provider.calls() + 1, grid.manager.logins("ann"));
    assert!(provider.calls() > 7_200, "{}", provider.calls());
    ann.client.close().await;
    finish(grid, writer).await;
}

#[tokio::test(start_paused = true)]
async fn d9_08_a_storm_of_revocations_reaches_those_who_are_meant() {
    const STORM: i64 = 1_000;
    let grid = Grid::in_virtual_time(|node| node).await;
    let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
    let mut follower = Person::with(&grid, &Tokens::of("follower")).await;
    let mut crowd = Vec::new();
    for n in 0..STORM {
        let mut raw = Raw::over(grid.pipes().open().unwrap());
        raw.greet(&format!("client {n}")).await;
        raw.log_in(&format!("user{n}:1")).await.unwrap();
        crowd.push(raw);
    }
    let last = crowd.len() - 1;
    for (n, value) in (0..STORM).enumerate() {
        let scope = RevocationScope::Principal(format!("user{n}"));
        grid.manager.revoke(scope, grid.now() + Duration::from_micros(1));
        assert_eq!(get(&mut crowd[n]).await.unwrap_err(), "AuthenticationExpiredException", "at once");
        if n < last {
            get(&mut crowd[n + 1]).await.expect("whose turn has not come");
        }
        let begun = Instant::now();
        orders.put(&key(n), &value).await.unwrap();
        assert_eq!(begun.elapsed() * u32::from(n > 0), Duration::ZERO, "others go on as ever");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(follower.sees_within(QUIET).await.values, all(0..STORM));
    assert_eq!((grid.manager.logins("writer"), grid.metrics().logins_live.get()), (1, 2));
    drop(crowd);
    follower.client.close().await;
    finish(grid, writer).await;
}
