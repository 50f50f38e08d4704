//! D1: operations that meet an expiry.

use std::sync::Arc;

use druse_client::auth::Generation;
use druse_client::{AttemptEvent, AttemptStage, ClientConfig, Error, OperationListener, ProvidedCredentials};
use druse_protocol::auth::Operation;
use druse_protocol::codec::MessageType;
use druse_protocol::message::exception::ThrowableClass;
use druse_support::provider::{bad_token, token};
use druse_support::{Act, FaultProxy, Grid, Tokens, eventually};
use parking_lot::Mutex;

use crate::common::{Orders, connect, finish, grid_with, herd, hurried, is_login_refusal, key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_11_read_reauthenticates() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    orders.put(&key(1), &1).await.unwrap();
    let connections = grid.metrics().connections_accepted.get();
    grid.manager.expire_next("ann", Operation::Read, 1);
    assert_eq!(orders.get(&key(1)).await.unwrap(), Some(1));
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 2));
    assert_eq!(grid.metrics().connections_accepted.get(), connections, "no new handshake");
    assert_eq!(grid.metrics().reauthentications.get(), 1);
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_12_read_and_the_new_credential_is_bad() {
    let provider = Tokens::good_then_bad("ann", 1);
    let (grid, client, orders) = grid_with(&provider).await;
    orders.get(&key(1)).await.unwrap();
    grid.manager.expire_next("ann", Operation::Read, 1);
    let error = orders.get(&key(1)).await.unwrap_err();
    assert!(is_login_refusal(&error), "{error:?}");
    assert_eq!((provider.calls(), grid.manager.of("ann").refused_logins), (2, 1));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_13_write_and_the_new_credential_is_bad() {
    let provider = Tokens::good_then_bad("ann", 1);
    let (grid, client, orders) = grid_with(&provider).await;
    orders.put(&key(1), &1).await.unwrap();
    grid.manager.expire_next("ann", Operation::Write, 1);
    let error = orders.put(&key(1), &2).await.unwrap_err();
    assert!(is_login_refusal(&error), "{error:?}");
    assert_eq!((provider.calls(), grid.manager.of("ann").refused_logins), (2, 1));

    let bob = Tokens::of("bob");
    let (other, seen) = connect(grid.client(), &bob);
    assert_eq!(seen.get(&key(1)).await.unwrap(), Some(1), "the value is unchanged");
    other.close().await;
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_14_a_new_connection_needs_no_login_until_the_expiry() {
    let grid = Grid::start().await;
    let proxy = FaultProxy::before(grid.address()).await;
    let provider = Tokens::of("ann");
    let (client, orders) = connect(proxy.client(), &provider);
    orders.put(&key(0), &0).await.unwrap();
    // One connection is busy with more requests than are comfortable: another one is opened.
    proxy.fault(MessageType::Get, Act::DelayReply(std::time::Duration::from_millis(300)), 1);
    let outcomes = herd(64, |n| {
        let orders = orders.clone();
        async move { orders.get(&key(n)).await.map(drop) }
    });
    assert!(outcomes.await.iter().all(Result::is_ok));
    assert!(proxy.accepted() >= 2, "another connection has been opened");
    orders.put(&key(1), &1).await.unwrap();
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (1, 1), "the login holds there, too");
    grid.manager.expire_next("ann", Operation::Write, 1);
    orders.put(&key(1), &2).await.unwrap();
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 2));
    finish(grid, client).await;
}

#[derive(Default)]
struct Recorder(Mutex<Vec<(MessageType, AttemptStage)>>);

