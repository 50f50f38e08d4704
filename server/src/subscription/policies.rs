//! How a node treats feeds. Every default stands here once, with its reason.

use std::time::Duration;

/// How a node treats feeds. RFC.md section 12.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPolicies {
    /// How long a feed waits for its client's next login, holding back what is due, before it is ended. Geode's
    /// `geode.reauthenticate.wait.time`, with its default of 60 s.
    pub reauthenticate_wait: Duration,
    /// How long the queue of a client that is not durable outlives its feed. 60 s: a client tries again at once and then
    /// every 10 s.
    pub grace: Duration,
    /// How long a feed of a client before 1.15, which cannot be asked, waits for an operation to make the client log in.
    /// 200 ms: a client that works does one within that; one that only listens is not made to wait for long.
    pub old_client_wait: Duration,
    /// Events that may wait for one client, unacknowledged ones included. Geode's queues take 230 000 and then slow all
    /// writers down; here the client is resynchronised.
    pub queue_events: usize,
    /// And the bytes that they may keep alive, each event counted as if nobody else held it.
    pub queue_bytes: usize,
    /// Bytes that all waiting events of the node may keep alive, each counted once however many clients wait for it. Beyond
    /// that the longest backlogs go.
    pub node_bytes: usize,
    /// Whether clients are asked for a login shortly before the end of the one they have.
    pub renew_early: bool,
    /// The share of its life before the end of a login at which the client is asked: a tenth.
    pub lead_share: u32,
    /// The bounds of that lead. A provider's outage is noticed `lead` sooner than it need be, so it is short; below 100 ms
    /// an answer would come too late.
    pub lead: (Duration, Duration),
    /// How often a client is asked at most after the end of its login. With delays of 1, 2, 4 and 8 s they fit the wait.
    pub late_asks: u32,
    /// Whether the continuous queries of one user among several are told that the user's login is over: nothing else would
    /// make a client that only listens log in.
    pub tell_queries: bool,
    /// The longest silence on a feed, announced to clients. Geode's default.
    pub ping_interval: Duration,
    /// How long a resumed feed waits for the client to register its interest again, so that what waits is newer than the
    /// snapshots that the client is about to take.
    pub resume_wait: Duration,
    /// What is kept of events that a client has received and never acknowledges: some clients never do.
    pub unacknowledged: (usize, Duration),
}

impl Default for FeedPolicies {
    fn default() -> Self {
        Self {
            reauthenticate_wait: Duration::from_secs(60),
            grace: Duration::from_secs(60),
            old_client_wait: Duration::from_millis(200),
            queue_events: 100_000,
            queue_bytes: 64 << 20,
            node_bytes: 1 << 30,
            renew_early: true,
            lead_share: 10,
            lead: (Duration::from_millis(100), Duration::from_secs(30)),
            late_asks: 5,
            tell_queries: true,
            ping_interval: Duration::from_secs(60),
            resume_wait: Duration::from_secs(2),
            unacknowledged: (1 << 20, Duration::from_secs(10)),
        }
    }
}

impl FeedPolicies {
    /// How long before the end of a login that lives so long its client is asked: at `u` of the lead, which is random
    /// between 0.75 and 1.25 so that many logins with one end do not ask at once, and never before half of the life.
    #[must_use]
    pub fn lead_of(&self, life: Duration, u: f64) -> Duration {
        let (least, most) = self.lead;
        (life / self.lead_share.max(1)).clamp(least, most.max(least)).mul_f64(u).min(life / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lead_is_a_tenth_within_bounds_and_at_most_half_of_the_life() {
        let policies = FeedPolicies::default();
        let lead = |millis| policies.lead_of(Duration::from_millis(millis), 1.0).as_millis();
        assert_eq!(lead(3_600_000), 30_000);
        assert_eq!(lead(60_000), 6_000);
        assert_eq!(lead(500), 100);
        assert_eq!(lead(100), 50);
        assert_eq!(policies.lead_of(Duration::from_secs(10), 1.25).as_millis(), 1_250);
    }
}
