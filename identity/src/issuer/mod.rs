//! The issuer: who somebody is, and tokens that say so, over HTTP (identity-spec 5, 9; OAuth 2.1, OpenID Connect Core).
//!
//! [`Issuer::answer`] takes a whole request and gives a whole response; [`http::IssuerServer`] is the socket round it.
//! Each endpoint has a file. What they decide about tokens stands in [`crate::session`], what they know in
//! [`crate::store`].
//!
//! Nodes hear of ends by a feed of their own ([`crate::ends`]), clients by logout tokens ([`crate::logout`]). Not here yet:
//! logins at foreign providers, tokens bound to keys (DPoP) or certificates, and the operator's API over HTTP. The metadata
//! names only what is there.

mod account;
mod authorize;
mod client;
mod client_auth;
mod code;
mod config;
mod end_session;
mod feed;
pub mod http;
mod id_token;
mod introspect;
mod login;
mod metadata;
mod page;
mod password;
mod rates;
mod registry;
mod revoke;
mod routes;
mod scope;
mod token;
mod upkeep;
mod userinfo;

use std::fmt;
use std::sync::Arc;

use druse_protocol::time::{Clock, Micros};
use parking_lot::Mutex;

pub use account::{AccountEvent, AccountRecord, AccountState};
pub use client::{ClientError, ClientEvent, ClientRecord, ClientSettings, GrantType};
pub use code::{CodeEvent, CodeRecord};
pub use config::{ConfigError, IssuerConfig};
pub use login::{LoginEvent, LoginRecord};
pub use registry::RegistryError;
pub use scope::{IMPERSONATE, OPERATE};

use crate::error::Error;
use crate::keys::Keys;
use crate::logout::{Herald, HttpTransport, Transport};
use crate::seal::Sealer;
use crate::session::Sessions;
use crate::store::Store;
use crate::users::Limiter;
use password::Passwords;
use rates::Rates;

/// An issuer, ready to answer.
pub struct Issuer {
    config: IssuerConfig,
    store: Store,
    sealer: Arc<Sealer>,
    keys: Arc<Keys>,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    passwords: Passwords,
    /// Failed secrets of clients of late; those of people stand in `passwords`.
    guesses: Mutex<Limiter>,
    herald: Herald,
    rates: Mutex<Rates>,
}

impl Issuer {
    /// An issuer on a store. It signs nothing before its keys have been tended: [`Issuer::tend`].
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if the configuration makes no sense, and what the store says.
    pub async fn new(
        config: IssuerConfig,
        store: Store,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        Self::with_transport(config, store, sealer, clock, Arc::new(HttpTransport)).await
    }

    /// The same with a way of one's own to clients that are told of logouts.
    ///
    /// # Errors
    /// As [`Issuer::new`].
    pub async fn with_transport(
        config: IssuerConfig,
        store: Store,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, Error> {
        config.check()?;
        let policy = config.keys.clone();
        let keys = Keys::load(store.clone(), Arc::clone(&sealer), policy, Arc::clone(&clock)).await?;
        let keys = Arc::new(keys);
        let sessions = Sessions::new(
            config.issuer.clone(),
            config.sessions.clone(),
            store.clone(),
            Arc::clone(&keys),
            Arc::clone(&sealer),
            Arc::clone(&clock),
        );
        let name = config.issuer.clone();
        let herald = Herald::new(name, store.clone(), Arc::clone(&keys), Arc::clone(&clock), transport);
        Ok(Self {
            herald,
            rates: Mutex::new(Rates::new(config.requests_per_second, config.burst)),
            passwords: Passwords::default(),
            guesses: Mutex::default(),
            config,
            store,
            sealer,
            keys,
            sessions,
            clock,
        })
    }

    /// The name: the `iss` of its tokens, and the beginning of its addresses.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.issuer
    }

    /// Its signing keys.
    #[must_use]
    pub const fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Its sessions.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    fn now(&self) -> Micros {
        self.clock.now()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
