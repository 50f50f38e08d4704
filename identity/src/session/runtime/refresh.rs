//! Refresh tokens in, tokens out.

use std::sync::Arc;

use druse_protocol::time::Micros;
use ring::digest::{Context, SHA256};

use super::{ATTEMPTS, Grant, Sessions, overtaken};
use crate::error::{Error, ErrorCode, OAuthError};
use crate::once::Digest;
use crate::session::decide::{self, Presented, Refresh, Refusal};
use crate::session::{ClientCut, EndReason, RefreshToken, Session, SessionEvent, SubjectCut};
use crate::store::{Commit, StoreError, Versioned};

/// The client that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// Its id.
    pub client: &'a str,
    /// Whether it has shown that it is itself.
    pub authenticated: bool,
}

const NOT_GOOD: OAuthError = OAuthError::new(ErrorCode::InvalidGrant, "the refresh token is not good");
const TOO_MUCH: OAuthError = OAuthError::new(ErrorCode::InvalidScope, "more is asked for than was granted");

impl Sessions {
    /// Exchanges a refresh token for its successor and an access token, of `scope` if that is given.
    ///
    /// Equal requests at one time have one answer. A token that was replaced within the grace is answered with the
    /// same successor again; one that was replaced before ends the session.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidGrant`], alike for everything that makes a token not good; [`ErrorCode::InvalidScope`]; and
    /// what is nobody's fault ([`Error`]).
    pub async fn refresh(
        &self,
        token: &str,
        caller: Caller<'_>,
        scope: Option<&[String]>,
    ) -> Result<Arc<Grant>, Error> {
        let presented = RefreshToken::parse(token).ok_or(NOT_GOOD)?;
        let print = print_of(token, caller, scope);
        self.refreshes.run(print, || self.refresh_alone(&presented, caller, scope)).await
    }

    async fn refresh_alone(
        &self,
        token: &RefreshToken,
        caller: Caller<'_>,
        scope: Option<&[String]>,
    ) -> Result<Arc<Grant>, Error> {
        for _ in 0..ATTEMPTS {
            let session = self.proven(token, caller.client).await?.ok_or(NOT_GOOD)?;
            let now = self.clock.now();
            let presented = Presented {
                generation: token.generation(),
                scope,
                authenticated: caller.authenticated,
                cut: self.cut_of(&session.state).await?,
            };
            match decide::refresh(&session.state, presented, &self.policy, now) {
                Refresh::Rotate(events) | Refresh::Replay(events) => {
                    match self.give(token, session, &events, caller, now).await {
                        Err(StoreErrorOr::Store(StoreError::Conflict)) => {}
                        outcome => return Ok(Arc::new(outcome?)),
                    }
                }
                Refresh::Refuse(refusal, events) => {
                    if self.note(token, session, &events, caller, now).await? {
                        return Err(refused(refusal, token));
                    }
                }
            }
        }
        Err(overtaken())
    }

    /// The session of a token, if its proof is good and it is that client's. The proof goes first and takes the same
    /// time whatever the answer, so that nothing is learnt of sessions without one.
    pub(super) async fn proven(
        &self,
        token: &RefreshToken,
        client: &str,
    ) -> Result<Option<Versioned<Session>>, Error> {
        let Some(session) = self.load(token.sid()).await? else { return Ok(None) };
        let proven = token.is_proven(&session.state, &self.issuer, &self.sealer)?;
        Ok(Some(session).filter(|session| proven && session.state.opened.client == client))
    }

    /// The end that a session has by one that concerns many.
    pub(super) async fn cut_of(&self, session: &Session) -> Result<Option<EndReason>, StoreError> {
        let subject = self.store.load::<SubjectCut>(&session.opened.subject).await?;
        if subject.is_some_and(|cut| session.opened_at <= cut.state.before) {
            return Ok(Some(EndReason::SubjectCut));
        }
        let client = self.store.load::<ClientCut>(&session.opened.client).await?;
        let cut = client.is_some_and(|cut| session.opened_at <= cut.state.before);
        Ok(cut.then_some(EndReason::ClientCut))
    }

    async fn give(
        &self,
        token: &RefreshToken,
        session: Versioned<Session>,
        events: &[SessionEvent],
        caller: Caller<'_>,
        now: Micros,
    ) -> Result<Grant, StoreErrorOr> {
        let mut commit = Commit::new(caller.client, now);
        let id = session.id.clone();
        let after = commit.change(&id, Some(session), events)?;
        let minted = events.last().ok_or(StoreError::Impossible("session"))?;
        let grant = self.grant(token.sid(), after.state, minted, now)?;
        self.store.commit(commit).await?;
        Ok(grant)
    }

    /// Records what was noticed; `false` if somebody else was faster and all must be looked at again.
    async fn note(
        &self,
        token: &RefreshToken,
        session: Versioned<Session>,
        events: &[SessionEvent],
        caller: Caller<'_>,
        now: Micros,
    ) -> Result<bool, Error> {
        if events.is_empty() {
            return Ok(true);
        }
        let mut commit = Commit::new(caller.client, now);
        let id = session.id.clone();
        commit.change(&id, Some(session), events)?;
        match self.store.commit(commit).await {
            Ok(_) => {
                self.end_dependents(token.sid()).await?;
                Ok(true)
            }
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Keeps a conflict apart from everything that ends the attempt.
enum StoreErrorOr {
    Store(StoreError),
    Other(Error),
}

impl From<StoreError> for StoreErrorOr {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for StoreErrorOr {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<StoreErrorOr> for Error {
    fn from(error: StoreErrorOr) -> Self {
        match error {
            StoreErrorOr::Store(error) => error.into(),
            StoreErrorOr::Other(error) => error,
        }
    }
}

/// All refusals but one look alike to the client; the log tells them apart.
fn refused(refusal: Refusal, token: &RefreshToken) -> Error {
    let sid = token.sid();
    match refusal {
        Refusal::Scope => return TOO_MUCH.into(),
        Refusal::FromTheFuture => {
            tracing::error!(%sid, "a refresh token is newer than its session: a master key leaked, or the store is old");
        }
        Refusal::Reuse => {
            tracing::warn!(%sid, "a replaced refresh token was presented: the session has ended")
        }
        Refusal::Over | Refusal::NotRefreshable => tracing::debug!(%sid, ?refusal, "refresh refused"),
    }
    NOT_GOOD.into()
}

/// What a request is known by while it is under way.
fn print_of(token: &str, caller: Caller<'_>, scope: Option<&[String]>) -> Digest {
    let mut context = Context::new(&SHA256);
    let mut add = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    add(token.as_bytes());
    add(caller.client.as_bytes());
    add(&[u8::from(caller.authenticated), u8::from(scope.is_some())]);
    scope.unwrap_or_default().iter().for_each(|one| add(one.as_bytes()));
    let mut print = Digest::default();
    print.copy_from_slice(context.finish().as_ref());
    print
}
