//! GET.

use druse_protocol::auth::Operation;
use druse_protocol::codec::Message;
use druse_protocol::message::get::{Get, GetReply, Presence};
use druse_protocol::message::value::ValueRef;

use super::convert::{tag, to_wire};
use crate::engine::Value;
use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// Looks a value up and copies it once, into the answer.
pub(super) fn get(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = Get::decode(message)?;
    let region = exchange.enter(request.region, Operation::Read, Some(request.key))?;
    let key = request.key.key_bytes()?;
    let record = region.get(&key);
    let value = record.as_ref().and_then(|record| record.value());
    let reply = GetReply {
        value: value.map_or(ValueRef::Null, to_wire),
        presence: match value {
            None => Presence::Absent,
            Some(Value::Invalid) => Presence::Invalid,
            Some(_) => Presence::Found,
        },
        callback: Some(request.callback).filter(|callback| !callback.is_null()),
        tag: record.as_ref().map(|record| tag(record.version())),
        hop: None,
    };
    let envelope = exchange.envelope();
    reply.encode(exchange.out, &envelope);
    Ok(Answer::Done)
}
