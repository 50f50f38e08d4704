//! Sorts many rows in small steps: runs of bounded length, merged at the end.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::super::datum::Datum;
use super::super::plan::Plan;
use crate::engine::Record;

/// How many rows are sorted at a time.
const RUN: usize = 4096;

/// A row that waits for its place.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: Box<[Datum<'static>]>,
    pub(super) record: Record,
}

impl Held {
    /// Bytes that it holds, about.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.key.iter().map(Datum::size).sum::<usize>()
    }
}

/// Which keys of the order fall.
type Directions = Arc<[bool]>;

/// Collects rows.
#[derive(Debug)]
pub(super) struct Sorter {
    directions: Directions,
    limit: usize,
    run: Vec<Held>,
    runs: Vec<Vec<Held>>,
}

/// What a sorter need not hold any more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl Sorter {
    pub(super) fn new(plan: &Plan) -> Self {
        let directions = plan.order.iter().map(|key| key.is_descending).collect();
        Self { directions, limit: plan.limit.unwrap_or(usize::MAX), run: Vec::new(), runs: Vec::new() }
    }

    /// Takes a row. Of each run no more rows are kept than are wanted at the end.
    pub(super) fn add(&mut self, held: Held) -> Dropped {
        self.run.push(held);
        if self.run.len() < RUN { Dropped::default() } else { self.end_run() }
    }

    /// All rows in their order.
    pub(super) fn merge(mut self) -> Merge {
        self.end_run();
        let directions = self.directions;
        let heads = self.runs.into_iter().filter_map(|run| Head::of(run, Arc::clone(&directions))).collect();
        Merge { heads }
    }

    fn end_run(&mut self) -> Dropped {
        let mut run = std::mem::take(&mut self.run);
        run.sort_by(|one, other| order(one, other, &self.directions));
        let rest = run.split_off(self.limit.min(run.len()));
        self.runs.push(run);
        Dropped { rows: rest.len(), bytes: rest.iter().map(Held::size).sum() }
    }
}

/// Gives the records of sorted runs in their order.
#[derive(Debug)]
pub(super) struct Merge {
    heads: BinaryHeap<Head>,
}

impl Iterator for Merge {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let Head { first, rest, directions } = self.heads.pop()?;
        self.heads.extend(Head::of(rest, directions));
        Some(first.record)
    }
}

/// The first row of a run and the rest.
#[derive(Debug)]
struct Head {
    first: Held,
    rest: std::vec::IntoIter<Held>,
    directions: Directions,
}

impl Head {
    fn of(
        run: impl IntoIterator<IntoIter = std::vec::IntoIter<Held>>,
        directions: Directions,
    ) -> Option<Self> {
        let mut rest = run.into_iter();
        rest.next().map(|first| Self { first, rest, directions })
    }
}

/// A heap gives its greatest first, so the order is turned round.
impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&other.first, &self.first, &self.directions)
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

/// By the keys of the order, then by the key of the entry, so that the same query gives the same order.
fn order(one: &Held, other: &Held, directions: &[bool]) -> Ordering {
    let keys = one.key.iter().zip(&other.key).zip(directions);
    let by_keys = keys.map(|((one, other), &is_descending)| {
        let order = one.sort(other);
        if is_descending { order.reverse() } else { order }
    });
    by_keys
        .into_iter()
        .find(|order| order.is_ne())
        .unwrap_or_else(|| one.record.key().cmp(other.record.key()))
}
