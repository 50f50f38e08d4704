//! When a token runs out, read from the token itself without verifying anything: a hint for early renewal, no more.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use druse_protocol::time::Micros;
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// The `exp` of a JWT; `None` for anything else. A client that takes a wrong hint renews too early or too late, and
/// the server's word decides in either case.
pub(crate) fn expiry_of(token: &str) -> Option<Micros> {
    let mut parts = token.split('.');
    let payload = parts.nth(1)?;
    parts.next()?;
    let json = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Claims = serde_json::from_slice(&json).ok()?;
    let micros = claims.exp * 1e6;
    (micros.is_finite() && micros > 0.0 && micros < i64::MAX as f64).then_some(Micros(micros as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jwt_with_a_number_tells() {
        let token = |claims: &str| format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(expiry_of(&token(r#"{"exp":1700000000.25}"#)), Some(Micros(1_700_000_000_250_000)));
        for hintless in [r#"{"exp":"soon"}"#, "{}", r#"{"exp":-5}"#, "not json"] {
            assert_eq!(expiry_of(&token(hintless)), None, "{hintless}");
        }
        assert_eq!(expiry_of("opaque"), None);
        assert_eq!(expiry_of("a.b"), None);
    }
}
