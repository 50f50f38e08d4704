//! The load driver: starts servers, loads them side by side, and writes what it found as Markdown.
//!
//! `cargo bench --bench load -- --help` lists its flags; benches/README.md says what the numbers mean.
//!
//! | file | job |
//! |---|---|
//! | `wire`, `grid`, `resp` | protocols: requests out, replies in, every reply checked |
//! | `driver` | one thread, many connections, a closed loop |
//! | `process`, `peer` | the servers: how to start, place, pause and look at them |
//! | `revoker` | a node that cuts off whom it is told to |
//! | `speed`, `memory`, `expiry`, `feeds`, `micro` | what is measured |
//! | `histogram`, `report` | latencies; tables |

mod driver;
mod expiry;
mod feeds;
mod grid;
mod histogram;
mod memory;
mod micro;
mod peer;
mod process;
mod report;
mod resp;
mod revoker;
mod speed;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use memory::Amounts;
use peer::{Bench, Peer};
use process::Placement;
use speed::Plan;
use wire::Outcome;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Server {
    Druse,
    Geode,
    Redis,
}

impl From<Server> for Peer {
    fn from(server: Server) -> Self {
        match server {
            Server::Druse => Self::Druse,
            Server::Geode => Self::Geode,
            Server::Redis => Self::Redis,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Operations per second, server time, latencies
    Speed,
    /// Start-up and resident memory
    Memory,
    /// Many logins that end at once
    Expiry,
    /// Many clients that are told of each change
    Feeds,
    /// The small steps of an operation, in this process
    Micro,
}

impl Part {
    const ALL: [Self; 5] = [Self::Speed, Self::Memory, Self::Expiry, Self::Feeds, Self::Micro];

    /// As it stands in the marks around its tables.
    const fn name(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Memory => "memory",
            Self::Expiry => "expiry",
            Self::Feeds => "feeds",
            Self::Micro => "micro",
        }
    }
}

/// Loads Druse, a real Geode and Redis side by side and writes tables
#[derive(Debug, Parser)]
struct Flags {
    /// Servers to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "druse,geode,redis")]
    servers: Vec<Server>,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "speed,memory,expiry,feeds,micro")]
    parts: Vec<Part>,
    /// Rounds of the speed part; servers take turns within each
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds for each measurement of a round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Only these lines of the speed part, such as `get:64:32` (operation, connections, depth): for profiling
    #[arg(long = "only", value_name = "LINE")]
    only: Vec<String>,
    /// Entries of the memory part
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Idle connections of the memory part
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Starts of which the memory part takes the median
    #[arg(long, default_value_t = 7)]
    starts: usize,
    /// Users of the expiry part
    #[arg(long, default_value_t = 10_000)]
    users: usize,
    /// Seconds that the expiry part has for their first logins
    #[arg(long, default_value_t = 40.0)]
    life: f64,
    /// Numbers of feeds of the feeds part, rising; 0 shows what a put costs without any
    #[arg(long, value_delimiter = ',', default_value = "0,1,100,1000")]
    feeds: Vec<usize>,
    /// Seconds for each measurement of the feeds part
    #[arg(long, default_value_t = 3.0)]
    feed_seconds: f64,
    /// Events per second, of all feeds together, that the writer's fixed rate makes (at most 2000 puts/s)
    #[arg(long, default_value_t = 10_000.0)]
    feed_events: f64,
    /// Idle feeds whose memory is looked at
    #[arg(long, default_value_t = 500)]
    idle_feeds: usize,
    /// Events that wait for feeds which do not read
    #[arg(long, default_value_t = 10_000)]
    waiting: u64,
    /// Continuous queries of the feeds part
    #[arg(long, default_value_t = 1_000)]
    queries: usize,
    /// Feeds of our node whose logins end while events come
    #[arg(long, default_value_t = 200)]
    cut_feeds: usize,
    /// Feeds of our node whose users are cut off while events come
    #[arg(long, default_value_t = 200)]
    revoked_feeds: usize,
    /// Seconds that Geode's JVM runs with one feed before the first measurement of feeds
    #[arg(long, default_value_t = 15.0)]
    geode_feed_warm_up: f64,
    /// Processor for the servers
    #[arg(long)]
    server_cpu: Option<usize>,
    /// Processor for this driver
    #[arg(long)]
    driver_cpu: Option<usize>,
    /// Niceness for servers and driver
    #[arg(long, allow_negative_numbers = true)]
    nice: Option<i32>,
    /// The node
    #[arg(long, default_value = env!("CARGO_BIN_EXE_druse"))]
    druse: PathBuf,
    /// The script that starts a real Geode
    #[arg(long, default_value = "tests/interop/serve-geode")]
    geode: PathBuf,
    /// Options for Geode's JVM
    #[arg(long, default_value = "-Xmx2g -XX:-UseSerialGC -XX:+UseG1GC", allow_hyphen_values = true)]
    geode_java_opts: String,
    /// Seconds that Geode's JVM runs under load before the first round, to compile what is hot
    #[arg(long, default_value_t = 30.0)]
    geode_warm_up: f64,
    /// Redis
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
    /// File whose tables are replaced; they go to standard output without it
    #[arg(long)]
    readme: Option<PathBuf>,
    /// Our node alone and everything small: a few seconds that show that the driver works
    #[arg(long)]
    smoke: bool,
    /// Be a node at this port that cuts off whom standard input names
    #[arg(long, hide = true)]
    revoker: Option<u16>,
}

