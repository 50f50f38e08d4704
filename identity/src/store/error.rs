//! What can go wrong with the store, by culprit.

use std::io;
use std::sync::Arc;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else was faster: nothing has been written, read and decide again.
    #[error("somebody else has changed it meanwhile")]
    Conflict,
    /// The address or the file name is of no use.
    #[error("{0}")]
    Address(&'static str),
    /// SQLite says no.
    #[error("the database file does not work")]
    Sqlite(#[source] Arc<rusqlite::Error>),
    /// Postgres says no, or does not answer.
    #[error("the database server does not work")]
    Postgres(#[source] Arc<tokio_postgres::Error>),
    /// The file system, or starting the thread that owns the database file.
    #[error("the database cannot be opened")]
    Io(#[source] Arc<io::Error>),
    /// The database does not answer in time, or is being closed.
    #[error("the database does not answer")]
    Unavailable,
    /// A newer release has been here.
    #[error("the database has schema {found}, and this release knows up to {known}")]
    Newer {
        /// What the database has.
        found: i64,
        /// The highest that we know.
        known: i64,
    },
    /// What was read makes no sense: damage, or an operator's own statement.
    #[error("the database holds something impossible: {0}")]
    Corrupt(&'static str),
    /// The lease that a write stood under is somebody else's by now.
    #[error("the lease was lost")]
    LeaseLost,
    /// An event that its stream's state does not allow: our mistake.
    #[error("an event does not fit the state of {0}")]
    Impossible(&'static str),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::Conflict,
            _ => Self::Sqlite(Arc::new(error)),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        match error.code() {
            Some(state) if *state == SqlState::UNIQUE_VIOLATION => Self::Conflict,
            _ => Self::Postgres(Arc::new(error)),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
