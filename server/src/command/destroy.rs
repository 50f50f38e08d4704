//! DESTROY, and remove of an expected value.

use druse_protocol::auth::Operation;
use druse_protocol::codec::Message;
use druse_protocol::message::destroy::{Destroy, DestroyReply};

use super::convert::{callback, tag, to_value};
use crate::region::{Effect, Mutation};
use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// Removes an entry.
pub(super) fn destroy(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = Destroy::decode(message)?;
    let region = exchange.enter(request.region, Operation::Write, Some(request.key))?;
    let key = request.key.key_bytes()?;
    let callback = callback(request.callback);
    let mutation = Mutation::Destroy {
        key: &key,
        expected: request.expected.map(to_value),
        callback: callback.as_deref(),
    };
    let outcome = region.mutate(&exchange.origin(request.event), mutation, exchange.now);
    exchange.follow(outcome, |exchange, mutated| {
        let mutated = mutated?;
        let reply = DestroyReply {
            // An absent key may have a tombstone, whose version tells a caching client that it is late.
            tag: mutated.version.filter(|_| mutated.effect != Effect::Mismatch).map(tag),
            hop: None,
            entry_not_found: Some(mutated.effect != Effect::Applied),
        };
        let envelope = exchange.envelope();
        reply.encode(exchange.out, &envelope);
        Ok(Answer::Done)
    })
}
