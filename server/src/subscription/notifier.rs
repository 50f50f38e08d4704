//! What the rest of the node sees of feeds (Geode `CacheClientNotifier`).

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use druse_protocol::auth::BoxFuture;
use druse_protocol::time::{Clock, Micros};
use tokio::sync::{mpsc, oneshot};

use super::FeedId;
use super::driver::{Job, Pressure, ShardTask};
use super::open::{OpenError, Opened, Opening};
use super::shard::{Shard, ShardContext};
use crate::seam::{Adopt, HandedOver};
use crate::shutdown::Shutdown;

/// Requests that may wait for a shard; whoever comes on top waits to be one of them.
const JOBS: usize = 1024;

/// The shards are gone: the node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node is shutting down")]
pub(crate) struct Ending;

/// The feeds of a node.
pub(crate) struct CacheClientNotifier {
    shards: Vec<mpsc::Sender<Job>>,
    tasks: parking_lot::Mutex<Vec<(ShardTask, mpsc::Receiver<Job>)>>,
    hasher: RandomState,
    pressure: Vec<Arc<Pressure>>,
}

impl CacheClientNotifier {
    /// Feeds in that many shards, to be started by [`CacheClientNotifier::start`].
    pub(crate) fn new(context: &Arc<ShardContext>, shards: usize, seed: u64, clock: &Arc<dyn Clock>) -> Self {
        let mut notifier = Self {
            shards: Vec::new(),
            tasks: parking_lot::Mutex::default(),
            hasher: RandomState::new(),
            pressure: Vec::new(),
        };
        for number in 0..shards.max(1) as u64 {
            let shard = Shard::new(Arc::clone(context), seed.wrapping_add(number), clock.now());
            let pressure = Arc::new(Pressure::default());
            let (sender, receiver) = mpsc::channel(JOBS);
            let task = ShardTask::new(shard, Arc::clone(clock), Arc::clone(&pressure));
            notifier.tasks.get_mut().push((task, receiver));
            notifier.shards.push(sender);
            notifier.pressure.push(pressure);
        }
        notifier
    }

    /// Starts the shards' tasks, which end with the node.
    pub(crate) fn start(&self, shutdown: &Shutdown) {
        for (task, jobs) in self.tasks.lock().drain(..) {
            shutdown.spawn(task.run(jobs, shutdown.clone()));
        }
    }

    /// Lets the shard of a client do something, and waits for what comes of it.
    ///
    /// # Errors
    /// [`Ending`].
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        key: &[u8],
        act: impl FnOnce(&mut Shard, Micros) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Ending>> {
        self.submit(key, |task, now| act(&mut task.shard, now))
    }

    /// Opens a feed; its socket is to follow by [`CacheClientNotifier::adopt`].
    pub(crate) fn open(
        &self,
        opening: Opening,
    ) -> BoxFuture<'static, Result<Result<Opened, OpenError>, Ending>> {
        let key = opening.key.clone();
        self.submit(&key, |task, now| task.open(opening, now))
    }

    /// Takes the socket of an opened feed; `welcome` is sent first.
    pub(crate) fn adopt(&self, key: &[u8], id: FeedId, welcome: Bytes) -> Adopt {
        let shard = self.shard(key).cloned();
        Box::new(move |socket: HandedOver| {
            let Some(shard) = shard else { return };
            let job: Job = Box::new(move |task, _| task.attach(id, socket, welcome));
            if let Err(mpsc::error::TrySendError::Full(job)) = shard.try_send(job) {
                // Ends as soon as the shard has room, or is gone.
                tokio::spawn(async move { shard.send(job).await });
            }
        })
    }

    /// Whether feeds are so far behind that whoever writes has to wait.
    pub(crate) fn is_overloaded(&self) -> bool {
        self.pressure.iter().any(|pressure| pressure.is_high())
    }

    /// Returns when that is over.
    pub(crate) fn relieved(&self) -> BoxFuture<'static, ()> {
        let high: Vec<_> = self.pressure.iter().filter(|pressure| pressure.is_high()).cloned().collect();
        Box::pin(async move {
            for pressure in high {
                pressure.relieved().await;
            }
        })
    }

    fn submit<T: Send + 'static>(
        &self,
        key: &[u8],
        act: impl FnOnce(&mut ShardTask, Micros) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Ending>> {
        let shard = self.shard(key).cloned();
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |task, now| {
            // Whoever asked may have gone meanwhile.
            let _ = sender.send(act(task, now));
        });
        Box::pin(async move {
            shard.ok_or(Ending)?.send(job).await.map_err(|_| Ending)?;
            receiver.await.map_err(|_| Ending)
        })
    }

    /// All that concerns one client happens in one shard, one after the other.
    fn shard(&self, key: &[u8]) -> Option<&mpsc::Sender<Job>> {
        let at = self.hasher.hash_one(key) as usize % self.shards.len().max(1);
        self.shards.get(at)
    }
}
