//! The one task that ends idle logins and logs subjects out.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::time::{Clock, Micros};

use super::Security;
use crate::audit;

/// The longest sleep. The clock of the operating system may be set, of which a sleeping task hears nothing: set forward, an
/// idle login outlives its end by this much (operations compare the time themselves); set back, new logins end too early
/// for so long.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

impl Security {
    /// Ends idle logins at their end and logs subjects out, until `shutdown` is over; then logs out whoever is left in
    /// the queue. One task of the node runs this.
    pub(crate) async fn keep(self: Arc<Self>, clock: Arc<dyn Clock>, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            self.lead.look(&*clock);
            self.end_idle_logins(clock.now());
            self.log_out();
            let next = self.deadlines.next().map(|end| end.saturating_since(clock.now()));
            tokio::select! {
                () = &mut shutdown => break,
                () = self.logouts.filled() => {}
                () = self.deadlines.sooner() => {}
                () = tokio::time::sleep(next.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)) => {}
            }
        }
        self.log_out();
    }

    /// Ends the logins whose end has come.
    pub(crate) fn end_idle_logins(&self, now: Micros) {
        for cell in self.deadlines.due(now) {
            cell.on_timer(now);
        }
    }

    /// Tells the manager of the subjects that nobody uses any more.
    pub(crate) fn log_out(&self) {
        for principal in self.logouts.take() {
            self.manager.logout(&*principal);
            self.metrics.logouts.inc();
            audit::logout(principal.name());
        }
    }
}
