//! Constants that one path is compared with, in their order.

use std::cmp::Ordering;

use super::super::compare::Comparison;
use super::super::datum::Datum;
use super::super::number::Number;

/// Constants of one class under one comparison, rising.
#[derive(Debug)]
pub(super) struct Sorted<T> {
    comparison: Comparison,
    class: Class,
    constants: Vec<(Datum<'static>, T)>,
}

/// Classes within which a value has its place among the constants. Whole numbers, floats and doubles are apart, because
/// how a number compares depends on the class of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Boolean,
    Whole,
    Float,
    Double,
    Other,
    Character,
    Text,
    Instant,
    Uuid,
}

impl<T: PartialEq> Sorted<T> {
    /// For constants of the class of this one.
    pub(super) fn new(comparison: Comparison, constant: &Datum<'static>) -> Self {
        Self { comparison, class: Class::of(constant), constants: Vec::new() }
    }

    /// Whether the constant belongs here.
    pub(super) fn takes(&self, comparison: Comparison, constant: &Datum<'static>) -> bool {
        self.comparison == comparison && self.class == Class::of(constant)
    }

    pub(super) fn insert(&mut self, constant: Datum<'static>, thing: T) {
        let place = self.constants.partition_point(|(other, _)| other.sort(&constant).is_lt());
        self.constants.insert(place, (constant, thing));
    }

    pub(super) fn remove(&mut self, thing: &T) {
        self.constants.retain(|(_, other)| other != thing);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.constants.is_empty()
    }

    /// What belongs to the constants with which `value` compares so.
    pub(super) fn matching(&self, value: &Datum<'_>) -> impl Iterator<Item = &T> {
        let found = if self.class.is_comparable(value) { self.range(value) } else { &[] };
        found.iter().map(|(_, thing)| thing)
    }

    /// All constants of a class have one order with any value, so that those which match stand side by side.
    fn range(&self, value: &Datum<'_>) -> &[(Datum<'static>, T)] {
        let below = |order: fn(Ordering) -> bool| {
            self.constants.partition_point(|(constant, _)| place(value, constant).is_some_and(order))
        };
        let range = match self.comparison {
            Comparison::Equal => self.constants.get(below(Ordering::is_gt)..below(Ordering::is_ge)),
            Comparison::Less => self.constants.get(below(Ordering::is_ge)..),
            Comparison::LessOrEqual => self.constants.get(below(Ordering::is_gt)..),
            Comparison::Greater => self.constants.get(..below(Ordering::is_gt)),
            Comparison::GreaterOrEqual => self.constants.get(..below(Ordering::is_ge)),
            Comparison::NotEqual => None,
        };
        range.unwrap_or_default()
    }
}

/// The order of a value and a constant. Truth values have none in OQL, but a place in a list of them.
fn place(value: &Datum<'_>, constant: &Datum<'_>) -> Option<Ordering> {
    match (value, constant) {
        (Datum::Boolean(value), Datum::Boolean(constant)) => Some(value.cmp(constant)),
        _ => value.order(constant),
    }
}

impl Class {
    fn of(datum: &Datum<'_>) -> Self {
        match datum {
            Datum::Boolean(_) => Self::Boolean,
            Datum::Number(Number::Whole(_)) => Self::Whole,
            Datum::Number(Number::Float(_)) => Self::Float,
            Datum::Number(Number::Double(_)) => Self::Double,
            Datum::Character(_) => Self::Character,
            Datum::Text(_) => Self::Text,
            Datum::Instant(_) => Self::Instant,
            Datum::Uuid(..) => Self::Uuid,
            Datum::Undefined | Datum::Null | Datum::Number(_) | Datum::Enum(_) | Datum::Object(_) => {
                Self::Other
            }
        }
    }

    fn is_comparable(self, value: &Datum<'_>) -> bool {
        match self {
            Self::Whole | Self::Float | Self::Double => matches!(value, Datum::Number(_)),
            Self::Other => false,
            class => class == Self::of(value),
        }
    }
}
