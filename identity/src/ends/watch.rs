//! Whether a feed is heard.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use druse_protocol::time::Micros;

/// How long a feed may be silent before its follower counts as blind: six missed signs of life.
pub(super) const BLIND_AFTER: Duration = Duration::from_secs(30);

/// What is done while a feed is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BlindPolicy {
    /// Tokens are good until they run out, a few minutes at most with our own issuer: an outage signs nobody out.
    #[default]
    UntilExpiry,
    /// Nobody gets in and nothing is permitted until the feed is heard again.
    Strict,
}

/// What is known of one feed. Its follower writes, logins and permits read.
#[derive(Debug)]
pub struct Watch {
    policy: BlindPolicy,
    /// The first instant of blindness, if nothing is heard until then.
    blind_at: AtomicI64,
    /// Whether every end that still matters has been read once.
    loaded: AtomicBool,
    ends: AtomicU64,
    failures: AtomicU64,
}

impl Watch {
    /// A feed from which nothing has been heard.
    #[must_use]
    pub fn new(policy: BlindPolicy, now: Micros) -> Self {
        Self {
            policy,
            blind_at: AtomicI64::new((now + BLIND_AFTER).0),
            loaded: AtomicBool::new(false),
            ends: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// Whether nothing has been heard for too long.
    #[must_use]
    pub fn is_blind(&self, now: Micros) -> bool {
        now.0 >= self.blind_at.load(Ordering::Acquire)
    }

    /// Whether a login can be judged: every end has been read, or the feed is silent and the policy bears it. Soon after
    /// the start neither is so, and whoever comes is told to try later.
    #[must_use]
    pub fn admits(&self, now: Micros) -> bool {
        if self.is_blind(now) {
            self.policy == BlindPolicy::UntilExpiry
        } else {
            self.loaded.load(Ordering::Acquire)
        }
    }

    /// Whether permits hold: always but for a strict policy and a silent feed.
    #[must_use]
    pub fn is_trusted(&self, now: Micros) -> bool {
        self.policy == BlindPolicy::UntilExpiry || !self.is_blind(now)
    }

    /// How many ends have been heard.
    #[must_use]
    pub fn ends(&self) -> u64 {
        self.ends.load(Ordering::Relaxed)
    }

    /// How many questions have failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(super) fn heard(&self, ends: usize, complete: bool, now: Micros) {
        self.ends.fetch_add(ends as u64, Ordering::Relaxed);
        self.blind_at.store((now + BLIND_AFTER).0, Ordering::Release);
        if complete {
            self.loaded.store(true, Ordering::Release);
        }
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLIND: Micros = Micros(30_000_000);

    #[test]
    fn nobody_is_judged_before_every_end_has_been_read() {
        let watch = Watch::new(BlindPolicy::UntilExpiry, Micros(0));
        assert!(!watch.admits(Micros(0)));
        watch.heard(1_000, false, Micros(0));
        assert!(!watch.admits(Micros(1)), "there was more");
        watch.heard(1, true, Micros(1));
        assert!(watch.admits(Micros(1)));
        assert_eq!(watch.ends(), 1_001);
    }

    #[test]
    fn silence_is_borne_or_not_as_the_policy_says() {
        for (policy, borne) in [(BlindPolicy::UntilExpiry, true), (BlindPolicy::Strict, false)] {
            let watch = Watch::new(policy, Micros(0));
            watch.heard(0, true, Micros(0));
            let before = Micros(BLIND.0 - 1);
            assert!(watch.is_trusted(before) && watch.admits(before) && !watch.is_blind(before));
            assert!(watch.is_blind(BLIND));
            assert_eq!((watch.is_trusted(BLIND), watch.admits(BLIND)), (borne, borne), "{policy:?}");
            watch.heard(0, true, BLIND);
            assert!(watch.is_trusted(BLIND) && watch.admits(BLIND), "heard again");
        }
    }

    #[test]
    fn an_issuer_that_is_away_at_the_start_shuts_nobody_out_for_good() {
        let watch = Watch::new(BlindPolicy::UntilExpiry, Micros(0));
        assert!(watch.admits(BLIND));
    }
}
