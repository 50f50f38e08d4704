//! Operations on many keys, and on the region as a whole.

use std::sync::Arc;

use druse_protocol::auth::BoxFuture;
use druse_protocol::time::Micros;

use super::Region;
use super::lane::{Answer, Recall};
use super::mutation::{BulkMutated, Effect, EventOrigin, Old, RegionError};
use super::tracker::{Begin, Claim, Ticket};
use crate::engine::{Cause, Draft, EngineError, Expected, Outcome, Record, Value, Version, Write, Written};

impl Region {
    /// Stores all of `entries` as one change: readers of the log see all of them or none. A key that is named twice is
    /// written twice. An invalid value makes an invalid entry.
    ///
    /// The event takes as many numbers as there are entries. Entries whose numbers were seen before are left out.
    ///
    /// # Errors
    ///
    /// See [`RegionError`]; nothing was stored and nothing is remembered.
    pub fn put_all(
        self: &Arc<Self>,
        origin: &EventOrigin,
        entries: &[(&[u8], Value<'_>)],
        callback: Option<&[u8]>,
        now: Micros,
    ) -> Outcome<Result<BulkMutated, RegionError>> {
        let drafts = || entries.iter().map(|(key, value)| Draft::new(key, Some(*value), now.as_millis()));
        self.bulk(origin, entries.len(), drafts, callback, now)
    }

    /// Removes all of `keys` as one change. Keys that do not exist get a tombstone, too, as in Geode.
    ///
    /// # Errors
    ///
    /// See [`RegionError`]; nothing was removed and nothing is remembered.
    pub fn remove_all(
        self: &Arc<Self>,
        origin: &EventOrigin,
        keys: &[&[u8]],
        callback: Option<&[u8]>,
        now: Micros,
    ) -> Outcome<Result<BulkMutated, RegionError>> {
        let drafts = || keys.iter().map(|key| Draft::new(key, None, now.as_millis()));
        self.bulk(origin, keys.len(), drafts, callback, now)
    }

    /// Removes every entry. `Ok(true)` if the event had been seen before and nothing was done.
    ///
    /// # Errors
    ///
    /// See [`RegionError`].
    pub fn clear(
        self: &Arc<Self>,
        origin: &EventOrigin,
        callback: Option<&[u8]>,
        now: Micros,
    ) -> Outcome<Result<bool, RegionError>> {
        let claim = match self.begin(origin, 1, now) {
            None => None,
            Some(Begin::Fresh(claim, _)) => Some(claim),
            Some(Begin::Known(_)) => return Outcome::Ready(Ok(true)),
            Some(Begin::Busy(done)) => {
                let (region, origin) = (Arc::clone(self), origin.clone());
                let callback: Option<Box<[u8]>> = callback.map(Into::into);
                return Outcome::Waiting(Box::pin(async move {
                    done.cancelled().await;
                    region.clear(&origin, callback.as_deref(), now).finish().await
                }));
            }
        };
        let settle = move |claim: Option<Claim<'_>>, cleared: Result<Record, EngineError>| {
            cleared?;
            let answer = Answer::One { effect: Effect::Applied, version: None, old: Old::Absent };
            claim.into_iter().for_each(|claim| claim.finish(answer.clone(), now));
            Ok(false)
        };
        match self.engine.clear(self.id, now, origin.note(Cause::Single, callback)) {
            Outcome::Ready(cleared) => Outcome::Ready(settle(claim, cleared)),
            Outcome::Waiting(cleared) => {
                let (region, ticket) = (Arc::clone(self), claim.map(Claim::lay_down));
                self.go_on(async move {
                    let claim = ticket.map(|ticket| region.tracker.take_up(ticket));
                    settle(claim, cleared.await)
                })
            }
        }
    }

    fn bulk<I: Iterator<Item = Draft>>(
        self: &Arc<Self>,
        origin: &EventOrigin,
        count: usize,
        drafts: impl Fn() -> I,
        callback: Option<&[u8]>,
        now: Micros,
    ) -> Outcome<Result<BulkMutated, RegionError>> {
        match self.begin(origin, count, now) {
            None => {
                self.write_bulk(origin, count, drafts().collect(), (None, Recall::default()), callback, now)
            }
            Some(Begin::Known(recall)) => Outcome::Ready(Ok(answer(&recall, count, &[]))),
            Some(Begin::Fresh(claim, recall)) => {
                let drafts = drafts().skip(recall.known).collect();
                self.write_bulk(origin, count, drafts, (Some(claim), recall), callback, now)
            }
            Some(Begin::Busy(done)) => {
                let (region, origin, drafts) = (Arc::clone(self), origin.clone(), drafts().collect());
                let callback: Option<Box<[u8]>> = callback.map(Into::into);
                Outcome::Waiting(Box::pin(region.bulk_later(done, origin, drafts, callback, now)))
            }
        }
    }

    /// [`Region::bulk`] behind another arrival of the same lane.
    async fn bulk_later(
        self: Arc<Self>,
        mut done: tokio_util::sync::CancellationToken,
        origin: EventOrigin,
        mut drafts: Vec<Draft>,
        callback: Option<Box<[u8]>>,
        now: Micros,
    ) -> Result<BulkMutated, RegionError> {
        let count = drafts.len();
        let outcome = loop {
            done.cancelled().await;
            match self.begin(&origin, count, now) {
                Some(Begin::Busy(other)) => done = other,
                Some(Begin::Known(recall)) => break Outcome::Ready(Ok(answer(&recall, count, &[]))),
                Some(Begin::Fresh(claim, recall)) => {
                    drafts.drain(..recall.known);
                    let claimed = (Some(claim), recall);
                    break self.write_bulk(&origin, count, drafts, claimed, callback.as_deref(), now);
                }
                None => break Outcome::Ready(Err(RegionError::Unknown)),
            }
        };
        outcome.finish().await
    }

    fn write_bulk(
        self: &Arc<Self>,
        origin: &EventOrigin,
        count: usize,
        drafts: Vec<Draft>,
        (claim, recall): (Option<Claim<'_>>, Recall),
        callback: Option<&[u8]>,
        now: Micros,
    ) -> Outcome<Result<BulkMutated, RegionError>> {
        if let Some(most) = self.options.max_entries.filter(|most| self.overflows(*most, &drafts)) {
            return Outcome::Ready(Err(RegionError::Full(most)));
        }
        let writes = drafts.into_iter().map(|draft| Write { draft, expected: Expected::Any }).collect();
        match self.engine.write_all(self.id, writes, origin.note(Cause::Bulk, callback)) {
            Outcome::Ready(written) => Outcome::Ready(settle(claim, &recall, count, written, now)),
            Outcome::Waiting(written) => {
                let (region, ticket) = (Arc::clone(self), claim.map(Claim::lay_down));
                self.go_on(region.follow_bulk(written, ticket, recall, count, now))
            }
        }
    }

    async fn follow_bulk(
        self: Arc<Self>,
        written: BoxFuture<'static, Result<Vec<Written>, EngineError>>,
        ticket: Option<Ticket>,
        recall: Recall,
        count: usize,
        now: Micros,
    ) -> Result<BulkMutated, RegionError> {
        let claim = ticket.map(|ticket| self.tracker.take_up(ticket));
        settle(claim, &recall, count, written.await, now)
    }

    fn overflows(&self, most: usize, drafts: &[Draft]) -> bool {
        let len = self.len();
        let stored = || drafts.iter().filter(|draft| !draft.is_tombstone());
        let is_new = |draft: &&Draft| self.get(draft.key()).is_none_or(|record| record.is_tombstone());
        len + stored().count() > most && len + stored().filter(is_new).count() > most
    }
}

fn settle(
    claim: Option<Claim<'_>>,
    recall: &Recall,
    count: usize,
    written: Result<Vec<Written>, EngineError>,
    now: Micros,
) -> Result<BulkMutated, RegionError> {
    let written: Vec<Version> = written?.iter().map(|written| written.record.version()).collect();
    let bulk = answer(recall, count, &written);
    if let Some(claim) = claim {
        claim.finish(Answer::Many(bulk.versions.as_slice().into()), now);
    }
    Ok(bulk)
}

/// Versions of what is remembered, then those of what was written.
fn answer(recall: &Recall, count: usize, written: &[Version]) -> BulkMutated {
    let remembered = (0..recall.known).map(|index| recall.version(index));
    let versions: Vec<_> = remembered.chain(written.iter().copied().map(Some)).take(count).collect();
    BulkMutated { versions, replayed: recall.known }
}
