//! Random operations against a map that a reader can check by eye.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Put {
        key: u8,
        value: Option<u8>,
        condition: Cond,
    },
    Destroy {
        key: u8,
        expected: Option<Option<u8>>,
    },
    Invalidate {
        key: u8,
    },
    PutAll(Vec<(u8, u8)>),
    RemoveAll(Vec<u8>),
    Clear,
    /// The last operation comes once more.
    Again,
}

#[derive(Debug, Clone, Copy)]
enum Cond {
    None,
    IfAbsent,
    IfPresent,
    IfEquals(Option<u8>),
}

const KEYS: u8 = 5;

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..KEYS;
    let value = || prop::option::weighted(0.8, 0..3_u8);
    let condition = prop_oneof![
        Just(Cond::None),
        Just(Cond::IfAbsent),
        Just(Cond::IfPresent),
        value().prop_map(Cond::IfEquals),
    ];
    prop_oneof![
        6 => (key(), value(), condition).prop_map(|(key, value, condition)| Op::Put { key, value, condition }),
        3 => (key(), prop::option::of(value())).prop_map(|(key, expected)| Op::Destroy { key, expected }),
        2 => key().prop_map(|key| Op::Invalidate { key }),
        2 => prop::collection::vec((key(), 0..3_u8), 0..6).prop_map(Op::PutAll),
        1 => prop::collection::vec(key(), 0..6).prop_map(Op::RemoveAll),
        1 => Just(Op::Clear),
        4 => Just(Op::Again),
    ]
}

/// `None` in the map: an invalid entry.
#[derive(Default)]
struct Model {
    entries: HashMap<u8, Option<u8>>,
}

/// Effect, old value where it matters, or the error.
type Answer = Result<(Effect, Option<Option<u8>>), RegionError>;

impl Model {
    fn put(&mut self, key: u8, value: Option<u8>, condition: Cond) -> Answer {
        let current = self.entries.get(&key).copied();
        let (effect, old) = match (condition, current) {
            (Cond::IfAbsent, Some(_)) => (Effect::Present, current),
            (Cond::IfPresent | Cond::IfEquals(_), None) => (Effect::Absent, None),
            (Cond::IfEquals(expected), Some(current)) if current != expected => (Effect::Mismatch, None),
            (_, Some(_)) if value.is_none() => return Err(RegionError::NullValue),
            _ => (Effect::Applied, current),
        };
        if effect == Effect::Applied {
            self.entries.insert(key, value);
        }
        let asked = matches!(condition, Cond::IfAbsent | Cond::IfPresent);
        Ok((effect, if asked { old } else { None }))
    }

    fn destroy(&mut self, key: u8, expected: Option<Option<u8>>) -> Answer {
        let effect = match (self.entries.get(&key), expected) {
            (None, _) => Effect::Absent,
            (Some(current), Some(expected)) if *current != expected => Effect::Mismatch,
            _ => Effect::Applied,
        };
        if effect == Effect::Applied {
            self.entries.remove(&key);
        }
        Ok((effect, None))
    }

    fn apply(&mut self, op: &Op) -> Answer {
        match op {
            Op::Put { key, value, condition } => self.put(*key, *value, *condition),
            Op::Destroy { key, expected } => self.destroy(*key, *expected),
            Op::Invalidate { key } => Ok(match self.entries.get_mut(key) {
                None => (Effect::Absent, None),
                Some(value) => {
                    *value = None;
                    (Effect::Applied, None)
                }
            }),
            Op::PutAll(entries) => {
                self.entries.extend(entries.iter().map(|(key, value)| (*key, Some(*value))));
                Ok((Effect::Applied, None))
            }
            Op::RemoveAll(keys) => {
                self.entries.retain(|key, _| !keys.contains(key));
                Ok((Effect::Applied, None))
            }
            Op::Clear => {
                self.entries.clear();
                Ok((Effect::Applied, None))
            }
            Op::Again => unreachable!("resolved before"),
        }
    }
}