fn main() -> ExitCode {
    // `cargo bench` adds a flag of its own.
    let flags = Flags::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    let flags = if flags.smoke { small(flags) } else { flags };
    let outcome = match flags.revoker {
        Some(port) => revoker::run(port),
        None => run(&flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn small(flags: Flags) -> Flags {
    let (rounds, starts, seconds, life) = (1, 1, 0.05, 2.5);
    let (entries, connections, users) = (2_000, 50, 50);
    let (feeds, feed_seconds, feed_events, idle_feeds) = (vec![0, 1, 20], 0.2, 1_000.0, 10);
    let (waiting, queries, cut_feeds, revoked_feeds) = (1_000, 50, 10, 10);
    Flags {
        servers: vec![Server::Druse],
        rounds,
        starts,
        seconds,
        life,
        entries,
        connections,
        users,
        feeds,
        feed_seconds,
        feed_events,
        idle_feeds,
        waiting,
        queries,
        cut_feeds,
        revoked_feeds,
        ..flags
    }
}

fn run(flags: &Flags) -> Outcome<()> {
    // Before this driver is moved to one processor.
    let machine = report::machine();
    let place = Placement { server: flags.server_cpu, nice: flags.nice };
    process::place_driver(flags.driver_cpu, flags.nice);
    let directory = std::env::temp_dir().join(format!("druse-load-{}", std::process::id()));
    let programs = (flags.druse.clone(), flags.geode.clone(), flags.redis.clone());
    let bench = Bench::new(programs, flags.geode_java_opts.clone(), place, &directory)?;
    let parts = Part::ALL.into_iter().filter(|part| flags.parts.contains(part));
    let outcome = parts.into_iter().try_for_each(|part| {
        let tables = format!("\nMeasured on {machine}.\n{}", measure(part, flags, &bench)?);
        match &flags.readme {
            Some(path) => report::write_into(path, part.name(), &tables),
            None => {
                println!("{tables}");
                Ok(())
            }
        }
    });
    // The directory holds a public key and nothing else; a leftover harms nobody.
    let _ = std::fs::remove_dir_all(&directory);
    outcome
}

/// The tables of a part.
fn measure(part: Part, flags: &Flags, bench: &Bench) -> Outcome<String> {
    let peers: Vec<Peer> = flags.servers.iter().map(|&server| Peer::from(server)).collect();
    match part {
        Part::Speed => speed(flags, bench, &peers),
        Part::Memory => memory(flags, bench, &peers),
        Part::Expiry => expiry(flags, bench, &peers),
        Part::Feeds => feeds::measure(bench, &peers, &feed_plan(flags)),
        Part::Micro => Ok(report::micro(&micro::measure(bench, flags.smoke)?)),
    }
}

fn memory(flags: &Flags, bench: &Bench, peers: &[Peer]) -> Outcome<String> {
    let amounts = Amounts { starts: flags.starts, connections: flags.connections, entries: flags.entries };
    let mut found = Vec::new();
    for &peer in peers {
        eprintln!("memory of {}", peer.name());
        found.push(memory::measure(bench, peer, &amounts)?);
    }
    Ok(report::memory(&found, &amounts))
}

fn expiry(flags: &Flags, bench: &Bench, peers: &[Peer]) -> Outcome<String> {
    let mut found = Vec::new();
    // Redis knows no logins that end.
    for &peer in peers.iter().filter(|&&peer| peer != Peer::Redis) {
        eprintln!("expiry on {}", peer.name());
        found.push(expiry::measure(bench, peer, flags.users, Duration::from_secs_f64(flags.life))?);
    }
    Ok(report::expiry(&found))
}

fn feed_plan(flags: &Flags) -> feeds::Plan {
    feeds::Plan {
        feeds: flags.feeds.clone(),
        time: Duration::from_secs_f64(flags.feed_seconds),
        geode_warm_up: Duration::from_secs_f64(flags.geode_feed_warm_up),
        events_per_second: flags.feed_events,
        idle_feeds: flags.idle_feeds,
        waiting: flags.waiting,
        queries: flags.queries,
        cut_feeds: flags.cut_feeds,
        revoked_feeds: flags.revoked_feeds,
    }
}

fn speed(flags: &Flags, bench: &Bench, peers: &[Peer]) -> Outcome<String> {
    let time = Duration::from_secs_f64(flags.seconds);
    let plan = Plan {
        rounds: flags.rounds,
        warm_up: time / 5,
        time,
        geode_warm_up: Duration::from_secs_f64(flags.geode_warm_up),
    };
    let mut servers = Vec::new();
    for &peer in peers {
        eprintln!("starting {}", peer.name());
        let server = bench.start(peer)?;
        speed::prepare(bench, &server, &plan)?;
        servers.push(server);
    }
    Ok(report::speed(&speed::measure(bench, &servers, &plan, &flags.only)?))
}
