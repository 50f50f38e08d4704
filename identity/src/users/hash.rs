//! Password hashes: argon2id in PHC form, with bounds on what a file may make the node spend.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

/// Memory of one hash, in KiB: what OWASP asks for at least.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// The most memory that an entry may ask for, in KiB. One hash must not starve a small node.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// The most passes.
const MAX_PASSES: u32 = 16;
/// The most lanes.
const MAX_LANES: u32 = 16;
/// The longest password, in bytes.
pub(crate) const MAX_PASSWORD_BYTES: usize = 1024;

/// Why a password was not hashed, or a hash is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Nothing, or more than 1024 bytes.
    #[error("a password has between 1 and {MAX_PASSWORD_BYTES} bytes")]
    Length,
    /// The system gave no randomness, or argon2 refused.
    #[error("the password could not be hashed")]
    Failed,
    /// No argon2id hash in PHC form.
    #[error("the hash is not argon2id in PHC form ($argon2id$v=19$m=...,t=...,p=...$salt$hash)")]
    Form,
    /// It would cost more than a login may.
    #[error("the hash asks for more than {MAX_MEMORY_KIB} KiB, {MAX_PASSES} passes or {MAX_LANES} lanes")]
    TooCostly,
}

/// Hashes a password for a user file, with a random salt: some 20 ms and 19 MiB. Call it where blocking is allowed.
///
/// # Errors
/// [`HashError::Length`] and [`HashError::Failed`].
pub fn hash_password(password: &str) -> Result<String, HashError> {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| HashError::Failed)?;
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| HashError::Failed)?;
    hash_with(password, &salt, params)
}

/// A password that nobody can guess: 120 random bits in base64url.
///
/// # Errors
/// [`HashError::Failed`] if the system gives no randomness.
pub fn random_password() -> Result<Zeroizing<String>, HashError> {
    let mut bytes = Zeroizing::new([0; 15]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| HashError::Failed)?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// The same with everything given: tests keep it cheap.
pub(super) fn hash_with(password: &str, salt: &[u8], params: Params) -> Result<String, HashError> {
    if password.is_empty() || password.len() > MAX_PASSWORD_BYTES {
        return Err(HashError::Length);
    }
    let salt = SaltString::encode_b64(salt).map_err(|_| HashError::Failed)?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = hasher.hash_password(password.as_bytes(), &salt).map_err(|_| HashError::Failed)?;
    Ok(hash.to_string())
}

/// Whether a text is a hash that this module verifies.
pub(super) fn check(hash: &str) -> Result<(), HashError> {
    let parsed = PasswordHash::new(hash).map_err(|_| HashError::Form)?;
    if parsed.algorithm != argon2::ARGON2ID_IDENT || parsed.salt.is_none() || parsed.hash.is_none() {
        return Err(HashError::Form);
    }
    let params = Params::try_from(&parsed).map_err(|_| HashError::Form)?;
    if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES {
        return Err(HashError::TooCostly);
    }
    Ok(())
}

/// Whether `password` is the one of `hash`. Blocks; the comparison takes constant time.
pub(crate) fn verify(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

/// A hash that costs as much as `like` and that no password has: what an unknown name is checked against, so that it
/// takes as long as a wrong password.
pub(crate) fn decoy(like: Option<&str>) -> String {
    let params = like
        .and_then(|like| PasswordHash::new(like).ok())
        .and_then(|like| Params::try_from(&like).ok())
        .map_or((MEMORY_KIB, PASSES, 1), |params| (params.m_cost(), params.t_cost(), params.p_cost()));
    let (memory, passes, lanes) = params;
    let (salt, output) = ("A".repeat(22), "A".repeat(43));
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap(password: &str) -> String {
        hash_with(password, b"0123456789abcdef", Params::new(64, 1, 1, None).unwrap()).unwrap()
    }

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let hash = cheap("correct horse");
        assert!(verify("correct horse", &hash));
        assert!(!verify("correct hors", &hash));
        assert!(!verify("", &hash));
        assert!(!verify("correct horse", "rubbish"));
    }

    #[test]
    fn fresh_hashes_are_salted_and_as_dear_as_promised() {
        let (one, two) = (hash_password("pw").unwrap(), hash_password("pw").unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_eq!(check(&one), Ok(()));
        assert!(verify("pw", &one));
        assert_eq!(hash_password(""), Err(HashError::Length));
        assert_eq!(hash_password(&"x".repeat(1025)), Err(HashError::Length));
    }

    #[test]
    fn hashes_of_other_kinds_and_costs_are_refused() {
        let good = cheap("pw");
        for (bad, error) in [
            ("hunter2".to_owned(), HashError::Form),
            (good.replace("argon2id", "argon2i"), HashError::Form),
            (good.replace("argon2id", "pbkdf2-sha256"), HashError::Form),
            (good.rsplit_once('$').unwrap().0.to_owned(), HashError::Form),
            (good.replace("m=64", "m=4194304"), HashError::TooCostly),
            (good.replace("t=1", "t=1000"), HashError::TooCostly),
        ] {
            assert_eq!(check(&bad), Err(error), "{bad}");
        }
    }

    #[test]
    fn a_decoy_costs_as_much_and_fits_nothing() {
        let decoy = decoy(Some(&cheap("pw")));
        assert!(decoy.contains("m=64,t=1,p=1"), "{decoy}");
        assert_eq!(check(&decoy), Ok(()));
        assert!(!verify("pw", &decoy));
        assert_eq!(check(&super::decoy(None)), Ok(()));
    }
}
