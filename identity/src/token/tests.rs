use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::auth::{
    AuthError, BoxFuture, Credentials, KeyScope, Peer, Principal as _, ReadingValue, ResourcePermission,
    Revocation, RevocationScope, RevocationSink, SecurityManager as _,
};
use druse_protocol::time::{Clock as _, ManualClock, Micros};
use parking_lot::Mutex;
use proptest::prelude::*;
use ring::digest::{SHA256, digest};
use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::grid::GridPrincipal;
use crate::key_set::{Fetch, FetchError, Fetched, KeyError, KeySetCache, Policy};
use crate::mint::{AccessToken, Mint, SigningKey};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "grid";
/// 2026-01-01, a whole second.
const NOW: Micros = Micros(1_767_225_600_000_000);

struct Source {
    document: Mutex<Option<String>>,
    calls: AtomicUsize,
}

impl Fetch for Arc<Source> {
    fn fetch(&self, _forced: bool) -> BoxFuture<'_, Result<Option<Fetched>, FetchError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let document = self.document.lock().clone();
        Box::pin(async move {
            let document = document.ok_or(FetchError::Status(503))?.into_bytes();
            Ok(Some(Fetched { document, life: None }))
        })
    }

    fn source(&self) -> &str {
        "test"
    }
}

/// A manager, its issuer, its clock and its source of keys.
struct Bench {
    mint: Mint,
    /// A second key of the issuer, for another algorithm.
    other: SigningKey,
    clock: Arc<ManualClock>,
    source: Arc<Source>,
    manager: TokenSecurityManager,
}

fn key_set(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.public_jwk()).collect::<Vec<_>>() }).to_string()
}

impl Bench {
    fn new() -> Self {
        Self::with(TokenConfig::new(ISSUER, AUDIENCE))
    }

    fn own() -> Self {
        Self::with(TokenConfig { profile: Profile::Own, ..TokenConfig::new(ISSUER, AUDIENCE) })
    }

    fn with(config: TokenConfig) -> Self {
        let mint = Mint::generate(ISSUER, AUDIENCE).unwrap();
        let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let document = Mutex::new(Some(key_set(&[mint.key(), &other])));
        let source = Arc::new(Source { document, calls: AtomicUsize::new(0) });
        let clock = Arc::new(ManualClock::new(NOW));
        let keys = KeySetCache::new(Arc::clone(&source), Policy::network(), clock.clone());
        let manager = TokenSecurityManager::new(config, keys, clock.clone());
        Self { mint, other, clock, source, manager }
    }

    fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.mint.key().id() })
    }

    fn sign(&self, header: &Value, payload: &Value) -> String {
        self.mint.key().sign_parts(header, payload.to_string().as_bytes()).unwrap()
    }

    async fn verify(&self, token: &str) -> Result<String, TokenError> {
        self.manager.verify(token, &Peer::default()).await.map(|principal| principal.name().to_owned())
    }

    /// With one header member changed.
    async fn verify_header(&self, member: &str, value: Value) -> Result<String, TokenError> {
        self.verify(&self.sign(&changed(self.header(), member, value), &payload())).await
    }

    /// With one claim changed.
    async fn verify_claim(&self, claim: &str, value: Value) -> Result<String, TokenError> {
        self.verify(&self.sign(&self.header(), &changed(payload(), claim, value))).await
    }
}

/// Everything that any profile asks for.
fn payload() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": 1_767_225_605, "iat": 1_767_225_600,
        "jti": "1", "client_id": "app", "scope": "openid grid:data:read:orders" })
}

/// `Null` takes the member away.
fn changed(mut object: Value, member: &str, value: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(member);
    } else {
        members.insert(member.to_owned(), value);
    }
    object
}

fn ok() -> Result<String, TokenError> {
    Ok("ann".to_owned())
}

#[tokio::test]
async fn a_good_token_is_good_for_both_profiles() {
    for bench in [Bench::new(), Bench::own()] {
        assert_eq!(bench.verify(&bench.sign(&bench.header(), &payload())).await, ok());
        let minted = AccessToken::new("ann", Micros(NOW.0 + 1_500_000)).issued_at(NOW);
        assert_eq!(bench.verify(&bench.mint.mint(&minted).unwrap()).await, ok());
    }
}

