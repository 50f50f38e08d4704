//! Each user follows what the next one writes, through a feed under the same short-lived tokens, and checks that not an
//! event is missing or comes twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use druse_client::feed::{FeedState, Interest, InterestResultPolicy, RegionEvent, Subscription};
use druse_client::{Error, Region};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::workload::{KEYS, UserState};

/// What a user has seen on its feed.
#[derive(Debug, Default)]
pub(super) struct FeedTally {
    /// Changes of the followed user's entries.
    pub(super) events: AtomicU64,
    /// How often the feed had to wait for a login.
    pub(super) held: AtomicU64,
    /// Changes that were missing, came twice or in the wrong order.
    pub(super) wrong: AtomicU64,
    pub(super) first_wrong: Mutex<Option<String>>,
}

/// Follows one user's writes.
pub(super) struct Follower {
    stream: Subscription<String, i64>,
    user: Arc<UserState>,
    /// The value that was seen last under each key.
    last: HashMap<String, i64>,
}

impl Follower {
    pub(super) async fn start(
        region: &Region<String, i64>,
        user: Arc<UserState>,
        followed: &str,
    ) -> Result<Self, Error> {
        let interest = Interest::regex(format!("{followed}/.*"));
        let stream = region.subscribe(interest).result_policy(InterestResultPolicy::None).await?;
        Ok(Self { stream, user, last: HashMap::new() })
    }

    /// Follows until it is told to stop.
    pub(super) async fn run(mut self, stopping: CancellationToken) {
        loop {
            let event = tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                event = self.stream.next() => event,
            };
            match event {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => self.complain(error.to_string()),
                None => return,
            }
        }
    }

    fn take(&mut self, event: RegionEvent<String, i64>) {
        match event {
            RegionEvent::Created { key, value: Some(value) }
            | RegionEvent::Updated { key, value: Some(value) } => {
                self.user.feed.events.fetch_add(1, Ordering::Relaxed);
                let last = self.last.insert(key.clone(), value);
                if !follows(last, value) {
                    self.complain(format!("{key}: {value} after {last:?}"));
                }
            }
            RegionEvent::Feed(FeedState::Held) => {
                self.user.feed.held.fetch_add(1, Ordering::Relaxed);
            }
            RegionEvent::Feed(
                FeedState::Interrupted { reason, .. } | FeedState::ReauthenticationFailed(reason),
            ) => {
                self.complain(reason.to_string());
            }
            _ => {}
        }
    }

    fn complain(&self, problem: String) {
        self.user.feed.wrong.fetch_add(1, Ordering::Relaxed);
        self.user.feed.first_wrong.lock().get_or_insert(problem);
    }
}

/// Whether a value is the next that a worker stores under a key: a number, then its negative, then the number of the next
/// turn.
fn follows(last: Option<i64>, value: i64) -> bool {
    match last {
        // The turn in which the negative equals the number is the first of all.
        None => value < KEYS,
        Some(0) => value == 0 || value == KEYS,
        Some(last) if last > 0 => value == -last,
        Some(last) => value == -last + KEYS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_and_a_repetition_are_noticed() {
        let good = [None, Some(7), Some(-7), Some(17), Some(-17)];
        for pair in good.windows(2) {
            assert!(follows(pair[0], pair[1].unwrap()), "{pair:?}");
        }
        for (last, value) in [(Some(7), 7), (Some(-7), -7), (Some(7), 17), (Some(-7), 27), (None, 17)] {
            assert!(!follows(last, value), "{value} after {last:?}");
        }
    }
}
