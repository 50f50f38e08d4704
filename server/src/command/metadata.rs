//! What clients ask about regions and functions before they use them. Our regions have no partitions.

use druse_protocol::codec::Message;
use druse_protocol::message::function_attributes::FunctionAttributes;
use druse_protocol::message::metadata::{PartitionAttributes, PartitionAttributesReply, PartitionMetadata};

use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// GET_CLIENT_PARTITION_ATTRIBUTES: told that there are none, a client with single-hop on never asks again.
pub(super) fn partition_attributes(
    exchange: &mut Exchange<'_>,
    message: &Message<'_>,
) -> Result<Answer, Failure> {
    let request = PartitionAttributes::decode(message)?;
    let region = exchange.core.regions.get(request.region.as_bytes());
    let region = region.ok_or_else(|| no_region(request.region))?;
    let envelope = exchange.envelope();
    PartitionAttributesReply::encode_unpartitioned(exchange.out, region.path(), &envelope)?;
    Ok(Answer::Done)
}

/// GET_CLIENT_PR_METADATA: comes only from clients that take the region for a partitioned one.
pub(super) fn partition_metadata(
    exchange: &mut Exchange<'_>,
    message: &Message<'_>,
) -> Result<Answer, Failure> {
    let request = PartitionMetadata::decode(message)?;
    if exchange.core.regions.get(request.region.as_bytes()).is_none() {
        return Err(no_region(request.region));
    }
    Err(Failure::NotFound(format!("{} has no partitions", request.region)))
}

/// GET_FUNCTION_ATTRIBUTES: there are no functions yet.
pub(super) fn function_attributes(_: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = FunctionAttributes::decode(message)?;
    let name = String::from_utf8_lossy(request.function);
    Err(Failure::NotFound(format!("the function is not registered for function id {name}")))
}

/// Here the text is the only error that clients understand.
fn no_region(path: &str) -> Failure {
    Failure::NotFound(format!("there is no region {path}"))
}
