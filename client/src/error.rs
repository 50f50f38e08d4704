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

/// Why no connection to a server could be opened.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The operating system reported an error.
    #[error("{server} cannot be reached")]
    Unreachable {
        /// The server, as `host:port`.
        server: String,
        /// What the operating system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The server did not answer in time.
    #[error("{server} did not answer within {limit:?}")]
    Timeout {
        /// The server, as `host:port`.
        server: String,
        /// The limit that it met.
        limit: std::time::Duration,
    },
    /// TLS could not be agreed on.
    #[error("no TLS with {server}")]
    Tls {
        /// The server, as `host:port`.
        server: String,
        /// What the TLS library said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The server refused the handshake.
    #[error("{server} refused the connection: {message} (code {code})")]
    Refused {
        /// The server, as `host:port`.
        server: String,
        /// Geode's reply code.
        code: u8,
        /// Its words.
        message: String,
    },
    /// The server answered with something that is no handshake.
    #[error("{server} does not speak the Geode protocol")]
    Handshake {
        /// The server, as `host:port`.
        server: String,
        /// What is wrong with its answer.
        #[source]
        source: DecodeError,
    },
    /// The server is not among those that may see credentials.
    #[error("{server} is not among the allowed hosts; no credential has been sent to it")]
    NotAllowed {
        /// The server, as `host:port`.
        server: String,
    },
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}
