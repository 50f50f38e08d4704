//! Builds an object and its type, field by field, as `PdxWriterImpl` does.

use bytes::BufMut;

use super::types::offset_width;
use super::{PdxField, PdxFieldType, PdxType};
use crate::value::{DsCode, Value, length_i32};

/// A value that its field cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {name} of kind {kind:?} cannot hold this value")]
pub struct FieldMismatch {
    /// The field's name.
    pub name: String,
    /// What it can hold.
    pub kind: PdxFieldType,
}

/// Builds one object. Fields come in the order in which they are written, which is part of the type.
#[derive(Debug, Clone)]
pub struct PdxWriter {
    pdx_type: PdxType,
    data: Vec<u8>,
    /// Where each field of variable length begins.
    variable: Vec<usize>,
    /// Where each field begins.
    starts: Vec<usize>,
}

impl PdxWriter {
    /// Begins an object of that class; of no class if `no_domain_class`.
    #[must_use]
    pub fn new(class_name: &str, no_domain_class: bool) -> Self {
        let pdx_type = PdxType {
            class_name: class_name.to_owned(),
            no_domain_class,
            has_deleted_fields: false,
            id: 0,
            offset_count: 0,
            fields: Vec::new(),
        };
        Self { pdx_type, data: Vec::new(), variable: Vec::new(), starts: Vec::new() }
    }

    /// Adds a field.
    ///
    /// # Errors
    /// If the value is not of the field's kind. [`Value::Null`] fits every kind that has a null.
    pub fn field(self, name: &str, kind: PdxFieldType, value: &Value) -> Result<Self, FieldMismatch> {
        self.add(name, kind, value, false)
    }

    /// Adds a field that takes part in equality.
    ///
    /// # Errors
    /// As [`PdxWriter::field`].
    pub fn identity_field(
        self,
        name: &str,
        kind: PdxFieldType,
        value: &Value,
    ) -> Result<Self, FieldMismatch> {
        self.add(name, kind, value, true)
    }

    fn add(
        mut self,
        name: &str,
        kind: PdxFieldType,
        value: &Value,
        is_identity: bool,
    ) -> Result<Self, FieldMismatch> {
        let Some(bytes) = field_bytes(kind, value) else {
            return Err(FieldMismatch { name: name.to_owned(), kind });
        };
        let start = self.data.len();
        let before = self.variable.len();
        let is_fixed = kind.fixed_size().is_some();
        if !is_fixed {
            self.variable.push(start);
        }
        self.starts.push(start);
        self.data.extend(bytes);
        self.pdx_type.fields.push(PdxField {
            name: name.to_owned(),
            index: length_i32(self.pdx_type.fields.len()),
            variable_index: length_i32(if is_fixed { before.saturating_sub(1) } else { before }),
            kind,
            relative_offset: 0,
            offset_index: 0,
            is_identity,
            is_deleted: false,
        });
        Ok(self)
    }

    /// Ends the object: its type, not yet registered, and its data. With the number of the registered type they make a
    /// [`Value::Pdx`].
    #[must_use]
    pub fn finish(mut self) -> (PdxType, Vec<u8>) {
        self.place_fields();
        let count = self.variable.len().saturating_sub(1);
        self.pdx_type.offset_count = count as u32;
        let width = table_width(self.data.len(), count);
        for &offset in self.variable.iter().skip(1).rev() {
            self.data.put_uint(offset as u64, width);
        }
        (self.pdx_type, self.data)
    }

    /// Fills in where each field begins, in terms that hold for every object of the type: counted from the beginning while
    /// no field of variable length has come, else backwards from the next such field, or from the end.
    fn place_fields(&mut self) {
        let end = self.data.len();
        for (field, &start) in self.pdx_type.fields.iter_mut().zip(&self.starts) {
            let next = self.variable.iter().position(|&variable| variable >= start);
            let seen_variable = self.variable.first().is_some_and(|&first| first < start);
            let back_from = |target: usize| -length_i32(target - start);
            (field.relative_offset, field.offset_index) = match (field.kind.fixed_size(), next) {
                (None, Some(0)) => (length_i32(start), -1),
                (None, index) => (0, length_i32(index.unwrap_or(0))),
                (Some(_), _) if !seen_variable => (length_i32(start), 0),
                (Some(_), Some(index)) => {
                    (back_from(self.variable.get(index).copied().unwrap_or(end)), length_i32(index))
                }
                (Some(_), None) => (back_from(end), -1),
            };
        }
    }
}

/// The width of an entry, which depends on the length of the whole, of which the table is a part.
fn table_width(fields: usize, count: usize) -> usize {
    [1, 2].into_iter().find(|width| offset_width(fields + count * width) <= *width).unwrap_or(4)
}

/// The bytes of a value as the field holds them; `None` if it cannot.
fn field_bytes(kind: PdxFieldType, value: &Value) -> Option<Vec<u8>> {
    let bytes = value.to_bytes();
    match (kind, value) {
        (PdxFieldType::Object, _) | (PdxFieldType::String, Value::String(_)) => Some(bytes),
        (PdxFieldType::String, Value::Null) => Some(vec![DsCode::NullString.to_wire()]),
        (PdxFieldType::Date, Value::Null) => Some((-1_i64).to_be_bytes().to_vec()),
        (_, Value::Null) if kind.fixed_size().is_none() => Some(vec![0xff]),
        _ => {
            let code = kind.code()?.to_wire();
            bytes.strip_prefix(&[code]).map(<[u8]>::to_vec)
        }
    }
}
