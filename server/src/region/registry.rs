//! The regions of a node, by path.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use druse_protocol::time::Micros;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::decide::SameObject;
use super::tracker::Tracker;
use super::{Region, RegionOptions};
use crate::engine::{Engine, RegionId};

/// Why a region was not created: the caller's fault in every case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Not a path of names made of letters, digits, `-`, `_` and `.` that do not begin with `__`.
    ///
    /// Geode: `RegionNameValidation.java`.
    #[error("not a region path: {0:?}")]
    BadPath(String),
    /// There is one already.
    #[error("region {0} exists")]
    Exists(String),
    /// A region lies within another, which must be created first.
    #[error("region {0} has no parent")]
    NoParent(String),
    /// 65 536 is the limit.
    #[error("too many regions")]
    TooMany,
}

type Regions = HashMap<Box<[u8]>, Arc<Region>, RandomState>;

/// The regions of a node. Created by configuration or through the embedding API, never by a client.
pub struct RegionRegistry {
    engine: Arc<dyn Engine>,
    same_object: Arc<SameObject>,
    regions: ArcSwap<Regions>,
    /// Held while a region is added.
    creating: Mutex<()>,
    tasks: TaskTracker,
}

impl RegionRegistry {
    /// A registry without regions. `same_object` compares serialized values for replace(k, old, new) and remove(k, v).
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, same_object: Arc<SameObject>) -> Self {
        Self {
            engine,
            same_object,
            regions: ArcSwap::default(),
            creating: Mutex::new(()),
            tasks: TaskTracker::new(),
        }
    }

    /// Creates the region at `path` (`orders`, `/orders`, `/orders/open`).
    ///
    /// # Errors
    ///
    /// See [`RegistryError`].
    pub fn create(&self, path: &str, options: RegionOptions) -> Result<Arc<Region>, RegistryError> {
        let name = path.strip_prefix('/').unwrap_or(path);
        if !name.split('/').all(is_name) {
            return Err(RegistryError::BadPath(path.to_owned()));
        }
        let _creating = self.creating.lock();
        let mut regions = Regions::clone(&self.regions.load());
        if regions.contains_key(name.as_bytes()) {
            return Err(RegistryError::Exists(format!("/{name}")));
        }
        if name.rsplit_once('/').is_some_and(|(parent, _)| !regions.contains_key(parent.as_bytes())) {
            return Err(RegistryError::NoParent(format!("/{name}")));
        }
        let id = RegionId(u16::try_from(regions.len()).map_err(|_| RegistryError::TooMany)?);
        self.engine.open(id, options.tombstones);
        let region = Arc::new(Region {
            id,
            path: format!("/{name}").into(),
            options,
            engine: Arc::clone(&self.engine),
            tracker: Tracker::new(options.tracker),
            same_object: Arc::clone(&self.same_object),
            tasks: self.tasks.clone(),
        });
        regions.insert(name.as_bytes().into(), Arc::clone(&region));
        self.regions.store(Arc::new(regions));
        Ok(region)
    }

    /// The region at `path`, with or without the leading slash, as the wire gives it.
    #[must_use]
    pub fn get(&self, path: &[u8]) -> Option<Arc<Region>> {
        self.regions.load().get(path.strip_prefix(b"/").unwrap_or(path)).cloned()
    }

    /// All regions, by the order of their creation.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Region>> {
        let mut all: Vec<_> = self.regions.load().values().cloned().collect();
        all.sort_unstable_by_key(|region| region.id);
        all
    }

    /// Where the regions live: the log for feeds, and metrics.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Forgets old tombstones and event ids. To be called every few seconds.
    pub fn sweep(&self, now: Micros) {
        self.engine.sweep(now);
        self.all().iter().for_each(|region| region.sweep(now));
    }

    /// Returns once every operation that waits for the engine has come to its end. None must be begun any more.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl fmt::Debug for RegionRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && !name.starts_with("__") && name.chars().all(allowed)
}
