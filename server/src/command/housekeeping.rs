//! What is only acknowledged.

use druse_protocol::codec::Message;
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::put::PutReply;
use druse_protocol::message::registration::Registration;

use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// PING, whatever member it names: a client that is sent away for a ping drops its whole pool. CLOSE_CONNECTION. CLIENT_READY
/// without a feed, as in Geode, and PERIODIC_ACK, which Geode leaves unanswered (ref. 3, section 7, row 25).
pub(crate) fn acknowledge(exchange: &mut Exchange<'_>) -> Result<Answer, Failure> {
    let envelope = exchange.envelope();
    Acknowledgement::default().encode(exchange.out, &envelope);
    Ok(Answer::Done)
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
