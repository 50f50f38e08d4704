//! What this client's streams are about, and which of them an event is for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use druse_protocol::message::feed::Cqs;
use druse_protocol::message::interest::InterestResultPolicy;

use super::change::Change;
use super::interest::Matcher;
use super::mailbox::{Mailbox, Parcel};
use crate::error::Error;
use crate::sync::Mutex;
use crate::user::User;

/// A stream, as servers are told of it and events find it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) target: Target,
    pub(crate) user: Arc<User>,
    pub(crate) durable: bool,
    pub(crate) mailbox: Arc<Mailbox>,
    /// Whether a primary has it, or had it: whoever takes over must have it, too, and what is lost is missed.
    is_live: AtomicBool,
}

/// What a stream is about.
#[derive(Debug)]
pub(crate) enum Target {
    Interest(InterestTarget),
    Cq(CqTarget),
}

/// Entries of a region.
#[derive(Debug)]
pub(crate) struct InterestTarget {
    pub(crate) region: Arc<str>,
    pub(crate) matcher: Matcher,
    pub(crate) policy: InterestResultPolicy,
    /// Whether events bring values.
    pub(crate) values: bool,
}

/// A continuous query.
#[derive(Debug)]
pub(crate) struct CqTarget {
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) initial_results: bool,
}

impl Entry {
    pub(crate) fn new(target: Target, user: Arc<User>, durable: bool, mailbox: Arc<Mailbox>) -> Arc<Self> {
        Arc::new(Self { target, user, durable, mailbox, is_live: AtomicBool::new(false) })
    }

    pub(crate) fn is_live(&self) -> bool {
        self.is_live.load(Ordering::SeqCst)
    }

    pub(crate) fn set_live(&self, live: bool) {
        self.is_live.store(live, Ordering::SeqCst);
    }

    /// Why it could not be added.
    pub(crate) fn refusal(&self) -> Error {
        match &self.target {
            Target::Cq(cq) => {
                Error::Configuration(format!("there is a continuous query {:?} already", cq.name))
            }
            Target::Interest(_) => Error::Closed,
        }
    }

    /// Whether its registration brings a snapshot along.
    pub(crate) const fn wants_snapshot(&self) -> bool {
        match &self.target {
            Target::Interest(interest) => !matches!(interest.policy, InterestResultPolicy::None),
            Target::Cq(cq) => cq.initial_results,
        }
    }
}

/// All streams of a client.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    interests: HashMap<Arc<str>, Vec<Arc<Entry>>>,
    cqs: HashMap<String, Arc<Entry>>,
    is_over: bool,
}

impl Registry {
    /// Adds a stream; `false` if there is a continuous query of its name, or the client is closing.
    pub(crate) fn add(&self, entry: &Arc<Entry>) -> bool {
        let mut inner = self.inner.lock();
        if inner.is_over {
            return false;
        }
        match &entry.target {
            Target::Interest(interest) => {
                inner.interests.entry(Arc::clone(&interest.region)).or_default().push(Arc::clone(entry));
            }
            Target::Cq(cq) if inner.cqs.contains_key(&cq.name) => return false,
            Target::Cq(cq) => {
                inner.cqs.insert(cq.name.clone(), Arc::clone(entry));
            }
        }
        true
    }

    /// Takes a stream out.
    pub(crate) fn remove(&self, entry: &Arc<Entry>) {
        let mut inner = self.inner.lock();
        match &entry.target {
            Target::Interest(interest) => {
                let Some(entries) = inner.interests.get_mut(&interest.region) else { return };
                entries.retain(|other| !Arc::ptr_eq(other, entry));
                if entries.is_empty() {
                    inner.interests.remove(&interest.region);
                }
            }
            Target::Cq(cq) => {
                if inner.cqs.get(&cq.name).is_some_and(|other| Arc::ptr_eq(other, entry)) {
                    inner.cqs.remove(&cq.name);
                }
            }
        }
    }

    /// All streams.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        let inner = self.inner.lock();
        inner.interests.values().flatten().chain(inner.cqs.values()).map(Arc::clone).collect()
    }

    /// The other interests in the same region; they say what must stay registered when one goes.
    pub(crate) fn interests_in(&self, region: &str) -> Vec<Arc<Entry>> {
        self.inner.lock().interests.get(region).cloned().unwrap_or_default()
    }

    /// The subscriptions that a change of an entry of `region` is for.
    pub(crate) fn subscribers(&self, region: &str, key: &[u8]) -> Vec<Arc<Entry>> {
        let inner = self.inner.lock();
        let entries = inner.interests.get(region).map(Vec::as_slice).unwrap_or_default();
        let concerned = entries.iter().filter(|entry| match &entry.target {
            Target::Interest(interest) => interest.matcher.matches(key),
            Target::Cq(_) => false,
        });
        concerned.map(Arc::clone).collect()
    }

    /// The continuous queries that an event names, each with what it is to the query.
    pub(crate) fn queries(&self, cqs: Cqs<'_>, change: &Change) -> Vec<(Arc<Entry>, Change)> {
        if cqs.len() == 0 {
            return Vec::new();
        }
        let inner = self.inner.lock();
        let named = cqs.filter_map(|cq| {
            let entry = inner.cqs.get(std::str::from_utf8(cq.name).ok()?)?;
            Some((Arc::clone(entry), change.for_query(cq.operation)))
        });
        named.collect()
    }

    /// All mailboxes, or those of one user's streams.
    pub(crate) fn mailboxes(&self, user: Option<&Arc<User>>) -> Vec<Arc<Mailbox>> {
        let entries = self.entries().into_iter();
        let concerned = entries.filter(|entry| user.is_none_or(|user| Arc::ptr_eq(user, &entry.user)));
        concerned.map(|entry| Arc::clone(&entry.mailbox)).collect()
    }

    /// Ends all streams: what waits can still be taken, nothing follows. What waits in a stream that servers keep is
    /// given back: it will come again.
    pub(crate) fn end(&self) -> Vec<Parcel> {
        let entries = {
            let mut inner = self.inner.lock();
            inner.is_over = true;
            let interests = std::mem::take(&mut inner.interests).into_values().flatten();
            interests.chain(std::mem::take(&mut inner.cqs).into_values()).collect::<Vec<_>>()
        };
        let mut kept = Vec::new();
        for entry in entries {
            match entry.durable {
                true => kept.extend(entry.mailbox.withdraw()),
                false => entry.mailbox.end(),
            }
        }
        kept
    }
}
