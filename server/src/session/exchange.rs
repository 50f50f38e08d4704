//! One request being answered.

use std::sync::Arc;

use bytes::BytesMut;
use druse_protocol::auth::{AuthError, BoxFuture, Operation};
use druse_protocol::codec::MessageType;
use druse_protocol::message::envelope::ReplyEnvelope;
use druse_protocol::message::event_id::EventIdRef;
use druse_protocol::message::key::KeyRef;
use druse_protocol::time::Micros;

use super::client::Client;
use super::failure::Failure;
use crate::audit;
use crate::core::NodeCore;
use crate::engine::Outcome;
use crate::region::{EventNumber, EventOrigin, Region};
use crate::seam::{Adopt, CloseReason};
use crate::security::{Permit, Subject, Wanted};
use crate::subscription::notifier::Ending;

/// How much of a long reply is written before it is flushed.
pub(crate) const SHARE_BYTES: usize = 64 << 10;

/// What a command needs: the node, the client, the moment, and where the answer goes.
pub(crate) struct Exchange<'e> {
    pub(crate) core: &'e NodeCore,
    pub(crate) client: &'e mut Client,
    pub(crate) now: Micros,
    pub(crate) out: &'e mut BytesMut,
    pub(crate) ask: Ask,
    /// Whether a refusal has been noted for the audit: one line a step, however many keys a request names.
    pub(crate) is_noted: bool,
    /// The earliest end of a login on which what was written rests.
    pub(crate) good_until: &'e mut Micros,
}

/// What outlives the request's bytes while its answer is being made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// What was asked.
    pub(crate) kind: MessageType,
    /// To be repeated in the answer.
    pub(crate) tx_id: i32,
    /// Whether the request has the retry mark.
    pub(crate) retry: bool,
    /// Whether the answer carries a security part.
    pub(crate) secured: bool,
}

