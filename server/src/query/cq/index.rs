//! Finds the predicates that one change concerns, among many.
//!
//! A field is read once for all predicates that compare it with constants, and its place among the constants found by
//! bisection; only predicates of other shapes are evaluated one by one. So a thousand of `o.id = …` cost two looks at a field
//! and some twenty comparisons.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::path::{Path, Row};
use super::super::types::{ClassVersions, Types};
use super::sorted::Sorted;
use super::{CqPredicate, FastShape};
use crate::engine::Value;

/// What a change is to a continuous query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CqTransition {
    /// The entry came into the result.
    Create,
    /// The entry was in the result and still is, with another value.
    Update,
    /// The entry left the result.
    Destroy,
}

impl CqTransition {
    /// What it is, by whether the old and the new value are in the result.
    #[must_use]
    pub const fn of(was_in: bool, is_in: bool) -> Option<Self> {
        match (was_in, is_in) {
            (false, true) => Some(Self::Create),
            (true, true) => Some(Self::Update),
            (true, false) => Some(Self::Destroy),
            (false, false) => None,
        }
    }
}

/// The predicates of one region, by numbers that their owner gives them.
#[derive(Debug, Default)]
pub struct CqIndex {
    predicates: HashMap<u64, Arc<CqPredicate>>,
    fast: Vec<OnPath>,
    /// Those that are evaluated one by one.
    slow: Vec<(u64, Arc<CqPredicate>)>,
}

/// All that compare one path with constants.
#[derive(Debug)]
struct OnPath {
    path: Path,
    constants: Vec<Sorted<Found>>,
}

/// A predicate whose constant fits.
#[derive(Debug)]
struct Found {
    id: u64,
    /// What must hold besides.
    rest: Option<Arc<CqPredicate>>,
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl CqIndex {
    /// How many predicates there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.predicates.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.predicates.is_empty()
    }

    /// Adds a predicate, in place of one of the same number.
    pub fn insert(&mut self, id: u64, predicate: Arc<CqPredicate>) {
        self.remove(id);
        match predicate.fast_shape() {
            Some(shape) => {
                let rest = (!shape.is_all).then(|| Arc::clone(&predicate));
                self.add(shape, Found { id, rest });
            }
            None => self.slow.push((id, Arc::clone(&predicate))),
        }
        self.predicates.insert(id, predicate);
    }

    /// Removes a predicate; gives it if it was there.
    pub fn remove(&mut self, id: u64) -> Option<Arc<CqPredicate>> {
        let predicate = self.predicates.remove(&id)?;
        match predicate.fast_shape() {
            Some(shape) => {
                self.fast
                    .iter_mut()
                    .filter(|on_path| on_path.path == *shape.path)
                    .for_each(|on_path| on_path.remove(shape, id));
                self.fast.retain(|on_path| !on_path.constants.is_empty());
            }
            None => self.slow.retain(|(other, _)| *other != id),
        }
        Some(predicate)
    }

    /// Appends what a change of one entry is to the predicates that it concerns, by rising number. `None` is an entry that
    /// is not there; an entry without value is in no result.
    pub fn matching(
        &self,
        key: &[u8],
        old: Option<Value<'_>>,
        new: Option<Value<'_>>,
        versions: &dyn ClassVersions,
        out: &mut Vec<(u64, CqTransition)>,
    ) {
        let types = Types::new(versions);
        let was_in = self.found(key, old, &types);
        let is_in = self.found(key, new, &types);
        merge(&was_in, &is_in, out);
    }

    /// The numbers of all predicates in whose result the value is, rising.
    fn found(&self, key: &[u8], value: Option<Value<'_>>, types: &Types<'_>) -> Vec<u64> {
        let mut found = Vec::new();
        let Some(value) = value.filter(|value| *value != Value::Invalid) else { return found };
        let row = Row { key, value };
        for on_path in &self.fast {
            let datum = on_path.path.datum(row, types);
            let fitting = on_path.constants.iter().flat_map(|constants| constants.matching(&datum));
            let holds = |found: &&Found| found.rest.as_ref().is_none_or(|rest| rest.holds(row, types));
            found.extend(fitting.filter(holds).map(|found| found.id));
        }
        found
            .extend(self.slow.iter().filter(|(_, predicate)| predicate.holds(row, types)).map(|(id, _)| *id));
        found.sort_unstable();
        found
    }

    fn add(&mut self, shape: FastShape<'_>, found: Found) {
        match self.fast.iter_mut().find(|on_path| on_path.path == *shape.path) {
            Some(on_path) => on_path.add(shape, found),
            None => {
                let mut on_path = OnPath { path: shape.path.clone(), constants: Vec::new() };
                on_path.add(shape, found);
                self.fast.push(on_path);
            }
        }
    }
}

impl OnPath {
    fn add(&mut self, shape: FastShape<'_>, found: Found) {
        let constant = shape.constant.clone();
        match self.constants.iter_mut().find(|constants| constants.takes(shape.comparison, &constant)) {
            Some(constants) => constants.insert(constant, found),
            None => {
                let mut constants = Sorted::new(shape.comparison, &constant);
                constants.insert(constant, found);
                self.constants.push(constants);
            }
        }
    }

    fn remove(&mut self, shape: FastShape<'_>, id: u64) {
        for constants in &mut self.constants {
            if constants.takes(shape.comparison, shape.constant) {
                constants.remove(&Found { id, rest: None });
            }
        }
        self.constants.retain(|constants| !constants.is_empty());
    }
}

/// Both lists rise.
fn merge(was_in: &[u64], is_in: &[u64], out: &mut Vec<(u64, CqTransition)>) {
    let (mut old, mut new) = (was_in.iter().peekable(), is_in.iter().peekable());
    loop {
        let id = match (old.peek(), new.peek()) {
            (Some(old), Some(new)) => **old.min(new),
            (Some(only), None) | (None, Some(only)) => **only,
            (None, None) => return,
        };
        let was_in = old.next_if(|next| **next == id).is_some();
        let is_in = new.next_if(|next| **next == id).is_some();
        out.extend(CqTransition::of(was_in, is_in).map(|transition| (id, transition)));
    }
}
