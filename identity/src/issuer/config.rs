//! What an issuer is told, and whether it fits together.

use std::time::Duration;

use crate::error::Error;
use crate::keys::{KeyPolicy, KeyPolicyError};
use crate::session::{SessionPolicy, SessionPolicyError};

/// The numbers and names of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerConfig {
    /// Its name: an origin, `https` or on loopback, without a path or a slash at the end.
    pub issuer: String,
    /// When keys come and go.
    pub keys: KeyPolicy,
    /// How long sessions and tokens live.
    pub sessions: SessionPolicy,
    /// How long a code may be redeemed: 60 seconds, one redirect.
    pub code_life: Duration,
    /// How long a browser stays logged in: 12 hours, a working day.
    pub login_life: Duration,
    /// Whether subjects with the right to may act for others. Off, unless somebody wants it.
    pub impersonation: bool,
    /// Requests of one client, and of one address that names none, in the long run: 200 a second, more than a client
    /// with a hundred thousand sessions needs.
    pub requests_per_second: u32,
    /// How many of them may come at once: 1000.
    pub burst: u32,
    /// How long a node that follows the feed of ends waits for one before it is told that there is none: 5 seconds, a
    /// sixth of the silence that nodes bear.
    pub feed_hold: Duration,
}

/// Why a configuration makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not an origin.
    #[error("the issuer must be an origin such as https://id.example, without a path; http is for loopback")]
    Issuer,
    /// See there.
    #[error(transparent)]
    Keys(#[from] KeyPolicyError),
    /// See there.
    #[error(transparent)]
    Sessions(#[from] SessionPolicyError),
    /// Browsers take seconds, and a code is good for one redirect.
    #[error("codes must live between 1 s and 10 minutes")]
    CodeLife,
    /// Nobody could log in.
    #[error("a browser's login must live for at least a minute")]
    LoginLife,
    /// Nodes would give up before they are answered.
    #[error("a question for ends must be held for at most 10 s")]
    FeedHold,
    /// Nobody could ask.
    #[error("at least one request a second must be allowed")]
    Rate,
}

impl IssuerConfig {
    /// The defaults for an issuer of that name.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            keys: KeyPolicy::default(),
            sessions: SessionPolicy::default(),
            code_life: Duration::from_secs(60),
            login_life: Duration::from_secs(12 * 3600),
            impersonation: false,
            requests_per_second: 200,
            burst: 1000,
            feed_hold: Duration::from_secs(5),
        }
    }

    /// Whether it fits together.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if !is_origin(&self.issuer) {
            return Err(ConfigError::Issuer);
        }
        self.keys.check()?;
        self.sessions.check()?;
        if self.code_life < Duration::from_secs(1) || self.code_life > Duration::from_secs(600) {
            return Err(ConfigError::CodeLife);
        }
        if self.login_life < Duration::from_secs(60) {
            return Err(ConfigError::LoginLife);
        }
        if self.feed_hold > Duration::from_secs(10) {
            return Err(ConfigError::FeedHold);
        }
        if self.requests_per_second == 0 || self.burst == 0 { Err(ConfigError::Rate) } else { Ok(()) }
    }

    /// Whether browsers reach it by TLS, so that its cookies can be kept to it.
    pub(super) fn is_https(&self) -> bool {
        self.issuer.starts_with("https://")
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        tracing::error!(%error, "the issuer's configuration makes no sense");
        Self::Misconfigured("the configuration of the issuer makes no sense")
    }
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(plain) {
        return false;
    }
    match scheme {
        "https" => true,
        "http" => super::client::is_loopback(authority),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_origin() {
        for right in
            ["https://id.example", "https://id.example:8443", "http://127.0.0.1:8443", "http://localhost"]
        {
            assert_eq!(IssuerConfig::new(right).check(), Ok(()), "{right}");
        }
        for wrong in [
            "https://id.example/",
            "https://id.example/a",
            "http://id.example",
            "id.example",
            "https://",
            "https://a@b",
            "ftp://a",
            "https://ID.example",
        ] {
            assert_eq!(IssuerConfig::new(wrong).check(), Err(ConfigError::Issuer), "{wrong}");
        }
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        let config = IssuerConfig::new("https://id.example");
        for (wrong, error) in [
            (IssuerConfig { code_life: Duration::ZERO, ..config.clone() }, ConfigError::CodeLife),
            (IssuerConfig { login_life: Duration::ZERO, ..config.clone() }, ConfigError::LoginLife),
            (IssuerConfig { burst: 0, ..config.clone() }, ConfigError::Rate),
            (IssuerConfig { feed_hold: Duration::from_secs(11), ..config.clone() }, ConfigError::FeedHold),
        ] {
            assert_eq!(wrong.check(), Err(error));
        }
    }
}
