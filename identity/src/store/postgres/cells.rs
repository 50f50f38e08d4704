//! Values on their way to and from Postgres.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::store::StoreError;
use crate::store::driver::{Cell, Row};

/// Reads a row. Only the types that our statements bring are known.
pub(super) fn row(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let cells: Result<Vec<Cell>, StoreError> = (0..row.len()).map(|column| cell(row, column)).collect();
    cells.map(Row)
}

fn cell(row: &tokio_postgres::Row, column: usize) -> Result<Cell, StoreError> {
    let kind = row.columns().get(column).map(|column| column.type_().clone());
    let cell = match kind {
        Some(Type::INT8) => row.try_get::<_, Option<i64>>(column)?.map(Cell::Integer),
        Some(Type::INT4) => row.try_get::<_, Option<i32>>(column)?.map(|value| Cell::Integer(value.into())),
        Some(Type::TEXT) => row.try_get::<_, Option<String>>(column)?.map(Cell::Text),
        Some(Type::BYTEA) => row.try_get::<_, Option<Vec<u8>>>(column)?.map(Cell::Blob),
        _ => return Err(StoreError::Corrupt("a column has a type that no schema of ours has")),
    };
    Ok(cell.unwrap_or(Cell::Null))
}

impl ToSql for Cell {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(value) => value.to_sql(kind, out),
            Self::Text(value) => value.to_sql(kind, out),
            Self::Blob(value) => value.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        <i64 as ToSql>::accepts(kind) || <String as ToSql>::accepts(kind) || <Vec<u8> as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}
