//! Always the same credentials.

use druse_protocol::auth::{
    AuthInitialize, BoxFuture, CredentialRequest, Credentials, ProvidedCredentials, ProviderError,
};

/// Hands out the same credentials at each call: a name and a password, or a token that never runs out.
#[derive(Debug, Clone)]
pub struct StaticCredentials(Credentials);

impl StaticCredentials {
    /// Hands out `credentials`.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self(credentials)
    }
}

impl AuthInitialize for StaticCredentials {
    fn credentials(&self, _: CredentialRequest) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        Box::pin(std::future::ready(Ok(ProvidedCredentials::new(self.0.clone()))))
    }
}
