//! INVALIDATE.

use druse_protocol::auth::Operation;
use druse_protocol::codec::Message;
use druse_protocol::message::invalidate::{Invalidate, InvalidateReply};

use super::convert::{callback, tag};
use crate::region::{Effect, Mutation};
use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// Takes an entry's value away. An absent key is no error.
pub(super) fn invalidate(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = Invalidate::decode(message)?;
    let region = exchange.enter(request.region, Operation::Write, Some(request.key))?;
    let key = request.key.key_bytes()?;
    let callback = callback(request.callback);
    let mutation = Mutation::Invalidate { key: &key, callback: callback.as_deref() };
    let outcome = region.mutate(&exchange.origin(request.event), mutation, exchange.now);
    exchange.follow(outcome, |exchange, mutated| {
        let mutated = mutated?;
        let version = mutated.version.filter(|_| mutated.effect == Effect::Applied);
        let envelope = exchange.envelope();
        InvalidateReply { tag: version.map(tag), hop: None }.encode(exchange.out, &envelope);
        Ok(Answer::Done)
    })
}
