//! One token endpoint: how it is asked, and what its answers mean.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use druse_protocol::auth::{Credentials, ProvidedCredentials, ProviderError};
use druse_protocol::time::{Clock as _, Micros, SystemClock};
use serde::Deserialize;
use ureq::Agent;
use ureq::http::Uri;
use zeroize::Zeroizing;

use super::super::super::token_life;
use super::denied;

/// How long one request may take. Callers are bounded by the gate; this bounds the thread.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const MAX_BYTES: u64 = 64 * 1024;
/// The most of a server's own words that an error repeats.
const MAX_WORDS: usize = 200;

/// The address is none to which secrets are sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an https address (http is for loopback only)")]
pub struct TokenEndpointError(String);

/// Where tokens are had, and as whom.
pub(super) struct TokenEndpoint {
    url: String,
    client: String,
    secret: Option<Zeroizing<String>>,
    agent: Agent,
}

/// What an endpoint gives.
pub(super) struct Tokens {
    access_token: Zeroizing<String>,
    pub(super) refresh_token: Option<Zeroizing<String>>,
    expires_at: Option<Micros>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Zeroizing<String>,
    refresh_token: Option<Zeroizing<String>>,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl TokenEndpoint {
    pub(super) fn new(
        url: &str,
        client: String,
        secret: Option<Zeroizing<String>>,
    ) -> Result<Self, TokenEndpointError> {
        let loopback = is_loopback(url).ok_or_else(|| TokenEndpointError(url.to_owned()))?;
        let config = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .https_only(!loopback)
            .timeout_global(Some(PATIENCE));
        // A proxy that the environment names cannot reach this machine's loopback.
        let config = if loopback { config.proxy(None) } else { config };
        Ok(Self { url: url.to_owned(), client, secret, agent: config.build().new_agent() })
    }

    /// Asks with a form. Blocks.
    pub(super) fn ask(&self, form: &[(&str, &str)]) -> Result<Tokens, ProviderError> {
        let failed = |error: ureq::Error| ProviderError::Unavailable {
            message: format!("the token endpoint {} cannot be asked", self.url),
            source: Some(Arc::new(error)),
        };
        let asked_at = SystemClock.now();
        let request = self.agent.post(&self.url).header("accept", "application/json");
        let response = match &self.secret {
            Some(secret) => {
                let header = basic(&self.client, secret);
                request.header("authorization", header.as_str()).send_form(form.iter().copied())
            }
            None => request.send_form(form.iter().copied().chain([("client_id", self.client.as_str())])),
        };
        let mut response = response.map_err(failed)?;
        let body = response.body_mut().with_config().limit(MAX_BYTES).read_to_vec().map(Zeroizing::new);
        self.understand(response.status().as_u16(), &body.map_err(failed)?, asked_at)
    }

    /// A refusal of what was shown is final; everything else may pass.
    fn understand(&self, status: u16, body: &[u8], asked_at: Micros) -> Result<Tokens, ProviderError> {
        let unavailable = |what: String| ProviderError::Unavailable {
            message: format!("the token endpoint {} {what}", self.url),
            source: None,
        };
        match status {
            200 => {
                let answer: Answer = serde_json::from_slice(body)
                    .map_err(|_| unavailable("answered with something that is no token".to_owned()))?;
                Ok(Tokens::new(answer, asked_at))
            }
            400 | 401 => {
                let refusal: Refusal = serde_json::from_slice(body)
                    .map_err(|_| unavailable(format!("answered with status {status}")))?;
                Err(denied(format!("the token endpoint {} refuses: {}", self.url, refusal.words())))
            }
            _ => Err(unavailable(format!("answered with status {status}"))),
        }
    }
}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndpoint")
            .field("url", &self.url)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// The token's own word on its end, or the endpoint's if it has none.
    fn new(answer: Answer, asked_at: Micros) -> Self {
        let told = answer.expires_in.map(|seconds| asked_at + Duration::from_secs(seconds));
        Self {
            expires_at: token_life::expiry_of(&answer.access_token).or(told),
            access_token: answer.access_token,
            refresh_token: answer.refresh_token,
        }
    }

    pub(super) fn provided(self) -> ProvidedCredentials {
        let mut provided = ProvidedCredentials::new(Credentials::token(self.access_token.as_str()));
        provided.expires_at = self.expires_at;
        provided
    }
}

impl Refusal {
    /// What the server says, as far as it can be shown.
    fn words(&self) -> String {
        let all = format!("{} ({})", self.error, self.error_description);
        all.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
    }
}

/// Whether an address is on the loopback; `None` if secrets must not be sent to it.
fn is_loopback(url: &str) -> Option<bool> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback =
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => Some(loopback),
        Some("http") if loopback => Some(true),
        _ => None,
    }
}

/// `Basic`, with both halves escaped like forms (RFC 6749, 2.3.1).
fn basic(client: &str, secret: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{}:{}", escaped(client), escaped(secret)));
    Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_by_tls_or_stay_on_the_machine() {
        for (url, loopback) in [
            ("https://id.example/token", Some(false)),
            ("http://localhost:8443/token", Some(true)),
            ("http://127.0.0.1/token", Some(true)),
            ("http://[::1]:1/token", Some(true)),
            ("http://id.example/token", None),
            ("http://localhost@id.example/token", None),
            ("ftp://localhost/token", None),
            ("/token", None),
        ] {
            assert_eq!(is_loopback(url), loopback, "{url}");
        }
    }

    #[test]
    fn names_and_secrets_are_escaped() {
        // RFC 6749, 2.3.1: escaped first, joined then.
        let pair = BASE64_STANDARD.decode(basic("a:b", "s/ é").strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(pair).unwrap(), "a%3Ab:s%2F%20%C3%A9");
    }
}
