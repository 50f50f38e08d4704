//! What a path leads to in a row.

use super::datum::Datum;
use super::place::Place;
use super::types::Types;
use crate::engine::{Record, Value};

/// What paths lead through: an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'r> {
    /// In the one form by which nodes index.
    pub(super) key: &'r [u8],
    pub(super) value: Value<'r>,
}

impl<'r> Row<'r> {
    /// The row of a record; `None` of a key that was removed.
    pub(super) fn of(record: &'r Record) -> Option<Self> {
        record.value().map(|value| Self { key: record.key(), value })
    }
}

/// A way from an entry to something in its key or value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) steps: Box<[Step]>,
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Key,
    Value,
}

/// One step further in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// A field, or a text key of a map.
    Field(Box<str>),
    /// A key of a map, or the number of an element.
    At(Datum<'static>),
}

impl Path {
    /// What the path leads to.
    pub(super) fn place<'r>(&self, row: Row<'r>, types: &Types<'_>) -> Place<'r> {
        let root = match self.root {
            Root::Key => Place::of_object(row.key),
            Root::Value => Place::of_value(row.value),
        };
        self.steps.iter().fold(root, |place, step| match step {
            Step::Field(name) => place.field(name, types),
            Step::At(index) => place.at(index, types),
        })
    }

    /// The same, as comparisons see it.
    pub(super) fn datum<'r>(&self, row: Row<'r>, types: &Types<'_>) -> Datum<'r> {
        self.place(row, types).datum(types)
    }
}
