//! OQL queries that are asked once.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use druse_protocol::DecodeError;
use druse_protocol::codec::{MessageType, text};
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::exception::RemoteException;
use druse_protocol::message::object_part_list::Element;
use druse_protocol::message::query::Query;
use druse_protocol::message::query_reply::{ElementType, QueryReply, Row};
use druse_protocol::value::{JavaClass, Value};

use crate::client::Core;
use crate::connection::Reply;
use crate::error::Error;
use crate::feed::RawValue;
use crate::operation::{Operation, Repeat};
use crate::user::User;
use crate::value::{self, FromValue, Stored, ToValue};
use crate::wire;

/// The rows of a query's result. They are converted one by one as they are taken; until then they are the bytes that came.
pub struct QueryRows<V> {
    fields: Vec<String>,
    rows: std::vec::IntoIter<RawRow>,
    types: PhantomData<fn() -> V>,
}

/// A row as it came.
enum RawRow {
    Value(Cell),
    Struct(Vec<Cell>),
}

/// A value, or why there is none.
enum Cell {
    Value(Option<RawValue>),
    Failed(RemoteException),
}

impl<V> QueryRows<V> {
    /// The names of the fields, where a row has several; else none.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        &self.fields
    }
}

impl<V: FromValue> Iterator for QueryRows<V> {
    type Item = Result<V, Error>;

    /// The next row. One of several fields comes as [`Value::Objects`].
    fn next(&mut self) -> Option<Result<V, Error>> {
        let row = self.rows.next()?;
        let value = row.into_value();
        let convert = |value| {
            V::from_value(value)
                .map_err(|error| Error::Conversion { what: "row", problem: error.to_string() })
        };
        Some(value.and_then(convert))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl<V: FromValue> ExactSizeIterator for QueryRows<V> {}

impl<V> fmt::Debug for QueryRows<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryRows").field("fields", &self.fields).field("left", &self.rows.len()).finish()
    }
}

impl RawRow {
    fn into_value(self) -> Result<Value, Error> {
        match self {
            Self::Value(cell) => cell.into_value(),
            Self::Struct(cells) => {
                let elements = cells.into_iter().map(Cell::into_value).collect::<Result<_, _>>()?;
                Ok(Value::Objects { component: JavaClass::object(), elements })
            }
        }
    }
}

impl Cell {
    fn of(element: Element<'_>, frame: &Bytes) -> Result<Self, DecodeError> {
        Ok(match element {
            Element::Value(value) => Self::Value(RawValue::of(value, frame)),
            Element::Exception { object, .. } => Self::Failed(RemoteException::read(object)?),
        })
    }

    fn into_value(self) -> Result<Value, Error> {
        match self {
            Self::Value(None) => Ok(Value::Null),
            Self::Value(value) => Ok(value::decode_raw(value.as_ref())?.unwrap_or(Value::Null)),
            Self::Failed(exception) => Err(Error::of_entry(exception)),
        }
    }
}

impl Core {
    /// Asks a query as `user`.
    pub(crate) async fn query<V>(
        &self,
        user: &Arc<User>,
        oql: &str,
        parameters: &[&(dyn ToValue + Sync)],
    ) -> Result<QueryRows<V>, Error> {
        let encoded = text::encode(oql);
        let values: Vec<Stored> = parameters.iter().map(|parameter| value::encode(*parameter)).collect();
        let with_parameters = !values.is_empty();
        let encode = |out: &mut Vec<u8>, envelope: &Envelope| {
            let values = with_parameters.then(|| values.iter().map(Stored::as_ref));
            Query { text: &encoded, values, timeout_ms: None }.encode(out, envelope);
        };
        let kind = if with_parameters { MessageType::QueryWithParameters } else { MessageType::Query };
        let operation = Operation { kind, region: oql, repeat: Repeat::Question, encode: &encode };
        let reply = self.execute(user, &operation).await?;
        read(&reply).map_err(Error::Malformed)
    }
}

fn read<V>(reply: &Reply) -> Result<QueryRows<V>, DecodeError> {
    let frame = wire::frame(reply);
    let (mut fields, mut rows) = (Vec::new(), Vec::new());
    for chunk in wire::chunks(reply)? {
        let chunk = QueryReply::decode_chunk(&chunk)?;
        if let Some(ElementType::Struct(names)) = chunk.result_type.map(|result_type| result_type.element) {
            fields = names.iter().map(Cow::into_owned).collect();
        }
        for row in chunk.rows.iter() {
            rows.push(match row {
                Row::Value(element) => RawRow::Value(Cell::of(element, frame)?),
                Row::Struct(fields) => {
                    let cells = fields.iter().map(|field| Cell::of(field, frame));
                    RawRow::Struct(cells.collect::<Result<_, _>>()?)
                }
            });
        }
    }
    Ok(QueryRows { fields, rows: rows.into_iter(), types: PhantomData })
}
