//! The manager for issuers, our own and foreign ones: tokens verified with each one's keys, and what they say is over
//! ended at once (identity-spec 3).

use std::fmt;
use std::sync::Arc;

use druse_protocol::auth::{
    AuthError, BoxFuture, Credentials, DecisionScope, Login, Peer, Principal, Reading, ResourcePermission,
    Revocation, RevocationSink, SecurityManager, TOKEN,
};
use druse_protocol::time::{Clock, Micros};

use crate::ends::{BlindPolicy, EndsSource, Follower, Watch};
use crate::grid;
use crate::key_set::KeySetCache;
use crate::token::{TokenConfig, TokenError, TokenSecurityManager, claimed_issuer, readings};

/// An issuer whose tokens are taken.
pub struct TrustedIssuer {
    /// Which of its tokens, and under which realm.
    pub config: TokenConfig,
    /// Its keys.
    pub keys: KeySetCache,
    /// Its feed of ends, if it has one.
    pub feed: Option<TrustedFeed>,
}

/// A feed of ends that is followed.
pub struct TrustedFeed {
    /// Where it comes from.
    pub source: Arc<dyn EndsSource>,
    /// What is done while it is silent.
    pub when_blind: BlindPolicy,
}

/// Why a set of issuers cannot be trusted together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Nobody could log in.
    #[error("no issuer is trusted")]
    Nobody,
    /// Which rules would count?
    #[error("the issuer {0:?} is named twice")]
    Twice(String),
    /// Somebody of one issuer would be taken for somebody of another.
    #[error("the issuer {0:?} needs a realm of its own, without a slash, as it is not the only one")]
    Realm(String),
}

/// Verifies access tokens of several issuers, and follows their feeds of ends.
///
/// A principal is named by its realm and the token's `sub`, as in `corp/ann`; with a single issuer the realm may be left
/// out. Sessions and clients are named in the same way, so that an issuer ends nothing of another's.
pub struct OidcSecurityManager {
    issuers: Vec<Arc<TokenSecurityManager>>,
    /// They follow until the manager is dropped.
    followers: Vec<Follower>,
}

impl OidcSecurityManager {
    /// Trusts `issuers`. Must be called within a tokio runtime: their feeds are followed from now on.
    ///
    /// # Errors
    /// See [`TrustError`].
    pub fn new(issuers: Vec<TrustedIssuer>, clock: &Arc<dyn Clock>) -> Result<Self, TrustError> {
        check(&issuers)?;
        let mut manager = Self { issuers: Vec::with_capacity(issuers.len()), followers: Vec::new() };
        for issuer in issuers {
            manager.trust(issuer, clock);
        }
        Ok(manager)
    }

    fn trust(&mut self, issuer: TrustedIssuer, clock: &Arc<dyn Clock>) {
        let life = issuer.config.longest_life + issuer.config.skew;
        let tokens = TokenSecurityManager::new(issuer.config, issuer.keys, Arc::clone(clock));
        let Some(feed) = issuer.feed else { return self.issuers.push(Arc::new(tokens)) };
        let watch = Arc::new(Watch::new(feed.when_blind, clock.now()));
        let tokens = Arc::new(tokens.watched_by(Arc::clone(&watch)));
        let ended = Arc::clone(&tokens);
        let end = move |revocation: &Revocation| ended.revoke_of_issuer(revocation);
        self.followers.push(Follower::start(feed.source, watch, Arc::clone(clock), life, end));
        self.issuers.push(tokens);
    }

    /// The issuer that a token says it is from; its manager checks whether that is true.
    fn manager_of(&self, token: &str) -> Result<&TokenSecurityManager, TokenError> {
        if let [only] = self.issuers.as_slice() {
            return Ok(only);
        }
        let name = claimed_issuer(token)?;
        let found = self.issuers.iter().find(|issuer| issuer.config().issuer == name);
        found.map(|issuer| &**issuer).ok_or(TokenError::Issuer)
    }
}

impl SecurityManager for OidcSecurityManager {
    fn authenticate<'a>(
        &'a self,
        credentials: &'a Credentials,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<Login, AuthError>> {
        let token = credentials.get(TOKEN).unwrap_or_default();
        match self.manager_of(token) {
            Ok(manager) => manager.authenticate(credentials, peer),
            // Credentials without a token are refused by any of them, in the same words.
            Err(_) if token.is_empty() => match self.issuers.first() {
                Some(manager) => manager.authenticate(credentials, peer),
                None => Box::pin(async { Err(TokenError::Issuer.into()) }),
            },
            Err(error) => Box::pin(async move { Err(error.into()) }),
        }
    }

    fn authorize(
        &self,
        principal: &dyn Principal,
        wanted: &ResourcePermission<'_>,
        now: Micros,
    ) -> Result<(), AuthError> {
        grid::authorize(principal, wanted, now)
    }

    /// As in [`TokenSecurityManager`].
    fn decision_scope(&self) -> DecisionScope {
        DecisionScope::Call
    }

    fn readings(&self) -> Vec<Reading> {
        readings(&self.issuers.iter().map(|issuer| &**issuer).collect::<Vec<_>>())
    }

    fn watch_revocations(&self, sink: Arc<dyn RevocationSink>) {
        for issuer in &self.issuers {
            issuer.watch_revocations(Arc::clone(&sink));
        }
    }
}

impl fmt::Debug for OidcSecurityManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcSecurityManager")
            .field("issuers", &self.issuers)
            .field("followers", &self.followers)
            .finish()
    }
}

fn check(issuers: &[TrustedIssuer]) -> Result<(), TrustError> {
    let configs: Vec<&TokenConfig> = issuers.iter().map(|issuer| &issuer.config).collect();
    if configs.is_empty() {
        return Err(TrustError::Nobody);
    }
    for (index, config) in configs.iter().enumerate() {
        let mut others = configs.iter().take(index);
        if others.any(|other| other.issuer == config.issuer) {
            return Err(TrustError::Twice(config.issuer.clone()));
        }
        let taken = configs.iter().take(index).any(|other| other.realm == config.realm);
        let sound = match &config.realm {
            Some(realm) => !realm.is_empty() && !realm.contains('/') && !realm.chars().any(char::is_control),
            None => configs.len() == 1,
        };
        if taken || !sound {
            return Err(TrustError::Realm(config.issuer.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
