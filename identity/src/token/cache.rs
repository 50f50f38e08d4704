//! Tokens that have been verified, by digest, until they end: a storm of connections with one token verifies once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use druse_protocol::auth::{Peer, RevocationScope};
use druse_protocol::time::Micros;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;

use super::TokenError;
use crate::grid::GridPrincipal;
use crate::key_set::{Algorithm, VerifyingKey};
use crate::once::Digest;

/// A token that has passed everything that does not depend on the connection.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) principal: Arc<GridPrincipal>,
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    /// The key that signed it: once its issuer has withdrawn it, the token is no longer good.
    pub(super) key: Arc<VerifyingKey>,
    /// The SHA-256 of the certificate that it is bound to.
    pub(super) certificate: Option<[u8; 32]>,
}

impl Verified {
    /// Step 8.
    pub(super) fn check_binding(&self, peer: &Peer) -> Result<(), TokenError> {
        let Some(bound) = &self.certificate else { return Ok(()) };
        let shown = peer.certificate.as_ref().ok_or(TokenError::Binding)?;
        let shown = digest(&SHA256, shown);
        if bool::from(shown.as_ref().ct_eq(bound)) { Ok(()) } else { Err(TokenError::Binding) }
    }
}

/// The verified tokens, bounded by number; the ones that end soonest make room.
#[derive(Debug)]
pub(super) struct TokenCache {
    tokens: HashMap<Digest, Arc<Verified>>,
    by_end: BTreeSet<(Micros, Digest)>,
    limit: usize,
}

impl TokenCache {
    pub(super) fn new(limit: usize) -> Self {
        Self { tokens: HashMap::new(), by_end: BTreeSet::new(), limit }
    }

    pub(super) fn get(&self, token: &Digest, now: Micros) -> Option<Arc<Verified>> {
        self.tokens.get(token).filter(|verified| now < verified.principal.ends_at).cloned()
    }

    pub(super) fn insert(&mut self, token: Digest, verified: Arc<Verified>, now: Micros) {
        self.remove(&token);
        while self
            .by_end
            .first()
            .is_some_and(|(ends_at, _)| *ends_at <= now || self.tokens.len() >= self.limit)
        {
            if let Some((_, oldest)) = self.by_end.pop_first() {
                self.tokens.remove(&oldest);
            }
        }
        if self.limit > 0 {
            self.by_end.insert((verified.principal.ends_at, token));
            self.tokens.insert(token, verified);
        }
    }

    /// Forgets all tokens in a scope, answering with what was known of them.
    pub(super) fn remove_all_of(&mut self, scope: &RevocationScope) -> Vec<Arc<Verified>> {
        let theirs: Vec<Digest> = self
            .tokens
            .iter()
            .filter(|(_, verified)| scope.covers(&*verified.principal))
            .map(|(token, _)| *token)
            .collect();
        theirs.iter().filter_map(|token| self.remove(token)).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.tokens.len(), self.by_end.len());
        self.tokens.len()
    }

    fn remove(&mut self, token: &Digest) -> Option<Arc<Verified>> {
        let verified = self.tokens.remove(token)?;
        self.by_end.remove(&(verified.principal.ends_at, *token));
        Some(verified)
    }
}
