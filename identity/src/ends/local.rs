//! The feed from a store at hand: for a node with an issuer in its own process, and for the issuer's endpoint.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::BoxFuture;
use druse_protocol::time::Clock;
use tokio::time::{Instant, timeout};

use super::read::read;
use super::{Ends, EndsError, EndsSource, Place};
use crate::store::Store;

/// How often the log is looked at for what other processes have written.
const PERIOD: Duration = Duration::from_millis(200);
/// How long a follower in the same process waits before it counts the answer as a sign of life.
const HOLD: Duration = Duration::from_secs(5);

/// The ends in a store.
pub struct StoreEnds {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl StoreEnds {
    /// Reads `store`. `clock` is the one by which its events are dated.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }
}

impl EndsSource for StoreEnds {
    fn ends(&self, place: Place) -> BoxFuture<'_, Result<Ends, EndsError>> {
        Box::pin(held(&self.store, place, &*self.clock, HOLD))
    }

    fn name(&self) -> &str {
        "the embedded issuer"
    }
}

/// Reads on from a place, and if nothing has ended waits for something to end, for at most `hold`. The first reading
/// of somebody is answered at once: a node does not serve before it.
pub(crate) async fn held(
    store: &Store,
    place: Place,
    clock: &dyn Clock,
    hold: Duration,
) -> Result<Ends, EndsError> {
    let until = Instant::now() + hold;
    let mut written = store.written();
    let mut place = place;
    loop {
        written.mark_unchanged();
        let found = read(store, place, clock.now()).await?;
        let left = until.saturating_duration_since(Instant::now());
        if !found.ends.is_empty() || found.more || matches!(place, Place::Within(_)) || left.is_zero() {
            return Ok(found);
        }
        place = Place::After(found.position);
        // Woken by this process's own commits; those of others are met by the clock.
        let _ = timeout(PERIOD.min(left), written.changed()).await;
    }
}
