//! Thousands of seeds, and the mistakes that they must find.
//!
//! ```text
//!  DRUSE_SIM_SEED=86 cargo test -p druse-server --lib whatever_goes_wrong -- --nocapture     one seed, and what happens in it
//!  DRUSE_SIM_SEEDS=20000 DRUSE_SIM_FROM=5000 cargo test …                                    many, and all that fail
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use super::bug::{self, Bug};
use super::world::World;
use super::{Verdict, Violation, wrong};

/// Seeds of one run of the tests.
const SEEDS: u64 = 4_000;
/// What happens in each.
const STEPS: usize = 200;
/// Seeds within which a mistake must be found.
const TO_BE_FOUND: u64 = 500;
/// Replays this seed alone, and tells what happens.
const SEED: &str = "DRUSE_SIM_SEED";
/// Lives through that many seeds instead, and tells all that fail.
const COUNT: &str = "DRUSE_SIM_SEEDS";
/// The first of them.
const FROM: &str = "DRUSE_SIM_FROM";

fn live_through(seed: u64, bug: Option<Bug>, trace: bool) -> Verdict {
    bug::put_in(bug);
    let outcome = catch_unwind(AssertUnwindSafe(|| World::new(seed, STEPS, trace).run()));
    bug::put_in(None);
    outcome.unwrap_or_else(|_| Err(wrong("the node or the simulation panicked".to_owned())))
}

/// Of the seeds from `first` on those that go wrong, `most` of them, looked for on all processors.
fn failures(first: u64, count: u64, bug: Option<Bug>, most: usize) -> Vec<(u64, Violation)> {
    let (next, failed) = (AtomicU64::new(first), parking_lot::Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failed.lock().len() < most {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    if let Err(violation) = live_through(seed, bug, false) {
                        failed.lock().push((seed, violation));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner();
    failed.sort_unstable_by_key(|(seed, _)| *seed);
    failed
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
fn whatever_goes_wrong_around_it_a_feed_keeps_its_promises() {
    if let Some(seed) = number(SEED) {
        live_through(seed, None, true).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        return;
    }
    let most = if number(COUNT).is_some() { usize::MAX } else { 1 };
    let failed = failures(number(FROM).unwrap_or(0), number(COUNT).unwrap_or(SEEDS), None, most);
    let told = failed.iter().map(|(seed, violation)| {
        format!(
            "seed {seed}: {violation}\n\
             {SEED}={seed} cargo test -p druse-server --lib whatever_goes_wrong -- --nocapture\n"
        )
    });
    assert!(failed.is_empty(), "{}", told.collect::<String>());
}

/// A mistake must show itself in one of the first seeds, as one of the invariants that it breaks; and that seed must be
/// fine without it.
fn is_found(bug: Bug, as_one_of: &[&str]) {
    let found = failures(0, TO_BE_FOUND, Some(bug), 1);
    let Some((seed, violation)) = found.into_iter().next() else {
        panic!("{TO_BE_FOUND} seeds do not find {bug:?}");
    };
    let text = violation.to_string();
    let is_expected = as_one_of.iter().any(|invariant| text.starts_with(invariant));
    assert!(is_expected, "seed {seed} finds {bug:?} by another sign than {as_one_of:?}: {violation}");
    assert_eq!(live_through(seed, None, false), Ok(()), "seed {seed} goes wrong without {bug:?}, too");
}

#[test]
fn ids_that_are_not_the_lanes_own_are_found() {
    is_found(Bug::OriginalIds, &["I3"]);
}

#[test]
fn a_wait_that_is_not_forgotten_is_found() {
    is_found(Bug::KeptWait, &["I11", "I14"]);
}

#[test]
fn a_login_that_gives_way_to_an_older_one_is_found() {
    is_found(Bug::LastArrivalWins, &["I8"]);
}

#[test]
fn a_snapshot_ahead_of_its_line_is_found() {
    is_found(Bug::SnapshotAtNow, &["I5"]);
}

#[test]
fn a_log_that_cannot_be_told_from_the_one_before_is_found() {
    is_found(Bug::NoEpoch, &["I3"]);
}
