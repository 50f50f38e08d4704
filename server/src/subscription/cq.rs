//! Continuous queries: who has which, and what a change is to each.
//!
//! A query that several clients have is evaluated once for a change, on the value before and on the value after:
//!
//! ```text
//!  out → in create      in → in update      in → out destroy      out → out nothing
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use druse_protocol::message::feed::CqOperation;

use super::FeedId;
use super::shared::SharedChange;
use crate::engine::{ChangeKind, Record, RegionId};
use crate::pdx::PdxRegistry;
use crate::query::{CqIndex, CqPredicate, CqTransition};

/// A client's query.
#[derive(Debug, Clone)]
pub(super) struct Cq {
    /// The client's own name for it.
    pub(super) name: Arc<[u8]>,
    pub(super) text: Arc<str>,
    pub(super) region: RegionId,
    pub(super) path: Box<str>,
    /// The lane of the user whose it is.
    pub(super) lane: u32,
    pub(super) durable: bool,
}

/// Whom a query belongs to.
#[derive(Debug, Clone)]
pub(super) struct QuerySubscriber {
    pub(super) feed: FeedId,
    pub(super) lane: u32,
    pub(super) name: Arc<[u8]>,
    /// Changes up to this place came before the query.
    pub(super) after: u64,
}

/// The queries of all feeds of a shard over one region.
#[derive(Default)]
pub(super) struct QueryIndex {
    predicates: CqIndex,
    /// In order: everybody hears of changes in the order in which queries came.
    queries: BTreeMap<u64, Query>,
    by_text: HashMap<Arc<str>, u64>,
    next: u64,
}

struct Query {
    text: Arc<str>,
    subscribers: Vec<QuerySubscriber>,
}

impl QueryIndex {
    /// Adds a client's query; the same text is kept once.
    pub(super) fn insert(
        &mut self,
        text: &Arc<str>,
        predicate: &Arc<CqPredicate>,
        subscriber: QuerySubscriber,
    ) {
        let id = match self.by_text.get(text) {
            Some(&id) => id,
            None => {
                let id = self.next;
                self.next += 1;
                self.predicates.insert(id, Arc::clone(predicate));
                self.by_text.insert(Arc::clone(text), id);
                self.queries.insert(id, Query { text: Arc::clone(text), subscribers: Vec::new() });
                id
            }
        };
        if let Some(query) = self.queries.get_mut(&id) {
            query.subscribers.push(subscriber);
        }
    }

    /// Takes a client's query out.
    pub(super) fn remove(&mut self, feed: FeedId, name: &[u8]) {
        for query in self.queries.values_mut() {
            query.subscribers.retain(|it| it.feed != feed || *it.name != *name);
        }
        let (predicates, by_text) = (&mut self.predicates, &mut self.by_text);
        self.queries.retain(|id, query| {
            let stays = !query.subscribers.is_empty();
            if !stays {
                predicates.remove(*id);
                by_text.remove(&query.text);
            }
            stays
        });
    }

    /// Everybody whose query a change concerns, and how.
    pub(super) fn matching(
        &self,
        shared: &SharedChange,
        pdx: &PdxRegistry,
        mut each: impl FnMut(&QuerySubscriber, CqOperation),
    ) {
        if self.queries.is_empty() {
            return;
        }
        if shared.change.kind == ChangeKind::Clear {
            let all = self.queries.values().flat_map(|query| &query.subscribers);
            return all.for_each(|subscriber| each(subscriber, CqOperation::ClearRegion));
        }
        let old = shared.old().and_then(|old| old.value());
        let new = shared.change.record.value();
        let mut found = Vec::new();
        self.predicates.matching(shared.key(), old, new, pdx, &mut found);
        for (id, transition) in found {
            let operation = operation(transition);
            let subscribers = self.queries.get(&id).into_iter().flat_map(|query| &query.subscribers);
            subscribers.for_each(|subscriber| each(subscriber, operation));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }
}

const fn operation(transition: CqTransition) -> CqOperation {
    match transition {
        CqTransition::Create => CqOperation::Create,
        CqTransition::Update => CqOperation::Update,
        CqTransition::Destroy => CqOperation::Destroy,
    }
}

/// Which changes concern a query: what its initial results must be undone by.
pub(super) struct CqTarget {
    pub(super) name: Arc<[u8]>,
    pub(super) predicate: Arc<CqPredicate>,
    pub(super) pdx: Arc<PdxRegistry>,
}

impl CqTarget {
    pub(super) fn is_about(&self, record: &Record) -> bool {
        record.value().is_some_and(|value| self.predicate.matches(record.key(), value, &*self.pdx))
    }
}

/// Queries by the path of their region.
pub(super) fn by_region<'q>(queries: impl Iterator<Item = &'q Cq>) -> BTreeMap<Box<str>, Vec<Arc<[u8]>>> {
    let mut regions: BTreeMap<Box<str>, Vec<Arc<[u8]>>> = BTreeMap::new();
    for cq in queries {
        regions.entry(cq.path.clone()).or_default().push(Arc::clone(&cq.name));
    }
    regions
}
