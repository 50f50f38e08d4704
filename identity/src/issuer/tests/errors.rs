//! Every code of the specification's table, by a request that deserves it (identity-spec 9).

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};

use super::site::*;
use crate::issuer::{ClientSettings, GrantType, IssuerConfig, RegistryError};
use crate::store::tests::Bench;

pub(super) async fn clients_that_do_not_show_themselves_are_refused_alike(bench: Bench) {
    let site = Site::new(&bench).await;
    let ask = async |authorization: Option<HeaderValue>, pairs: &[(&str, &str)]| {
        let mut headers = form_headers();
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        let mut pairs = pairs.to_vec();
        pairs.push(("grant_type", "client_credentials"));
        site.ask(Method::POST, "/token", "", headers, &form(&pairs)).await
    };
    let unknown = ask(Some(basic("nobody", "x")), &[]).await;
    assert_eq!(error(&unknown), (401, "invalid_client".into()));
    assert_eq!(unknown.headers["www-authenticate"], "Basic realm=\"druse\"");
    for (number, response) in [
        ask(Some(basic("svc", "wrong")), &[]).await,
        ask(Some(HeaderValue::from_static("Basic !!!")), &[]).await,
        ask(Some(HeaderValue::from_static("Bearer x")), &[]).await,
        ask(None, &[]).await,
        ask(None, &[("client_id", "svc")]).await,
        ask(None, &[("client_id", "app"), ("client_secret", site.secret("app"))]).await,
        ask(None, &[("client_id", "cli"), ("client_secret", "x")]).await,
        ask(Some(basic("cli", "x")), &[]).await,
    ]
    .iter()
    .enumerate()
    {
        assert_eq!((response.status, &response.body), (unknown.status, &unknown.body), "number {number}");
    }
    for pairs in [[("client_id", "app")], [("client_secret", "x")]] {
        let both = ask(Some(basic("svc", site.secret("svc"))), &pairs).await;
        assert_eq!(error(&both), (400, "invalid_request".into()));
    }
}

pub(super) async fn token_requests_that_make_no_sense_have_their_codes(bench: Bench) {
    let site = Site::new(&bench).await;
    let refresh = "rt1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let code = ("grant_type", "authorization_code");
    for (client, pairs, wanted) in [
        ("app", vec![], "invalid_request"),
        ("app", vec![("grant_type", "password")], "unsupported_grant_type"),
        ("app", vec![("grant_type", "client_credentials")], "unauthorized_client"),
        ("svc", vec![code], "unauthorized_client"),
        ("app", vec![code], "invalid_request"),
        ("app", vec![code, ("code", "x"), ("redirect_uri", CALLBACK)], "invalid_request"),
        (
            "app",
            vec![code, ("code", "x"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)],
            "invalid_grant",
        ),
        ("app", vec![("grant_type", "refresh_token")], "invalid_request"),
        ("app", vec![("grant_type", "refresh_token"), ("refresh_token", "x")], "invalid_grant"),
        ("app", vec![("grant_type", "refresh_token"), ("refresh_token", refresh)], "invalid_grant"),
        ("svc", vec![("grant_type", "client_credentials"), ("scope", "email")], "invalid_scope"),
        ("svc", vec![("grant_type", "client_credentials"), ("scope", "a\"b")], "invalid_scope"),
        ("svc", vec![("grant_type", "client_credentials"), ("resource", "nowhere")], "invalid_target"),
        (
            "svc",
            vec![("grant_type", "client_credentials"), ("resource", "grid"), ("audience", "other")],
            "invalid_target",
        ),
        (
            "svc",
            vec![("grant_type", "client_credentials"), ("grant_type", "client_credentials")],
            "invalid_request",
        ),
    ] {
        let response = site.post("/token", client, &pairs).await;
        assert_eq!(error(&response), (400, wanted.into()), "{client} {pairs:?}");
        assert_eq!(response.headers["cache-control"], "no-store");
    }
    let tokens = site.tokens("app", "ann", "openid offline_access").await;
    let wide = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&tokens, "refresh_token")),
        ("scope", "openid grid:data:read:orders"),
    ];
    assert_eq!(error(&site.post("/token", "app", &wide).await), (400, "invalid_scope".into()));
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, basic("svc", site.secret("svc")));
    let unnamed = site.ask(Method::POST, "/token", "", headers, "grant_type=client_credentials").await;
    assert_eq!(error(&unnamed), (400, "invalid_request".into()), "without a content type");
    for path in ["/revoke", "/introspect"] {
        assert_eq!(error(&site.post(path, "app", &[]).await), (400, "invalid_request".into()));
    }
}

pub(super) async fn authorization_requests_that_make_no_sense_go_back_with_their_codes(bench: Bench) {
    let site = Site::new(&bench).await;
    for (changes, wanted) in [
        (vec![("response_type", "")], "invalid_request"),
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_mode", "fragment")], "invalid_request"),
        (vec![("code_challenge", "")], "invalid_request"),
        (vec![("code_challenge", "short")], "invalid_request"),
        (vec![("code_challenge_method", "")], "invalid_request"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("scope", "email")], "invalid_scope"),
        (vec![("prompt", "none")], "login_required"),
        (vec![("prompt", "none login")], "invalid_request"),
        (vec![("prompt", "dance")], "invalid_request"),
        (vec![("max_age", "soon")], "invalid_request"),
        (vec![("resource", "nowhere")], "invalid_request"),
        (vec![("request", "e30.e30.")], "invalid_request"),
        (vec![("request_uri", "https://app.example/r")], "invalid_request"),
        (vec![("nonce", "n".repeat(1025).as_str())], "invalid_request"),
    ] {
        let request = authorization("app", "openid", &changes);
        let response = site.get(&format!("/authorize?{request}")).await;
        assert_eq!(response.status, StatusCode::SEE_OTHER, "{changes:?}");
        assert_eq!(parameter(&response, "error").as_deref(), Some(wanted), "{changes:?}");
        assert_eq!(parameter(&response, "state").as_deref(), Some("st&te"), "{changes:?}");
        assert_eq!(parameter(&response, "iss").as_deref(), Some(ISSUER), "{changes:?}");
    }
}

