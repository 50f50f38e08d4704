//! An issuer with clients and accounts, and somebody who talks to it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use druse_protocol::time::ManualClock;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{Method, StatusCode};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::ends::FEED;
use crate::issuer::http::{Form, Request, Response, encode};
use crate::issuer::{ClientSettings, GrantType, Issuer, IssuerConfig};
use crate::logout::{HttpTransport, Transport};
use crate::seal::Sealer;
use crate::store::tests::{Bench, NOW};

pub(super) const ISSUER: &str = "https://id.example";
pub(super) const CALLBACK: &str = "https://app.example/cb";
pub(super) const GOODBYE: &str = "https://app.example/bye";
pub(super) const LOGOUT: &str = "https://app.example/out";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const PASSWORD: &str = "correct horse";

/// An issuer with the clients `app` (with a secret), `cli` (without), `svc` (for itself) and `node` (for the feed of ends),
/// and the accounts `ann` and `bob`.
pub(super) struct Site {
    pub(super) issuer: Arc<Issuer>,
    pub(super) clock: Arc<ManualClock>,
    secrets: BTreeMap<String, String>,
}

impl Site {
    pub(super) async fn new(bench: &Bench) -> Self {
        Self::with(bench, IssuerConfig::new(ISSUER)).await
    }

    pub(super) async fn with(bench: &Bench, config: IssuerConfig) -> Self {
        Self::with_transport(bench, config, Arc::new(HttpTransport)).await
    }

    pub(super) async fn with_transport(
        bench: &Bench,
        config: IssuerConfig,
        transport: Arc<dyn Transport>,
    ) -> Self {
        let sealer = Sealer::from_text("k1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let store = bench.store.clone();
        let issuer = Issuer::with_transport(config, store, Arc::new(sealer), clock.clone(), transport);
        let issuer = issuer.await.unwrap();
        issuer.tend().await.unwrap();
        let mut site = Self { issuer: Arc::new(issuer), clock, secrets: BTreeMap::new() };
        use GrantType::{AuthorizationCode, ClientCredentials, RefreshToken, TokenExchange};
        site.register("app", true, &[AuthorizationCode, RefreshToken, TokenExchange]).await;
        site.register("cli", false, &[AuthorizationCode, RefreshToken]).await;
        site.register("svc", true, &[ClientCredentials]).await;
        site.register_node().await;
        site.create("ann", &["grid:data:*:orders"]).await;
        site.create("bob", &["grid:data:read", "identity:impersonate:ann"]).await;
        site
    }

    async fn register(&mut self, id: &str, secret: bool, grants: &[GrantType]) {
        let logins = grants.contains(&GrantType::AuthorizationCode);
        let settings = ClientSettings {
            name: format!("The {id}"),
            secret_sha256: None,
            secret_in_body: id == "svc",
            redirect_uris: if logins { vec![CALLBACK.into()] } else { vec![] },
            post_logout_redirect_uris: vec![GOODBYE.into()],
            backchannel_logout_uri: (id == "app").then(|| LOGOUT.into()),
            grants: grants.to_vec(),
            scope: ["openid", "profile", "offline_access", "grid:*:*", "identity:impersonate:*"]
                .map(str::to_owned)
                .to_vec(),
            audiences: vec!["grid".into(), "other".into()],
        };
        let secret = self.issuer.register_client(id, settings, secret, "operator:test").await.unwrap();
        self.secrets.extend(secret.map(|secret| (id.to_owned(), secret)));
    }

    async fn register_node(&mut self) {
        let settings = ClientSettings {
            name: "A node".into(),
            secret_sha256: None,
            secret_in_body: true,
            redirect_uris: vec![],
            post_logout_redirect_uris: vec![],
            backchannel_logout_uri: None,
            grants: vec![GrantType::ClientCredentials],
            scope: vec![FEED.into()],
            audiences: vec!["grid".into()],
        };
        let secret = self.issuer.register_client("node", settings, true, "operator:test").await.unwrap();
        self.secrets.extend(secret.map(|secret| ("node".to_owned(), secret)));
    }

    async fn create(&self, name: &str, entitlements: &[&str]) {
        let entitlements = entitlements.iter().map(|&one| one.to_owned()).collect();
        self.issuer.create_account(name, PASSWORD, entitlements, "operator:test").await.unwrap();
    }

    pub(super) fn secret(&self, client: &str) -> &str {
        &self.secrets[client]
    }

    pub(super) async fn get(&self, path: &str) -> Response {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        self.ask(Method::GET, path, query, HeaderMap::new(), "").await
    }

    /// A form from a client, which shows its secret if it has one.
    pub(super) async fn post(&self, path: &str, client: &str, pairs: &[(&str, &str)]) -> Response {
        let mut headers = form_headers();
        let mut body = form(pairs);
        match self.secrets.get(client) {
            Some(secret) => {
                headers.insert(AUTHORIZATION, basic(client, secret));
            }
            None => body = format!("{body}&client_id={}", encode(client)),
        }
        self.ask(Method::POST, path, "", headers, &body).await
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &str,
        headers: HeaderMap,
        body: &str,
    ) -> Response {
        self.issuer
            .answer(Request {
                method,
                path: path.to_owned(),
                query: query.to_owned(),
                headers,
                body: Bytes::from(body.to_owned()),
                peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            })
            .await
    }

    /// Logs somebody in with a fresh browser, and gets the client its tokens.
    pub(super) async fn tokens(&self, client: &str, name: &str, scope: &str) -> Value {
        let code = Browser::new(self).log_in(client, name, scope).await;
        json(&self.redeem(client, &code).await)
    }

    pub(super) async fn redeem(&self, client: &str, code: &str) -> Response {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", client, &pairs).await
    }

    pub(super) async fn refresh(&self, client: &str, token: &str) -> Response {
        self.post("/token", client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub(super) async fn is_active(&self, token: &str) -> bool {
        let response = self.post("/introspect", "app", &[("token", token)]).await;
        assert_eq!(response.status, StatusCode::OK);
        json(&response)["active"].as_bool().unwrap()
    }
}

/// A browser: it keeps cookies.
pub(super) struct Browser<'a> {
    site: &'a Site,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(super) fn new(site: &'a Site) -> Self {
        Self { site, cookies: BTreeMap::new() }
    }

    pub(super) async fn get(&mut self, path: &str) -> Response {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let response = self.site.ask(Method::GET, path, query, self.headers(), "").await;
        self.keep(response)
    }

    pub(super) async fn submit(&mut self, path: &str, pairs: &[(&str, &str)]) -> Response {
        self.submit_with(path, pairs, form_headers()).await
    }

    pub(super) async fn submit_with(
        &mut self,
        path: &str,
        pairs: &[(&str, &str)],
        mut headers: HeaderMap,
    ) -> Response {
        headers.extend(self.headers());
        let response = self.site.ask(Method::POST, path, "", headers, &form(pairs)).await;
        self.keep(response)
    }

    /// Goes through the login page if it is shown, and answers with the code.
    pub(super) async fn log_in(&mut self, client: &str, name: &str, scope: &str) -> String {
        let request = authorization(client, scope, &[]);
        let mut response = self.get(&format!("/authorize?{request}")).await;
        if response.status == StatusCode::OK {
            response = self.fill_in(&response, name, PASSWORD).await;
        }
        parameter(&response, "code").unwrap_or_else(|| panic!("no code: {response:?}"))
    }

    /// Fills the login page in, with the hidden fields that it has.
    pub(super) async fn fill_in(&mut self, page: &Response, name: &str, password: &str) -> Response {
        let (request, proof) = (hidden(page, "request"), hidden(page, "proof"));
        let pairs =
            [("request", request.as_str()), ("proof", &proof), ("username", name), ("password", password)];
        self.submit("/login", &pairs).await
    }

    pub(super) fn forget(&mut self, part: &str) {
        self.cookies.retain(|name, _| !name.contains(part));
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        headers.insert(COOKIE, HeaderValue::from_str(&pairs.join("; ")).unwrap());
        headers
    }

    fn keep(&mut self, response: Response) -> Response {
        for cookie in response.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), "{cookie}");
            assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
            let (pair, rest) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.into(), value.into());
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            }
        }
        response
    }
}

