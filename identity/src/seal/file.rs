//! Master keys in a file that only its owner may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::{MASTER_KEY_BYTES, SealError, Sealer};

/// The longest file: a few dozen keys.
const MAX_FILE_BYTES: u64 = 4096;

/// Reads the master keys in `path`; makes one there if the file is absent.
///
/// # Errors
/// The file cannot be read or made, others than its owner may read it, or it holds no master keys.
pub fn load_or_create(path: &Path) -> io::Result<Sealer> {
    match load(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(path)?;
            load(path)
        }
        outcome => outcome,
    }
}

/// Reads base64 with padding.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

fn load(path: &Path) -> io::Result<Sealer> {
    let file = File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        let text = format!("others than the owner may read the master keys in {}", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Sealer::from_text(&text).map_err(invalid)
}

/// Whole or not at all: it is written beside its place and then linked to it, which fails if somebody was faster; their
/// key is as good.
fn create(path: &Path) -> io::Result<()> {
    let draft = path.with_extension(format!("new{}", std::process::id()));
    write(&draft)?;
    let outcome = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path) -> io::Result<()> {
    let random = SystemRandom::new();
    let (mut id, mut key) = ([0; 4], Zeroizing::new([0; MASTER_KEY_BYTES]));
    random
        .fill(&mut id)
        .and_then(|()| random.fill(key.as_mut_slice()))
        .map_err(|_| invalid(SealError::Randomness))?;
    let encoded = Zeroizing::new(STANDARD.encode(key.as_slice()));
    let line = Zeroizing::new(format!("{:08x} {}\n", u32::from_be_bytes(id), encoded.as_str()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

fn invalid(error: SealError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_and_read_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.keys");
        let first = load_or_create(&path).unwrap();
        let second = load_or_create(&path).unwrap();
        assert_eq!(first.current_id(), second.current_id());
        let sealed = first.seal("n", b"secret").unwrap();
        assert_eq!(second.open("n", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.keys");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load_or_create(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("master.keys"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.keys");
        fs::write(&path, "rubbish").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(load_or_create(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(fs::read_to_string(&path).unwrap(), "rubbish");
    }
}
