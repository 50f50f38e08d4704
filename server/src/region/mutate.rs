//! Operations on one key.

use std::sync::Arc;

use druse_protocol::auth::BoxFuture;
use druse_protocol::time::Micros;

use super::Region;
use super::decide::{Intent, Verdict, decide};
use super::lane::{Answer, Recall};
use super::mutation::{Condition, Effect, EventOrigin, Mutated, Mutation, Old, RegionError};
use super::tracker::{Begin, Claim, Ticket};
use crate::engine::{Cause, Draft, EngineError, Expected, Note, Outcome, Value, Write, Written};

/// What an engine answers to the write of one key.
type WriteResult = Result<Written, EngineError>;

impl Region {
    /// Carries out an operation on one key, or answers it from memory if its event was seen before.
    ///
    /// With an engine that waits, the operation goes on when the returned future is dropped.
    ///
    /// # Errors
    ///
    /// See [`RegionError`]; an operation that failed is not remembered.
    pub fn mutate(
        self: &Arc<Self>,
        origin: &EventOrigin,
        mutation: Mutation<'_>,
        now: Micros,
    ) -> Outcome<Result<Mutated, RegionError>> {
        let claim = match self.begin(origin, 1, now) {
            None => None,
            Some(Begin::Fresh(claim, _)) => Some(claim),
            Some(Begin::Known(recall)) => return Outcome::Ready(Ok(replayed(recall))),
            Some(Begin::Busy(done)) => {
                let (region, origin, mutation) = (Arc::clone(self), origin.clone(), Owned::new(mutation));
                return Outcome::Waiting(Box::pin(async move {
                    done.cancelled().await;
                    region.mutate(&origin, mutation.as_mutation(), now).finish().await
                }));
            }
        };
        self.attempt(origin, mutation, claim, now)
    }

    /// Claims the lane of an event; `None` for operations without one.
    pub(super) fn begin(&self, origin: &EventOrigin, count: usize, now: Micros) -> Option<Begin<'_>> {
        Some(self.tracker.begin(&origin.member, origin.event?, count, now))
    }

    fn attempt(
        self: &Arc<Self>,
        origin: &EventOrigin,
        mutation: Mutation<'_>,
        claim: Option<Claim<'_>>,
        now: Micros,
    ) -> Outcome<Result<Mutated, RegionError>> {
        let intent = intent(mutation);
        let (key, value, callback) = parts(mutation);
        let mut draft = None;
        loop {
            let expected = match self.decide(intent, key) {
                Err(error) => return Outcome::Ready(Err(error)),
                Ok(Verdict::Leave(mutated)) => {
                    return Outcome::Ready(Ok(settle(claim, intent, mutated, now)));
                }
                Ok(Verdict::Write(expected)) => expected,
            };
            let draft_now = draft.take().unwrap_or_else(|| Draft::new(key, value, now.as_millis()));
            let note = origin.note(Cause::Single, callback);
            match self.engine.write(self.id, Write { draft: draft_now, expected }, note) {
                Outcome::Ready(Ok(written)) => {
                    return Outcome::Ready(Ok(settle(claim, intent, applied(written), now)));
                }
                Outcome::Ready(Err(EngineError::Conflict(mut writes))) => {
                    draft = writes.pop().map(|write| write.draft);
                }
                Outcome::Ready(Err(error)) => return Outcome::Ready(Err(error.into())),
                Outcome::Waiting(written) => {
                    let (region, ticket) = (Arc::clone(self), claim.map(Claim::lay_down));
                    let (intent, note) = (OwnedIntent::new(intent), origin.note(Cause::Single, callback));
                    return self.go_on(region.follow(written, ticket, intent, note, now));
                }
            }
        }
    }

    /// The rest of [`Region::attempt`] where the engine waits.
    async fn follow(
        self: Arc<Self>,
        mut written: BoxFuture<'static, WriteResult>,
        ticket: Option<Ticket>,
        intent: OwnedIntent,
        note: Note,
        now: Micros,
    ) -> Result<Mutated, RegionError> {
        let claim = ticket.map(|ticket| self.tracker.take_up(ticket));
        loop {
            let mut writes = match written.await {
                Ok(written) => return Ok(settle(claim, intent.as_intent(), applied(written), now)),
                Err(EngineError::Conflict(writes)) => writes,
                Err(error) => return Err(error.into()),
            };
            let draft = writes.pop().map(|write| write.draft).ok_or(RegionError::Unknown)?;
            match self.decide(intent.as_intent(), draft.key())? {
                Verdict::Leave(mutated) => return Ok(settle(claim, intent.as_intent(), mutated, now)),
                Verdict::Write(expected) => {
                    let again = self.engine.write(self.id, Write { draft, expected }, note.clone());
                    written = Box::pin(again.finish());
                }
            }
        }
    }

    /// Runs `work` to its end whatever becomes of the returned future.
    pub(super) fn go_on<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, RegionError>> + Send + 'static,
    ) -> Outcome<Result<T, RegionError>> {
        let task = self.tasks.spawn(work);
        Outcome::Waiting(Box::pin(async move { task.await.unwrap_or(Err(RegionError::Unknown)) }))
    }

    fn decide(&self, intent: Intent<'_>, key: &[u8]) -> Result<Verdict, RegionError> {
        if let (Intent::Put { condition: Condition::None, null: false }, None) =
            (intent, self.options.max_entries)
        {
            // The one operation that need not look first.
            return Ok(Verdict::Write(Expected::Any));
        }
        let current = self.engine.get(self.id, key);
        let verdict = decide(intent, current.as_ref(), &*self.same_object)?;
        let (Some(most), Intent::Put { .. }, Verdict::Write(_)) =
            (self.options.max_entries, intent, &verdict)
        else {
            return Ok(verdict);
        };
        if current.is_some_and(|record| !record.is_tombstone()) || self.len() < most {
            Ok(verdict)
        } else {
            Err(RegionError::Full(most))
        }
    }
}

