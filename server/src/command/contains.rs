//! CONTAINS_KEY, for keys and for values.

use druse_protocol::auth::Operation;
use druse_protocol::codec::Message;
use druse_protocol::message::contains::{Contains, ContainsMode, ContainsReply};
use druse_protocol::message::key::KeyRef;

use crate::engine::Value;
use crate::region::{Region, Scan};
use crate::session::exchange::{Answer, Completion, Exchange};
use crate::session::failure::Failure;

/// Entries looked at before others get their turn.
const STEP: usize = 4096;

/// Says whether something is there.
pub(super) fn contains(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = Contains::decode(message)?;
    if request.mode == ContainsMode::Value {
        // Looks at all entries, so the permission is for all. Geode asks for the key that the value would be.
        let region = exchange.enter(request.region, Operation::Read, None)?;
        return search(exchange, region.scan(), wanted(request.key)?);
    }
    let region = exchange.enter(request.region, Operation::Read, Some(request.key))?;
    let is_there = has(&region, request.key, request.mode)?;
    reply(exchange, is_there)
}

fn has(region: &Region, key: KeyRef<'_>, mode: ContainsMode) -> Result<bool, Failure> {
    let record = region.get(&key.key_bytes()?);
    let value = record.as_ref().and_then(|record| record.value());
    Ok(match mode {
        ContainsMode::Key => value.is_some(),
        _ => value.is_some_and(|value| value != Value::Invalid),
    })
}

/// The value that is looked for, serialized: text stands for a `String` as in a key.
fn wanted(value: KeyRef<'_>) -> Result<Vec<u8>, Failure> {
    Ok(match value {
        KeyRef::Text(_) => value.canonical()?.into_owned(),
        KeyRef::Object(object) => object.to_vec(),
    })
}

/// Compares bytes, some entries at a time.
fn search(exchange: &mut Exchange<'_>, mut scan: Scan, wanted: Vec<u8>) -> Result<Answer, Failure> {
    exchange.check_login()?;
    for _ in 0..STEP {
        let Some(record) = scan.next() else { return reply(exchange, false) };
        if matches!(record.value(), Some(Value::Object(bytes)) if bytes == wanted) {
            return reply(exchange, true);
        }
    }
    Ok(Answer::Wait(Box::pin(async move {
        tokio::task::yield_now().await;
        let completion: Completion = Box::new(move |exchange| search(exchange, scan, wanted));
        completion
    })))
}

fn reply(exchange: &mut Exchange<'_>, is_there: bool) -> Result<Answer, Failure> {
    let envelope = exchange.envelope();
    ContainsReply { is_there }.encode(exchange.out, &envelope);
    Ok(Answer::Done)
}