#[tokio::test]
async fn step_1_shape() {
    let bench = Bench::new();
    let good = bench.sign(&bench.header(), &payload());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let shapes = [
        "",
        ".",
        "..",
        "...",
        header,
        signed,
        &format!("{good}.x"),
        &format!("{good}."),
        "a..b",
        ".a.b",
        "a.b.",
    ];
    for token in shapes {
        assert_eq!(bench.verify(token).await, Err(TokenError::Shape), "{token}");
    }
    assert_eq!(bench.verify(&"x".repeat(MAX_TOKEN_BYTES + 1)).await, Err(TokenError::TooLarge));
    let long = bench.verify_header("pad", json!("x".repeat(1024))).await;
    assert_eq!(long, Err(TokenError::HeaderTooLarge));
    let huge = bench.verify_header("pad", json!("x".repeat(4096))).await;
    assert_eq!(huge, Err(TokenError::HeaderTooLarge));
    let twice = r#"{"alg":"ES256","alg":"ES256"}"#;
    for bad in [
        "!",
        "e30=",
        &URL_SAFE_NO_PAD.encode("[]"),
        &URL_SAFE_NO_PAD.encode(twice),
        &URL_SAFE_NO_PAD.encode("\u{7f}"),
    ] {
        assert_eq!(
            bench.verify(&format!("{bad}.{claims}.{signature}")).await,
            Err(TokenError::Header),
            "{bad}"
        );
    }
    for member in ["crit", "jku", "jwk", "x5u", "x5c", "b64", "zip"] {
        let verified = bench.verify_header(member, json!(["x"])).await;
        assert_eq!(verified, Err(TokenError::HeaderMember(member)));
    }
    assert_eq!(bench.source.calls.load(Ordering::SeqCst), 0, "no key is fetched for rubbish");
}

#[tokio::test]
async fn step_2_type() {
    let (foreign, own) = (Bench::new(), Bench::own());
    for (typ, foreign_too, own_too) in [
        (json!("at+jwt"), true, true),
        (json!("application/at+jwt"), true, true),
        (json!("AT+JWT"), true, true),
        (json!("JWT"), true, false),
        (Value::Null, true, false),
        (json!("logout+jwt"), false, false),
        (json!("dpop+jwt"), false, false),
        (json!(""), false, false),
    ] {
        for (bench, accepted) in [(&foreign, foreign_too), (&own, own_too)] {
            let expected = if accepted { ok() } else { Err(TokenError::Type) };
            assert_eq!(bench.verify_header("typ", typ.clone()).await, expected, "{typ}");
        }
    }
    assert_eq!(foreign.verify_header("typ", json!(1)).await, Err(TokenError::Header));
    for claim in ["at_hash", "c_hash", "events"] {
        assert_eq!(
            foreign.verify_claim(claim, json!("x")).await,
            Err(TokenError::Type),
            "an ID or logout token"
        );
    }
}

#[tokio::test]
async fn step_3_algorithm() {
    let bench = Bench::new();
    for alg in
        [json!("none"), json!("None"), json!("HS256"), json!("HS512"), json!("es256"), json!(""), Value::Null]
    {
        assert_eq!(bench.verify_header("alg", alg.clone()).await, Err(TokenError::Algorithm), "{alg}");
    }
    // `none` in its classic form: no signature at all.
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let unsigned = format!("{header}.{}.AA", URL_SAFE_NO_PAD.encode(payload().to_string()));
    assert_eq!(bench.verify(&unsigned).await, Err(TokenError::Algorithm));
    // HMAC with the public key as its secret.
    let header = changed(bench.header(), "alg", json!("HS256"));
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload().to_string()));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, bench.mint.key_set().as_bytes());
    let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&secret, signed.as_bytes()));
    assert_eq!(bench.verify(&format!("{signed}.{tag}")).await, Err(TokenError::Algorithm));
    // Allowed in general, and not by this configuration.
    let strict = TokenConfig { algorithms: vec![Algorithm::Rs256], ..TokenConfig::new(ISSUER, AUDIENCE) };
    let strict = Bench::with(strict);
    assert_eq!(strict.verify(&strict.sign(&strict.header(), &payload())).await, Err(TokenError::Algorithm));
}

