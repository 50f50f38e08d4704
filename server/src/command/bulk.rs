//! PUTALL and REMOVE_ALL: permission is asked once, and all is applied or nothing.

use druse_protocol::DecodeError;
use druse_protocol::auth::Operation;
use druse_protocol::codec::Message;
use druse_protocol::message::bulk::{BulkFlags, BulkReply};
use druse_protocol::message::key::KeyBytes;
use druse_protocol::message::put_all::PutAll;
use druse_protocol::message::remove_all::RemoveAll;
use druse_protocol::message::value::ValueRef;

use super::convert::{callback, tag, to_value};
use crate::engine::{Outcome, Value, Version};
use crate::region::{BulkMutated, RegionError};
use crate::session::exchange::{Answer, Exchange, LongReply, Progress};
use crate::session::failure::Failure;

/// Stores many values.
pub(super) fn put_all(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = PutAll::decode(message)?;
    let region = exchange.enter(request.region, Operation::Write, None)?;
    let entries = request.entries.map(|(key, value)| Ok((key.key_bytes()?, to_value(value))));
    let entries: Vec<(KeyBytes<'_>, Value<'_>)> = entries.collect::<Result<_, DecodeError>>()?;
    let entries: Vec<(&[u8], Value<'_>)> = entries.iter().map(|(key, value)| (&**key, *value)).collect();
    let callback = callback(request.callback.unwrap_or(ValueRef::Null));
    let origin = exchange.origin(request.event);
    let outcome = region.put_all(&origin, &entries, callback.as_deref(), exchange.now);
    reply(exchange, outcome, request.flags)
}

/// Removes many entries.
pub(super) fn remove_all(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = RemoveAll::decode(message)?;
    let region = exchange.enter(request.region, Operation::Write, None)?;
    let keys: Vec<KeyBytes<'_>> = request.keys.map(|key| key.key_bytes()).collect::<Result<_, _>>()?;
    let keys: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
    let callback = callback(request.callback);
    let origin = exchange.origin(request.event);
    let outcome = region.remove_all(&origin, &keys, callback.as_deref(), exchange.now);
    reply(exchange, outcome, request.flags)
}

fn reply(
    exchange: &mut Exchange<'_>,
    outcome: Outcome<Result<BulkMutated, RegionError>>,
    flags: BulkFlags,
) -> Result<Answer, Failure> {
    exchange.follow(outcome, move |exchange, mutated| {
        let versions = mutated?.versions;
        if flags.wants_tags() && !versions.is_empty() {
            return Ok(Answer::Long(Box::new(Tags { versions, sent: 0 })));
        }
        let envelope = exchange.envelope();
        BulkReply::encode_without_tags(exchange.out, &envelope);
        Ok(Answer::Done)
    })
}

struct Tags {
    versions: Vec<Option<Version>>,
    sent: usize,
}

impl LongReply for Tags {
    fn begin(&mut self, exchange: &mut Exchange<'_>) {
        let envelope = exchange.envelope();
        BulkReply::encode_header(exchange.out, &envelope);
    }

    fn chunk(&mut self, exchange: &mut Exchange<'_>) -> Result<Progress, Failure> {
        let rest = self.versions.get(self.sent..).unwrap_or_default();
        let now = rest.get(..BulkReply::TAGS_PER_CHUNK).unwrap_or(rest);
        self.sent += now.len();
        let last = now.len() == rest.len();
        let envelope = exchange.envelope();
        let tags = now.iter().map(|version| version.map(tag));
        BulkReply::encode_chunk(exchange.out, tags, last, &envelope);
        Ok(if last { Progress::Last } else { Progress::More })
    }
}
