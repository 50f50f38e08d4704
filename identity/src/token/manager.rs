//! The security manager: tokens in, principals out.

use std::fmt;
use std::sync::Arc;

use druse_protocol::auth::{
    AuthError, BoxFuture, Credentials, DecisionScope, Login, Peer, Principal, Reading, ResourcePermission,
    Revocation, RevocationScope, RevocationSink, SecurityManager, TOKEN,
};
use druse_protocol::time::{Clock, Micros};
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};

use super::cache::{TokenCache, Verified};
use super::claims::Claims;
use super::ends::EndTable;
use super::jwt::Jwt;
use super::readings::readings;
use super::{MAX_TOKEN_BYTES, TokenConfig, TokenError};
use crate::ends::Watch;
use crate::grid::{self, Grants, GridPrincipal, Pin};
use crate::key_set::{KeySetCache, KeySetStatus};
use crate::once::{Digest, Flights};

/// Verifies access tokens of one issuer (identity-spec 3.1).
///
/// A principal is named by the token's `sub`. As there is one issuer, and an issuer gives a `sub` to one person only,
/// equal names are the same person; [`crate::oidc::OidcSecurityManager`] is for several, and puts their realms in front.
pub struct TokenSecurityManager {
    config: TokenConfig,
    keys: KeySetCache,
    clock: Arc<dyn Clock>,
    /// The feed that tells of ends, if there is one.
    watch: Option<Arc<Watch>>,
    cache: Mutex<TokenCache>,
    flights: Flights<Arc<Verified>>,
    ends: Mutex<EndTable>,
    sinks: Mutex<Vec<Arc<dyn RevocationSink>>>,
}

impl TokenSecurityManager {
    /// A manager that verifies with `keys`.
    #[must_use]
    pub fn new(config: TokenConfig, keys: KeySetCache, clock: Arc<dyn Clock>) -> Self {
        Self {
            cache: Mutex::new(TokenCache::new(config.cached_tokens)),
            config,
            keys,
            clock,
            watch: None,
            flights: Flights::default(),
            ends: Mutex::default(),
            sinks: Mutex::default(),
        }
    }

