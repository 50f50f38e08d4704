//! Who the owner of an access token is (OpenID Connect Core, 5.3).

use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use serde_json::json;

use super::Issuer;
use super::http::{Request, Response, refusal};
use crate::error::{Error, ErrorCode, OAuthError};
use crate::session::Inspected;

const NOT_GOOD: OAuthError = OAuthError::new(ErrorCode::InvalidToken, "the access token is not good");
const NO_OPENID: OAuthError = OAuthError::new(ErrorCode::InsufficientScope, "the access token lacks openid");

impl Issuer {
    pub(super) async fn userinfo(&self, request: &Request) -> Response {
        let Some(token) = request.header(&AUTHORIZATION).and_then(bearer) else {
            // Nothing was tried: no error to name (RFC 6750, 3.1).
            return Response::empty(StatusCode::UNAUTHORIZED)
                .uncached()
                .with("www-authenticate", "Bearer realm=\"druse\"");
        };
        match self.owner(token).await {
            Ok(claims) => claims,
            Err(error) => challenged(error),
        }
    }

    async fn owner(&self, token: &str) -> Result<Response, Error> {
        let Some(Inspected::Access { claims, session, active: true }) = self.sessions.inspect(token).await?
        else {
            return Err(NOT_GOOD.into());
        };
        let has = |scope: &str| claims.scope.iter().any(|one| one == scope);
        if !has("openid") {
            return Err(NO_OPENID.into());
        }
        let subject = &session.opened.subject;
        let about = if has("profile") {
            json!({ "sub": subject, "preferred_username": subject })
        } else {
            json!({ "sub": subject })
        };
        Ok(Response::json(StatusCode::OK, &about).uncached())
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn challenged(error: Error) -> Response {
    let challenge = match &error {
        Error::Refused(error) => Some(format!(
            "Bearer realm=\"druse\", error=\"{}\", error_description=\"{}\"",
            error.code.name(),
            error.description
        )),
        _ => None,
    };
    let response = refusal(error);
    match challenge {
        Some(challenge) => response.with("www-authenticate", &challenge),
        None => response,
    }
}
