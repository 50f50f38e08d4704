//! Conditions of continuous queries: one by one, and many against one change.

mod index;
mod sorted;
#[cfg(test)]
mod tests;

pub use index::{CqIndex, CqTransition};

use super::compare::{Comparison, Truth};
use super::condition::{Compare, Condition, Operand};
use super::datum::Datum;
use super::error::QueryError;
use super::number::Number;
use super::path::{Path, Row};
use super::plan::Statement;
use super::syntax::{Limit, Rows, Select};
use super::types::{ClassVersions, Types};
use crate::engine::Value;

/// What a continuous query watches for, with the values of its parameters.
#[derive(Debug)]
pub struct CqPredicate {
    region: Box<str>,
    condition: Option<Condition>,
}

/// A condition that can be found without being evaluated: `path comparison constant`.
#[derive(Debug, Clone, Copy)]
pub(super) struct FastShape<'p> {
    pub(super) path: &'p Path,
    pub(super) comparison: Comparison,
    pub(super) constant: &'p Datum<'static>,
    /// Whether that is the whole condition; else it is one of several that must all hold.
    pub(super) is_all: bool,
}

impl CqPredicate {
    /// Makes a predicate of a query. A continuous query gives whole values of one region, as they change: it has no
    /// DISTINCT, columns, COUNT, ORDER BY or LIMIT (Geode `CqQueryImpl.validateCq`).
    ///
    /// # Errors
    /// If it has, or as [`Statement::plan`].
    pub fn compile(
        statement: &Statement,
        parameters: &[Value<'_>],
        versions: &dyn ClassVersions,
    ) -> Result<Self, QueryError> {
        refuse(statement)?;
        let condition = statement.plan(parameters, versions)?.into_condition();
        Ok(Self { region: statement.region().into(), condition })
    }

    /// The region, with its leading slash.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether an entry is in the result. An entry without value never is, and neither is one in which the condition makes
    /// no sense: there is nobody to tell.
    #[must_use]
    pub fn matches(&self, key: &[u8], value: Value<'_>, versions: &dyn ClassVersions) -> bool {
        self.holds(Row { key, value }, &Types::new(versions))
    }

    fn holds(&self, row: Row<'_>, types: &Types<'_>) -> bool {
        row.value != Value::Invalid
            && self
                .condition
                .as_ref()
                .is_none_or(|condition| condition.evaluate(row, types) == Ok(Truth::True))
    }

    /// The shape by which an index finds the predicate, if it has one.
    pub(super) fn fast_shape(&self) -> Option<FastShape<'_>> {
        match self.condition.as_ref()? {
            Condition::Compare(compare) => fast(compare, true),
            Condition::All(parts) => {
                let shapes = parts.iter().filter_map(|part| match part {
                    Condition::Compare(compare) => fast(compare, false),
                    _ => None,
                });
                // An equality leaves fewest to be looked at.
                shapes.min_by_key(|shape| shape.comparison != Comparison::Equal)
            }
            _ => None,
        }
    }
}

fn refuse(statement: &Statement) -> Result<(), QueryError> {
    let query = &statement.query;
    let at = query.from.at;
    let refused = match (&query.select, query.from.rows, query.order.first(), &query.limit) {
        _ if query.distinct.is_some() => query.distinct.map(|at| (at, "DISTINCT")),
        (Select::Count(at), ..) => Some((*at, "COUNT")),
        (Select::Columns(columns), ..) => columns.first().map(|column| (column.value.at, "columns, only *")),
        (_, Rows::Keys, ..) => Some((at, "rows of keys")),
        (_, Rows::Entries, ..) => Some((at, "rows of entries")),
        (_, _, Some(key), _) => Some((key.value.at, "ORDER BY")),
        (_, _, _, Some(Limit::Rows(at, _) | Limit::Parameter(at, _))) => Some((*at, "LIMIT")),
        _ => None,
    };
    refused.map_or(Ok(()), |(at, what)| Err(QueryError::NotContinuous { at, what }))
}

fn fast(compare: &Compare, is_all: bool) -> Option<FastShape<'_>> {
    let (path, comparison, constant) = match (&compare.left, &compare.right) {
        (Operand::Path(path), Operand::Constant(constant)) => (path, compare.comparison, constant),
        (Operand::Constant(constant), Operand::Path(path)) => (path, compare.comparison.mirrored(), constant),
        _ => return None,
    };
    let is_fast = match constant {
        Datum::Boolean(_) => comparison == Comparison::Equal,
        Datum::Number(Number::Big(_) | Number::Decimal(_)) => false,
        Datum::Number(_) | Datum::Text(_) | Datum::Character(_) | Datum::Instant(_) | Datum::Uuid(..) => {
            comparison != Comparison::NotEqual
        }
        Datum::Undefined | Datum::Null | Datum::Enum(_) | Datum::Object(_) => false,
    };
    is_fast.then_some(FastShape { path, comparison, constant, is_all })
}
