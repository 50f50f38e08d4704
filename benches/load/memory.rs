//! Start-up, resident memory, and what idle connections and entries add to it.

use std::net::TcpStream;
use std::time::Duration;

use super::driver::{Driver, Keys, Load};
use super::grid::{GridClient, GridConnection};
use super::peer::{Bench, Peer, Running};
use super::speed::PIPELINE;
use super::wire::{Operation, Outcome};

/// How long a server may settle before its memory is looked at.
const SETTLE: Duration = Duration::from_millis(500);

/// What was found for a server.
#[derive(Debug, Clone)]
pub(crate) struct Footprint {
    pub(crate) peer: Peer,
    /// Median of the times from start to first login.
    pub(crate) start: Duration,
    /// Resident bytes after the first login.
    pub(crate) idle: u64,
    /// Resident bytes with all entries.
    pub(crate) full: u64,
    /// Resident bytes for each connection that has shaken hands.
    pub(crate) per_connection: f64,
    /// The same with a user of its own logged in on each.
    pub(crate) per_login: f64,
}

/// How much to put into a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amounts {
    pub(crate) starts: usize,
    pub(crate) connections: usize,
    pub(crate) entries: u64,
}

/// Measures one kind of server, with fresh processes.
pub(crate) fn measure(bench: &Bench, peer: Peer, amounts: &Amounts) -> Outcome<Footprint> {
    let mut starts = Vec::new();
    for _ in 1..amounts.starts {
        starts.push(bench.start(peer)?.start_time);
    }
    let server = bench.start(peer)?;
    starts.push(server.start_time);
    starts.sort();
    std::thread::sleep(SETTLE);
    let idle = server.process.resident()?;
    let (per_connection, per_login) = connections(bench, &server, amounts.connections)?;
    drop(server);
    let full = entries(bench, &bench.start(peer)?, amounts.entries)?;
    let start = starts[starts.len() / 2];
    Ok(Footprint { peer, start, idle, full, per_connection, per_login })
}

/// Resident bytes that each of so many idle connections adds: after the handshake, and with its own login.
fn connections(bench: &Bench, server: &Running, count: usize) -> Outcome<(f64, f64)> {
    let before = server.process.resident()?;
    let each = |now: u64| (now as f64 - before as f64) / count as f64;
    if server.peer == Peer::Redis {
        let mut client = bench.client(server.peer, server.address)?;
        let streams: Outcome<Vec<TcpStream>> =
            (0..count).map(|_| client.connect().map(|(stream, _)| stream)).collect();
        let _open = streams?;
        std::thread::sleep(SETTLE);
        // Redis has no handshake but AUTH, and no users of its own here.
        let added = each(server.process.resident()?);
        return Ok((added, added));
    }
    let life = Duration::from_secs(3600);
    let token = bench.token("idle", life)?;
    let mut open: Vec<GridConnection> = Vec::new();
    for _ in 0..count {
        open.push(GridClient::new(server.address, &*token)?.open()?);
    }
    std::thread::sleep(SETTLE);
    let shaken = each(server.process.resident()?);
    for (index, connection) in open.iter_mut().enumerate() {
        connection.login(&bench.token(&format!("idle-{index}"), life)?)?;
    }
    std::thread::sleep(SETTLE);
    Ok((shaken, each(server.process.resident()?)))
}

/// Resident bytes of a server that holds so many entries.
fn entries(bench: &Bench, server: &Running, count: u64) -> Outcome<u64> {
    let mut client = bench.client(server.peer, server.address)?;
    let mut driver = Driver::connect(&mut *client, 16)?;
    let depth = if server.peer.is_pipelined() { PIPELINE } else { 1 };
    let time = Duration::from_secs(3600);
    let filled = driver.run(&Load { operation: Operation::Put, keys: Keys::Each(count), depth, time })?;
    if filled.operations != count {
        return Err(format!("{} of {count} entries were stored", filled.operations).into());
    }
    std::thread::sleep(SETTLE);
    server.process.resident()
}
