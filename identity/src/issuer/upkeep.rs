//! What an issuer does by itself: keys come and go, sessions that are over are recorded, of several processes by one.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Issuer;
use crate::error::Error;
use crate::session::random;
use crate::store::{Lease, StoreError};

/// The lease under which it happens.
const LEASE: &str = "identity/keeper";
/// How long a lease holds: two lost renewals are survived.
const LEASE_LIFE: Duration = Duration::from_secs(30);
/// How often the keeper comes by, which renews the lease, and how often others try to become it.
const PERIOD: Duration = Duration::from_secs(10);
/// How often the keeper looks for clients that are to be told of a logout.
const BEAT: Duration = Duration::from_secs(1);

impl Issuer {
    /// Comes by until it is told to stop. It need not run in every process, but in at least one.
    pub async fn keep(&self, stop: CancellationToken) {
        let (mut ticks, mut beats) = (interval(PERIOD), interval(BEAT));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let Ok(holder) = random::<8>().map(|id| format!("{:016x}", u64::from_be_bytes(id))) else { return };
        let mut lease = None;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => lease = self.come_by(lease.take(), &holder).await,
                _ = beats.tick(), if lease.is_some() => self.tell_under(lease.as_ref()).await,
            }
        }
        if let Some(lease) = lease
            && let Err(error) = self.store.release_lease(&lease).await
        {
            tracing::debug!(%error, "the keeper's lease was not given back; it runs out by itself");
        }
    }

    /// Does what is due, without a lease: for a single process, and for its start.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tend(&self) -> Result<(), Error> {
        self.keys.tend(None).await?;
        self.sessions.end_overdue().await?;
        Ok(())
    }

    /// Tells clients of logouts, without a lease: for a single process.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tell(&self) -> Result<(), Error> {
        self.herald.tell(None).await
    }

    async fn tell_under(&self, lease: Option<&Lease>) {
        if let Err(error) = self.herald.tell(lease).await {
            tracing::warn!(?error, "clients were not told of logouts, and will be");
        }
    }

    async fn come_by(&self, lease: Option<Lease>, holder: &str) -> Option<Lease> {
        let lease = match self.lease(lease, holder).await {
            Ok(lease) => lease,
            Err(error) => {
                tracing::warn!(%error, "the keeper's lease could not be taken");
                None
            }
        };
        let outcome = match &lease {
            Some(lease) => self.tend_under(lease).await,
            // Another process keeps: this one only takes note of what it did.
            None => self.keys.refresh().await.map_err(Error::from),
        };
        if let Err(error) = outcome {
            tracing::warn!(?error, "the issuer's upkeep failed and will be tried again");
        }
        lease
    }

    async fn lease(&self, lease: Option<Lease>, holder: &str) -> Result<Option<Lease>, StoreError> {
        if let Some(lease) = lease {
            match self.store.renew_lease(&lease, LEASE_LIFE).await {
                Ok(()) => return Ok(Some(lease)),
                Err(StoreError::LeaseLost) => {}
                Err(error) => return Err(error),
            }
        }
        self.store.take_lease(LEASE, holder, LEASE_LIFE).await
    }

    async fn tend_under(&self, lease: &Lease) -> Result<(), Error> {
        self.keys.tend(Some(lease)).await?;
        self.sessions.end_overdue().await?;
        Ok(())
    }
}