#[tokio::test]
async fn steps_3_and_4_key() {
    let bench = Bench::new();
    let confused = bench.verify_header("kid", json!(bench.other.id())).await;
    assert_eq!(confused, Err(TokenError::Key(KeyError::OtherAlgorithm)));
    // The header follows the foreign key's algorithm, the signature is still made with ours.
    let mut header = changed(bench.header(), "kid", json!(bench.other.id()));
    header["alg"] = json!("EdDSA");
    assert_eq!(bench.verify(&bench.sign(&header, &payload())).await, Err(TokenError::Signature));
    assert_eq!(bench.verify_header("kid", Value::Null).await, ok(), "one key serves ES256");
    let unknown = bench.verify_header("kid", json!("nobody")).await;
    assert_eq!(unknown, Err(TokenError::Key(KeyError::Unknown)));
    assert_eq!(bench.source.calls.load(Ordering::SeqCst), 2);
    let two = SigningKey::generate(Algorithm::Es256).unwrap();
    *bench.source.document.lock() = Some(key_set(&[bench.mint.key(), &two]));
    bench.clock.advance(Duration::from_secs(10));
    let header = json!({ "alg": "ES256", "kid": two.id() });
    let late = changed(payload(), "exp", json!(1_767_225_700));
    let rotated = two.sign_parts(&header, late.to_string().as_bytes()).unwrap();
    assert_eq!(bench.verify(&rotated).await, ok(), "a new key is fetched when it is met");
    let nameless = bench.sign(&json!({ "alg": "ES256" }), &late);
    assert_eq!(bench.verify(&nameless).await, Err(TokenError::Key(KeyError::Ambiguous)));
}

#[tokio::test]
async fn step_4_no_keys_is_nobody_s_fault() {
    let bench = Bench::new();
    *bench.source.document.lock() = None;
    let credentials = Credentials::token(bench.sign(&bench.header(), &payload()));
    let refused = bench.manager.authenticate(&credentials, &Peer::default()).await.unwrap_err();
    assert!(matches!(refused, AuthError::Unavailable(_)), "{refused:?}");
}

