//! The feed of ends, and a node that follows it.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{
    AuthError, BoxFuture, Credentials, KeyScope, Login, Peer, ResourcePermission, Revocation,
    RevocationScope, RevocationSink, SecurityManager as _,
};
use druse_protocol::time::{Clock, Micros};
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::site::*;
use crate::ends::{BlindPolicy, EndsSource, RemoteEnds, StoreEnds};
use crate::issuer::http::{IssuerServer, Response};
use crate::issuer::{Issuer, IssuerConfig};
use crate::key_set::{Fetch, FetchError, Fetched, KeySetCache, Policy};
use crate::oidc::{OidcSecurityManager, TrustedFeed, TrustedIssuer};
use crate::session::{EndReason, SessionId};
use crate::store::tests::Bench;
use crate::token::{Profile, TokenConfig};

/// A site whose feed holds no question for long.
async fn site(bench: &Bench) -> Site {
    let config = IssuerConfig { feed_hold: Duration::from_millis(1), ..IssuerConfig::new(ISSUER) };
    Site::with(bench, config).await
}

async fn ask(site: &Site, query: &str) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, basic("node", site.secret("node")));
    site.ask(Method::GET, "/v1/feed", query, headers, "").await
}

async fn position(site: &Site) -> i64 {
    json(&ask(site, "within=0").await)["position"].as_i64().unwrap()
}

fn sid_of(tokens: &Value) -> SessionId {
    SessionId::parse(text(&claims(text(tokens, "access_token")), "sid")).unwrap()
}

pub(super) async fn what_ends_is_told_once_and_in_order(bench: Bench) {
    let site = site(&bench).await;
    let (first, second) =
        (site.tokens("app", "ann", "openid").await, site.tokens("cli", "bob", "openid").await);
    let start = position(&site).await;
    assert_eq!(json(&ask(&site, &format!("after={start}")).await)["ends"], json!([]));
    let sessions = site.issuer.sessions();
    sessions.end(sid_of(&first), EndReason::Logout, "ann").await.unwrap();
    sessions.cut_subject("bob", "operator:x").await.unwrap();
    let page = json(&ask(&site, &format!("after={start}")).await);
    let told: Vec<(Value, &str)> = page["ends"]
        .as_array()
        .unwrap()
        .iter()
        .map(|end| (end.get("sid").or(end.get("sub")).cloned().unwrap(), text(end, "reason")))
        .collect();
    let expected = [
        (json!(sid_of(&first).to_string()), "logout"),
        (json!("bob"), "subject_cut"),
        (json!(sid_of(&second).to_string()), "subject_cut"),
    ];
    assert_eq!(told, expected);
    let next = page["position"].as_i64().unwrap();
    assert!(next > start);
    assert_eq!(json(&ask(&site, &format!("after={next}")).await)["ends"], json!([]));
    assert_eq!(
        json(&ask(&site, "within=60").await)["ends"].as_array().unwrap().len(),
        3,
        "for those who start"
    );
    site.clock.advance(Duration::from_secs(61));
    assert_eq!(json(&ask(&site, "within=60").await)["ends"], json!([]));
}

pub(super) async fn a_question_is_held_until_something_ends(bench: Bench) {
    let config = IssuerConfig { feed_hold: Duration::from_secs(10), ..IssuerConfig::new(ISSUER) };
    let site = Site::with(&bench, config).await;
    let tokens = site.tokens("app", "ann", "openid").await;
    let start = position(&site).await;
    let query = format!("after={start}");
    // Another process ends it, which nobody tells this one.
    let other = Issuer::new(
        IssuerConfig::new(ISSUER),
        bench.another_store().await,
        Arc::new(crate::seal::Sealer::from_text("k1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()),
        site.clock.clone(),
    );
    let other = other.await.unwrap();
    let end = async {
        tokio::task::yield_now().await;
        other.sessions().end(sid_of(&tokens), EndReason::Operator, "operator:x").await.unwrap()
    };
    let (page, ended) = tokio::join!(ask(&site, &query), end);
    assert!(ended);
    assert_eq!(json(&page)["ends"][0]["sid"], sid_of(&tokens).to_string());
}

pub(super) async fn the_feed_is_for_nodes_and_has_its_errors(bench: Bench) {
    let site = site(&bench).await;
    let nobody = site.ask(Method::GET, "/v1/feed", "after=0", HeaderMap::new(), "").await;
    assert_eq!(error(&nobody), (401, "invalid_client".into()));
    let query = format!("after=0&client_id=node&client_secret={}", site.secret("node"));
    let in_query = site.ask(Method::GET, "/v1/feed", &query, HeaderMap::new(), "").await;
    assert_eq!(error(&in_query), (401, "invalid_client".into()), "secrets do not belong in addresses");
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, basic("app", site.secret("app")));
    let other = site.ask(Method::GET, "/v1/feed", "after=0", headers, "").await;
    assert_eq!(error(&other), (403, "insufficient_scope".into()));
    for query in [
        "",
        "after=",
        "after=x",
        "after=-1",
        "within=-1",
        "within=86401",
        "after=1&within=1",
        "after=1&after=1",
    ] {
        assert_eq!(error(&ask(&site, query).await), (400, "invalid_request".into()), "{query}");
    }
    assert_eq!(ask(&site, "after=1000000").await.status, 410, "a place of another store");
    bench.set_outage(true);
    assert_eq!(ask(&site, "after=0").await.status, 503);
}

/// The issuer's keys, as from its address.
struct Keys(Arc<Issuer>);

impl Fetch for Keys {
    fn fetch(&self, _forced: bool) -> BoxFuture<'_, Result<Option<Fetched>, FetchError>> {
        let document = self.0.keys().document().text().as_bytes().to_vec();
        Box::pin(async { Ok(Some(Fetched { document, life: None })) })
    }

    fn source(&self) -> &str {
        "the issuer"
    }
}

