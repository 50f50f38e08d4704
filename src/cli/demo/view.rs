//! The live view: a table that is drawn over itself on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use druse_client::{Clock, SystemClock};
use druse_server::metrics::Metrics;

use super::RunTime;
use super::follower::FeedTally;
use super::workload::Workload;

const REDRAW: Duration = Duration::from_millis(250);
const LINE: Duration = Duration::from_secs(2);

/// Why the demonstration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    TimeUp,
    Interrupted,
}

/// Shows what happens until the time is up or somebody interrupts.
pub(super) async fn watch(workload: &Workload, metrics: &Metrics, run_time: RunTime) -> Stopped {
    let live = std::io::stdout().is_terminal();
    let mut screen = Screen { live, lines: 0, operations: 0, at: Instant::now() };
    let mut ticks = tokio::time::interval(if live { REDRAW } else { LINE });
    ticks.tick().await;
    let time_up = async {
        match run_time {
            RunTime::For(duration) => tokio::time::sleep(duration).await,
            RunTime::Ever => std::future::pending().await,
        }
    };
    tokio::pin!(time_up);
    let stopped = loop {
        tokio::select! {
            biased;
            () = &mut time_up => break Stopped::TimeUp,
            _ = tokio::signal::ctrl_c() => break Stopped::Interrupted,
            _ = ticks.tick() => screen.show(workload, metrics),
        }
    };
    screen.show(workload, metrics);
    stopped
}

struct Screen {
    live: bool,
    lines: usize,
    operations: u64,
    at: Instant,
}

impl Screen {
    fn show(&mut self, workload: &Workload, metrics: &Metrics) {
        let total: u64 = workload.users.iter().map(|user| user.operations.load(Ordering::Relaxed)).sum();
        let failed: u64 = workload.users.iter().map(|user| user.failures.load(Ordering::Relaxed)).sum();
        let rate = (total - self.operations) as f64 / self.at.elapsed().as_secs_f64().max(1e-3);
        (self.operations, self.at) = (total, Instant::now());
        let text = if self.live {
            self.table(workload, metrics, total, failed, rate)
        } else {
            format!(
                "{:>5.0} s  operations {total} ({rate:.0}/s)  failed {failed}  events {} (wrong {})  logins {}  \
                 expiries {}  re-authentications {}  provider calls {}  p50 {}  p99 {}\n",
                workload.started.elapsed().as_secs_f64(),
                sum(workload, |feed| &feed.events),
                sum(workload, |feed| &feed.wrong),
                metrics.logins.total(),
                metrics.expiries.get(),
                metrics.reauthentications.get(),
                workload.users.iter().map(|user| user.provider_calls.load(Ordering::Relaxed)).sum::<u64>(),
                micros(workload.latencies.quantile(0.5)),
                micros(workload.latencies.quantile(0.99)),
            )
        };
        // A closed pipe must not stop the workload; the summary will meet it again.
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes());
        let _ = stdout.flush();
    }

    fn table(
        &mut self,
        workload: &Workload,
        metrics: &Metrics,
        total: u64,
        failed: u64,
        rate: f64,
    ) -> String {
        let mut rows = vec![
            format!("druse demo   {:.0} s", workload.started.elapsed().as_secs_f64()),
            String::new(),
            format!("  {total:>9} operations  {rate:>7.0}/s   {failed} failed"),
            format!(
                "  {:>9} events      {} missing or wrong, feeds held for a login {} times",
                sum(workload, |feed| &feed.events),
                sum(workload, |feed| &feed.wrong),
                sum(workload, |feed| &feed.held),
            ),
            format!(
                "  latency p50 < {}  p99 < {}  p99.9 < {}",
                micros(workload.latencies.quantile(0.5)),
                micros(workload.latencies.quantile(0.99)),
                micros(workload.latencies.quantile(0.999))
            ),
            format!(
                "  logins {}  expiries {}  re-authentications {}  logouts {}  live logins {}",
                metrics.logins.total(),
                metrics.expiries.get(),
                metrics.reauthentications.get(),
                metrics.logouts.get(),
                metrics.logins_live.get()
            ),
            String::new(),
            "  user      token life  renewed      ends in                operations  failed  provider"
                .to_owned(),
        ];
        let now = SystemClock.now();
        for user in workload.users.iter().take(20) {
            let left = user.token_ends_in(now).unwrap_or_default();
            let share = (left.as_secs_f64() / user.token_life.as_secs_f64()).clamp(0.0, 1.0);
            let bar = "#".repeat((share * 14.0).round() as usize);
            rows.push(format!(
                "  {:<9} {:>9.1}s  {:<11}  {:>5.2}s {bar:<14} {:>10}  {:>6}  {:>8}",
                user.name,
                user.token_life.as_secs_f64(),
                if user.tells_life { "ahead" } else { "at expiry" },
                left.as_secs_f64(),
                user.operations.load(Ordering::Relaxed),
                user.failures.load(Ordering::Relaxed),
                user.provider_calls.load(Ordering::Relaxed),
            ));
        }
        // Back to where the table began, then each line over the old one.
        let mut text = if self.lines == 0 { String::new() } else { format!("\x1b[{}A", self.lines) };
        for row in &rows {
            text.push_str(row);
            text.push_str("\x1b[K\n");
        }
        self.lines = rows.len();
        text
    }
}

/// What all users have seen on their feeds.
fn sum(workload: &Workload, count: impl Fn(&FeedTally) -> &AtomicU64) -> u64 {
    workload.users.iter().map(|user| count(&user.feed).load(Ordering::Relaxed)).sum()
}

/// A latency in the unit that suits it.
pub(super) fn micros(latency: Duration) -> String {
    match latency.as_micros() {
        micros @ 0..1000 => format!("{micros} us"),
        micros => format!("{:.1} ms", micros as f64 / 1e3),
    }
}
