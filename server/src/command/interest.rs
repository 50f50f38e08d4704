//! REGISTER_INTEREST, UNREGISTER_INTEREST and their list forms. RFC.md section 12.

use std::collections::VecDeque;
use std::sync::Arc;

use druse_protocol::DecodeError;
use druse_protocol::auth::{AuthError, BoxFuture, Operation};
use druse_protocol::codec::Message;
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::interest::{
    InterestReply, InterestResultPolicy, InterestTarget, InterestTerms, RegisterInterest,
    RegisterInterestList, UnregisterInterest, UnregisterInterestList,
};
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::versioned_list::{ListEntry, ListForm, ListValue};

use super::convert::{tag, value_of};
use crate::engine::Record;
use crate::region::{Region, Scan};
use crate::session::exchange::{Answer, Exchange, LongReply, Progress, SHARE_BYTES};
use crate::session::failure::Failure;
use crate::subscription::interest::Interest;
use crate::subscription::requests::{InterestRequest, Registered};
use crate::subscription::snapshot::Snapshot;

/// Interest in a key, in keys that match a pattern, or in all.
pub(super) fn register(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = RegisterInterest::decode(message)?;
    let target = request.interest.target()?;
    let region = exchange.enter(request.region, Operation::Read, key_of(&target))?;
    let interest = interest(&target)?;
    begin(exchange, region, vec![interest], request.terms)
}

/// Interest in many keys.
pub(super) fn register_list(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = RegisterInterestList::decode(message)?;
    let region = exchange.enter(request.region, Operation::Read, None)?;
    let key = |key: &std::borrow::Cow<'_, [u8]>| Interest::Key(key.as_ref().into());
    begin(exchange, region, request.keys.iter().map(key).collect(), request.terms)
}

/// The end of an interest.
pub(super) fn unregister(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = UnregisterInterest::decode(message)?;
    let target = request.interest.target()?;
    let region = exchange.enter(request.region, Operation::Read, key_of(&target))?;
    let keep_durable = request.closing && request.keep_alive;
    if target == InterestTarget::Everything {
        let key = exchange.client.key.clone();
        return Ok(end(exchange, move |shard, _| shard.unregister_all(&key, &region, keep_durable)));
    }
    let interest = vec![interest(&target)?];
    Ok(unregister_each(exchange, region, interest))
}

/// The end of the interest in many keys.
pub(super) fn unregister_list(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = UnregisterInterestList::decode(message)?;
    let region = exchange.enter(request.region, Operation::Read, None)?;
    let keys = request.keys.map(|key| Ok(Interest::Key(key.key_bytes()?.to_vec().into())));
    let keys = keys.collect::<Result<_, DecodeError>>()?;
    Ok(unregister_each(exchange, region, keys))
}

/// Permission is asked for a key alone where the request is about one.
fn key_of<'a>(target: &InterestTarget<'a>) -> Option<KeyRef<'a>> {
    match target {
        InterestTarget::Key(key) => Some(*key),
        _ => None,
    }
}

fn interest(target: &InterestTarget<'_>) -> Result<Interest, Failure> {
    Ok(match target {
        InterestTarget::AllKeys | InterestTarget::Everything => Interest::All,
        InterestTarget::Key(key) => Interest::Key(key.key_bytes()?.to_vec().into()),
        InterestTarget::Pattern(pattern) => Interest::pattern(pattern)?,
        InterestTarget::Unsupported(_) => {
            return Err(Failure::Unsupported("interest by filter, query or function"));
        }
    })
}

fn begin(
    exchange: &mut Exchange<'_>,
    region: Arc<Region>,
    interest: Vec<Interest>,
    terms: InterestTerms,
) -> Result<Answer, Failure> {
    let key = exchange.client.key.clone();
    let request = InterestRequest {
        region: Arc::clone(&region),
        interest,
        values: !terms.updates_as_invalidates,
        durable: terms.durable,
    };
    let registered =
        exchange.core.feeds.ask(&exchange.client.key, move |shard, now| shard.register(&key, &request, now));
    Ok(exchange.await_feed(registered, move |exchange, registered| {
        Ok(answer(exchange, region, registered?, &terms))
    }))
}

fn answer(
    exchange: &mut Exchange<'_>,
    region: Arc<Region>,
    registered: Registered,
    terms: &InterestTerms,
) -> Answer {
    if !registered.primary {
        // The answer of another server counts.
        let envelope = exchange.envelope();
        InterestReply::encode_from_secondary(exchange.out, &envelope);
        return Answer::Done;
    }
    let snapshots = match terms.policy {
        InterestResultPolicy::None => VecDeque::new(),
        InterestResultPolicy::Keys | InterestResultPolicy::KeysValues => registered.snapshots.into(),
    };
    Answer::Long(Box::new(Entries {
        with_values: terms.policy == InterestResultPolicy::KeysValues,
        wrapped: terms.serialize_values,
        walk: Walk::new(region, snapshots),
    }))
}

fn unregister_each(exchange: &mut Exchange<'_>, region: Arc<Region>, interest: Vec<Interest>) -> Answer {
    let key = exchange.client.key.clone();
    end(exchange, move |shard, now| shard.unregister(&key, &region, &interest, now))
}

fn end(
    exchange: &mut Exchange<'_>,
    act: impl FnOnce(&mut crate::subscription::Shard, druse_protocol::time::Micros) + Send + 'static,
) -> Answer {
    let ended = exchange.core.feeds.ask(&exchange.client.key, act);
    exchange.await_feed(ended, |exchange, ()| {
        let envelope = exchange.envelope();
        Acknowledgement::default().encode(exchange.out, &envelope);
        Ok(Answer::Done)
    })
}

