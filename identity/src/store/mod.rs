//! Everything that must outlive a process, in a database: an event log that is the truth, projections that are written
//! with it, secrets beside it, and leases (identity-spec 4).
//!
//! ```text
//!   Commit ──► one transaction: events at expected version + 1 … │ projections │ secrets │ the fence of a lease
//!                    └── somebody was faster: Conflict, and nothing has happened
//! ```
//!
//! [`Aggregate`] is what a projection is made of: a state that is folded from its events and from nothing else, so that
//! [`Store::rebuild`] can make every projection again. Secrets never stand in events; they are sealed by
//! [`crate::seal`] and live in a table of their own, which a rebuilding does not touch.
//!
//! There are two databases behind one trait ([`driver::Driver`]): SQLite, embedded, for one node, and Postgres for
//! many. Statements are the same text for both.

mod aggregate;
mod commit;
mod driver;
mod error;
mod lease;
mod log;
mod postgres;
mod rebuild;
mod schema;
mod secret;
mod sqlite;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use aggregate::{Aggregate, Column, Versioned};
pub use commit::Commit;
pub use error::StoreError;
pub use lease::Lease;
pub use log::Recorded;
pub use rebuild::Projection;
pub use secret::SecretName;

use driver::{Access, Answer, Driver, Statement};
use druse_protocol::time::Clock;
use tokio::sync::watch;

/// How many rows one question to the store may bring.
pub const MAX_PAGE: usize = 1_000;

/// A database, ready for use. Clones share it.
#[derive(Clone)]
pub struct Store {
    driver: Arc<dyn Driver>,
    /// The highest position that this process has written: wakes those who follow the log.
    written: Arc<watch::Sender<i64>>,
}

impl Store {
    /// Opens the SQLite database in the file `path`, which is created if it is absent. `clock` measures leases.
    ///
    /// # Errors
    /// The file cannot be opened, or belongs to a newer release.
    pub async fn open_sqlite(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::migrated(Arc::new(sqlite::Sqlite::open(path, clock)?)).await
    }

    /// Connects to a Postgres database, given as a connection string or URL. Servers elsewhere than on this machine
    /// are refused: there is no TLS to them yet, and the store's contents must not cross a network in the clear.
    ///
    /// # Errors
    /// The address is unusable, the server does not answer, or the schema belongs to a newer release.
    pub async fn connect_postgres(address: &str) -> Result<Self, StoreError> {
        Self::migrated(Arc::new(postgres::Postgres::new(address)?)).await
    }

    /// The highest position of the log that this process has written, as it changes. Positions of other processes do
    /// not show here; whoever follows the log polls as well.
    #[must_use]
    pub fn written(&self) -> watch::Receiver<i64> {
        self.written.subscribe()
    }

    async fn migrated(driver: Arc<dyn Driver>) -> Result<Self, StoreError> {
        schema::migrate(&*driver).await?;
        Ok(Self { driver, written: Arc::new(watch::Sender::new(0)) })
    }

    async fn read(&self, statements: Vec<Statement>) -> Result<Vec<Answer>, StoreError> {
        self.driver.run(Access::Read, statements).await
    }

    async fn write(&self, statements: Vec<Statement>) -> Result<Vec<Answer>, StoreError> {
        self.driver.run(Access::Write, statements).await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("driver", &self.driver).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
