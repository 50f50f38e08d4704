//! What a million entries cost: resident memory, and time per operation on one thread.
//!
//! `cargo run --release -p druse-server --example footprint [ENTRIES]`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example that prints what it measured")]

use std::sync::Arc;
use std::time::Instant;

use druse_protocol::time::Micros;
use druse_server::engine::{ClientIdentity, MemoryEngine, MemoryOptions, Outcome, Retention, Value};
use druse_server::region::{Condition, EventNumber, EventOrigin, Mutation, RegionOptions, RegionRegistry};

fn main() {
    let entries: u32 = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().unwrap());
    let retention = Retention::default();
    let engine = MemoryEngine::new(MemoryOptions { epoch: 1, hash_seed: 42, retention });
    let registry = RegionRegistry::new(Arc::new(engine), Arc::new(|a: &[u8], b: &[u8]| a == b));
    let region = registry.create("/orders", RegionOptions::default()).unwrap();
    let member = ClientIdentity::new(&[7; 60]);
    let value = [5_u8; 100];
    let key = |i: u32| {
        // A serialized string: code, length, eleven characters.
        let mut key = *b"\x57\x00\x0bkey-0000000";
        let mut rest = i;
        for digit in key.iter_mut().rev().take(7) {
            *digit = b'0' + u8::try_from(rest % 10).unwrap();
            rest /= 10;
        }
        key
    };
    let put = |i: u32, sequence: i64| {
        let event = Some(EventNumber { thread: 1, sequence });
        let origin = EventOrigin { member: member.clone(), event, retry: false };
        let key = key(i);
        let put = Mutation::Put {
            key: &key,
            value: Value::Bytes(&value),
            condition: Condition::None,
            callback: None,
        };
        let Outcome::Ready(answer) = region.mutate(&origin, put, Micros(1)) else { panic!("waits") };
        answer.unwrap();
    };

    let before = resident_kib();
    time("create", entries, |i| put(i, 1 + i64::from(i)));
    let after = resident_kib();
    println!("resident: {before} KiB empty, {after} KiB with {entries} entries");
    println!("{:?}", region.usage());
    time("get", entries, |i| assert!(region.get(&key(scatter(i, entries))).is_some()));
    time("put", entries, |i| put(scatter(i, entries), 1 + i64::from(entries) + i64::from(i)));
    println!("resident after updates: {} KiB", resident_kib());
    let begin = Instant::now();
    let seen = region.scan().count();
    println!("scan: {seen} entries in {:?}", begin.elapsed());
}

fn scatter(i: u32, entries: u32) -> u32 {
    i.wrapping_mul(2_654_435_761) % entries
}

fn time(what: &str, count: u32, mut act: impl FnMut(u32)) {
    let begin = Instant::now();
    let mut longest = std::time::Duration::ZERO;
    for i in 0..count {
        let one = Instant::now();
        act(i);
        longest = longest.max(one.elapsed());
    }
    println!("{what}: {:?} each, the longest {longest:?}", begin.elapsed() / count);
}

/// Resident memory of this process, as Linux tells it.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
