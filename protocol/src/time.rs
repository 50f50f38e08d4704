//! The one type of instant that crosses the crates, and the trait of whatever reads it.
//!
//! Nothing in this crate calls [`Clock::now`]; the present moment is always an argument. The trait stands here because
//! `server`, `client` and `identity` must agree on it and know nothing of one another.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub i64);

impl Micros {
    /// Earlier than every other instant: the deadline of a login that has been revoked.
    pub const MIN: Self = Self(i64::MIN);
    /// Later than every other instant: the deadline of a login that has none.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant `seconds` after the epoch.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// The instant `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// How long from `earlier` to here; zero if `earlier` is not earlier.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Micros {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(rhs.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Micros {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(rhs.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MIN => f.write_str("the beginning of time"),
            Self::MAX => f.write_str("never"),
            Self(micros) => {
                write!(f, "{}.{:06}s", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
            }
        }
    }
}

/// Whatever tells the present moment: the operating system, or a test.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Micros;

    /// The same as others see it, where a clock keeps its own time while that of the operating system is set back.
    fn wall(&self) -> Micros {
        self.now()
    }
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is told to move: for tests and for replaying a seed.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Micros) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves on by `step`.
    pub fn advance(&self, step: Duration) {
        self.0.fetch_add(i64::try_from(step.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Steps to `now`, forwards or backwards.
    pub fn set(&self, now: Micros) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Micros::MAX + Duration::from_secs(1), Micros::MAX);
        assert_eq!(Micros::MIN - Duration::from_secs(1), Micros::MIN);
        assert_eq!(Micros(5).saturating_since(Micros(9)), Duration::ZERO);
    }

    #[test]
    fn display_is_exact_before_the_epoch_too() {
        assert_eq!(Micros(1_500_000).to_string(), "1.500000s");
        assert_eq!(Micros(-1).to_string(), "-1.999999s");
    }
}
