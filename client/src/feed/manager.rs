//! The task that sees to it that servers hold the client's events: one primary, and as many backups as are wanted.
//!
//! ```text
//!            first stream
//!  (idle) ───────────────► Looking ──primary and backups open──► Connected ──backup lost──► Connected, another opened
//!                           ▲   │                                  │
//!                           │   └── none: pause, doubling ──┐      │ primary lost
//!                           └───────────────────────────────┘      ▼
//!                           ▲                            backup? ──yes──► MAKE_PRIMARY ──► Connected, nothing lost
//!                           └──────────────no───────────────┘
//! ```

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::time::Micros;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::config::Redundancy;
use super::event::{FeedState, QueueFate};
use super::link::Link;
use super::open::{self, Scouted};
use super::recovery;
use crate::client::Core;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::wire;

/// The pause after the first attempt that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A link that has ended, and why.
pub(crate) struct Ended {
    pub(crate) link: Arc<Link>,
    pub(crate) reason: Error,
}

/// Keeps the topology as it should be.
pub(crate) struct Manager {
    core: Arc<Core>,
    /// For the readers: where they tell their end.
    ended: mpsc::Sender<Ended>,
    ends: mpsc::Receiver<Ended>,
    pause: Duration,
}

impl Manager {
    pub(crate) fn new(core: Arc<Core>, ended: mpsc::Sender<Ended>, ends: mpsc::Receiver<Ended>) -> Self {
        Self { core, ended, ends, pause: FIRST_PAUSE }
    }

