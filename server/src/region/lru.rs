//! A table that knows which of its entries was used longest ago.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// Marks the end of the chain of nodes.
const NONE: u32 = u32::MAX;

/// Values by key, chained in the order of their last use. Every operation takes constant time.
#[derive(Debug)]
pub(super) struct Lru<K, V> {
    hasher: RandomState,
    index: HashTable<u32>,
    nodes: Vec<Node<K, V>>,
    /// Chain of unused nodes.
    vacant: u32,
    newest: u32,
    oldest: u32,
}

#[derive(Debug)]
struct Node<K, V> {
    /// `None` while the node is unused.
    entry: Option<(K, V)>,
    newer: u32,
    older: u32,
}

impl<K, V> Default for Lru<K, V> {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            index: HashTable::new(),
            nodes: Vec::new(),
            vacant: NONE,
            newest: NONE,
            oldest: NONE,
        }
    }
}

impl<K: Hash + Eq, V> Lru<K, V> {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The value of `key`, which becomes the newest.
    pub(super) fn touch(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key)?;
        self.unlink(at);
        self.link(at);
        self.value_mut(at)
    }

    /// The value of `key`, made if need be, which becomes the newest.
    pub(super) fn touch_or_insert(&mut self, key: &K, make: impl FnOnce() -> V) -> Option<&mut V>
    where
        K: Clone,
    {
        let at = match self.find(key) {
            Some(at) => {
                self.unlink(at);
                at
            }
            None => self.insert(key.clone(), make()),
        };
        self.link(at);
        self.value_mut(at)
    }

    /// The entry that was used longest ago.
    pub(super) fn oldest_mut(&mut self) -> Option<(&K, &mut V)> {
        let (key, value) = self.nodes.get_mut(self.oldest as usize)?.entry.as_mut()?;
        Some((key, value))
    }

    pub(super) fn pop_oldest(&mut self) -> Option<(K, V)> {
        self.take(self.oldest)
    }

    /// Keeps the entries for which `keep` says so.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut V) -> bool) {
        for at in 0..u32::try_from(self.nodes.len()).unwrap_or(NONE) {
            if self.value_mut(at).is_some_and(|value| !keep(value)) {
                self.take(at);
            }
        }
    }

    fn find(&self, key: &K) -> Option<u32> {
        let same = |at: &u32| self.key(*at).is_some_and(|other| other == key);
        self.index.find(self.hasher.hash_one(key), same).copied()
    }

    fn key(&self, at: u32) -> Option<&K> {
        self.nodes.get(at as usize)?.entry.as_ref().map(|(key, _)| key)
    }

    fn value_mut(&mut self, at: u32) -> Option<&mut V> {
        self.nodes.get_mut(at as usize)?.entry.as_mut().map(|(_, value)| value)
    }

    /// Fills a node that is not yet part of the chain.
    fn insert(&mut self, key: K, value: V) -> u32 {
        let hash = self.hasher.hash_one(&key);
        let node = Node { entry: Some((key, value)), newer: NONE, older: NONE };
        let at = self.vacant;
        let at = if let Some(unused) = self.nodes.get_mut(at as usize) {
            self.vacant = unused.older;
            *unused = node;
            at
        } else {
            self.nodes.push(node);
            // Bounds keep tables far below four thousand million entries.
            u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
        };
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.index.insert_unique(hash, at, |at| {
            let key = nodes.get(*at as usize).and_then(|node| node.entry.as_ref()).map(|(key, _)| key);
            key.map_or(0, |key| hasher.hash_one(key))
        });
        at
    }

    fn take(&mut self, at: u32) -> Option<(K, V)> {
        let hash = self.hasher.hash_one(self.key(at)?);
        self.unlink(at);
        if let Ok(slot) = self.index.find_entry(hash, |other| *other == at) {
            slot.remove();
        }
        let vacant = self.vacant;
        let node = self.nodes.get_mut(at as usize)?;
        node.older = vacant;
        self.vacant = at;
        node.entry.take()
    }

    fn link(&mut self, at: u32) {
        let newest = self.newest;
        if let Some(node) = self.nodes.get_mut(at as usize) {
            (node.newer, node.older) = (NONE, newest);
        }
        match self.nodes.get_mut(newest as usize) {
            Some(node) => node.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }

    fn unlink(&mut self, at: u32) {
        let Some((newer, older)) = self.nodes.get(at as usize).map(|node| (node.newer, node.older)) else {
            return;
        };
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Touch(u8),
        Insert(u8),
        Pop,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![(0..12_u8).prop_map(Step::Touch), (0..12_u8).prop_map(Step::Insert), Just(Step::Pop),]
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_list_in_the_order_of_use(steps in prop::collection::vec(step(), 0..200)) {
            let mut lru: Lru<u8, u32> = Lru::default();
            let mut model: Vec<(u8, u32)> = Vec::new();
            for (i, step) in (0_u32..).zip(steps) {
                let at = |model: &[(u8, u32)], key: u8| model.iter().position(|(other, _)| *other == key);
                match step {
                    Step::Touch(key) => {
                        let expected = at(&model, key).map(|at| { let e = model.remove(at); model.push(e); e.1 });
                        prop_assert_eq!(lru.touch(&key).copied(), expected);
                    }
                    Step::Insert(key) => {
                        let entry = at(&model, key).map_or((key, i), |at| model.remove(at));
                        model.push(entry);
                        prop_assert_eq!(lru.touch_or_insert(&key, || i).copied(), Some(entry.1));
                    }
                    Step::Pop => {
                        let expected = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(lru.pop_oldest(), expected);
                    }
                }
                prop_assert_eq!(lru.len(), model.len());
                prop_assert_eq!(lru.oldest_mut().map(|(k, v)| (*k, *v)), model.first().copied());
            }
        }
    }
}
