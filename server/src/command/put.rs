//! PUT in all its forms.

use druse_protocol::auth::Operation;
use druse_protocol::codec::{Message, MessageType, MessageWriter};
use druse_protocol::message::put::{OldValue, Put, PutOperation, PutReply};

use super::convert::{callback, old_value, tag, to_value};
use crate::region::{Condition, Effect, Mutated, Mutation};
use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// What the answer says besides the version.
#[derive(Debug, Clone, Copy)]
enum Says {
    /// Nothing.
    Done,
    /// What was there before.
    Old,
    /// Whether it was what was expected.
    Whether,
}

/// Stores a value.
pub(super) fn put(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = Put::decode(message)?;
    let region = exchange.enter(request.region, Operation::Write, Some(request.key))?;
    if request.is_delta {
        return Ok(refuse_delta(exchange));
    }
    let (condition, says) = match (request.operation, request.expected) {
        // Create overwrites, as on a Geode server: that the key is absent has been checked by the client, or by nobody.
        (PutOperation::Create | PutOperation::Update, _) => (Condition::None, Says::Done),
        (PutOperation::PutIfAbsent, _) => (Condition::IfAbsent, Says::Old),
        (PutOperation::Replace, None) => (Condition::IfPresent, Says::Old),
        (PutOperation::Replace, Some(expected)) => (Condition::IfEquals(to_value(expected)), Says::Whether),
    };
    let key = request.key.key_bytes()?;
    let callback = callback(request.callback);
    let mutation =
        Mutation::Put { key: &key, value: to_value(request.value), condition, callback: callback.as_deref() };
    let outcome = region.mutate(&exchange.origin(request.event), mutation, exchange.now);
    exchange.follow(outcome, move |exchange, mutated| reply(exchange, says, &mutated?))
}

fn reply(exchange: &mut Exchange<'_>, says: Says, mutated: &Mutated) -> Result<Answer, Failure> {
    let applied = mutated.effect == Effect::Applied;
    let reply = PutReply {
        hop: None,
        old_value: match says {
            Says::Done => None,
            Says::Old => Some(OldValue::Value(old_value(&mutated.old))),
            Says::Whether => Some(OldValue::Outcome(applied)),
        },
        tag: mutated.version.filter(|_| applied).map(tag),
    };
    let envelope = exchange.envelope();
    reply.encode(exchange.out, &envelope);
    Ok(Answer::Done)
}

/// Only the value's own class could apply a delta. The handshake has said so; a client that sends one all the same repeats
/// the operation with the whole value.
fn refuse_delta(exchange: &mut Exchange<'_>) -> Answer {
    let envelope = exchange.envelope();
    let mut writer = MessageWriter::begin(exchange.out, MessageType::PutDeltaError, envelope.tx_id, 0);
    writer.text(b"this node takes no deltas");
    writer.text(b"this node takes no deltas");
    let id = envelope.next_connection_id.map(i64::to_be_bytes);
    writer.finish(id.as_ref().map(|id| &id[..]));
    Answer::Done
}
