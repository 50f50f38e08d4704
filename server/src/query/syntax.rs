//! A query as it is written: names not yet resolved, parameters still open.

use super::compare::Comparison;
use super::datum::Datum;
use super::error::Position;

/// A whole query.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) distinct: Option<Position>,
    pub(super) select: Select,
    pub(super) from: From,
    pub(super) condition: Option<Expression>,
    pub(super) order: Vec<SortKey>,
    pub(super) limit: Option<Limit>,
}

/// What a query gives.
#[derive(Debug)]
pub(super) enum Select {
    /// `*`
    All,
    /// `COUNT(*)`
    Count(Position),
    /// What it names.
    Columns(Vec<Column>),
}

/// One of the things that a query gives.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) value: Expression,
    pub(super) label: Option<String>,
}

/// Where the rows come from.
#[derive(Debug)]
pub(super) struct From {
    /// With its leading slash.
    pub(super) region: String,
    pub(super) rows: Rows,
    pub(super) alias: Option<String>,
    pub(super) at: Position,
}

/// What of a region the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// The values of its entries; entries without a value give none.
    Values,
    /// Its keys.
    Keys,
    /// Its entries.
    Entries,
}

/// One key of an order.
#[derive(Debug)]
pub(super) struct SortKey {
    pub(super) value: Expression,
    pub(super) is_descending: bool,
}

/// How many rows a query gives at most.
#[derive(Debug)]
pub(super) enum Limit {
    Rows(Position, usize),
    Parameter(Position, usize),
}

/// Something that has a value.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) at: Position,
    pub(super) kind: Kind,
}

/// The kinds of expressions.
#[derive(Debug)]
pub(super) enum Kind {
    Any(Vec<Expression>),
    All(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Box<Expression>, Comparison, Box<Expression>),
    Like(Box<Expression>, Box<Expression>),
    In(Box<Expression>, Box<Expression>),
    /// The elements of a `SET(...)`.
    Set(Vec<Expression>),
    Defined {
        value: Box<Expression>,
        wanted: bool,
    },
    Literal(Datum<'static>),
    /// Its number, from 1.
    Parameter(usize),
    Path {
        name: String,
        steps: Vec<Step>,
    },
}

/// A step of a path.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: Position,
    pub(super) kind: StepKind,
}

/// The kinds of steps.
#[derive(Debug)]
pub(super) enum StepKind {
    /// `.name`
    Field(String),
    /// `[index]`
    Index(Expression),
    /// `.name(...)`
    Call(String, Vec<Expression>),
}
