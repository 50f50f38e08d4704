//! What a node, a client and the identity part must agree on: who somebody is, what they may do, and how either side
//! is told that a credential has run out. RFC.md sections 2 and 3.

use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::time::Micros;

/// A boxed future, so that the traits below can stand behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The name under which Geode clients send a user name.
pub const USERNAME: &str = "security-username";
/// The name under which Geode clients send a password.
pub const PASSWORD: &str = "security-password";
/// The name under which Geode clients send a token.
pub const TOKEN: &str = "security-token";

/// What a client shows at login: Geode's `Properties`, names and secret values.
///
/// Values are wiped when dropped and never appear in `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<String, Zeroizing<String>>);

impl Credentials {
    /// Nothing at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A bearer token under [`TOKEN`].
    #[must_use]
    pub fn token(token: impl Into<String>) -> Self {
        Self::new().with(TOKEN, token)
    }

    /// A name and a password under [`USERNAME`] and [`PASSWORD`].
    #[must_use]
    pub fn password(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::new().with(USERNAME, username).with(PASSWORD, password)
    }

    /// Adds a property, replacing one of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.insert(name, value);
        self
    }

    /// Adds a property, replacing one of the same name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), Zeroizing::new(value.into()));
    }

    /// The value of a property.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// All properties, ordered by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many properties there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.0.keys().collect::<Vec<_>>()).finish()
    }
}

/// Somebody who has authenticated. The rest of what is known belongs to the manager that made it, which gets it back
/// through [`Principal::as_any`].
pub trait Principal: fmt::Debug + Send + Sync + 'static {
    /// The name, for audit lines and refusals. Two principals of equal name are the same person.
    fn name(&self) -> &str;

    /// The manager's own type, for a downcast.
    fn as_any(&self) -> &dyn Any;

    /// The session at the identity provider that the credential belongs to, if it names one (`sid` of a token).
    fn session(&self) -> Option<&str> {
        None
    }

    /// The application that has obtained the credential, if it names one (`client_id` of a token).
    fn client(&self) -> Option<&str> {
        None
    }
}

/// The side of the house that a permission is about (Geode `ResourcePermission.Resource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Entries of regions.
    Data,
    /// The running of the cluster.
    Cluster,
}

/// What one wants to do (Geode `ResourcePermission.Operation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Create, destroy or configure.
    Manage,
    /// Change entries.
    Write,
    /// See entries.
    Read,
}

/// The key that a permission is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyScope<'a> {
    /// No key in particular: the whole region.
    Region,
    /// The key of this text.
    Text(&'a str),
    /// A key that is no text. It never matches a grant for one key; grants for the region do.
    Opaque,
}

/// One permission asked of a [`SecurityManager`] (Geode `ResourcePermission`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourcePermission<'a> {
    /// Data or cluster.
    pub resource: Resource,
    /// Manage, write or read.
    pub operation: Operation,
    /// The region's name without its leading slash, or another target; `*` for all.
    pub target: &'a str,
    /// The key within the region.
    pub key: KeyScope<'a>,
}

impl<'a> ResourcePermission<'a> {
    /// `DATA:READ` on a region, for one key or all.
    #[must_use]
    pub const fn read(region: &'a str, key: KeyScope<'a>) -> Self {
        Self { resource: Resource::Data, operation: Operation::Read, target: region, key }
    }

    /// `DATA:WRITE` on a region, for one key or all.
    #[must_use]
    pub const fn write(region: &'a str, key: KeyScope<'a>) -> Self {
        Self { resource: Resource::Data, operation: Operation::Write, target: region, key }
    }
}

impl fmt::Display for ResourcePermission<'_> {
    /// As Geode writes it: `DATA:READ:orders:17`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = match self.resource {
            Resource::Data => "DATA",
            Resource::Cluster => "CLUSTER",
        };
        let operation = match self.operation {
            Operation::Manage => "MANAGE",
            Operation::Write => "WRITE",
            Operation::Read => "READ",
        };
        write!(f, "{resource}:{operation}")?;
        if !matches!(self.target, "" | "*") || self.key != KeyScope::Region {
            write!(f, ":{}", self.target)?;
        }
        match self.key {
            KeyScope::Region => Ok(()),
            KeyScope::Text(key) => write!(f, ":{key}"),
            KeyScope::Opaque => f.write_str(":<not text>"),
        }
    }
}

/// Why a login or a permission was refused. `Display` is what the peer may read: never a secret in here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The credential's time is over, or it was ended from outside; a fresh one will do. Geode:
    /// `AuthenticationExpiredException`, translated for clients before 1.15.
    #[error("{0}")]
    Expired(String),
    /// No login is bound to the request. Geode: `AuthenticationRequiredException`.
    #[error("{0}")]
    Required(String),
    /// The credential is wrong and will stay wrong. Geode: `AuthenticationFailedException`.
    #[error("{0}")]
    Failed(String),
    /// The principal is known and may not do this. Geode: `NotAuthorizedException`.
    #[error("{0}")]
    NotAuthorized(String),
    /// Nobody can tell at the moment: try later. On the wire `AuthenticationFailedException`.
    #[error("{0}")]
    Unavailable(String),
}

