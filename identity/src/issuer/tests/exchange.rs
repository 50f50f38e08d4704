//! One token for another.

use serde_json::Value;

use super::site::*;
use crate::issuer::IssuerConfig;
use crate::session::{EndReason, SessionId};
use crate::store::tests::Bench;
use hyper::StatusCode;
use hyper::header::AUTHORIZATION;

const EXCHANGE: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const KIND: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn exchange(site: &Site, pairs: &[(&str, &str)]) -> hyper::Response<Value> {
    let mut all = vec![EXCHANGE, ("subject_token_type", KIND)];
    all.extend_from_slice(pairs);
    let response = site.post("/token", "app", &all).await;
    let mut answer = hyper::Response::new(json(&response));
    *answer.status_mut() = response.status;
    answer
}

fn code(response: &hyper::Response<Value>) -> &str {
    text(response.body(), "error")
}

async fn switched_on(bench: &Bench) -> Site {
    Site::with(bench, IssuerConfig { impersonation: true, ..IssuerConfig::new(ISSUER) }).await
}

pub(super) async fn a_token_is_exchanged_for_a_narrower_one(bench: Bench) {
    let site = Site::new(&bench).await;
    let tokens = site.tokens("cli", "ann", "openid grid:data:*:orders").await;
    let shown = ("subject_token", text(&tokens, "access_token"));
    let wish = ("scope", "grid:data:read:orders");
    let response = exchange(&site, &[shown, wish, ("audience", "other")]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response.body(), "issued_token_type"), KIND);
    let access = claims(text(response.body(), "access_token"));
    assert_eq!(
        (text(&access, "sub"), text(&access, "client_id"), text(&access, "aud")),
        ("ann", "app", "other")
    );
    assert_eq!(text(&access, "scope"), "grid:data:read:orders");
    assert!(access.get("act").is_none() && response.body().get("refresh_token").is_none());
    let wide = exchange(&site, &[shown, ("scope", "grid:data:read:bills")]).await;
    assert_eq!(code(&wide), "invalid_scope");
    site.clock.advance(std::time::Duration::from_secs(200));
    let later = exchange(&site, &[shown]).await;
    assert_eq!(later.body()["expires_in"], 100, "no longer than the token that was shown");
}

pub(super) async fn acting_for_somebody_is_off_unless_switched_on(bench: Bench) {
    let site = Site::new(&bench).await;
    let ann = site.tokens("app", "ann", "openid").await;
    let bob = site.tokens("app", "bob", "openid identity:impersonate:ann").await;
    let pairs = [
        ("subject_token", text(&ann, "access_token")),
        ("actor_token", text(&bob, "access_token")),
        ("actor_token_type", KIND),
    ];
    let refused = exchange(&site, &pairs).await;
    assert_eq!(
        (code(&refused), text(refused.body(), "error_description")),
        ("invalid_request", "acting for others is switched off")
    );
}

pub(super) async fn whoever_may_acts_for_somebody_and_it_can_be_seen(bench: Bench) {
    let site = switched_on(&bench).await;
    let ann = site.tokens("app", "ann", "openid grid:data:*:orders").await;
    let bob = site.tokens("app", "bob", "openid identity:impersonate:ann").await;
    let plain = site.tokens("app", "bob", "openid").await;
    let pairs = |subject, actor| {
        [
            ("subject_token", text(subject, "access_token")),
            ("actor_token", text(actor, "access_token")),
            ("actor_token_type", KIND),
        ]
    };
    assert_eq!(
        code(&exchange(&site, &pairs(&ann, &plain)).await),
        "invalid_request",
        "without the right in scope"
    );
    assert_eq!(code(&exchange(&site, &pairs(&bob, &ann)).await), "invalid_request", "nor the other way");
    let response = exchange(&site, &pairs(&ann, &bob)).await;
    let token = text(response.body(), "access_token");
    let access = claims(token);
    assert_eq!((text(&access, "sub"), text(&access["act"], "sub")), ("ann", "bob"));
    assert_eq!(text(&access, "scope"), "grid:data:*:orders");
    assert!(site.is_active(token).await);
    let history = bench.store.history("subject/ann", 0).await.unwrap();
    let seen = history.last().unwrap();
    assert_eq!((seen.kind.as_str(), seen.actor.as_str()), ("impersonated", "bob"));
    assert!(seen.body.contains(text(&access, "sid")), "{}", seen.body);
    // What was made by acting for somebody gives no right to act for more.
    let own = [("subject_token", token), ("actor_token", token), ("actor_token_type", KIND)];
    let nested = exchange(&site, &own).await;
    assert_eq!(claims(text(nested.body(), "access_token"))["act"]["sub"], "bob");
}

pub(super) async fn what_is_exchanged_ends_with_what_it_came_from(bench: Bench) {
    let site = switched_on(&bench).await;
    let ann = site.tokens("app", "ann", "openid grid:data:*:orders").await;
    let bob = site.tokens("app", "bob", "openid identity:impersonate:ann").await;
    let acting = exchange(
        &site,
        &[
            ("subject_token", text(&ann, "access_token")),
            ("actor_token", text(&bob, "access_token")),
            ("actor_token_type", KIND),
        ],
    )
    .await;
    let acting = text(acting.body(), "access_token").to_owned();
    let narrow = exchange(&site, &[("subject_token", acting.as_str())]).await;
    let narrow = text(narrow.body(), "access_token").to_owned();
    let sid = SessionId::parse(text(&claims(text(&bob, "access_token")), "sid")).unwrap();
    site.issuer.sessions().end(sid, EndReason::Logout, "bob").await.unwrap();
    assert!(!site.is_active(&acting).await && !site.is_active(&narrow).await);
    assert!(site.is_active(text(&ann, "access_token")).await);
}

pub(super) async fn exchanges_that_make_no_sense_are_refused(bench: Bench) {
    let site = switched_on(&bench).await;
    let tokens = site.tokens("app", "ann", "openid offline_access").await;
    let shown = ("subject_token", text(&tokens, "access_token"));
    for pairs in [
        vec![],
        vec![("subject_token", "x")],
        vec![("subject_token", text(&tokens, "id_token"))],
        vec![("subject_token", text(&tokens, "refresh_token"))],
        vec![shown, ("actor_token", "x")],
        vec![shown, ("actor_token", "x"), ("actor_token_type", KIND)],
        vec![shown, ("actor_token_type", KIND)],
        vec![shown, ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")],
    ] {
        assert_eq!(code(&exchange(&site, &pairs).await), "invalid_request", "{pairs:?}");
    }
    assert_eq!(code(&exchange(&site, &[shown, ("audience", "nowhere")]).await), "invalid_target");
    let untyped = site.post("/token", "app", &[EXCHANGE, shown]).await;
    assert_eq!(error(&untyped), (400, "invalid_request".into()));
    assert_eq!(error(&site.post("/token", "cli", &[EXCHANGE]).await), (400, "unauthorized_client".into()));
    let mut headers = form_headers();
    headers.insert(AUTHORIZATION, basic("app", site.secret("app")));
    assert_eq!(site.post("/revoke", "app", &[("token", shown.1)]).await.status, StatusCode::OK);
    assert_eq!(code(&exchange(&site, &[shown]).await), "invalid_request", "it was given back");
}
