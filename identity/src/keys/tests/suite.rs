//! Keys in a store.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::time::{ManualClock, Micros};
use serde_json::json;
use tokio::task::JoinSet;

use crate::key_set::{Algorithm, Fetch as _, KeySet};
use crate::keys::{KeyPolicy, KeyRecord, Keys, KeysError};
use crate::seal::Sealer;
use crate::store::tests::{Bench, NOW};
use crate::store::{Projection, SecretName, Store, StoreError};

const MASTER: &str = "k1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER: &str = "k1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn sealer(text: &str) -> Arc<Sealer> {
    Arc::new(Sealer::from_text(text).unwrap())
}

async fn keys(store: Store, clock: Arc<ManualClock>) -> Keys {
    Keys::load(store, sealer(MASTER), KeyPolicy::default(), clock).await.unwrap()
}

async fn begun(bench: &Bench) -> (Keys, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(NOW));
    let keys = keys(bench.store.clone(), Arc::clone(&clock)).await;
    keys.tend(None).await.unwrap();
    (keys, clock)
}

fn signer_id(keys: &Keys) -> String {
    keys.default_signer().expect("a key signs").id().to_owned()
}

fn published(keys: &Keys) -> Vec<String> {
    let set = KeySet::parse(keys.document().text().as_bytes()).unwrap();
    set.keys().map(|key| key.id().unwrap().to_owned()).collect()
}

pub(super) async fn keys_serve_after_a_restart(bench: Bench) {
    let clock = Arc::new(ManualClock::new(NOW));
    let first = keys(bench.store.clone(), Arc::clone(&clock)).await;
    assert!(first.default_signer().is_none());
    first.tend(None).await.unwrap();
    let second = keys(bench.another_store().await, clock).await;
    assert_eq!(signer_id(&second), signer_id(&first));
    assert_eq!(second.document(), first.document());
    let token = second.default_signer().unwrap().sign("at+jwt", &json!({ "sub": "ann" })).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    use base64::Engine as _;
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    let set = KeySet::parse(first.document().text().as_bytes()).unwrap();
    assert!(set.keys().next().unwrap().verify(Algorithm::Es256, input.as_bytes(), &signature));
}

pub(super) async fn the_private_half_is_sealed_and_goes_with_the_key(bench: Bench) {
    let (keys, _) = begun(&bench).await;
    let id = signer_id(&keys);
    let name = SecretName::new("key", &id, "private");
    assert!(bench.store.secret(&name, &sealer(MASTER)).await.unwrap().is_some());
    for event in bench.store.events_after(0).await.unwrap() {
        assert!(!event.body.contains("\"d\""), "a private half in the log: {}", event.kind);
    }
    keys.remove(&id, true, "operator:ann").await.unwrap();
    assert!(bench.store.secret(&name, &sealer(MASTER)).await.unwrap().is_none());
    let before = keys.list().await.unwrap();
    bench.store.rebuild(&[Projection::of::<KeyRecord>()]).await.unwrap();
    assert_eq!(keys.list().await.unwrap(), before);
}

pub(super) async fn without_the_master_key_nothing_signs(bench: Bench) {
    let (_, clock) = begun(&bench).await;
    let outcome = Keys::load(bench.store.clone(), sealer(OTHER), KeyPolicy::default(), clock).await;
    assert!(matches!(outcome, Err(KeysError::Store(StoreError::Corrupt(_)))), "{outcome:?}");
}

