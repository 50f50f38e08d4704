//! A database that is away for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use druse_protocol::auth::BoxFuture;

use crate::store::StoreError;
use crate::store::driver::{Access, Answer, Dialect, Driver, Statement};

/// Hands on what it is asked, unless there is an outage.
#[derive(Debug)]
pub(super) struct Faulty {
    inner: Arc<dyn Driver>,
    outage: Arc<AtomicBool>,
}

impl Faulty {
    pub(super) fn new(inner: Arc<dyn Driver>, outage: Arc<AtomicBool>) -> Self {
        Self { inner, outage }
    }
}

impl Driver for Faulty {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn run(
        &self,
        access: Access,
        statements: Vec<Statement>,
    ) -> BoxFuture<'_, Result<Vec<Answer>, StoreError>> {
        if self.outage.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::Unavailable) });
        }
        self.inner.run(access, statements)
    }
}
