//! What managers of tokens count about themselves, several of them together.

use druse_protocol::auth::{Reading, ReadingValue};

use super::TokenSecurityManager;
use crate::ends::Watch;
use crate::key_set::KeySetStatus;

/// The readings of `managers`: what counts is added up, and of what is old the oldest is told.
pub(crate) fn readings(managers: &[&TokenSecurityManager]) -> Vec<Reading> {
    let mut readings = of_keys(&managers.iter().map(|manager| manager.keys()).collect::<Vec<_>>());
    let watches: Vec<(&Watch, bool)> = managers
        .iter()
        .filter_map(|manager| manager.watch().map(|watch| (watch, watch.is_blind(manager.now()))))
        .collect();
    if !watches.is_empty() {
        readings.extend(of_feeds(&watches));
    }
    readings
}

fn of_keys(sets: &[KeySetStatus]) -> Vec<Reading> {
    let keys: usize = sets.iter().map(|set| set.keys).sum();
    let mut readings = vec![
        count(
            "key_set_fetches",
            "Fetches of the key set that succeeded",
            sets.iter().map(|set| set.fetches).sum(),
        ),
        count(
            "key_set_fetch_failures",
            "Fetches of the key set that failed",
            sets.iter().map(|set| set.failures).sum(),
        ),
        level("key_set_keys", "Usable keys in the key set", keys as f64),
        level(
            "key_set_stale",
            "1 if an old key set stands in for one that cannot be fetched",
            f64::from(u8::from(sets.iter().any(|set| set.is_stale))),
        ),
    ];
    if let Some(age) = sets.iter().filter_map(|set| set.age).max() {
        readings.push(level("key_set_age_seconds", "Time since the key set was fetched", age.as_secs_f64()));
    }
    readings
}

fn of_feeds(watches: &[(&Watch, bool)]) -> [Reading; 3] {
    let sum = |of: fn(&Watch) -> u64| watches.iter().map(|(watch, _)| of(watch)).sum();
    let blind = watches.iter().any(|(_, blind)| *blind);
    [
        count("ends_heard", "Ends of sessions, subjects and clients heard from issuers", sum(Watch::ends)),
        count("ends_failures", "Questions for ends that failed", sum(Watch::failures)),
        level("ends_blind", "1 if a feed of ends has been silent for too long", f64::from(u8::from(blind))),
    ]
}

const fn count(name: &'static str, help: &'static str, count: u64) -> Reading {
    Reading { name, help, value: ReadingValue::Count(count) }
}

const fn level(name: &'static str, help: &'static str, level: f64) -> Reading {
    Reading { name, help, value: ReadingValue::Level(level) }
}
