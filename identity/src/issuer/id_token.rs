//! ID tokens (OpenID Connect Core, 2): a statement about a login, for the client alone. Read again as a hint at logout.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, SHA512, digest};
use serde_json::json;

use super::Issuer;
use crate::error::Error;
use crate::json::Object;
use crate::key_set::{Algorithm, KeySet};
use crate::session::{Grant, SessionId, seconds};
use crate::store::StoreError;
use crate::token::{Jwt, Profile};

/// What a hint says, whenever it was issued.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) sid: SessionId,
    pub(super) client: String,
}

impl Issuer {
    /// The ID token beside an access token.
    pub(super) fn id_token(&self, grant: &Grant, nonce: Option<&str>) -> Result<String, Error> {
        let key = self.keys.default_signer().ok_or(Error::Misconfigured("there is no signing key"))?;
        let opened = &grant.session.opened;
        let mut claims = json!({
            "iss": self.config.issuer,
            "sub": opened.subject,
            "aud": opened.client,
            "iat": seconds(grant.access.issued_at),
            "exp": seconds(grant.access.ends_at),
            "auth_time": seconds(opened.auth_time),
            "sid": grant.sid.to_string(),
            "at_hash": at_hash(&grant.access_token, key.algorithm()),
            "amr": opened.amr,
        });
        if let (Some(members), Some(nonce)) = (claims.as_object_mut(), nonce) {
            members.insert("nonce".into(), json!(nonce));
        }
        if let Some(members) =
            claims.as_object_mut().filter(|_| opened.scope.iter().any(|one| one == "profile"))
        {
            members.insert("preferred_username".into(), json!(opened.subject));
        }
        Ok(key.sign("JWT", &claims)?)
    }

    /// Reads an ID token of ours that a browser brings back; `None` if it is not ours. It may be over (RP-Initiated
    /// Logout, 2), and so may its key.
    pub(super) async fn hint(&self, token: &str) -> Result<Option<Hint>, StoreError> {
        let Ok(jwt) = Jwt::parse(token, Profile::Foreign, &Algorithm::ALL) else { return Ok(None) };
        let keys = self.keys.list().await?;
        let key =
            keys.iter().find(|key| !key.state.compromised && Some(key.id.as_str()) == jwt.key_id.as_deref());
        let set = key.map(|key| json!({ "keys": [key.state.jwk] }).to_string());
        let set = set.and_then(|set| KeySet::parse(set.as_bytes()).ok());
        let payload = set.as_ref().and_then(|set| set.keys().next()).and_then(|key| jwt.verify(key).ok());
        Ok(payload.and_then(|payload| read(&payload, &self.config.issuer)))
    }
}

fn read(payload: &[u8], issuer: &str) -> Option<Hint> {
    let claims = Object::parse(payload)?;
    let text = |name| claims.text(name).ok().flatten();
    // An access token has no `at_hash`, and is no hint.
    let ours = text("iss")? == issuer && claims.has("at_hash");
    let sid = SessionId::parse(&text("sid")?)?;
    ours.then_some(Hint { sid, client: text("aud")? })
}

/// The left half of the hash of the access token (OpenID Connect Core, 3.1.3.6).
fn at_hash(token: &str, algorithm: Algorithm) -> String {
    let hash = match algorithm {
        Algorithm::EdDsa => digest(&SHA512, token.as_bytes()),
        _ => digest(&SHA256, token.as_bytes()),
    };
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OpenID Connect Core, appendix A.4: this access token has this hash.
    #[test]
    fn the_hash_is_that_of_the_standard() {
        let hash = at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", Algorithm::Rs256);
        assert_eq!(hash, "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
