//! `druse demo`: a node and a workload of several users whose tokens live seconds, in one process.
//!
//! Half of the users' providers say how long a token lives, so that the client renews before anybody notices; the other
//! half keep it to themselves, so that operations meet the expiry and renew because of it. Nothing may fail either way.
//! Each user follows what the next one writes: not an event may be missing or come twice, however often the login behind
//! the feed runs out.

mod follower;
mod summary;
mod view;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use druse_identity::key_set::{Fetch, FetchError, Fetched, KeySetCache, Policy};
use druse_identity::mint::Mint;
use druse_identity::token::{TokenConfig, TokenSecurityManager};
use druse_protocol::auth::BoxFuture;
use druse_protocol::time::{Clock, SystemClock};
use druse_server::Node;
use tokio::runtime::Builder;

use super::Failure;
use workload::Workload;

const ISSUER: &str = "https://demo.invalid";
const AUDIENCE: &str = "demo";
const REGION: &str = "orders";

/// How long the demonstration runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunTime {
    For(Duration),
    Ever,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Each of the users has a client with several connections and tasks. The summary shows for every \
    user how many tokens the provider was asked for and how many were really needed: the two must be equal.\n\
    Each user also follows, through a feed, what the next one writes; not an event may be missing or come twice.\n\
    Exit status 1 if any operation failed or an event was missing or wrong."
)]
pub(crate) struct DemoArgs {
    /// How long to run: 30s, 2m, 1h, or `ever` until interrupted
    #[arg(long = "for", default_value = "30s", value_parser = parse_run_time, value_name = "TIME")]
    run_time: RunTime,
    /// How many users
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=200), value_name = "N")]
    users: u16,
    /// How many tasks each user runs
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=200), value_name = "N")]
    tasks: u16,
    /// Operations a second of each task
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    rate: u32,
    /// Life of the shortest-lived tokens; other users' are up to three times as long
    #[arg(long, default_value = "2s", value_parser = parse_duration, value_name = "TIME")]
    token_life: Duration,
    /// Log what the node does as well (`RUST_LOG` chooses)
    #[arg(long)]
    verbose: bool,
}

pub(crate) fn run(args: DemoArgs) -> Result<(), Failure> {
    super::logging::start(if args.verbose { "info" } else { "error" }, false);
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unreachable("the runtime cannot be started").because(&error))?;
    runtime.block_on(demonstrate(&args))
}

async fn demonstrate(args: &DemoArgs) -> Result<(), Failure> {
    let mint = Mint::generate(ISSUER, AUDIENCE)
        .map_err(|error| Failure::unreachable("no signing key can be made").because(&error))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keys = KeySetCache::new(InMemory(mint.key_set()), Policy::file(), Arc::clone(&clock));
    let security = TokenSecurityManager::new(TokenConfig::new(ISSUER, AUDIENCE), keys, clock);
    let node = Node::builder()
        .bind(std::net::Ipv4Addr::LOCALHOST.into())
        .port(0)
        .region(REGION)
        .security(Arc::new(security))
        .start()
        .await
        .map_err(|error| Failure::unreachable("the node cannot be started").because(&error))?;
    let workload = Workload::start(args, Arc::new(mint), node.port()).await?;
    let stopped = view::watch(&workload, node.metrics(), args.run_time).await;
    let outcome = workload.stop().await;
    summary::print(&outcome, node.metrics(), stopped);
    node.shutdown().await;
    if outcome.failed() > 0 {
        let (failed, first) = (outcome.failed(), outcome.first_failure());
        return Err(Failure::work(format!("{failed} operations failed; the first: {first}")));
    }
    match outcome.wrong_events() {
        0 => Ok(()),
        wrong => {
            let first = outcome.first_wrong_event();
            Err(Failure::work(format!("{wrong} events were missing or wrong; the first: {first}")))
        }
    }
}

/// The key set of the demonstration's own issuer.
struct InMemory(String);

impl Fetch for InMemory {
    fn fetch(&self, _: bool) -> BoxFuture<'_, Result<Option<Fetched>, FetchError>> {
        let fetched = Fetched { document: self.0.clone().into_bytes(), life: None };
        Box::pin(std::future::ready(Ok(Some(fetched))))
    }

    fn source(&self) -> &str {
        "the demonstration"
    }
}

fn parse_run_time(text: &str) -> Result<RunTime, String> {
    if text == "ever" { Ok(RunTime::Ever) } else { parse_duration(text).map(RunTime::For) }
}

/// Reads `30s`, `2m`, `1h`, `500ms`, or a bare number of seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write 500ms, 30s, 2m or 1h");
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() && seconds <= 366.0 * 86_400.0 => Ok(duration),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_run_time("ever"), Ok(RunTime::Ever));
        for wrong in ["", "s", "-1s", "0", "1y", "1e999", "forever"] {
            assert!(parse_run_time(wrong).is_err(), "{wrong}");
        }
    }
}
