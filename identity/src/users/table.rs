//! The users as they are now, and what is different in the next version of the file.

use std::collections::HashMap;
use std::sync::Arc;

use super::file::Entry;
use super::hash;
use crate::grid::{Grants, Pin};

/// A user, compiled.
#[derive(Debug)]
pub(super) struct User {
    pub(super) entry: Entry,
    pub(super) grants: Grants,
    /// Ends all logins made under this version of the entry.
    pub(super) pin: Arc<Pin>,
}

/// One version of the file.
#[derive(Debug)]
pub(super) struct Table {
    users: HashMap<String, Arc<User>>,
    decoy: Arc<str>,
}

/// Why somebody's logins end with a new version of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Removed,
    Disabled,
    Password,
    Rights,
}

impl Change {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Removed => "the user was removed",
            Self::Disabled => "the user was disabled",
            Self::Password => "the password was changed",
            Self::Rights => "the rights were changed",
        }
    }
}

impl Table {
    /// A table of `entries` that keeps from `old` whoever has not changed, with those who have.
    pub(super) fn replacing(old: Option<&Self>, entries: Vec<Entry>) -> (Self, Vec<(Arc<User>, Change)>) {
        let decoy = hash::decoy(entries.first().map(|entry| entry.hash.as_str())).into();
        let mut users = HashMap::with_capacity(entries.len());
        for entry in entries {
            let known = old.and_then(|old| old.users.get(&entry.name)).filter(|known| known.entry == entry);
            let user = match known {
                Some(known) => Arc::clone(known),
                None => Arc::new(User {
                    grants: Grants::compile(entry.entitlements.iter().map(String::as_str)),
                    pin: Arc::new(Pin::new()),
                    entry,
                }),
            };
            users.insert(user.entry.name.clone(), user);
        }
        let gone = old.into_iter().flat_map(|old| old.users.values());
        let mut changes: Vec<_> = gone
            .filter_map(|was| Some((Arc::clone(was), change(was, users.get(&was.entry.name))?)))
            .collect();
        changes.sort_by(|(one, _), (other, _)| one.entry.name.cmp(&other.entry.name));
        (Self { users, decoy }, changes)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    /// What an unknown name is checked against.
    pub(super) fn decoy(&self) -> &str {
        &self.decoy
    }
}

fn change(was: &Arc<User>, is: Option<&Arc<User>>) -> Option<Change> {
    let Some(is) = is else { return Some(Change::Removed) };
    if Arc::ptr_eq(was, is) {
        None
    } else if is.entry.disabled && !was.entry.disabled {
        Some(Change::Disabled)
    } else if is.entry.hash != was.entry.hash {
        Some(Change::Password)
    } else {
        Some(Change::Rights)
    }
}
