//! What is said to servers now and then: which events have come, and that the client lives.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::message::acknowledgement::Acknowledgement;
use tracing::debug;

use super::link::Link;
use super::seen::Stamp;
use crate::client::Core;
use crate::error::Error;
use crate::wire;

/// How often a queue connection carries a sign of life: as often as Geode's clients ping.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Tells the primary which events it may forget, a moment after they have come.
pub(crate) async fn acknowledge(core: Arc<Core>) {
    loop {
        core.feeds.news.notified().await;
        loop {
            core.runtime.sleep_until(core.runtime.now() + core.feeds.config.ack_interval).await;
            if !tell_primary(&core).await {
                break;
            }
        }
    }
}

/// Acknowledges what there is; whether there is more to tell.
pub(crate) async fn tell_primary(core: &Core) -> bool {
    let stamps = core.feeds.intake.lock().next_acks();
    core.feeds.room.notify_one();
    let primary = core.feeds.topology.borrow().primary.clone();
    // Without a primary there is nobody to tell; the next one is told everything.
    let (false, Some(primary)) = (stamps.is_empty(), primary) else { return false };
    if let Err(error) = tell(core, &primary, &stamps).await {
        debug!(server = %primary.server(), %error, "events could not be acknowledged");
        return false;
    }
    let mut intake = core.feeds.intake.lock();
    intake.acked(&stamps, core.runtime.now(), core.feeds.config.tracking_timeout);
    intake.has_news()
}

async fn tell(core: &Core, link: &Link, stamps: &[Stamp]) -> Result<(), Error> {
    let reply = link.call(wire::periodic_ack(stamps), &*core.runtime, core.config.read_timeout).await?;
    let message = wire::plain(&reply).map_err(Error::Malformed)?;
    Acknowledgement::decode(&message).map(drop).map_err(Error::Malformed)
}

/// Gives every server that holds the client's events a sign of life.
pub(crate) async fn ping(core: Arc<Core>) {
    loop {
        core.runtime.sleep_until(core.runtime.now() + PING_INTERVAL).await;
        for link in core.feeds.links() {
            let pinged = link.call(wire::ping(), &*core.runtime, core.config.read_timeout).await;
            debug!(server = %link.server(), ok = pinged.is_ok(), "ping of a queue");
        }
    }
}
