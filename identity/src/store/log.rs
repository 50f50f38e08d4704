//! Reading the event log: for those who follow it, and for those who want to know what has happened.

use druse_protocol::time::Micros;

use super::driver::{Row, Statement};
use super::{MAX_PAGE, Store, StoreError};

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Grows from event to event, not always by one.
    pub position: i64,
    /// The stream: a kind, a slash, an id.
    pub stream: String,
    /// Its number within the stream, from 1.
    pub version: i64,
    /// What happened.
    pub kind: String,
    /// When.
    pub at: Micros,
    /// Through whom.
    pub actor: String,
    /// The rest, as JSON. Never a secret.
    pub body: String,
}

const COLUMNS: &str = "select position, stream, version, kind, at_us, actor, body from identity_event";

impl Store {
    /// Reads events with a position above `after`, in order: at most [`MAX_PAGE`]. Nothing is ever added below what has
    /// been read.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn events_after(&self, after: i64) -> Result<Vec<Recorded>, StoreError> {
        let sql = format!("{COLUMNS} where position > $1 order by position limit {MAX_PAGE}");
        self.events(Statement::new(sql).bind(after)).await
    }

    /// Reads the events of one stream above a version, in order: at most [`MAX_PAGE`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn history(&self, stream: &str, after: i64) -> Result<Vec<Recorded>, StoreError> {
        let sql = format!("{COLUMNS} where stream = $1 and version > $2 order by version limit {MAX_PAGE}");
        self.events(Statement::new(sql).bind(stream).bind(after)).await
    }

    pub(super) async fn events(&self, statement: Statement) -> Result<Vec<Recorded>, StoreError> {
        let answers = self.read(vec![statement]).await?;
        answers.iter().flat_map(|answer| &answer.rows).map(recorded).collect()
    }
}

fn recorded(row: &Row) -> Result<Recorded, StoreError> {
    Ok(Recorded {
        position: row.integer(0)?,
        stream: row.text(1)?.to_owned(),
        version: row.integer(2)?,
        kind: row.text(3)?.to_owned(),
        at: Micros(row.integer(4)?),
        actor: row.text(5)?.to_owned(),
        body: row.text(6)?.to_owned(),
    })
}
