//! The issuer's signing keys: how they come, serve and go (identity-spec 6.1).
//!
//! ```text
//!  Waiting ──(published for the lead)──► Active ──(the next one activates)──► Retired ──(retention)──► Removed
//!     └──────────────────────── compromised: straight to Removed, from any state ──────────────────────────┘
//! ```
//!
//! [`plan`] decides, purely; [`Keys`] carries it out: under a lease, so that of several processes one makes the next
//! key. No request ever waits for a key. The private halves are sealed beside the table; a removed key's is gone.

mod document;
mod plan;
mod record;
mod table;

use std::time::Duration;

pub use document::KeyDocument;
pub use plan::{KeyRefusal, Step, activate, plan, remove};
pub use record::{KeyEvent, KeyRecord, KeyState};
pub use table::{Keys, KeysError};

use crate::key_set::Algorithm;

/// For how long anybody may keep the published document: a rotation reaches everybody inside the lead.
pub const DOCUMENT_LIFE: Duration = Duration::from_secs(5 * 60);

/// When keys are made, used and dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyPolicy {
    /// What tokens are signed with; the first is what clients get that ask for nothing else.
    pub algorithms: Vec<Algorithm>,
    /// How long a key signs: 30 days.
    pub period: Duration,
    /// How long a key is published before it signs: 10 minutes, two lives of the document. So whoever meets a token
    /// signed with it has it already.
    pub lead: Duration,
    /// How long a retired key is still published: 24 hours, the longest that anybody caches a set for. It is longer
    /// than any token's life.
    pub retention: Duration,
}

/// Why a policy makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyPolicyError {
    /// Nothing to sign with.
    #[error("no signing algorithm is configured")]
    NoAlgorithm,
    /// Named twice.
    #[error("the signing algorithm {0} is configured twice")]
    Twice(Algorithm),
    /// Not one of the three that keys are made or brought for.
    #[error("tokens are signed with ES256, EdDSA or RS256, not with {0}")]
    Algorithm(Algorithm),
    /// Some verifier would meet a token before its key.
    #[error("the lead of signing keys must be at least twice the life of the key document (10 minutes)")]
    Lead,
    /// A key would be due for replacement before it has begun.
    #[error("the period of signing keys must be longer than twice their lead")]
    Period,
}

impl KeyPolicy {
    /// Whether the numbers fit together.
    ///
    /// # Errors
    /// See [`KeyPolicyError`].
    pub fn check(&self) -> Result<(), KeyPolicyError> {
        if self.algorithms.is_empty() {
            return Err(KeyPolicyError::NoAlgorithm);
        }
        for (index, algorithm) in self.algorithms.iter().enumerate() {
            if !matches!(algorithm, Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Rs256) {
                return Err(KeyPolicyError::Algorithm(*algorithm));
            }
            if self.algorithms.iter().take(index).any(|earlier| earlier == algorithm) {
                return Err(KeyPolicyError::Twice(*algorithm));
            }
        }
        if self.lead < DOCUMENT_LIFE * 2 {
            return Err(KeyPolicyError::Lead);
        }
        if self.period <= self.lead * 2 { Err(KeyPolicyError::Period) } else { Ok(()) }
    }
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            algorithms: vec![Algorithm::Es256],
            period: Duration::from_secs(30 * 24 * 3600),
            lead: DOCUMENT_LIFE * 2,
            retention: Duration::from_secs(24 * 3600),
        }
    }
}

#[cfg(test)]
mod tests;