/// A node, as far as its manager sees one.
struct Sink(mpsc::UnboundedSender<Revocation>);

impl RevocationSink for Sink {
    fn revoke(&self, revocation: &Revocation) {
        let _ = self.0.send(revocation.clone());
    }
}

struct Node {
    manager: OidcSecurityManager,
    told: mpsc::UnboundedReceiver<Revocation>,
}

impl Node {
    fn new(site: &Site, source: Arc<dyn EndsSource>) -> Self {
        let clock: Arc<dyn Clock> = site.clock.clone();
        let mut config = TokenConfig::new(ISSUER, "grid");
        config.profile = Profile::Own;
        let keys = KeySetCache::new(Keys(Arc::clone(&site.issuer)), Policy::network(), Arc::clone(&clock));
        let feed = Some(TrustedFeed { source, when_blind: BlindPolicy::UntilExpiry });
        let manager = OidcSecurityManager::new(vec![TrustedIssuer { config, keys, feed }], &clock).unwrap();
        let (sink, told) = mpsc::unbounded_channel();
        manager.watch_revocations(Arc::new(Sink(sink)));
        Self { manager, told }
    }

    /// Logs in, as often as a client does that is told to try later.
    async fn log_in(&self, tokens: &Value) -> Result<Login, AuthError> {
        let credentials = Credentials::token(text(tokens, "access_token"));
        loop {
            match self.manager.authenticate(&credentials, &Peer::default()).await {
                Err(AuthError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                outcome => return outcome,
            }
        }
    }

    fn may_read(&self, login: &Login, now: Micros) -> Result<(), AuthError> {
        let wanted = ResourcePermission::read("orders", KeyScope::Region);
        self.manager.authorize(&*login.principal, &wanted, now)
    }
}

/// Signs one of two sessions of a user out, and looks at both on the node.
async fn one_session_ends_and_the_other_does_not(site: &Site, mut node: Node) {
    let scope = "openid grid:data:read:orders";
    let (first, second) = (site.tokens("app", "ann", scope).await, site.tokens("cli", "ann", scope).await);
    let (here, there) = (node.log_in(&first).await.unwrap(), node.log_in(&second).await.unwrap());
    let now = || site.clock.now();
    assert_eq!((node.may_read(&here, now()), node.may_read(&there, now())), (Ok(()), Ok(())));
    site.issuer.sessions().end(sid_of(&first), EndReason::Operator, "operator:x").await.unwrap();
    let told = node.told.recv().await.unwrap();
    assert_eq!(told.scope, RevocationScope::Session(sid_of(&first).to_string()));
    assert_eq!(told.reason, "operator");
    assert!(matches!(node.may_read(&here, now()), Err(AuthError::Expired(_))));
    assert_eq!(node.may_read(&there, now()), Ok(()));
    assert!(matches!(node.log_in(&first).await, Err(AuthError::Failed(_))));
    assert!(node.log_in(&second).await.is_ok());
}

pub(super) async fn whoever_is_signed_out_at_the_issuer_is_out_on_the_node(bench: Bench) {
    let site = site(&bench).await;
    let source = StoreEnds::new(bench.another_store().await, site.clock.clone());
    let node = Node::new(&site, Arc::new(source));
    one_session_ends_and_the_other_does_not(&site, node).await;
}

pub(super) async fn changed_rights_need_a_new_token_and_any_will_do(bench: Bench) {
    let site = site(&bench).await;
    let mut node = Node::new(&site, Arc::new(StoreEnds::new(bench.store.clone(), site.clock.clone())));
    let tokens = site.tokens("app", "ann", "offline_access grid:data:*:orders").await;
    let login = node.log_in(&tokens).await.unwrap();
    site.clock.advance(Duration::from_millis(1_500));
    let rights = vec!["grid:data:write:orders".to_owned()];
    site.issuer.change_entitlements("ann", rights, "operator:x").await.unwrap();
    assert_eq!(node.told.recv().await.unwrap().reason, "entitlements_changed");
    assert!(matches!(node.may_read(&login, site.clock.now()), Err(AuthError::Expired(_))));
    assert!(matches!(node.log_in(&tokens).await, Err(AuthError::Failed(_))));
    // At once, within the second of the change.
    let tokens = json(&site.refresh("app", text(&tokens, "refresh_token")).await);
    let login = node.log_in(&tokens).await.unwrap();
    assert!(matches!(node.may_read(&login, site.clock.now()), Err(AuthError::NotAuthorized(_))));
}

#[tokio::test]
async fn the_same_over_http() {
    let bench = Bench::sqlite().await;
    let site = site(&bench).await;
    let server = IssuerServer::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let (address, stop) = (server.local(), CancellationToken::new());
    let running = tokio::spawn(server.run(Arc::clone(&site.issuer), stop.clone()));
    let url = format!("http://{address}/v1/feed");
    let source = RemoteEnds::new(&url, "node", site.secret("node")).unwrap();
    assert!(!format!("{source:?}").contains(site.secret("node")));
    one_session_ends_and_the_other_does_not(&site, Node::new(&site, Arc::new(source))).await;
    stop.cancel();
    running.await.unwrap();
    assert!(RemoteEnds::new("http://id.example/v1/feed", "node", "secret").is_err(), "in the clear");
}
