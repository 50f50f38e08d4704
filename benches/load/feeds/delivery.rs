//! Events per second, server time per event, and how long an event takes from the put to its listeners.

use std::time::{Duration, Instant};

use druse_protocol::message::feed::{EntryEvent, EventValue};
use druse_protocol::message::value::ValueRef;

use super::Plan;
use super::hall::{Done, Hall, Pace, Run, Script};
use super::subscriber::Subscriber;
use crate::grid::GridWire;
use crate::histogram::Histogram;
use crate::peer::{Bench, Peer, Running};
use crate::speed::KEYS;
use crate::wire::{Outcome, VALUE_BYTES, key};

/// How long logins of listeners are good.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) peer: Peer,
    pub(crate) feeds: usize,
    /// Puts that were offered in a second; `None` if each followed the answer to the last.
    pub(crate) offered: Option<f64>,
    /// What was found, or why nothing was.
    pub(crate) found: Result<Found, String>,
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) puts_per_second: f64,
    pub(crate) events_per_second: f64,
    /// Server time for each event, the put itself and the acknowledgements included; without feeds, for each put.
    pub(crate) cpu_per_event: Duration,
    pub(crate) latency: Histogram,
}

/// A server with everybody who listens to it.
struct Side<'s> {
    server: &'s Running,
    hall: Hall,
    script: Stamps,
    is_warm: bool,
}

/// Measures all servers with more and more feeds; they take turns, and those that are not measured are stopped.
pub(super) fn measure(bench: &Bench, servers: &[Running], plan: &Plan) -> Outcome<Vec<Delivery>> {
    let start = Instant::now();
    let mut sides = Vec::new();
    for server in servers {
        let hall = Hall::new(server.address, &bench.token("load", DAY)?)?;
        sides.push(Side {
            server,
            hall,
            script: Stamps { start, next: Vec::new(), latency: Histogram::default() },
            is_warm: false,
        });
        server.process.pause();
    }
    let mut found = Vec::new();
    for &feeds in &plan.feeds {
        for side in &mut sides {
            eprintln!("{feeds} feeds on {}", side.server.peer.name());
            side.server.process.resume();
            found.extend(side.measure(bench, feeds, plan)?);
            side.server.process.pause();
        }
    }
    servers.iter().for_each(|server| server.process.resume());
    Ok(found)
}

impl Side<'_> {
    fn measure(&mut self, bench: &Bench, feeds: usize, plan: &Plan) -> Outcome<Vec<Delivery>> {
        while self.hall.len() < feeds {
            let token = bench.token(&format!("listener-{}", self.hall.len()), DAY)?;
            self.hall.admit(Subscriber::with_interest(self.server.address, &token)?)?;
        }
        let warm_up = if self.is_warm { plan.time / 3 } else { plan.warm_up(self.server.peer) };
        self.is_warm = true;
        self.run(Pace::Closed, warm_up).map_err(|error| format!("{feeds} feeds, warm-up: {error}"))?;
        let step = plan.step(feeds);
        let lines = [(None, Pace::Closed), (Some(1.0 / step.as_secs_f64()), Pace::Every(step))];
        lines
            .into_iter()
            .map(|(offered, pace)| {
                let found = match self.time(pace, plan.time) {
                    Err(error) if self.server.peer == Peer::Druse => {
                        return Err(format!("{feeds} feeds of Druse: {error}").into());
                    }
                    // What another server does not bear is a finding.
                    other => other.map_err(|error| error.to_string()),
                };
                Ok(Delivery { peer: self.server.peer, feeds, offered, found })
            })
            .collect()
    }

    fn time(&mut self, pace: Pace, time: Duration) -> Outcome<Found> {
        let before = self.server.process.cpu()?;
        let done = self.run(pace, time)?;
        let cpu = self.server.process.cpu()? - before;
        Ok(Found {
            puts_per_second: done.puts as f64 / done.writing.as_secs_f64(),
            events_per_second: done.events as f64 / done.elapsed.max(done.writing).as_secs_f64(),
            cpu_per_event: cpu.div_f64(done.events.max(done.puts) as f64),
            latency: std::mem::take(&mut self.script.latency),
        })
    }

    fn run(&mut self, pace: Pace, time: Duration) -> Outcome<Done> {
        self.script.next = vec![0; self.hall.len()];
        self.script.latency = Histogram::default();
        self.hall
            .run(&mut self.script, &Run { pace, time, puts: u64::MAX, complete: true, acknowledges: true })
    }
}

/// Values that say when they were due and the how many-eth of their run they are.
pub(super) struct Stamps {
    start: Instant,
    /// The number that each listener hears next.
    next: Vec<u64>,
    latency: Histogram,
}

impl Script for Stamps {
    fn put(&mut self, number: u64, due: Instant, wire: &mut GridWire, out: &mut Vec<u8>) {
        let mut value = [0x5a; VALUE_BYTES];
        let nanos = u64::try_from((due - self.start).as_nanos()).unwrap_or(u64::MAX);
        value[..8].copy_from_slice(&nanos.to_be_bytes());
        value[8..16].copy_from_slice(&number.to_be_bytes());
        wire.put(&key(number % KEYS), ValueRef::Bytes(&value), out);
    }

    fn event(&mut self, listener: usize, event: &EntryEvent<'_>, arrived: Instant) -> Outcome<()> {
        let Some(EventValue::Whole(ValueRef::Bytes(value))) = event.value else {
            return Err(format!("an event brought {:?}", event.value).into());
        };
        if value.len() != VALUE_BYTES {
            return Err(format!("an event brought {} bytes", value.len()).into());
        }
        let number = u64_at(value, 8);
        let expected = std::mem::replace(&mut self.next[listener], number + 1);
        if number != expected {
            return Err(format!("put {number} came where {expected} was due").into());
        }
        let due = self.start + Duration::from_nanos(u64_at(value, 0));
        self.latency.record(arrived.saturating_duration_since(due));
        Ok(())
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
