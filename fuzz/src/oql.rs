//! Queries over values, both from strangers.

use druse_protocol::value::pdx::PdxFieldType;
use druse_server::engine::{Draft, Record, Value};
use druse_server::query::{
    ClassVersions, CqIndex, CqPredicate, CqTransition, Execution, Plan, QueryBounds, QueryError, Share,
    Statement,
};
use std::sync::Arc;

use crate::sized;
use crate::types::Types;

/// A query and what it is put to: `text length:u16, text, type length:u16, type, value`. The value is parameter, key and
/// value of entries at once.
pub fn oql(data: &[u8]) {
    let Some((text, rest)) = sized(data) else { return };
    let Some((pdx_type, value)) = sized(rest) else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let statement = match Statement::parse(text) {
        Ok(statement) => statement,
        Err(error) => return is_placed(&error, text),
    };
    let types = Types::of(pdx_type);
    let parameters = [Value::Object(value), Value::Bytes(value), Value::Invalid];
    match statement.plan(&parameters, &types) {
        Ok(plan) => carried_out(plan, || statement.plan(&parameters, &types), value, &types),
        Err(error) => is_placed(&error, text),
    }
    if let Ok(predicate) = CqPredicate::compile(&statement, &parameters, &types) {
        watched(Arc::new(predicate), value, &types);
    }
}

/// An error is somewhere in the text, or nowhere in particular.
fn is_placed(error: &QueryError, text: &str) {
    if let Some(at) = error.position() {
        assert!(text.is_char_boundary(at.offset), "{error} at byte {}", at.offset);
    }
    _ = error.to_string();
}

/// Small steps come to the same as a large one.
fn carried_out(plan: Plan, again: impl Fn() -> Result<Plan, QueryError>, value: &[u8], types: &Types) {
    const WHOLE: Share = Share { records: 100, record_bytes: usize::MAX, rows: 100, row_bytes: usize::MAX };
    const SMALL: Share = Share { records: 1, record_bytes: 1, rows: 1, row_bytes: 1 };
    let whole = rows(plan, value, types, &WHOLE);
    let again = again().expect("what was planned once");
    assert_eq!(rows(again, value, types, &SMALL), whole);
}

fn rows(plan: Plan, value: &[u8], types: &Types, share: &Share) -> Option<Vec<Vec<Vec<u8>>>> {
    let mut execution = Execution::new(plan, records(value).into_iter(), QueryBounds::default());
    let mut rows = Vec::new();
    loop {
        let given = execution.advance(types, share).ok()?;
        rows.extend(given.rows.iter().map(|row| row.to_objects()));
        if given.is_last {
            return Some(rows);
        }
    }
}

fn records(value: &[u8]) -> Vec<Record> {
    let values = [Some(Value::Object(value)), Some(Value::Bytes(value)), Some(Value::Invalid), None];
    let keys = [value, &[0x29], &[0x39, 0, 0, 0, 1], &[0x57, 0, 1, b'k']];
    let numbered = keys.into_iter().zip(values).zip(1..);
    numbered.map(|((key, value), number)| Draft::new(key, value, 0).seal(number, 1, number)).collect()
}

/// An index finds what the predicate says.
fn watched(predicate: Arc<CqPredicate>, value: &[u8], types: &Types) {
    let mut index = CqIndex::default();
    index.insert(1, Arc::clone(&predicate));
    let mut found = Vec::new();
    index.matching(value, None, Some(Value::Object(value)), types, &mut found);
    let is_in = predicate.matches(value, Value::Object(value), types);
    assert_eq!(
        found,
        CqTransition::of(false, is_in).map(|transition| (1, transition)).into_iter().collect::<Vec<_>>()
    );
}

impl ClassVersions for Types {
    fn field_of_class(&self, _: &str, field: &str) -> Option<PdxFieldType> {
        self.field(field)
    }
}
