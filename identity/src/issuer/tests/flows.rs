//! What goes well, and what is done about what does not.

use std::time::Duration;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, IF_NONE_MATCH};
use hyper::{Method, StatusCode};

use super::site::*;
use crate::issuer::{AccountRecord, ClientRecord, CodeRecord, LoginRecord};
use crate::key_set::KeySet;
use crate::projections;
use crate::session::{Session, SessionPolicy};
use crate::store::tests::Bench;

pub(super) async fn the_metadata_names_only_addresses_that_answer(bench: Bench) {
    let site = Site::new(&bench).await;
    let metadata = json(&site.get("/.well-known/openid-configuration").await);
    assert_eq!(json(&site.get("/.well-known/oauth-authorization-server").await), metadata);
    assert_eq!(metadata["issuer"], ISSUER);
    let members = metadata.as_object().unwrap();
    let addresses = members.iter().filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
    let mut seen = 0;
    for (name, address) in addresses {
        let path = address.as_str().unwrap().strip_prefix(ISSUER).unwrap();
        let asked = site.ask(Method::POST, path, "", HeaderMap::new(), "").await;
        let got = site.get(path).await;
        assert!([asked, got].iter().any(|response| response.status != StatusCode::NOT_FOUND), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

pub(super) async fn the_keys_are_published_for_caches(bench: Bench) {
    let site = Site::new(&bench).await;
    let response = site.get("/keys").await;
    assert_eq!(KeySet::parse(&response.body).unwrap().keys().len(), 1);
    assert_eq!(response.headers["cache-control"], "public, max-age=300, must-revalidate");
    let mut headers = HeaderMap::new();
    headers.insert(IF_NONE_MATCH, response.headers["etag"].clone());
    let again = site.ask(Method::GET, "/keys", "", headers, "").await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
}

pub(super) async fn a_browser_logs_in_once_and_clients_get_tokens(bench: Bench) {
    let site = Site::new(&bench).await;
    let mut browser = Browser::new(&site);
    let request = authorization("app", "openid profile offline_access grid:*:*", &[]);
    let page = browser.get(&format!("/authorize?{request}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let back = browser.fill_in(&page, "ann", PASSWORD).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert_eq!(parameter(&back, "state").unwrap(), "st&te");
    assert_eq!(parameter(&back, "iss").unwrap(), ISSUER);
    let response = site.redeem("app", &parameter(&back, "code").unwrap()).await;
    assert_eq!(response.headers["cache-control"], "no-store");
    let tokens = json(&response);
    assert_eq!(text(&tokens, "scope"), "openid profile offline_access grid:data:*:orders");
    assert_eq!((text(&tokens, "token_type"), &tokens["expires_in"]), ("Bearer", &300.into()));
    let access = claims(text(&tokens, "access_token"));
    assert_eq!(
        (text(&access, "sub"), text(&access, "aud"), text(&access, "client_id")),
        ("ann", "grid", "app")
    );
    let id = claims(text(&tokens, "id_token"));
    assert_eq!(
        (text(&id, "aud"), text(&id, "nonce"), text(&id, "sid")),
        ("app", "n-1", text(&access, "sid"))
    );
    let about = site.ask(Method::GET, "/userinfo", "", bearer(text(&tokens, "access_token")), "").await;
    assert_eq!(json(&about), serde_json::json!({ "sub": "ann", "preferred_username": "ann" }));
    // The second client does not ask again, and gets no refresh token that it has not asked for.
    let code = browser.log_in("cli", "nobody", "openid").await;
    let tokens = json(&site.redeem("cli", &code).await);
    assert_eq!(claims(text(&tokens, "access_token"))["sub"], "ann");
    assert!(tokens.get("refresh_token").is_none());
}

pub(super) async fn a_client_gets_a_token_for_itself(bench: Bench) {
    let site = Site::new(&bench).await;
    let grant = ("grant_type", "client_credentials");
    let tokens = json(&site.post("/token", "svc", &[grant, ("scope", "grid:data:read:orders")]).await);
    let access = claims(text(&tokens, "access_token"));
    assert_eq!((text(&access, "sub"), text(&access, "scope")), ("svc", "grid:data:read:orders"));
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    let tokens = json(&site.post("/token", "svc", &[grant, ("resource", "other")]).await);
    assert_eq!(claims(text(&tokens, "access_token"))["aud"], "other");
    assert_eq!(text(&tokens, "scope"), "grid:*:* identity:impersonate:*");
    // Registered to send its secret in the body.
    let pairs = [grant, ("client_id", "svc"), ("client_secret", site.secret("svc"))];
    let response = site.ask(Method::POST, "/token", "", form_headers(), &form(&pairs)).await;
    assert_eq!(response.status, StatusCode::OK);
}

pub(super) async fn refresh_tokens_rotate_and_a_copy_ends_the_session(bench: Bench) {
    let site = Site::new(&bench).await;
    let tokens = site.tokens("app", "ann", "openid offline_access grid:data:read:orders").await;
    let first = text(&tokens, "refresh_token");
    let second = json(&site.refresh("app", first).await);
    assert_ne!(text(&second, "refresh_token"), first);
    let lost = json(&site.refresh("app", first).await);
    assert_eq!(text(&lost, "refresh_token"), text(&second, "refresh_token"), "a lost response is made good");
    let narrow = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&second, "refresh_token")),
        ("scope", "openid"),
    ];
    let third = json(&site.post("/token", "app", &narrow).await);
    assert_eq!(text(&third, "scope"), "openid");
    site.clock.advance(SessionPolicy::default().grace + Duration::from_secs(1));
    assert_eq!(error(&site.refresh("app", first).await), (400, "invalid_grant".into()));
    assert_eq!(
        error(&site.refresh("app", text(&third, "refresh_token")).await),
        (400, "invalid_grant".into())
    );
    assert!(!site.is_active(text(&third, "access_token")).await);
}

pub(super) async fn a_refreshed_token_has_what_its_subject_may_do_today(bench: Bench) {
    let site = Site::new(&bench).await;
    let tokens =
        site.tokens("app", "bob", "openid offline_access grid:data:read:orders grid:data:read:bills").await;
    let fewer = vec!["grid:data:read:orders".to_owned()];
    site.issuer.change_entitlements("bob", fewer, "operator:test").await.unwrap();
    let shown = site.post("/introspect", "app", &[("token", text(&tokens, "access_token"))]).await;
    assert_eq!(text(&json(&shown), "scope"), "openid offline_access grid:data:read:orders");
    let tokens = json(&site.refresh("app", text(&tokens, "refresh_token")).await);
    assert_eq!(text(&tokens, "scope"), "openid offline_access grid:data:read:orders");
    site.issuer.change_entitlements("bob", vec!["grid:*:*".into()], "operator:test").await.unwrap();
    let tokens = json(&site.refresh("app", text(&tokens, "refresh_token")).await);
    assert_eq!(
        text(&tokens, "scope"),
        "openid offline_access grid:data:read:orders grid:data:read:bills",
        "what was granted at the login, and no more"
    );
}

pub(super) async fn a_code_that_is_presented_twice_ends_its_session(bench: Bench) {
    let site = Site::new(&bench).await;
    let code = Browser::new(&site).log_in("app", "ann", "openid offline_access").await;
    let tokens = json(&site.redeem("app", &code).await);
    assert!(site.is_active(text(&tokens, "access_token")).await);
    assert_eq!(error(&site.redeem("app", &code).await), (400, "invalid_grant".into()));
    assert!(!site.is_active(text(&tokens, "access_token")).await);
    assert_eq!(error(&site.refresh("app", text(&tokens, "refresh_token")).await).0, 400);
}

pub(super) async fn a_code_is_spent_by_its_client_whatever_comes_of_it(bench: Bench) {
    let site = Site::new(&bench).await;
    let mut browser = Browser::new(&site);
    let code = browser.log_in("app", "ann", "openid").await;
    assert_eq!(error(&site.redeem("cli", &code).await), (400, "invalid_grant".into()));
    assert_eq!(site.redeem("app", &code).await.status, StatusCode::OK, "another client spoils nothing");
    for (name, value) in [("code_verifier", "x".repeat(43)), ("redirect_uri", "https://app.example/".into())]
    {
        let code = browser.log_in("app", "ann", "openid").await;
        let mut pairs = vec![("grant_type", "authorization_code"), ("code", &code)];
        let right = [("code_verifier", VERIFIER), ("redirect_uri", CALLBACK)];
        pairs.extend(right.map(|(n, v)| (n, if n == name { value.as_str() } else { v })));
        assert_eq!(error(&site.post("/token", "app", &pairs).await), (400, "invalid_grant".into()));
        assert_eq!(error(&site.redeem("app", &code).await), (400, "invalid_grant".into()), "{name}");
    }
    let code = browser.log_in("app", "ann", "openid").await;
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(error(&site.redeem("app", &code).await), (400, "invalid_grant".into()));
}

pub(super) async fn two_who_present_one_code_at_once_get_one_session(bench: Bench) {
    let site = Site::new(&bench).await;
    let code = Browser::new(&site).log_in("app", "ann", "openid").await;
    let (one, two) = tokio::join!(site.redeem("app", &code), site.redeem("app", &code));
    let good = [one.status, two.status].iter().filter(|status| **status == StatusCode::OK).count();
    assert!(good <= 1, "{} {}", one.status, two.status);
    assert_eq!(bench.store.all::<Session>("").await.unwrap().len(), 1);
}

pub(super) async fn tokens_are_given_back(bench: Bench) {
    let site = Site::new(&bench).await;
    let tokens = site.tokens("app", "ann", "openid offline_access").await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    for rubbish in ["rubbish", "a.b.c", "rt1.AAAA"] {
        assert_eq!(site.post("/revoke", "app", &[("token", rubbish)]).await.status, StatusCode::OK);
    }
    assert_eq!(
        error(&site.post("/revoke", "svc", &[("token", access)]).await),
        (400, "invalid_grant".into())
    );
    assert_eq!(
        error(&site.post("/revoke", "cli", &[("token", refresh)]).await),
        (400, "invalid_grant".into())
    );
    assert!(site.is_active(access).await);
    assert_eq!(site.post("/revoke", "app", &[("token", access)]).await.status, StatusCode::OK);
    assert!(!site.is_active(access).await);
    let next = json(&site.refresh("app", refresh).await);
    let (access, refresh) = (text(&next, "access_token"), text(&next, "refresh_token"));
    for _ in 0..2 {
        assert_eq!(site.post("/revoke", "app", &[("token", refresh)]).await.status, StatusCode::OK);
    }
    assert!(!site.is_active(access).await);
    assert_eq!(error(&site.refresh("app", refresh).await), (400, "invalid_grant".into()));
}

pub(super) async fn tokens_are_introspected_by_those_whom_they_concern(bench: Bench) {
    let site = Site::new(&bench).await;
    let tokens = site.tokens("app", "ann", "openid offline_access grid:data:read:orders").await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let shown = json(&site.post("/introspect", "svc", &[("token", access)]).await);
    assert_eq!(
        (&shown["active"], text(&shown, "username"), text(&shown, "iss")),
        (&true.into(), "ann", ISSUER)
    );
    let inactive = serde_json::json!({ "active": false });
    assert_eq!(json(&site.post("/introspect", "svc", &[("token", refresh)]).await), inactive);
    assert_eq!(json(&site.post("/introspect", "app", &[("token", refresh)]).await)["active"], true);
    for rubbish in ["rubbish", "a.b.c", "rt1.x", text(&tokens, "id_token")] {
        assert_eq!(json(&site.post("/introspect", "app", &[("token", rubbish)]).await), inactive);
    }
    site.clock.advance(Duration::from_secs(300));
    assert_eq!(json(&site.post("/introspect", "app", &[("token", access)]).await), inactive);
    // Who cannot show that it is itself is told nothing.
    assert_eq!(
        error(&site.post("/introspect", "cli", &[("token", access)]).await),
        (401, "invalid_client".into())
    );
}

/// Law 4: doubt is not a sign-out.
pub(super) async fn an_outage_of_the_store_signs_nobody_out(bench: Bench) {
    let site = Site::new(&bench).await;
    let mut browser = Browser::new(&site);
    let code = browser.log_in("app", "ann", "openid offline_access").await;
    let tokens = json(&site.redeem("app", &code).await);
    let refresh = text(&tokens, "refresh_token");
    bench.set_outage(true);
    let response = site.refresh("app", refresh).await;
    assert_eq!(error(&response), (503, "temporarily_unavailable".into()));
    assert!(response.headers.contains_key("retry-after"));
    assert_eq!(error(&site.post("/introspect", "app", &[("token", refresh)]).await).0, 503);
    assert_eq!(error(&site.post("/revoke", "app", &[("token", refresh)]).await).0, 503);
    assert_eq!(site.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(site.get("/keys").await.status, StatusCode::OK, "the keys are in memory");
    let request = authorization("app", "openid", &[]);
    let page = browser.get(&format!("/authorize?{request}")).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "nobody knows the client's address");
    site.clock.advance(Duration::from_secs(3600));
    bench.set_outage(false);
    assert_eq!(site.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(site.refresh("app", refresh).await.status, StatusCode::OK);
    let code = browser.log_in("app", "nobody", "openid").await;
    assert_eq!(site.redeem("app", &code).await.status, StatusCode::OK, "the browser is still logged in");
}

/// Law 7, over everything that the issuer writes.
pub(super) async fn everything_is_rebuilt_from_the_log(bench: Bench) {
    let site = Site::new(&bench).await;
    let tokens = site.tokens("app", "ann", "openid offline_access").await;
    site.refresh("app", text(&tokens, "refresh_token")).await;
    site.issuer.remove_client("svc", "operator:test").await.unwrap();
    site.issuer.disable_account("bob", "operator:test").await.unwrap();
    macro_rules! rows {
        ($($kind:ty),+) => {
            ($(bench.store.all::<$kind>("").await.unwrap(),)+)
        };
    }
    let before = rows!(ClientRecord, AccountRecord, CodeRecord, LoginRecord, Session);
    assert_eq!(
        (before.0.len(), before.1.len(), before.2.len(), before.3.len(), before.4.len()),
        (4, 2, 1, 1, 1)
    );
    bench.store.rebuild(&projections::ALL).await.unwrap();
    assert_eq!(rows!(ClientRecord, AccountRecord, CodeRecord, LoginRecord, Session), before);
    let code = Browser::new(&site).log_in("app", "ann", "openid").await;
    assert_eq!(site.redeem("app", &code).await.status, StatusCode::OK, "passwords are where they were");
}

pub(super) async fn whoever_is_shut_out_is_out_everywhere(bench: Bench) {
    let site = Site::new(&bench).await;
    let ann = site.tokens("app", "ann", "openid offline_access").await;
    let mut browser = Browser::new(&site);
    let code = browser.log_in("app", "ann", "openid").await;
    assert_eq!(site.issuer.disable_account("ann", "operator:test").await.unwrap(), 1);
    assert!(!site.is_active(text(&ann, "access_token")).await);
    assert_eq!(error(&site.refresh("app", text(&ann, "refresh_token")).await).0, 400);
    assert_eq!(
        error(&site.redeem("app", &code).await),
        (400, "invalid_grant".into()),
        "a code on its way too"
    );
    site.issuer.enable_account("ann", "operator:test").await.unwrap();
    assert!(!site.is_active(text(&ann, "access_token")).await, "only a login revives");
    site.clock.advance(Duration::from_secs(1));
    let again = site.tokens("app", "ann", "openid").await;
    assert!(site.is_active(text(&again, "access_token")).await);
    let mut headers = form_headers();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic x"));
    site.issuer.remove_client("app", "operator:test").await.unwrap();
    let asked = site.ask(Method::POST, "/introspect", "", headers, "token=x").await;
    assert_eq!(error(&asked), (401, "invalid_client".into()));
}
