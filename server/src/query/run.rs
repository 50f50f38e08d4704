//! A plan at work: over a region, a little at a time, within bounds.
//!
//! ```text
//!             ┌── neither ORDER BY nor COUNT: given as found ────────────────────────────┐
//!   scan ──► condition ──► DISTINCT: seen before?                                          ├──► rows
//!             ├── COUNT: counted ───────────────────────────────────── at the end ────────┤
//!             └── ORDER BY: sorted run ─ full: next run ─► runs merged ─ at the end ───────┘
//! ```
//! Nothing here waits or takes long: whoever runs a plan calls [`Execution::advance`] again and again, and lets others work
//! in between.

mod sorter;

use std::collections::HashSet;
use std::time::Duration;

use druse_protocol::value::{DsCode, equality};
use sorter::{Held, Sorter};

use super::error::QueryError;
use super::path::Row;
use super::plan::{Cell, Output, Plan, ResultRow, Shape};
use super::types::{ClassVersions, Types};
use crate::engine::Record;

type Result<T> = std::result::Result<T, QueryError>;

/// What one call of [`Execution::advance`] may do at most. Records cost some hundred nanoseconds each, more if they are
/// long: a step stays far below the ten milliseconds after which others would notice.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// Records that are looked at.
    pub records: usize,
    /// Bytes of the records that are looked at.
    pub record_bytes: usize,
    /// Rows that are given.
    pub rows: usize,
    /// Bytes of the rows that are given, about.
    pub row_bytes: usize,
}

/// What a query may hold at a time. Rows that are given as they are found count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryBounds {
    /// Rows that wait to be sorted, or are remembered to find equal ones.
    pub rows: usize,
    /// Bytes for them, about. Values that stand in the region are not counted.
    pub bytes: usize,
    /// How long it may look for its next rows. Kept by whoever runs it: nothing here knows what time it is.
    pub time: Duration,
}

impl Default for QueryBounds {
    /// A million rows of some 250 bytes, and as long as any other answer may take. Java clients give up after ten seconds
    /// unless they are told otherwise.
    fn default() -> Self {
        Self { rows: 1_000_000, bytes: 256 << 20, time: Duration::from_secs(60) }
    }
}

/// What a step came to.
#[derive(Debug)]
pub struct Given {
    /// Rows of the result.
    pub rows: Vec<ResultRow>,
    /// Whether there are no more.
    pub is_last: bool,
}

/// A plan at work.
#[derive(Debug)]
pub struct Execution<S> {
    plan: Plan,
    scan: S,
    stage: Stage,
    /// Rows that were found, or of a sorted result given.
    found: usize,
    seen: HashSet<Box<[u8]>>,
    held: usize,
    held_bytes: usize,
    bounds: QueryBounds,
}

#[derive(Debug)]
enum Stage {
    Scanning(Sorter),
    Sorted(sorter::Merge),
    Over,
}

impl<S: Iterator<Item = Record>> Execution<S> {
    /// Begins to run a plan over records, tombstones among them or not.
    pub fn new(plan: Plan, scan: S, bounds: QueryBounds) -> Self {
        let stage = Stage::Scanning(Sorter::new(&plan));
        Self { plan, scan, stage, found: 0, seen: HashSet::new(), held: 0, held_bytes: 0, bounds }
    }

