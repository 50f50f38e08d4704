//! Connections that break, stall and come too late: every mutation is applied once, whatever the client was told.

use std::time::Duration;

use bytes::Bytes;
use druse_client::{Client, ClientConfig, Error};
use druse_protocol::auth::Operation;
use druse_protocol::codec::MessageType;
use druse_protocol::message::event_id::EventIdRef;
use druse_protocol::message::put::Put;
use druse_support::raw::whole;
use druse_support::{Act, FaultProxy, Grid, Tokens};

use crate::common::{Orders, connect, finish, herd, hurried, key};

struct Fixture {
    grid: Grid,
    proxy: FaultProxy,
    provider: Tokens,
    client: Client,
    orders: Orders,
}

async fn fixture(config: ClientConfig) -> Fixture {
    let grid = Grid::start().await;
    let proxy = FaultProxy::before(grid.address()).await;
    let provider = Tokens::of("ann");
    let client = proxy.client().config(config).auth_initialize(provider.clone()).build().unwrap();
    let orders: Orders = client.region("orders");
    orders.get(&key(0)).await.unwrap();
    Fixture { grid, proxy, provider, client, orders }
}

impl Fixture {
    async fn finish(self) {
        assert!(self.proxy.is_done(), "a fault has not happened");
        assert_eq!(self.provider.calls(), 1, "no fault of a connection is one of the credential");
        finish(self.grid, self.client).await;
    }
}

