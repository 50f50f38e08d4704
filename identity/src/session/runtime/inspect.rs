//! What the issuer itself thinks of a token of its own: for revocation, introspection and whatever it serves.

use druse_protocol::time::Micros;

use super::Sessions;
use crate::error::Error;
use crate::json::Object;
use crate::key_set::{Algorithm, KeySet};
use crate::session::{AccessClaims, RefreshToken, Session, SessionId, decide};
use crate::token::{Jwt, Profile};

/// A token that is ours, signed or proven, with its session as it is now.
#[derive(Debug)]
pub enum Inspected {
    /// An access token.
    Access {
        /// What it says.
        claims: AccessClaims,
        /// Its session.
        session: Box<Session>,
        /// Whether it is good at this moment.
        active: bool,
    },
    /// A refresh token.
    Refresh {
        /// Its session's id.
        sid: SessionId,
        /// Its session.
        session: Box<Session>,
        /// Whether it is the current one of a session that goes on.
        active: bool,
    },
}

impl Sessions {
    /// Looks at a token; `None` if it is not ours, whatever it is.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn inspect(&self, token: &str) -> Result<Option<Inspected>, Error> {
        match RefreshToken::parse(token) {
            Some(token) => self.inspect_refresh(&token).await,
            None => self.inspect_access(token).await,
        }
    }

    async fn inspect_refresh(&self, token: &RefreshToken) -> Result<Option<Inspected>, Error> {
        let Some(found) = self.load(token.sid()).await? else { return Ok(None) };
        let session = found.state;
        if !token.is_proven(&session, &self.issuer, &self.sealer)? {
            return Ok(None);
        }
        let current = session.opened.refreshable && token.generation() == session.generation;
        let active = current && !session.is_over(self.clock.now()) && self.cut_of(&session).await?.is_none();
        Ok(Some(Inspected::Refresh { sid: token.sid(), session: Box::new(session), active }))
    }

    async fn inspect_access(&self, token: &str) -> Result<Option<Inspected>, Error> {
        let Some(claims) = self.read_access(token) else { return Ok(None) };
        let Some(found) = self.load(claims.sid).await? else { return Ok(None) };
        let (session, now) = (found.state, self.clock.now());
        let good = now < claims.ends_at && decide::is_access_good(&session, claims.number, now);
        let active = good && self.cut_of(&session).await?.is_none();
        Ok(Some(Inspected::Access { claims, session: Box::new(session), active }))
    }

    /// What an access token says, if we have signed it with a key that is published.
    fn read_access(&self, token: &str) -> Option<AccessClaims> {
        let jwt = Jwt::parse(token, Profile::Own, &Algorithm::ALL).ok()?;
        let keys = KeySet::parse(self.keys.document().text().as_bytes()).ok()?;
        let key = keys.keys().find(|key| key.id().is_some() && key.id() == jwt.key_id.as_deref())?;
        read_payload(&jwt.verify(key).ok()?, &self.issuer)
    }
}

fn read_payload(payload: &[u8], issuer: &str) -> Option<AccessClaims> {
    let claims = Object::parse(payload)?;
    let text = |name| claims.text(name).ok().flatten();
    let instant = |name| -> Option<Micros> { claims.instant(name).ok().flatten() };
    if text("iss")? != issuer {
        return None;
    }
    let (sid, number) = AccessClaims::parse_jti(&text("jti")?)?;
    let scope = text("scope")?.split_ascii_whitespace().map(str::to_owned).collect();
    Some(AccessClaims { sid, number, scope, issued_at: instant("iat")?, ends_at: instant("exp")? })
}
