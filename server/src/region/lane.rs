//! The last operation of one thread of one client, and its answer.

use std::time::Duration;

use druse_protocol::time::Micros;

use super::mutation::{Effect, Old};
use crate::engine::{RECORD_OVERHEAD, Version};

/// What is remembered of an operation.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// An operation on one key, or on the region.
    One { effect: Effect, version: Option<Version>, old: Old },
    /// An operation on many keys: a version for each, or nothing.
    Many(Box<[Option<Version>]>),
}

impl Answer {
    /// Bytes kept alive for the sake of this answer.
    pub(super) fn pinned_bytes(&self) -> usize {
        match self {
            Self::One { old: Old::Entry(record), .. } => record.payload_len() + RECORD_OVERHEAD,
            Self::One { .. } => 0,
            Self::Many(versions) => size_of_val(&**versions),
        }
    }

    /// Lets go of what is pinned.
    pub(super) fn strip(&mut self) {
        match self {
            Self::One { old, .. } if old.record().is_some() => *old = Old::Forgotten,
            Self::One { .. } => {}
            Self::Many(versions) => *versions = Box::default(),
        }
    }
}

/// How much of an event is known, and what was answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Recall {
    /// How many of its numbers, from the first, had been seen.
    pub(super) known: usize,
    /// The lane's last operation and the place of this event's first number within it, negative if the event is older;
    /// `None` if nothing of the event was seen.
    pub(super) answer: Option<(Answer, i64)>,
}

impl Recall {
    /// The remembered version of the `index`-th key of this event.
    pub(super) fn version(&self, index: usize) -> Option<Version> {
        let (answer, shift) = self.answer.as_ref()?;
        let at = i64::try_from(index).ok()?.checked_add(*shift)?;
        match answer {
            Answer::One { version, .. } => version.filter(|_| at == 0),
            Answer::Many(versions) => versions.get(usize::try_from(at).ok()?).copied().flatten(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    /// First and last number of the last operation.
    first: i64,
    last: i64,
    used: Micros,
    answer: Answer,
}

impl Lane {
    pub(super) fn new(first: i64, count: usize, answer: Answer, now: Micros) -> Self {
        Self { first, last: last(first, count), used: now, answer }
    }

    pub(super) fn recall(&self, first: i64, count: usize) -> Recall {
        if first > self.last {
            return Recall::default();
        }
        let seen = self.last.saturating_sub(first).saturating_add(1);
        let known = usize::try_from(seen).unwrap_or(usize::MAX).min(count);
        Recall { known, answer: Some((self.answer.clone(), first.saturating_sub(self.first))) }
    }

    pub(super) fn pinned_bytes(&self) -> usize {
        self.answer.pinned_bytes()
    }

    pub(super) fn used(&mut self, now: Micros) {
        self.used = self.used.max(now);
    }

    pub(super) fn is_stale(&self, now: Micros, age: Duration) -> bool {
        now.saturating_since(self.used) >= age
    }
}

fn last(first: i64, count: usize) -> i64 {
    first.saturating_add(i64::try_from(count).unwrap_or(i64::MAX).saturating_sub(1))
}
