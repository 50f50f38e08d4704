//! The keys of one process: those that sign, and the document, both as the store last had them.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use druse_protocol::auth::BoxFuture;
use druse_protocol::time::{Clock, Micros};

use super::{
    KeyDocument, KeyEvent, KeyPolicy, KeyRecord, KeyRefusal, KeyState, Step, activate, plan, remove,
};
use crate::key_set::{Algorithm, Fetch, FetchError, Fetched};
use crate::seal::{SealError, Sealer};
use crate::signing_key::{MintError, SigningKey};
use crate::store::{Aggregate as _, Commit, Lease, SecretName, Store, StoreError, Versioned};

/// What the secret of a key is called.
const PRIVATE: &str = "private";
/// How many steps one tending may take: far more than ever fall due together.
const MAX_STEPS: usize = 64;

/// Why something was not done about the keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The operator's wish makes no sense.
    #[error(transparent)]
    Refused(#[from] KeyRefusal),
    /// The store did not do it.
    #[error("the signing keys could not be read or written")]
    Store(#[from] StoreError),
    /// The private half could not be sealed.
    #[error("the signing key could not be sealed")]
    Seal(#[from] SealError),
    /// No key was made.
    #[error(transparent)]
    Mint(#[from] MintError),
}

/// The signing keys.
pub struct Keys {
    store: Store,
    sealer: Arc<Sealer>,
    policy: KeyPolicy,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Current>,
}

/// What the store had when it was last read.
struct Current {
    signers: Vec<Arc<SigningKey>>,
    document: Arc<KeyDocument>,
}

impl Keys {
    /// The keys that are in the store now.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn load(
        store: Store,
        sealer: Arc<Sealer>,
        policy: KeyPolicy,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeysError> {
        let nothing = Current { signers: Vec::new(), document: Arc::new(KeyDocument::of(&[])) };
        let keys = Self { store, sealer, policy, clock, current: ArcSwap::from_pointee(nothing) };
        keys.refresh().await?;
        Ok(keys)
    }

    /// The key that signs for an algorithm.
    #[must_use]
    pub fn signer(&self, algorithm: Algorithm) -> Option<Arc<SigningKey>> {
        self.current.load().signers.iter().find(|key| key.algorithm() == algorithm).cloned()
    }

    /// The key that signs for clients that ask for nothing else.
    #[must_use]
    pub fn default_signer(&self) -> Option<Arc<SigningKey>> {
        self.policy.algorithms.first().and_then(|algorithm| self.signer(*algorithm))
    }

    /// The document to publish.
    #[must_use]
    pub fn document(&self) -> Arc<KeyDocument> {
        Arc::clone(&self.current.load().document)
    }

    /// All keys, removed ones too.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn list(&self) -> Result<Vec<Versioned<KeyRecord>>, StoreError> {
        // Every period adds one key for each algorithm: a page lasts for decades.
        self.store.all("").await
    }

    /// Reads the store again. A key that is active here already is not unsealed anew.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn refresh(&self) -> Result<(), KeysError> {
        let keys = self.list().await?;
        let before = self.current.load_full();
        let mut signers = Vec::new();
        for key in keys.iter().filter(|key| key.state.state == KeyState::Active) {
            let known = before.signers.iter().find(|known| known.id() == key.id);
            signers.push(match known {
                Some(known) => Arc::clone(known),
                None => Arc::new(self.unseal(key).await?),
            });
        }
        self.current.store(Arc::new(Current { signers, document: Arc::new(KeyDocument::of(&keys)) }));
        Ok(())
    }

    /// Does what time asks for. With a lease, nothing is written by one who has lost it.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn tend(&self, lease: Option<&Lease>) -> Result<(), KeysError> {
        for _ in 0..MAX_STEPS {
            let (keys, now) = (self.list().await?, self.clock.now());
            let Some(step) = plan(&keys, &self.policy, now) else { break };
            match self.carry_out(step, "keeper", lease, now).await {
                // Somebody else has done it, or something else: look again.
                Ok(()) | Err(KeysError::Store(StoreError::Conflict)) => {}
                Err(error) => return Err(error),
            }
        }
        self.refresh().await
    }

    /// Makes a key before time asks for it. It waits for its turn, or for [`Keys::activate`].
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn create(&self, algorithm: Algorithm, operator: &str) -> Result<String, KeysError> {
        let document = SigningKey::generate_pkcs8(algorithm)?;
        self.import(algorithm, &document, operator).await
    }

    /// Takes a private key that was made elsewhere, in PKCS#8: the way in which RS256 gets one. Answers with its id.
    ///
    /// # Errors
    /// See [`KeysError`]; [`StoreError::Conflict`] if it is there already.
    pub async fn import(
        &self,
        algorithm: Algorithm,
        pkcs8: &[u8],
        operator: &str,
    ) -> Result<String, KeysError> {
        let (commit, id) = self.creation(algorithm, pkcs8, operator, self.clock.now())?;
        self.store.commit(commit).await?;
        self.refresh().await?;
        Ok(id)
    }

    /// Lets a key sign before its turn.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn activate(&self, id: &str, operator: &str) -> Result<(), KeysError> {
        let now = self.clock.now();
        let step = activate(&self.list().await?, id, &self.policy, now)?;
        self.carry_out(step, operator, None, now).await?;
        self.refresh().await
    }

    /// Removes a key; a compromised one at once, and another takes its place.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn remove(&self, id: &str, compromised: bool, operator: &str) -> Result<(), KeysError> {
        let step = remove(&self.list().await?, id, compromised)?;
        self.carry_out(step, operator, None, self.clock.now()).await?;
        if compromised { self.tend(None).await } else { self.refresh().await }
    }

    async fn carry_out(
        &self,
        step: Step,
        actor: &str,
        lease: Option<&Lease>,
        now: Micros,
    ) -> Result<(), KeysError> {
        let mut commit = match step {
            Step::Create(algorithm) => {
                self.creation(algorithm, &SigningKey::generate_pkcs8(algorithm)?, actor, now)?.0
            }
            Step::Change(changes) => change(changes, actor, now)?,
        };
        if let Some(lease) = lease {
            commit.under(lease);
        }
        self.store.commit(commit).await?;
        Ok(())
    }

    fn creation(
        &self,
        algorithm: Algorithm,
        pkcs8: &[u8],
        actor: &str,
        now: Micros,
    ) -> Result<(Commit, String), KeysError> {
        let key = SigningKey::from_pkcs8(algorithm, pkcs8)?;
        let secret = secret_of(key.id());
        let mut commit = Commit::new(actor, now);
        let created = KeyEvent::Created { algorithm, jwk: key.public_jwk() };
        commit.change::<KeyRecord>(key.id(), None, &[created])?;
        commit.keep_secret(&secret, self.sealer.seal(secret.as_str(), pkcs8)?);
        Ok((commit, key.id().to_owned()))
    }

    async fn unseal(&self, key: &Versioned<KeyRecord>) -> Result<SigningKey, KeysError> {
        let pkcs8 = self.store.secret(&secret_of(&key.id), &self.sealer).await?;
        let pkcs8 = pkcs8.ok_or(StoreError::Corrupt("an active signing key has no private half"))?;
        Ok(SigningKey::from_pkcs8(key.state.algorithm, &pkcs8)?)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// The embedded issuer's keys for the node beside it, by the same way as anybody else's.
impl Fetch for Arc<Keys> {
    fn fetch(&self, _forced: bool) -> BoxFuture<'_, Result<Option<Fetched>, FetchError>> {
        Box::pin(async move {
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "the signing keys could not be read again");
                return Err(FetchError::Embedded);
            }
            Ok(Some(Fetched { document: self.document().text().as_bytes().to_vec(), life: None }))
        })
    }

    fn source(&self) -> &str {
        "the embedded issuer"
    }
}

/// A removed key is only recognised any more; what it could sign with is gone.
fn change(
    changes: Vec<(Versioned<KeyRecord>, KeyEvent)>,
    actor: &str,
    now: Micros,
) -> Result<Commit, StoreError> {
    let mut commit = Commit::new(actor, now);
    for (key, event) in changes {
        let id = key.id.clone();
        if matches!(event, KeyEvent::Removed { .. }) {
            commit.forget_secret(&secret_of(&id));
        }
        commit.change(&id, Some(key), &[event])?;
    }
    Ok(commit)
}

fn secret_of(id: &str) -> SecretName {
    SecretName::new(KeyRecord::NAME, id, PRIVATE)
}