/// The query of an authorization request; what is given replaces what it has, an empty value takes it away.
pub(super) fn authorization(client: &str, scope: &str, changes: &[(&str, &str)]) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let mut pairs = BTreeMap::from([
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("scope", scope),
        ("state", "st&te"),
        ("nonce", "n-1"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ]);
    pairs.extend(changes.iter().copied());
    let pairs: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    form(&pairs)
}

pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    pairs.join("&")
}

pub(super) fn form_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers
}

pub(super) fn basic(client: &str, secret: &str) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{}:{}", encode(client), encode(secret)));
    HeaderValue::from_str(&format!("Basic {encoded}")).unwrap()
}

pub(super) fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    headers
}

pub(super) fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|_| panic!("no JSON: {response:?}"))
}

/// The code of an error, and its status.
pub(super) fn error(response: &Response) -> (u16, String) {
    (response.status.as_u16(), json(response)["error"].as_str().unwrap_or_default().to_owned())
}

/// A parameter of the address to which a browser is sent.
pub(super) fn parameter(response: &Response, name: &str) -> Option<String> {
    let location = response.headers.get(LOCATION)?.to_str().unwrap();
    let (_, query) = location.split_once('?')?;
    Form::parse(query).unwrap().get(name).map(str::to_owned)
}

/// The claims of a token, unverified.
pub(super) fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

pub(super) fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_else(|| panic!("no {name} in {of}"))
}

/// A hidden field of a page.
pub(super) fn hidden(page: &Response, name: &str) -> String {
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = html.split_once(&mark).unwrap_or_else(|| panic!("no {name} in {html}"));
    let (value, _) = rest.split_once('"').unwrap();
    value.replace("&amp;", "&").replace("&#39;", "'").replace("&quot;", "\"")
}
