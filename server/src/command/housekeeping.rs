//! What is only acknowledged.

use druse_protocol::codec::Message;
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::housekeeping::CloseConnection;
use druse_protocol::message::put::PutReply;
use druse_protocol::message::registration::Registration;

use crate::seam::CloseReason;
use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// PING, whatever member it names: a client that is sent away for a ping drops its whole pool.
pub(crate) fn acknowledge(exchange: &mut Exchange<'_>) -> Result<Answer, Failure> {
    let envelope = exchange.envelope();
    Acknowledgement::default().encode(exchange.out, &envelope);
    Ok(Answer::Done)
}

/// CLOSE_CONNECTION. Of the connection over which a client directs its feed it means the feed, too.
pub(crate) fn goodbye(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    if !exchange.client.directs_feed {
        acknowledge(exchange)?;
        return Ok(Answer::Close(CloseReason::Requested));
    }
    let keep = CloseConnection::decode(message).keep_alive;
    let (key, since) = (exchange.client.key.clone(), exchange.client.since);
    let left =
        exchange.core.feeds.ask(&exchange.client.key, move |shard, now| shard.leave(&key, keep, since, now));
    Ok(exchange.await_feed(async move { Ok(left.await) }, |exchange, _| {
        // A node that ends has no feeds any more; that, too, is a goodbye.
        acknowledge(exchange)?;
        Ok(Answer::Close(CloseReason::Requested))
    }))
}

/// Classes that a client reads and writes itself mean nothing to a node that looks into no value. A client that is refused
/// tries again at each connection.
pub(super) fn register(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    Registration::decode(message)?;
    acknowledge(exchange)
}

/// A client's own statistics: answered and dropped.
pub(super) fn statistics(exchange: &mut Exchange<'_>) -> Result<Answer, Failure> {
    let envelope = exchange.envelope();
    PutReply::default().encode(exchange.out, &envelope);
    Ok(Answer::Done)
}
