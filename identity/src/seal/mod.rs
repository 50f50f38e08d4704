//! Secrets at rest: sealed with a master key that never stands in the database (identity-spec 4).
//!
//! AES-256-GCM with a random nonce; the name of the secret is bound in, so that one copied into another's place does
//! not open. The same master keys prove refresh tokens, under a label of their own.

mod file;

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

pub use file::load_or_create;

/// How long a master key is, in bytes.
pub const MASTER_KEY_BYTES: usize = 32;
/// Separates the key that seals from everything else that comes from the same master key.
const SEAL_LABEL: &[u8] = b"druse seal 1";

/// Why something was not sealed, or not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// No master key of that id is at hand.
    #[error("the master key that it was sealed with is not at hand")]
    UnknownKey,
    /// It was sealed under another name, or has been changed.
    #[error("the seal is broken")]
    Broken,
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// A set of master keys has at least one, each id once, and each key as long as it must be.
    #[error(
        "a master key has an id and {MASTER_KEY_BYTES} bytes in base64, one key a line, and each id once"
    )]
    Malformed,
}

/// A sealed secret, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The nonce, then what it hides, then the tag.
    pub bytes: Vec<u8>,
    /// The id of the master key.
    pub key_id: String,
}

/// An opened secret: wiped when dropped.
pub type Unsealed = Zeroizing<Vec<u8>>;

/// The master keys: the first one seals, and all open.
pub struct Sealer {
    current: MasterKey,
    older: Vec<MasterKey>,
    random: SystemRandom,
}

struct MasterKey {
    id: String,
    secret: Zeroizing<[u8; MASTER_KEY_BYTES]>,
    seal: LessSafeKey,
}

impl Sealer {
    /// Reads master keys from a text: one a line, its id and its bytes in base64 with a space between. The first one
    /// seals; the others are there to open what was sealed before it.
    ///
    /// # Errors
    /// [`SealError::Malformed`].
    pub fn from_text(text: &str) -> Result<Self, SealError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut keys = lines.map(MasterKey::from_line).collect::<Result<Vec<_>, _>>()?.into_iter();
        let current = keys.next().ok_or(SealError::Malformed)?;
        let older: Vec<MasterKey> = keys.collect();
        let mut ids: Vec<&str> = older.iter().map(|key| key.id.as_str()).collect();
        ids.push(&current.id);
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(SealError::Malformed);
        }
        Ok(Self { current, older, random: SystemRandom::new() })
    }

    /// The id of the key that seals now.
    #[must_use]
    pub fn current_id(&self) -> &str {
        &self.current.id
    }

    /// Seals a secret under a name.
    ///
    /// # Errors
    /// [`SealError::Randomness`].
    pub fn seal(&self, name: &str, secret: &[u8]) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| SealError::Randomness)?;
        let mut hidden = Zeroizing::new(secret.to_vec());
        let tag = self
            .current
            .seal
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name),
                hidden.as_mut_slice(),
            )
            .map_err(|_| SealError::Broken)?;
        let bytes = [nonce.as_slice(), hidden.as_slice(), tag.as_ref()].concat();
        Ok(Sealed { bytes, key_id: self.current.id.clone() })
    }

    /// Opens what was sealed under that name.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] and [`SealError::Broken`].
    pub fn open(&self, name: &str, sealed: &Sealed) -> Result<Unsealed, SealError> {
        let key = self.key(&sealed.key_id)?;
        let (nonce, hidden) = sealed.bytes.split_at_checked(NONCE_LEN).ok_or(SealError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Broken)?;
        let mut buffer = Zeroizing::new(hidden.to_vec());
        let opened = key.seal.open_in_place(nonce, Aad::from(name), buffer.as_mut_slice());
        let length = opened.map_err(|_| SealError::Broken)?.len();
        buffer.truncate(length);
        Ok(buffer)
    }

    /// A key for message authentication, made from the master key `id` and a salt. It is the same whenever it is made.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`].
    pub fn authentication_key(&self, id: &str, salt: &[u8], label: &[u8]) -> Result<hmac::Key, SealError> {
        let key = self.key(id)?;
        let extracted = Salt::new(HKDF_SHA256, salt).extract(key.secret.as_slice());
        let label = [label];
        let expanded = extracted.expand(&label, hmac::HMAC_SHA256).map_err(|_| SealError::Malformed)?;
        Ok(expanded.into())
    }

    fn key(&self, id: &str) -> Result<&MasterKey, SealError> {
        let mut keys = std::iter::once(&self.current).chain(&self.older);
        keys.find(|key| key.id == id).ok_or(SealError::UnknownKey)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("current", &self.current.id).finish_non_exhaustive()
    }
}

