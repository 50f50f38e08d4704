//! Regions for the program that a node is embedded in: no socket, no login, the same records.

use std::fmt;
use std::sync::Arc;

use druse_protocol::codec::text;
use druse_protocol::message::key::KeyRef;
use druse_protocol::time::Clock;

use crate::engine::{ClientIdentity, Record, Value};
use crate::region::{Condition, EventOrigin, Mutated, Mutation, Region, RegionError};

/// A region, as the embedding program sees it. What it does is seen by clients at once, and the other way round.
///
/// Keys are text here, which is what most clients use; [`RegionHandle::region`] gives access to any key.
#[derive(Clone)]
pub struct RegionHandle {
    region: Arc<Region>,
    clock: Arc<dyn Clock>,
    origin: EventOrigin,
}

impl RegionHandle {
    /// A handle whose changes are made in the name of the serialized `member`: the node itself.
    pub(crate) fn new(region: Arc<Region>, clock: Arc<dyn Clock>, member: &[u8]) -> Self {
        let origin = EventOrigin { member: ClientIdentity::new(member), event: None, retry: false };
        Self { region, clock, origin }
    }

    /// The region itself.
    #[must_use]
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// The entry under `key`, if there is one; it may be invalid, that is without a value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Record> {
        self.region.get(&canonical(key)).filter(|record| !record.is_tombstone())
    }

    /// Stores `value` under `key`, whatever was there.
    ///
    /// # Errors
    /// If the region is full or its engine not available.
    pub async fn put(&self, key: &str, value: Value<'_>) -> Result<Mutated, RegionError> {
        let condition = Condition::None;
        self.mutate(Mutation::Put { key: &canonical(key), value, condition, callback: None }).await
    }

    /// Removes what is under `key`.
    ///
    /// # Errors
    /// If the engine is not available.
    pub async fn remove(&self, key: &str) -> Result<Mutated, RegionError> {
        self.mutate(Mutation::Destroy { key: &canonical(key), expected: None, callback: None }).await
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.region.is_empty()
    }

    async fn mutate(&self, mutation: Mutation<'_>) -> Result<Mutated, RegionError> {
        // The outcome owns what it needs; the borrowed mutation ends here.
        let outcome = self.region.mutate(&self.origin, mutation, self.clock.now());
        outcome.finish().await
    }
}

impl fmt::Debug for RegionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegionHandle").field(&self.region.path()).finish()
    }
}

/// The bytes under which a text key is stored, whoever stored it.
fn canonical(key: &str) -> Vec<u8> {
    let encoded = text::encode(key);
    // Text that was encoded here is well-formed, so there is nothing that could be wrong with it.
    KeyRef::Text(&encoded).canonical().map(std::borrow::Cow::into_owned).unwrap_or_default()
}
