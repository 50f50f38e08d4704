//! SIZE.

use druse_protocol::codec::Message;
use druse_protocol::message::size::{Size, SizeReply};

use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// Counts the entries. No permission is asked, as in Geode; a login is needed, unlike there.
pub(super) fn size(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = Size::decode(message)?;
    let region = exchange.core.regions.get(request.region.as_bytes());
    let region = region.ok_or_else(|| Failure::NoRegion(request.region.into()))?;
    let envelope = exchange.envelope();
    let entries = i32::try_from(region.len()).unwrap_or(i32::MAX);
    SizeReply { entries }.encode(exchange.out, &envelope);
    Ok(Answer::Done)
}
