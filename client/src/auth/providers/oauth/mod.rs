//! Tokens from an issuer's token endpoint (OAuth 2.0, RFC 6749).

mod endpoint;
mod login_file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use druse_protocol::auth::{
    AuthInitialize, BoxFuture, CredentialRequest, ProvidedCredentials, ProviderError,
};
use zeroize::Zeroizing;

use endpoint::TokenEndpoint;
pub use endpoint::TokenEndpointError;
pub use login_file::LoginFile;

/// Gets a token for the client itself, anew at each call: for services (RFC 6749, 4.4).
#[derive(Clone)]
pub struct ClientCredentials {
    endpoint: Arc<TokenEndpoint>,
    scope: Option<String>,
    audience: Option<String>,
}

impl ClientCredentials {
    /// Asks `token_endpoint` as `client`.
    ///
    /// # Errors
    /// The address is not `https`, and not on the loopback either: the secret would cross a network in the clear.
    pub fn new(
        token_endpoint: &str,
        client: impl Into<String>,
        secret: impl Into<String>,
    ) -> Result<Self, TokenEndpointError> {
        let secret = Some(Zeroizing::new(secret.into()));
        let endpoint = Arc::new(TokenEndpoint::new(token_endpoint, client.into(), secret)?);
        Ok(Self { endpoint, scope: None, audience: None })
    }

    /// What the tokens are for; all that the client may have if not given.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// For whom they are; the client's first audience if not given.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }
}

impl AuthInitialize for ClientCredentials {
    fn credentials(&self, _: CredentialRequest) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        let this = self.clone();
        Box::pin(blocking(move || {
            let mut form = vec![("grant_type", "client_credentials")];
            form.extend(this.scope.as_deref().map(|scope| ("scope", scope)));
            form.extend(this.audience.as_deref().map(|audience| ("audience", audience)));
            Ok(this.endpoint.ask(&form)?.provided())
        }))
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Gets tokens with the refresh token of a login that stands in a file, as `druse login` writes it (RFC 6749, 6).
///
/// Issuers replace a refresh token by its use, and take a second use for theft. So the successor is in the file before
/// the access token is handed out, whatever became of the caller meanwhile, and processes that share the file follow one another.
#[derive(Clone)]
pub struct RefreshTokenCredentials {
    path: PathBuf,
    secret: Option<Zeroizing<String>>,
}

impl RefreshTokenCredentials {
    /// Goes on with the login in the file `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), secret: None }
    }

    /// The secret of the login's client, if it has one.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(Zeroizing::new(secret.into()));
        self
    }

    fn renew(&self) -> Result<ProvidedCredentials, ProviderError> {
        let file = login_file::Locked::open(&self.path)?;
        let mut login = file.read()?;
        // Before the token is used up, so that a folder that cannot be written to costs nothing.
        let draft = file.draft()?;
        let endpoint = TokenEndpoint::new(&login.token_endpoint, login.client.clone(), self.secret.clone())
            .map_err(|error| denied(format!("login {}: {error}", self.path.display())))?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", login.refresh_token.as_str())];
        let mut tokens = endpoint.ask(&form)?;
        if let Some(successor) = tokens.refresh_token.take() {
            login.refresh_token = successor;
            draft.keep(&login)?;
        }
        Ok(tokens.provided())
    }
}

impl AuthInitialize for RefreshTokenCredentials {
    fn credentials(&self, _: CredentialRequest) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        let this = self.clone();
        Box::pin(blocking(move || this.renew()))
    }
}

impl fmt::Debug for RefreshTokenCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokenCredentials").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Runs `work` to its end on a thread that may block, also when nobody waits for it any more.
async fn blocking(
    work: impl FnOnce() -> Result<ProvidedCredentials, ProviderError> + Send + 'static,
) -> Result<ProvidedCredentials, ProviderError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(ProviderError::Unavailable {
            message: "asking for a token was interrupted".to_owned(),
            source: Some(Arc::new(error)),
        })
    })
}

fn denied(message: String) -> ProviderError {
    ProviderError::Denied { message, source: None }
}

#[cfg(test)]
mod tests;
