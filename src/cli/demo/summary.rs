//! What the demonstration came to.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use druse_server::metrics::Metrics;

use super::follower::FeedTally;
use super::view::{Stopped, micros};
use super::workload::{Outcome, UserOutcome};

impl Outcome {
    pub(super) fn failed(&self) -> u64 {
        self.users.iter().map(|user| user.state.failures.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn first_failure(&self) -> String {
        let failures = self.users.iter().filter_map(|user| user.state.first_failure.lock().clone());
        failures.into_iter().next().unwrap_or_default()
    }

    /// Events that were missing, came twice or in the wrong order.
    pub(super) fn wrong_events(&self) -> u64 {
        self.unseen + self.feeds(|feed| &feed.wrong)
    }

    pub(super) fn first_wrong_event(&self) -> String {
        let wrong = self.users.iter().find_map(|user| user.state.feed.first_wrong.lock().clone());
        wrong.unwrap_or_else(|| "a write that was acknowledged was not seen".to_owned())
    }

    fn feeds(&self, count: impl Fn(&FeedTally) -> &AtomicU64) -> u64 {
        self.users.iter().map(|user| count(&user.state.feed).load(Ordering::Relaxed)).sum()
    }

    fn operations(&self) -> u64 {
        self.users.iter().map(|user| user.state.operations.load(Ordering::Relaxed)).sum()
    }
}

impl UserOutcome {
    /// Tokens whose time had come when their successor was asked for: they had run out, or, with a client that renews
    /// ahead, were in the last third of their life. A storm would ask again while a fresh token is there.
    fn expiries(&self) -> usize {
        let last_third = self.state.token_life / 3;
        let tokens = self.state.tokens.lock();
        tokens
            .windows(2)
            .filter(|pair| matches!(pair, [old, new] if new.asked_at >= old.ends_at - last_third))
            .count()
    }

    fn calls(&self) -> u64 {
        self.state.provider_calls.load(Ordering::Relaxed)
    }
}

/// Prints the summary.
pub(super) fn print(outcome: &Outcome, metrics: &Metrics, stopped: Stopped) {
    let mut text = String::new();
    let seconds = outcome.elapsed.as_secs_f64();
    let why = if stopped == Stopped::Interrupted { ", interrupted" } else { "" };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\nSummary after {seconds:.1} s{why}");
    let total = outcome.operations();
    let _ = writeln!(
        text,
        "  operations        {total} ({:.0}/s), {} failed",
        total as f64 / seconds,
        outcome.failed()
    );
    let _ = writeln!(
        text,
        "  latency           p50 < {}, p99 < {}, p99.9 < {}",
        micros(outcome.latencies.quantile(0.5)),
        micros(outcome.latencies.quantile(0.99)),
        micros(outcome.latencies.quantile(0.999)),
    );
    let _ = writeln!(
        text,
        "  events            {} ({:.0}/s), {} missing or wrong, feeds held for a login {} times",
        outcome.feeds(|feed| &feed.events),
        outcome.feeds(|feed| &feed.events) as f64 / seconds,
        outcome.wrong_events(),
        outcome.feeds(|feed| &feed.held),
    );
    let _ = writeln!(
        text,
        "  on the node       {} logins, {} expiries met, {} re-authentications, {} logouts",
        metrics.logins.total(),
        metrics.expiries.get(),
        metrics.reauthentications.get(),
        metrics.logouts.get()
    );
    let _ = writeln!(
        text,
        "\n  user      token life  renewed    operations  expiries  provider calls  per expiry"
    );
    for user in &outcome.users {
        let (expiries, calls) = (user.expiries(), user.calls());
        // The first call fetches the first token; each further one must answer one token whose time had come.
        let per_expiry = if expiries == 0 { 0.0 } else { (calls - 1) as f64 / expiries as f64 };
        let _ = writeln!(
            text,
            "  {:<9} {:>9.1}s  {:<9} {:>11}  {expiries:>8}  {calls:>9} (1+{})  {per_expiry:>10.2}",
            user.state.name,
            user.state.token_life.as_secs_f64(),
            if user.state.tells_life { "ahead" } else { "at expiry" },
            user.state.operations.load(Ordering::Relaxed),
            calls.saturating_sub(1),
        );
    }
    let wasted: u64 = outcome.users.iter().map(|user| user.calls().saturating_sub(user.generations)).sum();
    let _ = writeln!(text, "  provider calls that brought no new credential: {wasted}");
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}
