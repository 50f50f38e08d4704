//! The token endpoint (RFC 6749, 3.2): a file for each grant type.

mod client_credentials;
mod code;
mod exchange;
mod refresh;

use druse_protocol::time::Micros;
use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::client_auth::Client;
use super::http::{Form, Request, Response};
use super::routes::Answer;
use super::scope::{self, IDENTITY};
use super::{AccountRecord, AccountState, GrantType, Issuer};
use crate::error::{Error, ErrorCode, OAuthError};
use crate::session::Grant;

impl Issuer {
    pub(super) async fn token(&self, request: &Request) -> Answer {
        let form = request.body_form()?;
        let client = self.client_of(request, &form).await?;
        let wanted = form.required("grant_type", "grant_type is missing")?;
        let unknown = OAuthError::new(ErrorCode::UnsupportedGrantType, "there is no such grant type");
        let grant = GrantType::from_name(wanted).ok_or(unknown)?;
        client.may(grant)?;
        match grant {
            GrantType::AuthorizationCode => self.token_for_code(&client, &form).await,
            GrantType::RefreshToken => self.token_for_refresh(&client, &form).await,
            GrantType::ClientCredentials => self.token_for_client(&client, &form).await,
            GrantType::TokenExchange => self.token_for_token(&client, &form).await,
        }
    }

    /// The entitlements that a subject has today; `None` if it has no account that may log in.
    pub(super) async fn entitlements_of(&self, subject: &str) -> Result<Option<Vec<String>>, Error> {
        let account = self.store.load::<AccountRecord>(subject).await?;
        let enabled = account.filter(|account| account.state.state == AccountState::Enabled);
        Ok(enabled.map(|account| account.state.entitlements))
    }
}

/// The scope that a client asks for: all that it is registered for, if it does not say.
pub(super) fn wanted_scope(client: &Client, form: &Form) -> Result<Vec<String>, OAuthError> {
    let held = &client.settings.scope;
    let Some(text) = form.get("scope") else { return Ok(held.clone()) };
    let wanted = scope::parse(text)?;
    let beyond = |one: &String| scope::meet(std::slice::from_ref(one), held).is_empty();
    if wanted.iter().any(beyond) {
        let text = "the client is not registered for all of this scope";
        return Err(OAuthError::new(ErrorCode::InvalidScope, text));
    }
    Ok(scope::meet(&wanted, held))
}

/// What of a scope a subject can have: who it is, and what it may do.
pub(super) fn for_subject(scope: &[String], entitlements: &[String]) -> Vec<String> {
    let mut held: Vec<String> = entitlements.to_vec();
    held.extend(IDENTITY.map(str::to_owned));
    // The identity scopes only as far as they are wanted: a wide wish does not bring them.
    let met = scope::meet(scope, &held);
    met.into_iter().filter(|one| !IDENTITY.contains(&one.as_str()) || scope.contains(one)).collect()
}

/// For whom the access token is to be: one audience, named by `audience` or `resource`, of those that the client has.
pub(super) fn wanted_audience(client: &Client, form: &Form) -> Result<String, OAuthError> {
    let wrong = |text| OAuthError::new(ErrorCode::InvalidTarget, text);
    let mut wanted = form.all("audience").chain(form.all("resource"));
    let Some(one) = wanted.next() else {
        let first = client.settings.audiences.first().cloned();
        return first.ok_or(wrong("the client has no audience"));
    };
    if wanted.any(|other| other != one) {
        return Err(wrong("a token is for one audience"));
    }
    let known = client.settings.audiences.iter().any(|known| known == one);
    if known { Ok(one.to_owned()) } else { Err(wrong("the client has no such audience")) }
}

/// What every grant answers with (RFC 6749, 5.1).
fn members_of(grant: &Grant, now: Micros) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("access_token".into(), json!(grant.access_token));
    members.insert("token_type".into(), json!("Bearer"));
    members.insert("expires_in".into(), json!(grant.access.ends_at.saturating_since(now).as_secs()));
    members.insert("scope".into(), json!(grant.access.scope.join(" ")));
    if let Some(token) = &grant.refresh_token {
        members.insert("refresh_token".into(), json!(token.reveal()));
    }
    members
}

fn granted(members: Map<String, Value>) -> Response {
    Response::json(StatusCode::OK, &Value::Object(members)).uncached().with("pragma", "no-cache")
}
