//! Queries over small regions.

mod bounds;
mod grammar;
mod model;
mod results;

use std::collections::HashMap;
use std::sync::Arc;

use druse_protocol::message::query_reply::UNDEFINED;
use druse_protocol::value::pdx::{EnumInfo, PdxFieldType, PdxType, PdxTypes, PdxWriter};
use druse_protocol::value::{MapKind, Value as Java};

use super::*;
use crate::engine::{Draft, Record, Value};

/// Enough for any test in one step.
const ALL: Share =
    Share { records: usize::MAX, record_bytes: usize::MAX, rows: usize::MAX, row_bytes: usize::MAX };

/// A region and the types of its objects.
#[derive(Default)]
pub(super) struct World {
    types: HashMap<i32, Arc<PdxType>>,
    enums: HashMap<i32, Arc<EnumInfo>>,
    pub(super) records: Vec<Record>,
}

impl PdxTypes for World {
    fn pdx_type(&self, id: i32) -> Option<Arc<PdxType>> {
        self.types.get(&id).cloned()
    }

    fn pdx_enum(&self, id: i32) -> Option<Arc<EnumInfo>> {
        self.enums.get(&id).cloned()
    }
}

impl ClassVersions for World {
    fn field_of_class(&self, class: &str, field: &str) -> Option<PdxFieldType> {
        let mut versions = self.types.values().filter(|version| version.class_name == class);
        versions.find_map(|version| version.field(field).map(|field| field.kind))
    }
}

impl World {
    /// A PDX object of a class, with those fields.
    pub(super) fn object(&mut self, class: &str, fields: &[(&str, PdxFieldType, Java)]) -> Java {
        let writer = fields.iter().fold(PdxWriter::new(class, false), |writer, (name, kind, value)| {
            writer.field(name, *kind, value).unwrap()
        });
        let (pdx_type, data) = writer.finish();
        let id = self.types.len() as i32 + 1;
        let known = self.types.iter().find(|(_, known)| ***known == pdx_type).map(|(id, _)| *id);
        self.types.entry(known.unwrap_or(id)).or_insert_with(|| Arc::new(pdx_type));
        Java::Pdx { type_id: known.unwrap_or(id), data }
    }

    /// A constant of `Color`, as PDX objects hold it.
    pub(super) fn color(&mut self, ordinal: i32, constant: &str) -> Java {
        let info = EnumInfo { class_name: "Color".into(), constant: constant.into(), ordinal };
        self.enums.insert(ordinal, Arc::new(info));
        Java::PdxEnum { system: 0, id: ordinal as u32 }
    }

    pub(super) fn put(&mut self, key: &str, value: &Java) {
        self.put_at(&text(key), value);
    }

    pub(super) fn put_at(&mut self, key: &Java, value: &Java) {
        let draft = match value {
            Java::Bytes(bytes) => Draft::new(&key.to_bytes(), Some(Value::Bytes(bytes)), 0),
            Java::Null => Draft::new(&key.to_bytes(), Some(Value::Invalid), 0),
            value => Draft::new(&key.to_bytes(), Some(Value::Object(&value.to_bytes())), 0),
        };
        self.records.push(draft.seal(1, 1, 1));
    }

    /// The rows of a query, shown.
    pub(super) fn ask(&self, query: &str, parameters: &[Java]) -> Result<Vec<String>, String> {
        self.run(query, parameters, ALL, QueryBounds::default()).map_err(|error| error.to_string())
    }

    pub(super) fn run(
        &self,
        query: &str,
        parameters: &[Java],
        share: Share,
        bounds: QueryBounds,
    ) -> Result<Vec<String>, QueryError> {
        let plan = self.plan(query, parameters)?;
        let mut execution = Execution::new(plan, self.records.iter().cloned(), bounds);
        let mut shown = Vec::new();
        loop {
            let given = execution.advance(self, &share)?;
            assert!(given.rows.len() <= share.rows);
            shown.extend(given.rows.iter().map(show));
            if given.is_last {
                assert!(execution.advance(self, &share)?.rows.is_empty());
                return Ok(shown);
            }
        }
    }

    pub(super) fn plan(&self, query: &str, parameters: &[Java]) -> Result<Plan, QueryError> {
        let objects: Vec<_> = parameters.iter().map(Java::to_bytes).collect();
        let values: Vec<_> = objects.iter().map(|object| Value::Object(object)).collect();
        Statement::parse(query)?.plan(&values, self)
    }
}

fn show(row: &ResultRow) -> String {
    let show = |object: &Vec<u8>| match Java::decode(object).unwrap() {
        Java::Geode(bytes) if bytes == UNDEFINED => "UNDEFINED".to_owned(),
        value => value.to_string(),
    };
    row.to_objects().iter().map(show).collect::<Vec<_>>().join(" ")
}

pub(super) fn text(text: &str) -> Java {
    Java::String(text.into())
}

pub(super) fn map(entries: &[(Java, Java)]) -> Java {
    Java::Map(MapKind::HashMap, entries.to_vec())
}
