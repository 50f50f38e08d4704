//! The authorization endpoint (RFC 6749, 4.1.1; RFC 9207; OpenID Connect Core, 3.1.2): who is logged in gets a code, who
//! is not gets the login page.

mod browser;
mod log_in;
mod request;

use hyper::{Method, StatusCode};

pub(super) use self::browser::LoggedIn;
use self::request::Authorization;
use super::code::{CodeEvent, CodeRecord, Issued};
use super::http::{Request, Response, with_parameters};
use super::token::for_subject;
use super::{Issuer, page};
use crate::error::{Error, ErrorCode, OAuthError};
use crate::session::random;
use crate::store::Commit;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

impl Issuer {
    pub(super) async fn authorize(&self, request: &Request) -> Response {
        let parameters = if request.method == Method::POST {
            str::from_utf8(&request.body).unwrap_or_default().to_owned()
        } else {
            request.query.clone()
        };
        if request.method == Method::POST && request.body_form().is_err() {
            return page::failure(
                StatusCode::BAD_REQUEST,
                "The application has sent something that makes no sense.",
            );
        }
        match self.authorization(&parameters).await {
            Ok(authorization) => self.decide_authorization(request, authorization, &parameters).await,
            Err(refusal) => refusal,
        }
    }

    async fn decide_authorization(
        &self,
        request: &Request,
        authorization: Authorization,
        parameters: &str,
    ) -> Response {
        let login = match self.login_of(request).await {
            Ok(login) => login.filter(|login| authorization.accepts(login, self.now())),
            Err(error) => return self.turned_back(&authorization, error),
        };
        match login {
            Some(login) => self.send_code(&authorization, &login).await,
            None if authorization.silent => {
                let error = OAuthError::new(ErrorCode::LoginRequired, "nobody is logged in");
                self.turned_back(&authorization, error.into())
            }
            None => self.login_page(request, &authorization, parameters, None),
        }
    }

    /// Makes a code and sends the browser back with it.
    async fn send_code(&self, authorization: &Authorization, login: &LoggedIn) -> Response {
        match self.make_code(authorization, login).await {
            Ok(code) => {
                let mut back = vec![("code", code.as_str())];
                back.extend(authorization.state.as_deref().map(|state| ("state", state)));
                back.push(("iss", &self.config.issuer));
                Response::redirect(&with_parameters(&authorization.redirect_uri, &back))
            }
            Err(error) => self.turned_back(authorization, error),
        }
    }

    async fn make_code(&self, authorization: &Authorization, login: &LoggedIn) -> Result<String, Error> {
        let denied = OAuthError::new(ErrorCode::AccessDenied, "the account may not log in");
        let entitlements = self.entitlements_of(&login.subject).await?.ok_or(denied)?;
        let (code, now) = (URL_SAFE_NO_PAD.encode(random::<32>()?), self.now());
        let issued = Issued {
            client: authorization.client.clone(),
            subject: login.subject.clone(),
            redirect_uri: authorization.redirect_uri.clone(),
            challenge: authorization.challenge.clone(),
            scope: for_subject(&authorization.scope, &entitlements),
            audience: authorization.audience.clone(),
            nonce: authorization.nonce.clone(),
            login: login.id.clone(),
            auth_time: login.auth_time,
            ends_at: now + self.config.code_life,
        };
        let mut commit = Commit::new(&login.subject, now);
        let id = CodeRecord::id_of(&code);
        commit.change::<CodeRecord>(&id, None, &[CodeEvent::Issued(Box::new(issued))])?;
        self.store.commit(commit).await?;
        Ok(code)
    }

    /// Sends the browser back with an error.
    fn turned_back(&self, authorization: &Authorization, error: Error) -> Response {
        let (code, description) = match error {
            Error::Refused(error) => (error.code, error.description),
            Error::TryLater { .. } | Error::TooMany { .. } => {
                (ErrorCode::TemporarilyUnavailable, "the issuer cannot answer at the moment")
            }
            ours @ (Error::Misconfigured(_) | Error::Bug(_)) => {
                tracing::error!(error = ?ours, "an authorization failed, and it is our fault");
                (ErrorCode::ServerError, "the issuer has failed")
            }
        };
        let error = OAuthError::new(code, description);
        self.back_with(&authorization.redirect_uri, authorization.state.as_deref(), error)
    }

    fn back_with(&self, redirect_uri: &str, state: Option<&str>, error: OAuthError) -> Response {
        let mut back = vec![("error", error.code.name()), ("error_description", error.description)];
        back.extend(state.map(|state| ("state", state)));
        back.push(("iss", &self.config.issuer));
        Response::redirect(&with_parameters(redirect_uri, &back))
    }
}
