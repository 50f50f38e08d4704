//! QUERY and QUERY_WITH_PARAMETERS: a question in OQL. What was found goes out as it is found, unless it is to be sorted or
//! counted. A large region is looked through a little at a time, so that other connections do not wait.

use std::sync::Arc;

use druse_protocol::auth::Operation;
use druse_protocol::codec::{Message, text};
use druse_protocol::message::query::Query;
use druse_protocol::message::query_reply::{ElementType, QueryReply, ResultType};
use druse_protocol::time::Micros;
use druse_protocol::version::VersionOrdinal;
use druse_protocol::{DecodeError, message::value::ValueRef};

use super::convert::to_value;
use crate::query::{Execution, Given, QueryError, ResultRow, Shape, Share, Statement};
use crate::region::{Region, Scan};
use crate::session::exchange::{Answer, Exchange, LongReply, Progress, SHARE_BYTES};
use crate::session::failure::Failure;

/// What is done before others may work: a millisecond or two.
const SHARE: Share =
    Share { records: 2048, record_bytes: 1 << 20, rows: QueryReply::ROWS_PER_CHUNK, row_bytes: SHARE_BYTES };

/// Asks a region. The right to read it comes first: whether it exists, and whether the rest of the query makes sense with its
/// data, is not everybody's business.
pub(super) fn query(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = Query::decode(message)?;
    let text = text::decode(request.text).ok_or(DecodeError::BadText { field: "query" })?;
    let statement = Statement::parse(&text).map_err(Failure::Query)?;
    let path = statement.region();
    let region = exchange.client.region(&exchange.core.regions, path);
    exchange.allow(path, region.as_deref(), Operation::Read, None)?;
    let region = region.ok_or_else(|| Failure::Query(QueryError::NoRegion(path.into())))?;
    let parameters: Vec<_> = request.values.into_iter().flatten().map(to_value).collect();
    let plan = statement.plan(&parameters, &*exchange.core.pdx).map_err(Failure::Query)?;
    let execution = Execution::new(plan, region.scan(), exchange.core.queries);
    let shape = execution.shape();
    Ok(Answer::Long(Box::new(Rows {
        region,
        execution,
        shape,
        found: Vec::new(),
        bytes: 0,
        since: exchange.now,
    })))
}

/// A query that is being answered.
struct Rows {
    region: Arc<Region>,
    execution: Execution<Scan>,
    shape: Shape,
    /// Rows that do not yet fill a chunk.
    found: Vec<ResultRow>,
    bytes: usize,
    /// Since when no chunk has gone out.
    since: Micros,
}

impl LongReply for Rows {
    fn begin(&mut self, exchange: &mut Exchange<'_>) {
        let envelope = exchange.envelope();
        QueryReply::encode_header(exchange.out, &envelope);
    }

    fn chunk(&mut self, exchange: &mut Exchange<'_>) -> Result<Progress, Failure> {
        // Rights may have changed with a login that came meanwhile.
        exchange.allow(self.region.path(), Some(&*self.region), Operation::Read, None)?;
        let share = Share { rows: SHARE.rows - self.found.len(), ..SHARE };
        let Given { rows, is_last } =
            self.execution.advance(&*exchange.core.pdx, &share).map_err(Failure::Query)?;
        self.bytes += rows.iter().flat_map(ResultRow::values).map(|value| value.bytes().len()).sum::<usize>();
        self.found.extend(rows);
        if is_last || self.found.len() >= SHARE.rows || self.bytes >= SHARE.row_bytes {
            self.send(exchange, is_last);
            return Ok(if is_last { Progress::Last } else { Progress::More });
        }
        let limit = exchange.core.queries.time;
        if exchange.now >= self.since + limit {
            return Err(Failure::Query(QueryError::TooSlow { limit }));
        }
        Ok(Progress::Wait(Box::pin(tokio::task::yield_now())))
    }
}

impl Rows {
    fn send(&mut self, exchange: &mut Exchange<'_>, last: bool) {
        let (version, envelope) = (exchange.client.version, exchange.envelope());
        let rows = self.found.iter();
        match &self.shape.columns {
            None => {
                let result_type = ResultType {
                    collection: collection(&self.shape, version),
                    element: element(&self.shape),
                };
                let rows = rows.map(|row| row.values().next().unwrap_or(ValueRef::Null));
                QueryReply::encode_values(exchange.out, &result_type, rows, last, &envelope);
            }
            Some(names) => {
                let names: Vec<&str> = names.iter().map(|name| &**name).collect();
                let element = ElementType::fields(&names);
                let result_type = ResultType { collection: collection(&self.shape, version), element };
                QueryReply::encode_structs(
                    exchange.out,
                    &result_type,
                    rows.map(ResultRow::values),
                    last,
                    &envelope,
                );
            }
        }
        self.found.clear();
        self.bytes = 0;
        self.since = exchange.now;
    }
}

const fn element(shape: &Shape) -> ElementType<'static> {
    if shape.is_count { ElementType::INTEGER } else { ElementType::ANY }
}

/// As what clients collect the rows (protocol/2-operations.md section 5.2).
fn collection(shape: &Shape, version: VersionOrdinal) -> &'static [u8] {
    match shape {
        Shape { is_ordered: true, .. } => ResultType::ORDERED,
        Shape { is_distinct: true, .. } => ResultType::SET,
        Shape { columns: Some(_), .. } => ResultType::STRUCT_BAG,
        Shape { columns: None, .. } if version < VersionOrdinal::GFE_90 => ResultType::LIST,
        Shape { columns: None, .. } => ResultType::COLLECTION,
    }
}
