//! Regions over both kinds of engine.

mod model;
mod operations;
mod repeats;
mod together;

use std::sync::Arc;

use super::*;
use crate::engine::tests::delayed::DelayedEngine;
use crate::engine::tests::{delayed, memory};
use crate::engine::{ClientIdentity, Retention, Value};

const RETENTION: Retention = Retention { changes: 10_000, bytes: 1 << 24, unread: usize::MAX };
const NOW: Micros = Micros(5_000_000);

/// A region, and the operations of tests by one client on its thread 1.
struct Fixture {
    registry: RegionRegistry,
    region: Arc<Region>,
    member: ClientIdentity,
    now: Micros,
}

impl Fixture {
    fn new(engine: impl Engine) -> Self {
        Self::with(engine, RegionOptions::default())
    }

    /// Objects are the same if they differ in case only: something that bytes do not tell.
    fn with(engine: impl Engine, options: RegionOptions) -> Self {
        let same = |a: &[u8], b: &[u8]| a.eq_ignore_ascii_case(b);
        let registry = RegionRegistry::new(Arc::new(engine), Arc::new(same));
        let region = registry.create("/r", options).unwrap();
        Self { registry, region, member: ClientIdentity::new(b"client"), now: NOW }
    }

    fn origin(&self, thread: i64, sequence: i64) -> EventOrigin {
        EventOrigin {
            member: self.member.clone(),
            event: Some(EventNumber { thread, sequence }),
            retry: false,
        }
    }

    /// `sequence` 0 stands for an operation without an event.
    async fn mutate(&self, sequence: i64, mutation: Mutation<'_>) -> Result<Mutated, RegionError> {
        let event = (sequence != 0).then_some(EventNumber { thread: 1, sequence });
        let origin = EventOrigin { event, ..self.origin(1, 0) };
        self.region.mutate(&origin, mutation, self.now).finish().await
    }

    async fn put_if(&self, sequence: i64, key: &str, value: &str, condition: Condition<'_>) -> Mutated {
        let value = Value::Object(value.as_bytes());
        let put = Mutation::Put { key: key.as_bytes(), value, condition, callback: None };
        self.mutate(sequence, put).await.unwrap()
    }

    async fn put(&self, sequence: i64, key: &str, value: &str) -> Mutated {
        self.put_if(sequence, key, value, Condition::None).await
    }

    async fn put_null(&self, key: &str, condition: Condition<'_>) -> Result<Mutated, RegionError> {
        let put = Mutation::Put { key: key.as_bytes(), value: Value::Invalid, condition, callback: None };
        self.mutate(0, put).await
    }

    async fn destroy(&self, sequence: i64, key: &str, expected: Option<Value<'_>>) -> Mutated {
        self.mutate(sequence, Mutation::Destroy { key: key.as_bytes(), expected, callback: None })
            .await
            .unwrap()
    }

    async fn invalidate(&self, sequence: i64, key: &str) -> Mutated {
        self.mutate(sequence, Mutation::Invalidate { key: key.as_bytes(), callback: None }).await.unwrap()
    }

    async fn put_all(&self, sequence: i64, entries: &[(&str, &str)]) -> Result<BulkMutated, RegionError> {
        let entries: Vec<_> =
            entries.iter().map(|(key, value)| (key.as_bytes(), Value::Object(value.as_bytes()))).collect();
        self.region.put_all(&self.origin(1, sequence), &entries, None, self.now).finish().await
    }

    async fn remove_all(&self, sequence: i64, keys: &[&str]) -> BulkMutated {
        let keys: Vec<_> = keys.iter().map(|key| key.as_bytes()).collect();
        self.region.remove_all(&self.origin(1, sequence), &keys, None, self.now).finish().await.unwrap()
    }

    /// `-` if there is no entry, `!` if it is invalid.
    fn text(&self, key: &str) -> String {
        match self.region.get(key.as_bytes()).as_ref().and_then(Record::value) {
            None => "-".to_owned(),
            Some(Value::Invalid) => "!".to_owned(),
            Some(value) => String::from_utf8(value.bytes().to_vec()).unwrap(),
        }
    }

    fn changes(&self) -> u64 {
        self.region.engine.log().last_seq()
    }
}

/// What an answer says, in short.
fn says(mutated: &Mutated) -> (Effect, Option<String>, Option<u32>) {
    let old = match &mutated.old {
        Old::Absent => None,
        Old::Forgotten => Some("?".to_owned()),
        Old::Entry(record) => match record.value().unwrap() {
            Value::Invalid => Some("!".to_owned()),
            value => Some(String::from_utf8(value.bytes().to_vec()).unwrap()),
        },
    };
    (mutated.effect, old, mutated.version.map(|version| version.entry))
}

fn object(text: &str) -> Value<'_> {
    Value::Object(text.as_bytes())
}

fn entry_versions(bulk: &BulkMutated) -> Vec<Option<u32>> {
    bulk.versions.iter().map(|version| version.map(|version| version.entry)).collect()
}

/// Runs each test over the engine in memory and over one that waits.
macro_rules! both_engines {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test(super::Fixture::new(super::super::memory(super::super::RETENTION))).await;
            })*
        }
        mod delayed {
            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test(super::Fixture::new(super::super::delayed(super::super::RETENTION))).await;
            })*
        }
    };
}
use both_engines;
