//! Clients that are told of logouts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::auth::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::site::*;
use crate::issuer::{Issuer, IssuerConfig};
use crate::logout::{Answer, DeliveryOutcome, DeliveryRecord, PlaceRecord, Transport};
use crate::projections;
use crate::session::{EndReason, SessionId};
use crate::store::tests::Bench;

/// A client that answers as it is told to, and takes everything once it has nothing more to say.
#[derive(Default)]
struct App {
    answers: Mutex<VecDeque<Answer>>,
    told: Mutex<Vec<(String, String)>>,
}

impl Transport for App {
    fn post(&self, address: &str, token: &str) -> BoxFuture<'static, Answer> {
        self.told.lock().push((address.to_owned(), token.to_owned()));
        let answer = self.answers.lock().pop_front().unwrap_or(Answer::Taken);
        Box::pin(std::future::ready(answer))
    }
}

struct Telling {
    site: Site,
    app: Arc<App>,
    bench: Bench,
}

impl Telling {
    async fn new(bench: Bench, answers: &[Answer]) -> Self {
        let app = Arc::new(App::default());
        app.answers.lock().extend(answers);
        let site = Site::with_transport(&bench, IssuerConfig::new(ISSUER), app.clone()).await;
        site.issuer.tell().await.unwrap();
        Self { site, app, bench }
    }

    async fn end(&self, tokens: &Value) -> String {
        let sid = claims(text(tokens, "access_token"))["sid"].as_str().unwrap().to_owned();
        let ended =
            self.site.issuer.sessions().end(SessionId::parse(&sid).unwrap(), EndReason::Logout, "ann");
        assert!(ended.await.unwrap());
        sid
    }

    /// Lets the issuer tell; answers with the tokens that the client has had since the last time.
    async fn told(&self) -> Vec<String> {
        self.site.issuer.tell().await.unwrap();
        let told = std::mem::take(&mut *self.app.told.lock());
        assert!(told.iter().all(|(address, _)| address == LOGOUT));
        told.into_iter().map(|(_, token)| token).collect()
    }

    async fn outcomes(&self) -> Vec<Option<DeliveryOutcome>> {
        let deliveries = self.bench.store.all::<DeliveryRecord>("").await.unwrap();
        deliveries.iter().map(|delivery| delivery.state.outcome).collect()
    }
}

pub(super) async fn a_client_is_told_once_of_the_end_of_its_session(bench: Bench) {
    let telling = Telling::new(bench, &[]).await;
    let site = &telling.site;
    let tokens = site.tokens("app", "ann", "openid offline_access").await;
    let sid = telling.end(&tokens).await;
    let told = telling.told().await;
    let [token] = told.as_slice() else { panic!("{told:?}") };
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["typ"], "logout+jwt");
    let said = claims(token);
    assert_eq!((&said["iss"], &said["sub"], &said["aud"]), (&json!(ISSUER), &json!("ann"), &json!("app")));
    assert_eq!(said["sid"], sid);
    assert_eq!(said["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 120);
    assert!(said.get("nonce").is_none() && said["jti"].is_string());
    assert_eq!(telling.told().await, [""; 0], "once");
    let sealer = crate::seal::Sealer::from_text("k1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    let (store, app) = (telling.bench.another_store().await, telling.app.clone());
    let config = IssuerConfig::new(ISSUER);
    let other =
        Issuer::with_transport(config, store, Arc::new(sealer), site.clock.clone(), app).await.unwrap();
    other.tell().await.unwrap();
    assert_eq!(telling.told().await, [""; 0], "by no other process either");
    assert_eq!(telling.outcomes().await, [Some(DeliveryOutcome::Delivered)]);
    let rows = async || {
        let store = &telling.bench.store;
        (store.all::<DeliveryRecord>("").await.unwrap(), store.all::<PlaceRecord>("").await.unwrap())
    };
    let before = rows().await;
    telling.bench.store.rebuild(&projections::ALL).await.unwrap();
    assert_eq!(rows().await, before);
}

pub(super) async fn a_client_that_is_away_is_told_later(bench: Bench) {
    let away = Answer::Failed { after: None };
    let telling = Telling::new(bench, &[away, Answer::Failed { after: Some(Duration::from_secs(30)) }]).await;
    let tokens = telling.site.tokens("app", "ann", "openid").await;
    telling.end(&tokens).await;
    let first = telling.told().await;
    assert_eq!(first.len(), 1);
    assert_eq!(telling.told().await, [""; 0], "not at once");
    telling.site.clock.advance(Duration::from_secs(1));
    let second = telling.told().await;
    assert_ne!(claims(&second[0])["jti"], claims(&first[0])["jti"], "a token of its own for each attempt");
    telling.site.clock.advance(Duration::from_secs(29));
    assert_eq!(telling.told().await, [""; 0], "it has asked for more time");
    telling.site.clock.advance(Duration::from_secs(1));
    assert_eq!(telling.told().await.len(), 1);
    assert_eq!(telling.outcomes().await, [Some(DeliveryOutcome::Delivered)]);
}

pub(super) async fn a_client_that_takes_no_such_token_is_left_alone(bench: Bench) {
    let telling = Telling::new(bench, &[Answer::Refused]).await;
    let tokens = telling.site.tokens("app", "ann", "openid").await;
    telling.end(&tokens).await;
    assert_eq!(telling.told().await.len(), 1);
    telling.site.clock.advance(Duration::from_secs(60));
    assert_eq!(telling.told().await, [""; 0]);
    assert_eq!(telling.outcomes().await, [Some(DeliveryOutcome::Rejected)]);
}

pub(super) async fn what_nobody_wants_to_know_is_not_told(bench: Bench) {
    let telling = Telling::new(bench, &[]).await;
    let unregistered = telling.site.tokens("cli", "ann", "openid").await;
    let without_id = telling.site.tokens("app", "ann", "grid:data:read:orders").await;
    telling.end(&unregistered).await;
    telling.end(&without_id).await;
    assert_eq!(telling.told().await, [""; 0]);
    assert_eq!(telling.outcomes().await, []);
}

pub(super) async fn whoever_comes_back_too_late_is_not_told_any_more(bench: Bench) {
    let telling = Telling::new(bench, &[Answer::Failed { after: None }]).await;
    let tokens = telling.site.tokens("app", "ann", "openid offline_access").await;
    telling.end(&tokens).await;
    assert_eq!(telling.told().await.len(), 1);
    // No issuer was running meanwhile.
    telling.site.clock.advance(Duration::from_secs(300));
    assert_eq!(telling.told().await, [""; 0]);
    assert_eq!(telling.outcomes().await, [Some(DeliveryOutcome::Abandoned)]);
}
