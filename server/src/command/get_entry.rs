//! GET_ENTRY. Clients of today send it inside transactions only.

use druse_protocol::auth::Operation;
use druse_protocol::codec::Message;
use druse_protocol::message::get_entry::{EntrySnapshot, GetEntry, GetEntryReply};

use super::convert::{tag, value_of};
use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// Looks an entry up with all that is known about it.
pub(super) fn get_entry(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = GetEntry::decode(message)?;
    let region = exchange.enter(request.region, Operation::Read, Some(request.key))?;
    let record = region.get(&request.key.key_bytes()?).filter(|record| !record.is_tombstone());
    let entry = record.as_ref().map(|record| EntrySnapshot {
        key: record.key(),
        value: value_of(record),
        last_modified_ms: record.version().timestamp_millis,
        is_removed: false,
        tag: Some(tag(record.version())),
        statistics: None,
    });
    let envelope = exchange.envelope();
    GetEntryReply { entry }.encode(exchange.out, &envelope);
    Ok(Answer::Done)
}