/// The entries of snapshots, one after the other.
pub(crate) struct Walk {
    region: Arc<Region>,
    snapshots: VecDeque<Arc<Snapshot>>,
    stage: Stage,
    /// An entry that cannot be told before the feed's shard has come as far as the region.
    ahead: Option<Record>,
}

enum Stage {
    /// The next snapshot is to be begun.
    Begin,
    /// Its entries are visited.
    Scan(Scan),
    /// What is gone meanwhile is told, once all changes up to this place have been seen.
    Rest(u64),
    /// It is told.
    Told(Vec<Record>),
}

/// The entries of one chunk.
pub(super) enum Page {
    Records {
        records: Vec<Record>,
        last: bool,
    },
    /// The next one can be told only after this.
    Wait(BoxFuture<'static, ()>),
}

/// What a walk comes upon.
pub(crate) enum Found {
    Entry(Record),
    /// What comes next can be told when the shard has come to that place of the log.
    NotBefore(Arc<Snapshot>, u64),
    Nothing,
}

impl Walk {
    pub(crate) fn new(region: Arc<Region>, snapshots: VecDeque<Arc<Snapshot>>) -> Self {
        Self { region, snapshots, stage: Stage::Begin, ahead: None }
    }

    /// The next entries that the user may read, `most` of them.
    pub(super) fn page(&mut self, exchange: &mut Exchange<'_>, most: usize) -> Result<Page, Failure> {
        let mut records: Vec<Record> = Vec::new();
        let mut bytes = 0;
        while records.len() < most && bytes < SHARE_BYTES {
            match self.next() {
                Found::Entry(record) => {
                    if may_read(exchange, &self.region, &record)? {
                        bytes += record.payload_len();
                        records.push(record);
                    }
                }
                Found::NotBefore(snapshot, place) if records.is_empty() => {
                    return Ok(Page::Wait(Box::pin(snapshot.reaches(place))));
                }
                Found::NotBefore(..) => break,
                Found::Nothing => return Ok(Page::Records { records, last: true }),
            }
        }
        Ok(Page::Records { records, last: false })
    }

    /// What comes next.
    pub(crate) fn next(&mut self) -> Found {
        while let Some(snapshot) = self.snapshots.front().cloned() {
            let found = match &mut self.stage {
                Stage::Begin => {
                    self.begin(&snapshot);
                    continue;
                }
                Stage::Scan(scan) => self.ahead.take().or_else(|| scan.next()),
                Stage::Rest(place) => {
                    let place = *place;
                    if !snapshot.has_passed(place) {
                        return Found::NotBefore(snapshot, place);
                    }
                    self.stage = Stage::Told(snapshot.rest());
                    continue;
                }
                Stage::Told(rest) => match rest.pop() {
                    Some(record) => return Found::Entry(record),
                    None => {
                        self.snapshots.pop_front();
                        self.stage = Stage::Begin;
                        continue;
                    }
                },
            };
            let Some(record) = found else {
                self.stage = Stage::Rest(self.region.last_seq());
                continue;
            };
            match snapshot.entry(&record) {
                Ok(Some(record)) if snapshot.is_about(&record) => return Found::Entry(record),
                Ok(_) => {}
                Err(place) => {
                    self.ahead = Some(record);
                    return Found::NotBefore(snapshot, place);
                }
            }
        }
        Found::Nothing
    }

    /// A snapshot of one key needs no walk through the region.
    fn begin(&mut self, snapshot: &Snapshot) {
        self.stage = match snapshot.only_key() {
            None => Stage::Scan(self.region.scan()),
            Some(key) => {
                self.ahead = self.region.get(key).filter(|record| !record.is_tombstone());
                Stage::Scan(Scan::over(Arc::clone(&self.region)))
            }
        };
    }
}

/// The answer of a registration, a hundred entries a chunk.
struct Entries {
    with_values: bool,
    wrapped: bool,
    walk: Walk,
}

impl LongReply for Entries {
    fn begin(&mut self, exchange: &mut Exchange<'_>) {
        let envelope = exchange.envelope();
        InterestReply::encode_header(exchange.out, &envelope);
    }

    fn chunk(&mut self, exchange: &mut Exchange<'_>) -> Result<Progress, Failure> {
        match self.walk.page(exchange, InterestReply::PER_CHUNK)? {
            Page::Wait(future) => Ok(Progress::Wait(future)),
            Page::Records { records, last } => {
                self.write(exchange, &records, last);
                Ok(if last { Progress::Last } else { Progress::More })
            }
        }
    }
}

impl Entries {
    fn write(&self, exchange: &mut Exchange<'_>, records: &[Record], last: bool) {
        let envelope = exchange.envelope();
        if !self.with_values {
            let keys = records.iter().map(Record::key);
            return InterestReply::encode_keys(exchange.out, keys, last, &envelope);
        }
        let form = ListForm { versioned: true, wrapped: self.wrapped };
        let entries = records.iter().map(|record| {
            let value = ListValue::Value(value_of(record));
            (record.key(), ListEntry { value, tag: Some(tag(record.version())) })
        });
        InterestReply::encode_entries(exchange.out, entries, form, last, &envelope);
    }
}

/// Geode asks for the region alone, and hands out keys that may not be read; here they are left out.
fn may_read(exchange: &mut Exchange<'_>, region: &Region, record: &Record) -> Result<bool, Failure> {
    let key = KeyRef::from_canonical(record.key());
    match exchange.allow(region.path(), Some(region), Operation::Read, Some(key)) {
        Ok(()) => Ok(true),
        Err(Failure::Auth(AuthError::NotAuthorized(_))) => Ok(false),
        Err(failure) => Err(failure),
    }
}
