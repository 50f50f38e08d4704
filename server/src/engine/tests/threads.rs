//! Many threads on the engine in memory. What they leave behind must be what the log tells.

use std::collections::HashMap;

use super::*;

const KEYS: usize = 40;
const THREADS: usize = 4;
const ROUNDS: usize = 2_000;

/// A cheap generator, so that each thread has its own course.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap()
}

fn now<T>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Ready(value) => value,
        Outcome::Waiting(_) => panic!("the engine in memory waits"),
    }
}

fn work(engine: &MemoryEngine, seed: u64) {
    let mut state = seed;
    for round in 0..ROUNDS {
        let key = format!("k{}", next(&mut state) % KEYS);
        let current = engine.get(REGION, key.as_bytes());
        let expected = current.as_ref().map_or(Expected::Nothing, |record| Expected::Seq(record.seq()));
        match next(&mut state) % 8 {
            0..=2 => drop(now(engine.write(REGION, write(&key, Some("v"), Expected::Any), Note::default()))),
            3..=4 => drop(now(engine.write(REGION, write(&key, Some("c"), expected), Note::default()))),
            5 => drop(now(engine.write(REGION, write(&key, None, expected), Note::default()))),
            6 => {
                let keys = [0; 5].map(|_| format!("k{}", next(&mut state) % KEYS));
                let batch = keys.iter().map(|key| write(key, Some("b"), Expected::Any)).collect();
                now(engine.write_all(REGION, batch, Note::default())).unwrap();
            }
            _ if round % 64 == 0 => drop(now(engine.clear(REGION, Micros(0), Note::default()))),
            _ => {
                let (mut position, mut part) = (ScanPosition::default(), Vec::new());
                while engine.scan(REGION, &mut position, &mut part) {}
            }
        }
    }
}

#[test]
fn the_log_tells_what_the_region_holds() {
    let engine = memory(Retention { changes: usize::MAX, bytes: usize::MAX, unread: usize::MAX });
    // No tombstone is forgotten, so that every change has its predecessor in the log.
    engine.open(REGION, TombstoneBounds { count: 1 << 24, ..BOUNDS });
    let mut cursor = engine.log().cursor_after(0);
    std::thread::scope(|scope| {
        for seed in 1..=THREADS as u64 {
            let engine = &engine;
            scope.spawn(move || work(engine, seed * 0x9E37_79B9));
        }
    });
    let mut changes = Vec::new();
    cursor.read(usize::MAX, &mut changes);
    let mut told: HashMap<Vec<u8>, Record> = HashMap::new();
    for (place, change) in (1..).zip(&changes) {
        assert_eq!((change.seq(), change.record.version().region), (place, place));
        if change.kind == ChangeKind::Clear {
            told.clear();
            continue;
        }
        let before = told.insert(change.record.key().to_vec(), change.record.clone());
        match (&before, &change.old) {
            (Some(before), Some(old)) => {
                assert!(before.same(old), "each change follows the one before");
                assert_eq!(change.record.version().entry, old.version().entry + 1);
            }
            (None, None) => {}
            other => panic!("{other:?} at {place}"),
        }
    }
    for key in (0..KEYS).map(|i| format!("k{i}")) {
        let held = engine.get(REGION, key.as_bytes());
        match (held, told.get(key.as_bytes())) {
            (Some(held), Some(told)) => assert!(held.same(told)),
            (None, None) => {}
            other => panic!("{other:?} under {key}"),
        }
    }
    let existing = told.values().filter(|record| !record.is_tombstone()).count();
    assert_eq!((engine.len(REGION), engine.usage(REGION).entries), (existing, existing));
}
