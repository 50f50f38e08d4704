//! Single fields out of an object.

use super::types::offset_width;
use super::{PdxField, PdxFieldType, PdxType};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::value::{DsCode, Value, decode, skip};

type Result<T> = std::result::Result<T, DecodeError>;

const FIELD: &str = "pdx field";

/// A PDX object, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PdxObject<'a> {
    /// The number of its type.
    pub type_id: i32,
    /// The fields and, behind them, the offset table in reverse.
    pub data: &'a [u8],
}

impl<'a> PdxObject<'a> {
    /// Reads an object that fills `bytes`; `None` if it is not a PDX object.
    ///
    /// # Errors
    /// If it is one and its length does not fit.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<Self>> {
        let mut reader = Reader::new(bytes);
        if bytes.first() != Some(&DsCode::Pdx.to_wire()) {
            return Ok(None);
        }
        reader.u8(FIELD)?;
        let object = Self::read(&mut reader)?;
        reader.finish("pdx object")?;
        Ok(Some(object))
    }

    /// Reads an object whose code has been read.
    pub(in crate::value) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let length = reader.length(usize::MAX, "pdx length")?;
        Ok(Self { type_id: reader.i32("pdx type")?, data: reader.bytes(length, "pdx data")? })
    }

    /// A field's value. `pdx_type` has to be this object's.
    ///
    /// # Errors
    /// If the field is not where its type says, or is malformed.
    pub fn value(&self, pdx_type: &PdxType, field: &PdxField) -> Result<Value> {
        decode_field(field.kind, &mut self.reader_at(pdx_type, field)?)
    }

    /// The value of the field of that name; `None` if the type has none.
    ///
    /// # Errors
    /// As [`PdxObject::value`].
    pub fn value_of(&self, pdx_type: &PdxType, name: &str) -> Result<Option<Value>> {
        pdx_type.field(name).map(|field| self.value(pdx_type, field)).transpose()
    }

    /// A field's bytes, in the encoding of its kind: without code, but for strings and objects.
    ///
    /// Where a field begins, `r` being its relative offset, `x` its offset index and `off(x)` an entry of the table:
    ///
    /// | field | if | begins at |
    /// |---|---|---|
    /// | variable length | x = -1 | r |
    /// | variable length | x ≥ 1 | off(x) |
    /// | fixed length | r ≥ 0 | r |
    /// | fixed length | r < 0, x ≥ 1 | off(x) + r |
    /// | fixed length | r < 0, x = -1 | end of the fields + r |
    ///
    /// # Errors
    /// As [`PdxObject::value`].
    pub fn field_bytes(&self, pdx_type: &PdxType, field: &PdxField) -> Result<&'a [u8]> {
        let mut reader = self.reader_at(pdx_type, field)?;
        let begin = reader.rest();
        skip_field(field.kind, &mut reader)?;
        Ok(begin.get(..begin.len() - reader.remaining()).unwrap_or_default())
    }

    /// A reader from the field's first byte to the end of all fields.
    fn reader_at(&self, pdx_type: &PdxType, field: &PdxField) -> Result<Reader<'a>> {
        let end = self.end_of_fields(pdx_type)?;
        let relative = i64::from(field.relative_offset);
        let start = match (field.kind.fixed_size(), field.offset_index) {
            (None, index @ 1..) => self.offset(index, pdx_type)?,
            (None, _) => relative,
            (Some(_), _) if relative >= 0 => relative,
            (Some(_), index @ 1..) => self.offset(index, pdx_type)? + relative,
            (Some(_), _) => end as i64 + relative,
        };
        let fields = self.data.get(..end).unwrap_or_default();
        let rest = usize::try_from(start).ok().and_then(|start| fields.get(start..));
        rest.map(Reader::new).ok_or(DecodeError::Invalid { field: "pdx field offset", value: start })
    }

    fn end_of_fields(&self, pdx_type: &PdxType) -> Result<usize> {
        let length = self.data.len();
        let table = (pdx_type.offset_count as usize).saturating_mul(offset_width(length));
        length.checked_sub(table).ok_or(DecodeError::Truncated {
            field: "pdx offset table",
            needed: table,
            left: length,
        })
    }

    /// Entry `index`, from 1, of the table, which stands in reverse at the end.
    fn offset(&self, index: i32, pdx_type: &PdxType) -> Result<i64> {
        let invalid = DecodeError::Invalid { field: "pdx offset index", value: i64::from(index) };
        let width = offset_width(self.data.len());
        let index = usize::try_from(index).map_err(|_| invalid)?;
        if index > pdx_type.offset_count as usize {
            return Err(invalid);
        }
        let at = self.data.len().checked_sub(index.saturating_mul(width)).ok_or(invalid)?;
        let entry = self.data.get(at..).and_then(|rest| rest.get(..width)).ok_or(invalid)?;
        Ok(entry.iter().fold(0, |number, &byte| number << 8 | i64::from(byte)))
    }
}

fn decode_field(kind: PdxFieldType, reader: &mut Reader<'_>) -> Result<Value> {
    let value = match kind.code() {
        Some(code) => decode::body(code, reader, 1)?,
        None => Value::read(reader)?,
    };
    Ok(match value {
        // Java's mark for a date that is null.
        Value::Date(-1) => Value::Null,
        other => other,
    })
}

fn skip_field(kind: PdxFieldType, reader: &mut Reader<'_>) -> Result<()> {
    match kind.code() {
        Some(code) => skip::body(code, reader, 1),
        None => skip::skip_object(reader),
    }
}
