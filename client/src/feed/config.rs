//! How a client's feeds are set up.

use std::time::Duration;

/// How long a feed stays silent at most, as a multiple of the interval that the server announces. A Geode server counts
/// one interval at a time and pings at the third, so that less than three would take a healthy feed for a dead one.
const LEAST_PING_MULTIPLIER: u32 = 3;

/// How many servers beside the primary hold the client's events, so that losing one loses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redundancy {
    /// So many; with fewer servers, as many as there are.
    Copies(usize),
    /// All servers (Geode `-1`).
    AllServers,
}

/// Whether a server may replace a waiting update of a key by a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflation {
    /// As the server is set up.
    ServerDefault,
    /// It may: who is slow sees the latest value, and fewer events.
    On,
    /// It may not.
    Off,
}

impl Conflation {
    pub(crate) const fn to_wire(self) -> u8 {
        match self {
            Self::ServerDefault => 0,
            Self::On => 1,
            Self::Off => 2,
        }
    }
}

/// A client that servers know again when it comes back, and keep events for meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurableClient {
    /// By what it is known. No two running clients may have the same.
    pub id: String,
    /// How long servers keep events for it while it is away. They count in seconds.
    pub timeout: Duration,
}

/// Limits and intervals of feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedConfig {
    /// How many further servers hold the client's events. None.
    pub redundancy: Redundancy,
    /// Whether servers keep events while the client is away. They do not.
    pub durable: Option<DurableClient>,
    /// Whether servers may merge updates. As they are set up.
    pub conflation: Conflation,
    /// How long events are gathered before the server is told that they have arrived. 100 ms, as Geode's
    /// `subscription-ack-interval`.
    pub ack_interval: Duration,
    /// How long the last number of an origin is remembered after the server was told of it. 900 s, as Geode's
    /// `subscription-message-tracking-timeout`.
    pub tracking_timeout: Duration,
    /// After how many ping intervals without a byte a feed counts as dead, and a quarter more. 3, which is also the least.
    pub ping_multiplier: u32,
    /// How many events wait for one slow stream before the feed as a whole waits for it. 1024.
    pub waiting_events: usize,
    /// Where the doubling of the pause between attempts to get a feed back ends. 10 s, as Geode's `ping-interval`.
    pub max_recovery_interval: Duration,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            redundancy: Redundancy::Copies(0),
            durable: None,
            conflation: Conflation::ServerDefault,
            ack_interval: Duration::from_millis(100),
            tracking_timeout: Duration::from_secs(900),
            ping_multiplier: LEAST_PING_MULTIPLIER,
            waiting_events: 1024,
            max_recovery_interval: Duration::from_secs(10),
        }
    }
}

impl FeedConfig {
    /// What is wrong with it, if anything is.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.ping_multiplier < LEAST_PING_MULTIPLIER {
            return Some("a healthy feed is pinged every third interval: set ping_multiplier to 3 at least");
        }
        if self.waiting_events == 0 {
            return Some("a stream must be able to hold an event: set waiting_events to 1 at least");
        }
        let durable = self.durable.as_ref()?;
        if durable.id.is_empty() {
            return Some("the durable id is empty");
        }
        (durable.timeout < Duration::from_secs(1)).then_some("servers count the durable time-out in seconds")
    }

    /// How long a feed may be silent.
    pub(crate) fn silence(&self, ping_interval: Duration) -> Duration {
        (ping_interval * self.ping_multiplier).mul_f64(1.25)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_said() {
        assert_eq!(FeedConfig::default().problem(), None);
        let durable =
            |id: &str, seconds| DurableClient { id: id.to_owned(), timeout: Duration::from_secs(seconds) };
        for wrong in [
            FeedConfig { ping_multiplier: 2, ..FeedConfig::default() },
            FeedConfig { waiting_events: 0, ..FeedConfig::default() },
            FeedConfig { durable: Some(durable("", 60)), ..FeedConfig::default() },
            FeedConfig { durable: Some(durable("d", 0)), ..FeedConfig::default() },
        ] {
            assert!(wrong.problem().is_some(), "{wrong:?}");
        }
        assert_eq!(FeedConfig { durable: Some(durable("d", 60)), ..FeedConfig::default() }.problem(), None);
    }

    #[test]
    fn a_feed_may_be_silent_for_longer_than_three_pings_are_apart() {
        assert_eq!(FeedConfig::default().silence(Duration::from_secs(60)), Duration::from_secs(225));
    }
}
