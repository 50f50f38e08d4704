//! Postgres: a few connections, kept while they work, and one lock that all writers take in turn.

mod cells;
mod pool;

use std::fmt;
use std::time::Duration;

use druse_protocol::auth::BoxFuture;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use self::pool::Pool;
use super::StoreError;
use super::driver::{Access, Answer, Dialect, Driver, Statement};

/// The advisory lock of writers: the bytes of `druse id`. With it the order of positions is the order of commits, and
/// "everything after the last position" misses nothing.
const WRITERS: i64 = 0x6472_7573_6520_6964;
/// How long one transaction may take, waiting for a connection and for other writers included.
const PATIENCE: Duration = Duration::from_secs(10);

/// A database on a server.
pub(super) struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// Reads the address; connects when first asked.
    pub(super) fn new(address: &str) -> Result<Self, StoreError> {
        Ok(Self { pool: Pool::new(address)? })
    }

    async fn transact(&self, access: Access, statements: Vec<Statement>) -> Result<Vec<Answer>, StoreError> {
        let mut link = self.pool.take().await?;
        let answers = run(&mut link.client, access, &statements).await;
        // One on which something failed, or that was given up half-way, is not used again.
        if answers.is_ok() || matches!(answers, Err(StoreError::Conflict)) {
            self.pool.give_back(link);
        }
        answers
    }
}

impl Driver for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect {
            text: "text collate \"C\"",
            blob: "bytea",
            serial: "bigint generated always as identity primary key",
            now: "(extract(epoch from clock_timestamp()) * 1000000)::bigint",
        }
    }

    fn run(
        &self,
        access: Access,
        statements: Vec<Statement>,
    ) -> BoxFuture<'_, Result<Vec<Answer>, StoreError>> {
        Box::pin(async move {
            let work = timeout(PATIENCE, self.transact(access, statements));
            work.await.unwrap_or(Err(StoreError::Unavailable))
        })
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("pool", &self.pool).finish()
    }
}

async fn run(
    client: &mut Client,
    access: Access,
    statements: &[Statement],
) -> Result<Vec<Answer>, StoreError> {
    let transaction = begin(client, access).await?;
    let mut answers = Vec::with_capacity(statements.len());
    for statement in statements {
        let answer = execute(&transaction, statement).await?;
        statement.check(&answer)?;
        answers.push(answer);
    }
    transaction.commit().await?;
    Ok(answers)
}

/// Readers see one snapshot. Writers see what is committed, once it is their turn.
async fn begin(client: &mut Client, access: Access) -> Result<Transaction<'_>, StoreError> {
    let builder = client.build_transaction();
    match access {
        Access::Read => {
            Ok(builder.isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?)
        }
        Access::Write => {
            let transaction = builder.isolation_level(IsolationLevel::ReadCommitted).start().await?;
            transaction.execute("select pg_advisory_xact_lock($1)", &[&WRITERS]).await?;
            Ok(transaction)
        }
    }
}

async fn execute(transaction: &Transaction<'_>, statement: &Statement) -> Result<Answer, StoreError> {
    let prepared = transaction.prepare(&statement.sql).await?;
    let parameters: Vec<&(dyn ToSql + Sync)> =
        statement.cells.iter().map(|cell| cell as &(dyn ToSql + Sync)).collect();
    if prepared.columns().is_empty() {
        let count = transaction.execute(&prepared, &parameters).await?;
        return Ok(Answer { rows: Vec::new(), count: usize::try_from(count).unwrap_or(usize::MAX) });
    }
    let rows = transaction.query(&prepared, &parameters).await?;
    let rows: Result<Vec<_>, StoreError> = rows.iter().map(cells::row).collect();
    let rows = rows?;
    Ok(Answer { count: rows.len(), rows })
}