impl MasterKey {
    fn from_line(line: &str) -> Result<Self, SealError> {
        let (id, key) = line.split_once(' ').ok_or(SealError::Malformed)?;
        let decoded = Zeroizing::new(file::decode(key.trim()).ok_or(SealError::Malformed)?);
        let secret: [u8; MASTER_KEY_BYTES] =
            decoded.as_slice().try_into().map_err(|_| SealError::Malformed)?;
        Self::new(id.to_owned(), Zeroizing::new(secret))
    }

    fn new(id: String, secret: Zeroizing<[u8; MASTER_KEY_BYTES]>) -> Result<Self, SealError> {
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(secret.as_slice());
        let label = [SEAL_LABEL];
        let seal = extracted.expand(&label, &AES_256_GCM).map_err(|_| SealError::Malformed)?;
        Ok(Self { id, secret, seal: LessSafeKey::new(UnboundKey::from(seal)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const NEW: &str = "new AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn sealer(lines: &[&str]) -> Sealer {
        Sealer::from_text(&lines.join("\n")).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_under_its_own_name_only() {
        let sealer = sealer(&[OLD]);
        let sealed = sealer.seal("key/1/private", b"secret").unwrap();
        assert_eq!(sealer.open("key/1/private", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(sealer.open("key/2/private", &sealed), Err(SealError::Broken));
    }

    #[test]
    fn no_two_seals_are_alike_and_none_shows_the_secret() {
        let sealer = sealer(&[OLD]);
        let (one, two) = (sealer.seal("n", b"secret").unwrap(), sealer.seal("n", b"secret").unwrap());
        assert_ne!(one, two);
        assert!(!one.bytes.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn every_changed_byte_breaks_the_seal() {
        let sealer = sealer(&[OLD]);
        let sealed = sealer.seal("n", b"secret").unwrap();
        for place in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[place] ^= 1;
            assert_eq!(sealer.open("n", &changed), Err(SealError::Broken), "byte {place}");
        }
        for length in 0..sealed.bytes.len() {
            let cut = Sealed { bytes: sealed.bytes[..length].to_vec(), ..sealed.clone() };
            assert_eq!(sealer.open("n", &cut), Err(SealError::Broken), "{length} bytes");
        }
    }

    #[test]
    fn a_new_master_key_seals_and_the_old_one_still_opens() {
        let sealed = sealer(&[OLD]).seal("n", b"secret").unwrap();
        let rotated = sealer(&[NEW, "# before", OLD]);
        assert_eq!(rotated.open("n", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(rotated.seal("n", b"x").unwrap().key_id, "new");
        assert_eq!(sealer(&[NEW]).open("n", &sealed), Err(SealError::UnknownKey));
    }

    #[test]
    fn authentication_keys_depend_on_key_salt_and_label() {
        let sealer = sealer(&[NEW, OLD]);
        let tag = |id: &str, salt: &[u8], label: &[u8]| {
            let key = sealer.authentication_key(id, salt, label).unwrap();
            hmac::sign(&key, b"message").as_ref().to_vec()
        };
        assert_eq!(tag("old", b"s", b"l"), tag("old", b"s", b"l"));
        assert_ne!(tag("old", b"s", b"l"), tag("new", b"s", b"l"));
        assert_ne!(tag("old", b"s", b"l"), tag("old", b"t", b"l"));
        assert_ne!(tag("old", b"s", b"l"), tag("old", b"s", b"m"));
    }

    #[test]
    fn malformed_key_texts_are_refused() {
        for text in ["", "# nothing", "id", "id AAAA", "id !!!", &format!("{OLD}\n{OLD}")] {
            assert_eq!(Sealer::from_text(text).err(), Some(SealError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_the_id_only() {
        assert_eq!(format!("{:?}", sealer(&[OLD])), "Sealer { current: \"old\", .. }");
    }
}
