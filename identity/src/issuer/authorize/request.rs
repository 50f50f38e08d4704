//! An authorization request, checked: first whether there is a client and an address to send anything to, then the
//! rest, whose mistakes go to that address.

use std::time::Duration;

use druse_protocol::time::Micros;
use hyper::StatusCode;

use super::browser::LoggedIn;
use crate::error::{Error, ErrorCode, OAuthError};
use crate::issuer::client_auth::Client;
use crate::issuer::code::is_challenge;
use crate::issuer::http::{Form, Response};
use crate::issuer::token::{wanted_audience, wanted_scope};
use crate::issuer::{ClientRecord, GrantType, Issuer, page};

/// The longest `state` and `nonce`: they are ours to keep and to send back, and mean nothing to us.
const MAX_ECHO_BYTES: usize = 1024;

/// A request that makes sense.
#[derive(Debug)]
pub(super) struct Authorization {
    pub(super) client: String,
    /// What people know the client by.
    pub(super) client_name: String,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) scope: Vec<String>,
    pub(super) audience: String,
    pub(super) challenge: String,
    /// `prompt=none`: nobody may be asked.
    pub(super) silent: bool,
    /// `prompt=login`: somebody must be asked.
    ask_again: bool,
    max_age: Option<Duration>,
    pub(super) login_hint: Option<String>,
}

impl Authorization {
    /// Whether a login is fresh enough for what is asked.
    pub(super) fn accepts(&self, login: &LoggedIn, now: Micros) -> bool {
        let age = now.saturating_since(login.auth_time);
        !self.ask_again && self.max_age.is_none_or(|most| age <= most)
    }
}

impl Issuer {
    /// Reads and checks a request. `Err` is the response to one that makes no sense.
    pub(super) async fn authorization(&self, parameters: &str) -> Result<Authorization, Response> {
        let form = Form::parse(parameters).map_err(|_| {
            page::failure(StatusCode::BAD_REQUEST, "The application has sent something that makes no sense.")
        })?;
        let client = self.client_for_browser(&form).await?;
        let redirect_uri = form.get("redirect_uri").unwrap_or_default().to_owned();
        if !client.settings.redirects_to(&redirect_uri) {
            let text = "The application wants you sent to an address that it has not registered.";
            return Err(page::failure(StatusCode::BAD_REQUEST, text));
        }
        let state = form.get("state").filter(|state| state.len() <= MAX_ECHO_BYTES);
        check(&client, &form, &redirect_uri).map_err(|error| self.back_with(&redirect_uri, state, error))
    }

    async fn client_for_browser(&self, form: &Form) -> Result<Client, Response> {
        let id = form.get("client_id").unwrap_or_default();
        let found = match self.store.load::<ClientRecord>(id).await {
            Ok(found) => found.filter(|client| !client.state.removed),
            Err(error) => return Err(page::error(Error::from(error))),
        };
        let text = "The application is not known here.";
        let found = found.ok_or_else(|| page::failure(StatusCode::BAD_REQUEST, text))?;
        Ok(Client { id: found.id, settings: found.state.settings, authenticated: false })
    }
}

fn check(client: &Client, form: &Form, redirect_uri: &str) -> Result<Authorization, OAuthError> {
    let wrong = |text| OAuthError::new(ErrorCode::InvalidRequest, text);
    client.may(GrantType::AuthorizationCode)?;
    if ["request", "request_uri"].into_iter().any(|name| form.get(name).is_some()) {
        return Err(wrong("requests are made of plain parameters here"));
    }
    let kind = form.required("response_type", "response_type is missing")?;
    if kind != "code" {
        return Err(OAuthError::new(ErrorCode::UnsupportedResponseType, "only code is answered"));
    }
    if form.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(wrong("only the response mode query is answered"));
    }
    let echo = |name| -> Result<Option<String>, OAuthError> {
        match form.get(name) {
            Some(text) if text.len() > MAX_ECHO_BYTES => Err(wrong("state or nonce is too long")),
            text => Ok(text.map(str::to_owned)),
        }
    };
    let prompts = prompts(form)?;
    Ok(Authorization {
        client: client.id.clone(),
        client_name: client.settings.name.clone(),
        redirect_uri: redirect_uri.to_owned(),
        state: echo("state")?,
        nonce: echo("nonce")?,
        scope: wanted_scope(client, form)?,
        audience: wanted_audience(client, form).map_err(|error| wrong(error.description))?,
        challenge: challenge(form)?,
        silent: prompts.contains(&"none"),
        ask_again: prompts.contains(&"login"),
        max_age: max_age(form)?,
        login_hint: form.get("login_hint").filter(|hint| hint.len() <= 100).map(str::to_owned),
    })
}

/// PKCE is not optional, and its plain method no protection (RFC 9700, 2.1.1).
fn challenge(form: &Form) -> Result<String, OAuthError> {
    let wrong = |text| OAuthError::new(ErrorCode::InvalidRequest, text);
    let challenge = form.required("code_challenge", "code_challenge is missing: PKCE is required")?;
    if form.get("code_challenge_method") != Some("S256") {
        return Err(wrong("code_challenge_method must be S256"));
    }
    if is_challenge(challenge) {
        Ok(challenge.to_owned())
    } else {
        Err(wrong("code_challenge is not a SHA-256"))
    }
}

fn prompts(form: &Form) -> Result<Vec<&str>, OAuthError> {
    let prompts: Vec<&str> =
        form.get("prompt").unwrap_or_default().split(' ').filter(|p| !p.is_empty()).collect();
    let alone = !prompts.contains(&"none") || prompts.len() == 1;
    // There is nothing to consent to and one account to select: both are met by the login page.
    let known = prompts.iter().all(|one| ["none", "login", "consent", "select_account"].contains(one));
    if alone && known {
        Ok(prompts)
    } else {
        Err(OAuthError::new(ErrorCode::InvalidRequest, "prompt makes no sense"))
    }
}

fn max_age(form: &Form) -> Result<Option<Duration>, OAuthError> {
    let wrong = OAuthError::new(ErrorCode::InvalidRequest, "max_age is not a number of seconds");
    let seconds = form.get("max_age").map(|text| text.parse().map_err(|_| wrong)).transpose()?;
    Ok(seconds.map(Duration::from_secs))
}
