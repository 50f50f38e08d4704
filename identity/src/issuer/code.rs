//! Authorization codes: 32 random bytes for one redemption, of which only the SHA-256 is kept (identity-spec 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::time::Micros;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::serial;
use crate::store::{Aggregate, Column};

/// A code as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRecord {
    /// What it was issued for.
    pub issued: Issued,
    /// Whether it has been presented by its client, whatever came of it.
    pub spent: bool,
    /// The session that it opened.
    pub sid: Option<String>,
}

/// What a code was issued for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// To which client.
    pub client: String,
    /// For whom.
    pub subject: String,
    /// Where it was sent.
    pub redirect_uri: String,
    /// The S256 challenge of RFC 7636.
    pub challenge: String,
    /// What for.
    pub scope: Vec<String>,
    /// For whom the access tokens are.
    pub audience: String,
    /// The client's nonce, for the ID token.
    pub nonce: Option<String>,
    /// The browser's login.
    pub login: String,
    /// When the subject has shown who it is.
    #[serde(with = "serial::micros")]
    pub auth_time: Micros,
    /// Its end.
    #[serde(with = "serial::micros")]
    pub ends_at: Micros,
}

/// What can happen to a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum CodeEvent {
    /// It was sent out.
    Issued(Box<Issued>),
    /// It was presented by its client.
    Spent {
        /// The session that it opened, if it was good.
        sid: Option<String>,
    },
}

/// What is done about a code that its own client presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redemption {
    /// It is good: it is spent with the opening of a session.
    Open,
    /// It is spent for nothing.
    Spend,
    /// It was spent before: somebody has a copy, and the session that it opened ends.
    Replayed {
        /// That session.
        sid: Option<String>,
    },
}

impl CodeRecord {
    /// What a code is known by in the store.
    #[must_use]
    pub fn id_of(code: &str) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, code.as_bytes()))
    }

    /// Decides about the code as its own client presents it.
    pub(super) fn redeem(&self, redirect_uri: &str, verifier: &str, now: Micros) -> Redemption {
        if self.spent {
            return Redemption::Replayed { sid: self.sid.clone() };
        }
        let good = now < self.issued.ends_at
            && self.issued.redirect_uri == redirect_uri
            && is_verifier_of(&self.issued.challenge, verifier);
        if good { Redemption::Open } else { Redemption::Spend }
    }
}

/// Whether a text has the form of an S256 challenge: a SHA-256 in base64url.
pub(super) fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

fn is_verifier_of(challenge: &str, verifier: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let sound = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
    let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    sound && bool::from(made.as_bytes().ct_eq(challenge.as_bytes()))
}

impl Aggregate for CodeRecord {
    type Event = CodeEvent;
    const NAME: &'static str = "code";

    fn apply(state: Option<Self>, event: &CodeEvent, _at: Micros) -> Option<Self> {
        match (state, event) {
            (None, CodeEvent::Issued(issued)) => {
                Some(Self { issued: (**issued).clone(), spent: false, sid: None })
            }
            (Some(code), CodeEvent::Spent { sid }) if !code.spent => {
                Some(Self { spent: true, sid: sid.clone(), ..code })
            }
            _ => None,
        }
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        vec![("ends_us", Column::Integer(self.issued.ends_at.0))]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Micros = Micros(1_000_000_000);
    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn code() -> CodeRecord {
        let issued = Issued {
            client: "app".into(),
            subject: "ann".into(),
            redirect_uri: "https://app.example/cb".into(),
            challenge: CHALLENGE.into(),
            scope: vec![],
            audience: "grid".into(),
            nonce: None,
            login: "l".into(),
            auth_time: NOW,
            ends_at: NOW + Duration::from_secs(60),
        };
        CodeRecord::apply(None, &CodeEvent::Issued(Box::new(issued)), NOW).unwrap()
    }

    #[test]
    fn a_code_opens_a_session_for_its_verifier_in_its_time() {
        let redeem = |uri: &str, verifier: &str, now| code().redeem(uri, verifier, now);
        let uri = "https://app.example/cb";
        let ends_at = code().issued.ends_at;
        assert!(is_challenge(CHALLENGE));
        assert_eq!(redeem(uri, VERIFIER, NOW), Redemption::Open);
        assert_eq!(redeem(uri, VERIFIER, ends_at), Redemption::Spend);
        assert_eq!(redeem("https://app.example/cb/", VERIFIER, NOW), Redemption::Spend);
        assert_eq!(redeem(uri, CHALLENGE, NOW), Redemption::Spend);
        assert_eq!(redeem(uri, &VERIFIER[..42], NOW), Redemption::Spend);
    }

    #[test]
    fn a_spent_code_is_replayed_whoever_is_right_the_second_time() {
        let spent = CodeEvent::Spent { sid: Some("s".into()) };
        let code = CodeRecord::apply(Some(code()), &spent, NOW).unwrap();
        let again = code.redeem("https://app.example/cb", VERIFIER, NOW);
        assert_eq!(again, Redemption::Replayed { sid: Some("s".into()) });
        assert_eq!(CodeRecord::apply(Some(code), &spent, NOW), None);
    }
}