/// Each of them makes a key where there was none; the lease decides whose work counts.
pub(super) async fn of_several_processes_one_makes_the_key(bench: Bench) {
    let clock = Arc::new(ManualClock::new(NOW));
    let mut processes = JoinSet::new();
    for number in 0..4 {
        let (store, clock) = (bench.another_store().await, Arc::clone(&clock));
        processes.spawn(async move {
            let holder = format!("process {number}");
            let lease = store.take_lease("identity/keeper", &holder, Duration::from_secs(600)).await.unwrap();
            let keys = keys(store, clock).await;
            if let Some(lease) = lease {
                keys.tend(Some(&lease)).await.unwrap();
            }
            keys
        });
    }
    let all = processes.join_all().await;
    let mut signers = Vec::new();
    for keys in &all {
        keys.refresh().await.unwrap();
        signers.push(signer_id(keys));
    }
    signers.dedup();
    assert_eq!(signers.len(), 1);
    assert_eq!(all[0].list().await.unwrap().len(), 1);
}

pub(super) async fn a_keeper_that_lost_its_lease_writes_nothing(bench: Bench) {
    let keys = keys(bench.store.clone(), Arc::new(ManualClock::new(NOW))).await;
    let frozen = bench.store.take_lease("identity/keeper", "frozen", Duration::ZERO).await.unwrap().unwrap();
    bench.store.take_lease("identity/keeper", "next", Duration::from_secs(600)).await.unwrap().unwrap();
    let outcome = keys.tend(Some(&frozen)).await;
    assert!(matches!(outcome, Err(KeysError::Store(StoreError::LeaseLost))), "{outcome:?}");
    assert!(keys.list().await.unwrap().is_empty());
}

pub(super) async fn a_rotation_reaches_another_process(bench: Bench) {
    let (keeper, clock) = begun(&bench).await;
    let other = Arc::new(keys(bench.another_store().await, Arc::clone(&clock)).await);
    let (first, policy) = (signer_id(&keeper), KeyPolicy::default());
    clock.set(NOW + policy.period - policy.lead);
    keeper.tend(None).await.unwrap();
    let fetched = other.fetch(true).await.unwrap().expect("a document");
    assert_eq!(KeySet::parse(&fetched.document).unwrap().keys().len(), 2, "published before it signs");
    assert_eq!(signer_id(&other), first);
    clock.set(NOW + policy.period);
    keeper.tend(None).await.unwrap();
    other.refresh().await.unwrap();
    assert_ne!(signer_id(&other), first);
    assert!(published(&other).contains(&first), "what it has signed can still be verified");
}

pub(super) async fn a_compromised_key_leaves_the_document_and_another_signs(bench: Bench) {
    let (keys, _) = begun(&bench).await;
    let leaked = signer_id(&keys);
    let refused = keys.remove(&leaked, false, "operator:ann").await;
    assert!(matches!(refused, Err(KeysError::Refused(_))), "{refused:?}");
    keys.remove(&leaked, true, "operator:ann").await.unwrap();
    assert_ne!(signer_id(&keys), leaked);
    assert!(!published(&keys).contains(&leaked));
    let history = bench.store.history(&format!("key/{leaked}"), 0).await.unwrap();
    let last = history.last().unwrap();
    assert_eq!(
        (last.kind.as_str(), last.actor.as_str(), last.at),
        ("removed", "operator:ann", Micros(NOW.0))
    );
}

pub(super) async fn an_rsa_key_is_brought_along_and_signs(bench: Bench) {
    const RSA: &[u8] = include_bytes!("../../testdata/rsa2048.pk8");
    let policy = KeyPolicy { algorithms: vec![Algorithm::Rs256], ..KeyPolicy::default() };
    let clock = Arc::new(ManualClock::new(NOW));
    let keys = Keys::load(bench.store.clone(), sealer(MASTER), policy, clock).await.unwrap();
    keys.tend(None).await.unwrap();
    assert!(keys.default_signer().is_none());
    let id = keys.import(Algorithm::Rs256, RSA, "operator:ann").await.unwrap();
    keys.tend(None).await.unwrap();
    assert_eq!(signer_id(&keys), id);
    let again = keys.import(Algorithm::Rs256, RSA, "operator:ann").await;
    assert!(matches!(again, Err(KeysError::Store(StoreError::Conflict))), "{again:?}");
}
