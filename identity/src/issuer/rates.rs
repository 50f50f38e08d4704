//! How often somebody may ask: so many in the long run, so many at once. Pure; the time is told.

use std::collections::HashMap;
use std::time::Duration;

use druse_protocol::time::Micros;

/// How many who ask are remembered; further ones push out those who have asked least of late.
const MAX_ASKERS: usize = 4096;

/// The requests of late, as the instant up to which each has used up its share (the generic cell rate algorithm).
#[derive(Debug)]
pub(super) struct Rates {
    used_until: HashMap<Box<str>, Micros>,
    share: Duration,
    lead: Duration,
}

impl Rates {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let share = Duration::from_secs(1) / per_second.max(1);
        Self { used_until: HashMap::new(), share, lead: share * burst.max(1) }
    }

    /// Counts a request; `Err` is after how long one would be served. Those that are turned away do not count.
    pub(super) fn admit(&mut self, asker: &str, now: Micros) -> Result<(), Duration> {
        // What lies further ahead than a burst is left from before the clock stepped back.
        let known = self.used_until.get(asker).copied().filter(|until| *until <= now + self.lead);
        let used_until = known.map_or(now, |until| until.max(now)) + self.share;
        if used_until > now + self.lead {
            return Err(used_until.saturating_since(now + self.lead));
        }
        if !self.used_until.contains_key(asker) {
            self.make_room(now);
        }
        self.used_until.insert(asker.into(), used_until);
        Ok(())
    }

    fn make_room(&mut self, now: Micros) {
        if self.used_until.len() < MAX_ASKERS {
            return;
        }
        self.used_until.retain(|_, until| *until > now);
        if self.used_until.len() >= MAX_ASKERS {
            let least =
                self.used_until.iter().min_by_key(|(_, until)| **until).map(|(asker, _)| asker.clone());
            least.map(|asker| self.used_until.remove(&asker));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = Micros(1_000_000_000);

    #[test]
    fn a_burst_is_served_and_then_one_share_at_a_time() {
        let mut rates = Rates::new(10, 3);
        let served = |rates: &mut Rates, now| (0..10).filter(|_| rates.admit("a", now).is_ok()).count();
        assert_eq!(served(&mut rates, NOW), 3);
        assert_eq!(rates.admit("a", NOW), Err(Duration::from_millis(100)));
        assert_eq!(rates.admit("b", NOW), Ok(()), "others are served");
        assert_eq!(served(&mut rates, NOW + Duration::from_millis(200)), 2);
        assert_eq!(served(&mut rates, NOW + Duration::from_secs(60)), 3);
    }

    #[test]
    fn a_clock_that_steps_back_shuts_nobody_out() {
        let mut rates = Rates::new(10, 3);
        (0..3).for_each(|_| rates.admit("a", NOW).unwrap());
        assert!(rates.admit("a", NOW).is_err());
        assert_eq!(rates.admit("a", NOW - Duration::from_secs(900)), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut rates = Rates::new(10, 3);
        for asker in 0..MAX_ASKERS * 2 {
            rates.admit(&asker.to_string(), NOW).unwrap();
            assert!(rates.used_until.len() <= MAX_ASKERS);
        }
    }
}