impl AuthError {
    /// The refusal Geode words as `<principal> not authorized for <permission>`.
    #[must_use]
    pub fn not_authorized(principal: &str, wanted: &ResourcePermission<'_>) -> Self {
        Self::NotAuthorized(format!("{principal} not authorized for {wanted}"))
    }

    /// Whether a fresh credential would help.
    #[must_use]
    pub const fn is_expired(&self) -> bool {
        matches!(self, Self::Expired(_))
    }
}

/// Where a login comes from.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// The socket's remote address; absent on in-memory connections.
    pub address: Option<SocketAddr>,
    /// The TLS client certificate in DER, if one was shown and verified.
    pub certificate: Option<Arc<[u8]>>,
}

/// A successful `authenticate`.
#[derive(Debug, Clone)]
pub struct Login {
    /// Who it is.
    pub principal: Arc<dyn Principal>,
    /// When the credential was issued, if it says so: decides which of two overlapping logins is the fresher.
    pub issued_at: Option<Micros>,
    /// The first instant at which it is no longer good; `None` if it does not run out.
    pub expires_at: Option<Micros>,
}

/// Whose logins a revocation ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RevocationScope {
    /// Those of one principal, by its name.
    Principal(String),
    /// Those of one session at the identity provider, see [`Principal::session`].
    Session(String),
    /// Those that one application has obtained for whomever, see [`Principal::client`].
    Client(String),
}

impl RevocationScope {
    /// Whether a login of `principal` is meant.
    #[must_use]
    pub fn covers(&self, principal: &dyn Principal) -> bool {
        match self {
            Self::Principal(name) => principal.name() == name,
            Self::Session(session) => principal.session() == Some(session),
            Self::Client(client) => principal.client() == Some(client),
        }
    }

    /// Every scope that covers `principal`: what to look for in a table of revocations.
    pub fn of(principal: &dyn Principal) -> impl Iterator<Item = Self> {
        let session = principal.session().map(|session| Self::Session(session.to_owned()));
        let client = principal.client().map(|client| Self::Client(client.to_owned()));
        [Some(Self::Principal(principal.name().to_owned())), session, client].into_iter().flatten()
    }
}

impl fmt::Display for RevocationScope {
    /// For people and audit lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(name) => f.write_str(name),
            Self::Session(session) => write!(f, "session {session}"),
            Self::Client(client) => write!(f, "client {client}"),
        }
    }
}

/// Who has been cut off from outside, and from when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Whom it concerns.
    pub scope: RevocationScope,
    /// Logins issued (else: made) before this instant are over.
    pub before: Micros,
    /// Why, for the audit line and for the peer.
    pub reason: String,
}

/// Whoever wants to be told of revocations: the node.
pub trait RevocationSink: Send + Sync + 'static {
    /// Ends logins at once. Must not block: it is called from the manager's own threads.
    fn revoke(&self, revocation: &Revocation);
}

/// How widely an answer of [`SecurityManager::authorize`] may be remembered for one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecisionScope {
    /// Not at all: it is asked every time.
    #[default]
    Call,
    /// For the same region and key.
    Key,
    /// For the whole region, whatever the key.
    Region,
}

/// One number that a manager keeps about itself, for those who watch the node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Its name on the node's metrics page, in lower case with underscores: `key_set_age_seconds`.
    pub name: &'static str,
    /// What it means, in one line.
    pub help: &'static str,
    /// How much it is.
    pub value: ReadingValue,
}

/// The value of a [`Reading`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReadingValue {
    /// It only grows.
    Count(u64),
    /// It grows and shrinks.
    Level(f64),
}

/// A node's view of security (Geode `SecurityManager`). Implement it to bring your own; the managers `token` and
/// `users` are in `druse-identity`.
pub trait SecurityManager: Send + Sync + 'static {
    /// Checks credentials. May wait (for a key set, for a slow hash); the node bounds how long. A login whose
    /// `expires_at` is not in the future is refused by the node as expired.
    ///
    /// # Errors
    /// `Failed`, `Expired`, `Required` or `Unavailable`; the text is shown to the peer.
    fn authenticate<'a>(
        &'a self,
        credentials: &'a Credentials,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<Login, AuthError>>;

    /// May `principal` do this, now? Called on every operation: no IO, no waiting.
    ///
    /// # Errors
    /// `Expired` if the credential is over, `NotAuthorized` otherwise.
    fn authorize(
        &self,
        principal: &dyn Principal,
        wanted: &ResourcePermission<'_>,
        now: Micros,
    ) -> Result<(), AuthError>;

    /// How widely a *permit* may be remembered; a refusal never is, and no permit outlives its login.
    fn decision_scope(&self) -> DecisionScope {
        DecisionScope::Call
    }

    /// Tells that nobody uses this subject any more. Called exactly once for each successful `authenticate`.
    fn logout(&self, principal: &dyn Principal) {
        let _ = principal;
    }

    /// What the manager counts about itself: how fresh its keys are, how often a source failed. Asked when somebody looks
    /// at the node's metrics; must not wait.
    fn readings(&self) -> Vec<Reading> {
        Vec::new()
    }

    /// Registers the node for revocations. Managers without any ignore it.
    fn watch_revocations(&self, sink: Arc<dyn RevocationSink>) {
        let _ = sink;
    }
}

