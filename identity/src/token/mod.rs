//! The manager `token`: access tokens in JWT form, verified with an issuer's published keys (identity-spec 3.1).

mod cache;
mod claims;
mod ends;
mod error;
mod jwt;
mod manager;
mod readings;

use std::time::Duration;

pub use error::TokenError;
pub(crate) use jwt::{Jwt, claimed_issuer};
pub use manager::TokenSecurityManager;
pub(crate) use readings::readings;

use crate::key_set::Algorithm;

/// How large a token may be, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Whose tokens they are, which decides how much they must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Our own issuer, or one that keeps RFC 9068: `typ` is `at+jwt`; `jti` and `client_id` (or `azp`) are there.
    Own,
    /// Any OpenID provider: `typ` is `at+jwt`, `JWT` or absent (RFC 7519 leaves it open, and large providers leave it
    /// out), `jti` and `client_id` may be missing. ID tokens are told apart by their audience, and by what only they
    /// carry.
    #[default]
    Foreign,
}

/// What the manager accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenConfig {
    /// `iss`, equal byte for byte.
    pub issuer: String,
    /// One of `aud`.
    pub audience: String,
    /// Whose tokens they are.
    pub profile: Profile,
    /// What stands before the names of its subjects, sessions and clients, with a slash, where a node trusts several
    /// issuers: nobody must be taken for somebody of the same name elsewhere. None if there is one issuer only.
    pub realm: Option<String>,
    /// The algorithms that a token may use. All that are asymmetric, if not narrowed.
    pub algorithms: Vec<Algorithm>,
    /// How far the issuer's clock may be ahead, for `nbf` and `iat`: 30 s, as clocks of machines without a time
    /// service drift. There is none for `exp`: a cut that is late is a leak, one that is early only a login.
    pub skew: Duration,
    /// The longest life of one login: 1 h. A token that lives longer is shown again.
    pub longest_life: Duration,
    /// How many verified tokens are remembered: 16 384, some ten megabytes at worst.
    pub cached_tokens: usize,
}

impl TokenConfig {
    /// The defaults, for a foreign issuer.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            profile: Profile::Foreign,
            realm: None,
            algorithms: Algorithm::ALL.to_vec(),
            skew: Duration::from_secs(30),
            longest_life: Duration::from_secs(3600),
            cached_tokens: 16 * 1024,
        }
    }
}

#[cfg(test)]
mod tests;
