//! Dialogues with servers in memory, in virtual time.

mod failover;
mod fake;
mod renewal;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use druse_protocol::auth::{
    AuthInitialize, BoxFuture, CredentialRequest, Credentials, ProvidedCredentials, ProviderError,
};
use druse_protocol::message::feed::{
    ClientMarker, ClientReAuthenticate, Cqs, EntryEvent, EntryOperation, EventValue, FeedEventId, FeedMessage,
};
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::value::ValueRef;
use druse_protocol::message::version_tag::VersionTag;
use druse_protocol::time::Micros;

use self::fake::{FakeGrid, FakeServer, Heard};
use crate::client::{Client, ClientConfig};
use crate::feed::{FeedConfig, FeedState, Interest, RegionEvent, Subscription};
use crate::region::Region;
use crate::runtime::TokioClock;
use crate::value::ToValue;

/// Longer than anything here takes in virtual time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Hands out `t1`, `t2` and so on, after a while.
#[derive(Clone, Default)]
struct Tokens {
    calls: Arc<AtomicU64>,
    /// From which call on it refuses; 0 for never.
    refuses_from: u64,
}

impl Tokens {
    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl AuthInitialize for Tokens {
    fn credentials(&self, _: CredentialRequest) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        Box::pin(async {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(Duration::from_millis(30)).await;
            if self.refuses_from > 0 && call >= self.refuses_from {
                return Err(ProviderError::Denied { message: "no more".to_owned(), source: None });
            }
            Ok(ProvidedCredentials::new(Credentials::token(format!("t{call}"))))
        })
    }
}

/// A client of these servers.
fn client(grid: &FakeGrid, servers: &[&FakeServer], feeds: FeedConfig, provider: &Tokens) -> Client {
    let mut builder = Client::builder()
        .transport(grid.clone())
        .clock(Arc::new(TokioClock::starting_at(Micros::from_secs(1_000))))
        .config(ClientConfig { feeds, ..ClientConfig::default() })
        .auth_initialize(provider.clone());
    for server in servers {
        builder = builder.server(server.location.clone());
    }
    builder.build().unwrap()
}

fn serialized(value: &impl ToValue) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.put_object(&mut bytes);
    bytes
}

/// The change of `key` to `value`: the `sequence`-th event of a thread, and the `version`-th change of the entry.
fn push_update(server: &FakeServer, key: &str, value: i64, thread: i64, sequence: i64) {
    let (key, value) = (serialized(&key.to_owned()), serialized(&value));
    server.push(&FeedMessage::Entry(EntryEvent {
        operation: EntryOperation::Update,
        region: "/orders",
        key: KeyRef::from_canonical(&key),
        value: Some(EventValue::Whole(ValueRef::Object(&value))),
        callback: ValueRef::Null,
        tag: Some(VersionTag::new(u32::try_from(sequence).unwrap(), 1, 1)),
        interest: true,
        cqs: Cqs::default(),
        id: FeedEventId { member: b"writer", thread, sequence },
    }));
}

fn push_marker(server: &FakeServer, sequence: i64) {
    let id = FeedEventId { member: b"server", thread: 1, sequence };
    server.push(&FeedMessage::Marker(ClientMarker { id }));
}

fn push_invitation(server: &FakeServer, sequence: i64) {
    let id = FeedEventId { member: b"server", thread: 1, sequence };
    server.push(&FeedMessage::ReAuthenticate(ClientReAuthenticate { user: None, id }));
}

/// A subscription to everything, behind its snapshot.
async fn subscribed(client: &Client) -> Subscription<String, i64> {
    let orders: Region<String, i64> = client.region("orders");
    let mut stream = orders.subscribe(Interest::all_keys()).await.unwrap();
    loop {
        if matches!(next(&mut stream).await, RegionEvent::SnapshotComplete) {
            return stream;
        }
    }
}

async fn next(stream: &mut Subscription<String, i64>) -> RegionEvent<String, i64> {
    tokio::time::timeout(PATIENCE, stream.next())
        .await
        .expect("in time")
        .expect("goes on")
        .expect("can be read")
}

/// The next update.
async fn update(stream: &mut Subscription<String, i64>) -> (String, i64) {
    loop {
        match next(stream).await {
            RegionEvent::Updated { key, value } => return (key, value.unwrap()),
            RegionEvent::Feed(_) | RegionEvent::Snapshot { .. } | RegionEvent::SnapshotComplete => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The next state.
async fn state(stream: &mut Subscription<String, i64>) -> FeedState {
    loop {
        if let RegionEvent::Feed(state) = next(stream).await {
            return state;
        }
    }
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came about: {what}");
}

/// Lets everybody do what can be done without waiting for time to pass.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn logins(server: &FakeServer) -> Vec<String> {
    server.heard(|heard| match heard {
        Heard::Login { token, .. } => Some(token.clone()),
        _ => None,
    })
}

fn registrations(server: &FakeServer) -> usize {
    server.heard(|heard| matches!(heard, Heard::Register { .. }).then_some(())).len()
}

fn acked(server: &FakeServer) -> Vec<(i64, i64)> {
    server.heard(|heard| match heard {
        Heard::Acked { thread, sequence } => Some((*thread, *sequence)),
        _ => None,
    })
}
