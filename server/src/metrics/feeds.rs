//! What is counted of feeds.

use super::{Counter, Gauge};

/// Feeds, what went out on them, and what was held back.
#[derive(Debug, Default)]
pub struct FeedMetrics {
    /// Feeds that exist: connected, parked or paused.
    pub live: Gauge,
    /// Those of them that have no socket: their clients are expected back.
    pub away: Gauge,
    /// Feeds that were opened, resumed ones included.
    pub opened: Counter,
    /// Feeds that were taken up again by their client, with what waited.
    pub resumed: Counter,
    /// Changes that were handed to sockets.
    pub events_sent: Counter,
    /// Changes that were left out because their user may not see them.
    pub events_refused: Counter,
    /// Changes that were dropped at a bound; their clients were told.
    pub events_lost: Counter,
    /// Queues that reached a bound and were resynchronised.
    pub resynchronised: Counter,
    /// Users whose events wait for a login.
    pub lanes_held: Gauge,
    /// Requests to log in that went out before the end of a login.
    pub asks_early: Counter,
    /// Requests to log in that went out after it.
    pub asks_late: Counter,
    /// Operations of old clients that were refused so that they log in before the end.
    pub nudges: Counter,
    /// Feeds that were ended because no login came in time.
    pub given_up: Counter,
    /// Feeds that were cut because their user was cut off.
    pub revoked: Counter,
    /// Registrations of interest and continuous queries that exist.
    pub registrations: Gauge,
    /// Bytes that waiting changes keep alive, each counted as if nobody else held it.
    pub queued_bytes: Gauge,
    /// Bytes that they keep alive in truth: a change for which many clients wait counts once.
    pub kept_bytes: Gauge,
    /// Changes that wait or are unacknowledged.
    pub queued_events: Gauge,
    /// Changes between the slowest shard of feeds and the end of the log.
    pub behind: Gauge,
}
