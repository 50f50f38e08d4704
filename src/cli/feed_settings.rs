//! How feeds are treated, from flags and the configuration file.

use std::time::Duration;

use clap::Args;
use druse_server::FeedPolicies;
use serde::Deserialize;

use super::Failure;

/// The flags; the file can say more.
#[derive(Debug, Default, Args)]
pub(crate) struct FeedArgs {
    /// How long a feed waits for its client's next login, holding events back, before it is ended [default: 60]
    #[arg(long, env = "DRUSE_REAUTHENTICATE_WAIT", value_name = "SECONDS")]
    reauthenticate_wait: Option<f64>,
    /// How long the queue of a client that is not durable waits for it after its feed has gone [default: 60]
    #[arg(long, env = "DRUSE_FEED_GRACE", value_name = "SECONDS")]
    feed_grace: Option<f64>,
    /// Do not ask clients for a login before the end of the one they have, only at its end
    #[arg(long)]
    no_early_renewal: bool,
}

/// The section `feeds` of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct FeedsSection {
    reauthenticate_wait: Option<f64>,
    grace: Option<f64>,
    early_renewal: Option<bool>,
    old_client_wait: Option<f64>,
    ping_interval: Option<f64>,
    queue_events: Option<usize>,
    queue_bytes: Option<usize>,
    tell_queries: Option<bool>,
}

impl FeedArgs {
    /// Flags and environment over the file.
    pub(crate) fn policies(&self, file: &FeedsSection) -> Result<FeedPolicies, Failure> {
        let defaults = FeedPolicies::default();
        let wait = self.reauthenticate_wait.or(file.reauthenticate_wait);
        Ok(FeedPolicies {
            reauthenticate_wait: time("reauthenticate-wait", wait, defaults.reauthenticate_wait)?,
            grace: time("feed grace", self.feed_grace.or(file.grace), defaults.grace)?,
            old_client_wait: time("old-client-wait", file.old_client_wait, defaults.old_client_wait)?,
            renew_early: !self.no_early_renewal && file.early_renewal.unwrap_or(defaults.renew_early),
            ping_interval: ping_interval(file.ping_interval, defaults.ping_interval)?,
            queue_events: at_least_one("queue-events", file.queue_events, defaults.queue_events)?,
            queue_bytes: at_least_one("queue-bytes", file.queue_bytes, defaults.queue_bytes)?,
            tell_queries: file.tell_queries.unwrap_or(defaults.tell_queries),
            ..defaults
        })
    }
}

fn time(name: &str, seconds: Option<f64>, default: Duration) -> Result<Duration, Failure> {
    let Some(seconds) = seconds else { return Ok(default) };
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Failure::usage(format!("{name} = {seconds} is no time in seconds")))
}

/// A client believes a feed dead that is silent for longer than it was told, so the interval cannot be nothing.
fn ping_interval(seconds: Option<f64>, default: Duration) -> Result<Duration, Failure> {
    let interval = time("ping-interval", seconds, default)?;
    if interval < Duration::from_secs(1) {
        return Err(Failure::usage("ping-interval is less than a second"));
    }
    Ok(interval)
}

fn at_least_one(name: &str, number: Option<usize>, default: usize) -> Result<usize, Failure> {
    match number {
        Some(0) => Err(Failure::usage(format!("{name} = 0 would resynchronise clients without end"))),
        number => Ok(number.unwrap_or(default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_nonsense_is_named() {
        let file: FeedsSection =
            toml::from_str("reauthenticate-wait = 5\ngrace = 7\nearly-renewal = false").unwrap();
        let args = FeedArgs { reauthenticate_wait: Some(2.5), ..FeedArgs::default() };
        let policies = args.policies(&file).unwrap();
        assert_eq!(policies.reauthenticate_wait, Duration::from_millis(2500));
        assert_eq!(policies.grace, Duration::from_secs(7));
        assert!(!policies.renew_early);
        for text in ["grace = -1", "ping-interval = 0.1", "queue-events = 0"] {
            let file: FeedsSection = toml::from_str(text).unwrap();
            let name = text.split(" = ").next().unwrap();
            let error = FeedArgs::default().policies(&file).unwrap_err();
            let told = format!("{error:?}");
            assert!(told.contains(name), "{told}");
        }
    }
}