    /// What the answer looks like.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.plan.shape()
    }

    /// Does a share of the work. There may be nothing to give although there is more to come.
    ///
    /// # Errors
    /// If the condition makes no sense in a row, or the query holds too much. It is over then.
    pub fn advance(&mut self, versions: &dyn ClassVersions, share: &Share) -> Result<Given> {
        let types = Types::new(versions);
        let step = match &mut self.stage {
            Stage::Scanning(_) => self.look(&types, share),
            Stage::Sorted(_) => Ok(self.give_sorted(&types, share)),
            Stage::Over => Ok(Given { rows: Vec::new(), is_last: true }),
        };
        if step.as_ref().map_or(true, |given| given.is_last) {
            self.stage = Stage::Over;
        }
        step
    }

    fn look(&mut self, types: &Types<'_>, share: &Share) -> Result<Given> {
        let mut rows = Vec::new();
        let (mut records, mut record_bytes, mut row_bytes) = (0, 0, 0);
        while records < share.records && record_bytes < share.record_bytes {
            if rows.len() >= share.rows || row_bytes >= share.row_bytes {
                break;
            }
            let record = if self.is_enough() { None } else { self.scan.next() };
            let Some(record) = record else { return Ok(self.end_of_scan(rows)) };
            records += 1;
            record_bytes += record.payload_len();
            if let Some(row) = self.visit(&record, types)? {
                row_bytes += record.payload_len() + row.size();
                rows.push(row);
            }
        }
        Ok(Given { rows, is_last: false })
    }

    /// Whether no more rows are wanted. Of a sorted result nobody knows before the end.
    fn is_enough(&self) -> bool {
        self.plan.order.is_empty() && self.plan.limit.is_some_and(|limit| self.found >= limit)
    }

    /// Looks at one record; gives its row if it can be given at once.
    fn visit(&mut self, record: &Record, types: &Types<'_>) -> Result<Option<ResultRow>> {
        let Some(row) = Row::of(record) else { return Ok(None) };
        if !self.plan.admits(row, types)? {
            return Ok(None);
        }
        let given =
            (self.plan.is_distinct || self.gives_at_once()).then(|| self.plan.give(record, row, types));
        if let Some(given) = given.as_ref().filter(|_| self.plan.is_distinct)
            && !self.is_new(given, types)?
        {
            return Ok(None);
        }
        if self.gives_at_once() {
            self.found += 1;
            return Ok(given);
        }
        self.hold(record, row, types)?;
        Ok(None)
    }

    fn gives_at_once(&self) -> bool {
        self.plan.order.is_empty() && !matches!(self.plan.output, Output::Count)
    }

    /// Whether no row like it has been found.
    fn is_new(&mut self, row: &ResultRow, types: &Types<'_>) -> Result<bool> {
        let mut form = Vec::new();
        for object in row.to_objects() {
            // What cannot be looked into equals what has the same bytes.
            let same = equality::form(&object, types).unwrap_or(object);
            form.extend_from_slice(&(same.len() as u64).to_be_bytes());
            form.extend_from_slice(&same);
        }
        let size = form.len() + size_of::<Box<[u8]>>();
        let is_new = self.seen.insert(form.into());
        if is_new {
            self.take_room(size)?;
        }
        Ok(is_new)
    }

    fn hold(&mut self, record: &Record, row: Row<'_>, types: &Types<'_>) -> Result<()> {
        self.found += 1;
        if self.plan.order.is_empty() {
            // Counted.
            return Ok(());
        }
        let held = Held { key: self.plan.sort_key(row, types), record: record.clone() };
        self.take_room(held.size())?;
        if let Stage::Scanning(sorter) = &mut self.stage {
            let dropped = sorter.add(held);
            self.held -= dropped.rows;
            self.held_bytes -= dropped.bytes;
        }
        Ok(())
    }

    fn take_room(&mut self, bytes: usize) -> Result<()> {
        let QueryBounds { rows, bytes: most_bytes, .. } = self.bounds;
        self.held += 1;
        self.held_bytes += bytes;
        if self.held > rows {
            return Err(QueryError::TooLarge { what: "rows", limit: rows });
        }
        if self.held_bytes > most_bytes {
            return Err(QueryError::TooLarge { what: "bytes", limit: most_bytes });
        }
        Ok(())
    }

    /// Every record has been looked at, or enough of them.
    fn end_of_scan(&mut self, mut rows: Vec<ResultRow>) -> Given {
        if matches!(self.plan.output, Output::Count) {
            let count = self.plan.limit.map_or(self.found, |limit| self.found.min(limit));
            rows.push(count_row(count));
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Scanning(sorter) if !self.plan.order.is_empty() => {
                self.found = 0;
                self.stage = Stage::Sorted(sorter.merge());
                Given { rows, is_last: false }
            }
            _ => Given { rows, is_last: true },
        }
    }

    fn give_sorted(&mut self, types: &Types<'_>, share: &Share) -> Given {
        let mut rows = Vec::new();
        let mut row_bytes = 0;
        while rows.len() < share.rows && row_bytes < share.row_bytes {
            let is_enough = self.plan.limit.is_some_and(|limit| self.found >= limit);
            let next = match &mut self.stage {
                Stage::Sorted(merge) if !is_enough => merge.next(),
                _ => None,
            };
            let Some(record) = next else { return Given { rows, is_last: true } };
            if let Some(row) = Row::of(&record) {
                let given = self.plan.give(&record, row, types);
                row_bytes += record.payload_len() + given.size();
                rows.push(given);
                self.found += 1;
            }
        }
        Given { rows, is_last: false }
    }
}

/// Counts are an `Integer` in Java.
fn count_row(count: usize) -> ResultRow {
    let mut object = vec![DsCode::Integer.to_wire()];
    object.extend_from_slice(&i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes());
    ResultRow([Cell::Made(object)].into())
}
