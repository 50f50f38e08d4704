//! SQLite: one connection on one thread, so that writers follow one another without waiting for file locks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use druse_protocol::auth::BoxFuture;
use druse_protocol::time::Clock;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params_from_iter};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::driver::{Access, Answer, Cell, Dialect, Driver, Row, Statement};

/// How long a transaction waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many transactions may wait for the thread before those who ask wait too.
const QUEUE: usize = 256;
/// Prepared statements that are kept: more than the store has.
const STATEMENTS: usize = 128;

/// A database file.
pub(super) struct Sqlite {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
}

/// One transaction for the thread.
struct Job {
    access: Access,
    statements: Vec<Statement>,
    answer: oneshot::Sender<Result<Vec<Answer>, StoreError>>,
}

impl Sqlite {
    /// Opens or creates the file. The thread that owns it ends when the last handle is dropped.
    pub(super) fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let connection = connect(path, clock)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        thread::Builder::new().name("druse-store".into()).spawn(move || work(connection, queue))?;
        Ok(Self { path: path.to_owned(), jobs })
    }
}

impl Driver for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect {
            text: "text",
            blob: "blob",
            serial: "integer primary key autoincrement",
            now: "druse_now()",
        }
    }

    fn run(
        &self,
        access: Access,
        statements: Vec<Statement>,
    ) -> BoxFuture<'_, Result<Vec<Answer>, StoreError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let job = Job { access, statements, answer };
            self.jobs.send(job).await.map_err(|_| StoreError::Unavailable)?;
            answered.await.map_err(|_| StoreError::Unavailable)?
        })
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.path).finish_non_exhaustive()
    }
}

fn connect(path: &Path, clock: Arc<dyn Clock>) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Readers of other processes see the last commit while we write.
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A commit that was answered survives a power cut: a sign-out must not be undone by one.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let flags = rusqlite::functions::FunctionFlags::SQLITE_UTF8;
    connection.create_scalar_function("druse_now", 0, flags, move |_| Ok(clock.now().0))?;
    Ok(connection)
}

fn work(mut connection: Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        let outcome = transact(&mut connection, job.access, &job.statements);
        // Whoever asked may have gone; the transaction stands all the same.
        let _ = job.answer.send(outcome);
    }
}

fn transact(
    connection: &mut Connection,
    access: Access,
    statements: &[Statement],
) -> Result<Vec<Answer>, StoreError> {
    let behavior = match access {
        Access::Read => TransactionBehavior::Deferred,
        // The lock is taken before anything is read, so that nobody decides on what is about to change.
        Access::Write => TransactionBehavior::Immediate,
    };
    let transaction = connection.transaction_with_behavior(behavior)?;
    let mut answers = Vec::with_capacity(statements.len());
    for statement in statements {
        let answer = execute(&transaction, statement)?;
        statement.check(&answer)?;
        answers.push(answer);
    }
    transaction.commit()?;
    Ok(answers)
}

fn execute(transaction: &Transaction<'_>, statement: &Statement) -> Result<Answer, StoreError> {
    let mut prepared = transaction.prepare_cached(&numbered(&statement.sql))?;
    let parameters = params_from_iter(&statement.cells);
    let columns = prepared.column_count();
    if columns == 0 {
        return Ok(Answer { rows: Vec::new(), count: prepared.execute(parameters)? });
    }
    let mut rows = Vec::new();
    let mut cursor = prepared.query(parameters)?;
    while let Some(row) = cursor.next()? {
        let cells: Result<Vec<Cell>, StoreError> =
            (0..columns).map(|column| cell(row.get_ref(column)?)).collect();
        rows.push(Row(cells?));
    }
    Ok(Answer { count: rows.len(), rows })
}

/// SQLite numbers its parameters by `?1`; to it `$1` would be a name. No statement of ours has a dollar elsewhere.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

fn cell(value: ValueRef<'_>) -> Result<Cell, StoreError> {
    match value {
        ValueRef::Null => Ok(Cell::Null),
        ValueRef::Integer(value) => Ok(Cell::Integer(value)),
        ValueRef::Text(value) => {
            let text = str::from_utf8(value).map_err(|_| StoreError::Corrupt("a text is not UTF-8"))?;
            Ok(Cell::Text(text.to_owned()))
        }
        ValueRef::Blob(value) => Ok(Cell::Blob(value.to_vec())),
        ValueRef::Real(_) => Err(StoreError::Corrupt("a fraction stands where none can be")),
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Integer(value) => ToSqlOutput::Borrowed(ValueRef::Integer(*value)),
            Self::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            Self::Blob(value) => ToSqlOutput::Borrowed(ValueRef::Blob(value)),
        })
    }
}
