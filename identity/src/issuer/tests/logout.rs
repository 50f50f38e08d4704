//! Logging out at the issuer.

use hyper::StatusCode;
use hyper::header::LOCATION;

use super::site::*;
use crate::store::tests::Bench;

async fn is_logged_in(browser: &mut Browser<'_>) -> bool {
    let request = authorization("app", "openid", &[("prompt", "none")]);
    let response = browser.get(&format!("/authorize?{request}")).await;
    parameter(&response, "code").is_some()
}

pub(super) async fn a_hint_logs_out_and_sends_back(bench: Bench) {
    let site = Site::new(&bench).await;
    let mut browser = Browser::new(&site);
    let code = browser.log_in("app", "ann", "openid").await;
    let tokens = json(&site.redeem("app", &code).await);
    // A hint may be over, and is one all the same.
    site.clock.advance(std::time::Duration::from_secs(3600));
    let query = form(&[
        ("id_token_hint", text(&tokens, "id_token")),
        ("post_logout_redirect_uri", GOODBYE),
        ("state", "s 1"),
    ]);
    let response = browser.get(&format!("/end-session?{query}")).await;
    assert_eq!(response.headers[LOCATION], "https://app.example/bye?state=s%201");
    assert!(!is_logged_in(&mut browser).await);
}

pub(super) async fn without_a_hint_somebody_is_asked_first(bench: Bench) {
    let site = Site::new(&bench).await;
    let mut browser = Browser::new(&site);
    let code = browser.log_in("app", "ann", "openid").await;
    let tokens = json(&site.redeem("app", &code).await);
    for hint in ["rubbish", text(&tokens, "access_token")] {
        let page = browser.get(&format!("/end-session?id_token_hint={hint}")).await;
        assert!(String::from_utf8_lossy(&page.body).contains("Log out?"));
    }
    assert!(is_logged_in(&mut browser).await);
    let page = browser.get("/end-session").await;
    let proof = hidden(&page, "proof");
    let asked = browser.submit("/end-session", &[("proof", "guess")]).await;
    assert!(String::from_utf8_lossy(&asked.body).contains("Log out?"), "a form from elsewhere");
    assert!(is_logged_in(&mut browser).await);
    let done = browser.submit("/end-session", &[("proof", &proof)]).await;
    assert!(String::from_utf8_lossy(&done.body).contains("Logged out"));
    assert!(!is_logged_in(&mut browser).await);
    let again = browser.get("/end-session").await;
    assert!(String::from_utf8_lossy(&again.body).contains("Logged out"), "there is nobody to ask");
}

pub(super) async fn unregistered_addresses_are_not_gone_to(bench: Bench) {
    let site = Site::new(&bench).await;
    let mut browser = Browser::new(&site);
    let code = browser.log_in("app", "ann", "openid").await;
    let tokens = json(&site.redeem("app", &code).await);
    let hint = ("id_token_hint", text(&tokens, "id_token"));
    for pairs in [
        vec![hint, ("post_logout_redirect_uri", "https://evil.example/")],
        vec![hint, ("post_logout_redirect_uri", CALLBACK)],
        vec![hint, ("post_logout_redirect_uri", GOODBYE), ("client_id", "cli")],
        vec![("post_logout_redirect_uri", GOODBYE)],
        vec![("post_logout_redirect_uri", GOODBYE), ("client_id", "nobody")],
    ] {
        let response = browser.get(&format!("/end-session?{}", form(&pairs))).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{pairs:?}");
    }
    assert!(is_logged_in(&mut browser).await);
}

pub(super) async fn a_logout_ends_what_came_from_the_login_but_not_what_outlives_it(bench: Bench) {
    let site = Site::new(&bench).await;
    let mut browser = Browser::new(&site);
    let mut tokens = Vec::new();
    for scope in ["openid", "openid offline_access"] {
        let code = browser.log_in("app", "ann", scope).await;
        tokens.push(json(&site.redeem("app", &code).await));
    }
    let elsewhere = site.tokens("app", "ann", "openid").await;
    let query = form(&[("id_token_hint", text(&tokens[0], "id_token"))]);
    assert_eq!(browser.get(&format!("/end-session?{query}")).await.status, StatusCode::OK);
    assert!(!site.is_active(text(&tokens[0], "access_token")).await);
    assert!(site.is_active(text(&tokens[1], "access_token")).await);
    assert!(site.is_active(text(&elsewhere, "access_token")).await, "another browser's login");
}
