//! Refresh tokens (RFC 6749, 6): each is replaced by its use.

use super::{for_subject, granted, members_of};
use crate::error::{Error, ErrorCode, OAuthError};
use crate::issuer::Issuer;
use crate::issuer::client_auth::Client;
use crate::issuer::http::Form;
use crate::issuer::routes::Answer;
use crate::issuer::scope;
use crate::session::{RefreshToken, Session};

impl Issuer {
    pub(super) async fn token_for_refresh(&self, client: &Client, form: &Form) -> Answer {
        let token = form.required("refresh_token", "refresh_token is missing")?;
        let wanted = form.get("scope").map(scope::parse).transpose()?;
        let scope = self.scope_today(token, wanted).await?;
        let grant = self.sessions.refresh(token, client.caller(), scope.as_deref()).await?;
        Ok(granted(members_of(&grant, self.now())))
    }

    /// The scope for which a session may have a token today: its subject may have lost entitlements since. `None`: all
    /// that the session has. Nothing is told of a session by this; the token is not believed yet.
    async fn scope_today(
        &self,
        token: &str,
        wanted: Option<Vec<String>>,
    ) -> Result<Option<Vec<String>>, Error> {
        let Some(token) = RefreshToken::parse(token) else { return Ok(wanted) };
        let Some(session) = self.sessions.load(token.sid()).await? else { return Ok(wanted) };
        let whole = &session.state.opened.scope;
        let Some(entitlements) = self.entitlements_of(&session.state.opened.subject).await? else {
            return refused_or_service(&session.state, wanted);
        };
        let asked = wanted.as_ref().unwrap_or(whole);
        if !asked.iter().all(|one| whole.contains(one)) {
            // Let the session itself refuse it, once the token is believed.
            return Ok(wanted);
        }
        let today = for_subject(asked, &entitlements);
        let today: Vec<String> = today.into_iter().filter(|one| whole.contains(one)).collect();
        Ok((wanted.is_some() || today != *whole).then_some(today))
    }
}

/// A subject without an account is a client for itself, which has no refresh tokens; or it has been shut out, and its
/// sessions are over.
fn refused_or_service(session: &Session, wanted: Option<Vec<String>>) -> Result<Option<Vec<String>>, Error> {
    if session.opened.refreshable {
        return Err(OAuthError::new(ErrorCode::InvalidGrant, "the refresh token is not good").into());
    }
    Ok(wanted)
}
