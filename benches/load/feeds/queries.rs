//! Many continuous queries of one client on one region, each with a predicate of its own.

use std::time::{Duration, Instant};

use druse_protocol::message::feed::EntryEvent;
use druse_protocol::message::value::ValueRef;
use druse_protocol::value::{MapKind, Value};

use super::Plan;
use super::delivery::DAY;
use super::hall::{Done, Hall, Pace, Run, Script};
use super::subscriber::Subscriber;
use crate::grid::{GridWire, REGION_PATH};
use crate::histogram::Histogram;
use crate::peer::{Bench, Peer, Running};
use crate::wire::{Outcome, key};

/// Prices that one query asks for.
const SPAN: usize = 10;
/// A step through the prices that meets all of them before it comes back.
const STRIDE: u64 = 7_919;
/// Keys in turn.
const KEYS: u64 = 1_000;

/// What was found for a server.
#[derive(Debug, Clone)]
pub(crate) struct Queries {
    pub(crate) peer: Peer,
    pub(crate) queries: usize,
    pub(crate) puts_per_second: f64,
    /// Server time for each put: all queries, and the event.
    pub(crate) cpu_per_put: Duration,
    /// From the put to its event.
    pub(crate) latency: Histogram,
}

/// Measures a server that has just been started.
pub(super) fn measure(bench: &Bench, server: &Running, plan: &Plan) -> Outcome<Queries> {
    eprintln!("{} queries on {}", plan.queries, server.peer.name());
    let mut subscriber = Subscriber::open(server.address, &bench.token("listener", DAY)?)?;
    for number in 0..plan.queries {
        let (from, to) = (number * SPAN, (number + 1) * SPAN);
        let query = format!("SELECT * FROM {REGION_PATH} o WHERE o['price'] >= {from} AND o['price'] < {to}");
        subscriber
            .execute(&format!("query-{number}"), &query)
            .map_err(|error| format!("{query}: {error}"))?;
    }
    let mut hall = Hall::new(server.address, &bench.token("load", DAY)?)?;
    hall.admit(subscriber)?;
    let mut script = Prices::new(plan.queries);
    run(&mut hall, &mut script, plan.warm_up(server.peer) / 3)?;
    script.latency = Histogram::default();
    let before = server.process.cpu()?;
    let done = run(&mut hall, &mut script, plan.time)?;
    let cpu = server.process.cpu()? - before;
    Ok(Queries {
        peer: server.peer,
        queries: plan.queries,
        puts_per_second: done.puts as f64 / done.writing.as_secs_f64(),
        cpu_per_put: cpu.div_f64(done.puts.max(1) as f64),
        latency: script.latency,
    })
}

fn run(hall: &mut Hall, script: &mut Prices, time: Duration) -> Outcome<Done> {
    hall.run(script, &Run { pace: Pace::Closed, time, puts: u64::MAX, complete: true, acknowledges: true })
}

/// Orders whose price changes with each put: each leaves the results of one query and comes into those of another.
struct Prices {
    prices: u64,
    written: u64,
    /// When the last put of each key went out.
    sent: Vec<Instant>,
    latency: Histogram,
}

impl Prices {
    fn new(queries: usize) -> Self {
        Self {
            prices: (queries * SPAN) as u64,
            written: 0,
            sent: vec![Instant::now(); KEYS as usize],
            latency: Histogram::default(),
        }
    }
}

impl Script for Prices {
    fn put(&mut self, _number: u64, due: Instant, wire: &mut GridWire, out: &mut Vec<u8>) {
        let price = (self.written * STRIDE) % self.prices;
        let number = self.written % KEYS;
        self.written += 1;
        self.sent[number as usize] = due;
        let text = |text: &str| Value::String(text.to_owned().into());
        let order = Value::Map(
            MapKind::HashMap,
            vec![
                (text("price"), Value::Integer(i32::try_from(price).unwrap_or(i32::MAX))),
                (text("note"), text("sixty characters of whatever else an order has to say, or so")),
            ],
        );
        wire.put(&key(number), ValueRef::Object(&order.to_bytes()), out);
    }

    fn event(&mut self, _listener: usize, event: &EntryEvent<'_>, arrived: Instant) -> Outcome<()> {
        let matched = event.cqs.clone().count();
        if event.interest || !(1..=2).contains(&matched) {
            return Err(format!("an event for {matched} queries").into());
        }
        let text = event.key.text().ok_or("a key that is no text")?;
        let number: usize = text.trim_start_matches("key-").parse()?;
        let sent = self.sent.get(number).ok_or("a key that nobody wrote")?;
        self.latency.record(arrived.saturating_duration_since(*sent));
        Ok(())
    }
}
