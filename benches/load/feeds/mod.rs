//! What feeds cost: one writer, and many clients that a server tells of each change.
//!
//! | file | job |
//! |---|---|
//! | `subscriber`, `listener` | a client with a feed: opened, then listened to and acknowledged |
//! | `hall` | one writer and many listeners on one thread |
//! | `delivery`, `waiting`, `queries`, `cut`, `revoked` | what is measured |
//! | `report` | tables |

pub(crate) mod cut;
pub(crate) mod delivery;
mod hall;
mod listener;
pub(crate) mod queries;
mod report;
mod revoked;
mod subscriber;
pub(crate) mod waiting;

use std::time::Duration;

use crate::peer::{Bench, Peer};
use crate::wire::Outcome;

/// The highest rate of puts that is offered.
const MOST_PUTS: f64 = 2_000.0;

/// How much to do.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Numbers of feeds, rising.
    pub(crate) feeds: Vec<usize>,
    /// The length of each measurement.
    pub(crate) time: Duration,
    /// The length of the first warm-up on Geode.
    pub(crate) geode_warm_up: Duration,
    /// Events in a second, of all feeds together, that the offered rate of puts makes.
    pub(crate) events_per_second: f64,
    pub(crate) idle_feeds: usize,
    /// Events that wait for feeds which do not read.
    pub(crate) waiting: u64,
    pub(crate) queries: usize,
    pub(crate) cut_feeds: usize,
    pub(crate) revoked_feeds: usize,
}

impl Plan {
    /// How long a server works before it is measured for the first time.
    fn warm_up(&self, peer: Peer) -> Duration {
        if peer == Peer::Geode { self.geode_warm_up } else { self.time / 3 }
    }

    /// From one put to the next where the rate is fixed.
    fn step(&self, feeds: usize) -> Duration {
        Duration::from_secs_f64(1.0 / (self.events_per_second / feeds as f64).min(MOST_PUTS))
    }
}

/// Measures, and writes tables. Redis has nothing of the kind.
pub(crate) fn measure(bench: &Bench, peers: &[Peer], plan: &Plan) -> Outcome<String> {
    let peers: Vec<Peer> = peers.iter().copied().filter(|&peer| peer != Peer::Redis).collect();
    let servers: Outcome<Vec<_>> = peers.iter().map(|&peer| bench.start(peer)).collect();
    let mut text = report::delivery(&delivery::measure(bench, &servers?, plan)?);
    let waiting: Outcome<Vec<_>> = peers.iter().map(|&peer| waiting::measure(bench, peer, plan)).collect();
    text += &report::waiting(&waiting?);
    let queries: Outcome<Vec<_>> =
        peers.iter().map(|&peer| queries::measure(bench, &bench.start(peer)?, plan)).collect();
    text += &report::queries(&queries?);
    if peers.contains(&Peer::Druse) {
        text += &report::cut(&cut::measure(bench, plan)?);
        text += &report::revoked(&revoked::measure(bench, plan)?);
    }
    Ok(text)
}