const VALUES: [[u8; 1]; 3] = [[0], [1], [2]];

fn value(of: Option<u8>) -> Value<'static> {
    of.map_or(Value::Invalid, |of| Value::Object(&VALUES[usize::from(of)]))
}

fn number(value: Value<'_>) -> Option<u8> {
    value.bytes().first().copied()
}

async fn carry_out(f: &Fixture, op: &Op, sequence: i64) -> Answer {
    let origin = f.origin(1, sequence);
    let bulk = |_| (Effect::Applied, None);
    let mutation = match op {
        Op::PutAll(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(key, of)| (std::slice::from_ref(key), value(Some(*of)))).collect();
            return f.region.put_all(&origin, &entries, None, f.now).finish().await.map(bulk);
        }
        Op::RemoveAll(keys) => {
            let keys: Vec<_> = keys.iter().map(std::slice::from_ref).collect();
            return f.region.remove_all(&origin, &keys, None, f.now).finish().await.map(bulk);
        }
        Op::Clear => {
            return f.region.clear(&origin, None, f.now).finish().await.map(|_| (Effect::Applied, None));
        }
        Op::Put { key, value: new, condition } => {
            let condition = match condition {
                Cond::None => Condition::None,
                Cond::IfAbsent => Condition::IfAbsent,
                Cond::IfPresent => Condition::IfPresent,
                Cond::IfEquals(expected) => Condition::IfEquals(value(*expected)),
            };
            Mutation::Put { key: std::slice::from_ref(key), value: value(*new), condition, callback: None }
        }
        Op::Destroy { key, expected } => {
            let expected = expected.map(value);
            Mutation::Destroy { key: std::slice::from_ref(key), expected, callback: None }
        }
        Op::Invalidate { key } => Mutation::Invalidate { key: std::slice::from_ref(key), callback: None },
        Op::Again => unreachable!("resolved before"),
    };
    let asked =
        matches!(mutation, Mutation::Put { condition: Condition::IfAbsent | Condition::IfPresent, .. });
    let mutated = f.region.mutate(&origin, mutation, f.now).finish().await?;
    let old = mutated.old.record().map(|record| number(record.value().unwrap()));
    Ok((mutated.effect, if asked { old } else { None }))
}

async fn compare(f: Fixture, ops: Vec<Op>) {
    let mut model = Model::default();
    let mut last: Option<(Op, i64, Answer)> = None;
    let mut sequence = 1;
    let mut versions: HashMap<Vec<u8>, u32> = HashMap::new();
    for op in ops {
        if matches!(op, Op::Again) {
            let Some((op, sequence, answer)) = &last else { continue };
            assert_eq!(carry_out(&f, op, *sequence).await, *answer, "{op:?} again");
        } else {
            let expected = model.apply(&op);
            assert_eq!(carry_out(&f, &op, sequence).await, expected, "{op:?}");
            let numbers = match &op {
                Op::PutAll(entries) => entries.len(),
                Op::RemoveAll(keys) => keys.len(),
                _ => 1,
            };
            last = Some((op, sequence, expected));
            sequence += i64::try_from(numbers).unwrap();
        }
        let held: HashMap<u8, Option<u8>> =
            f.region.scan().map(|record| (record.key()[0], number(record.value().unwrap()))).collect();
        assert_eq!(held, model.entries);
        assert_eq!(f.region.len(), model.entries.len());
        for record in f.region.scan() {
            let before = versions.insert(record.key().to_vec(), record.version().entry).unwrap_or(0);
            assert!(record.version().entry >= before, "versions never go back, not even over a clear");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_region_in_memory_is_a_map(ops in prop::collection::vec(op(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare(Fixture::new(memory(RETENTION)), ops));
    }

    #[test]
    fn a_region_whose_engine_waits_is_the_same_map(ops in prop::collection::vec(op(), 0..60)) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let fixture: Fixture = Fixture::new(DelayedEngine::new(memory(RETENTION)));
        runtime.block_on(compare(fixture, ops));
    }
}
