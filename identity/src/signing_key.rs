//! Private keys in memory, and signatures made with them (RFC 7515, 7518, 8037).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::key_set::Algorithm;
use crate::key_set::thumbprint;

/// Why no key or token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// Keys of that algorithm are not made here: `ES256` and `EdDSA` are. For `RS256` one can be brought along.
    #[error("no key is generated for {0}")]
    Algorithm(Algorithm),
    /// No PKCS#8 document of a key for that algorithm; RSA keys have 2048 bits at least.
    #[error("that is no private key for {0} in PKCS#8")]
    Document(Algorithm),
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
    Rsa(Box<RsaKeyPair>),
}

impl SigningKey {
    /// Makes a key for `ES256` or `EdDSA`.
    ///
    /// # Errors
    /// See [`MintError`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, MintError> {
        Self::from_pkcs8(algorithm, &Self::generate_pkcs8(algorithm)?)
    }

    /// Makes a key for `ES256` or `EdDSA` in a form that can be kept. RSA keys are not made: that would need a second
    /// library of cryptography, for an algorithm that nobody new should choose.
    ///
    /// # Errors
    /// See [`MintError`].
    pub fn generate_pkcs8(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, MintError> {
        let random = SystemRandom::new();
        let document = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
            Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
            other => return Err(MintError::Algorithm(other)),
        };
        document.map(|document| Zeroizing::new(document.as_ref().to_vec())).map_err(|_| MintError::Key)
    }

    /// Reads a key for `ES256`, `EdDSA` or `RS256`.
    ///
    /// # Errors
    /// See [`MintError`].
    pub fn from_pkcs8(algorithm: Algorithm, document: &[u8]) -> Result<Self, MintError> {
        let random = SystemRandom::new();
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document, &random).map(Pair::P256)
            }
            // Other tools write the older form, without the public half.
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8_maybe_unchecked(document).map(Pair::Ed25519),
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(document).map(|pair| Pair::Rsa(Box::new(pair))),
            other => return Err(MintError::Algorithm(other)),
        };
        let pair = pair.map_err(|_| MintError::Document(algorithm))?;
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
            Pair::Rsa(_) => Algorithm::Rs256,
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
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                let (n, e) = (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e));
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
        }
    }

    fn sign(&self, random: &SystemRandom, message: &[u8]) -> Result<Vec<u8>, MintError> {
        match self {
            Self::P256(pair) => {
                pair.sign(random, message).map(|s| s.as_ref().to_vec()).map_err(|_| MintError::Key)
            }
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, random, message, &mut signature).map_err(|_| MintError::Key)?;
                Ok(signature)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_set::KeySet;

    /// Made for this test by `openssl genpkey -algorithm RSA -outform DER`; it protects nothing.
    const RSA: &[u8] = include_bytes!("testdata/rsa2048.pk8");

    /// By `openssl genpkey -algorithm ed25519`: without the public half.
    const ED25519: &[u8] = include_bytes!("testdata/ed25519.pk8");

    fn verifies(key: &SigningKey) -> bool {
        let token = key.sign("at+jwt", &json!({ "sub": "ann" })).unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let set = json!({ "keys": [key.public_jwk()] }).to_string();
        let set = KeySet::parse(set.as_bytes()).unwrap();
        let public = set.keys().next().unwrap();
        assert_eq!(public.id(), Some(key.id()));
        assert!(!public.verify(key.algorithm(), &input.as_bytes()[1..], &signature));
        public.verify(key.algorithm(), input.as_bytes(), &signature)
    }

    #[test]
    fn keys_are_kept_and_read_again() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let document = SigningKey::generate_pkcs8(algorithm).unwrap();
            let (one, two) =
                (SigningKey::from_pkcs8(algorithm, &document), SigningKey::from_pkcs8(algorithm, &document));
            let (one, two) = (one.unwrap(), two.unwrap());
            assert_eq!(one.id(), two.id());
            assert!(verifies(&one) && verifies(&two));
        }
    }

    #[test]
    fn keys_of_other_tools_are_read() {
        let rsa = SigningKey::from_pkcs8(Algorithm::Rs256, RSA).unwrap();
        assert_eq!(rsa.algorithm(), Algorithm::Rs256);
        assert!(verifies(&rsa));
        assert!(verifies(&SigningKey::from_pkcs8(Algorithm::EdDsa, ED25519).unwrap()));
    }

    #[test]
    fn documents_for_another_algorithm_are_refused() {
        for (algorithm, document) in [
            (Algorithm::Es256, RSA),
            (Algorithm::EdDsa, RSA),
            (Algorithm::Rs256, ED25519),
            (Algorithm::Rs256, b"x"),
        ] {
            let outcome = SigningKey::from_pkcs8(algorithm, document);
            assert_eq!(outcome.err(), Some(MintError::Document(algorithm)));
        }
        let outcome = SigningKey::from_pkcs8(Algorithm::Ps256, RSA);
        assert_eq!(outcome.err(), Some(MintError::Algorithm(Algorithm::Ps256)));
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
