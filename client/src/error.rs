//! What can go wrong, by culprit.

use std::sync::Arc;

use druse_protocol::DecodeError;
use druse_protocol::message::exception::RemoteException as ServerException;

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

    /// Whether the other side, or what lies between, has ended the connection.
    pub(crate) const fn is_by_server(&self) -> bool {
        matches!(self, Self::Eof | Self::Io(_))
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

/// Why a login on a server did not come about.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The server refused the credentials.
    #[error("{server} refused the credentials of {user}")]
    Refused {
        /// The user, for people.
        user: String,
        /// The server, as `host:port`.
        server: String,
        /// What the server said.
        #[source]
        source: Arc<ServerException>,
    },
    /// No connection for it.
    #[error(transparent)]
    Connect(ConnectError),
    /// The connection broke under it.
    #[error("the login of {user} on {server} was cut off")]
    Connection {
        /// The user, for people.
        user: String,
        /// The server, as `host:port`.
        server: String,
        /// How.
        #[source]
        source: ConnectionError,
    },
    /// The server did not answer in time.
    #[error("{server} did not answer the login of {user} within {limit:?}")]
    Timeout {
        /// The user, for people.
        user: String,
        /// The server, as `host:port`.
        server: String,
        /// The limit that it met.
        limit: std::time::Duration,
    },
    /// The server answered with something that is no answer to a login.
    #[error("{server} answered the login of {user} with something else")]
    Malformed {
        /// The user, for people.
        user: String,
        /// The server, as `host:port`.
        server: String,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

impl LoginError {
    /// Whether the server has judged the credentials, so that others might do.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if crate::operation::is_authentication(source))
    }

    /// Whether the same login may work on another connection or server.
    #[must_use]
    pub const fn is_transport(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Connection { .. } | Self::Timeout { .. })
    }
}

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no credential for the user.
    #[error("no credential for the operation")]
    Credential(#[source] crate::auth::GateError),
    /// The login was refused.
    #[error("not logged in")]
    Login(#[source] LoginError),
    /// The login ran out, was renewed once, and is still not good enough.
    #[error("the login of {user} on {server} is still refused after it has been renewed")]
    Expired {
        /// The user, for people.
        user: String,
        /// The server, as `host:port`.
        server: String,
        /// What the server said the second time.
        #[source]
        source: Arc<ServerException>,
    },
    /// The user may not do this.
    #[error("not authorized")]
    NotAuthorized(#[source] Arc<ServerException>),
    /// The server has no such region.
    #[error("{server} has no region {region}")]
    RegionNotFound {
        /// The region's path.
        region: String,
        /// The server, as `host:port`.
        server: String,
    },
    /// The server refused the operation for another reason.
    #[error("the server refused the operation")]
    Server(#[source] Arc<ServerException>),
    /// No server could be reached.
    #[error("no server could be reached")]
    NoServer(#[source] Arc<Error>),
    /// No connection to a server.
    #[error(transparent)]
    Connect(ConnectError),
    /// A mutation was sent and its answer never came: it may have been carried out or not. Asking again did not settle
    /// it, or the mutation is one that may not be repeated.
    #[error("the operation may have been carried out or not")]
    InDoubt(#[source] Arc<Error>),
    /// The connection broke; nothing has been carried out, or it was only a question.
    #[error("the connection broke")]
    Connection(#[source] ConnectionError),
    /// No answer in time; nothing has been carried out, or it was only a question.
    #[error("no answer from {server} within {limit:?}")]
    Timeout {
        /// The server, as `host:port`.
        server: String,
        /// The limit that it met.
        limit: std::time::Duration,
    },
    /// The server answered with something else than a reply to the operation.
    #[error("malformed reply")]
    Malformed(#[source] DecodeError),
    /// A value is not of the type that the caller wants.
    #[error("{what}: {problem}")]
    Conversion {
        /// Key or value.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The locators know no server, or did not say so in time.
    #[error("{0}")]
    Locator(String),
    /// The client was set up in a way that cannot work.
    #[error("{0}")]
    Configuration(String),
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

impl Error {
    /// What a server says of a single key in a bulk read.
    pub(crate) fn of_entry(exception: ServerException) -> Self {
        use druse_protocol::message::exception::ThrowableClass;
        if exception.is_a(ThrowableClass::NotAuthorized) {
            Self::NotAuthorized(Arc::new(exception))
        } else {
            Self::Server(Arc::new(exception))
        }
    }

    /// Whether a request of the operation may still be on its way to a server, or what came of it is not known.
    pub(crate) const fn leaves_doubt(&self) -> bool {
        matches!(self, Self::InDoubt(_) | Self::Malformed(_))
    }

    /// Whether the same operation may work later without anybody doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Credential(error) => error.is_retryable(),
            Self::Login(error) => error.is_transport(),
            Self::NoServer(_)
            | Self::Connect(_)
            | Self::Connection(_)
            | Self::Timeout { .. }
            | Self::Locator(_) => true,
            _ => false,
        }
    }

    /// Whether somebody has to provide another credential.
    #[must_use]
    pub fn needs_reauthentication(&self) -> bool {
        match self {
            Self::Expired { .. } => true,
            Self::Login(error) => error.is_refusal(),
            Self::Credential(error) => !error.is_retryable(),
            Self::InDoubt(cause) => cause.needs_reauthentication(),
            _ => false,
        }
    }
}