impl OperationListener for Recorder {
    fn attempt(&self, event: &AttemptEvent<'_>) {
        self.0.lock().push((event.operation, event.stage));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_16_the_order_of_events() {
    use AttemptStage::{Failed, Started, Succeeded};
    let grid = Grid::start().await;
    let recorder = Arc::new(Recorder::default());
    let provider = Tokens::of("ann");
    let (client, orders) = connect(grid.client().listener(recorder.clone()), &provider);
    grid.manager.expire_next("ann", Operation::Read, 1);
    orders.get(&key(1)).await.unwrap();
    let seen = recorder.0.lock().clone();
    assert_eq!(seen, [Started, Failed, Started, Succeeded].map(|stage| (MessageType::Get, stage)));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_17_renewal_although_retries_are_off() {
    let grid = Grid::start().await;
    let provider = Tokens::of("ann");
    let config = ClientConfig { retry_attempts: 0, ..hurried() };
    let client = grid.client().config(config).auth_initialize(provider.clone()).build().unwrap();
    let orders: Orders = client.region("orders");
    grid.manager.expire_next("ann", Operation::Read, 1);
    grid.manager.expire_next("ann", Operation::Write, 1);
    orders.put(&key(1), &7).await.unwrap();
    assert_eq!(orders.get(&key(1)).await.unwrap(), Some(7));
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (3, 3));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_18_a_new_connection_uses_the_cached_credential() {
    let grid = Grid::start().await;
    let proxy = FaultProxy::before(grid.address()).await;
    let provider = Tokens::of("ann");
    let (client, orders) = connect(proxy.client(), &provider);
    orders.put(&key(0), &0).await.unwrap();
    proxy.cut();
    eventually("the client has noticed", || client.connections() == 0).await;
    eventually("the node has forgotten the client", || grid.metrics().logins_live.get() == 0).await;
    proxy.fault(MessageType::UserCredentialMessage, Act::Answer(ThrowableClass::InternalGemFire), 1);
    let error = orders.put(&key(1), &1).await.unwrap_err();
    assert!(matches!(error, Error::Login(_)) && !error.needs_reauthentication(), "{error:?}");
    orders.put(&key(1), &1).await.unwrap();
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (1, 2));
    finish(grid, client).await;
}

/// A provider that hands a secret on.
fn refreshing(refresh: impl Fn(&str) -> bool + Send + Sync + 'static) -> Tokens {
    Tokens::scripted(move |call, request| {
        let secret = request.memento.as_ref().map(|secret| secret.as_str());
        let mut provided: ProvidedCredentials =
            if secret.is_none_or(&refresh) { token("ann", call) } else { bad_token("ann") };
        provided.memento = Some(format!("refresh-{call}").into());
        Ok(provided)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_20_the_refresh_secret_is_handed_on() {
    let provider = refreshing(|secret| secret == "refresh-1");
    let (grid, client, orders) = grid_with(&provider).await;
    orders.get(&key(1)).await.unwrap();
    grid.manager.expire_next("ann", Operation::Read, 1);
    orders.get(&key(1)).await.unwrap();
    let requests = provider.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].memento.is_none());
    assert_eq!(requests[1].memento.as_ref().map(|secret| secret.as_str()), Some("refresh-1"));
    assert_eq!(requests[1].refused, Some(token("ann", 1).credentials));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_21_no_refresh_secret() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    orders.get(&key(1)).await.unwrap();
    grid.manager.expire_next("ann", Operation::Read, 1);
    orders.get(&key(1)).await.unwrap();
    let requests = provider.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].memento.is_none());
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_22_a_bad_refresh_secret_and_a_good_fresh_login() {
    // The provider itself falls back: it is what knows of refresh secrets.
    let fallbacks = Arc::new(Mutex::new(0));
    let provider = {
        let fallbacks = Arc::clone(&fallbacks);
        Tokens::scripted(move |call, request| {
            if request.memento.is_some() {
                *fallbacks.lock() += 1;
            }
            let mut provided = token("ann", call);
            provided.memento = Some("worthless".to_owned().into());
            Ok(provided)
        })
    };
    let (grid, client, orders) = grid_with(&provider).await;
    orders.get(&key(1)).await.unwrap();
    grid.manager.expire_next("ann", Operation::Read, 1);
    orders.get(&key(1)).await.unwrap();
    assert_eq!((provider.calls(), *fallbacks.lock()), (2, 1));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_23_all_bad() {
    let provider = refreshing(|_| false);
    let (grid, client, orders) = grid_with(&provider).await;
    orders.get(&key(1)).await.unwrap();
    grid.manager.expire_next("ann", Operation::Read, 1);
    let error = orders.get(&key(1)).await.unwrap_err();
    assert!(is_login_refusal(&error), "{error:?}");
    assert!(provider.calls() <= 3, "{}", provider.calls());
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_24_a_stale_report_changes_nothing() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    for _ in 0..5 {
        orders.get(&key(1)).await.unwrap();
        grid.manager.expire("ann");
    }
    orders.get(&key(1)).await.unwrap();
    let gate = client.gate().unwrap();
    assert_eq!(gate.held().unwrap().generation, Generation(6));
    gate.invalidate(Generation(5));
    orders.get(&key(1)).await.unwrap();
    assert_eq!(gate.held().unwrap().generation, Generation(6));
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (6, 6));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_26_expiry_that_never_ends() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    grid.manager.expire_next("ann", Operation::Read, u64::MAX);
    let error = orders.get(&key(1)).await.unwrap_err();
    assert!(matches!(error, Error::Expired { .. }), "{error:?}");
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 2));
    assert_eq!(grid.manager.of("ann").refusals, 2);
    grid.manager.reset();
    orders.get(&key(1)).await.unwrap();
    finish(grid, client).await;
}