/// A client that soon stops waiting.
fn impatient() -> ClientConfig {
    ClientConfig { read_timeout: Duration::from_millis(300), ..hurried() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_asked_for_again_and_nothing_is_applied_twice() {
    let fixture = fixture(hurried()).await;
    let Fixture { grid, proxy, orders, .. } = &fixture;
    let k = key(1);

    proxy.fault(MessageType::Put, Act::DropReply, 1);
    orders.put(&k, &1).await.unwrap();
    assert_eq!(grid.changes(&k), Some(1), "put");

    proxy.fault(MessageType::Put, Act::DropReply, 1);
    assert_eq!(orders.put_if_absent(&key(2), &2).await.unwrap(), None, "it did store, the first time");
    assert_eq!(grid.changes(&key(2)), Some(1), "put_if_absent");

    proxy.fault(MessageType::Put, Act::DropReply, 1);
    assert_eq!(orders.replace(&k, &2).await.unwrap(), Some(1), "the old value of the first time");
    assert_eq!(grid.changes(&k), Some(2), "replace");

    proxy.fault(MessageType::Put, Act::DropReply, 1);
    assert!(orders.replace_if(&k, &2, &3).await.unwrap(), "it did replace, the first time");
    assert_eq!(grid.changes(&k), Some(3), "replace_if");

    proxy.fault(MessageType::Destroy, Act::DropReply, 1);
    assert!(orders.remove_if(&k, &3).await.unwrap(), "it did remove, the first time");
    assert_eq!(grid.changes(&k), None, "remove_if");

    proxy.fault(MessageType::Destroy, Act::DropReply, 1);
    assert!(orders.remove(&key(2)).await.unwrap(), "it was there, the first time");

    let entries: Vec<_> = (10..60).map(|n| (key(n), 1)).collect();
    proxy.fault(MessageType::PutAll, Act::DropReply, 1);
    orders.put_all(entries.iter().map(|(key, value)| (key, value))).await.unwrap();
    assert!(entries.iter().all(|(key, _)| grid.changes(key) == Some(1)), "put_all");
    fixture.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_may_be_lost_again() {
    let fixture = fixture(hurried()).await;
    fixture.proxy.fault(MessageType::Put, Act::DropReply, 2);
    fixture.orders.put(&key(1), &1).await.unwrap();
    assert_eq!(fixture.grid.changes(&key(1)), Some(1));
    fixture.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clear_whose_reply_is_lost_is_in_doubt() {
    let fixture = fixture(hurried()).await;
    fixture.orders.put(&key(1), &1).await.unwrap();
    fixture.proxy.fault(MessageType::ClearRegion, Act::DropReply, 1);
    let error = fixture.orders.clear().await.unwrap_err();
    assert!(matches!(error, Error::InDoubt(_)) && !error.is_retryable(), "{error:?}");
    assert_eq!(fixture.grid.entries(), 0);
    fixture.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_always_breaks_ends_in_an_error_after_a_few_attempts() {
    let fixture = fixture(hurried()).await;
    fixture.proxy.fault(MessageType::Put, Act::DropRequest, 3);
    let error = fixture.orders.put(&key(1), &1).await.unwrap_err();
    assert!(matches!(error, Error::InDoubt(_)) && !error.is_retryable(), "{error:?}");
    assert_eq!(fixture.grid.entries(), 0);
    fixture.orders.put(&key(1), &1).await.unwrap();

    fixture.proxy.fault(MessageType::Get, Act::DropRequest, 3);
    let error = fixture.orders.get(&key(1)).await.unwrap_err();
    assert!(matches!(error, Error::Connection(_)) && error.is_retryable(), "a question: {error:?}");
    fixture.finish().await;
}

/// The lane (Geode: thread id) and the number in it of each put that has passed the proxy.
fn lanes(proxy: &FaultProxy) -> Vec<EventIdRef> {
    let event = |request: &Bytes| Put::decode(&whole(request)).unwrap().event;
    proxy.watched().iter().map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutation_whose_retries_find_no_server_is_in_doubt_and_its_lane_is_never_used_again() {
    let fixture = fixture(hurried()).await;
    let Fixture { grid, proxy, orders, .. } = &fixture;
    orders.put(&key(0), &0).await.unwrap();
    proxy.watch(MessageType::Put);
    proxy.fault(MessageType::Put, Act::DropReply, 1);
    proxy.refuse();
    let error = orders.put(&key(1), &1).await.unwrap_err();
    let Error::InDoubt(cause) = &error else { panic!("{error:?}") };
    assert!(!error.is_retryable() && cause.is_retryable(), "{error:?}");
    assert_eq!(grid.changes(&key(1)), Some(1), "it has been carried out, which the client cannot know");
    let error = orders.put(&key(2), &2).await.unwrap_err();
    assert!(!matches!(error, Error::InDoubt(_)) && error.is_retryable(), "nothing was sent: {error:?}");

    proxy.redirect(grid.address());
    orders.put(&key(2), &2).await.unwrap();
    let events = lanes(proxy);
    // Perhaps more than one: a connection that breaks is no news here.
    let (doubtful, later) = events.split_first().unwrap();
    assert!(!later.is_empty() && later.iter().all(|event| event.thread != doubtful.thread), "{events:?}");
    fixture.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutation_that_is_refused_after_its_reply_was_lost_is_in_doubt() {
    let fixture = fixture(hurried()).await;
    let Fixture { grid, proxy, orders, .. } = &fixture;
    proxy.fault(MessageType::Put, Act::DropReply, 1);
    grid.manager.deny_after("ann", Operation::Write, 1);
    let error = orders.put(&key(1), &1).await.unwrap_err();
    let Error::InDoubt(cause) = &error else { panic!("{error:?}") };
    assert!(matches!(**cause, Error::NotAuthorized(_)), "{error:?}");
    assert_eq!(grid.changes(&key(1)), Some(1));
    fixture.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_cut_off_is_made_again_with_the_same_credential() {
    for act in [Act::DropRequest, Act::DropReply] {
        let grid = Grid::start().await;
        let proxy = FaultProxy::before(grid.address()).await;
        let provider = Tokens::of("ann");
        let (client, orders) = connect(proxy.client(), &provider);
        proxy.fault(MessageType::UserCredentialMessage, act, 1);
        orders.put(&key(1), &1).await.unwrap();
        assert!(proxy.is_done() && provider.calls() == 1);
        finish(grid, client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_half_open_is_given_up() {
    let fixture = fixture(impatient()).await;
    fixture.proxy.fault(MessageType::Put, Act::LoseReply, 1);
    fixture.orders.put(&key(1), &1).await.unwrap();
    assert_eq!(fixture.grid.changes(&key(1)), Some(1));
    fixture.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_never_answered_is_made_again() {
    let grid = Grid::start().await;
    let proxy = FaultProxy::before(grid.address()).await;
    let provider = Tokens::of("ann");
    proxy.fault(MessageType::UserCredentialMessage, Act::LoseReply, 1);
    let client = proxy.client().config(impatient()).auth_initialize(provider.clone()).build().unwrap();
    let orders: Orders = client.region("orders");
    orders.put(&key(1), &1).await.unwrap();
    assert_eq!(provider.calls(), 1);
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_answers_costs_no_more_than_the_operation_may_take() {
    let config = ClientConfig {
        read_timeout: Duration::from_secs(3600),
        operation_timeout: Duration::from_millis(300),
        ..hurried()
    };
    for kind in [MessageType::UserCredentialMessage, MessageType::Put] {
        let grid = Grid::start().await;
        let proxy = FaultProxy::before(grid.address()).await;
        proxy.fault(kind, Act::LoseReply, 1);
        let provider = Tokens::of("ann");
        let client = proxy.client().config(config.clone()).auth_initialize(provider).build().unwrap();
        let error = client.region::<String, i64>("orders").put(&key(1), &1).await.unwrap_err();
        let timeout = |error: &Error| matches!(error, Error::Timeout { .. });
        match &error {
            Error::InDoubt(cause) if kind == MessageType::Put => assert!(timeout(cause), "{error:?}"),
            error => assert!(timeout(error) && kind != MessageType::Put, "{error:?}"),
        }
        finish(grid, client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_comes_late_comes_to_the_one_who_asked() {
    let fixture = fixture(hurried()).await;
    let Fixture { proxy, orders, .. } = &fixture;
    for n in 0..20 {
        orders.put(&key(n), &i64::try_from(n).unwrap()).await.unwrap();
    }
    proxy.fault_after(MessageType::Get, 3, Act::DelayReply(Duration::from_millis(200)), 2);
    let outcomes = herd(20, |n| {
        let orders = orders.clone();
        async move { (n, orders.get(&key(n)).await.unwrap()) }
    });
    for (n, value) in outcomes.await {
        assert_eq!(value, Some(i64::try_from(n).unwrap()));
    }
    assert_eq!(fixture.grid.manager.logins("ann"), 1);
    fixture.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_connection_takes_nobody_with_it() {
    let fixture = fixture(impatient()).await;
    let Fixture { grid, proxy, orders, .. } = &fixture;
    proxy.fault_after(MessageType::Put, 5, Act::LoseReply, 1);
    let outcomes = herd(24, |n| {
        let orders = orders.clone();
        async move { orders.put(&key(n), &1).await }
    });
    for outcome in outcomes.await {
        outcome.expect("what shared the stalled connection is carried out elsewhere");
    }
    assert!((0..24).all(|n| grid.changes(&key(n)) == Some(1)), "applied once");
    fixture.finish().await;
}