#[tokio::test]
async fn step_5_signature() {
    let bench = Bench::new();
    let good = bench.sign(&bench.header(), &payload());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let forged = stranger.sign_parts(&bench.header(), payload().to_string().as_bytes()).unwrap();
    assert_eq!(bench.verify(&forged).await, Err(TokenError::Signature));
    let (header, _) = signed.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(changed(payload(), "sub", json!("bob")).to_string());
    assert_eq!(bench.verify(&format!("{header}.{other}.{signature}")).await, Err(TokenError::Signature));
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    for bad in ["AA", "!!", &signature[1..], &format!("{signature}=="), &zeros, &format!("{signature}AA")] {
        assert_eq!(bench.verify(&format!("{signed}.{bad}")).await, Err(TokenError::Signature), "{bad}");
    }
    let strange = bench.mint.key().sign_parts(&bench.header(), br#"{"sub":"ann","sub":"bob"}"#).unwrap();
    assert_eq!(bench.verify(&strange).await, Err(TokenError::Payload));
}

#[tokio::test]
async fn step_6_issuer_audience_and_times() {
    let bench = Bench::new();
    let exp = 1_767_225_605_i64;
    let now = NOW.0 / 1_000_000;
    for (claim, value, expected) in [
        ("iss", json!("https://issuer.example/"), Err(TokenError::Issuer)),
        ("iss", json!("HTTPS://issuer.example"), Err(TokenError::Issuer)),
        ("iss", Value::Null, Err(TokenError::Missing("iss"))),
        ("iss", json!([ISSUER]), Err(TokenError::Claim("iss"))),
        ("aud", json!(["other", AUDIENCE]), ok()),
        ("aud", json!(["other"]), Err(TokenError::Audience)),
        ("aud", json!([]), Err(TokenError::Audience)),
        ("aud", json!("grid2"), Err(TokenError::Audience)),
        ("aud", Value::Null, Err(TokenError::Missing("aud"))),
        ("aud", json!([1]), Err(TokenError::Claim("aud"))),
        ("nbf", json!(now + 30), ok()),
        ("nbf", json!(now as f64 + 30.001), Err(TokenError::Early("nbf"))),
        ("nbf", json!("soon"), Err(TokenError::Claim("nbf"))),
        ("iat", json!(now + 30), ok()),
        ("iat", json!(now + 31), Err(TokenError::Early("iat"))),
        ("iat", Value::Null, ok()),
        ("exp", Value::Null, Err(TokenError::Missing("exp"))),
        ("exp", json!(now), Err(TokenError::Expired(NOW))),
        ("exp", json!(now - 1), Err(TokenError::Expired(Micros(NOW.0 - 1_000_000)))),
        ("exp", json!(0), Err(TokenError::Expired(Micros(0)))),
        ("exp", json!(-1), Err(TokenError::Claim("exp"))),
        ("exp", json!(exp.to_string()), Err(TokenError::Claim("exp"))),
        ("exp", json!(exp * 1000), Err(TokenError::Claim("exp"))),
        ("exp", json!(1e300), Err(TokenError::Claim("exp"))),
        ("exp", json!(true), Err(TokenError::Claim("exp"))),
        ("exp", json!([exp]), Err(TokenError::Claim("exp"))),
        ("exp", json!(now as f64 + 0.001), ok()),
    ] {
        assert_eq!(bench.verify_claim(claim, value.clone()).await, expected, "{claim} {value}");
    }
    // Another audience is said before expiry is: expiry would invite the client to fetch another token.
    let both = changed(changed(payload(), "aud", json!("other")), "exp", json!(0));
    assert_eq!(bench.verify(&bench.sign(&bench.header(), &both)).await, Err(TokenError::Audience));
}

#[tokio::test]
async fn a_fractional_exp_is_honoured_to_the_microsecond() {
    for (raw, ends_at) in [
        ("1767225600.123", NOW.0 + 123_000),
        ("1767225600.1239999", NOW.0 + 123_999),
        ("1767225601.000001", NOW.0 + 1_000_001),
        ("1.767225600123E9", NOW.0 + 123_000),
        ("1767225602", NOW.0 + 2_000_000),
    ] {
        let bench = Bench::new();
        let payload = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"ann","exp":{raw}}}"#);
        let token = bench.mint.key().sign_parts(&bench.header(), payload.as_bytes()).unwrap();
        let principal = bench.manager.verify(&token, &Peer::default()).await.unwrap();
        assert_eq!(principal.ends_at(), Micros(ends_at), "{raw}");
        bench.clock.set(Micros(ends_at - 1));
        assert!(bench.verify(&token).await.is_ok(), "{raw}");
        bench.clock.set(Micros(ends_at));
        assert_eq!(bench.verify(&token).await, Err(TokenError::Expired(Micros(ends_at))), "{raw}");
    }
}

#[tokio::test]
async fn step_7_what_must_be_there() {
    let (foreign, own) = (Bench::new(), Bench::own());
    for bench in [&foreign, &own] {
        assert_eq!(bench.verify_claim("sub", Value::Null).await, Err(TokenError::Missing("sub")));
        assert_eq!(bench.verify_claim("sub", json!("")).await, Err(TokenError::Missing("sub")));
        assert_eq!(bench.verify_claim("sub", json!(7)).await, Err(TokenError::Claim("sub")));
        assert_eq!(bench.verify_claim("sub", json!("ann\nbob")).await, Err(TokenError::Claim("sub")));
        assert_eq!(bench.verify_claim("sub", json!("a".repeat(256))).await, Err(TokenError::Claim("sub")));
    }
    assert_eq!(foreign.verify_claim("jti", Value::Null).await, ok());
    assert_eq!(foreign.verify_claim("client_id", Value::Null).await, ok());
    assert_eq!(own.verify_claim("jti", Value::Null).await, Err(TokenError::Missing("jti")));
    assert_eq!(own.verify_claim("client_id", Value::Null).await, Err(TokenError::Missing("client_id")));
    let azp = changed(changed(payload(), "client_id", Value::Null), "azp", json!("app"));
    let token = own.sign(&own.header(), &azp);
    let principal = own.manager.verify(&token, &Peer::default()).await.unwrap();
    assert_eq!(principal.client(), Some("app"));
}

