//! What becomes of operations, told as it happens: for tests, traces and statistics.

use druse_protocol::codec::MessageType;

use crate::endpoint::ServerLocation;

/// Is told of every attempt of every operation.
///
/// It is called on the operation's own task and holds it up: count, send to a queue, and return.
pub trait OperationListener: Send + Sync + 'static {
    /// An attempt begins or ends. One that is neither succeeded nor failed was cancelled.
    fn attempt(&self, event: &AttemptEvent<'_>);
}

/// One step in the life of an attempt. Logins are no operations: what they cost shows on the node and at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptEvent<'a> {
    /// What is asked.
    pub operation: MessageType,
    /// Whom.
    pub server: &'a ServerLocation,
    /// How far it is.
    pub stage: AttemptStage,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptStage {
    /// The request is about to be sent.
    Started,
    /// The server has carried it out.
    Succeeded,
    /// The server has refused it, or the connection was lost.
    Failed,
}
