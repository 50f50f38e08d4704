//! Conditions with all names resolved and all parameters filled in, and what they come to.

use std::collections::HashSet;

use super::compare::{Comparison, Truth, compare};
use super::datum::Datum;
use super::error::{Position, QueryError};
use super::like::Pattern;
use super::number::Number;
use super::path::{Path, Row};
use super::place::Place;
use super::types::Types;

type Result<T> = std::result::Result<T, QueryError>;

/// A condition.
#[derive(Debug)]
pub(super) enum Condition {
    /// All of them; false as soon as one is.
    All(Box<[Condition]>),
    /// One of them; true as soon as one is.
    Any(Box<[Condition]>),
    Not(Box<Condition>),
    Compare(Compare),
    Like {
        value: Operand,
        pattern: Pattern,
        is_negated: bool,
    },
    In {
        value: Operand,
        choices: Choices,
        at: Position,
    },
    Defined {
        value: Operand,
        wanted: bool,
    },
    /// What is a truth value by itself.
    Holds(Operand, Position),
}

/// A comparison.
#[derive(Debug)]
pub(super) struct Compare {
    pub(super) left: Operand,
    pub(super) comparison: Comparison,
    pub(super) right: Operand,
    pub(super) at: Position,
}

/// What has a value.
#[derive(Debug)]
pub(super) enum Operand {
    Constant(Datum<'static>),
    Path(Path),
    Condition(Box<Condition>),
}

/// What IN looks through.
#[derive(Debug)]
pub(super) enum Choices {
    /// Nothing: the value given for it was null.
    Null,
    Constants(Box<Constants>),
    /// Values that differ from row to row.
    Operands(Box<[Operand]>),
    /// A collection in the row.
    Collection(Path),
}

/// Constants that are looked through fast.
#[derive(Debug, Default)]
pub(super) struct Constants {
    texts: HashSet<Box<str>>,
    whole: HashSet<i64>,
    others: Vec<Datum<'static>>,
}

impl Condition {
    /// What the condition comes to in a row.
    ///
    /// # Errors
    /// If an order is asked of values that have none, or truth of what has none.
    pub(super) fn evaluate(&self, row: Row<'_>, types: &Types<'_>) -> Result<Truth> {
        match self {
            Self::All(conditions) => junction(conditions, Truth::False, row, types),
            Self::Any(conditions) => junction(conditions, Truth::True, row, types),
            Self::Not(condition) => condition.evaluate(row, types).map(Truth::not),
            Self::Compare(compare) => compare.evaluate(row, types),
            Self::Like { value, pattern, is_negated } => {
                let is_like = match value.datum(row, types)? {
                    Datum::Null | Datum::Undefined => return Ok(Truth::Undefined),
                    Datum::Text(text) => pattern.matches(&text),
                    _ => false,
                };
                Ok((is_like != *is_negated).into())
            }
            Self::In { value, choices, at } => choices.hold(&value.datum(row, types)?, *at, row, types),
            Self::Defined { value, wanted } => {
                Ok(((value.datum(row, types)? != Datum::Undefined) == *wanted).into())
            }
            Self::Holds(value, at) => {
                let datum = value.datum(row, types)?;
                Truth::of(&datum).ok_or(QueryError::NoTruth { at: *at, found: datum.class() })
            }
        }
    }
}

/// AND decides on false, OR on true; what does not decide leaves undefined what anything undefined is in.
fn junction(conditions: &[Condition], decisive: Truth, row: Row<'_>, types: &Types<'_>) -> Result<Truth> {
    let mut result = decisive.not();
    for condition in conditions {
        let truth = condition.evaluate(row, types)?;
        if truth == decisive {
            return Ok(decisive);
        }
        if truth == Truth::Undefined {
            result = Truth::Undefined;
        }
    }
    Ok(result)
}

impl Compare {
    fn evaluate(&self, row: Row<'_>, types: &Types<'_>) -> Result<Truth> {
        let (left, right) = (self.left.datum(row, types)?, self.right.datum(row, types)?);
        compare(&left, self.comparison, &right, types).map_err(|_| QueryError::NoOrder {
            at: self.at,
            left: left.class(),
            right: right.class(),
            operator: self.comparison.symbol(),
        })
    }
}

impl Operand {
    fn datum<'r>(&'r self, row: Row<'r>, types: &Types<'_>) -> Result<Datum<'r>> {
        match self {
            Self::Constant(datum) => Ok(datum.borrowed()),
            Self::Path(path) => Ok(path.datum(row, types)),
            Self::Condition(condition) => condition.evaluate(row, types).map(Truth::to_datum),
        }
    }
}

impl Choices {
    fn hold(&self, value: &Datum<'_>, at: Position, row: Row<'_>, types: &Types<'_>) -> Result<Truth> {
        match self {
            Self::Null => Ok(Truth::Undefined),
            Self::Constants(constants) => Ok(constants.contain(value, types).into()),
            Self::Operands(operands) => {
                for operand in operands {
                    if is_equal(value, &operand.datum(row, types)?, types) {
                        return Ok(Truth::True);
                    }
                }
                Ok(Truth::False)
            }
            Self::Collection(path) => {
                let place = path.place(row, types);
                let Some(mut elements) = place.elements() else { return no_collection(&place, at, types) };
                Ok(elements.any(|element| is_equal(value, &element.datum(types), types)).into())
            }
        }
    }
}

fn no_collection(place: &Place<'_>, at: Position, types: &Types<'_>) -> Result<Truth> {
    match place.datum(types) {
        Datum::Null | Datum::Undefined => Ok(Truth::Undefined),
        other => Err(QueryError::WrongValue { at, found: other.class(), expected: "a collection behind IN" }),
    }
}

impl Constants {
    pub(super) fn add(&mut self, constant: Datum<'static>) {
        match constant {
            Datum::Text(text) => drop(self.texts.insert(text.into())),
            Datum::Number(Number::Whole(number)) => drop(self.whole.insert(number)),
            other => self.others.push(other),
        }
    }

    fn contain(&self, value: &Datum<'_>, types: &Types<'_>) -> bool {
        let is_kept_apart = match value {
            Datum::Text(text) => self.texts.contains(&**text),
            Datum::Number(Number::Whole(number)) => self.whole.contains(number),
            Datum::Number(number) => {
                self.whole.iter().any(|whole| number.compare(&Number::Whole(*whole)).is_eq())
            }
            _ => false,
        };
        is_kept_apart || self.others.iter().any(|other| is_equal(value, other, types))
    }
}

fn is_equal(one: &Datum<'_>, other: &Datum<'_>, types: &Types<'_>) -> bool {
    compare(one, Comparison::Equal, other, types) == Ok(Truth::True)
}
