//! Operations per second, server time per operation and latencies, round by round.

use std::collections::BTreeMap;
use std::time::Duration;

use super::driver::{Driver, Keys, Load, Measured};
use super::histogram::Histogram;
use super::peer::{Bench, Peer, Running};
use super::wire::{Operation, Outcome};

/// Keys that gets and puts of the speed runs choose from.
pub(crate) const KEYS: u64 = 10_000;
/// Connections side by side, as the tables have them.
pub(crate) const CONNECTIONS: [usize; 3] = [1, 8, 64];
/// Requests under way on a connection, where a server allows it.
pub(crate) const PIPELINE: usize = 32;

/// One line of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) depth: usize,
    pub(crate) operation: Operation,
    pub(crate) connections: usize,
    pub(crate) peer: Peer,
}

impl Cell {
    /// Operation, connections and depth in one word.
    fn line(&self) -> String {
        format!("{}:{}:{}", self.operation.name(), self.connections, self.depth)
    }
}

/// What all rounds together found for a cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    /// Operations per second of each round.
    pub(crate) rates: Vec<f64>,
    operations: u64,
    cpu: Duration,
    pub(crate) latency: Histogram,
}

impl Sum {
    fn add(&mut self, measured: &Measured, cpu: Duration) {
        self.rates.push(measured.operations as f64 / measured.elapsed.as_secs_f64());
        self.operations += measured.operations;
        self.cpu += cpu;
        self.latency.add(&measured.latency);
    }

    /// The middle one of the rounds' operations per second.
    pub(crate) fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    }

    /// Microseconds of server time per operation.
    pub(crate) fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.operations.max(1) as f64
    }
}

/// How long and how often to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Before each measurement, on the same connections.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    /// Before the first round, on Geode: its compiler works while it runs.
    pub(crate) geode_warm_up: Duration,
}

/// Fills the keyspace of a server and lets it run warm.
pub(crate) fn prepare(bench: &Bench, server: &Running, plan: &Plan) -> Outcome<()> {
    let mut client = bench.client(server.peer, server.address)?;
    let mut driver = Driver::connect(&mut *client, 64)?;
    let hour = Duration::from_secs(3600);
    driver.run(&Load { operation: Operation::Put, keys: Keys::Each(KEYS), depth: 1, time: hour })?;
    for operation in Operation::ALL {
        let time = if server.peer == Peer::Geode { plan.geode_warm_up / 2 } else { plan.warm_up };
        driver.run(&Load { operation, keys: Keys::Random(KEYS), depth: 1, time })?;
    }
    Ok(())
}

/// Measures all cells of all servers, as many rounds as the plan says. Servers take turns within a round, and those
/// that are not measured are stopped: noise of the machine meets all of them alike. Lines can be picked by their names.
pub(crate) fn measure(
    bench: &Bench,
    servers: &[Running],
    plan: &Plan,
    only: &[String],
) -> Outcome<BTreeMap<Cell, Sum>> {
    let mut cells = cells(servers);
    cells.retain(|cell| only.is_empty() || only.contains(&cell.line()));
    let mut sums: BTreeMap<Cell, Sum> = BTreeMap::new();
    for server in servers {
        server.process.pause();
    }
    for round in 1..=plan.rounds {
        eprintln!("round {round} of {}", plan.rounds);
        for &cell in &cells {
            let server = servers.iter().find(|server| server.peer == cell.peer).ok_or("no such server")?;
            server.process.resume();
            let (measured, cpu) =
                measure_cell(bench, server, cell, plan).map_err(|error| format!("{cell:?}: {error}"))?;
            server.process.pause();
            sums.entry(cell).or_default().add(&measured, cpu);
        }
    }
    for server in servers {
        server.process.resume();
    }
    Ok(sums)
}

fn cells(servers: &[Running]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for depth in [1, PIPELINE] {
        for operation in Operation::ALL {
            for connections in CONNECTIONS {
                let peers = servers.iter().map(|server| server.peer);
                let able = peers.filter(|peer| depth == 1 || peer.is_pipelined());
                cells.extend(able.map(|peer| Cell { depth, operation, connections, peer }));
            }
        }
    }
    cells
}

fn measure_cell(bench: &Bench, server: &Running, cell: Cell, plan: &Plan) -> Outcome<(Measured, Duration)> {
    let mut client = bench.client(server.peer, server.address)?;
    let mut driver = Driver::connect(&mut *client, cell.connections)?;
    let load =
        Load { operation: cell.operation, keys: Keys::Random(KEYS), depth: cell.depth, time: plan.warm_up };
    driver.run(&load)?;
    let before = server.process.cpu()?;
    let measured = driver.run(&Load { time: plan.time, ..load })?;
    Ok((measured, server.process.cpu()? - before))
}
