//! Clients: who may ask for tokens, and for which.

use druse_protocol::time::Micros;
use serde::{Deserialize, Serialize};

use crate::store::{Aggregate, Column};

/// A way to tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A browser's login, with PKCE (RFC 6749, 4.1; RFC 7636).
    AuthorizationCode,
    /// Refresh tokens (RFC 6749, 6).
    RefreshToken,
    /// The client for itself (RFC 6749, 4.4).
    ClientCredentials,
    /// One token for another (RFC 8693).
    TokenExchange,
}

impl GrantType {
    /// All that there are.
    pub const ALL: [Self; 4] =
        [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::TokenExchange];

    /// The value of `grant_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// The grant of a value of `grant_type`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.name() == name)
    }
}

/// What a client is registered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSettings {
    /// What people know it by.
    pub name: String,
    /// SHA-256 of its secret in base64url. The secret is random, so nothing slower is needed. `None`: it cannot keep
    /// one (an application on somebody's machine).
    pub secret_sha256: Option<String>,
    /// Whether it may send its secret in the body, which more logs see than the header.
    pub secret_in_body: bool,
    /// Where browsers are sent back to, compared whole but for the port on loopback.
    pub redirect_uris: Vec<String>,
    /// Where they are sent after a logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session of its has ended (Back-Channel Logout 1.0); `None`: it does not want to know.
    #[serde(default)]
    pub backchannel_logout_uri: Option<String>,
    /// The ways to tokens that it has.
    pub grants: Vec<GrantType>,
    /// All that it may ask for; entitlements may have wildcards.
    pub scope: Vec<String>,
    /// For whom it may ask tokens; the first if it does not say.
    pub audiences: Vec<String>,
}

/// Why a client cannot be registered like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The id.
    #[error("a client's id has 1 to 100 printable characters without spaces, quotes and slashes")]
    Id,
    /// No way to a token.
    #[error("a client needs at least one grant type")]
    NoGrant,
    /// Nobody to ask tokens for.
    #[error("a client needs at least one audience")]
    NoAudience,
    /// A browser has nowhere to go.
    #[error("a client with logins needs a redirect address")]
    NoRedirect,
    /// It would be anybody's.
    #[error("only a client with a secret can act for itself or exchange tokens")]
    NeedsSecret,
    /// Codes would go over the network in the clear, or to whoever owns a fragment.
    #[error(
        "redirect addresses are https, http on loopback, or an application's own scheme with a dot, without fragment"
    )]
    Redirect,
    /// Who has logged out would cross the network in the clear.
    #[error("the address for logouts is https, or http on loopback, without fragment")]
    Logout,
}

impl ClientSettings {
    /// Whether they fit together.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn check(&self, id: &str) -> Result<(), ClientError> {
        let printable = |byte: u8| byte.is_ascii_graphic() && !b"\"\\/:".contains(&byte);
        if id.is_empty() || id.len() > 100 || !id.bytes().all(printable) {
            return Err(ClientError::Id);
        }
        let has = |grant| self.grants.contains(&grant);
        if self.grants.is_empty() {
            return Err(ClientError::NoGrant);
        }
        if self.audiences.is_empty() {
            return Err(ClientError::NoAudience);
        }
        if has(GrantType::AuthorizationCode) && self.redirect_uris.is_empty() {
            return Err(ClientError::NoRedirect);
        }
        let alone = has(GrantType::ClientCredentials) || has(GrantType::TokenExchange);
        if alone && self.secret_sha256.is_none() {
            return Err(ClientError::NeedsSecret);
        }
        let told = self.backchannel_logout_uri.as_ref();
        if told.is_some_and(|address| !address.starts_with("http") || !is_sound_redirect(address)) {
            return Err(ClientError::Logout);
        }
        let mut addresses = self.redirect_uris.iter().chain(&self.post_logout_redirect_uris);
        if addresses.all(|address| is_sound_redirect(address)) { Ok(()) } else { Err(ClientError::Redirect) }
    }
}

impl ClientSettings {
    /// Whether browsers may be sent to an address. Applications on somebody's machine get their port on loopback from the
    /// system, so that any will do (RFC 8252, 7.3).
    pub(super) fn redirects_to(&self, address: &str) -> bool {
        let same = |known: &String| known == address || is_same_loopback(known, address);
        self.redirect_uris.iter().any(same)
    }
}

/// A client as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRecord {
    /// What it is registered with now.
    pub settings: ClientSettings,
    /// Whether it has been taken out of service, for good: an id is not given to another.
    pub removed: bool,
}

/// What can happen to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum ClientEvent {
    /// It is there.
    Registered(Box<ClientSettings>),
    /// It has other settings.
    Changed(Box<ClientSettings>),
    /// It is out of service.
    Removed,
}

impl Aggregate for ClientRecord {
    type Event = ClientEvent;
    const NAME: &'static str = "client";

    fn apply(state: Option<Self>, event: &ClientEvent, _at: Micros) -> Option<Self> {
        match (state, event) {
            (None, ClientEvent::Registered(settings)) => {
                Some(Self { settings: (**settings).clone(), removed: false })
            }
            (Some(client), ClientEvent::Changed(settings)) if !client.removed => {
                Some(Self { settings: (**settings).clone(), ..client })
            }
            (Some(client), ClientEvent::Removed) if !client.removed => Some(Self { removed: true, ..client }),
            _ => None,
        }
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        Vec::new()
    }
}

