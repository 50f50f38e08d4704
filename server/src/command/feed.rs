//! What a client says of its feed: MAKE_PRIMARY, CLIENT_READY, PERIODIC_ACK, REQUEST_EVENT_VALUE.

use druse_protocol::auth::Operation;
use druse_protocol::codec::Message;
use druse_protocol::message::feed_control::{EventValueReply, MakePrimary, PeriodicAck, RequestEventValue};
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::value::ValueRef;
use druse_protocol::time::Micros;

use super::convert::value_of;
use super::housekeeping;
use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;
use crate::subscription::Shard;

/// From here on this node tells the client of changes.
pub(super) fn make_primary(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Answer {
    let ready = MakePrimary::decode(message).client_ready_sent;
    let key = exchange.client.key.clone();
    acknowledged(exchange, move |shard, now| shard.make_primary(&key, ready, now))
}

/// A durable client has registered all its listeners.
pub(super) fn client_ready(exchange: &mut Exchange<'_>) -> Answer {
    let key = exchange.client.key.clone();
    acknowledged(exchange, move |shard, now| shard.client_ready(&key, now))
}

/// What the client has handled need not be kept. Answered in any case, which Geode does not do (ref. 3, section 7, row 25).
pub(super) fn acknowledge(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let events = PeriodicAck::decode(message)?.events;
    let numbers: Vec<(i64, i64)> = events.iter().map(|event| (event.thread, event.sequence)).collect();
    let key = exchange.client.key.clone();
    Ok(acknowledged(exchange, move |shard, _| shard.acknowledge(&key, &numbers)))
}

/// The whole value of an event. Clients ask for it when they could not apply a delta, and no node of ours sends any: what
/// is asked about is found as long as it is not acknowledged.
pub(super) fn event_value(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = RequestEventValue::decode(message)?;
    let (thread, sequence) = (request.event.thread, request.event.sequence);
    let key = exchange.client.key.clone();
    let found = exchange
        .core
        .feeds
        .ask(&exchange.client.key, move |shard, _| shard.event_value(&key, thread, sequence));
    Ok(exchange.await_feed(found, |exchange, found| {
        let (region, record) =
            found.ok_or_else(|| Failure::NotFound("the event is no longer known".to_owned()))?;
        // The value is the region's: whoever may not read it does not get it this way.
        let key = KeyRef::from_canonical(record.key());
        exchange.allow(region.path(), Some(&region), Operation::Read, Some(key))?;
        let envelope = exchange.envelope();
        EventValueReply { value: value_of(&record), callback: ValueRef::Null }
            .encode(exchange.out, &envelope);
        Ok(Answer::Done)
    }))
}

/// Lets the client's shard do something, and acknowledges.
fn acknowledged(
    exchange: &mut Exchange<'_>,
    act: impl FnOnce(&mut Shard, Micros) + Send + 'static,
) -> Answer {
    let done = exchange.core.feeds.ask(&exchange.client.key, act);
    exchange.await_feed(done, |exchange, ()| housekeeping::acknowledge(exchange))
}
