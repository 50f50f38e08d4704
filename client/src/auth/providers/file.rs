//! A token in a file that somebody else keeps fresh (a mounted secret, a side-car).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use druse_protocol::auth::{
    AuthInitialize, BoxFuture, CredentialRequest, Credentials, ProvidedCredentials, ProviderError,
};
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

use super::super::token_life;

/// The largest file that can be a token. Node and identity part refuse longer ones anyway.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads a token from a file, anew at each call; white space around it is dropped.
#[derive(Debug, Clone)]
pub struct FileCredentials {
    path: PathBuf,
}

impl FileCredentials {
    /// Reads from `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned() }
    }

    async fn read(&self) -> Result<ProvidedCredentials, ProviderError> {
        let unavailable = |message: &str, source: Option<std::io::Error>| ProviderError::Unavailable {
            message: format!("token file {}: {message}", self.path.display()),
            source: source.map(|error| Arc::new(error) as _),
        };
        let file = tokio::fs::File::open(&self.path)
            .await
            .map_err(|error| unavailable("cannot be opened", Some(error)))?;
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_BYTES + 1)
            .read_to_string(&mut text)
            .await
            .map_err(|error| unavailable("cannot be read as text", Some(error)))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(unavailable("is too long for a token", None));
        }
        match text.trim() {
            // A writer that truncates before it writes leaves the file empty for a moment.
            "" => Err(unavailable("is empty", None)),
            token => {
                let mut provided = ProvidedCredentials::new(Credentials::token(token));
                provided.expires_at = token_life::expiry_of(token);
                Ok(provided)
            }
        }
    }
}

impl AuthInitialize for FileCredentials {
    fn credentials(&self, _: CredentialRequest) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        Box::pin(self.read())
    }
}
