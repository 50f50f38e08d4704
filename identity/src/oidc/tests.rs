//! Two issuers on one node.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{
    AuthError, BoxFuture, Credentials, KeyScope, Login, Peer, ReadingValue, ResourcePermission, Revocation,
    RevocationScope, SecurityManager as _,
};
use druse_protocol::time::{Clock as _, ManualClock, Micros};
use tokio::sync::mpsc;

use super::*;
use crate::ends::{Ends, EndsError, Place};
use crate::key_set::{Fetch, FetchError, Fetched, Policy};
use crate::mint::{AccessToken, Mint};

/// 2026-01-01, a whole second.
const NOW: Micros = Micros(1_767_225_600_000_000);
const OURS: &str = "https://id.example";
const THEIRS: &str = "https://login.corp.example";

struct Keys(String);

impl Fetch for Keys {
    fn fetch(&self, _forced: bool) -> BoxFuture<'_, Result<Option<Fetched>, FetchError>> {
        let document = self.0.clone().into_bytes();
        Box::pin(async { Ok(Some(Fetched { document, life: None })) })
    }

    fn source(&self) -> &str {
        "test"
    }
}

/// A feed that says what the test says.
struct Spoken(tokio::sync::Mutex<mpsc::UnboundedReceiver<Revocation>>);

impl EndsSource for Spoken {
    fn ends(&self, place: Place) -> BoxFuture<'_, Result<Ends, EndsError>> {
        Box::pin(async move {
            if matches!(place, Place::Within(_)) {
                return Ok(Ends { ends: vec![], position: 0, more: false });
            }
            let end = self.0.lock().await.recv().await.ok_or(EndsError::Interrupted)?;
            Ok(Ends { ends: vec![end], position: 1, more: false })
        })
    }

    fn name(&self) -> &str {
        "test"
    }
}

fn trusted(mint: &Mint, realm: Option<&str>, clock: &Arc<ManualClock>) -> TrustedIssuer {
    let mut config = TokenConfig::new(mint.issuer(), mint.audience());
    config.realm = realm.map(str::to_owned);
    let keys = KeySetCache::new(Keys(mint.key_set()), Policy::network(), clock.clone());
    TrustedIssuer { config, keys, feed: None }
}

struct Bench {
    ours: Mint,
    theirs: Mint,
    clock: Arc<ManualClock>,
    manager: OidcSecurityManager,
    /// What their issuer says is over.
    say: mpsc::UnboundedSender<Revocation>,
}

impl Bench {
    fn new() -> Self {
        let (ours, theirs) = (Mint::generate(OURS, "grid").unwrap(), Mint::generate(THEIRS, "grid").unwrap());
        let clock = Arc::new(ManualClock::new(NOW));
        let (say, said) = mpsc::unbounded_channel();
        let source = Arc::new(Spoken(tokio::sync::Mutex::new(said)));
        let feed = Some(TrustedFeed { source, when_blind: BlindPolicy::UntilExpiry });
        let issuers = vec![
            trusted(&ours, Some("us"), &clock),
            TrustedIssuer { feed, ..trusted(&theirs, Some("corp"), &clock) },
        ];
        let any: Arc<dyn Clock> = clock.clone();
        let manager = OidcSecurityManager::new(issuers, &any).unwrap();
        Self { ours, theirs, clock, manager, say }
    }

    fn token(&self, mint: &Mint) -> String {
        let token = AccessToken::new("ann", NOW + Duration::from_secs(300)).issued_at(NOW).client("app");
        let token = token.claim("sid", "s1".into()).scope("grid:data:read:orders");
        mint.mint(&token).unwrap()
    }

    async fn log_in(&self, token: &str) -> Result<Login, AuthError> {
        loop {
            match self.manager.authenticate(&Credentials::token(token), &Peer::default()).await {
                // The feed has not been read yet.
                Err(AuthError::Unavailable(_)) => tokio::task::yield_now().await,
                outcome => return outcome,
            }
        }
    }

    fn may_read(&self, login: &Login) -> Result<(), AuthError> {
        let wanted = ResourcePermission::read("orders", KeyScope::Region);
        self.manager.authorize(&*login.principal, &wanted, self.clock.now())
    }
}

