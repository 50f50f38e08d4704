//! JSON Web Key Sets (RFC 7517, 7518 section 6, 8037), public halves only.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};

use super::{Algorithm, MAX_KEYS, MAX_SET_BYTES};
use crate::json::Object;

/// Bits of an RSA modulus below which a key is ignored.
const MIN_RSA_BITS: usize = 2048;
/// Bits above which the verifier would refuse anyhow.
const MAX_RSA_BITS: usize = 8192;

/// Why a document is no key set. A single key that is of no use is no reason; it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Above [`MAX_SET_BYTES`].
    #[error("the key set is larger than {MAX_SET_BYTES} bytes")]
    TooLarge,
    /// Not an object with a list `keys`, or a member named twice.
    #[error("the document is not a JSON Web Key Set")]
    Malformed,
    /// Above [`MAX_KEYS`].
    #[error("the key set holds more than {MAX_KEYS} keys")]
    TooManyKeys,
}

/// One immutable set of usable keys.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Arc<VerifyingKey>>,
    ignored: usize,
}

/// What a set knows about a key that a token asks for.
#[derive(Debug, Clone)]
pub(crate) enum Find {
    /// Exactly one.
    Found(Arc<VerifyingKey>),
    /// No key of that id (or, without an id, none for that algorithm).
    Absent,
    /// The id is known, and its key is for other algorithms.
    OtherAlgorithm,
    /// More than one would do, and trying them in turn is not done.
    Ambiguous,
}

impl KeySet {
    /// Reads a key set. Keys that are not public signature keys of a known and sound kind are left out.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > MAX_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let object = Object::parse(document).ok_or(KeySetError::Malformed)?;
        let listed = object.list("keys").ok().flatten().ok_or(KeySetError::Malformed)?;
        if listed.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut set = Self::default();
        for raw in listed {
            let key = Object::parse(raw.get().as_bytes()).and_then(|jwk| VerifyingKey::from_jwk(&jwk));
            match key {
                Some(key) if set.keys.iter().any(|known| **known == key) => {}
                Some(key) => set.keys.push(Arc::new(key)),
                None => set.ignored += 1,
            }
        }
        Ok(set)
    }

    /// The usable keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &VerifyingKey> {
        self.keys.iter().map(|key| &**key)
    }

    /// How many keys were left out.
    #[must_use]
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Looks a key up for a token's header. Without an id, the set must have exactly one key for the algorithm.
    pub(crate) fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Find {
        let mut named = self.keys.iter().filter(|key| id.is_none() || key.id.as_deref() == id).peekable();
        let none_of_that_name = named.peek().is_none();
        let mut fitting = named.filter(|key| key.serves(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Find::Found(Arc::clone(key)),
            (Some(_), Some(_)) => Find::Ambiguous,
            (None, _) if none_of_that_name || id.is_none() => Find::Absent,
            (None, _) => Find::OtherAlgorithm,
        }
    }
}

/// One public key.
#[derive(PartialEq, Eq)]
pub struct VerifyingKey {
    id: Option<String>,
    /// The only algorithm, if the key names one.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(PartialEq, Eq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl VerifyingKey {
    /// The `kid`, if the key has one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether the key is meant for that algorithm.
    #[must_use]
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm) && self.material.fits(algorithm)
    }

    /// Whether `signature` is this key's over `message`. `false` too if the key does not serve the algorithm.
    #[must_use]
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.serves(algorithm) {
            return false;
        }
        let unparsed = |kind: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(kind, key).verify(message, signature).is_ok()
        };
        match &self.material {
            Material::Rsa { n, e } => algorithm.rsa().is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }),
            Material::P256(point) => unparsed(&signature::ECDSA_P256_SHA256_FIXED, point),
            Material::P384(point) => unparsed(&signature::ECDSA_P384_SHA384_FIXED, point),
            Material::Ed25519(point) => unparsed(&signature::ED25519, point),
        }
    }

    /// `None` if the key is of no use here: for encryption, of an unknown kind, weak, or misshapen.
    fn from_jwk(jwk: &Object<'_>) -> Option<Self> {
        if jwk.text("use").ok()?.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        if jwk.texts("key_ops").ok()?.is_some_and(|purposes| !purposes.iter().any(|p| p == "verify")) {
            return None;
        }
        let algorithm = match jwk.text("alg").ok()? {
            None => None,
            Some(name) => Some(Algorithm::from_name(&name)?),
        };
        let material = Material::from_jwk(jwk)?;
        let key = Self { id: jwk.text("kid").ok()?, algorithm, material };
        // A key whose `alg` contradicts its kind serves nothing.
        key.algorithm.is_none_or(|own| key.material.fits(own)).then_some(key)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("id", &self.id)
            .field("kind", &self.material.kind())
            .field("algorithm", &self.algorithm)
            .finish()
    }
}

impl Material {
    fn from_jwk(jwk: &Object<'_>) -> Option<Self> {
        let binary = |name| URL_SAFE_NO_PAD.decode(jwk.text(name).ok()??).ok();
        let curve = jwk.text("crv").ok()?;
        match (jwk.text("kty").ok()??.as_str(), curve.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (without_leading_zeros(binary("n")?), without_leading_zeros(binary("e")?));
                let sound = (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits(&n))
                    && n.last().is_some_and(|last| last % 2 == 1)
                    && (e.as_slice() == [3] || (3..=5).contains(&e.len()))
                    && e.last().is_some_and(|last| last % 2 == 1);
                sound.then_some(Self::Rsa { n, e })
            }
            ("EC", Some("P-256")) => point(&binary("x")?, &binary("y")?, 32).map(Self::P256),
            ("EC", Some("P-384")) => point(&binary("x")?, &binary("y")?, 48).map(Self::P384),
            ("OKP", Some("Ed25519")) => binary("x").filter(|x| x.len() == 32).map(Self::Ed25519),
            _ => None,
        }
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => algorithm.rsa().is_some(),
            Self::P256(_) => algorithm == Algorithm::Es256,
            Self::P384(_) => algorithm == Algorithm::Es384,
            Self::Ed25519(_) => algorithm == Algorithm::EdDsa,
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RSA",
            Self::P256(_) => "P-256",
            Self::P384(_) => "P-384",
            Self::Ed25519(_) => "Ed25519",
        }
    }
}

/// An uncompressed point (SEC 1, 2.3.3). Whether it lies on the curve is checked by the verifier.
fn point(x: &[u8], y: &[u8], coordinate_bytes: usize) -> Option<Vec<u8>> {
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return None;
    }
    Some([&[4], x, y].concat())
}

/// Some issuers write the sign byte that ASN.1 would have; the verifier refuses it.
fn without_leading_zeros(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// The RFC 7638 thumbprint of a key from its canonical JSON, base64url.
pub(crate) fn thumbprint(canonical: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}

#[cfg(test)]
#[path = "jwk_tests.rs"]
mod tests;
