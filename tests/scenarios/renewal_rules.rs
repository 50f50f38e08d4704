//! D3: what a renewal may be, and what it does to whatever is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use druse_client::{AttemptEvent, AttemptStage, Clock, Credentials, Micros, OperationListener};
use druse_identity::key_set::{FileSource, KeySetCache, Policy};
use druse_identity::mint::{AccessToken, Mint};
use druse_identity::token::{TokenConfig, TokenSecurityManager};
use druse_protocol::codec::MessageType;
use druse_protocol::message::credentials::{UserCredentials, UserCredentialsReply};
use druse_protocol::message::get::Get;
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::value::ValueRef;
use druse_protocol::time::ManualClock;
use druse_server::Node;
use druse_support::raw::{Raw, whole};
use druse_support::{Act, FaultProxy, Grid, Tokens, eventually};
use tempfile::NamedTempFile;

use crate::common::{connect, finish, get, herd, key};

const T0: Micros = Micros::from_secs(1_800_000_000);

/// A node that takes tokens of one mint, and a token of ann's that ends then.
async fn node_for_tokens(clock: &Arc<ManualClock>, end: Micros) -> (Node, NamedTempFile, String) {
    let mint = Mint::generate("https://issuer.example", "grid").unwrap();
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), mint.key_set()).unwrap();
    let keys = KeySetCache::new(FileSource::new(file.path()), Policy::file(), Arc::clone(clock) as _);
    let config = TokenConfig::new(mint.issuer(), mint.audience());
    let manager = Arc::new(TokenSecurityManager::new(config, keys, Arc::clone(clock) as _));
    let builder = Node::builder().bind([127, 0, 0, 1].into()).port(0).region("orders").clock(clock.clone());
    let node = builder.security(manager).start().await.unwrap();
    let token = AccessToken::new("ann", end).issued_at(clock.now()).scope("grid:data:read:orders");
    (node, file, mint.mint(&token).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_02_another_mechanism() {
    let clock = Arc::new(ManualClock::new(T0));
    let end = T0 + Duration::from_secs(10);
    let (node, _key_set, token) = node_for_tokens(&clock, end).await;
    let mut ann = Raw::logged_in(node.address(), "ann", &token).await;
    get(&mut ann).await.unwrap();
    let (id, password) = (ann.unique_id, Credentials::password("ann", "secret"));
    assert_eq!(ann.show(password).await.unwrap_err(), "AuthenticationFailedException");
    clock.set(Micros(end.0 - 1));
    get(&mut ann).await.expect("the login that there was lives to its own end");
    assert_eq!(ann.unique_id, id);
    clock.set(end);
    assert_eq!(get(&mut ann).await.unwrap_err(), "AuthenticationExpiredException");
    drop(ann);
    node.shutdown().await;
}

/// Counts the attempts of gets.
#[derive(Default)]
struct Gets(AtomicUsize);

impl OperationListener for Gets {
    fn attempt(&self, event: &AttemptEvent<'_>) {
        if event.operation == MessageType::Get && event.stage == AttemptStage::Started {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_06_a_reply_that_is_under_way_while_its_user_logs_in_again() {
    let grid = Grid::start().await;
    let proxy = FaultProxy::before(grid.address()).await;
    let attempts = Arc::new(Gets::default());
    let provider = Tokens::of("ann");
    let (client, orders) = connect(proxy.client().listener(attempts.clone()), &provider);
    orders.put(&key(1), &7).await.unwrap();
    // One connection is busy with more requests than are comfortable: another one is opened.
    proxy.fault(MessageType::Put, Act::DelayReply(Duration::from_millis(300)), 1);
    herd(100, |n| {
        let orders = orders.clone();
        async move { orders.put(&key(n + 10), &1).await.unwrap() }
    })
    .await;
    assert!(client.connections() > 1);
    let before = grid.manager.of("ann").permits;
    proxy.fault(MessageType::Get, Act::HoldReply, 1);
    let waiting = tokio::spawn({
        let orders = orders.clone();
        async move { orders.get(&key(1)).await }
    });
    eventually("the node has answered", || grid.manager.of("ann").permits > before).await;
    grid.manager.expire("ann");
    orders.put(&key(2), &1).await.unwrap();
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (2, 2), "logged in again meanwhile");
    assert!(!waiting.is_finished(), "the reply is still under way");
    proxy.release();
    assert_eq!(waiting.await.unwrap().unwrap(), Some(7), "and comes to the one who asked");
    assert_eq!(attempts.0.load(Ordering::SeqCst), 1, "at the first attempt");
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_06_what_is_sent_round_a_login_on_one_connection_is_answered_in_order() {
    let grid = Grid::start().await;
    let mut ann = Raw::logged_in(grid.address(), "ann", "ann:1").await;
    grid.manager.delay_login(Duration::from_millis(50));
    let mut bytes = Vec::new();
    let get = Get { region: "/orders", key: KeyRef::Text(b"k"), callback: ValueRef::Null };
    let login = UserCredentials { credentials: Some(Credentials::token("ann:2")) };
    get.encode(&mut bytes, &ann.envelope());
    login.encode(&mut bytes, &ann.envelope());
    get.encode(&mut bytes, &ann.envelope());
    ann.send(&bytes).await;
    for request in ["a get", "a login", "a get"] {
        let reply = ann.reply().await.unwrap();
        let message = whole(&reply);
        assert_eq!(message.kind(), Some(MessageType::Response), "{request}");
        assert_eq!(
            UserCredentialsReply::decode(&message).is_ok_and(|it| it.unique_id.is_some()),
            request == "a login"
        );
    }
    let tally = grid.manager.of("ann");
    assert_eq!((tally.permits_by_version.get(&1), tally.permits_by_version.get(&2)), (Some(&1), Some(&1)));
    drop(ann);
    grid.finish().await;
}
