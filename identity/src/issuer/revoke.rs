//! Giving tokens back (RFC 7009).

use hyper::StatusCode;

use super::Issuer;
use super::http::{Request, Response};
use super::routes::Answer;
use crate::error::{ErrorCode, OAuthError};
use crate::session::{EndReason, Inspected};

const NOT_YOURS: OAuthError =
    OAuthError::new(ErrorCode::InvalidGrant, "the token was issued to another client");

impl Issuer {
    /// A refresh token takes its session along, an access token goes alone. What is not ours, or over already, is as
    /// good as given back.
    pub(super) async fn revoke(&self, request: &Request) -> Answer {
        let form = request.body_form()?;
        let client = self.client_of(request, &form).await?;
        let token = form.required("token", "token is missing")?;
        match self.sessions.inspect(token).await? {
            None => {}
            Some(Inspected::Access { session, .. } | Inspected::Refresh { session, .. })
                if session.opened.client != client.id =>
            {
                return Err(NOT_YOURS.into());
            }
            Some(Inspected::Access { claims, .. }) => {
                self.sessions.revoke_access(claims.sid, claims.number, &client.id).await?;
            }
            Some(Inspected::Refresh { sid, .. }) => {
                self.sessions.end(sid, EndReason::Revoked, &client.id).await?;
            }
        }
        Ok(Response::empty(StatusCode::OK).uncached())
    }
}
