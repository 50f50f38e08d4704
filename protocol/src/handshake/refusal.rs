//! Why a client may not come in, and how each kind of connection is told.
//!
//! The three kinds are refused in different layouts, and feeds also in other words. A refusal without a text would be
//! taken for a welcome: clients look at the text, not at the code.

use std::borrow::Cow;

use bytes::BufMut;

use super::{AcceptanceCode, CommunicationMode, FeedWelcome, HelloError, Welcome};
use crate::auth::AuthError;
use crate::compat;
use crate::version::VersionOrdinal;

/// A code and the words for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} (code {})", *.code as u8)]
pub struct Refusal {
    /// The kind of refusal.
    pub code: AcceptanceCode,
    /// What the client's user reads. Never a secret.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// A refusal in one's own words.
    #[must_use]
    pub fn new(code: AcceptanceCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// What to tell a client whose hello was understood in part: in which mode's and version's layout, and what. `None`
    /// if the connection is to be closed without a word, as Geode does.
    #[must_use]
    pub fn of_hello_error(error: &HelloError) -> Option<(CommunicationMode, VersionOrdinal, Self)> {
        match *error {
            HelloError::UnsupportedVersion { mode, version } => {
                Some((mode, version, Self::unsupported_version(mode, version)))
            }
            HelloError::BadConflation { mode, version, .. } => {
                Some((mode, version, Self::illegal_conflation(mode)))
            }
            _ => None,
        }
    }

    /// The version is none that a server has commands for.
    #[must_use]
    pub fn unsupported_version(mode: CommunicationMode, version: VersionOrdinal) -> Self {
        let text = format!(
            "Peer or client version with ordinal {} not supported. Highest known version is 1.15.0",
            version.0
        );
        match mode.is_feed() {
            true => Self::new(
                AcceptanceCode::FeedRefused,
                format!("org.apache.geode.cache.UnsupportedVersionException: {text}"),
            ),
            false => Self::new(AcceptanceCode::Refused, text),
        }
    }

    /// The wish for conflation is none.
    #[must_use]
    pub fn illegal_conflation(mode: CommunicationMode) -> Self {
        match mode.is_feed() {
            true => Self::new(
                AcceptanceCode::Invalid,
                "java.lang.IllegalArgumentException: Invalid conflation byte",
            ),
            false => Self::new(AcceptanceCode::Refused, "Illegal clientConflation"),
        }
    }

    /// The client wants to encrypt its credentials in Geode's own way, with a group of 1024 bits and a vector used again
    /// and again: TLS is what protects them today.
    #[must_use]
    pub fn diffie_hellman(mode: CommunicationMode) -> Self {
        Self::of_auth_error(&AuthError::Failed(compat::DIFFIE_HELLMAN.to_owned()), mode)
    }

    /// Security is on, and the client has neither shown nor announced credentials.
    #[must_use]
    pub fn credentials_missing(mode: CommunicationMode) -> Self {
        Self::of_auth_error(&AuthError::Required(compat::NO_CREDENTIALS.to_owned()), mode)
    }

    /// As many connections as allowed are open.
    #[must_use]
    pub fn too_many_connections(limit: usize) -> Self {
        Self::new(AcceptanceCode::Refused, format!("exceeded max-connections {limit}"))
    }

    /// A login that failed during the handshake of a feed or gateway. Feeds show the class of the exception, the others
    /// its message only; neither is translated for old clients, which show it and compare nothing.
    #[must_use]
    pub fn of_auth_error(error: &AuthError, mode: CommunicationMode) -> Self {
        let code = match error {
            AuthError::Required(_) => AcceptanceCode::AuthenticationRequired,
            _ => AcceptanceCode::AuthenticationFailed,
        };
        match mode.is_feed() {
            true => Self::new(code, compat::feed_refusal(error)),
            false => Self::new(code, error.to_string()),
        }
    }

    /// Writes the refusal in the layout of that mode and version, in the name of the serialized `member`.
    pub fn encode(
        &self,
        mode: CommunicationMode,
        version: VersionOrdinal,
        member: &[u8],
        out: &mut impl BufMut,
    ) {
        put_refusal(mode, version, self.code, member, &self.text, out);
    }
}

/// Writes a refusal in the layout that a connection of this mode expects.
pub fn put_refusal(
    mode: CommunicationMode,
    version: VersionOrdinal,
    code: AcceptanceCode,
    member: &[u8],
    message: &str,
    out: &mut impl BufMut,
) {
    if mode.is_feed() {
        return FeedWelcome::refused(code, message).encode(version, out);
    }
    // Gateways before 1.15 look for a version behind any other code, and those of 1.15 may stop for good.
    let code = match code {
        AcceptanceCode::AuthenticationRequired => code,
        _ if mode == CommunicationMode::GatewayToGateway => AcceptanceCode::AuthenticationFailed,
        _ => code,
    };
    Welcome::refused(code, member.to_vec(), message).encode(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATIONS: CommunicationMode = CommunicationMode::ClientToServer;
    const FEED: CommunicationMode = CommunicationMode::PrimaryServerToClient;
    const GATEWAY: CommunicationMode = CommunicationMode::GatewayToGateway;
    const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;

    fn encoded(refusal: &Refusal, mode: CommunicationMode) -> Vec<u8> {
        let mut out = Vec::new();
        refusal.encode(mode, NEW, &[1, 2], &mut out);
        out
    }

    #[test]
    fn refusals_have_the_bytes_of_a_real_server() {
        let text = b"No security credentials are provided";
        let expected = [&[0x3e, 0, 0, 0, 0, 0, 2, 1, 2, 0, 0x24][..], text, &[1]].concat();
        assert_eq!(encoded(&Refusal::credentials_missing(OPERATIONS), OPERATIONS), expected);

        let refusal = Refusal::of_auth_error(&AuthError::Failed("bad creds for fail".to_owned()), FEED);
        let text = b"org.apache.geode.security.AuthenticationFailedException: bad creds for fail";
        let expected = [&[0x3f, 0, 0, 0, 0, 0, 0, 0x4b][..], text, &[0, 0, 0, 0, 0, 0xea, 0x60]].concat();
        assert_eq!(encoded(&refusal, FEED), expected);
    }

    #[test]
    fn gateways_are_told_two_codes_only() {
        assert_eq!(encoded(&Refusal::too_many_connections(800), GATEWAY)[0], 63);
        assert_eq!(encoded(&Refusal::credentials_missing(GATEWAY), GATEWAY)[0], 62);
        assert_eq!(encoded(&Refusal::too_many_connections(800), OPERATIONS)[0], 60);
    }

    #[test]
    fn expiry_at_a_handshake_is_code_63_in_every_mode() {
        let error = AuthError::Expired("over".to_owned());
        for mode in [OPERATIONS, FEED, GATEWAY] {
            assert_eq!(encoded(&Refusal::of_auth_error(&error, mode), mode)[0], 63);
        }
        assert_eq!(
            Refusal::of_auth_error(&error, FEED).text,
            "org.apache.geode.security.AuthenticationExpiredException: over"
        );
    }

    #[test]
    fn hello_errors_that_can_be_told_are_told_in_the_words_of_each_kind() {
        let version = VersionOrdinal(160);
        for (mode, code) in [(OPERATIONS, 60), (FEED, 106)] {
            let error = HelloError::UnsupportedVersion { mode, version };
            let (_, _, refusal) = Refusal::of_hello_error(&error).unwrap();
            assert!(refusal.text.contains("ordinal 160 not supported"), "{refusal}");
            assert_eq!(encoded(&refusal, mode)[0], code);
        }
        for (mode, code) in [(OPERATIONS, 60), (FEED, 61)] {
            let error = HelloError::BadConflation { mode, version: NEW, conflation: 3 };
            assert_eq!(encoded(&Refusal::of_hello_error(&error).unwrap().2, mode)[0], code);
        }
        assert_eq!(Refusal::of_hello_error(&HelloError::NotAClient(22)), None);
        let diffie_hellman = Refusal::diffie_hellman(OPERATIONS);
        assert!(diffie_hellman.text.contains("TLS") && diffie_hellman.code as u8 == 63);
    }

    #[test]
    fn no_refusal_is_taken_for_a_welcome() {
        for mode in [OPERATIONS, FEED, GATEWAY] {
            let bytes = encoded(&Refusal::new(AcceptanceCode::Refused, ""), mode);
            let accepted = match mode.is_feed() {
                true => FeedWelcome::decode(&bytes).unwrap().unwrap().0.is_accepted(),
                false => Welcome::decode(&bytes).unwrap().unwrap().0.is_accepted(),
            };
            assert!(!accepted, "{mode:?}");
        }
    }
}