#[tokio::test]
async fn step_8_binding_is_checked_on_every_connection() {
    let bench = Bench::new();
    let certificate: Arc<[u8]> = Arc::from(&b"a certificate"[..]);
    let print = URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate));
    let bound = changed(payload(), "cnf", json!({ "x5t#S256": print }));
    let token = bench.sign(&bench.header(), &bound);
    let peer = |certificate: &Arc<[u8]>| Peer { certificate: Some(certificate.clone()), ..Peer::default() };
    assert!(bench.manager.verify(&token, &peer(&certificate)).await.is_ok());
    let other = peer(&Arc::from(&b"another certificate"[..]));
    assert_eq!(bench.manager.verify(&token, &other).await.err(), Some(TokenError::Binding));
    assert_eq!(bench.verify(&token).await, Err(TokenError::Binding));
    assert_eq!(bench.manager.remembered(), 1);
    for (cnf, expected) in [
        (json!({}), TokenError::BindingKind),
        (json!({ "jkt": "x" }), TokenError::BindingKind),
        (json!({ "x5t#S256": "short" }), TokenError::Claim("cnf")),
        (json!({ "x5t#S256": 1 }), TokenError::Claim("cnf")),
        (json!("x"), TokenError::Claim("cnf")),
    ] {
        assert_eq!(bench.verify_claim("cnf", cnf.clone()).await, Err(expected), "{cnf}");
    }
}

#[derive(Default)]
struct Sink(Mutex<Vec<Revocation>>);

impl RevocationSink for Sink {
    fn revoke(&self, revocation: &Revocation) {
        self.0.lock().push(revocation.clone());
    }
}

#[tokio::test]
async fn step_9_who_was_signed_out_needs_a_newer_token() {
    let bench = Bench::new();
    let sink = Arc::new(Sink::default());
    bench.manager.watch_revocations(sink.clone());
    let token = bench.sign(&bench.header(), &payload());
    let principal = bench.manager.verify(&token, &Peer::default()).await.unwrap();
    let revocation = Revocation {
        scope: RevocationScope::Principal("ann".into()),
        before: Micros(NOW.0 + 700_000),
        reason: "stolen laptop".into(),
    };
    bench.clock.advance(Duration::from_millis(700));
    bench.manager.revoke(&revocation);
    assert_eq!(*sink.0.lock(), [revocation]);
    let wanted = ResourcePermission::read("orders", KeyScope::Region);
    let now = bench.clock.now();
    assert!(matches!(bench.manager.authorize(&*principal, &wanted, now), Err(AuthError::Expired(_))));
    assert_eq!(bench.verify(&token).await, Err(TokenError::Ended));
    assert_eq!(bench.verify_claim("iat", Value::Null).await, Err(TokenError::Ended));
    assert_eq!(bench.verify_claim("sub", json!("bob")).await, Ok("bob".into()));
    assert_eq!(bench.verify_claim("iat", json!(1_767_225_601)).await, ok());
}

#[tokio::test]
async fn step_9_a_session_that_was_signed_out_takes_no_other_with_it() {
    let bench = Bench::new();
    let session = |name: &str| changed(payload(), "sid", json!(name));
    let (here, there) = (session("here"), session("there"));
    let (here, there) = (bench.sign(&bench.header(), &here), bench.sign(&bench.header(), &there));
    let mut principals = Vec::new();
    for token in [&here, &there] {
        principals.push(bench.manager.verify(token, &Peer::default()).await.unwrap());
    }
    let scope = RevocationScope::Session("here".into());
    let before = Micros(NOW.0 + 700_000);
    bench.clock.advance(Duration::from_millis(700));
    bench.manager.revoke(&Revocation { scope, before, reason: "signed out".into() });
    let wanted = ResourcePermission::read("orders", KeyScope::Region);
    let over = |principal: &GridPrincipal| {
        matches!(bench.manager.authorize(principal, &wanted, bench.clock.now()), Err(AuthError::Expired(_)))
    };
    assert!(over(&principals[0]) && !over(&principals[1]));
    assert_eq!(bench.verify(&here).await, Err(TokenError::Ended));
    assert_eq!(bench.verify(&there).await, ok());
}

