//! Logout tokens (Back-Channel Logout 1.0, 2.4).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::time::Micros;
use serde_json::json;

use super::Planned;
use crate::error::Error;
use crate::session::{random, seconds};
use crate::signing_key::SigningKey;

/// The standard's advice: two minutes.
const LIFE: Duration = Duration::from_secs(120);
/// What it is about.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A token for one attempt; the next one has a token of its own.
pub(super) fn mint(planned: &Planned, issuer: &str, key: &SigningKey, now: Micros) -> Result<String, Error> {
    let claims = json!({
        "iss": issuer,
        "sub": planned.subject,
        "aud": planned.client,
        "iat": seconds(now),
        "exp": seconds(now + LIFE),
        "jti": URL_SAFE_NO_PAD.encode(random::<16>()?),
        "sid": planned.sid,
        "events": { EVENT: {} },
    });
    Ok(key.sign("logout+jwt", &claims)?)
}
