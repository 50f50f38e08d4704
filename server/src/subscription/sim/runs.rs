//! Thousands of seeds, and the mistakes that they must find.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use super::bug::{self, Bug};
use super::world::World;
use super::{Verdict, wrong};

/// Seeds of one run of the tests.
const SEEDS: u64 = 2_000;
/// What happens in each.
const STEPS: usize = 200;
/// Replays this seed alone, and tells what happens.
const SEED: &str = "DRUSE_SIM_SEED";
/// Lives through that many seeds instead.
const COUNT: &str = "DRUSE_SIM_SEEDS";

fn live_through(seed: u64, bug: Option<Bug>, trace: bool) -> Verdict {
    bug::put_in(bug);
    let outcome = catch_unwind(AssertUnwindSafe(|| World::new(seed, STEPS, trace).run()));
    bug::put_in(None);
    outcome.unwrap_or_else(|_| Err(wrong("the node or the simulation panicked".to_owned())))
}

/// The first of the seeds from `first` on that goes wrong, looked for on all processors.
fn first_failure(first: u64, count: u64, bug: Option<Bug>) -> Option<(u64, super::Violation)> {
    let (next, failed) = (AtomicU64::new(first), parking_lot::Mutex::new(None));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failed.lock().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    if let Err(violation) = live_through(seed, bug, false) {
                        failed.lock().get_or_insert((seed, violation));
                    }
                }
            });
        }
    });
    failed.into_inner()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn whatever_goes_wrong_around_it_a_feed_keeps_its_promises() {
    if let Some(seed) = number(SEED) {
        live_through(seed, None, true).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        return;
    }
    if let Some((seed, violation)) = first_failure(0, number(COUNT).unwrap_or(SEEDS), None) {
        panic!(
            "seed {seed}: {violation}\n\
             {SEED}={seed} cargo test -p druse-server --lib whatever_goes_wrong -- --nocapture"
        );
    }
}

fn is_found(bug: Bug) {
    let found = first_failure(1_000_000, SEEDS, Some(bug));
    let (seed, violation) = found.unwrap_or_else(|| panic!("{SEEDS} seeds do not find {bug:?}"));
    eprintln!("{bug:?}: seed {seed}: {violation}");
}

#[test]
fn ids_that_are_not_the_lanes_own_are_found() {
    is_found(Bug::OriginalIds);
}

#[test]
fn a_wait_that_is_not_forgotten_is_found() {
    is_found(Bug::KeptWait);
}

#[test]
fn a_login_that_gives_way_to_an_older_one_is_found() {
    is_found(Bug::LastArrivalWins);
}

#[test]
fn a_snapshot_ahead_of_its_line_is_found() {
    is_found(Bug::SnapshotAtNow);
}

#[test]
fn a_log_that_cannot_be_told_from_the_one_before_is_found() {
    is_found(Bug::NoEpoch);
}