/// What a command has come to.
pub(crate) enum Answer {
    /// It is written.
    Done,
    /// It needs something that takes time.
    Wait(BoxFuture<'static, Completion>),
    /// Its first share is to be written, and more may follow.
    Long(Box<dyn LongReply>),
    /// It is written, and the socket is somebody else's from now on.
    HandOver(Adopt),
    /// It is written, and it is the last.
    Close(CloseReason),
}

/// What was waited for: the rest of the command.
pub(crate) type Completion = Box<dyn FnOnce(&mut Exchange<'_>) -> Result<Answer, Failure> + Send>;

/// A reply in chunks of bounded size.
pub(crate) trait LongReply: Send {
    /// Writes what goes in front of the first chunk.
    fn begin(&mut self, exchange: &mut Exchange<'_>);

    /// Writes one chunk. Called until it says that it was the last; the login is checked before each call.
    ///
    /// # Errors
    /// Ends the reply by an exception in its last chunk.
    fn chunk(&mut self, exchange: &mut Exchange<'_>) -> Result<Progress, Failure>;
}

/// Until when an answer holds that rests on a login. Never `Micros::MAX`, which means that it rests on none.
pub(crate) fn rests_until(subject: &Subject) -> Micros {
    subject.deadline().min(Micros(i64::MAX - 1))
}

/// Whether a long reply goes on.
pub(crate) enum Progress {
    /// There is more.
    More,
    /// That was the last chunk.
    Last,
    /// Nothing was written: what comes next can be told only after this.
    Wait(BoxFuture<'static, ()>),
}

impl Exchange<'_> {
    /// What goes round a reply.
    pub(crate) fn envelope(&mut self) -> ReplyEnvelope {
        let security = self.core.security.as_ref().filter(|_| self.ask.secured);
        let next_connection_id = security.map(|security| self.client.connection_id(security));
        ReplyEnvelope { tx_id: self.ask.tx_id, next_connection_id }
    }

    /// Asks for a permission on a region and gives the region. Permission comes first: whether a region exists is not
    /// everybody's business.
    ///
    /// # Errors
    /// What the manager says, or that there is no such region.
    pub(crate) fn enter(
        &mut self,
        path: &str,
        operation: Operation,
        key: Option<KeyRef<'_>>,
    ) -> Result<Arc<Region>, Failure> {
        let region = self.client.region(&self.core.regions, path);
        self.allow(path, region.as_deref(), operation, key)?;
        region.ok_or_else(|| Failure::NoRegion(path.into()))
    }

    /// Asks for a permission on a region, for one key or all.
    ///
    /// # Errors
    /// What the manager says.
    pub(crate) fn allow(
        &mut self,
        path: &str,
        region: Option<&Region>,
        operation: Operation,
        key: Option<KeyRef<'_>>,
    ) -> Result<(), Failure> {
        let wanted = Wanted::data(operation, path.strip_prefix('/').unwrap_or(path), key);
        self.authorize(&wanted, region.map(|region| region.id().0.into()))
    }

    /// Asks for any permission.
    ///
    /// # Errors
    /// What the manager says.
    pub(crate) fn authorize(&mut self, wanted: &Wanted<'_>, region: Option<u32>) -> Result<(), Failure> {
        let Some(security) = &self.core.security else { return Ok(()) };
        let cell = self.client.user().ok_or_else(crate::security::unknown_user)?;
        match security.authorize(cell, region, wanted, self.now) {
            Ok(permit) => {
                self.rests_on(&permit);
                Ok(())
            }
            Err(error) => {
                if matches!(error, AuthError::NotAuthorized(_)) {
                    self.core.metrics.authorization_refusals.inc();
                    if !std::mem::replace(&mut self.is_noted, true) {
                        let name = cell.name();
                        wanted.with_permission(|wanted| audit::refusal(&self.client.peer, &name, wanted));
                    }
                }
                Err(error.into())
            }
        }
    }

    /// Checks that the bound user's login has not ended.
    ///
    /// # Errors
    /// `Expired` if it has.
    pub(crate) fn check_login(&mut self) -> Result<(), Failure> {
        let Some(security) = &self.core.security else { return Ok(()) };
        let cell = self.client.user().ok_or_else(crate::security::unknown_user)?;
        let permit = security.admit(cell, self.now)?;
        if cell.take_nudge() {
            // Not over yet, but soon: the client logs in and comes again.
            return Err(crate::security::unknown_user().into());
        }
        self.rests_on(&permit);
        Ok(())
    }

    /// Who caused a change.
    pub(crate) fn origin(&self, event: EventIdRef) -> EventOrigin {
        EventOrigin {
            member: self.client.identity.clone(),
            event: Some(EventNumber { thread: event.thread, sequence: event.sequence }),
            retry: self.ask.retry,
        }
    }

    /// Goes on with `then` when a region has answered, now or later.
    pub(crate) fn follow<T: Send + 'static>(
        &mut self,
        outcome: Outcome<T>,
        then: impl FnOnce(&mut Exchange<'_>, T) -> Result<Answer, Failure> + Send + 'static,
    ) -> Result<Answer, Failure> {
        match outcome {
            Outcome::Ready(value) => then(self, value),
            Outcome::Waiting(future) => Ok(Answer::Wait(Box::pin(async move {
                let value = future.await;
                let completion: Completion = Box::new(move |exchange| then(exchange, value));
                completion
            }))),
        }
    }

    /// Goes on with `then` when the client's feed has answered.
    pub(crate) fn await_feed<T: Send + 'static>(
        &mut self,
        answer: impl Future<Output = Result<T, Ending>> + Send + 'static,
        then: impl FnOnce(&mut Exchange<'_>, T) -> Result<Answer, Failure> + Send + 'static,
    ) -> Answer {
        Answer::Wait(Box::pin(async move {
            let answer = answer.await;
            let completion: Completion = Box::new(move |exchange| then(exchange, answer?));
            completion
        }))
    }

    fn rests_on(&mut self, permit: &Permit) {
        if let Some(subject) = permit.as_ref() {
            *self.good_until = (*self.good_until).min(rests_until(subject));
        }
    }
}