pub(super) async fn without_a_client_or_an_address_nobody_is_sent_anywhere(bench: Bench) {
    let site = Site::new(&bench).await;
    for changes in [
        [("client_id", "nobody")],
        [("client_id", "svc")],
        [("client_id", "")],
        [("redirect_uri", "https://evil.example/")],
        [("redirect_uri", "https://app.example/cb/")],
        [("redirect_uri", "")],
    ] {
        let request = authorization("app", "openid", &changes);
        let response = site.get(&format!("/authorize?{request}")).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{changes:?}");
        assert!(response.headers.get("location").is_none());
    }
    let twice = authorization("app", "openid", &[]);
    let response = site.get(&format!("/authorize?{twice}&client_id=app")).await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
}

pub(super) async fn userinfo_challenges_as_the_standard_says(bench: Bench) {
    let site = Site::new(&bench).await;
    let ask = async |headers| site.ask(Method::GET, "/userinfo", "", headers, "").await;
    let nothing = ask(HeaderMap::new()).await;
    assert_eq!((nothing.status, nothing.body.len()), (StatusCode::UNAUTHORIZED, 0));
    assert_eq!(nothing.headers["www-authenticate"], "Bearer realm=\"druse\"");
    let wrong = ask(bearer("x")).await;
    assert_eq!(error(&wrong), (401, "invalid_token".into()));
    let challenge = wrong.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""), "{challenge}");
    let grant = [("grant_type", "client_credentials")];
    let tokens = json(&site.post("/token", "svc", &grant).await);
    let narrow = ask(bearer(text(&tokens, "access_token"))).await;
    assert_eq!(error(&narrow), (403, "insufficient_scope".into()));
}

pub(super) async fn clients_and_accounts_that_make_no_sense_are_not_made(bench: Bench) {
    let site = Site::new(&bench).await;
    let issuer = &site.issuer;
    let settings = ClientSettings {
        name: "x".into(),
        secret_sha256: None,
        secret_in_body: false,
        redirect_uris: vec![],
        post_logout_redirect_uris: vec![],
        backchannel_logout_uri: None,
        grants: vec![GrantType::ClientCredentials],
        scope: vec![],
        audiences: vec!["grid".into()],
    };
    let register = |id: &'static str, secret| issuer.register_client(id, settings.clone(), secret, "op");
    assert!(matches!(register("x", false).await, Err(RegistryError::Client(_))));
    for taken in ["app", "ann"] {
        assert!(matches!(register(taken, true).await, Err(RegistryError::Exists)), "{taken}");
        let account = issuer.create_account(taken, "pw", vec![], "op").await;
        assert!(matches!(account, Err(RegistryError::Exists)), "{taken}");
    }
    assert!(matches!(issuer.create_account("", "pw", vec![], "op").await, Err(RegistryError::Name)));
    assert!(matches!(issuer.create_account("x", "", vec![], "op").await, Err(RegistryError::Password(_))));
    let wrong = issuer.create_account("x", "pw", vec!["admin".into()], "op").await;
    assert!(matches!(wrong, Err(RegistryError::Entitlement(text)) if text == "admin"));
    for outcome in [issuer.remove_client("x", "op").await, issuer.disable_account("x", "op").await] {
        assert!(matches!(outcome, Err(RegistryError::Unknown)));
    }
    assert!(matches!(issuer.enable_account("ann", "op").await, Err(RegistryError::Unknown)), "it is enabled");
    issuer.remove_account("ann", "op").await.unwrap();
    let again = issuer.create_account("ann", "pw", vec![], "op").await;
    assert!(matches!(again, Err(RegistryError::Exists)), "a name is not given to another");
}

pub(super) async fn whoever_asks_too_often_is_slowed_down(bench: Bench) {
    let config = IssuerConfig { requests_per_second: 1, burst: 3, ..IssuerConfig::new(ISSUER) };
    let site = Site::with(&bench, config).await;
    let grant = [("grant_type", "client_credentials")];
    for _ in 0..3 {
        assert_eq!(site.post("/token", "svc", &grant).await.status, StatusCode::OK);
    }
    let slowed = site.post("/token", "svc", &grant).await;
    assert_eq!(
        (slowed.status, &slowed.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &HeaderValue::from_static("1"))
    );
    assert_ne!(site.post("/revoke", "app", &[("token", "x")]).await.status, StatusCode::TOO_MANY_REQUESTS);
    for _ in 0..3 {
        assert_eq!(site.get("/userinfo").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(site.get("/userinfo").await.status, StatusCode::TOO_MANY_REQUESTS);
    site.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(site.post("/token", "svc", &grant).await.status, StatusCode::OK);
}

pub(super) async fn addresses_that_are_not_there_say_so(bench: Bench) {
    let site = Site::new(&bench).await;
    assert_eq!(site.get("/elsewhere").await.status, StatusCode::NOT_FOUND);
    let response = site.get("/token").await;
    assert_eq!(
        (response.status, &response.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &HeaderValue::from_static("POST"))
    );
    let response = site.ask(Method::DELETE, "/keys", "", HeaderMap::new(), "").await;
    assert_eq!(response.headers["allow"], "GET, HEAD");
    assert_eq!(site.get("/livez").await.status, StatusCode::OK);
    assert_eq!(site.get("/readyz").await.status, StatusCode::OK);
}