fn intent(mutation: Mutation<'_>) -> Intent<'_> {
    match mutation {
        Mutation::Put { value, condition, .. } => Intent::Put { condition, null: value == Value::Invalid },
        Mutation::Destroy { expected, .. } => Intent::Destroy { expected },
        Mutation::Invalidate { .. } => Intent::Invalidate,
    }
}

/// Key, value of the record to be, callback argument.
fn parts(mutation: Mutation<'_>) -> (&[u8], Option<Value<'_>>, Option<&[u8]>) {
    match mutation {
        Mutation::Put { key, value, callback, .. } => (key, Some(value), callback),
        Mutation::Destroy { key, callback, .. } => (key, None, callback),
        Mutation::Invalidate { key, callback } => (key, Some(Value::Invalid), callback),
    }
}

fn applied(written: Written) -> Mutated {
    let old = written.old.filter(|old| !old.is_tombstone());
    Mutated {
        effect: Effect::Applied,
        old: old.map_or(Old::Absent, Old::Entry),
        version: Some(written.record.version()),
        replayed: false,
    }
}

fn replayed(recall: Recall) -> Mutated {
    let version = recall.version(0);
    let (effect, old) = match recall.answer {
        Some((Answer::One { effect, old, .. }, 0)) => (effect, old),
        _ => (Effect::Applied, Old::Forgotten),
    };
    Mutated { effect, old, version, replayed: true }
}

/// Remembers the answer, with the old value only if a repeated request will ask for it.
fn settle(claim: Option<Claim<'_>>, intent: Intent<'_>, mutated: Mutated, now: Micros) -> Mutated {
    if let Some(claim) = claim {
        let asks =
            matches!(intent, Intent::Put { condition: Condition::IfAbsent | Condition::IfPresent, .. });
        let old = if asks { mutated.old.clone() } else { Old::Absent };
        claim.finish(Answer::One { effect: mutated.effect, version: mutated.version, old }, now);
    }
    mutated
}

/// An [`Intent`] that outlives the request.
enum OwnedIntent {
    Put { condition: OwnedCondition, null: bool },
    Destroy { expected: Option<OwnedValue> },
    Invalidate,
}

enum OwnedCondition {
    None,
    IfAbsent,
    IfPresent,
    IfEquals(OwnedValue),
}

enum OwnedValue {
    Invalid,
    Bytes(Box<[u8]>),
    Object(Box<[u8]>),
}

impl OwnedValue {
    fn new(value: Value<'_>) -> Self {
        match value {
            Value::Invalid => Self::Invalid,
            Value::Bytes(bytes) => Self::Bytes(bytes.into()),
            Value::Object(bytes) => Self::Object(bytes.into()),
        }
    }

    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Invalid => Value::Invalid,
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Object(bytes) => Value::Object(bytes),
        }
    }
}

impl OwnedIntent {
    fn new(intent: Intent<'_>) -> Self {
        match intent {
            Intent::Put { condition, null } => {
                let condition = match condition {
                    Condition::None => OwnedCondition::None,
                    Condition::IfAbsent => OwnedCondition::IfAbsent,
                    Condition::IfPresent => OwnedCondition::IfPresent,
                    Condition::IfEquals(value) => OwnedCondition::IfEquals(OwnedValue::new(value)),
                };
                Self::Put { condition, null }
            }
            Intent::Destroy { expected } => Self::Destroy { expected: expected.map(OwnedValue::new) },
            Intent::Invalidate => Self::Invalidate,
        }
    }

    fn as_intent(&self) -> Intent<'_> {
        match self {
            Self::Put { condition, null } => {
                let condition = match condition {
                    OwnedCondition::None => Condition::None,
                    OwnedCondition::IfAbsent => Condition::IfAbsent,
                    OwnedCondition::IfPresent => Condition::IfPresent,
                    OwnedCondition::IfEquals(value) => Condition::IfEquals(value.as_value()),
                };
                Intent::Put { condition, null: *null }
            }
            Self::Destroy { expected } => {
                Intent::Destroy { expected: expected.as_ref().map(OwnedValue::as_value) }
            }
            Self::Invalidate => Intent::Invalidate,
        }
    }
}

/// A [`Mutation`] that outlives the request.
struct Owned {
    intent: OwnedIntent,
    key: Box<[u8]>,
    value: OwnedValue,
    callback: Option<Box<[u8]>>,
}

impl Owned {
    fn new(mutation: Mutation<'_>) -> Self {
        let (key, value, callback) = parts(mutation);
        Self {
            intent: OwnedIntent::new(intent(mutation)),
            key: key.into(),
            value: OwnedValue::new(value.unwrap_or(Value::Invalid)),
            callback: callback.map(Into::into),
        }
    }

    fn as_mutation(&self) -> Mutation<'_> {
        let (key, callback) = (&*self.key, self.callback.as_deref());
        match self.intent.as_intent() {
            Intent::Put { condition, .. } => {
                Mutation::Put { key, value: self.value.as_value(), condition, callback }
            }
            Intent::Destroy { expected } => Mutation::Destroy { key, expected, callback },
            Intent::Invalidate => Mutation::Invalidate { key, callback },
        }
    }
}
