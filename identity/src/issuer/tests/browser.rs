//! Browsers, and other sites that would use them.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, ORIGIN};

use super::site::*;
use crate::store::tests::Bench;

pub(super) async fn a_form_from_another_site_logs_nobody_in(bench: Bench) {
    let site = Site::new(&bench).await;
    let request = authorization("app", "openid", &[]);
    let mut browser = Browser::new(&site);
    let page = browser.get(&format!("/authorize?{request}")).await;
    let proof = hidden(&page, "proof");
    let pairs = |proof: &'static str| {
        [("request", ""), ("proof", proof), ("username", "bob"), ("password", PASSWORD)]
    };
    let mut forged = pairs("guess");
    forged[0].1 = &request;
    assert_eq!(browser.submit("/login", &forged).await.status, StatusCode::FORBIDDEN);
    forged[1].1 = "";
    assert_eq!(browser.submit("/login", &forged).await.status, StatusCode::FORBIDDEN);
    let right =
        [("request", request.as_str()), ("proof", &proof), ("username", "bob"), ("password", PASSWORD)];
    for (name, value) in
        [(ORIGIN, "https://evil.example"), (HeaderName::from_static("sec-fetch-site"), "cross-site")]
    {
        let mut headers = form_headers();
        headers.insert(name, HeaderValue::from_static(value));
        assert_eq!(
            browser.submit_with("/login", &right, headers).await.status,
            StatusCode::FORBIDDEN,
            "{value}"
        );
    }
    let mut headers = form_headers();
    headers.insert(ORIGIN, HeaderValue::from_static(ISSUER));
    assert_eq!(browser.submit_with("/login", &right, headers).await.status, StatusCode::SEE_OTHER);
    // A browser that keeps no cookies.
    browser.forget("form");
    assert_eq!(browser.submit("/login", &right).await.status, StatusCode::FORBIDDEN);
}

pub(super) async fn a_wrong_password_is_asked_for_again(bench: Bench) {
    let site = Site::new(&bench).await;
    let mut browser = Browser::new(&site);
    let request = authorization("app", "openid", &[("login_hint", "ann")]);
    let page = browser.get(&format!("/authorize?{request}")).await;
    assert_eq!(hidden(&page, "request"), request);
    assert!(String::from_utf8_lossy(&page.body).contains(r#"value="ann""#));
    let again = browser.fill_in(&page, "ann", "wrong").await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    let unknown = browser.fill_in(&again, "nobody", PASSWORD).await;
    assert_eq!(unknown.body, again.body, "an unknown name looks the same");
    assert_eq!(browser.fill_in(&again, "ann", PASSWORD).await.status, StatusCode::SEE_OTHER);
}

pub(super) async fn prompts_and_ages_are_heeded(bench: Bench) {
    let site = Site::new(&bench).await;
    let mut browser = Browser::new(&site);
    browser.log_in("app", "ann", "openid").await;
    site.clock.advance(Duration::from_secs(100));
    for (changes, shown) in [
        (vec![], false),
        (vec![("prompt", "none")], false),
        (vec![("prompt", "login")], true),
        (vec![("max_age", "100")], false),
        (vec![("max_age", "99")], true),
    ] {
        let request = authorization("app", "openid", &changes);
        let response = browser.get(&format!("/authorize?{request}")).await;
        assert_eq!(response.status == StatusCode::OK, shown, "{changes:?}");
        assert_eq!(parameter(&response, "code").is_some(), !shown, "{changes:?}");
    }
    let request = authorization("app", "openid", &[("prompt", "none"), ("max_age", "99")]);
    let response = browser.get(&format!("/authorize?{request}")).await;
    assert_eq!(parameter(&response, "error").as_deref(), Some("login_required"));
    site.clock.advance(Duration::from_secs(12 * 3600 - 100));
    let request = authorization("app", "openid", &[]);
    let response = browser.get(&format!("/authorize?{request}")).await;
    assert_eq!(response.status, StatusCode::OK, "a working day is over");
}

pub(super) async fn a_cut_logs_browsers_out_too(bench: Bench) {
    let site = Site::new(&bench).await;
    let mut browser = Browser::new(&site);
    browser.log_in("app", "ann", "openid").await;
    site.issuer.sessions().cut_subject("ann", "operator:test").await.unwrap();
    let request = authorization("app", "openid", &[]);
    let response = browser.get(&format!("/authorize?{request}")).await;
    assert_eq!(response.status, StatusCode::OK, "the login page");
}