fn is_sound_redirect(address: &str) -> bool {
    let Some((scheme, rest)) = address.split_once(':') else { return false };
    let clean = !address.contains('#') && address.bytes().all(|byte| byte.is_ascii_graphic());
    let host = rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    clean
        && match (scheme, host) {
            ("https", Some(host)) => !host.is_empty() && !host.contains('@'),
            ("http", Some(host)) => is_loopback(host),
            ("http" | "https", None) => false,
            // RFC 8252, 7.1: a name that somebody owns, turned round.
            (own, _) => {
                own.contains('.') && own.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b))
            }
        }
}

fn is_same_loopback(known: &str, wanted: &str) -> bool {
    without_port(known).is_some_and(|known| without_port(wanted) == Some(known))
}

/// The host and the rest of an address on loopback. Not of `localhost`, which may be something else to a browser.
fn without_port(address: &str) -> Option<(&str, &str)> {
    let address = address.strip_prefix("http://")?;
    let (authority, rest) = address.split_at(address.find(['/', '?']).unwrap_or(address.len()));
    let (host, port) =
        ["127.0.0.1", "[::1]"].into_iter().find_map(|host| Some((host, authority.strip_prefix(host)?)))?;
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (port.is_empty() || port.strip_prefix(':').is_some_and(digits)).then_some((host, rest))
}

pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ClientSettings {
        ClientSettings {
            name: "App".into(),
            secret_sha256: None,
            secret_in_body: false,
            redirect_uris: vec!["https://app.example/cb".into()],
            post_logout_redirect_uris: vec![],
            backchannel_logout_uri: None,
            grants: vec![GrantType::AuthorizationCode],
            scope: vec!["openid".into()],
            audiences: vec!["grid".into()],
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_each_with_its_reason() {
        assert_eq!(settings().check("app"), Ok(()));
        for id in ["", "a b", "a\"", "a/b", "a:b", "é", &"x".repeat(101)] {
            assert_eq!(settings().check(id), Err(ClientError::Id), "{id}");
        }
        let with = |change: fn(&mut ClientSettings)| {
            let mut settings = settings();
            change(&mut settings);
            settings.check("app")
        };
        assert_eq!(with(|s| s.grants.clear()), Err(ClientError::NoGrant));
        assert_eq!(with(|s| s.audiences.clear()), Err(ClientError::NoAudience));
        assert_eq!(with(|s| s.redirect_uris.clear()), Err(ClientError::NoRedirect));
        assert_eq!(with(|s| s.grants.push(GrantType::ClientCredentials)), Err(ClientError::NeedsSecret));
        assert_eq!(with(|s| s.post_logout_redirect_uris.push("x".into())), Err(ClientError::Redirect));
        assert_eq!(with(|s| s.backchannel_logout_uri = Some("https://app.example/out".into())), Ok(()));
        for address in ["http://app.example/out", "com.example.app:/out", "https://app.example/#out"] {
            let settings = ClientSettings { backchannel_logout_uri: Some(address.into()), ..settings() };
            assert_eq!(settings.check("app"), Err(ClientError::Logout), "{address}");
        }
    }

    #[test]
    fn codes_are_sent_to_sound_addresses_only() {
        for sound in [
            "https://app.example/cb?x=1",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:8080/cb",
            "com.example.app:/cb",
        ] {
            assert!(is_sound_redirect(sound), "{sound}");
        }
        for unsound in [
            "http://app.example/cb",
            "https://app.example/cb#x",
            "https://user@app.example/",
            "https:///cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://localhost.example/",
            "http://127.0.0.1@evil.example/",
            "https:app.example",
            "/cb",
            "",
        ] {
            assert!(!is_sound_redirect(unsound), "{unsound}");
        }
    }

    #[test]
    fn on_loopback_any_port_will_do() {
        let redirect_uris =
            vec!["https://app.example/cb".into(), "http://127.0.0.1/cb".into(), "http://localhost/cb".into()];
        let client = ClientSettings { redirect_uris, ..settings() };
        for known in [
            "https://app.example/cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:49152/cb",
            "http://localhost/cb",
        ] {
            assert!(client.redirects_to(known), "{known}");
        }
        for unknown in [
            "https://app.example:8443/cb",
            "http://127.0.0.1:49152/",
            "http://127.0.0.1:49152/cb?x",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:1@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://localhost:49152/cb",
            "http://[::1]:49152/cb",
            "",
        ] {
            assert!(!client.redirects_to(unknown), "{unknown}");
        }
    }

    #[test]
    fn a_removed_client_never_comes_back() {
        let registered = ClientEvent::Registered(Box::new(settings()));
        let client = ClientRecord::apply(None, &registered, Micros(0)).unwrap();
        let removed = ClientRecord::apply(Some(client), &ClientEvent::Removed, Micros(0)).unwrap();
        for event in [registered, ClientEvent::Changed(Box::new(settings())), ClientEvent::Removed] {
            assert_eq!(ClientRecord::apply(Some(removed.clone()), &event, Micros(0)), None);
        }
    }
}