    /// Works until it is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let complete = self.restore().await;
            let wake = self.next_attempt(complete);
            let sleep = async {
                match wake {
                    Some(at) => self.core.runtime.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                biased;
                ended = self.ends.recv() => ended,
                () = self.core.feeds.wanted.notified(), if wake.is_some() => None,
                () = sleep => None,
            };
            if let Some(ended) = ended {
                self.lost(&ended);
            }
        }
    }

    /// When to look again without being told; never if nothing is missing.
    fn next_attempt(&mut self, complete: Result<bool, Error>) -> Option<Micros> {
        let now = self.core.runtime.now();
        match complete {
            Ok(complete) => {
                self.pause = FIRST_PAUSE;
                (!complete).then(|| now + self.core.feeds.config.max_recovery_interval)
            }
            Err(error) => {
                if !error.is_retryable() {
                    // Somebody has to do something about it first.
                    self.pause = self.core.feeds.config.max_recovery_interval;
                }
                warn!(%error, pause = ?self.pause, "no server takes the feed");
                let at = now + self.pause.mul_f64(0.9 + 0.2 * self.core.runtime.random());
                self.pause = (self.pause * 2).min(self.core.feeds.config.max_recovery_interval);
                self.core.feeds.topology.send_modify(|topology| {
                    topology.failures += 1;
                    topology.trouble = Some(Arc::new(error));
                });
                Some(at)
            }
        }
    }

    /// Takes a link out that has ended.
    fn lost(&self, ended: &Ended) {
        ended.link.close();
        let mut was_primary = false;
        self.core.feeds.topology.send_modify(|topology| {
            was_primary = topology.primary.take_if(|primary| Arc::ptr_eq(primary, &ended.link)).is_some();
            topology.backups.retain(|backup| !Arc::ptr_eq(backup, &ended.link));
        });
        self.core.servers.failed(ended.link.server());
        warn!(server = %ended.link.server(), reason = %ended.reason, primary = was_primary, "feed lost");
        if was_primary {
            let (server, reason) = (ended.link.server().clone(), Arc::new(ended.reason.clone()));
            self.core.feeds.tell(None, &FeedState::Interrupted { server, reason });
        }
    }

    /// Gets what is missing; whether there are as many servers as are wanted.
    async fn restore(&self) -> Result<bool, Error> {
        let has_primary = || self.core.feeds.topology.borrow().primary.is_some();
        while !has_primary() {
            let backup = self.core.feeds.topology.borrow().backups.first().cloned();
            match backup {
                Some(backup) => self.promote(backup).await,
                None => self.establish().await?,
            }
        }
        self.top_up().await
    }

    /// A backup takes over. It has every event that the lost primary was not acknowledged, so that nothing is missing.
    async fn promote(&self, backup: Arc<Link>) {
        match self.make_primary(&backup).await {
            Ok(()) => self.has_become_primary(backup, QueueFate::Kept),
            Err(reason) => self.lost(&Ended { link: backup, reason }),
        }
    }

    async fn make_primary(&self, backup: &Link) -> Result<(), Error> {
        let request = wire::make_primary(self.core.feeds.is_ready());
        let reply = backup.call(request, &*self.core.runtime, self.core.config.read_timeout).await?;
        let message = wire::plain(&reply).map_err(Error::Malformed)?;
        Acknowledgement::decode(&message).map(drop).map_err(Error::Malformed)
    }

    /// Opens feeds where there are none: those of the backups first, as Geode's clients do.
    async fn establish(&self) -> Result<(), Error> {
        let mut scouted = self.scout().await?;
        let chosen = scouted.remove(open::best_primary(&scouted));
        let wanted = self.backups_wanted(scouted.len());
        for backup in scouted.into_iter().take(wanted) {
            if let Err(error) = self.open_backup(backup).await {
                warn!(%error, "no feed from a backup");
            }
        }
        match open::open_feed(&self.core, chosen, true, &self.ended).await {
            Ok((link, fate)) => {
                self.has_become_primary(link, fate);
                Ok(())
            }
            // One of the backups takes over.
            Err(_) if !self.core.feeds.topology.borrow().backups.is_empty() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens queue connections to as many servers as are wanted. A durable client asks all of them: one may have kept
    /// its queue.
    async fn scout(&self) -> Result<Vec<Scouted>, Error> {
        let endpoints = self.core.servers.in_turn(self.deadline()).await?;
        let wanted = match self.core.feeds.is_durable() {
            true => endpoints.len(),
            false => 1 + self.backups_wanted(endpoints.len()),
        };
        let mut scouted = Vec::new();
        let mut last = Error::Locator("there is no server".to_owned());
        for endpoint in endpoints {
            if scouted.len() == wanted {
                break;
            }
            match open::scout(&self.core, &endpoint).await {
                Ok(found) => scouted.push(found),
                Err(error) => {
                    self.core.servers.failed(endpoint.server());
                    last = error;
                }
            }
        }
        if scouted.is_empty() { Err(Error::NoServer(Arc::new(last))) } else { Ok(scouted) }
    }

    fn deadline(&self) -> Micros {
        self.core.runtime.now() + self.core.config.operation_timeout
    }

    fn backups_wanted(&self, others: usize) -> usize {
        match self.core.feeds.config.redundancy {
            Redundancy::Copies(copies) => copies.min(others),
            Redundancy::AllServers => others,
        }
    }

    async fn open_backup(&self, scouted: Scouted) -> Result<(), Error> {
        let (link, _) = open::open_feed(&self.core, scouted, false, &self.ended).await?;
        info!(server = %link.server(), "backup of the feed");
        self.core.feeds.topology.send_modify(|topology| topology.backups.push(Arc::clone(&link)));
        recovery::register_on_backup(&self.core, link);
        Ok(())
    }

    fn has_become_primary(&self, link: Arc<Link>, fate: QueueFate) {
        info!(server = %link.server(), ?fate, "primary of the feed");
        self.core.feeds.intake.lock().begin_anew();
        self.core.feeds.topology.send_modify(|topology| {
            topology.backups.retain(|backup| !Arc::ptr_eq(backup, &link));
            topology.primary = Some(Arc::clone(&link));
            topology.fate = Some(fate);
            (topology.failures, topology.trouble) = (0, None);
        });
        self.core.feeds.news.notify_one();
        recovery::take_over(&self.core, link, fate);
    }

    /// Opens the backups that are missing; whether all are there.
    async fn top_up(&self) -> Result<bool, Error> {
        let taken = self.core.feeds.links();
        let wanted = self.backups_wanted(usize::MAX);
        let mut missing = wanted.saturating_sub(taken.len().saturating_sub(1));
        if missing == 0 {
            return Ok(true);
        }
        let is_free = |endpoint: &Arc<Endpoint>| !taken.iter().any(|link| link.server() == endpoint.server());
        // With a primary there, that backups cannot be had is no reason to look at once again.
        let endpoints = self.core.servers.in_turn(self.deadline()).await.unwrap_or_default();
        for endpoint in endpoints.into_iter().filter(is_free) {
            let outcome = match open::scout(&self.core, &endpoint).await {
                Ok(scouted) => self.open_backup(scouted).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => missing -= 1,
                Err(error) => warn!(server = %endpoint.server(), %error, "no feed from a backup"),
            }
            if missing == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
