//! Logouts that are due: queued where a subject's last user lets go, carried out by the keeper.

use std::sync::Arc;

use druse_protocol::auth::Principal;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The queue. As long as the number of logins that ended since it was last emptied, and each of those was bounded when
/// it was made.
#[derive(Default)]
pub(crate) struct Logouts {
    due: Mutex<Vec<Arc<dyn Principal>>>,
    filled: Notify,
}

impl Logouts {
    /// One more logout is due.
    pub(super) fn push(&self, principal: Arc<dyn Principal>) {
        self.due.lock().push(principal);
        self.filled.notify_one();
    }

    /// Takes all that are due.
    pub(super) fn take(&self) -> Vec<Arc<dyn Principal>> {
        std::mem::take(&mut self.due.lock())
    }

    /// Waits until something may be due.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }
}
