//! CLEAR_REGION; and CREATE_REGION and DESTROY_REGION, which are the operator's business here.

use druse_protocol::auth::Operation;
use druse_protocol::codec::Message;
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::clear::ClearRegion;

use super::convert::callback;
use crate::security::Wanted;
use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// Removes all entries.
pub(super) fn clear(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = ClearRegion::decode(message)?;
    let region = exchange.enter(request.region, Operation::Write, None)?;
    let callback = callback(request.callback);
    let outcome = region.clear(&exchange.origin(request.event), callback.as_deref(), exchange.now);
    exchange.follow(outcome, |exchange, cleared| {
        cleared?;
        let envelope = exchange.envelope();
        Acknowledgement::default().encode(exchange.out, &envelope);
        Ok(Answer::Done)
    })
}

/// Regions are made by configuration. Whoever may not even ask is told that first.
pub(super) fn manage(exchange: &mut Exchange<'_>) -> Result<Answer, Failure> {
    exchange.authorize(&Wanted::data(Operation::Manage, "*", None), None)?;
    Err(Failure::Unsupported("creating or destroying of regions by clients"))
}
