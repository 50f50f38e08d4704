//! A signing key in memory and the tokens made with it: what `druse demo`, tests and benches need of an issuer, and
//! what the issuer will build on.
//!
//! ```
//! use druse_identity::mint::{AccessToken, Mint};
//! use druse_protocol::time::Micros;
//!
//! let mint = Mint::generate("https://issuer.example", "grid")?;
//! let key_set: String = mint.key_set();
//! let until = Micros::from_millis(1_700_000_002_500);
//! let token = mint.mint(&AccessToken::new("ann", until).scope("grid:data:read:orders"))?;
//! assert_eq!(token.split('.').count(), 3);
//! # let _ = key_set;
//! # Ok::<(), druse_identity::mint::MintError>(())
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::time::Micros;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Number, Value, json};

use crate::key_set::Algorithm;
pub use crate::signing_key::{MintError, SigningKey};

/// What an access token is to say.
#[derive(Debug, Clone)]
pub struct AccessToken {
    subject: String,
    expires_at: Micros,
    issued_at: Option<Micros>,
    scopes: Vec<String>,
    client: String,
    more: Map<String, Value>,
}

impl AccessToken {
    /// A token for `subject` until `expires_at`, which may be a fraction of a second.
    #[must_use]
    pub fn new(subject: impl Into<String>, expires_at: Micros) -> Self {
        Self {
            subject: subject.into(),
            expires_at,
            issued_at: None,
            scopes: Vec::new(),
            client: "druse".into(),
            more: Map::new(),
        }
    }

    /// Adds a scope, such as `grid:data:read:orders`.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// When it is issued. Without it the token has no `iat`.
    #[must_use]
    pub fn issued_at(mut self, at: Micros) -> Self {
        self.issued_at = Some(at);
        self
    }

    /// The client through which it is issued; `druse` if not given.
    #[must_use]
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = client.into();
        self
    }

    /// Sets any other claim, or overrides one of the above.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: Value) -> Self {
        self.more.insert(name.into(), value);
        self
    }
}

/// An issuer's name, an audience and a key.
#[derive(Debug)]
pub struct Mint {
    issuer: String,
    audience: String,
    key: SigningKey,
}

impl Mint {
    /// An issuer with a fresh `ES256` key.
    ///
    /// # Errors
    /// [`MintError::Key`] if the system gives no randomness.
    pub fn generate(issuer: impl Into<String>, audience: impl Into<String>) -> Result<Self, MintError> {
        Ok(Self::new(issuer, audience, SigningKey::generate(Algorithm::Es256)?))
    }

    /// An issuer with the given key.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, key: SigningKey) -> Self {
        Self { issuer: issuer.into(), audience: audience.into(), key }
    }

    /// The issuer's name: the `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The audience of its tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The key set to publish: a JWKS document with the public half.
    #[must_use]
    pub fn key_set(&self) -> String {
        json!({ "keys": [self.key.public_jwk()] }).to_string()
    }

    /// Makes an access token (RFC 9068: `typ` is `at+jwt`) with a random `jti`.
    ///
    /// # Errors
    /// [`MintError::Key`] if the system gives no randomness.
    pub fn mint(&self, token: &AccessToken) -> Result<String, MintError> {
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id).map_err(|_| MintError::Key)?;
        let mut claims = Map::new();
        claims.insert("iss".into(), json!(self.issuer));
        claims.insert("aud".into(), json!(self.audience));
        claims.insert("sub".into(), json!(token.subject));
        claims.insert("exp".into(), numeric_date(token.expires_at));
        if let Some(at) = token.issued_at {
            claims.insert("iat".into(), numeric_date(at));
        }
        claims.insert("jti".into(), json!(URL_SAFE_NO_PAD.encode(id)));
        claims.insert("client_id".into(), json!(token.client));
        if !token.scopes.is_empty() {
            claims.insert("scope".into(), json!(token.scopes.join(" ")));
        }
        claims.extend(token.more.clone());
        self.key.sign("at+jwt", &Value::Object(claims))
    }
}

/// Seconds since the epoch, whole where they are, else with six digits of fraction. A double keeps microseconds exact
/// until the year 2242 (2^33 seconds and 20 bits), and is written with the fewest digits that give it back.
pub(crate) fn numeric_date(at: Micros) -> Value {
    if at.0 % 1_000_000 == 0 {
        return json!(at.0 / 1_000_000);
    }
    let whole = at.0.div_euclid(1_000_000);
    let fraction = at.0.rem_euclid(1_000_000);
    let text = format!("{whole}.{fraction:06}");
    text.parse().ok().and_then(Number::from_f64).map_or_else(|| json!(whole), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_set::KeySet;

    #[test]
    fn tokens_are_verified_by_the_published_set() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let mint = Mint::new("iss", "aud", SigningKey::generate(algorithm).unwrap());
            let token = mint.mint(&AccessToken::new("ann", Micros::from_secs(5))).unwrap();
            let (input, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let set = KeySet::parse(mint.key_set().as_bytes()).unwrap();
            let key = set.keys().next().unwrap();
            assert_eq!(key.id(), Some(mint.key().id()));
            assert!(key.verify(algorithm, input.as_bytes(), &signature));
            assert!(!key.verify(algorithm, &input.as_bytes()[1..], &signature));
        }
    }

    #[test]
    fn fractions_of_a_second_are_written_exactly() {
        for (micros, text) in [
            (1_700_000_002_500_000, "1700000002.5"),
            (1_700_000_002_000_000, "1700000002"),
            (1_700_000_002_000_001, "1700000002.000001"),
            (4_102_444_799_999_999, "4102444799.999999"),
        ] {
            assert_eq!(numeric_date(Micros(micros)).to_string(), text);
        }
    }
}
