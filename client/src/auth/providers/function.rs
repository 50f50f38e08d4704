//! A provider that blocks its thread.

use std::sync::Arc;

use druse_protocol::auth::{
    AuthInitialize, BoxFuture, CredentialRequest, ProvidedCredentials, ProviderError,
};

type Function = dyn Fn(CredentialRequest) -> Result<ProvidedCredentials, ProviderError> + Send + Sync;

/// Wraps a function that may block; it runs on a thread of its own kind, so that a slow one holds up no operation.
#[derive(Clone)]
pub struct BlockingCredentials(Arc<Function>);

impl BlockingCredentials {
    /// Calls `function` for each credential.
    #[must_use]
    pub fn new(
        function: impl Fn(CredentialRequest) -> Result<ProvidedCredentials, ProviderError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(function))
    }
}

impl AuthInitialize for BlockingCredentials {
    fn credentials(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        let function = Arc::clone(&self.0);
        Box::pin(async move {
            tokio::task::spawn_blocking(move || function(request)).await.unwrap_or_else(|error| {
                let message = "the provider function panicked".to_owned();
                Err(ProviderError::Unavailable { message, source: Some(Arc::new(error)) })
            })
        })
    }
}