    /// With a feed of ends: nobody is let in before it has been read, and while it is silent its policy decides.
    #[must_use]
    pub fn watched_by(mut self, watch: Arc<Watch>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// What is accepted.
    #[must_use]
    pub const fn config(&self) -> &TokenConfig {
        &self.config
    }

    /// Checks one token as shown on one connection.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn verify(&self, token: &str, peer: &Peer) -> Result<Arc<GridPrincipal>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        if self.watch.as_ref().is_some_and(|watch| !watch.admits(self.clock.now())) {
            return Err(TokenError::Blind);
        }
        let print = print_of(token);
        let known = self.cache.lock().get(&print, self.clock.now());
        let verified = match known {
            Some(known) if self.still_signed(&known).await? => known,
            _ => self.flights.run(print, || self.verify_anew(token, print)).await?,
        };
        verified.check_binding(peer)?;
        let principal = &verified.principal;
        if self.ends.lock().has_ended(&**principal, principal.issued_at) {
            return Err(TokenError::Ended);
        }
        Ok(Arc::clone(principal))
    }

    /// Ends everything issued to somebody, within a session, or through a client before an instant: logins that are in
    /// use at once, and tokens for good.
    pub fn revoke(&self, revocation: &Revocation) {
        self.ends.lock().insert(&revocation.scope, revocation.before);
        let now = self.clock.now();
        let theirs = self.cache.lock().remove_all_of(&revocation.scope);
        for verified in theirs {
            let principal = &verified.principal;
            if principal.issued_at.is_none_or(|at| at < revocation.before) {
                principal.pin.end(now);
            }
        }
        let sinks = self.sinks.lock().clone();
        for sink in sinks {
            sink.revoke(revocation);
        }
    }

    /// The same for an end as the issuer itself words it, without the realm that stands before the names here.
    pub fn revoke_of_issuer(&self, revocation: &Revocation) {
        let scope = match revocation.scope.clone() {
            RevocationScope::Principal(name) => RevocationScope::Principal(self.in_realm(name)),
            RevocationScope::Session(session) => RevocationScope::Session(self.in_realm(session)),
            RevocationScope::Client(client) => RevocationScope::Client(self.in_realm(client)),
        };
        self.revoke(&Revocation { scope, ..revocation.clone() });
    }

    fn in_realm(&self, name: String) -> String {
        match &self.config.realm {
            Some(realm) => format!("{realm}/{name}"),
            None => name,
        }
    }

    /// Whether the key that signed a remembered token is still its issuer's.
    async fn still_signed(&self, known: &Verified) -> Result<bool, TokenError> {
        let key = self.keys.key(known.algorithm, known.key_id.as_deref()).await?;
        Ok(*key == *known.key)
    }

    /// Steps 1 to 7 and 10, for a token that is not remembered.
    async fn verify_anew(&self, token: &str, print: Digest) -> Result<Arc<Verified>, TokenError> {
        let jwt = Jwt::parse(token, self.config.profile, &self.config.algorithms)?;
        let key = self.keys.key(jwt.algorithm, jwt.key_id.as_deref()).await?;
        let payload = jwt.verify(&key)?;
        let now = self.clock.now();
        let claims = Claims::check(&payload, &self.config, now)?;
        let verified = Arc::new(Verified {
            algorithm: jwt.algorithm,
            key_id: jwt.key_id,
            key,
            certificate: claims.certificate,
            principal: Arc::new(self.principal(claims, now)),
        });
        self.cache.lock().insert(print, Arc::clone(&verified), now);
        Ok(verified)
    }

    fn principal(&self, claims: Claims, now: Micros) -> GridPrincipal {
        GridPrincipal {
            name: self.in_realm(claims.subject),
            actor: claims.actor.map(|actor| self.in_realm(actor)),
            client: claims.client.map(|client| self.in_realm(client)),
            session: claims.session.map(|session| self.in_realm(session)),
            issued_at: claims.issued_at,
            ends_at: claims.expires_at.min(now + self.config.longest_life),
            pin: Arc::new(Pin::new()),
            watch: self.watch.clone(),
            grants: Grants::compile(claims.entitlements.iter().map(String::as_str)),
        }
    }

    pub(super) fn keys(&self) -> KeySetStatus {
        self.keys.status()
    }

    pub(super) fn watch(&self) -> Option<&Watch> {
        self.watch.as_deref()
    }

    pub(super) fn now(&self) -> Micros {
        self.clock.now()
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.cache.lock().len()
    }
}

impl SecurityManager for TokenSecurityManager {
    fn authenticate<'a>(
        &'a self,
        credentials: &'a Credentials,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<Login, AuthError>> {
        Box::pin(async move {
            if credentials.is_empty() {
                return Err(AuthError::Required("no security credentials are provided".into()));
            }
            let token = credentials.get(TOKEN).filter(|token| !token.is_empty());
            let token = token.ok_or_else(|| AuthError::Failed(format!("the credentials lack {TOKEN}")))?;
            let principal = self.verify(token, peer).await?;
            Ok(Login {
                issued_at: principal.issued_at,
                expires_at: Some(principal.ends_at),
                principal: principal as Arc<dyn Principal>,
            })
        })
    }

    fn authorize(
        &self,
        principal: &dyn Principal,
        wanted: &ResourcePermission<'_>,
        now: Micros,
    ) -> Result<(), AuthError> {
        grid::authorize(principal, wanted, now)
    }

    /// Asked every time: the answer costs less than remembering it, and one that is not remembered cannot be wrong
    /// when grants for single keys are among the entitlements.
    fn decision_scope(&self) -> DecisionScope {
        DecisionScope::Call
    }

    fn readings(&self) -> Vec<Reading> {
        readings(&[self])
    }

    fn watch_revocations(&self, sink: Arc<dyn RevocationSink>) {
        self.sinks.lock().push(sink);
    }
}

impl fmt::Debug for TokenSecurityManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSecurityManager")
            .field("config", &self.config)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// What a token is known by once it has been seen: it is not kept itself.
fn print_of(token: &str) -> Digest {
    let mut print = Digest::default();
    print.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    print
}
