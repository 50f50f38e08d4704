//! Continuous queries: EXECUTECQ with and without results of the moment, STOPCQ, CLOSECQ, GETDURABLECQS, and what nobody
//! sends any more. RFC.md section 12.
//!
//! Stopping a query and listing one's durable queries need rights over the whole cluster in Geode. Both concern nobody but
//! the client itself, so here they need what running the query needs, and a live login.

use std::sync::Arc;

use druse_protocol::auth::Operation;
use druse_protocol::codec::Message;
use druse_protocol::message::cq::{CqCommand, CqReply, DurableCqsReply, ExecuteCq, MonitorCq, NamedCq};
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::query_reply::{QueryReply, ResultType};
use druse_protocol::message::value::ValueRef;

use super::convert::value_of;
use super::interest::{Page, Walk};
use crate::query::{CqPredicate, Statement};
use crate::session::exchange::{Answer, Exchange, LongReply, Progress};
use crate::session::failure::{Failure, FeedFailure};
use crate::subscription::requests::QueryRequest;

/// Runs a query from now on, under the user who asks.
pub(super) fn execute(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = ExecuteCq::decode(message)?;
    let text = KeyRef::Text(request.query).text().ok_or(FeedFailure::BadText)?;
    let statement = Statement::parse(&text).map_err(FeedFailure::from)?;
    let region = exchange.enter(statement.region(), Operation::Read, None)?;
    let predicate = CqPredicate::compile(&statement, &[], &*exchange.core.pdx).map_err(FeedFailure::from)?;
    let query = QueryRequest {
        name: request.name.into(),
        text: text.as_ref().into(),
        region: Arc::clone(&region),
        predicate: Arc::new(predicate),
        durable: request.durable,
        user: exchange.client.user().cloned(),
        since: exchange.client.since,
    };
    let initial = request.with_initial_results;
    let key = exchange.client.key.clone();
    let running = exchange
        .core
        .feeds
        .ask(&exchange.client.key, move |shard, now| shard.execute_cq(&key, query, initial, now));
    Ok(exchange.await_feed(running, move |exchange, running| {
        let Some(snapshot) = running? else { return Ok(say(exchange, CqReply::CREATED)) };
        Ok(Answer::Long(Box::new(Results { walk: Walk::new(region, [snapshot].into()) })))
    }))
}

/// Ends a query, for a while or for good: to the node that is the same, since a client executes it again.
pub(super) fn end(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = NamedCq::decode(message)?;
    let (name, command): (Arc<[u8]>, _) = (request.name.into(), request.command);
    if command == CqCommand::Statistics {
        return Ok(say(exchange, CqReply::STATISTICS));
    }
    let key = exchange.client.key.clone();
    let asked = Arc::clone(&name);
    let region =
        exchange.core.feeds.ask(&exchange.client.key, move |shard, _| shard.region_of_cq(&key, &asked));
    Ok(exchange.await_feed(region, move |exchange, region| {
        // One that is gone already is ended.
        let Some(path) = region else { return Ok(say(exchange, told(command))) };
        let region = exchange.core.regions.get(path.as_bytes());
        exchange.allow(&path, region.as_deref(), Operation::Read, None)?;
        let key = exchange.client.key.clone();
        let ended =
            exchange.core.feeds.ask(&exchange.client.key, move |shard, _| shard.close_cq(&key, &name));
        Ok(exchange.await_feed(ended, move |exchange, _| Ok(say(exchange, told(command)))))
    }))
}

const fn told(command: CqCommand) -> CqReply<'static> {
    match command {
        CqCommand::Stop => CqReply::STOPPED,
        CqCommand::Close => CqReply::CLOSED,
        CqCommand::Statistics => CqReply::STATISTICS,
    }
}

fn say(exchange: &mut Exchange<'_>, reply: CqReply<'static>) -> Answer {
    let envelope = exchange.envelope();
    reply.encode(exchange.out, &envelope);
    Answer::Done
}

/// The names of the client's durable queries.
pub(super) fn durable(exchange: &mut Exchange<'_>) -> Answer {
    let key = exchange.client.key.clone();
    let names = exchange.core.feeds.ask(&exchange.client.key, move |shard, _| shard.durable_cqs(&key));
    exchange.await_feed(names, |_, names| Ok(Answer::Long(Box::new(Names { names, told: 0 }))))
}

/// Switched all queries on or off in a Geode of long ago; today every server refuses it.
pub(super) fn monitor(message: &Message<'_>) -> Result<Answer, Failure> {
    MonitorCq::decode(message)?;
    Err(FeedFailure::Monitor.into())
}

struct Names {
    names: Vec<Arc<[u8]>>,
    told: usize,
}

impl LongReply for Names {
    fn begin(&mut self, exchange: &mut Exchange<'_>) {
        let envelope = exchange.envelope();
        DurableCqsReply::encode_header(exchange.out, &envelope);
    }

    fn chunk(&mut self, exchange: &mut Exchange<'_>) -> Result<Progress, Failure> {
        let rest = self.names.get(self.told..).unwrap_or_default();
        let now = rest.get(..DurableCqsReply::NAMES_PER_CHUNK).unwrap_or(rest);
        self.told += now.len();
        let last = now.len() == rest.len();
        let envelope = exchange.envelope();
        DurableCqsReply::encode_chunk(exchange.out, now.iter().map(|name| &**name), last, &envelope)?;
        Ok(if last { Progress::Last } else { Progress::More })
    }
}

/// The results of a query as of the moment at which it was run, a hundred a chunk.
struct Results {
    walk: Walk,
}

impl LongReply for Results {
    fn begin(&mut self, exchange: &mut Exchange<'_>) {
        let envelope = exchange.envelope();
        QueryReply::encode_header(exchange.out, &envelope);
    }

    fn chunk(&mut self, exchange: &mut Exchange<'_>) -> Result<Progress, Failure> {
        let (records, last) = match self.walk.page(exchange, QueryReply::ROWS_PER_CHUNK)? {
            Page::Wait(future) => return Ok(Progress::Wait(future)),
            Page::Records { records, last } => (records, last),
        };
        let envelope = exchange.envelope();
        let rows = records.iter().map(|record| [ValueRef::Object(record.key()), value_of(record)]);
        QueryReply::encode_structs(exchange.out, &ResultType::CQ, rows, last, &envelope);
        Ok(if last { Progress::Last } else { Progress::More })
    }
}
