//! Queries and continuous queries, against the real server.

use std::time::Duration;

use druse_client::feed::{ContinuousQuery, CqEvent, DurableClient, FeedConfig, FeedState};
use druse_client::{Client, ClientConfig, Credentials, Error, Region, Value};

use crate::server::Geode;
use crate::users::Versions;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a query says, for comparison: data alone.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Initial(String, Option<i64>),
    InitialComplete,
    Created(String, Option<i64>),
    Updated(String, Option<i64>),
    Destroyed(String),
}

async fn next(query: &mut ContinuousQuery<String, i64>) -> CqEvent<String, i64> {
    let event = tokio::time::timeout(PATIENCE, query.next()).await;
    event.expect("an event in time").expect("a query that goes on").expect("an event that can be read")
}

async fn data(query: &mut ContinuousQuery<String, i64>) -> Seen {
    loop {
        return match next(query).await {
            CqEvent::Feed(_) => continue,
            CqEvent::Initial { key, value } => Seen::Initial(key, value),
            CqEvent::InitialComplete => Seen::InitialComplete,
            CqEvent::Created { key, value } => Seen::Created(key, value),
            CqEvent::Updated { key, value } => Seen::Updated(key, value),
            CqEvent::Destroyed { key, .. } => Seen::Destroyed(key),
            other => panic!("unexpected: {other:?}"),
        };
    }
}

