//! What a database must be able to do for the store: run a few statements as one transaction. Nothing above this
//! module knows which database it is.

use std::borrow::Cow;
use std::fmt;

use druse_protocol::auth::BoxFuture;

use super::StoreError;

/// A database.
pub(super) trait Driver: fmt::Debug + Send + Sync + 'static {
    /// Which words of SQL it wants where the databases differ.
    fn dialect(&self) -> Dialect;

    /// Runs the statements in order, all or none of them. A caller that goes away does not tear a transaction: it is
    /// then carried out whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a row existed already, or what a statement names if it missed its expectation.
    fn run(
        &self,
        access: Access,
        statements: Vec<Statement>,
    ) -> BoxFuture<'_, Result<Vec<Answer>, StoreError>>;
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    /// Writers follow one another, so that the order of positions is the order of commits.
    Write,
}

/// The words in which the two databases differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// The type of texts that are compared byte by byte, whatever the language of the database.
    pub(super) text: &'static str,
    /// The type of bytes.
    pub(super) blob: &'static str,
    /// A primary key that counts upwards and never gives a number twice.
    pub(super) serial: &'static str,
    /// The present in microseconds since the epoch, by the store's own clock: the one that leases are measured with.
    pub(super) now: &'static str,
}

impl Dialect {
    /// Fills the words into a statement that has holes for them.
    pub(super) fn translate(self, sql: &str) -> String {
        sql.replace("{text}", self.text).replace("{blob}", self.blob).replace("{serial}", self.serial)
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Vec<u8>> for Cell {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

/// A statement with its parameters `$1`, `$2`, … in order.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) sql: Cow<'static, str>,
    pub(super) cells: Vec<Cell>,
    expected: Option<(usize, StoreError)>,
}

impl Statement {
    pub(super) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), cells: Vec::new(), expected: None }
    }

    pub(super) fn bind(mut self, cell: impl Into<Cell>) -> Self {
        self.cells.push(cell.into());
        self
    }

    /// How many rows it must bring or change; any other number is that error, and undoes the transaction.
    pub(super) fn expect(mut self, rows: usize, otherwise: StoreError) -> Self {
        self.expected = Some((rows, otherwise));
        self
    }

    /// Whether the answer is what was expected.
    pub(super) fn check(&self, answer: &Answer) -> Result<(), StoreError> {
        match &self.expected {
            Some((expected, otherwise)) if *expected != answer.count => Err(otherwise.clone()),
            _ => Ok(()),
        }
    }
}

/// What a statement brought.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// Rows brought, or changed if the statement brings none.
    pub(super) count: usize,
}

/// One row.
#[derive(Debug)]
pub(super) struct Row(pub(super) Vec<Cell>);

impl Row {
    pub(super) fn integer(&self, column: usize) -> Result<i64, StoreError> {
        match self.0.get(column) {
            Some(Cell::Integer(value)) => Ok(*value),
            _ => Err(StoreError::Corrupt("a number is missing")),
        }
    }

    pub(super) fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.0.get(column) {
            Some(Cell::Text(value)) => Ok(value),
            _ => Err(StoreError::Corrupt("a text is missing")),
        }
    }

    pub(super) fn blob(&self, column: usize) -> Result<&[u8], StoreError> {
        match self.0.get(column) {
            Some(Cell::Blob(value)) => Ok(value),
            _ => Err(StoreError::Corrupt("bytes are missing")),
        }
    }
}
