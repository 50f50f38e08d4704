//! KEY_SET: all keys of a region, a hundred a chunk.

use std::sync::Arc;

use druse_protocol::auth::Operation;
use druse_protocol::codec::Message;
use druse_protocol::message::key_set::{KeySet, KeySetReply};

use crate::engine::Record;
use crate::region::{Region, Scan};
use crate::session::exchange::{Answer, Exchange, LongReply, Progress, SHARE_BYTES};
use crate::session::failure::Failure;

/// Lists the keys.
pub(super) fn key_set(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = KeySet::decode(message)?;
    let region = exchange.enter(request.region, Operation::Read, None)?;
    Ok(Answer::Long(Box::new(Keys { scan: region.scan(), region })))
}

struct Keys {
    region: Arc<Region>,
    scan: Scan,
}

impl LongReply for Keys {
    fn begin(&mut self, exchange: &mut Exchange<'_>) {
        let envelope = exchange.envelope();
        KeySetReply::encode_header(exchange.out, &envelope);
    }

    fn chunk(&mut self, exchange: &mut Exchange<'_>) -> Result<Progress, Failure> {
        // Rights may have changed with a login that came meanwhile.
        exchange.allow(self.region.path(), Some(&*self.region), Operation::Read, None)?;
        let mut keys: Vec<Record> = Vec::with_capacity(KeySetReply::KEYS_PER_CHUNK);
        let mut bytes = 0;
        let mut last = false;
        while keys.len() < KeySetReply::KEYS_PER_CHUNK && bytes < SHARE_BYTES {
            let Some(record) = self.scan.next() else {
                last = true;
                break;
            };
            if !record.is_tombstone() {
                bytes += record.key().len();
                keys.push(record);
            }
        }
        let envelope = exchange.envelope();
        KeySetReply::encode_chunk(exchange.out, keys.iter().map(Record::key), last, &envelope);
        Ok(if last { Progress::Last } else { Progress::More })
    }
}
