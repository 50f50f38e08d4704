//! Clients and accounts as operators make and change them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::{
    AccountEvent, AccountRecord, ClientError, ClientEvent, ClientRecord, ClientSettings, Issuer, scope,
};
use crate::error::Error;
use crate::session::random;
use crate::store::{Commit, StoreError, Versioned};
use crate::users::{HashError, hash_password};

/// Why a client or an account was not made or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// It is there already, or was there once.
    #[error("there is one of that name already, or was one")]
    Exists,
    /// It is not there.
    #[error("there is none of that name")]
    Unknown,
    /// The client's settings make no sense.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The account's name.
    #[error("an account's name has 1 to 100 characters, none of them a control character")]
    Name,
    /// Something that is neither an entitlement nor a right at the issuer.
    #[error("{0:?} is no entitlement: the form is grid:<resource>:<operation>[:<target>[:<key>]]")]
    Entitlement(String),
    /// The password.
    #[error(transparent)]
    Password(#[from] HashError),
    /// Everything else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Impossible(_) => Self::Unknown,
            error => Self::Other(error.into()),
        }
    }
}

impl Issuer {
    /// Registers a client. With `secret` it gets a random one, which is told now and never again.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn register_client(
        &self,
        id: &str,
        mut settings: ClientSettings,
        secret: bool,
        operator: &str,
    ) -> Result<Option<String>, RegistryError> {
        let revealed = if secret { Some(URL_SAFE_NO_PAD.encode(random::<32>()?)) } else { None };
        settings.secret_sha256 = revealed.as_deref().map(sha256);
        settings.check(id)?;
        self.check_free(id).await?;
        let mut commit = Commit::new(operator, self.now());
        commit.change::<ClientRecord>(id, None, &[ClientEvent::Registered(Box::new(settings))])?;
        self.store.commit(commit).await?;
        Ok(revealed)
    }

    /// Takes a client out of service, and ends all that was had through it.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn remove_client(&self, id: &str, operator: &str) -> Result<usize, RegistryError> {
        let client = self.store.load::<ClientRecord>(id).await?.ok_or(RegistryError::Unknown)?;
        let mut commit = Commit::new(operator, self.now());
        commit.change(id, Some(client), &[ClientEvent::Removed])?;
        self.store.commit(commit).await?;
        Ok(self.sessions.cut_client(id, operator).await?)
    }

    /// The clients after `after`, by id: a page of them.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn clients(&self, after: &str) -> Result<Vec<Versioned<ClientRecord>>, RegistryError> {
        Ok(self.store.all(after).await?)
    }

    /// Makes an account.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn create_account(
        &self,
        name: &str,
        password: &str,
        entitlements: Vec<String>,
        operator: &str,
    ) -> Result<(), RegistryError> {
        if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
            return Err(RegistryError::Name);
        }
        check_entitlements(&entitlements)?;
        self.check_free(name).await?;
        let created = AccountEvent::Created { entitlements };
        self.with_password(name, password, None, created, operator).await
    }

    /// Gives an account another password, and ends all that was had with the old one.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn change_password(
        &self,
        name: &str,
        password: &str,
        operator: &str,
    ) -> Result<(), RegistryError> {
        let account = self.account(name).await?;
        self.with_password(name, password, Some(account), AccountEvent::PasswordChanged, operator).await?;
        self.sessions.cut_subject(name, operator).await?;
        Ok(())
    }

    /// Gives an account other entitlements: its next tokens have them, nodes that follow the feed of ends ask for such at
    /// once, and none older than an access token's life lack the change.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn change_entitlements(
        &self,
        name: &str,
        entitlements: Vec<String>,
        operator: &str,
    ) -> Result<(), RegistryError> {
        check_entitlements(&entitlements)?;
        self.change_account(name, AccountEvent::EntitlementsChanged { entitlements }, operator).await
    }

    /// Lets an account log in again.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn enable_account(&self, name: &str, operator: &str) -> Result<(), RegistryError> {
        self.change_account(name, AccountEvent::Enabled, operator).await
    }

    /// Lets an account log in no more, and ends all that it has.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn disable_account(&self, name: &str, operator: &str) -> Result<usize, RegistryError> {
        self.change_account(name, AccountEvent::Disabled, operator).await?;
        Ok(self.sessions.cut_subject(name, operator).await?)
    }

    /// Removes an account for good, and ends all that it has.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn remove_account(&self, name: &str, operator: &str) -> Result<usize, RegistryError> {
        let account = self.account(name).await?;
        let mut commit = Commit::new(operator, self.now());
        commit.change(name, Some(account), &[AccountEvent::Removed])?;
        commit.forget_secret(&AccountRecord::password_secret(name));
        self.store.commit(commit).await?;
        Ok(self.sessions.cut_subject(name, operator).await?)
    }

    /// The accounts after `after`, by name: a page of them.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn accounts(&self, after: &str) -> Result<Vec<Versioned<AccountRecord>>, RegistryError> {
        Ok(self.store.all(after).await?)
    }

    /// Clients and accounts share their names, as both are subjects of tokens: nobody must be taken for the other.
    async fn check_free(&self, name: &str) -> Result<(), RegistryError> {
        let client = self.store.load::<ClientRecord>(name).await?.is_some();
        let account = self.store.load::<AccountRecord>(name).await?.is_some();
        if client || account { Err(RegistryError::Exists) } else { Ok(()) }
    }

    async fn account(&self, name: &str) -> Result<Versioned<AccountRecord>, RegistryError> {
        self.store.load(name).await?.ok_or(RegistryError::Unknown)
    }

    async fn change_account(
        &self,
        name: &str,
        event: AccountEvent,
        operator: &str,
    ) -> Result<(), RegistryError> {
        let account = self.account(name).await?;
        let mut commit = Commit::new(operator, self.now());
        commit.change(name, Some(account), &[event])?;
        self.store.commit(commit).await?;
        Ok(())
    }

    async fn with_password(
        &self,
        name: &str,
        password: &str,
        account: Option<Versioned<AccountRecord>>,
        event: AccountEvent,
        operator: &str,
    ) -> Result<(), RegistryError> {
        let password = Zeroizing::new(password.to_owned());
        let hashing = tokio::task::spawn_blocking(move || hash_password(&password));
        let hash = Zeroizing::new(hashing.await.map_err(|_| HashError::Failed)??);
        let secret = AccountRecord::password_secret(name);
        let sealed = self.sealer.seal(secret.as_str(), hash.as_bytes()).map_err(Error::from)?;
        let mut commit = Commit::new(operator, self.now());
        commit.change(name, account, &[event])?;
        commit.keep_secret(&secret, sealed);
        self.store.commit(commit).await?;
        Ok(())
    }
}

/// What of a client's secret is kept, in base64url.
pub(super) fn sha256(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}

fn check_entitlements(entitlements: &[String]) -> Result<(), RegistryError> {
    let wrong = entitlements.iter().find(|one| !scope::is_right(one));
    wrong.map_or(Ok(()), |one| Err(RegistryError::Entitlement(one.clone())))
}
