//! How fast one client may log in: a burst as large as its connections and users, then at that rate per second. Never a
//! refusal: whoever waits long enough is served (DESIGN.md section 7, "login floods").

use std::time::Duration;

use druse_protocol::time::Micros;

/// The least burst, and logins per second, that a client has.
const LEAST: usize = 16;
/// How long a burst may last: what has not been used for so long is not saved up.
const WINDOW: Duration = Duration::from_secs(1);

/// The pace of one client: the instant at which it has paid for all its logins so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Pace {
    paid_until: Micros,
}

impl Pace {
    /// Counts one login of a client of that size (connections and users) and says how long it has to wait.
    ///
    /// Requests on a connection are served in order, so that no more logins wait at a time than a client has
    /// connections: none waits much longer than the window, far below the ten seconds after which a Java client gives up.
    pub(super) fn delay(&mut self, size: usize, now: Micros) -> Duration {
        let size = u32::try_from(size.max(LEAST)).unwrap_or(u32::MAX);
        // A clock that was set back must not make anybody wait for it to catch up.
        let latest = now + WINDOW * 2;
        self.paid_until = self.paid_until.max(now).min(latest) + WINDOW / size;
        self.paid_until.saturating_since(now + WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Micros = Micros(1_000_000_000);

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let mut pace = Pace::default();
        for _ in 0..LEAST {
            assert_eq!(pace.delay(1, START), Duration::ZERO);
        }
        let first = pace.delay(1, START);
        assert!(first > Duration::ZERO && first <= WINDOW, "{first:?}");
        assert!(pace.delay(1, START) > first);
        assert_eq!(pace.delay(1, START + WINDOW * 2), Duration::ZERO, "who waits is served");
    }

    #[test]
    fn a_large_client_has_a_large_burst() {
        let mut pace = Pace::default();
        assert!((0..1000).all(|_| pace.delay(1000, START).is_zero()));
    }

    #[test]
    fn a_loop_of_logins_runs_at_the_rate() {
        let mut pace = Pace::default();
        let mut now = START;
        for _ in 0..500 {
            now = now + pace.delay(1, now);
        }
        assert!(now.saturating_since(START) > Duration::from_secs(28), "{now}");
    }

    #[test]
    fn a_clock_set_back_delays_nobody_for_long() {
        let mut pace = Pace::default();
        pace.delay(1, START + Duration::from_secs(600));
        assert!(pace.delay(1, START) < WINDOW * 2);
    }
}
