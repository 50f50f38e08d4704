//! Access tokens of sessions (RFC 9068).

use druse_protocol::time::Micros;
use serde_json::{Map, Value, json};

use super::{Session, SessionId};

/// What an access token of ours says, as far as the issuer reads it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// The session.
    pub sid: SessionId,
    /// The token's number within it.
    pub number: u64,
    /// What it is for.
    pub scope: Vec<String>,
    /// When it was issued.
    pub issued_at: Micros,
    /// Its end. Written down to the whole second below, so that it is never late.
    pub ends_at: Micros,
}

impl AccessClaims {
    /// The token's id: the session's and its number.
    #[must_use]
    pub fn jti(&self) -> String {
        format!("{}.{}", self.sid, self.number)
    }

    /// Takes an id apart again.
    #[must_use]
    pub fn parse_jti(jti: &str) -> Option<(SessionId, u64)> {
        let (sid, number) = jti.split_once('.')?;
        let parsed: u64 = number.parse().ok()?;
        // One way of writing a number, so that one token has one id.
        (parsed.to_string() == number).then_some((SessionId::parse(sid)?, parsed))
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self, session: &Session, issuer: &str) -> Value {
        let opened = &session.opened;
        let mut claims = json!({
            "iss": issuer,
            "sub": opened.subject,
            "aud": opened.audience,
            "client_id": opened.client,
            "sid": self.sid.to_string(),
            "jti": self.jti(),
            "iat": seconds(self.issued_at),
            "exp": seconds(self.ends_at),
            "auth_time": seconds(opened.auth_time),
            "scope": self.scope.join(" "),
        });
        if let Some(members) = claims.as_object_mut() {
            if !opened.amr.is_empty() {
                members.insert("amr".into(), json!(opened.amr));
            }
            if let Some(act) = actor(&opened.actors) {
                members.insert("act".into(), act);
            }
        }
        claims
    }
}

/// Whole seconds since the epoch.
pub(crate) const fn seconds(at: Micros) -> i64 {
    at.0.div_euclid(1_000_000)
}

/// The chain of those who act (RFC 8693, 4.1): the present one outside, the one before within.
fn actor(actors: &[String]) -> Option<Value> {
    actors.iter().rev().fold(None, |before, subject| {
        let mut act = Map::new();
        act.insert("sub".into(), json!(subject));
        if let Some(before) = before {
            act.insert("act".into(), before);
        }
        Some(Value::Object(act))
    })
}
