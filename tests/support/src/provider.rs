//! A credential provider that counts, remembers what it was asked, and follows a script.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use druse_client::{
    AuthInitialize, BoxFuture, Clock, CredentialRequest, Credentials, ProvidedCredentials, ProviderError,
    SystemClock,
};
use parking_lot::Mutex;

/// What to answer at the n-th call, from 1, to this request.
type Script = dyn Fn(u64, &CredentialRequest) -> Result<ProvidedCredentials, ProviderError> + Send + Sync;

/// The provider of one user. Clones are the same provider.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    calls: AtomicU64,
    requests: Mutex<Vec<CredentialRequest>>,
    /// Long enough for a herd to gather.
    takes: Duration,
    /// The one call that takes longer, and how long.
    slow: Option<(u64, Duration)>,
    script: Box<Script>,
}

/// Version `version` of the token of `name`.
#[must_use]
pub fn token(name: &str, version: u64) -> ProvidedCredentials {
    ProvidedCredentials::new(Credentials::token(format!("{name}:{version}")))
}

/// Something that no manager takes for a token of `name`.
#[must_use]
pub fn bad_token(name: &str) -> ProvidedCredentials {
    ProvidedCredentials::new(Credentials::token(format!("{name}:bad")))
}

impl Tokens {
    /// A fresh token at every call.
    #[must_use]
    pub fn of(name: &'static str) -> Self {
        Self::scripted(move |call, _| Ok(token(name, call)))
    }

    /// The first token for ever.
    #[must_use]
    pub fn stale(name: &'static str) -> Self {
        Self::scripted(move |_, _| Ok(token(name, 1)))
    }

    /// A good token, then bad ones for ever.
    #[must_use]
    pub fn good_then_bad(name: &'static str, good: u64) -> Self {
        Self::scripted(move |call, _| Ok(if call <= good { token(name, call) } else { bad_token(name) }))
    }

    /// Fresh tokens that live so long, and say so on both sides.
    #[must_use]
    pub fn living(name: String, life: Duration) -> Self {
        Self::scripted(move |call, _| {
            let end = SystemClock.now() + life;
            let token = Credentials::token(format!("{name}:{call}:{}", end.0));
            Ok(ProvidedCredentials::new(token).expiring_at(end))
        })
    }

    /// Whatever the script says.
    #[must_use]
    pub fn scripted(
        script: impl Fn(u64, &CredentialRequest) -> Result<ProvidedCredentials, ProviderError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let inner = Inner {
            calls: AtomicU64::new(0),
            requests: Mutex::default(),
            takes: Duration::from_millis(20),
            slow: None,
            script: Box::new(script),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The same, before it is shared; its n-th answer takes that long.
    ///
    /// # Panics
    /// If it is shared already.
    #[must_use]
    pub fn slow_at(mut self, call: u64, takes: Duration) -> Self {
        Arc::get_mut(&mut self.inner).expect("not shared yet").slow = Some((call, takes));
        self
    }

    /// How often it has been asked.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::SeqCst)
    }

    /// What it has been told.
    #[must_use]
    pub fn requests(&self) -> Vec<CredentialRequest> {
        self.inner.requests.lock().clone()
    }
}

impl AuthInitialize for Tokens {
    fn credentials(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        Box::pin(async move {
            let call = self.inner.calls.fetch_add(1, Ordering::SeqCst) + 1;
            self.inner.requests.lock().push(request.clone());
            let slow = self.inner.slow.filter(|(slow, _)| *slow == call);
            tokio::time::sleep(slow.map_or(self.inner.takes, |(_, takes)| takes)).await;
            (self.inner.script)(call, &request)
        })
    }
}