/// What a credential provider is told (Geode `AuthInitialize.getCredentials`, and more).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CredentialRequest {
    /// The user for whom it is asked: the name given to the handle, empty for a single-user client.
    pub user: String,
    /// The server that wants a login, as `host:port`; the first one to ask when several do.
    pub server: String,
    /// When the caller stops waiting.
    pub deadline: Micros,
    /// What a server refused last; the provider should not hand it out again.
    pub refused: Option<Credentials>,
    /// What the provider asked to be reminded of at its last call.
    pub memento: Option<Zeroizing<String>>,
    /// The version of this interface: [`CredentialRequest::VERSION`].
    pub version: u32,
}

impl CredentialRequest {
    /// The present version of the provider interface.
    pub const VERSION: u32 = 1;

    /// A first request, with nothing refused and nothing remembered.
    #[must_use]
    pub fn new(user: impl Into<String>, server: impl Into<String>, deadline: Micros) -> Self {
        Self {
            user: user.into(),
            server: server.into(),
            deadline,
            refused: None,
            memento: None,
            version: Self::VERSION,
        }
    }
}

/// What a credential provider answers.
#[derive(Clone)]
pub struct ProvidedCredentials {
    /// What to show at login. Must not be empty.
    pub credentials: Credentials,
    /// When it runs out, if known: lets the client renew before anybody notices.
    pub expires_at: Option<Micros>,
    /// A secret for the provider's next call (a refresh token, say).
    pub memento: Option<Zeroizing<String>>,
}

impl ProvidedCredentials {
    /// Credentials of unknown lifetime.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, expires_at: None, memento: None }
    }

    /// Says when they run out.
    #[must_use]
    pub fn expiring_at(mut self, at: Micros) -> Self {
        self.expires_at = Some(at);
        self
    }
}

impl fmt::Debug for ProvidedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvidedCredentials")
            .field("credentials", &self.credentials)
            .field("expires_at", &self.expires_at)
            .field("memento", &self.memento.as_ref().map(|_| "<secret>"))
            .finish()
    }
}

/// Why a provider has nothing to give.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// Final: somebody must log in again, or fix a setting.
    #[error("{message}")]
    Denied {
        /// What is wrong and what to do about it; no secrets.
        message: String,
        /// What it stems from.
        #[source]
        source: Option<Arc<dyn StdError + Send + Sync>>,
    },
    /// Passing: the identity provider did not answer, a file was not readable.
    #[error("{message}")]
    Unavailable {
        /// What went wrong; no secrets.
        message: String,
        /// What it stems from.
        #[source]
        source: Option<Arc<dyn StdError + Send + Sync>>,
    },
}

/// A client's source of credentials (Geode `AuthInitialize`). Implementations may be slow and may fail; the gate in
/// `druse-client` bounds the waiting and asks once, however many operations need the answer.
pub trait AuthInitialize: Send + Sync + 'static {
    /// Fetches credentials.
    ///
    /// # Errors
    /// See [`ProviderError`].
    fn credentials(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_credentials_shows_names_only() {
        let shown = format!("{:?}", Credentials::password("ann", "hunter2"));
        assert!(shown.contains(USERNAME) && !shown.contains("ann") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn debug_of_provided_credentials_hides_the_memento() {
        let mut provided = ProvidedCredentials::new(Credentials::token("t0ken"));
        provided.memento = Some(Zeroizing::new("refresh".to_owned()));
        let shown = format!("{provided:?}");
        assert!(!shown.contains("t0ken") && !shown.contains("refresh"), "{shown}");
    }

    #[test]
    fn permissions_read_as_geode_writes_them() {
        assert_eq!(
            ResourcePermission::read("orders", KeyScope::Text("17")).to_string(),
            "DATA:READ:orders:17"
        );
        assert_eq!(ResourcePermission::write("orders", KeyScope::Region).to_string(), "DATA:WRITE:orders");
        assert_eq!(ResourcePermission::read("*", KeyScope::Region).to_string(), "DATA:READ");
    }
}
