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

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::time::Micros;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Map, Number, Value, json};

use crate::key_set::Algorithm;
use crate::key_set::thumbprint;

/// Why no key or token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// Keys of that algorithm are not made here: `ES256` and `EdDSA` are.
    #[error("no key is generated for {0}")]
    Algorithm(Algorithm),
    /// The system's generator gave no randomness, or the key did not sign.
    #[error("the signing key is not usable")]
    Key,
}

/// A private key in memory. `Debug` shows its id only.
pub struct SigningKey {
    id: String,
    pair: Pair,
    random: SystemRandom,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Makes a key for `ES256` or `EdDSA`.
    ///
    /// # Errors
    /// See [`MintError`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, MintError> {
        let random = SystemRandom::new();
        let pair = match algorithm {
            Algorithm::Es256 => {
                let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let document = EcdsaKeyPair::generate_pkcs8(kind, &random).map_err(|_| MintError::Key)?;
                let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random);
                Pair::P256(pair.map_err(|_| MintError::Key)?)
            }
            Algorithm::EdDsa => {
                let document = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| MintError::Key)?;
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| MintError::Key)?)
            }
            other => return Err(MintError::Algorithm(other)),
        };
        Ok(Self { id: thumbprint(&pair.canonical()), pair, random })
    }

    /// The `kid`: the RFC 7638 thumbprint of the public half.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The algorithm with which it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::P256(_) => Algorithm::Es256,
            Pair::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// The public half as a JSON Web Key.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let mut jwk: Map<String, Value> = serde_json::from_str(&self.pair.canonical()).unwrap_or_default();
        jwk.insert("kid".into(), json!(self.id));
        jwk.insert("alg".into(), json!(self.algorithm().name()));
        jwk.insert("use".into(), json!("sig"));
        Value::Object(jwk)
    }

    /// Signs `payload` as a compact JWS with the given `typ`.
    ///
    /// # Errors
    /// [`MintError::Key`] if the system gives no randomness.
    pub fn sign(&self, typ: &str, payload: &Value) -> Result<String, MintError> {
        let header = json!({ "alg": self.algorithm().name(), "typ": typ, "kid": self.id });
        self.sign_parts(&header, payload.to_string().as_bytes())
    }

    /// Signs whatever header and payload it is given: tests make wrong tokens with it.
    pub(crate) fn sign_parts(&self, header: &Value, payload: &[u8]) -> Result<String, MintError> {
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.pair.sign(&self.random, token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Pair {
    /// The required members in the order that RFC 7638 prescribes, without spaces.
    fn canonical(&self) -> String {
        match self {
            Self::P256(pair) => {
                // An uncompressed point: the octet 4, then the two coordinates.
                let (_, coordinates) = pair.public_key().as_ref().split_at(1);
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Ed25519(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key());
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)
            }
        }
    }

    fn sign(&self, random: &SystemRandom, message: &[u8]) -> Result<Vec<u8>, MintError> {
        match self {
            Self::P256(pair) => {
                pair.sign(random, message).map(|s| s.as_ref().to_vec()).map_err(|_| MintError::Key)
            }
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

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
        self.key.random.fill(&mut id).map_err(|_| MintError::Key)?;
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
fn numeric_date(at: Micros) -> Value {
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

    #[test]
    fn other_algorithms_are_refused_by_name() {
        assert_eq!(
            SigningKey::generate(Algorithm::Rs256).err(),
            Some(MintError::Algorithm(Algorithm::Rs256))
        );
    }

    #[test]
    fn debug_of_a_key_shows_its_id_only() {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ id: {:?}, .. }}", key.id()));
    }
}
