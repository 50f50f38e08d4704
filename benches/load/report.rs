//! Findings as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::expiry::{Expiry, Window};
use super::memory::{Amounts, Footprint};
use super::micro::Step;
use super::peer::Peer;
use super::speed::{Cell, Sum};
use super::wire::Outcome;

/// Replaces the tables of one part in a file that has the two marks of it.
pub(crate) fn write_into(path: &Path, part: &str, tables: &str) -> Outcome<()> {
    let begin = format!("<!-- {part}: written by `load`, do not edit -->");
    let end = format!("<!-- end of {part} -->");
    let text = fs::read_to_string(path)?;
    let (head, rest) = text.split_once(&begin).ok_or_else(|| format!("the file has no mark `{begin}`"))?;
    let (_, tail) = rest.split_once(&end).ok_or_else(|| format!("the file has no mark `{end}`"))?;
    fs::write(path, format!("{head}{begin}\n{tables}\n{end}{tail}"))?;
    Ok(())
}

/// Operations per second, server time and latencies; one table without pipelining, one with.
pub(crate) fn speed(sums: &BTreeMap<Cell, Sum>) -> String {
    let mut text = String::new();
    let mut depth = 0;
    for (cell, sum) in sums {
        if cell.depth != depth {
            depth = cell.depth;
            let _ = write!(text, "\n### {}\n\n{SPEED_HEAD}", depth_title(depth));
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {}{} | {} | {} | {} |",
            cell.operation.name(),
            cell.connections,
            cell.peer.name(),
            thousands(sum.rate()),
            two_digits(sum.cpu_micros()),
            ratios(sums, cell, sum),
            micros(sum.latency.quantile(0.5)),
            micros(sum.latency.quantile(0.99)),
            micros(sum.latency.quantile(0.999)),
        );
    }
    text
}

const SPEED_HEAD: &str = "\
| operation | connections | server | operations/s | server CPU µs/operation | p50 µs | p99 µs | p99.9 µs |
|---|--:|---|--:|--:|--:|--:|--:|
";

fn depth_title(depth: usize) -> String {
    match depth {
        1 => "One request at a time on each connection (as Java clients work)".to_owned(),
        _ => format!("{depth} requests under way on each connection"),
    }
}

/// Our server time as a share of the others' in the same cell.
fn ratios(sums: &BTreeMap<Cell, Sum>, cell: &Cell, sum: &Sum) -> String {
    if cell.peer != Peer::Druse {
        return String::new();
    }
    let against = |peer| {
        let other = sums.get(&Cell { peer, ..*cell })?;
        Some(format!("{:.2} × {}", sum.cpu_micros() / other.cpu_micros(), Peer::name(peer)))
    };
    let ratios: Vec<String> = [Peer::Geode, Peer::Redis].into_iter().filter_map(against).collect();
    if ratios.is_empty() { String::new() } else { format!(" ({})", ratios.join(", ")) }
}

/// Start-up and memory.
pub(crate) fn memory(footprints: &[Footprint], amounts: &Amounts) -> String {
    let mut text = format!(
        "\n### Start-up and memory\n\n\
         | server | start to first login | resident idle | resident with {} entries | bytes per entry | \
         bytes per idle connection | with its own login |\n|---|--:|--:|--:|--:|--:|--:|\n",
        thousands(amounts.entries as f64)
    );
    for found in footprints {
        let per_entry = (found.full as f64 - found.idle as f64) / amounts.entries as f64;
        let _ = writeln!(
            text,
            "| {} | {} ms | {} MB | {} MB | {:.0} | {} | {} |",
            found.peer.name(),
            two_digits(found.start.as_secs_f64() * 1e3),
            two_digits(found.idle as f64 / 1e6),
            two_digits(found.full as f64 / 1e6),
            per_entry,
            thousands(found.per_connection),
            if found.peer == Peer::Redis { "–".to_owned() } else { thousands(found.per_login) },
        );
    }
    text
}

/// The second in which everybody expires.
pub(crate) fn expiry(found: &[Expiry]) -> String {
    let mut text = String::new();
    for expiry in found {
        let _ = write!(
            text,
            "\n### {}: {} users whose logins end at the same instant\n\n{EXPIRY_HEAD}",
            expiry.peer.name(),
            thousands(expiry.users as f64)
        );
        let rows = [
            ("the second before: users idle", &expiry.quiet),
            ("the second in which the logins end", &expiry.end),
            ("all are refused, log in again, and read", &expiry.herd),
        ];
        for (name, window) in rows {
            let _ = writeln!(text, "| {name} | {} |", window_cells(expiry, window));
        }
        let _ = writeln!(
            text,
            "\nOne re-authentication (refused read, login, repeated read): {} µs of server CPU; all of them took {} ms.",
            micros(expiry.cpu_per_user()),
            expiry.herd.elapsed.as_millis(),
        );
    }
    text
}

const EXPIRY_HEAD: &str = "\
| | seconds | server CPU ms beyond the bystander's | bystander p50 µs | p99 µs | p99.9 µs | longest µs |
|---|--:|--:|--:|--:|--:|--:|
";

fn window_cells(expiry: &Expiry, window: &Window) -> String {
    format!(
        "{:.2} | {} | {} | {} | {} | {}",
        window.elapsed.as_secs_f64(),
        expiry.above_quiet(window).as_millis(),
        micros(window.bystander.quantile(0.5)),
        micros(window.bystander.quantile(0.99)),
        micros(window.bystander.quantile(0.999)),
        micros(window.bystander.longest()),
    )
}

/// The small steps.
pub(crate) fn micro(steps: &[Step]) -> String {
    let mut text = "\n### Steps of an operation, on one thread\n\n| step | ns |\n|---|--:|\n".to_owned();
    for step in steps {
        let _ = writeln!(text, "| {} | {} |", step.name, two_digits(step.nanos));
    }
    text
}

/// The machine that all this holds for.
pub(crate) fn machine() -> String {
    let first = |path: &str, field: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(field))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = first("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(1).collect();
    format!("{cores} × {model}, Linux {}; load average at the start {}", kernel.trim(), load.join(" "))
}

/// Microseconds.
pub(crate) fn micros(time: Duration) -> String {
    two_digits(time.as_secs_f64() * 1e6)
}

/// Small numbers with a decimal, large ones without.
pub(crate) fn two_digits(number: f64) -> String {
    match number.abs() {
        size if size < 10.0 => format!("{number:.2}"),
        size if size < 100.0 => format!("{number:.1}"),
        _ => thousands(number),
    }
}

/// A whole number with thin spaces between groups of three digits.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = if number <= -0.5 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
