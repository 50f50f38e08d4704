//! The security manager: names and passwords in, principals out.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use druse_protocol::auth::{
    AuthError, BoxFuture, Credentials, Login, PASSWORD, Peer, Principal, ResourcePermission, Revocation,
    RevocationScope, RevocationSink, SecurityManager, USERNAME,
};
use druse_protocol::time::{Clock, Micros};
use parking_lot::Mutex;
use ring::hmac;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use zeroize::Zeroizing;

use super::file::{self, MAX_NAME_BYTES, UserFileError};
use super::hash::{self, MAX_PASSWORD_BYTES};
use super::limiter::Limiter;
use super::proofs::{self, Proofs};
use super::table::{Table, User};
use crate::grid::{self, GridPrincipal};
use crate::once::Flights;

/// One text for a wrong name, a wrong password and a user who is shut out: which it was is nobody's business.
const REFUSED: &str = "the user name or the password is wrong";

/// What the manager stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsersConfig {
    /// The user file.
    pub path: PathBuf,
    /// How many passwords are hashed at a time; each takes 19 MiB and a core.
    pub hashes_at_a_time: usize,
    /// How often the file is looked at.
    pub look_every: Duration,
}

impl UsersConfig {
    /// The defaults: as many hashes as there are cores and four at most, a look every second.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { path: path.into(), hashes_at_a_time: cores.min(4), look_every: Duration::from_secs(1) }
    }
}

/// Checks names and passwords against a user file. A principal is named as the user is.
pub struct UsersSecurityManager {
    shared: Arc<Shared>,
    watch: JoinHandle<()>,
}

struct Shared {
    path: PathBuf,
    table: ArcSwap<Table>,
    /// The version of the file that `table` was read from, or that was found wrong.
    seen: Mutex<Option<Stamp>>,
    clock: Arc<dyn Clock>,
    hashing: Arc<Semaphore>,
    limiter: Mutex<Limiter>,
    proof_key: hmac::Key,
    proofs: Mutex<Proofs>,
    flights: Flights<()>,
    sinks: Mutex<Vec<Arc<dyn RevocationSink>>>,
}

/// What tells one version of a file from the next.
type Stamp = (Option<SystemTime>, u64);

impl UsersSecurityManager {
    /// Reads the file and begins to watch it. Must be called within a tokio runtime; blocks for the reading.
    ///
    /// # Errors
    /// See [`UserFileError`].
    pub fn open(config: UsersConfig, clock: Arc<dyn Clock>) -> Result<Self, UserFileError> {
        let seen = stamp_of(&config.path);
        let (table, _) = Table::replacing(None, file::read(&config.path)?);
        warn_of_readers(&config.path);
        tracing::info!(file = %config.path.display(), users = table.len(), "user file read");
        let no_randomness = || UserFileError::Read(std::io::Error::other("the system gives no randomness"));
        let proofs = Proofs::new().ok_or_else(no_randomness)?;
        let shared = Arc::new(Shared {
            path: config.path,
            table: ArcSwap::from_pointee(table),
            seen: Mutex::new(seen),
            clock,
            hashing: Arc::new(Semaphore::new(config.hashes_at_a_time.max(1))),
            limiter: Mutex::default(),
            proof_key: proofs.key(),
            proofs: Mutex::new(proofs),
            flights: Flights::default(),
            sinks: Mutex::default(),
        });
        let watch = tokio::spawn(watch(Arc::clone(&shared), config.look_every));
        Ok(Self { shared, watch })
    }

    /// Reads the file again if it has changed; whoever is no longer what they were loses their logins. This happens by
    /// itself as well. Answers how many have changed or gone. Blocks for the reading.
    ///
    /// # Errors
    /// See [`UserFileError`]; the users stay as they were.
    pub fn reload(&self) -> Result<usize, UserFileError> {
        self.shared.reload()
    }
}

impl Drop for UsersSecurityManager {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl fmt::Debug for UsersSecurityManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsersSecurityManager")
            .field("path", &self.shared.path)
            .field("users", &self.shared.table.load().len())
            .finish_non_exhaustive()
    }
}

impl SecurityManager for UsersSecurityManager {
    fn authenticate<'a>(
        &'a self,
        credentials: &'a Credentials,
        peer: &'a Peer,
    ) -> BoxFuture<'a, Result<Login, AuthError>> {
        Box::pin(async move {
            if credentials.is_empty() {
                return Err(AuthError::Required("no security credentials are provided".into()));
            }
            let given = credentials.get(USERNAME).zip(credentials.get(PASSWORD));
            let (name, password) = given
                .ok_or_else(|| AuthError::Failed(format!("the credentials lack {USERNAME} or {PASSWORD}")))?;
            let address = peer.address.map(|address| address.ip());
            self.shared.log_in(name, password, address).await
        })
    }

    fn authorize(
        &self,
        principal: &dyn Principal,
        wanted: &ResourcePermission<'_>,
        now: Micros,
    ) -> Result<(), AuthError> {
        grid::authorize(principal, wanted, now)
    }

    fn watch_revocations(&self, sink: Arc<dyn RevocationSink>) {
        self.shared.sinks.lock().push(sink);
    }
}

