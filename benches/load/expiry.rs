//! Many users, each with a connection of its own, whose logins end at the same instant; then all of them log in again.
//! Meanwhile a bystander reads a thousand times a second and notes how long each read took from the moment it was due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::grid::{GridClient, GridConnection};
use super::histogram::Histogram;
use super::peer::{Bench, Peer, Running};
use super::wire::{Operation, Outcome, key};

/// How often the bystander reads.
const PACE: Duration = Duration::from_millis(1);
/// Threads that log users in again.
const THREADS: usize = 8;
/// The length of the windows before and around the end of the logins.
const WINDOW: Duration = Duration::from_secs(1);
/// How far the second window reaches ahead of the end.
const AHEAD: Duration = Duration::from_millis(100);

/// One stretch of the scenario.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) elapsed: Duration,
    /// Processor time of the server.
    pub(crate) cpu: Duration,
    /// What the bystander saw.
    pub(crate) bystander: Histogram,
}

/// What was found for a server.
#[derive(Debug, Clone)]
pub(crate) struct Expiry {
    pub(crate) peer: Peer,
    pub(crate) users: usize,
    /// The second before, with idle users and the bystander.
    pub(crate) quiet: Window,
    /// The second in which all logins end; nobody but the bystander asks for anything.
    pub(crate) end: Window,
    /// Everybody asks, is refused, logs in again and asks again, all at once.
    pub(crate) herd: Window,
}

impl Expiry {
    /// Server time for a refusal, a login and a repeated read.
    pub(crate) fn cpu_per_user(&self) -> Duration {
        self.above_quiet(&self.herd) / u32::try_from(self.users).unwrap_or(u32::MAX)
    }

    /// Server time in a window beyond what the bystander costs.
    pub(crate) fn above_quiet(&self, window: &Window) -> Duration {
        let share = window.elapsed.as_secs_f64() / self.quiet.elapsed.as_secs_f64();
        window.cpu.saturating_sub(self.quiet.cpu.mul_f64(share))
    }
}

/// Reads of the bystander: when each was due, and how long it took from then.
type Reads = Vec<(Instant, Duration)>;

/// Plays the scenario; `life` must leave enough time for so many first logins.
pub(crate) fn measure(bench: &Bench, peer: Peer, users: usize, life: Duration) -> Outcome<Expiry> {
    let server = bench.start(peer)?;
    let day = Duration::from_secs(24 * 3600);
    let mut bystander = log_in(&server, &bench.token("bystander", day)?)?;
    bystander.call(Operation::Put, &key(0))?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_at_pace(bystander, &stop));
        let found = play(bench, &server, users, life);
        stop.store(true, Ordering::Relaxed);
        let reads = reader.join().map_err(|_| "the bystander panicked")??;
        let [quiet, end, herd] = found?;
        let window = |stretch: Stretch| Window {
            elapsed: stretch.end - stretch.begin,
            cpu: stretch.cpu,
            bystander: latencies(&reads, &stretch),
        };
        Ok(Expiry { peer, users, quiet: window(quiet), end: window(end), herd: window(herd) })
    })
}

struct Stretch {
    begin: Instant,
    end: Instant,
    cpu: Duration,
}

fn stretch(server: &Running, work: impl FnOnce() -> Outcome<()>) -> Outcome<Stretch> {
    let (begin, before) = (Instant::now(), server.process.cpu()?);
    work()?;
    Ok(Stretch { cpu: server.process.cpu()? - before, begin, end: Instant::now() })
}

fn play(bench: &Bench, server: &Running, users: usize, life: Duration) -> Outcome<[Stretch; 3]> {
    let end = Instant::now() + life;
    let mut connections = Vec::with_capacity(users);
    for user in 0..users {
        let left = end.saturating_duration_since(Instant::now());
        if left < WINDOW + 3 * AHEAD {
            let name = server.peer.name();
            return Err(format!("{name} logged in only {user} users before they expired").into());
        }
        connections.push(log_in(server, &bench.token(&name(user), left)?)?);
    }
    let fresh: Outcome<Vec<String>> =
        (0..users).map(|user| bench.token(&name(user), Duration::from_secs(3600))).collect();
    let fresh = fresh?;
    sleep_until(end - AHEAD - WINDOW);
    let quiet = stretch(server, || {
        sleep_until(end - AHEAD);
        Ok(())
    })?;
    let ending = stretch(server, || {
        sleep_until(end - AHEAD + WINDOW);
        Ok(())
    })?;
    let herd = stretch(server, || log_in_again(&mut connections, &fresh))?;
    Ok([quiet, ending, herd])
}

fn name(user: usize) -> String {
    format!("user-{user}")
}

fn log_in(server: &Running, token: &str) -> Outcome<GridConnection> {
    let mut connection = GridClient::new(server.address, token)?.open()?;
    connection.login(token)?;
    Ok(connection)
}

/// What a client does when its login has ended, for all of them, a few at a time.
fn log_in_again(connections: &mut [GridConnection], tokens: &[String]) -> Outcome<()> {
    let share = connections.len().div_ceil(THREADS).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = connections
            .chunks_mut(share)
            .zip(tokens.chunks(share))
            .map(|(connections, tokens)| {
                scope.spawn(move || -> Outcome<()> {
                    for (connection, token) in connections.iter_mut().zip(tokens) {
                        renew(connection, token)?;
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

fn renew(connection: &mut GridConnection, token: &str) -> Outcome<()> {
    match connection.call(Operation::Get, &key(0)) {
        Err(error) if error.to_string().contains("AuthenticationExpired") => {}
        Err(error) => return Err(error),
        Ok(()) => return Err("an expired user was served".into()),
    }
    connection.login(token)?;
    connection.call(Operation::Get, &key(0))
}

fn read_at_pace(mut connection: GridConnection, stop: &AtomicBool) -> Outcome<Reads> {
    let mut reads = Vec::new();
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        connection.call(Operation::Get, &key(0))?;
        reads.push((due, due.elapsed()));
        due += PACE;
        if Instant::now() < due {
            sleep_until(due);
            // What the alarm clock is late by is not the server's doing; what the last read has cost is.
            due = Instant::now();
        }
    }
    Ok(reads)
}

fn latencies(reads: &Reads, stretch: &Stretch) -> Histogram {
    let mut histogram = Histogram::default();
    for (due, latency) in reads {
        if (stretch.begin..stretch.end).contains(due) {
            histogram.record(*latency);
        }
    }
    histogram
}

fn sleep_until(instant: Instant) {
    std::thread::sleep(instant.saturating_duration_since(Instant::now()));
}
