//! A query that is ready to run.

use super::compare::Truth;
use druse_protocol::message::value::ValueRef;

use super::compile::{Resolved, Scope};
use super::condition::Condition;
use super::datum::Datum;
use super::error::{Position, QueryError};
use super::parser;
use super::path::{Path, Row};
use super::place::Place;
use super::syntax::{Column, Kind, Query, Rows, Select, StepKind};
use super::types::{ClassVersions, Types};
use crate::engine::{Record, Value};

type Result<T> = std::result::Result<T, QueryError>;

/// A query that was understood. Values for its parameters make a [`Plan`] of it.
#[derive(Debug)]
pub struct Statement {
    pub(super) query: Query,
}

impl Statement {
    /// Reads a query.
    ///
    /// # Errors
    /// If it is none, or has something that this node has not; the error says where.
    pub fn parse(text: &str) -> Result<Self> {
        parser::parse(text).map(|query| Self { query })
    }

    /// The region that is asked, with its leading slash.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.query.from.region
    }

    /// Puts values in for `$1`, `$2` ….
    ///
    /// # Errors
    /// If one is missing or makes no sense where it stands, or a name of the query means nothing.
    pub fn plan(&self, parameters: &[Value<'_>], versions: &dyn ClassVersions) -> Result<Plan> {
        let types = Types::new(versions);
        let query = &self.query;
        let scope =
            Scope { alias: query.from.alias.as_deref(), rows: query.from.rows, parameters, types: &types };
        let condition =
            query.condition.as_ref().map(|condition| scope.condition(condition, false)).transpose()?;
        let output = self.output(&scope)?;
        let order = match output {
            // A number has no order.
            Output::Count => Box::default(),
            _ => self.order(&scope, &output)?,
        };
        let limit = query.limit.as_ref().map(|limit| scope.limit(limit)).transpose()?;
        Ok(Plan {
            rows: query.from.rows,
            output,
            is_distinct: query.distinct.is_some(),
            condition,
            order,
            limit,
        })
    }

    fn output(&self, scope: &Scope<'_>) -> Result<Output> {
        let columns = match &self.query.select {
            Select::All => return Ok(Output::Rows),
            Select::Count(_) => return Ok(Output::Count),
            Select::Columns(columns) => columns,
        };
        let mut selected = Vec::with_capacity(columns.len());
        for (number, column) in columns.iter().enumerate() {
            match scope.path(&column.value)? {
                Resolved::Path(path) => selected.push(Selected { label: label(number, column), path }),
                Resolved::Entry if columns.len() == 1 => return Ok(Output::Rows),
                Resolved::Entry => {
                    let what = "entries beside other columns".into();
                    return Err(QueryError::Unsupported { at: column.value.at, what });
                }
            }
        }
        Ok(Output::Columns(selected.into()))
    }

    fn order(&self, scope: &Scope<'_>, output: &Output) -> Result<Box<[SortPath]>> {
        let keys = self.query.order.iter().map(|key| {
            let path = match output.labelled(&key.value.kind) {
                Some(path) => path.clone(),
                None => match scope.path(&key.value)? {
                    Resolved::Path(path) => path,
                    Resolved::Entry => return Err(not_sortable(key.value.at)),
                },
            };
            // Of equal rows one stays, and another key could not tell which.
            if self.query.distinct.is_some() && !output.decides(&path) {
                let what = "ORDER BY what SELECT DISTINCT does not give".into();
                return Err(QueryError::Unsupported { at: key.value.at, what });
            }
            Ok(SortPath { path, is_descending: key.is_descending })
        });
        keys.collect()
    }
}

fn not_sortable(at: Position) -> QueryError {
    QueryError::WrongValue { at, found: "an entry", expected: "its key or something in its value" }
}

/// What a query gives and in what form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The names of the columns, if each row is a structure; `None` if it is a single value.
    pub columns: Option<Vec<Box<str>>>,
    /// Whether equal rows are one.
    pub is_distinct: bool,
    /// Whether rows come in an order.
    pub is_ordered: bool,
    /// Whether the one row is a number of rows, an `Integer`.
    pub is_count: bool,
}

/// A query with all its values: what is looked at, what is given, in what order.
#[derive(Debug)]
pub struct Plan {
    rows: Rows,
    pub(super) output: Output,
    pub(super) is_distinct: bool,
    condition: Option<Condition>,
    pub(super) order: Box<[SortPath]>,
    pub(super) limit: Option<usize>,
}

/// A key of the order.
#[derive(Debug)]
pub(super) struct SortPath {
    path: Path,
    pub(super) is_descending: bool,
}

/// What a plan gives.
#[derive(Debug)]
pub(super) enum Output {
    Rows,
    Count,
    Columns(Box<[Selected]>),
}

/// A column.
#[derive(Debug)]
pub(super) struct Selected {
    label: Box<str>,
    path: Path,
}