#[tokio::test(start_paused = true)]
async fn equal_names_of_two_issuers_are_two_people() {
    let bench = Bench::new();
    let ours = bench.log_in(&bench.token(&bench.ours)).await.unwrap();
    let theirs = bench.log_in(&bench.token(&bench.theirs)).await.unwrap();
    assert_eq!((ours.principal.name(), theirs.principal.name()), ("us/ann", "corp/ann"));
    assert_eq!(theirs.principal.session(), Some("corp/s1"));
    assert_eq!(theirs.principal.client(), Some("corp/app"));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_ends_what_is_its_own_and_nothing_else() {
    for scope in [
        RevocationScope::Principal("ann".into()),
        RevocationScope::Session("s1".into()),
        RevocationScope::Client("app".into()),
    ] {
        let bench = Bench::new();
        let ours = bench.log_in(&bench.token(&bench.ours)).await.unwrap();
        let theirs = bench.log_in(&bench.token(&bench.theirs)).await.unwrap();
        let before = NOW + Duration::from_secs(1);
        bench.say.send(Revocation { scope: scope.clone(), before, reason: "logout".into() }).unwrap();
        while bench.may_read(&theirs).is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(matches!(bench.may_read(&theirs), Err(AuthError::Expired(_))), "{scope}");
        assert!(
            matches!(bench.log_in(&bench.token(&bench.theirs)).await, Err(AuthError::Failed(_))),
            "{scope}"
        );
        assert_eq!(bench.may_read(&ours), Ok(()), "{scope}");
        assert!(bench.log_in(&bench.token(&bench.ours)).await.is_ok(), "{scope}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_verified_by_the_keys_of_the_issuer_that_it_names() {
    let bench = Bench::new();
    let failed = async |token: &str| matches!(bench.log_in(token).await, Err(AuthError::Failed(_)));
    let stranger = Mint::generate("https://evil.example", "grid").unwrap();
    assert!(failed(&bench.token(&stranger)).await, "an issuer that nobody trusts");
    let forger = Mint::generate(OURS, "grid").unwrap();
    assert!(failed(&bench.token(&forger)).await, "our name, another's key");
    assert!(failed("no token at all").await);
    assert!(failed("a.b.c").await);
    assert!(failed(&"x".repeat(9_000)).await);
    let nothing = bench.manager.authenticate(&Credentials::new(), &Peer::default()).await;
    assert!(matches!(nothing, Err(AuthError::Required(_))));
    let password = Credentials::password("ann", "pw");
    let password = bench.manager.authenticate(&password, &Peer::default()).await;
    assert!(matches!(password, Err(AuthError::Failed(_))));
}

#[tokio::test]
async fn issuers_that_could_be_mixed_up_are_not_trusted_together() {
    let clock = Arc::new(ManualClock::new(NOW));
    let any: Arc<dyn Clock> = clock.clone();
    let (ours, theirs) = (Mint::generate(OURS, "grid").unwrap(), Mint::generate(THEIRS, "grid").unwrap());
    let refused = |issuers| OidcSecurityManager::new(issuers, &any).map(drop).unwrap_err();
    let named = |mint, realm| trusted(mint, realm, &clock);
    assert_eq!(refused(vec![]), TrustError::Nobody);
    let twice = vec![named(&ours, Some("a")), named(&ours, Some("b"))];
    assert_eq!(refused(twice), TrustError::Twice(OURS.into()));
    for (first, second, culprit) in [
        (Some("a"), Some("a"), THEIRS),
        (Some("a"), None, THEIRS),
        (None, Some("a"), OURS),
        (Some("a"), Some("b/c"), THEIRS),
        (Some("a"), Some(""), THEIRS),
    ] {
        let pair = vec![named(&ours, first), named(&theirs, second)];
        assert_eq!(refused(pair), TrustError::Realm(culprit.into()), "{first:?} {second:?}");
    }
    assert!(OidcSecurityManager::new(vec![named(&ours, None)], &any).is_ok());
}

#[tokio::test(start_paused = true)]
async fn it_tells_how_its_feeds_are() {
    let bench = Bench::new();
    bench.log_in(&bench.token(&bench.theirs)).await.unwrap();
    let reading = |name: &str| {
        let readings = bench.manager.readings();
        readings.iter().find(|reading| reading.name == name).map(|reading| reading.value)
    };
    assert_eq!(reading("ends_blind"), Some(ReadingValue::Level(0.0)));
    assert_eq!(reading("key_set_fetches"), Some(ReadingValue::Count(1)));
    bench.clock.advance(Duration::from_secs(31));
    assert_eq!(reading("ends_blind"), Some(ReadingValue::Level(1.0)));
}
