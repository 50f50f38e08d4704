//! The time of a node when the clock of the operating system is set.
//!
//! ```text
//!  wall    ──────────┐ set back            ┌──── set forward
//!                    └─────────────────────┘
//!  node    ─────────────────────────────────── (jumps only where the wall is ahead of it)
//!                    ◄────── lead ────────►
//! ```
//! A clock that is set forward is followed: what has ended by the new time is cut off, early perhaps and never late, and a
//! machine that slept has slept. One that is set back is not: logins would outlive their ends, and pings would stop. What
//! comes from outside in the meantime, such as the end of a new login, is read by the wall.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use druse_protocol::time::{Clock, Micros};
use tokio::time::Instant;

/// A lead below this is none: two clocks cannot be read at the same instant. Ends come so much too early at most.
const LEAST_LEAD: Duration = Duration::from_millis(100);

/// A clock that goes as another one does, and never back.
pub struct SteadyClock {
    wall: Arc<dyn Clock>,
    origin: Instant,
    /// What the wall showed at the origin, as far as it is ahead: raised whenever it is set forward.
    epoch: AtomicI64,
}

impl SteadyClock {
    /// Follows `wall`.
    #[must_use]
    pub fn over(wall: Arc<dyn Clock>) -> Self {
        let epoch = AtomicI64::new(wall.now().0);
        Self { wall, origin: Instant::now(), epoch }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Micros {
        // In this order: whoever is held up between the two takes the wall to be behind, which changes nothing.
        let wall = self.wall.now().0;
        let passed = i64::try_from(self.origin.elapsed().as_micros()).unwrap_or(i64::MAX);
        let epoch = wall.saturating_sub(passed);
        let mut latest = self.epoch.load(Ordering::Relaxed);
        if epoch > latest {
            latest = self.epoch.fetch_max(epoch, Ordering::Relaxed).max(epoch);
        }
        Micros(latest.saturating_add(passed))
    }

    fn wall(&self) -> Micros {
        self.wall.now()
    }
}

/// How far a node's time is ahead of the wall, as last looked at.
#[derive(Debug, Default)]
pub(crate) struct Lead(AtomicI64);

impl Lead {
    /// Looks at the two.
    pub(crate) fn look(&self, clock: &dyn Clock) {
        let wall = clock.wall();
        let lead = clock.now().saturating_since(wall);
        let lead = if lead < LEAST_LEAD { Duration::ZERO } else { lead };
        self.0.store(i64::try_from(lead.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// When the node's time will be what it is when the wall shows `wall`.
    pub(crate) fn at_wall(&self, wall: Micros) -> Micros {
        match wall {
            Micros::MIN | Micros::MAX => wall,
            Micros(wall) => Micros(wall.saturating_add(self.0.load(Ordering::Relaxed))),
        }
    }

    /// What the wall shows when the node's time is `now`.
    pub(crate) fn wall_at(&self, now: Micros) -> Micros {
        Micros(now.0.saturating_sub(self.0.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use druse_protocol::time::ManualClock;

    use super::*;

    const START: Micros = Micros::from_secs(1_800_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    async fn pass(wall: &ManualClock, time: Duration) {
        tokio::time::advance(time).await;
        wall.advance(time);
    }

    #[tokio::test(start_paused = true)]
    async fn steps_forward_are_followed_and_steps_back_are_not() {
        let wall = Arc::new(ManualClock::new(START));
        let clock = SteadyClock::over(wall.clone());
        pass(&wall, SECOND).await;
        assert_eq!(clock.now(), START + SECOND);
        wall.set(START);
        assert_eq!((clock.now(), clock.wall()), (START + SECOND, START));
        pass(&wall, SECOND).await;
        assert_eq!((clock.now(), clock.wall()), (START + 2 * SECOND, START + SECOND), "it goes on");
        wall.set(START + 600 * SECOND);
        assert_eq!(clock.now(), START + 600 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn ends_that_come_from_outside_are_read_by_the_wall() {
        let wall = Arc::new(ManualClock::new(START));
        let clock = SteadyClock::over(wall.clone());
        let lead = Lead::default();
        lead.look(&clock);
        assert_eq!(lead.at_wall(START), START);
        wall.set(START - 600 * SECOND);
        lead.look(&clock);
        assert_eq!(lead.at_wall(wall.now() + SECOND), clock.now() + SECOND);
        assert_eq!(lead.wall_at(clock.now()), wall.now());
        assert_eq!(lead.at_wall(Micros::MAX), Micros::MAX);
        wall.set(START - Duration::from_millis(50));
        lead.look(&clock);
        assert_eq!(lead.wall_at(START), START, "too little to be told from none");
    }
}
