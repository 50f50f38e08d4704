//! What feeds cost in memory: idle, and with events that nobody reads.

use std::time::{Duration, Instant};

use druse_protocol::message::feed::EntryEvent;

use super::Plan;
use super::delivery::DAY;
use super::hall::{Done, Hall, Pace, Run, Script};
use super::subscriber::Subscriber;
use crate::driver::{Driver, Keys, Load};
use crate::grid::GridWire;
use crate::peer::{Bench, Peer, Running};
use crate::speed::KEYS;
use crate::wire::{Operation, Outcome, Wire, key};

/// How long a server may settle before its memory is looked at.
const SETTLE: Duration = Duration::from_millis(700);
/// Feeds beside the first one that read nothing.
const FURTHER: usize = 10;

/// What was found for a server, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) peer: Peer,
    /// For each feed that has nothing to say.
    pub(crate) idle: f64,
    /// Puts that nobody reads.
    pub(crate) events: u64,
    /// All that these cost with one feed.
    pub(crate) first: f64,
    /// What each further feed adds.
    pub(crate) further: f64,
}

/// Measures one kind of server, with fresh processes.
pub(super) fn measure(bench: &Bench, peer: Peer, plan: &Plan) -> Outcome<Waiting> {
    eprintln!("memory of feeds on {}", peer.name());
    let idle = idle(bench, peer, plan.idle_feeds)?;
    let first = unread(bench, peer, 1, plan.waiting)?;
    let all = unread(bench, peer, 1 + FURTHER, plan.waiting)?;
    let further = (all - first) / FURTHER as f64;
    Ok(Waiting { peer, idle, events: plan.waiting, first, further })
}

/// Bytes for each of so many idle feeds with their queue connections.
fn idle(bench: &Bench, peer: Peer, feeds: usize) -> Outcome<f64> {
    let server = filled(bench, peer)?;
    // The first one brings what all need.
    let _first = subscribers(bench, &server, 1)?;
    let before = memory(&server)?;
    let _feeds = subscribers(bench, &server, feeds)?;
    Ok((memory(&server)? - before) / feeds as f64)
}

/// Bytes that so many puts cost while so many feeds do not read.
fn unread(bench: &Bench, peer: Peer, feeds: usize, puts: u64) -> Outcome<f64> {
    let server = filled(bench, peer)?;
    let mut hall = Hall::new(server.address, &bench.token("load", DAY)?)?;
    let _feeds = subscribers(bench, &server, feeds)?;
    let before = memory(&server)?;
    let run =
        Run { pace: Pace::Closed, time: Duration::from_secs(30), puts, complete: true, acknowledges: true };
    let Done { puts: done, .. } = hall.run(&mut Plain, &run)?;
    if done != puts {
        return Err(format!("{done} of {puts} puts beside {feeds} feeds that do not read").into());
    }
    Ok(memory(&server)? - before)
}

/// A server in which the keys are there, so that puts replace values.
fn filled(bench: &Bench, peer: Peer) -> Outcome<Running> {
    let server = bench.start(peer)?;
    let mut client = bench.client(peer, server.address)?;
    let mut driver = Driver::connect(&mut *client, 16)?;
    let time = Duration::from_secs(60);
    driver.run(&Load { operation: Operation::Put, keys: Keys::Each(KEYS), depth: 1, time })?;
    Ok(server)
}

fn subscribers(bench: &Bench, server: &Running, count: usize) -> Outcome<Vec<Subscriber>> {
    let one =
        |number| Subscriber::with_interest(server.address, &bench.token(&format!("listener-{number}"), DAY)?);
    (0..count).map(one).collect()
}

/// What a server needs: resident memory, or what lives on the heap of a JVM after a collection.
fn memory(server: &Running) -> Outcome<f64> {
    std::thread::sleep(SETTLE);
    Ok(match server.peer {
        Peer::Geode => server.process.live_heap()?,
        Peer::Druse | Peer::Redis => server.process.resident()?,
    } as f64)
}

/// Values like any other.
struct Plain;

impl Script for Plain {
    fn put(&mut self, number: u64, _due: Instant, wire: &mut GridWire, out: &mut Vec<u8>) {
        wire.request(Operation::Put, &key(number % KEYS), out);
    }

    fn event(&mut self, _listener: usize, _event: &EntryEvent<'_>, _arrived: Instant) -> Outcome<()> {
        Err("an event for a listener who does not listen".into())
    }
}
