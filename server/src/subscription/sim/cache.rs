//! The region of a caching client, as far as feeds and registrations touch it (Geode `LocalRegion.basicBridgeClientUpdate`,
//! `QueueManagerImpl.recoverSingleKey`).

use std::collections::BTreeMap;

/// A region and a key.
pub(super) type Place = (u16, Vec<u8>);

/// What a client has under a key: destroyed ones stay, to be compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cached {
    /// The value; `None` of an invalid entry and of one that is gone.
    pub(super) value: Option<Vec<u8>>,
    pub(super) is_gone: bool,
    /// The region's version with the change: rises with every change of the region.
    pub(super) version: u64,
}

/// A client's entries.
#[derive(Default)]
pub(super) struct Cache(BTreeMap<Place, Cached>);

impl Cache {
    /// Puts a change in, unless what is there is newer. Returns whether listeners are called.
    pub(super) fn apply(&mut self, place: Place, entry: Cached) -> bool {
        if self.0.get(&place).is_some_and(|known| known.version >= entry.version) {
            return false;
        }
        self.0.insert(place, entry);
        true
    }

    /// A registration is about to be made: what it concerns is fetched anew.
    pub(super) fn clear(&mut self, region: u16, concerns: impl Fn(&[u8]) -> bool) {
        self.0.retain(|(of, key), _| *of != region || !concerns(key));
    }

    /// The region was emptied; what the client itself has put there since stays.
    pub(super) fn clear_region(&mut self, region: u16, version: u64) {
        self.0.retain(|(of, _), entry| *of != region || entry.version > version);
    }

    /// What the client would answer for a key.
    pub(super) fn get(&self, place: &Place) -> Option<&Cached> {
        self.0.get(place).filter(|entry| !entry.is_gone)
    }
}
