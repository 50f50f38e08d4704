//! From what is written to what is carried out: names are resolved, parameters filled in, negations pushed inwards.
//!
//! Geode does the last, too (`QCompiler.not`), and it shows: `NOT (a = 1)` is `a <> 1`, which is true where `a` is not there,
//! while the negation of something undefined would be undefined.

use super::MAX_PATTERN;
use super::condition::{Choices, Compare, Condition, Constants, Operand};
use super::datum::Datum;
use super::error::{Position, QueryError};
use super::like::Pattern;
use super::path::{Path, Root, Step};
use super::place::Place;
use super::syntax::{self, Expression, Kind, Limit, Rows, StepKind};
use super::types::Types;
use crate::engine::Value;

type Result<T> = std::result::Result<T, QueryError>;

/// What names and parameters mean.
pub(super) struct Scope<'s> {
    pub(super) alias: Option<&'s str>,
    pub(super) rows: Rows,
    pub(super) parameters: &'s [Value<'s>],
    pub(super) types: &'s Types<'s>,
}

/// What a path of the query leads to.
pub(super) enum Resolved {
    /// Something in a key or a value.
    Path(Path),
    /// An entry as a whole.
    Entry,
}

impl<'s> Scope<'s> {
    /// A condition, or its opposite.
    pub(super) fn condition(&self, expression: &Expression, is_negated: bool) -> Result<Condition> {
        let at = expression.at;
        let condition = match &expression.kind {
            Kind::Not(inner) => return self.condition(inner, !is_negated),
            Kind::Any(parts) if is_negated => return self.all(parts, true),
            Kind::Any(parts) => return self.any(parts, false),
            Kind::All(parts) if is_negated => return self.any(parts, true),
            Kind::All(parts) => return self.all(parts, false),
            Kind::Compare(left, comparison, right) => {
                let comparison = if is_negated { comparison.negated() } else { *comparison };
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                return Ok(Condition::Compare(Compare { left, comparison, right, at }));
            }
            Kind::Like(value, pattern) => {
                let (value, pattern) = (self.operand(value)?, self.pattern(pattern)?);
                return Ok(Condition::Like { value, pattern, is_negated });
            }
            Kind::Defined { value, wanted } => {
                return Ok(Condition::Defined { value: self.operand(value)?, wanted: *wanted != is_negated });
            }
            Kind::In(value, set) => {
                Condition::In { value: self.operand(value)?, choices: self.choices(set)?, at: set.at }
            }
            Kind::Set(_) | Kind::Literal(_) | Kind::Parameter(_) | Kind::Path { .. } => {
                Condition::Holds(self.operand(expression)?, at)
            }
        };
        Ok(if is_negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    /// A path of the query.
    pub(super) fn path(&self, expression: &Expression) -> Result<Resolved> {
        let Kind::Path { name, steps } = &expression.kind else {
            return Err(QueryError::Unsupported { at: expression.at, what: "values but paths here".into() });
        };
        let implicit;
        // A name that is not the rows' own is a field of theirs.
        let (first, rest) = if self.alias == Some(&**name) {
            match (self.rows, steps.split_first()) {
                (Rows::Entries, None) => return Ok(Resolved::Entry),
                (Rows::Entries, Some((first, rest))) => (Some(first), rest),
                (Rows::Values | Rows::Keys, _) => (None, &**steps),
            }
        } else {
            implicit = syntax::Step { at: expression.at, kind: StepKind::Field(name.clone()) };
            (Some(&implicit), &**steps)
        };
        let (root, first) = match self.rows {
            Rows::Values => (Root::Value, first),
            Rows::Keys => (Root::Key, first),
            Rows::Entries => (part_of_entry(first, expression.at)?, None),
        };
        let steps = first.into_iter().chain(rest).map(|step| self.step(step)).collect::<Result<_>>()?;
        Ok(Resolved::Path(Path { root, steps }))
    }

    /// The number of rows at most.
    pub(super) fn limit(&self, limit: &Limit) -> Result<usize> {
        match *limit {
            Limit::Rows(_, rows) => Ok(rows),
            Limit::Parameter(at, number) => {
                let given = self.parameter(at, number)?.datum(self.types);
                let found = given.class();
                given.as_index().ok_or(QueryError::WrongValue { at, found, expected: "a number of rows" })
            }
        }
    }

    fn all(&self, parts: &[Expression], is_negated: bool) -> Result<Condition> {
        parts.iter().map(|part| self.condition(part, is_negated)).collect::<Result<_>>().map(Condition::All)
    }

    fn any(&self, parts: &[Expression], is_negated: bool) -> Result<Condition> {
        parts.iter().map(|part| self.condition(part, is_negated)).collect::<Result<_>>().map(Condition::Any)
    }

    fn operand(&self, expression: &Expression) -> Result<Operand> {
        Ok(match &expression.kind {
            Kind::Literal(datum) => Operand::Constant(datum.clone()),
            Kind::Parameter(number) => {
                Operand::Constant(self.parameter(expression.at, *number)?.datum(self.types).into_owned())
            }
            Kind::Path { .. } => match self.path(expression)? {
                Resolved::Path(path) => Operand::Path(path),
                Resolved::Entry => {
                    let expected = "its key or its value";
                    return Err(QueryError::WrongValue { at: expression.at, found: "an entry", expected });
                }
            },
            Kind::Set(_) => {
                return Err(QueryError::Unsupported { at: expression.at, what: "SET but behind IN".into() });
            }
            _ => Operand::Condition(Box::new(self.condition(expression, false)?)),
        })
    }

    fn pattern(&self, expression: &Expression) -> Result<Pattern> {
        let at = expression.at;
        let pattern = match &expression.kind {
            Kind::Literal(datum) => datum.borrowed(),
            Kind::Parameter(number) => self.parameter(at, *number)?.datum(self.types),
            _ => {
                return Err(QueryError::Unsupported { at, what: "patterns from the row behind LIKE".into() });
            }
        };
        match pattern {
            Datum::Text(text) if text.len() > MAX_PATTERN => {
                Err(QueryError::TooMany { at, what: "bytes in a pattern", limit: MAX_PATTERN })
            }
            Datum::Text(text) => Ok(Pattern::new(&text)),
            other => Err(QueryError::WrongValue { at, found: other.class(), expected: "a pattern" }),
        }
    }

    fn choices(&self, set: &Expression) -> Result<Choices> {
        match &set.kind {
            Kind::Set(elements) => self.listed(elements),
            Kind::Parameter(number) => self.collection(set.at, *number),
            Kind::Path { .. } => match self.path(set)? {
                Resolved::Path(path) => Ok(Choices::Collection(path)),
                Resolved::Entry => no_collection(set.at, "an entry"),
            },
            Kind::Literal(Datum::Null | Datum::Undefined) => Ok(Choices::Null),
            Kind::Literal(datum) => no_collection(set.at, datum.class()),
            _ => no_collection(set.at, "a condition"),
        }
    }

    fn listed(&self, elements: &[Expression]) -> Result<Choices> {
        let operands: Vec<_> = elements.iter().map(|element| self.operand(element)).collect::<Result<_>>()?;
        if !operands.iter().all(|operand| matches!(operand, Operand::Constant(_))) {
            return Ok(Choices::Operands(operands.into()));
        }
        let mut constants = Constants::default();
        for operand in operands {
            if let Operand::Constant(datum) = operand {
                constants.add(datum);
            }
        }
        Ok(Choices::Constants(Box::new(constants)))
    }

    fn collection(&self, at: Position, number: usize) -> Result<Choices> {
        let place = self.parameter(at, number)?;
        let Some(elements) = place.elements() else {
            return match place.datum(self.types) {
                Datum::Null | Datum::Undefined => Ok(Choices::Null),
                other => no_collection(at, other.class()),
            };
        };
        let mut constants = Constants::default();
        elements.for_each(|element| constants.add(element.datum(self.types).into_owned()));
        Ok(Choices::Constants(Box::new(constants)))
    }

    fn step(&self, step: &syntax::Step) -> Result<Step> {
        match &step.kind {
            StepKind::Field(name) => Ok(Step::Field(name.as_str().into())),
            StepKind::Index(index) => self.index(index).map(Step::At),
            StepKind::Call(name, arguments) => match (&**name, &**arguments) {
                ("get", [index]) => self.index(index).map(Step::At),
                _ => Err(QueryError::Unsupported { at: step.at, what: format!("method {name}").into() }),
            },
        }
    }

    fn index(&self, index: &Expression) -> Result<Datum<'static>> {
        match self.operand(index)? {
            Operand::Constant(datum) => Ok(datum),
            Operand::Path(_) | Operand::Condition(_) => {
                Err(QueryError::Unsupported { at: index.at, what: "indexes from the row".into() })
            }
        }
    }

    fn parameter(&self, at: Position, number: usize) -> Result<Place<'s>> {
        let given = self.parameters.len();
        let value = number.checked_sub(1).and_then(|place| self.parameters.get(place));
        value.map(|value| Place::of_value(*value)).ok_or(QueryError::NoParameter { at, number, given })
    }
}

fn part_of_entry(step: Option<&syntax::Step>, at: Position) -> Result<Root> {
    let wrong = |at, found: &str| {
        Err(QueryError::Unexpected { at, found: found.to_owned(), expected: "key or value of an entry" })
    };
    match step.map(|step| (step.at, &step.kind)) {
        Some((at, StepKind::Field(name))) => match &**name {
            "key" => Ok(Root::Key),
            "value" => Ok(Root::Value),
            _ => wrong(at, name),
        },
        Some((at, StepKind::Call(name, arguments))) => match (&**name, arguments.is_empty()) {
            ("getKey" | "key", true) => Ok(Root::Key),
            ("getValue" | "value", true) => Ok(Root::Value),
            _ => wrong(at, name),
        },
        Some((at, StepKind::Index(_))) => wrong(at, "an index"),
        None => wrong(at, "an entry"),
    }
}

fn no_collection(at: Position, found: &'static str) -> Result<Choices> {
    Err(QueryError::WrongValue { at, found, expected: "a collection behind IN" })
}
