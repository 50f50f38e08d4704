//! A login in a file: what is needed to go on with it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use druse_protocol::auth::ProviderError;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::denied;

/// The largest file that can be a login.
const MAX_BYTES: u64 = 64 * 1024;

/// A login, as its file has it in JSON. Whoever reads the file is logged in: only its owner may.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginFile {
    /// Where tokens are had.
    pub token_endpoint: String,
    /// The client through which somebody has logged in.
    pub client: String,
    /// The current refresh token.
    pub refresh_token: Zeroizing<String>,
}

impl LoginFile {
    /// Puts the login into the file `path`, whole or not at all, in the place of an older one.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let _lock = lock(path)?;
        replace(&beside(path, "new"), path, self)
    }
}

impl fmt::Debug for LoginFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginFile")
            .field("token_endpoint", &self.token_endpoint)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// A login's file while nobody else uses it.
pub(super) struct Locked<'a> {
    path: &'a Path,
    _lock: File,
}

/// The place of the file's next content, which has been shown to be writable.
pub(super) struct Draft<'a> {
    path: &'a Path,
    draft: PathBuf,
}

impl<'a> Locked<'a> {
    /// Waits for its turn: others hold the file for one request.
    pub(super) fn open(path: &'a Path) -> Result<Self, ProviderError> {
        // A name that was mistyped gets no lock beside it; a folder that is missing may yet be mounted.
        let in_folder = path.parent().is_none_or(|it| it.as_os_str().is_empty() || it.is_dir());
        if in_folder && fs::exists(path).is_ok_and(|there| !there) {
            return Err(missing(path));
        }
        match lock(path) {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(error) => Err(unavailable(path, "cannot be locked", error)),
        }
    }

    pub(super) fn read(&self) -> Result<LoginFile, ProviderError> {
        let mut text = Zeroizing::new(Vec::new());
        let file = match File::open(self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(missing(self.path));
            }
            Err(error) => return Err(unavailable(self.path, "cannot be opened", error)),
        };
        let read = file.take(MAX_BYTES).read_to_end(&mut text);
        read.map_err(|error| unavailable(self.path, "cannot be read", error))?;
        serde_json::from_slice(&text)
            .map_err(|_| denied(format!("{} is no login: log in anew", self.path.display())))
    }

    pub(super) fn draft(&self) -> Result<Draft<'a>, ProviderError> {
        let draft = beside(self.path, "new");
        match private(&draft) {
            Ok(_) => Ok(Draft { path: self.path, draft }),
            Err(error) => Err(unavailable(self.path, "cannot be replaced", error)),
        }
    }
}

impl Draft<'_> {
    pub(super) fn keep(self, login: &LoginFile) -> Result<(), ProviderError> {
        replace(&self.draft, self.path, login)
            .map_err(|error| unavailable(self.path, "cannot be replaced", error))
    }
}

fn replace(draft: &Path, path: &Path, login: &LoginFile) -> io::Result<()> {
    let text = Zeroizing::new(serde_json::to_vec_pretty(login)?);
    let mut file = private(draft)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(draft, path)
}

/// An empty file for its owner alone.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The lock stands beside the file, as the file itself is replaced.
fn lock(path: &Path) -> io::Result<File> {
    let lock = private(&beside(path, "lock"))?;
    lock.lock()?;
    Ok(lock)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn missing(path: &Path) -> ProviderError {
    denied(format!("there is no login {}: log in first", path.display()))
}

fn unavailable(path: &Path, what: &str, error: io::Error) -> ProviderError {
    let message = format!("login {} {what}", path.display());
    ProviderError::Unavailable { message, source: Some(Arc::new(error)) }
}