#[tokio::test]
async fn step_10_rights_come_from_the_first_claim_that_has_any() {
    let bench = Bench::new();
    let read = |region| ResourcePermission::read(region, KeyScope::Region);
    for (claims, orders, stock) in [
        (json!({}), false, false),
        (json!({ "scope": "openid grid:data:read:orders" }), true, false),
        (json!({ "scope": "openid", "scp": "grid:data:read:orders" }), true, false),
        (json!({ "scp": ["openid", "grid:data:read:orders"] }), true, false),
        (json!({ "scope": "openid", "scp": [], "entitlements": ["grid:data:read:stock"] }), false, true),
        (json!({ "scope": "grid:data:read:orders", "entitlements": ["grid:data:read:stock"] }), true, false),
        // A mistake in what was delegated does not fall back to all that the owner has.
        (json!({ "scope": "grid:data:reed:orders", "entitlements": ["grid:data:read:stock"] }), false, false),
    ] {
        let mut all = changed(payload(), "scope", Value::Null);
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let token = bench.sign(&bench.header(), &all);
        let principal = bench.manager.verify(&token, &Peer::default()).await.unwrap();
        assert_eq!(principal.grants().allow(&read("orders")), orders, "{claims}");
        assert_eq!(principal.grants().allow(&read("stock")), stock, "{claims}");
    }
    assert_eq!(bench.verify_claim("scope", json!(7)).await, Err(TokenError::Claim("scope")));
    assert_eq!(bench.verify_claim("act", json!({})).await, Err(TokenError::Claim("act")));
    let acted = changed(payload(), "act", json!({ "sub": "helpdesk" }));
    let token = bench.sign(&bench.header(), &acted);
    let principal = bench.manager.verify(&token, &Peer::default()).await.unwrap();
    assert_eq!(principal.actor(), Some("helpdesk"));
}

