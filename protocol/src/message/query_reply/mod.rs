//! The answer to QUERY 34, QUERY_WITH_PARAMETERS 80 and EXECUTECQ_WITH_IR 43: a chunked RESPONSE of two parts (Geode
//! `QueryOp`, `BaseCommandQuery`).
//!
//! ```text
//!  collection type | up to 100 rows:  Object[]  or  ObjectPartList          a row of many fields is such a thing itself
//!  null            | Integer                                                a number alone
//! ```
//! | file | job |
//! |---|---|
//! | [`result_type`] | what the rows are and how they are collected |
//! | [`rows`] | the rows of one chunk |
//!
//! Both forms of rows are read; arrays are written, which clients take for any query.

pub mod result_type;
pub mod rows;

pub use result_type::{ElementType, FieldNames, ResultType};
pub use rows::{Fields, Row, Rows};

use super::envelope::ReplyEnvelope;
use super::objects;
use super::parts;
use super::value::ValueRef;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Chunk, ChunkedWriter, MessageType};
use crate::value::DsCode;

/// What a path gives that leads nowhere (Geode `Undefined`, fixed id 31): neither null nor equal to anything.
pub const UNDEFINED: &[u8] = &[0x01, 0x1f];

/// One chunk of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryReply<'a> {
    /// What is in there; the same in every chunk, and `None` with a number alone.
    pub result_type: Option<ResultType<'a>>,
    /// The rows of this chunk.
    pub rows: Rows<'a>,
}

impl<'a> QueryReply<'a> {
    /// The most rows that Geode puts into one chunk (`BaseCommand.MAXIMUM_CHUNK_SIZE`).
    pub const ROWS_PER_CHUNK: usize = 100;

    /// Reads one chunk.
    ///
    /// # Errors
    /// If it does not hold a type and rows, a row has not as many fields as the type says, or something in it cannot be
    /// told from the next.
    pub fn decode_chunk(chunk: &Chunk<'a>) -> Result<Self, DecodeError> {
        const MESSAGE: &str = "QUERY";
        let mut parts = chunk.parts();
        let result_type = parts.expect(MESSAGE, "no collection type")?;
        let rows = parts.expect(MESSAGE, "no rows")?;
        if parts.next().is_some() {
            return Err(DecodeError::Parts { message: MESSAGE, problem: "a chunk of more than two parts" });
        }
        let result_type = match result_type.is_null() {
            true => None,
            false => Some(ResultType::decode(result_type.bytes)?),
        };
        Ok(Self { result_type, rows: Rows::decode(rows.bytes, result_type.as_ref())? })
    }

    /// Writes what goes in front of the first chunk.
    pub fn encode_header(out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        ChunkedWriter::begin(out, MessageType::Response, 2, envelope.tx_id);
    }

    /// Writes one chunk of rows that are one value each. The last one must be sent, even if it is empty.
    pub fn encode_values<'v>(
        out: &mut impl Buffer,
        result_type: &ResultType<'_>,
        rows: impl IntoIterator<Item = ValueRef<'v>, IntoIter: ExactSizeIterator>,
        last: bool,
        envelope: &ReplyEnvelope,
    ) {
        chunk(out, result_type, last, envelope, |out| put_values(out, rows));
    }

    /// Writes one chunk of rows of as many fields as the type has names. The last one must be sent, even if it is empty.
    pub fn encode_structs<'v, R>(
        out: &mut impl Buffer,
        result_type: &ResultType<'_>,
        rows: impl IntoIterator<Item = R, IntoIter: ExactSizeIterator>,
        last: bool,
        envelope: &ReplyEnvelope,
    ) where
        R: IntoIterator<Item = ValueRef<'v>, IntoIter: ExactSizeIterator>,
    {
        chunk(out, result_type, last, envelope, |out| {
            let rows = rows.into_iter();
            objects::begin_array(out, rows.len());
            rows.for_each(|row| put_values(out, row));
        });
    }

    /// Writes the one chunk of a result that is a number.
    pub fn encode_number(out: &mut impl Buffer, number: i32, envelope: &ReplyEnvelope) {
        let mut writer = ChunkedWriter::resume(out);
        writer.begin_chunk();
        writer.null();
        writer.object_with(|out| {
            out.put_u8(DsCode::Integer.to_wire());
            out.put_i32(number);
        });
        parts::end_chunk(&mut writer, true, envelope);
    }
}

fn chunk<B: Buffer>(
    out: &mut B,
    result_type: &ResultType<'_>,
    last: bool,
    envelope: &ReplyEnvelope,
    rows: impl FnOnce(&mut B),
) {
    let mut writer = ChunkedWriter::resume(out);
    writer.begin_chunk();
    writer.object_with(|out| result_type.encode(out));
    writer.object_with(rows);
    parts::end_chunk(&mut writer, last, envelope);
}

fn put_values<'v>(
    out: &mut impl Buffer,
    values: impl IntoIterator<Item = ValueRef<'v>, IntoIter: ExactSizeIterator>,
) {
    let values = values.into_iter();
    objects::begin_array(out, values.len());
    values.for_each(|value| objects::put_value(out, value));
}

#[cfg(test)]
mod tests;
