//! What was found of feeds, as Markdown.

use std::fmt::Write as _;

use super::cut::Cut;
use super::delivery::{Delivery, Found};
use super::queries::Queries;
use super::revoked::Revoked;
use super::waiting::Waiting;
use crate::peer::Peer;
use crate::report::{micros, thousands, two_digits};

/// Events per second, server time and latencies.
pub(super) fn delivery(lines: &[Delivery]) -> String {
    let mut text = format!("\n### Feeds: one writer, all keys for everybody\n\n{DELIVERY_HEAD}");
    for line in lines {
        let pace = line.offered.map_or_else(|| "as fast as answered".to_owned(), thousands);
        let cells = match &line.found {
            Ok(found) => delivery_cells(found, geode_cpu(lines, line)),
            Err(error) => format!("{error} | | | | | |"),
        };
        let _ = writeln!(text, "| {} | {pace} | {} | {cells}", line.feeds, line.peer.name());
    }
    text
}

const DELIVERY_HEAD: &str = "\
| feeds | puts/s offered | server | puts/s | events/s | server CPU µs/event | p50 µs | p99 µs | p99.9 µs |
|--:|---|---|--:|--:|--:|--:|--:|--:|
";

fn delivery_cells(found: &Found, geode: Option<f64>) -> String {
    let cpu = found.cpu_per_event.as_secs_f64() * 1e6;
    let ratio = geode.map_or_else(String::new, |geode| format!(" ({:.3} × Geode)", cpu / geode));
    let latencies = [0.5, 0.99, 0.999].map(|share| match found.events_per_second {
        0.0 => "–".to_owned(),
        _ => micros(found.latency.quantile(share)),
    });
    format!(
        "{} | {} | {}{ratio} | {} |",
        two_digits(found.puts_per_second),
        thousands(found.events_per_second),
        two_digits(cpu),
        latencies.join(" | "),
    )
}

/// Geode's server time in the same line, for lines of ours.
fn geode_cpu(lines: &[Delivery], ours: &Delivery) -> Option<f64> {
    let same = |line: &&Delivery| {
        line.peer == Peer::Geode && line.feeds == ours.feeds && line.offered == ours.offered
    };
    let theirs = lines.iter().find(same).filter(|_| ours.peer == Peer::Druse)?;
    Some(theirs.found.as_ref().ok()?.cpu_per_event.as_secs_f64() * 1e6)
}

/// Memory.
pub(super) fn waiting(found: &[Waiting]) -> String {
    let mut text = String::new();
    for (index, found) in found.iter().enumerate() {
        if index == 0 {
            let events = thousands(found.events as f64);
            let _ = write!(
                text,
                "\n### Memory of feeds\n\n\
                 | server | bytes per idle feed | {events} events that one feed does not read | each further feed adds | \
                 per event |\n|---|--:|--:|--:|--:|\n"
            );
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} MB | {} kB | {} |",
            found.peer.name(),
            thousands(found.idle),
            two_digits(found.first / 1e6),
            two_digits(found.further / 1e3),
            two_digits(found.further / found.events as f64),
        );
    }
    text
}

/// Continuous queries.
pub(super) fn queries(found: &[Queries]) -> String {
    let mut text = String::new();
    for (index, found) in found.iter().enumerate() {
        if index == 0 {
            let count = thousands(found.queries as f64);
            let _ = write!(
                text,
                "\n### {count} continuous queries of one client, each with a range of its own\n\n{QUERIES_HEAD}"
            );
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            found.peer.name(),
            thousands(found.puts_per_second),
            micros(found.cpu_per_put),
            micros(found.latency.quantile(0.5)),
            micros(found.latency.quantile(0.99)),
            micros(found.latency.quantile(0.999)),
        );
    }
    text
}

const QUERIES_HEAD: &str = "\
| server | puts/s | server CPU µs/put | p50 µs | p99 µs | p99.9 µs |
|---|--:|--:|--:|--:|--:|
";

/// The ends of logins.
pub(super) fn cut(found: &Cut) -> String {
    format!(
        "\n### Druse: {} feeds whose logins end, {} puts a second\n\n\
         | last event behind the end of its login | µs |\n|---|--:|\n\
         | p50 | {} |\n| p99 | {} |\n| the latest | {} |\n\n\
         {} events of all came after the end of their login.\n",
        thousands(found.feeds as f64),
        thousands(found.puts_per_second),
        micros(found.last_event.quantile(0.5)),
        micros(found.last_event.quantile(0.99)),
        micros(found.last_event.longest()),
        thousands(found.late as f64),
    )
}

/// Users who are cut off.
pub(super) fn revoked(found: &Revoked) -> String {
    let line = |share: f64| {
        let cells = [&found.last_event, &found.end].map(|it| micros(it.quantile(share)));
        cells.join(" | ")
    };
    format!(
        "\n### Druse: {} feeds whose users are cut off, {} puts a second\n\n\
         | behind the revocation | last event, µs | end of the feed, µs |\n|---|--:|--:|\n\
         | p50 | {} |\n| p99 | {} |\n| the latest | {} | {} |\n",
        thousands(found.feeds as f64),
        thousands(found.puts_per_second),
        line(0.5),
        line(0.99),
        micros(found.last_event.longest()),
        micros(found.end.longest()),
    )
}
