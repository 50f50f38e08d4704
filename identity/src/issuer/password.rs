//! Are name and password somebody's? A few hashes at a time, and guessing is made slow.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use druse_protocol::time::Clock;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::users::{Limiter, MAX_PASSWORD_BYTES, decoy, verify};

/// Hashes at a time: each takes 19 MiB and a core for some 20 ms, and this bounds guessing from many addresses.
const HASHES: usize = 2;

/// The desk at which passwords are checked.
pub(super) struct Passwords {
    hashing: Arc<Semaphore>,
    guesses: Mutex<Limiter>,
    /// What names without a password are checked against, so that they take as long.
    decoy: String,
}

impl Default for Passwords {
    fn default() -> Self {
        let hashing = Arc::new(Semaphore::new(HASHES));
        Self { hashing, guesses: Mutex::default(), decoy: decoy(None) }
    }
}

impl Passwords {
    /// Whether `password` is the one of `hash`, which is what the name's account has, if it has one.
    ///
    /// # Errors
    /// [`Error::TooMany`] to those who guess.
    pub(super) async fn check(
        &self,
        name: &str,
        password: &str,
        hash: Option<String>,
        peer: IpAddr,
        clock: &dyn Clock,
    ) -> Result<bool, Error> {
        let wait = self.guesses.lock().admit(name, Some(peer), clock.now());
        tokio::time::sleep(wait.map_err(|after| Error::TooMany { after })?).await;
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let right = self.verify(password, hash).await? && known;
        let mut guesses = self.guesses.lock();
        if right {
            guesses.succeeded(name, Some(peer));
        } else {
            guesses.failed(name, Some(peer), clock.now());
        }
        Ok(right)
    }

    async fn verify(&self, password: &str, hash: String) -> Result<bool, Error> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Ok(false);
        }
        let interrupted = || Error::Misconfigured("the issuer is stopping");
        let place = Arc::clone(&self.hashing).acquire_owned().await.map_err(|_| interrupted())?;
        let password = Zeroizing::new(password.to_owned());
        let work = move || {
            let right = verify(&password, &hash);
            drop(place);
            right
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| interrupted())
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}