#[tokio::test]
async fn a_storm_of_logins_with_one_token_verifies_once() {
    let bench = Bench::new();
    let token = bench.sign(&bench.header(), &payload());
    let credentials = Credentials::token(token);
    let peer = Peer::default();
    let one = bench.manager.authenticate(&credentials, &peer);
    let two = bench.manager.authenticate(&credentials, &peer);
    let (one, two) = tokio::join!(one, two);
    let three = bench.manager.authenticate(&credentials, &peer).await.unwrap();
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(Arc::ptr_eq(&one.principal, &two.principal) && Arc::ptr_eq(&one.principal, &three.principal));
    assert_eq!((one.issued_at, one.expires_at), (Some(NOW), Some(Micros(NOW.0 + 5_000_000))));
    assert_eq!(bench.source.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_remembered_token_goes_with_its_key() {
    let bench = Bench::new();
    let token = bench.sign(&bench.header(), &changed(payload(), "exp", json!(1_767_229_200)));
    assert_eq!(bench.verify(&token).await, ok());
    *bench.source.document.lock() = Some(key_set(&[&bench.other]));
    bench.clock.advance(Duration::from_secs(300));
    assert_eq!(bench.verify(&token).await, Err(TokenError::Key(KeyError::Unknown)));
}

#[tokio::test]
async fn one_login_lasts_an_hour_at_most() {
    let bench = Bench::new();
    let token = bench.sign(&bench.header(), &changed(payload(), "exp", json!(1_767_325_600)));
    let ends_at = |principal: Arc<GridPrincipal>| principal.ends_at();
    let first = bench.manager.verify(&token, &Peer::default()).await.map(ends_at);
    assert_eq!(first, Ok(Micros(NOW.0 + 3_600_000_000)));
    bench.clock.advance(Duration::from_secs(3_600));
    let second = bench.manager.verify(&token, &Peer::default()).await.map(ends_at);
    assert_eq!(second, Ok(Micros(NOW.0 + 7_200_000_000)));
}

#[tokio::test]
async fn what_is_remembered_is_bounded_and_forgotten() {
    let config = TokenConfig { cached_tokens: 4, ..TokenConfig::new(ISSUER, AUDIENCE) };
    let bench = Bench::with(config);
    for subject in 0..8 {
        assert!(bench.verify_claim("sub", json!(format!("user {subject}"))).await.is_ok());
    }
    assert_eq!(bench.manager.remembered(), 4);
    bench.clock.advance(Duration::from_secs(6));
    assert!(bench.verify_claim("exp", json!(1_767_225_700)).await.is_ok());
    assert_eq!(bench.manager.remembered(), 1);
}

#[tokio::test]
async fn credentials_without_a_token_are_refused() {
    let bench = Bench::new();
    let peer = Peer::default();
    let login = |credentials| {
        let (manager, peer) = (&bench.manager, &peer);
        async move { manager.authenticate(&credentials, peer).await.unwrap_err() }
    };
    assert!(matches!(login(Credentials::new()).await, AuthError::Required(_)));
    assert!(matches!(login(Credentials::token("")).await, AuthError::Failed(_)));
    assert!(matches!(login(Credentials::password("ann", "hunter2")).await, AuthError::Failed(_)));
    let expired = bench.sign(&bench.header(), &changed(payload(), "exp", json!(1)));
    assert!(matches!(login(Credentials::token(expired)).await, AuthError::Expired(_)));
}

#[tokio::test]
async fn nothing_shows_a_token() {
    let bench = Bench::new();
    let token = bench.sign(&bench.header(), &payload());
    let principal = bench.manager.verify(&token, &Peer::default()).await.unwrap();
    let shown = format!("{:?} {principal:?} {:?}", bench.manager, bench.mint);
    for part in token.split('.') {
        assert!(!shown.contains(part), "{shown}");
    }
    for refused in [
        bench.verify(&token.replace("..", ".")[1..]).await,
        bench.verify_claim("sub", json!("s3cret\n")).await,
        bench.verify_claim("aud", json!("s3cret")).await,
        bench.verify_header("kid", json!("s3cret")).await,
    ] {
        assert!(!AuthError::from(refused.unwrap_err()).to_string().contains("s3cret"));
    }
}

proptest! {
    /// Whatever the bytes, there is an answer.
    #[test]
    fn any_text_is_survived(text in "[A-Za-z0-9_.{}\":,=-]{0,200}") {
        let _ = Jwt::parse(&text, Profile::Foreign, &Algorithm::ALL);
        let _ = claims::Claims::check(text.as_bytes(), &TokenConfig::new(ISSUER, AUDIENCE), NOW);
    }

    /// The same with what looks like a header and claims.
    #[test]
    fn any_members_are_survived(
        members in prop::collection::btree_map("alg|typ|kid|iss|aud|sub|exp|iat|nbf|cnf|act|scope|scp|entitlements",
            "null|1|-1e9|\"x\"|\\[\\]|\\[1,\"x\"\\]|\\{\\}|true|1e999999", 0..8),
    ) {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let object = format!("{{{}}}", members.join(","));
        let _ = claims::Claims::check(object.as_bytes(), &TokenConfig::new(ISSUER, AUDIENCE), NOW);
        let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(object));
        let _ = Jwt::parse(&token, Profile::Foreign, &Algorithm::ALL);
    }
}

#[tokio::test]
async fn the_state_of_the_key_set_can_be_read() {
    let bench = Bench::new();
    let read = |name: &str| {
        bench.manager.readings().into_iter().find(|reading| reading.name == name).map(|reading| reading.value)
    };
    assert_eq!(read("key_set_fetches"), Some(ReadingValue::Count(0)));
    assert_eq!(read("key_set_age_seconds"), None, "never fetched");
    assert_eq!(bench.verify(&bench.sign(&bench.header(), &payload())).await, ok());
    assert_eq!(read("key_set_fetches"), Some(ReadingValue::Count(1)));
    assert_eq!(read("key_set_keys"), Some(ReadingValue::Level(2.0)));

    *bench.source.document.lock() = None;
    bench.clock.advance(Policy::network().life);
    // Its owner's token is over by now; what counts is that the keys were looked for.
    bench.verify_header("kid", json!("another")).await.unwrap_err();
    assert_eq!(read("key_set_fetch_failures"), Some(ReadingValue::Count(1)));
    assert_eq!(read("key_set_stale"), Some(ReadingValue::Level(1.0)));
    assert_eq!(read("key_set_age_seconds"), Some(ReadingValue::Level(Policy::network().life.as_secs_f64())));
}
