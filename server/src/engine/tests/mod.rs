//! What every engine must do, and what only the one in memory can be asked.

pub(crate) mod delayed;
mod suite;
mod threads;

use std::sync::Arc;
use std::time::Duration;

use delayed::DelayedEngine;

use super::*;

pub(crate) const BOUNDS: TombstoneBounds = TombstoneBounds { count: 320 * 3, age: Duration::from_secs(60) };
pub(crate) const RETENTION: Retention = Retention { changes: 10, bytes: 1 << 20, unread: usize::MAX };

pub(crate) fn memory(retention: Retention) -> MemoryEngine {
    MemoryEngine::new(MemoryOptions { epoch: 7, hash_seed: 11, retention })
}

pub(crate) fn delayed(retention: Retention) -> DelayedEngine {
    DelayedEngine::new(memory(retention))
}

/// An engine with one region, and the operations of tests.
pub(crate) struct Fixture {
    pub(crate) engine: Arc<dyn Engine>,
}

pub(crate) const REGION: RegionId = RegionId(0);

impl Fixture {
    pub(crate) fn new(engine: impl Engine) -> Self {
        engine.open(REGION, BOUNDS);
        Self { engine: Arc::new(engine) }
    }

    async fn put(&self, key: &str, value: &str) -> Written {
        self.put_if(key, value, Expected::Any).await.unwrap()
    }

    async fn put_if(&self, key: &str, value: &str, expected: Expected) -> Result<Written, EngineError> {
        self.engine.write(REGION, write(key, Some(value), expected), Note::default()).finish().await
    }

    async fn destroy(&self, key: &str, at_millis: i64) -> Written {
        let draft = Draft::new(key.as_bytes(), None, at_millis);
        let write = Write { draft, expected: Expected::Any };
        self.engine.write(REGION, write, Note::default()).finish().await.unwrap()
    }

    async fn write_all(&self, writes: Vec<Write>) -> Result<Vec<Written>, EngineError> {
        self.engine.write_all(REGION, writes, Note::default()).finish().await
    }

    fn get(&self, key: &str) -> Option<Record> {
        self.engine.get(REGION, key.as_bytes())
    }

    fn text(&self, key: &str) -> Option<String> {
        let record = self.get(key)?;
        record.value().map(|value| String::from_utf8(value.bytes().to_vec()).unwrap())
    }

    fn keys(&self) -> Vec<String> {
        let (mut position, mut part, mut keys) = (ScanPosition::default(), Vec::new(), Vec::new());
        while self.engine.scan(REGION, &mut position, &mut part) {
            keys.extend(part.iter().map(|record| String::from_utf8(record.key().to_vec()).unwrap()));
        }
        keys.sort();
        keys
    }
}

fn write(key: &str, value: Option<&str>, expected: Expected) -> Write {
    Write { draft: Draft::new(key.as_bytes(), value.map(|text| Value::Object(text.as_bytes())), 0), expected }
}

fn numbers(record: &Record) -> (u64, u32, u64) {
    (record.seq(), record.version().entry, record.version().region)
}
