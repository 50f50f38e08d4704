//! What can go wrong, by culprit.

use std::sync::Arc;

use druse_protocol::DecodeError;

/// What can happen to a connection.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// It was closed before the request was sent: the request can safely go elsewhere.
    #[error("the connection was closed before the request was sent")]
    NotSent,
    /// It was closed on this side.
    #[error("the connection was closed")]
    Closed,
    /// The server closed it.
    #[error("the server closed the connection")]
    Eof,
    /// The operating system reported an error.
    #[error("the connection failed")]
    Io(#[source] Arc<std::io::Error>),
    /// The server sent bytes that are no message.
    #[error("the server sent a malformed reply")]
    Malformed(#[source] DecodeError),
    /// The server sent a reply that nobody asked for.
    #[error("the server sent a reply that nobody had asked for")]
    Unexpected,
}

impl ConnectionError {
    /// Whether the request may have reached the server.
    #[must_use]
    pub const fn may_have_been_sent(&self) -> bool {
        !matches!(self, Self::NotSent)
    }
}