impl Shared {
    async fn log_in(&self, name: &str, password: &str, address: Option<IpAddr>) -> Result<Login, AuthError> {
        if password.len() > MAX_PASSWORD_BYTES || name.len() > MAX_NAME_BYTES {
            // No user can be meant, and the limiter is not to keep what anybody cares to send.
            return Err(AuthError::Failed(REFUSED.into()));
        }
        let table = self.table.load_full();
        let user = table.get(name);
        let hash = user.map_or(table.decoy(), |user| &user.entry.hash);
        let print = proofs::print(&self.proof_key, name, hash, password);
        let proven = self.proofs.lock().holds(&print, self.clock.now());
        if !proven {
            self.flights.run(print, || self.prove(name, password, hash, address)).await?;
            self.proofs.lock().insert(print, self.clock.now());
        }
        match user {
            Some(user) if !user.entry.disabled => self.login(user),
            _ => {
                tracing::info!(user = name, "the password is right and the user is disabled");
                Err(AuthError::Failed(REFUSED.into()))
            }
        }
    }

    /// Waits its turn, then hashes.
    async fn prove(
        &self,
        name: &str,
        password: &str,
        hash: &str,
        address: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let admitted = self.limiter.lock().admit(name, address, self.clock.now());
        match admitted {
            Ok(Duration::ZERO) => {}
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(wait) => {
                let wait_s = wait.as_secs().max(1);
                let text = format!("too many failed logins, try again in {wait_s} s");
                return Err(AuthError::Unavailable(text));
            }
        }
        let right = self.hash(password, hash).await?;
        let mut limiter = self.limiter.lock();
        if right {
            limiter.succeeded(name, address);
            Ok(())
        } else {
            limiter.failed(name, address, self.clock.now());
            Err(AuthError::Failed(REFUSED.into()))
        }
    }

    async fn hash(&self, password: &str, hash: &str) -> Result<bool, AuthError> {
        let stopping = || AuthError::Unavailable("the node is stopping".into());
        let seat = Arc::clone(&self.hashing).acquire_owned().await.map_err(|_| stopping())?;
        let (password, hash) = (Zeroizing::new(password.to_owned()), hash.to_owned());
        let hashed = tokio::task::spawn_blocking(move || {
            let right = hash::verify(&password, &hash);
            // Given up only now: a caller that has gone away does not make room for another hash at the same time.
            drop(seat);
            right
        });
        hashed.await.map_err(|_| stopping())
    }

    fn login(&self, user: &User) -> Result<Login, AuthError> {
        let now = self.clock.now();
        if now >= user.pin.ended_at() {
            // The file has changed while the password was hashed.
            return Err(AuthError::Unavailable("the user has just been changed, try again".into()));
        }
        let ends_at = user.entry.lifetime.map(|lifetime| now + lifetime);
        let principal = GridPrincipal {
            name: user.entry.name.clone(),
            actor: None,
            client: None,
            session: None,
            issued_at: Some(now),
            ends_at: ends_at.unwrap_or(Micros::MAX),
            pin: Arc::clone(&user.pin),
            watch: None,
            grants: user.grants.clone(),
        };
        Ok(Login { principal: Arc::new(principal), issued_at: Some(now), expires_at: ends_at })
    }

    fn reload(&self) -> Result<usize, UserFileError> {
        let mut seen = self.seen.lock();
        let stamp = stamp_of(&self.path);
        if stamp.is_some() && stamp == *seen {
            return Ok(0);
        }
        *seen = stamp;
        let entries = file::read(&self.path)?;
        warn_of_readers(&self.path);
        let (table, changes) = Table::replacing(Some(&self.table.load()), entries);
        tracing::info!(file = %self.path.display(), users = table.len(), changed = changes.len(), "user file read again");
        self.table.store(Arc::new(table));
        let before = self.clock.now();
        let sinks = self.sinks.lock().clone();
        for (user, change) in &changes {
            user.pin.end(before);
            let scope = RevocationScope::Principal(user.entry.name.clone());
            let revocation = Revocation { scope, before, reason: change.reason().to_owned() };
            sinks.iter().for_each(|sink| sink.revoke(&revocation));
        }
        Ok(changes.len())
    }
}

/// Looks at the file again and again; ended by the manager that owns it.
async fn watch(shared: Arc<Shared>, every: Duration) {
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut complained = false;
    loop {
        ticks.tick().await;
        let looking = Arc::clone(&shared);
        let looked = tokio::task::spawn_blocking(move || looking.reload()).await;
        match looked {
            Ok(Ok(_)) => complained = false,
            Ok(Err(error)) if !complained => {
                complained = true;
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(file = %shared.path.display(), %error, cause, "the users stay as they were");
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|metadata| (metadata.modified().ok(), metadata.len()))
}

/// A file of hashes that others may read invites guessing at leisure.
fn warn_of_readers(path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = fs::metadata(path) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(file = %path.display(), mode = format!("{mode:o}"), "others may read the user file; chmod 600");
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

#[cfg(test)]
#[path = "manager_tests.rs"]
mod tests;