impl Plan {
    /// What the answer looks like.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let columns = match &self.output {
            Output::Columns(columns) if columns.len() > 1 => {
                Some(columns.iter().map(|column| column.label.clone()).collect())
            }
            Output::Rows if self.rows == Rows::Entries => Some(vec!["key".into(), "value".into()]),
            _ => None,
        };
        let is_count = matches!(self.output, Output::Count);
        Shape {
            columns,
            is_distinct: self.is_distinct && !is_count,
            is_ordered: !self.order.is_empty(),
            is_count,
        }
    }

    /// Whether the row of a record is in the result.
    ///
    /// # Errors
    /// If the condition makes no sense in this row.
    pub(super) fn admits(&self, row: Row<'_>, types: &Types<'_>) -> Result<bool> {
        // Geode's values have no nulls among them (`EntriesSet.java`).
        if self.rows == Rows::Values && row.value == Value::Invalid {
            return Ok(false);
        }
        match &self.condition {
            None => Ok(true),
            Some(condition) => condition.evaluate(row, types).map(|truth| truth == Truth::True),
        }
    }

    /// What is given for a record.
    pub(super) fn give(&self, record: &Record, row: Row<'_>, types: &Types<'_>) -> ResultRow {
        match (&self.output, self.rows) {
            (Output::Columns(columns), _) => ResultRow(
                columns.iter().map(|column| Cell::Made(column.path.place(row, types).to_bytes())).collect(),
            ),
            (Output::Rows | Output::Count, Rows::Values) => ResultRow([Cell::Value(record.clone())].into()),
            (Output::Rows | Output::Count, Rows::Keys) => ResultRow([Cell::Key(record.clone())].into()),
            (Output::Rows | Output::Count, Rows::Entries) => {
                ResultRow([Cell::Key(record.clone()), Cell::Value(record.clone())].into())
            }
        }
    }

    /// By what the row of a record is sorted.
    pub(super) fn sort_key(&self, row: Row<'_>, types: &Types<'_>) -> Box<[Datum<'static>]> {
        self.order.iter().map(|key| key.path.datum(row, types).into_owned()).collect()
    }

    /// What the condition is, for those who look for a shape in it.
    pub(super) fn into_condition(self) -> Option<Condition> {
        self.condition
    }
}

/// A row of the result: one value, or one for each column.
#[derive(Debug, Clone)]
pub struct ResultRow(pub(super) Box<[Cell]>);

/// One value of a result. Whole keys and values stay where they are.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Key(Record),
    Value(Record),
    Made(Vec<u8>),
}

impl ResultRow {
    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, which is never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values, as they go out.
    pub fn values(&self) -> impl ExactSizeIterator<Item = ValueRef<'_>> {
        self.0.iter().map(Cell::value)
    }

    /// The values, each as one serialized object.
    #[must_use]
    pub fn to_objects(&self) -> Vec<Vec<u8>> {
        self.values().map(|value| object(value)).collect()
    }

    /// Bytes that it holds and that are nobody else's, about.
    pub(super) fn size(&self) -> usize {
        let made = |cell: &Cell| match cell {
            Cell::Made(bytes) => bytes.len(),
            Cell::Key(_) | Cell::Value(_) => 0,
        };
        size_of::<Self>() + self.0.iter().map(|cell| size_of::<Cell>() + made(cell)).sum::<usize>()
    }
}

impl Cell {
    fn value(&self) -> ValueRef<'_> {
        match self {
            Self::Key(record) => ValueRef::Object(record.key()),
            Self::Value(record) => match record.value() {
                None | Some(Value::Invalid) => ValueRef::Null,
                Some(Value::Bytes(bytes)) => ValueRef::Bytes(bytes),
                Some(Value::Object(object)) => ValueRef::Object(object),
            },
            Self::Made(object) => ValueRef::Object(object),
        }
    }
}

impl Output {
    /// The column of that name.
    fn labelled(&self, kind: &Kind) -> Option<&Path> {
        let (Self::Columns(columns), Kind::Path { name, steps }) = (self, kind) else { return None };
        let column = columns.iter().find(|column| steps.is_empty() && *column.label == **name)?;
        Some(&column.path)
    }

    /// Whether rows that are equal have the same there.
    fn decides(&self, path: &Path) -> bool {
        match self {
            Self::Rows | Self::Count => true,
            Self::Columns(columns) => columns
                .iter()
                .any(|column| column.path.root == path.root && path.steps.starts_with(&column.path.steps)),
        }
    }
}

fn object(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Null => Place::Null.to_bytes(),
        ValueRef::Bytes(bytes) => Place::Bytes(bytes).to_bytes(),
        ValueRef::Object(object) => object.to_vec(),
    }
}

/// The name of a column: the one it was given, else the last name of its path, as in Geode.
fn label(number: usize, column: &Column) -> Box<str> {
    if let Some(label) = &column.label {
        return label.as_str().into();
    }
    let Kind::Path { name, steps } = &column.value.kind else { return format!("field${number}").into() };
    match steps.last().map(|step| &step.kind) {
        None => name.as_str().into(),
        Some(StepKind::Field(name) | StepKind::Call(name, _)) => name.as_str().into(),
        Some(StepKind::Index(_)) => format!("field${number}").into(),
    }
}
