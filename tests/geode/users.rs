//! Providers for scripted users: version after version of one name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use druse_client::{
    AuthInitialize, BoxFuture, CredentialRequest, Credentials, ProvidedCredentials, ProviderError,
};

/// Hands out `name:1`, `name:2` and so on, slowly enough for a herd to gather.
#[derive(Clone)]
pub(crate) struct Versions {
    name: &'static str,
    calls: Arc<AtomicU64>,
    stale: bool,
}

impl Versions {
    pub(crate) fn of(name: &'static str) -> Self {
        Self { name, calls: Arc::default(), stale: false }
    }

    /// Hands out `name:1` for ever.
    pub(crate) fn stale(name: &'static str) -> Self {
        Self { stale: true, ..Self::of(name) }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl AuthInitialize for Versions {
    fn credentials(&self, _: CredentialRequest) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        Box::pin(async {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let user = format!("{}:{}", self.name, if self.stale { 1 } else { call });
            Ok(ProvidedCredentials::new(Credentials::password(&user, &user)))
        })
    }
}
