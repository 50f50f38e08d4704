//! What each client is to be told, worked out without the node's index, lanes and batches (I3, I4).

use std::collections::{BTreeMap, BTreeSet};

use druse_protocol::message::feed::CqOperation;

use super::super::interest::Matcher;
use super::plan::{Want, key_text};
use super::{Verdict, wrong};
use crate::engine::{Change, ChangeKind, ClientIdentity, Value};

/// A change that a client is to have, on one lane.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) change: Change,
    pub(super) interest: Option<bool>,
    /// Whether interest in the value came after the change: if it still waited, it comes with the value.
    pub(super) late_values: bool,
    pub(super) cqs: BTreeMap<String, CqOperation>,
    /// Queries that were closed meanwhile: what is under way may still name them.
    pub(super) closed: BTreeMap<String, CqOperation>,
    pub(super) state: DueState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DueState {
    Open,
    Handled,
    /// It may come and need not: the queue that it stood in is gone.
    Void,
}

/// What a client is to be told of one user's, or of its only one's, changes.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) due: BTreeMap<u64, Due>,
    /// Ranges that the client was told to be lost.
    pub(super) told_lost: Vec<(u64, u64)>,
}

/// A registration as the node has taken it.
struct Active {
    want: usize,
    after: u64,
}

/// What one client is to be told.
#[derive(Default)]
pub(super) struct Book {
    active: Vec<Active>,
    pub(super) lanes: BTreeMap<usize, Lane>,
    /// Queries whose listeners must hear of a loss before anything else.
    pub(super) owes_notice: BTreeSet<String>,
}

/// Who may not see what.
pub(super) type WasDenied<'a> = &'a dyn Fn(usize, &str) -> bool;

impl Book {
    /// The node has taken a registration; changes up to `after` came before it.
    pub(super) fn register(&mut self, want: usize, after: u64, wants: &[Want]) {
        if let Want::Interest { region, interest, values: true, .. } = &wants[want] {
            let matcher = Matcher::new(interest);
            for due in self.lanes.entry(0).or_default().due.values_mut() {
                let Change { region: of, kind, record, .. } = &due.change;
                let hit = *kind == ChangeKind::Clear || matcher.concerns(record.key());
                due.late_values |= of.0 == *region && hit && due.interest == Some(false);
            }
        }
        if !self.active.iter().any(|it| it.want == want) {
            self.active.push(Active { want, after });
        }
    }

    /// Whether the node has no registration at all.
    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Whether the node has that registration.
    pub(super) fn has(&self, want: usize) -> bool {
        self.active.iter().any(|it| it.want == want)
    }

    /// Takes the registrations out for which `goes` holds.
    pub(super) fn forget(&mut self, goes: impl Fn(usize) -> bool) {
        self.active.retain(|it| !goes(it.want));
    }

    /// The queue is gone, and all registrations with it.
    pub(super) fn void(&mut self) {
        self.active.clear();
        for due in self.lanes.values_mut().flat_map(|lane| lane.due.values_mut()) {
            if due.state == DueState::Open {
                due.state = DueState::Void;
            }
        }
    }

    /// The client begins anew, with a memory of nothing: what was handled may come again.
    pub(super) fn forget_handled(&mut self) {
        for due in self.lanes.values_mut().flat_map(|lane| lane.due.values_mut()) {
            if due.state == DueState::Handled {
                due.state = DueState::Void;
            }
        }
    }

