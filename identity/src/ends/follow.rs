//! Following a feed, for as long as somebody wants it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::Revocation;
use druse_protocol::time::Clock;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::{EndsError, EndsSource, Place, Watch};

/// The shortest time between two questions: many ends at once are told together.
const BREATH: Duration = Duration::from_millis(20);
/// The first and the longest wait after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A task that follows a feed; it ends when this is dropped.
pub struct Follower(AbortHandle);

impl Follower {
    /// Follows `source`, tells each end to `end`, and keeps `watch`. `life` is how long ends are of interest: the
    /// longest life of a login, and what clocks may differ by.
    ///
    /// Must be called within a tokio runtime. Telling an end twice must do no harm.
    pub fn start(
        source: Arc<dyn EndsSource>,
        watch: Arc<Watch>,
        clock: Arc<dyn Clock>,
        life: Duration,
        end: impl Fn(&Revocation) + Send + Sync + 'static,
    ) -> Self {
        let task = tokio::spawn(async move { follow(&*source, &watch, &*clock, life, &end).await });
        Self(task.abort_handle())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Follower").finish_non_exhaustive()
    }
}

async fn follow(
    source: &dyn EndsSource,
    watch: &Watch,
    clock: &dyn Clock,
    life: Duration,
    end: &(impl Fn(&Revocation) + Send + Sync),
) {
    let (mut place, mut failures) = (Place::Within(life), 0);
    loop {
        match source.ends(place).await {
            Ok(found) => {
                found.ends.iter().for_each(end);
                watch.heard(found.ends.len(), !found.more, clock.now());
                (place, failures) = (Place::After(found.position), 0);
                if !found.more {
                    sleep(BREATH).await;
                }
            }
            Err(error) => {
                watch.failed();
                report(source.name(), &error, failures);
                if matches!(error, EndsError::Gone) {
                    place = Place::Within(life);
                }
                sleep(pause(failures)).await;
                failures = failures.saturating_add(1);
            }
        }
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(8)).min(LONGEST_PAUSE)
}

/// The first failure of a row is worth a line; the others say nothing new.
fn report(source: &str, error: &EndsError, failures: u32) {
    if failures == 0 {
        tracing::warn!(source, %error, "the feed of ends is not heard; it is asked again");
    } else {
        tracing::debug!(source, %error, failures, "the feed of ends is still not heard");
    }
}
