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

/// The kinds of events that may end something; an index has the same condition.
const ENDINGS: &str = "kind in ('ended', 'cut', 'entitlements_changed')";

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

    /// Reads the events after a position that may end something, in order: at most [`MAX_PAGE`]. Answers with the
    /// newest position of the log as well, before which nothing is missing.
    pub(crate) async fn endings_after(&self, after: i64) -> Result<(Vec<Recorded>, i64), StoreError> {
        let sql = format!("{COLUMNS} where position > $1 and {ENDINGS} order by position limit {MAX_PAGE}");
        self.endings(Statement::new(sql).bind(after)).await
    }

    /// The same by time, for those who have no position yet.
    pub(crate) async fn endings_since(&self, since: Micros) -> Result<(Vec<Recorded>, i64), StoreError> {
        let sql = format!("{COLUMNS} where at_us >= $1 and {ENDINGS} order by position limit {MAX_PAGE}");
        self.endings(Statement::new(sql).bind(since.0)).await
    }

    async fn endings(&self, statement: Statement) -> Result<(Vec<Recorded>, i64), StoreError> {
        // The newest position goes first: what is appended in between is then read, or lies after it.
        let newest = Statement::new("select coalesce(max(position), 0) from identity_event");
        let answers = self.read(vec![newest, statement]).await?;
        let [newest, events] = answers.as_slice() else { return Err(StoreError::Unavailable) };
        let newest = newest.rows.first().ok_or(StoreError::Corrupt("the log has no end"))?.integer(0)?;
        Ok((events.rows.iter().map(recorded).collect::<Result<_, _>>()?, newest))
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
