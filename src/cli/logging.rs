//! Logs on standard error: `RUST_LOG` chooses, `--log-json` is for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging; `default` is the filter if `RUST_LOG` does not say otherwise.
pub(crate) fn start(default: &str, json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let outcome = if json {
        builder.json().try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    // A second start in one process (tests) keeps the first one's settings.
    drop(outcome);
}
