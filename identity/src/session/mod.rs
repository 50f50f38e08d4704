//! One login of a subject through a client, with its tokens, from its opening to its end (identity-spec 5).
//!
//! ```text
//!               ┌───────── refresh, mint ────────┐
//!               ▼                                │
//!  (opened) ─► Active ───────────────────────────┘
//!               │ logout · revoked · reuse · expired · idle · subject_cut · client_cut · actor_ended · operator
//!               ▼
//!             Ended (final)
//! ```
//!
//! [`Session`] is folded from its events, [`decide`] is pure, and [`Sessions`] carries out what it decides: read,
//! decide, append, and once more if somebody was faster.

mod access;
mod cut;
pub mod decide;
mod refresh_token;
mod runtime;
mod state;

use std::time::Duration;

pub use access::AccessClaims;
pub(crate) use access::seconds;
pub use cut::{ClientCut, ClientCutEvent, SubjectCut, SubjectEvent};
pub use refresh_token::RefreshToken;
pub(crate) use runtime::random;
pub use runtime::{Caller, Grant, Inspected, Opening, Sessions};
pub use state::{End, EndReason, Opened, Session, SessionEvent, SessionId};

/// How long tokens and sessions live.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionPolicy {
    /// Access tokens: 5 minutes, the longest that a cut goes unnoticed where no feed of ends is heard.
    pub access_life: Duration,
    /// How long a session with a refresh token may lie unused: 7 days, a week's holiday.
    pub idle_life: Duration,
    /// How long it lives at most: 30 days.
    pub absolute_life: Duration,
    /// How long the refresh token before the current one is answered with its successor once more: 10 seconds, for one
    /// lost response and its retry. Only for clients that have shown that they are themselves; others must not present
    /// a token twice.
    pub grace: Duration,
    /// How long somebody may act as somebody else at a time: 15 minutes.
    pub impersonation_life: Duration,
}

/// Why a policy makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionPolicyError {
    /// `exp` counts whole seconds.
    #[error("access tokens must live for at least a second")]
    AccessLife,
    /// Access, idle and absolute life in this order.
    #[error("the lives must not shrink: access token, idle session, whole session")]
    Order,
    /// The grace would outlive what it is a part of.
    #[error("the grace of refresh tokens must be shorter than the life of access tokens")]
    Grace,
    /// Acting as somebody else is for a deliberate while.
    #[error("acting as somebody else must not last longer than an idle session")]
    Impersonation,
}

impl SessionPolicy {
    /// Whether the numbers fit together.
    ///
    /// # Errors
    /// See [`SessionPolicyError`].
    pub fn check(&self) -> Result<(), SessionPolicyError> {
        if self.access_life < Duration::from_secs(1) {
            return Err(SessionPolicyError::AccessLife);
        }
        if self.access_life > self.idle_life || self.idle_life > self.absolute_life {
            return Err(SessionPolicyError::Order);
        }
        if self.grace >= self.access_life {
            return Err(SessionPolicyError::Grace);
        }
        if self.impersonation_life > self.idle_life { Err(SessionPolicyError::Impersonation) } else { Ok(()) }
    }
}

impl Default for SessionPolicy {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            access_life: Duration::from_secs(5 * 60),
            idle_life: DAY * 7,
            absolute_life: DAY * 30,
            grace: Duration::from_secs(10),
            impersonation_life: Duration::from_secs(15 * 60),
        }
    }
}

#[cfg(test)]
mod tests;
