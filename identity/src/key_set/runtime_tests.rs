use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use druse_protocol::auth::BoxFuture;
use druse_protocol::time::ManualClock;

use super::*;
use crate::key_set::Fetched;
use crate::mint::{Mint, SigningKey};

/// What the source does when it is asked.
#[derive(Clone)]
enum Deed {
    Bring(String),
    Fail,
    Panic,
    Hang,
}

struct Source {
    deed: Mutex<Deed>,
    calls: AtomicUsize,
}

impl Fetch for Arc<Source> {
    fn fetch(&self, _forced: bool) -> BoxFuture<'_, Result<Option<Fetched>, FetchError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let deed = self.deed.lock().clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            match deed {
                Deed::Bring(document) => Ok(Some(Fetched { document: document.into_bytes(), life: None })),
                Deed::Fail => Err(FetchError::Status(503)),
                Deed::Panic => panic!("a source with a bug"),
                Deed::Hang => std::future::pending().await,
            }
        })
    }

    fn source(&self) -> &str {
        "test"
    }
}

fn cache(deed: Deed) -> (Arc<KeySetCache>, Arc<Source>, Arc<ManualClock>) {
    let source = Arc::new(Source { deed: Mutex::new(deed), calls: AtomicUsize::new(0) });
    let clock = Arc::new(ManualClock::new(Micros::from_secs(1_000_000)));
    let cache = KeySetCache::new(Arc::clone(&source), Policy::network(), clock.clone());
    (Arc::new(cache), source, clock)
}

fn mint() -> Mint {
    Mint::new("iss", "aud", SigningKey::generate(Algorithm::EdDsa).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_herd_at_start_fetches_once() {
    let mint = mint();
    let (cache, source, _) = cache(Deed::Bring(mint.key_set()));
    let herd: Vec<_> = (0..64)
        .map(|_| {
            let (cache, id) = (Arc::clone(&cache), mint.key().id().to_owned());
            tokio::spawn(async move { cache.key(Algorithm::EdDsa, Some(&id)).await.map(|_| ()) })
        })
        .collect();
    for one in herd {
        assert_eq!(one.await.unwrap(), Ok(()));
    }
    assert_eq!(source.calls.load(Ordering::SeqCst), 1);
    assert_eq!(cache.current().unwrap().keys().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_or_a_panic_of_the_source_is_told_to_all_and_wedges_nothing() {
    for deed in [Deed::Fail, Deed::Panic, Deed::Bring("rubbish".into())] {
        let mint = mint();
        let (cache, source, clock) = cache(deed);
        let ask = || cache.key(Algorithm::EdDsa, Some(mint.key().id()));
        let (one, two) = tokio::join!(ask(), ask());
        assert_eq!(one.err(), Some(KeyError::Unavailable { wait_s: 1 }));
        assert_eq!(two.err(), Some(KeyError::Unavailable { wait_s: 1 }));
        assert_eq!(source.calls.load(Ordering::SeqCst), 1);
        *source.deed.lock() = Deed::Bring(mint.key_set());
        clock.advance(Duration::from_secs(1));
        assert!(ask().await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_does_not_stop_the_fetch() {
    let mint = mint();
    let (cache, source, _) = cache(Deed::Bring(mint.key_set()));
    let ask = cache.key(Algorithm::EdDsa, Some(mint.key().id()));
    assert!(tokio::time::timeout(Duration::from_millis(50), ask).await.is_err());
    assert!(cache.key(Algorithm::EdDsa, Some(mint.key().id())).await.is_ok());
    assert_eq!(source.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn forged_ids_wait_together_and_good_ones_do_not_wait() {
    let mint = mint();
    let (cache, source, _) = cache(Deed::Bring(mint.key_set()));
    let good = mint.key().id().to_owned();
    assert!(cache.key(Algorithm::EdDsa, Some(&good)).await.is_ok());
    let forged: Vec<_> = (0..64)
        .map(|number| {
            let cache = Arc::clone(&cache);
            tokio::spawn(
                async move { cache.key(Algorithm::EdDsa, Some(&format!("forged {number}"))).await.err() },
            )
        })
        .collect();
    tokio::task::yield_now().await;
    let before = tokio::time::Instant::now();
    assert!(cache.key(Algorithm::EdDsa, Some(&good)).await.is_ok());
    assert_eq!(tokio::time::Instant::now(), before);
    for one in forged {
        assert_eq!(one.await.unwrap(), Some(KeyError::Unknown));
    }
    assert_eq!(source.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn the_refetch_goes_on_behind_the_callers_back() {
    let (old, new) = (mint(), mint());
    let (cache, source, clock) = cache(Deed::Bring(old.key_set()));
    assert!(cache.key(Algorithm::EdDsa, Some(old.key().id())).await.is_ok());
    *source.deed.lock() = Deed::Bring(new.key_set());
    clock.advance(Duration::from_secs(240));
    assert!(cache.key(Algorithm::EdDsa, Some(old.key().id())).await.is_ok());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(source.calls.load(Ordering::SeqCst), 2);
    assert!(cache.key(Algorithm::EdDsa, Some(new.key().id())).await.is_ok());
    assert_eq!(source.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_cache_ends_its_fetch() {
    let (cache, source, _) = cache(Deed::Hang);
    let asked = tokio::time::timeout(Duration::from_secs(1), cache.key(Algorithm::EdDsa, None)).await;
    assert!(asked.is_err());
    assert_eq!(Arc::strong_count(&source), 2);
    drop(cache);
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&source), 1);
}
