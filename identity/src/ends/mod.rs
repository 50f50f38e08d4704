//! The feed of ends: what an issuer's log says is over, told to every node (identity-spec 3.5).
//!
//! ```text
//!  log ──► read ──► GET /v1/feed, held until something ends ──► RemoteEnds ──┐
//!            └────► StoreEnds, in the same process ──────────────────────────┴─► Follower ──► manager ──► node
//!                                                                                   └──► Watch: heard lately, or blind?
//! ```
//!
//! A question is held open until something ends or a few seconds are over, so that an end is known within the time of
//! one round trip and silence is noticed. Whoever follows asks from its last position on; who has none, or one that the
//! issuer does not know, first reads every end that tokens still in use can have met.

mod follow;
mod local;
mod read;
mod remote;
mod watch;
mod wire;

use std::time::Duration;

use druse_protocol::auth::{BoxFuture, Revocation};

pub use follow::Follower;
pub use local::StoreEnds;
pub(crate) use local::held;
pub use remote::{RemoteEnds, RemoteEndsError};
pub use watch::{BlindPolicy, Watch};
pub(crate) use wire::written;

use crate::store::StoreError;

/// Lets a client follow the feed, and nothing else.
pub const FEED: &str = "identity:feed";

/// Where to read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// What has ended within that time, by the issuer's own clock.
    Within(Duration),
    /// What has ended after a position of an earlier answer.
    After(i64),
}

/// An answer of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// What is over, in the order of its ending.
    pub ends: Vec<Revocation>,
    /// From where to ask next.
    pub position: i64,
    /// Whether there is more at once.
    pub more: bool,
}

/// Where ends come from.
pub trait EndsSource: Send + Sync + 'static {
    /// Reads on from a place. May wait some seconds for something to end; an answer without any is a sign of life.
    ///
    /// # Errors
    /// See [`EndsError`].
    fn ends(&self, place: Place) -> BoxFuture<'_, Result<Ends, EndsError>>;

    /// The source's name for logs.
    fn name(&self) -> &str;
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EndsError {
    /// The issuer does not know the position: its store is another one than before, or older.
    #[error("the issuer does not know the place in its log that was read last")]
    Gone,
    /// The store does not answer.
    #[error("the issuer's store cannot be read")]
    Store(#[source] StoreError),
    /// The issuer cannot be reached.
    #[error("the issuer cannot be asked: {0}")]
    Request(String),
    /// The issuer refuses.
    #[error("the issuer answered with status {0}")]
    Status(u16),
    /// What came is no feed of ends.
    #[error("the answer is no feed of ends: {0}")]
    Document(&'static str),
    /// The node is stopping.
    #[error("the question was interrupted")]
    Interrupted,
}

impl From<StoreError> for EndsError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests;
