//! Ends: of a session, of an access token, of everything that a subject or a client has.

use druse_protocol::time::Micros;

use super::{ATTEMPTS, Sessions, overtaken};
use crate::error::Error;
use crate::session::cut::Cut;
use crate::session::{ClientCut, EndReason, Session, SessionEvent, SessionId, SubjectCut, decide};
use crate::store::{Column, Commit, MAX_PAGE, StoreError, Versioned};

/// How many sessions are ended in one transaction.
const BATCH: usize = 100;

impl Sessions {
    /// Ends a session, on the word of `actor`, and with it those in which its subject acts for others. Answers whether
    /// there was one to end.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn end(&self, sid: SessionId, reason: EndReason, actor: &str) -> Result<bool, Error> {
        let ended = self.decide_on(sid, actor, |session| decide::end(session, reason)).await?;
        // Also when it had ended before: whoever ended it may not have come so far.
        self.end_dependents(sid).await?;
        Ok(ended)
    }

    /// Ends one access token of a session. Answers whether there was one to end.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn revoke_access(&self, sid: SessionId, number: u64, actor: &str) -> Result<bool, Error> {
        self.decide_on(sid, actor, |session| decide::revoke_access(session, number)).await
    }

    /// Ends everything that a subject has from before now, on the word of `actor`. Answers with how many sessions.
    ///
    /// One event holds for all of them, however many there are; ending each by itself then only tells those who go by
    /// sessions.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn cut_subject(&self, subject: &str, actor: &str) -> Result<usize, Error> {
        let before = self.clock.now();
        self.cut::<SubjectCut>(subject, before, actor).await?;
        self.end_all("subject", subject, before, EndReason::SubjectCut, actor, |_| true).await
    }

    /// Ends everything that was had through a client from before now. Answers with how many sessions.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn cut_client(&self, client: &str, actor: &str) -> Result<usize, Error> {
        let before = self.clock.now();
        self.cut::<ClientCut>(client, before, actor).await?;
        self.end_all("client", client, before, EndReason::ClientCut, actor, |_| true).await
    }

    /// Ends a browser's login: the sessions that came from it, except those that were made to outlive it. Answers
    /// with how many.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn end_login(&self, login: &str, actor: &str) -> Result<usize, Error> {
        let mortal = |session: &Session| !session.opened.refreshable;
        self.end_all("login", login, Micros::MAX, EndReason::Logout, actor, mortal).await
    }

    /// Records the ends that time has brought. Answers with how many.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn end_overdue(&self) -> Result<usize, Error> {
        let mut ended = 0;
        loop {
            let now = self.clock.now();
            let due = self.store.due::<Session>("active", now).await?;
            let whole = due.len() < MAX_PAGE;
            let ends = |session: &Session| session.overdue(now);
            ended += self.end_page(due, "keeper", now, ends).await?;
            if whole {
                return Ok(ended);
            }
        }
    }

    /// Ends the sessions in which the subject of `sid` acts for somebody, and the ones in which those act, and so on.
    pub(super) async fn end_dependents(&self, sid: SessionId) -> Result<usize, Error> {
        let (mut waiting, mut ended) = (vec![sid.to_string()], 0);
        while let Some(actor_sid) = waiting.pop() {
            let value = Column::Text(actor_sid);
            let dependents = self.store.find::<Session>("actor_sid", value, "").await?;
            waiting.extend(dependents.iter().filter(|s| s.state.end.is_none()).map(|s| s.id.clone()));
            let now = self.clock.now();
            ended += self.end_page(dependents, "keeper", now, |_| Some(EndReason::ActorEnded)).await?;
        }
        Ok(ended)
    }

    async fn cut<C: Cut>(&self, id: &str, before: Micros, actor: &str) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let current = self.store.load::<C>(id).await?;
            let mut commit = Commit::new(actor, self.clock.now());
            commit.change::<C>(id, current, &[C::event(before)])?;
            match self.store.commit(commit).await {
                Err(StoreError::Conflict) => {}
                outcome => return Ok(outcome.map(drop)?),
            }
        }
        Err(overtaken())
    }

    async fn end_all(
        &self,
        column: &'static str,
        value: &str,
        until: Micros,
        reason: EndReason,
        actor: &str,
        concerned: impl Fn(&Session) -> bool,
    ) -> Result<usize, Error> {
        let (mut after, mut ended) = (String::new(), 0);
        loop {
            let page = self.store.find::<Session>(column, Column::Text(value.to_owned()), &after).await?;
            let Some(last) = page.last() else { return Ok(ended) };
            after.clone_from(&last.id);
            let ends =
                |session: &Session| (session.opened_at <= until && concerned(session)).then_some(reason);
            let sids: Vec<SessionId> = page.iter().filter_map(|s| SessionId::parse(&s.id)).collect();
            ended += self.end_page(page, actor, self.clock.now(), ends).await?;
            for sid in sids {
                self.end_dependents(sid).await?;
            }
        }
    }

    /// Ends those of a page that have a reason to end, some at a time. A session that somebody else has changed
    /// meanwhile is looked at again by itself.
    async fn end_page(
        &self,
        page: Vec<Versioned<Session>>,
        actor: &str,
        now: Micros,
        ends: impl Fn(&Session) -> Option<EndReason>,
    ) -> Result<usize, Error> {
        let due: Vec<_> = page.into_iter().filter(|s| s.state.end.is_none()).collect();
        let mut ended = 0;
        for batch in due.chunks(BATCH) {
            let mut commit = Commit::new(actor, now);
            let mut count = 0;
            for session in batch {
                if let Some(reason) = ends(&session.state) {
                    commit.change(&session.id, Some(session.clone()), &[SessionEvent::Ended { reason }])?;
                    count += 1;
                }
            }
            ended += match self.store.commit(commit).await {
                Err(StoreError::Conflict) => self.end_one_by_one(batch, actor, &ends).await?,
                outcome => outcome.map(|_| count)?,
            };
        }
        Ok(ended)
    }

    async fn end_one_by_one(
        &self,
        batch: &[Versioned<Session>],
        actor: &str,
        ends: &impl Fn(&Session) -> Option<EndReason>,
    ) -> Result<usize, Error> {
        let mut ended = 0;
        for sid in batch.iter().filter_map(|session| SessionId::parse(&session.id)) {
            let decided = |session: &Session| decide::end(session, ends(session)?);
            ended += usize::from(self.decide_on(sid, actor, decided).await?);
        }
        Ok(ended)
    }

    /// Lets happen to a session what is decided on its newest state; `false` if that is nothing.
    async fn decide_on(
        &self,
        sid: SessionId,
        actor: &str,
        decide: impl Fn(&Session) -> Option<SessionEvent>,
    ) -> Result<bool, Error> {
        for _ in 0..ATTEMPTS {
            let Some(session) = self.load(sid).await? else { return Ok(false) };
            let Some(event) = decide(&session.state) else { return Ok(false) };
            let mut commit = Commit::new(actor, self.clock.now());
            commit.change(&sid.to_string(), Some(session), &[event])?;
            match self.store.commit(commit).await {
                Err(StoreError::Conflict) => {}
                outcome => return Ok(outcome.map(|_| true)?),
            }
        }
        Err(overtaken())
    }
}
