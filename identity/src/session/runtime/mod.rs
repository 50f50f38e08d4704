//! Sessions in the store: what [`super::decide`] says, carried out.

mod ends;
mod inspect;
mod refresh;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::time::{Clock, Micros};
use ring::rand::{SecureRandom as _, SystemRandom};

pub use inspect::Inspected;
pub use refresh::Caller;

use super::access::AccessClaims;
use super::state::Opened;
use super::{RefreshToken, Session, SessionEvent, SessionId, SessionPolicy, decide};
use crate::error::Error;
use crate::keys::Keys;
use crate::once::Flights;
use crate::seal::Sealer;
use crate::store::{Commit, Store, StoreError, Versioned};

/// How often somebody decides again because somebody else was faster. Within one process equal requests share one
/// decision, so that only different ones meet here.
const ATTEMPTS: usize = 4;
/// How long whoever lost all of them waits.
const CONFLICT_PAUSE: Duration = Duration::from_secs(1);

/// The sessions of one issuer.
pub struct Sessions {
    issuer: String,
    policy: SessionPolicy,
    store: Store,
    keys: Arc<Keys>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    /// Equal refresh requests that are under way: the retry of a lost response shares the answer of the first.
    refreshes: Flights<Arc<Grant>>,
}

/// What a session is to be opened with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Whose it is.
    pub subject: String,
    /// Through which client.
    pub client: String,
    /// All that its tokens may be for.
    pub scope: Vec<String>,
    /// For whom its access tokens are.
    pub audience: String,
    /// When the subject has shown who it is.
    pub auth_time: Micros,
    /// By which means (RFC 8176).
    pub amr: Vec<String>,
    /// Who acts for the subject, the present one first.
    pub actors: Vec<String>,
    /// The session of the present actor.
    pub actor_sid: Option<String>,
    /// The browser's login that it comes from.
    pub login: Option<String>,
    /// Whether it gets refresh tokens. Without them it ends with its access token.
    pub refreshable: bool,
    /// How long its access tokens live, if not as the policy has it.
    pub access_life: Option<Duration>,
}

/// Tokens that were given out.
pub struct Grant {
    /// The session.
    pub sid: SessionId,
    /// The session as it is with these tokens.
    pub session: Session,
    /// The access token, which whoever has it can use.
    pub access_token: String,
    /// What it says.
    pub access: AccessClaims,
    /// The refresh token, if the session has them.
    pub refresh_token: Option<RefreshToken>,
}

impl Sessions {
    /// The sessions in `store`, whose tokens are named `issuer` and signed with `keys`.
    #[must_use]
    pub fn new(
        issuer: impl Into<String>,
        policy: SessionPolicy,
        store: Store,
        keys: Arc<Keys>,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { issuer: issuer.into(), policy, store, keys, sealer, clock, refreshes: Flights::default() }
    }

    /// Opens a session with its first tokens, on the word of `actor`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open(&self, opening: Opening, actor: &str) -> Result<Grant, Error> {
        let now = self.clock.now();
        let mut commit = Commit::new(actor, now);
        let grant = self.prepare(&mut commit, opening, now)?;
        self.store.commit(commit).await?;
        Ok(grant)
    }

    /// Adds the opening of a session to a commit. The tokens are good once it has gone through, and must not be given
    /// out before.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn prepare(&self, commit: &mut Commit, opening: Opening, now: Micros) -> Result<Grant, Error> {
        let sid = SessionId(random()?);
        let life = opening.access_life.unwrap_or(self.policy.access_life);
        let opened = self.opened(&opening, life, now)?;
        let scope = opened.scope.clone();
        let begun =
            commit.change::<Session>(&sid.to_string(), None, &[SessionEvent::Opened(Box::new(opened))])?;
        let minted = decide::mint(&begun.state, scope, life, now);
        let session = commit.change(&sid.to_string(), Some(begun), std::slice::from_ref(&minted))?;
        self.grant(sid, session.state, &minted, now)
    }

    /// Reads a session.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn load(&self, sid: SessionId) -> Result<Option<Versioned<Session>>, StoreError> {
        self.store.load(&sid.to_string()).await
    }

    fn opened(&self, opening: &Opening, life: Duration, now: Micros) -> Result<Opened, Error> {
        let (ends_at, idle_ends_at) = if opening.refreshable {
            (now + self.policy.absolute_life, now + self.policy.idle_life)
        } else {
            (now + life, now + life)
        };
        Ok(Opened {
            subject: opening.subject.clone(),
            client: opening.client.clone(),
            scope: opening.scope.clone(),
            audience: opening.audience.clone(),
            auth_time: opening.auth_time,
            amr: opening.amr.clone(),
            actors: opening.actors.clone(),
            actor_sid: opening.actor_sid.clone(),
            login: opening.login.clone(),
            refreshable: opening.refreshable,
            ends_at,
            idle_ends_at,
            salt: URL_SAFE_NO_PAD.encode(random::<16>()?),
            master_kid: self.sealer.current_id().to_owned(),
        })
    }

    /// Makes the tokens that an event speaks of.
    fn grant(
        &self,
        sid: SessionId,
        session: Session,
        minted: &SessionEvent,
        now: Micros,
    ) -> Result<Grant, Error> {
        let SessionEvent::AccessMinted { number, scope, ends_at } = minted else {
            return Err(Error::Bug(StoreError::Impossible("session")));
        };
        let access =
            AccessClaims { sid, number: *number, scope: scope.clone(), issued_at: now, ends_at: *ends_at };
        let key = self.keys.default_signer().ok_or(Error::Misconfigured("there is no signing key"))?;
        let access_token = key.sign("at+jwt", &access.payload(&session, &self.issuer))?;
        let refresh_token = if session.opened.refreshable {
            Some(RefreshToken::issue(sid, session.generation, &session, &self.issuer, &self.sealer)?)
        } else {
            None
        };
        Ok(Grant { sid, session, access_token, access, refresh_token })
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("issuer", &self.issuer)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("sid", &self.sid).field("access", &self.access).finish_non_exhaustive()
    }
}

/// Bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Misconfigured("the system gives no randomness"))?;
    Ok(bytes)
}

/// What somebody is told who lost against others [`ATTEMPTS`] times.
fn overtaken() -> Error {
    Error::TryLater { after: CONFLICT_PAUSE, cause: Some(StoreError::Conflict) }
}
