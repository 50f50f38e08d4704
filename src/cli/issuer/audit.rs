//! `druse issuer audit`.

use std::io::Write as _;

use clap::Args;

use super::data::{DataArgs, refused};
use crate::cli::Failure;

#[derive(Debug, Args)]
#[command(
    after_help = "Each line: position, time in seconds since 1970, what it happened to, what happened, by whom, and the \
                        rest as JSON.\nSecrets are not in the log."
)]
pub(crate) struct AuditArgs {
    /// Only what came after this position
    #[arg(long, default_value_t = 0, value_name = "N")]
    after: i64,
    /// Only of this stream, such as account/ann or session/ID
    #[arg(long, value_name = "STREAM")]
    of: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

pub(super) fn run(args: &AuditArgs) -> Result<(), Failure> {
    args.data.with_issuer(async |_, store| {
        let mut after = args.after;
        loop {
            let page = store.events_after(after).await.map_err(|error| refused(&error))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.position;
            for event in page.iter().filter(|event| args.of.as_ref().is_none_or(|of| *of == event.stream)) {
                let written = writeln!(
                    std::io::stdout(),
                    "{}\t{}\t{}\t{}\t{}\t{}",
                    event.position,
                    event.at,
                    event.stream,
                    event.kind,
                    event.actor,
                    event.body
                );
                // Whoever reads has seen enough.
                if written.is_err() {
                    return Ok(());
                }
            }
        }
    })
}