    /// The client listens on a new socket, to a new queue.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
    }

    /// A query was closed: nothing of it need come.
    pub(super) fn close_query(&mut self, lane: usize, name: &str) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        for due in lane.due.values_mut() {
            let Some(operation) = due.cqs.remove(name) else { continue };
            due.closed.insert(name.to_owned(), operation);
            if due.interest.is_none() && due.cqs.is_empty() {
                due.state = DueState::Void;
            }
        }
    }

    /// A registration was taken back when the node had looked at all changes up to `passed`: those behind are not for it.
    pub(super) fn withdraw(
        &mut self,
        want: usize,
        passed: u64,
        wants: &[Want],
        identity: &ClientIdentity,
        multi: bool,
    ) {
        self.active.retain(|it| it.want != want);
        let mut behind = BTreeMap::new();
        for lane in self.lanes.values_mut() {
            behind.extend(
                lane.due.split_off(&(passed + 1)).into_values().map(|it| (it.change.seq(), it.change)),
            );
        }
        behind.values().for_each(|change| self.change(change, wants, identity, multi));
    }

    /// A change has happened.
    pub(super) fn change(&mut self, change: &Change, wants: &[Want], identity: &ClientIdentity, multi: bool) {
        for it in self.active.iter().filter(|it| it.after < change.seq()) {
            let Some((lane, interest, cq)) = concerns(&wants[it.want], change, identity, multi) else {
                continue;
            };
            let due = self.lanes.entry(lane).or_default().due.entry(change.seq());
            let due = due.or_insert_with(|| Due {
                change: change.clone(),
                interest: None,
                late_values: false,
                cqs: BTreeMap::new(),
                closed: BTreeMap::new(),
                state: DueState::Open,
            });
            due.interest = due.interest.max(interest);
            due.cqs.extend(cq);
        }
    }

    /// A client has handled a change. Everything before it has been handled, or there is a reason.
    pub(super) fn handled(
        &mut self,
        lane: usize,
        seq: u64,
        conflates: bool,
        denied: WasDenied<'_>,
    ) -> Result<&Due, super::Violation> {
        let book = self.lanes.entry(lane).or_default();
        if let Some(missed) = book.first_missing(seq, lane, conflates, denied) {
            let due = &book.due[&missed];
            return Err(wrong(format!(
                "I3/I4: {seq} came on lane {lane}, and {missed} never did: {:?} {:?} {:?} {:?} conflates {conflates}",
                due.change.kind,
                due.change.record.key(),
                due.interest,
                due.cqs
            )));
        }
        // What lies before is settled.
        if let Some(due) = book.due.get_mut(&seq) {
            if due.state == DueState::Handled {
                return Err(wrong(format!("I3: {seq} was handled twice on lane {lane}")));
            }
            due.state = DueState::Handled;
        }
        let due = book.due.get(&seq);
        due.ok_or_else(|| wrong(format!("I3/I13: {seq} came on lane {lane} and is none of its changes")))
    }

    /// At the end nothing may be missing.
    pub(super) fn is_complete(&self, conflates: bool, denied: WasDenied<'_>) -> Verdict {
        for (&lane, book) in &self.lanes {
            if let Some(missed) = book.first_missing(u64::MAX, lane, conflates, denied) {
                return Err(wrong(format!("I3/I11: {missed} never came on lane {lane}")));
            }
        }
        match self.owes_notice.first() {
            Some(name) => Err(wrong(format!("I4: the listeners of {name} never heard of what was lost"))),
            None => Ok(()),
        }
    }
}

impl Lane {
    fn first_missing(&self, before: u64, lane: usize, conflates: bool, denied: WasDenied<'_>) -> Option<u64> {
        let open = self.due.range(..before).filter(|(_, due)| due.state == DueState::Open);
        open.map(|(&seq, due)| (seq, due))
            .find(|&(seq, due)| {
                let told = self.told_lost.iter().any(|&(first, last)| (first..=last).contains(&seq));
                let refused = denied(lane, &key_text(due.change.record.key()));
                let replaced = conflates && self.is_conflated(seq, due);
                !(told || refused || replaced)
            })
            .map(|(seq, _)| seq)
    }

    /// Whether a newer plain update of the key stands in its place.
    fn is_conflated(&self, seq: u64, due: &Due) -> bool {
        let is_update = |due: &Due| due.change.kind == ChangeKind::Update && due.interest.is_some();
        is_update(due)
            && due.cqs.is_empty()
            && self.due.range(seq + 1..).any(|(_, later)| {
                is_update(later)
                    && later.change.region == due.change.region
                    && later.change.record.key() == due.change.record.key()
            })
    }
}

type Concern = (usize, Option<bool>, Option<(String, CqOperation)>);

fn concerns(want: &Want, change: &Change, identity: &ClientIdentity, multi: bool) -> Option<Concern> {
    match want {
        Want::Interest { region, interest, values, .. } => {
            let is_own = change.note.origin.as_ref() == Some(identity);
            let hit =
                change.kind == ChangeKind::Clear || Matcher::new(interest).concerns(change.record.key());
            (change.region.0 == *region && hit && !is_own).then_some((0, Some(*values), None))
        }
        Want::Query { region, name, above, user, .. } if change.region.0 == *region => {
            let operation = cq_operation(change, *above)?;
            Some((if multi { user + 1 } else { 0 }, None, Some((name.clone(), operation))))
        }
        Want::Query { .. } => None,
    }
}

fn cq_operation(change: &Change, above: i32) -> Option<CqOperation> {
    if change.kind == ChangeKind::Clear {
        return Some(CqOperation::ClearRegion);
    }
    let old = change.old.as_ref().and_then(|old| number(old.value()?)).is_some_and(|it| it > above);
    let new = change.record.value().and_then(number).is_some_and(|it| it > above);
    match (old, new) {
        (false, true) => Some(CqOperation::Create),
        (true, true) => Some(CqOperation::Update),
        (true, false) => Some(CqOperation::Destroy),
        (false, false) => None,
    }
}

/// The number that a value is: all values of a simulation are.
pub(super) fn number(value: Value<'_>) -> Option<i32> {
    match value {
        Value::Object([0x39, bytes @ ..]) => bytes.try_into().ok().map(i32::from_be_bytes),
        _ => None,
    }
}
