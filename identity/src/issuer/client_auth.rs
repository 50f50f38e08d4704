//! Which client asks, and has it shown that it is itself? (RFC 6749, 2.3)

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::AUTHORIZATION;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::http::{Form, Request};
use super::registry::sha256;
use super::{ClientRecord, ClientSettings, GrantType, Issuer};
use crate::error::{Error, ErrorCode, OAuthError};
use crate::session::{Caller, Session};

/// A client that asks.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) settings: ClientSettings,
    /// Whether it has shown its secret; one without any cannot.
    pub(super) authenticated: bool,
}

impl Client {
    pub(super) fn caller(&self) -> Caller<'_> {
        Caller { client: &self.id, authenticated: self.authenticated }
    }

    /// Whether the access tokens of a session concern it: they came through it, or are for whom it speaks.
    pub(super) fn is_concerned_by(&self, session: &Session) -> bool {
        let opened = &session.opened;
        opened.client == self.id || self.settings.audiences.contains(&opened.audience)
    }

    /// Whether it may have tokens in that way.
    pub(super) fn may(&self, grant: GrantType) -> Result<(), OAuthError> {
        let text = "the client is not registered for this grant type";
        let refused = OAuthError::new(ErrorCode::UnauthorizedClient, text);
        if self.settings.grants.contains(&grant) { Ok(()) } else { Err(refused) }
    }
}

/// Alike for everything that is wrong, so that ids cannot be found out.
const NOT_ITSELF: OAuthError = OAuthError::new(ErrorCode::InvalidClient, "the client is not authenticated");

/// What a request shows of its client.
struct Shown {
    id: String,
    secret: Option<Zeroizing<String>>,
    in_body: bool,
}

impl Issuer {
    /// The client of a request. Those with a secret must show it.
    pub(super) async fn client_of(&self, request: &Request, form: &Form) -> Result<Client, Error> {
        let shown = shown(request, form)?;
        self.rates.lock().admit(&shown.id, self.now()).map_err(|after| Error::TooMany { after })?;
        let wait = self.guesses.lock().admit(&shown.id, Some(request.peer), self.now());
        tokio::time::sleep(wait.map_err(|after| Error::TooMany { after })?).await;
        let found = self.store.load::<ClientRecord>(&shown.id).await?;
        let client = found.filter(|client| !client.state.removed).map(|client| client.state.settings);
        match client.and_then(|settings| admit(&shown, settings)) {
            Some(client) => {
                self.guesses.lock().succeeded(&shown.id, Some(request.peer));
                Ok(client)
            }
            None => {
                self.guesses.lock().failed(&shown.id, Some(request.peer), self.now());
                tracing::debug!(client = ?shown.id, "a client did not show that it is itself");
                Err(NOT_ITSELF.into())
            }
        }
    }

    /// The client of a request, which must have shown that it is itself.
    pub(super) async fn authenticated_client_of(
        &self,
        request: &Request,
        form: &Form,
    ) -> Result<Client, Error> {
        let client = self.client_of(request, form).await?;
        if client.authenticated { Ok(client) } else { Err(NOT_ITSELF.into()) }
    }
}

fn admit(shown: &Shown, settings: ClientSettings) -> Option<Client> {
    let authenticated = match (&settings.secret_sha256, &shown.secret) {
        (None, None) => false,
        (Some(kept), Some(secret)) if !shown.in_body || settings.secret_in_body => {
            bool::from(sha256(secret).as_bytes().ct_eq(kept.as_bytes())).then_some(true)?
        }
        _ => return None,
    };
    Some(Client { id: shown.id.clone(), settings, authenticated })
}

/// Reads the header or the body, and not both (RFC 6749, 2.3).
fn shown(request: &Request, form: &Form) -> Result<Shown, OAuthError> {
    let both = OAuthError::new(ErrorCode::InvalidRequest, "the client authenticates in more than one way");
    if !request.headers.contains_key(AUTHORIZATION) {
        let id = form.get("client_id").ok_or(NOT_ITSELF)?.to_owned();
        let secret = form.get("client_secret").map(|secret| Zeroizing::new(secret.to_owned()));
        return Ok(Shown { id, in_body: secret.is_some(), secret });
    }
    let (id, secret) = request.header(&AUTHORIZATION).and_then(basic).ok_or(NOT_ITSELF)?;
    let other_id = form.get("client_id").is_some_and(|other| other != id);
    if form.get("client_secret").is_some() || other_id {
        return Err(both);
    }
    Ok(Shown { id, secret: Some(secret), in_body: false })
}

/// `Basic`, with both halves escaped like forms (RFC 6749, 2.3.1).
fn basic(header: &str) -> Option<(String, Zeroizing<String>)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
    let (id, secret) = decoded.split_once(':')?;
    let id = super::http::decode(id).ok()?;
    let secret = Zeroizing::new(super::http::decode(secret).ok()?);
    (!id.is_empty() && !secret.is_empty()).then_some((id, secret))
}