/// The next `count` values that come.
async fn values(query: &mut ContinuousQuery<String, i64>, count: usize) -> Vec<i64> {
    let mut values = Vec::new();
    while values.len() < count {
        match data(query).await {
            Seen::Created(_, value) | Seen::Updated(_, value) => values.push(value.unwrap()),
            Seen::Initial(..) | Seen::InitialComplete => {}
            other => panic!("{other:?}"),
        }
    }
    values
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn alice(server: &Geode) -> Client {
    server.client().credentials(Credentials::password("alice", "alice")).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_brings_rows_with_parameters_and_with_several_fields() {
    let server = Geode::scripted();
    let client = alice(&server);
    let orders: Region<String, i64> = client.region("orders");
    for n in 0..250 {
        orders.put(&format!("k{n}"), &n).await.unwrap();
    }
    let rows =
        client.query::<i64>("SELECT * FROM /orders o WHERE o >= $1 ORDER BY o", &[&200_i64]).await.unwrap();
    let rows: Vec<i64> = rows.collect::<Result<_, _>>().unwrap();
    assert_eq!(rows, (200..250).collect::<Vec<_>>());

    let whole = client.query::<i64>("SELECT * FROM /orders", &[]).await.unwrap();
    assert_eq!(whole.len(), 250);
    let mut rows: Vec<i64> =
        orders.query("this < $1", &[&3_i64]).await.unwrap().map(Result::unwrap).collect();
    rows.sort_unstable();
    assert_eq!(rows, [0, 1, 2]);

    let pairs = client.query::<Value>("SELECT e.key, e.value FROM /orders.entries e WHERE e.value = 7L", &[]);
    let mut pairs = pairs.await.unwrap();
    assert_eq!(pairs.fields(), ["key", "value"]);
    match pairs.next().unwrap().unwrap() {
        Value::Objects { elements, .. } => {
            assert_eq!(elements, [Value::String("k7".into()), Value::Long(7)]);
        }
        other => panic!("{other:?}"),
    }
    let count = client.query::<i32>("SELECT COUNT(*) FROM /orders", &[]).await.unwrap();
    assert_eq!(count.map(Result::unwrap).collect::<Vec<_>>(), [250]);
    let wrong = client.query::<i64>("SELECT nonsense", &[]).await.unwrap_err();
    assert!(matches!(wrong, Error::Server(_)), "{wrong:?}");
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_continuous_query_follows_what_comes_into_its_result_and_leaves_it() {
    let server = Geode::scripted();
    let client = alice(&server);
    let orders: Region<String, i64> = client.region("orders");
    orders.put(&text("old"), &100).await.unwrap();
    orders.put(&text("small"), &1).await.unwrap();
    let query = "SELECT * FROM /orders o WHERE o > 10L";
    let mut plain = client.continuous_query::<String, i64>(query).await.unwrap();
    let mut with_results =
        client.continuous_query::<String, i64>(query).with_initial_results().await.unwrap();
    assert!(matches!(next(&mut plain).await, CqEvent::Feed(FeedState::Connected { .. })));
    assert_eq!(data(&mut with_results).await, Seen::Initial(text("old"), Some(100)));
    assert_eq!(data(&mut with_results).await, Seen::InitialComplete);
    for (key, value) in [("k", 5), ("k", 50), ("k", 60), ("k", 6), ("small", 20)] {
        orders.put(&text(key), &value).await.unwrap();
    }
    orders.remove(&text("old")).await.unwrap();
    for query in [&mut plain, &mut with_results] {
        assert_eq!(data(query).await, Seen::Created(text("k"), Some(50)));
        assert_eq!(data(query).await, Seen::Updated(text("k"), Some(60)));
        assert_eq!(data(query).await, Seen::Destroyed(text("k")));
        assert_eq!(data(query).await, Seen::Created(text("small"), Some(20)));
        assert_eq!(data(query).await, Seen::Destroyed(text("old")));
    }
    plain.stop().await.unwrap();
    orders.put(&text("unseen"), &70).await.unwrap();
    plain.execute().await.unwrap();
    orders.put(&text("seen"), &80).await.unwrap();
    assert_eq!(data(&mut plain).await, Seen::Created(text("seen"), Some(80)));
    plain.close().await;
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_continuous_query_is_said() {
    let server = Geode::scripted();
    let client = alice(&server);
    let missing = client.continuous_query::<String, i64>("SELECT * FROM /missing").await.unwrap_err();
    assert!(matches!(missing, Error::Server(_) | Error::RegionNotFound { .. }), "{missing:?}");
    let twice = || client.continuous_query::<String, i64>("SELECT * FROM /orders").name("mine");
    let _first = twice().await.unwrap();
    let second = twice().await.unwrap_err();
    assert!(matches!(second, Error::Configuration(_)), "{second:?}");
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_query_that_comes_back_gets_every_event_once() {
    let server = Geode::scripted();
    let writer = alice(&server);
    let orders: Region<String, i64> = writer.region("orders");
    let durable = || {
        let durable = DurableClient { id: text("reader-2"), timeout: Duration::from_secs(60) };
        let feeds = FeedConfig { durable: Some(durable), ..FeedConfig::default() };
        let config = ClientConfig { feeds, ..ClientConfig::default() };
        server.client().config(config).credentials(Credentials::password("alice", "alice")).build().unwrap()
    };
    let execute = async |client: &Client| {
        let query = client.continuous_query::<String, i64>("SELECT * FROM /orders o WHERE o >= 0L");
        let query = query.name("big").durable().await.unwrap();
        client.ready_for_events().await.unwrap();
        query
    };
    let first = durable();
    let mut query = execute(&first).await;
    for value in 0..10 {
        orders.put(&text("k"), &value).await.unwrap();
    }
    assert_eq!(values(&mut query, 10).await, (0..10).collect::<Vec<_>>());
    first.close_keeping_events().await;
    for value in 10..20 {
        orders.put(&text("k"), &value).await.unwrap();
    }
    let second = durable();
    let mut query = execute(&second).await;
    orders.put(&text("k"), &20).await.unwrap();
    assert_eq!(values(&mut query, 11).await, (10..21).collect::<Vec<_>>());
    query.close().await;
    second.close().await;
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_user_of_a_client_has_queries_of_its_own_rights() {
    let server = Geode::scripted();
    server.control("/grant?user=bob&scope=grid:data:read:orders");
    let writer = alice(&server);
    let orders: Region<String, i64> = writer.region("orders");
    let client = server.client().multi_user().build().unwrap();
    let (ann, bob) = (Versions::of("ann"), Versions::of("bob"));
    let of_ann = client.user("ann", ann.clone()).unwrap();
    let of_bob = client.user("bob", bob.clone()).unwrap();
    let query = "SELECT * FROM /orders o WHERE o >= 0L";
    let mut for_ann = of_ann.continuous_query::<String, i64>(query).await.unwrap();
    let mut for_bob = of_bob.continuous_query::<String, i64>(query).await.unwrap();
    for value in 0..20 {
        orders.put(&text("k"), &value).await.unwrap();
    }
    assert_eq!(values(&mut for_ann, 20).await, (0..20).collect::<Vec<_>>());
    assert_eq!(values(&mut for_bob, 20).await, (0..20).collect::<Vec<_>>());
    assert_eq!((server.count("ann", "logins"), server.count("bob", "logins")), (1, 1));

    // Interest belongs to nobody in particular on such a feed.
    let refused =
        of_ann.region::<String, i64>("orders").subscribe(druse_client::feed::Interest::all_keys()).await;
    assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");

    // Bob's login is renewed by an operation before the next event needs it: nobody misses anything.
    server.control("/expire?user=bob");
    of_bob.region::<String, i64>("orders").get(&text("k")).await.unwrap();
    for value in 20..40 {
        orders.put(&text("k"), &value).await.unwrap();
    }
    assert_eq!(values(&mut for_ann, 20).await, (20..40).collect::<Vec<_>>());
    assert_eq!(values(&mut for_bob, 20).await, (20..40).collect::<Vec<_>>());
    assert_eq!((ann.calls(), bob.calls()), (1, 2));

    of_bob.close().await;
    assert!(for_bob.next().await.is_none(), "whoever is logged out hears nothing more");
    orders.put(&text("k"), &40).await.unwrap();
    assert_eq!(values(&mut for_ann, 1).await, [40]);
    client.close().await;
    writer.close().await;
}
