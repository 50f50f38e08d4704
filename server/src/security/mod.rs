//! Who is logged in, and until when. RFC.md section 3.
//!
//! ```text
//!  Security ── Clients ── ClientUserAuths (one per client identity) ── unique id ─► Cell ─► Subject ··drop··► Logouts
//!     │                                                                              ▲                          │
//!     ├── logins: asks the manager, paced and bounded                                │ ends                     │
//!     └── keeper: one task ── Deadlines ─────────────────────────────────────────────┘      logs out ◄──────────┘
//! ```

mod authorize;
mod cell;
mod clients;
mod deadlines;
mod keeper;
mod logins;
mod logouts;
mod pace;
mod revocations;
mod subject;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod user_auths;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use authorize::{Permit, Wanted};
use cell::CellContext;
pub use cell::PrincipalChange;
pub(crate) use cell::{Cell, CellWatcher, Standing};
use clients::Clients;
use deadlines::Deadlines;
use druse_protocol::auth::{AuthError, DecisionScope, Revocation, SecurityManager};
use druse_protocol::time::Micros;
pub(crate) use logins::{Authenticated, LoginRequest};
use logouts::Logouts;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use revocations::Revocations;
pub(crate) use subject::Subject;
use tokio::sync::Semaphore;
pub(crate) use user_auths::{ClientUserAuths, unknown_user};

use crate::audit;
use crate::clock::Lead;
use crate::metrics::Metrics;

/// How a node treats logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityPolicies {
    /// Whether an id may pass to another principal at a re-authentication.
    pub principal_change: PrincipalChange,
    /// Logins that the manager is asked for at a time, over the whole node; others wait. 64: enough for managers that
    /// wait, few enough for those that compute.
    pub concurrent_logins: usize,
    /// Users that one client may have at a time; beyond that the oldest has to log in again.
    pub ids_per_client: usize,
    /// A login for a user whose login is still good, on the connection that has just made it, is refused if it comes
    /// sooner than this. No client that is in its right mind does that.
    pub least_between_logins: std::time::Duration,
}

impl Default for SecurityPolicies {
    fn default() -> Self {
        Self {
            principal_change: PrincipalChange::default(),
            concurrent_logins: 64,
            ids_per_client: 10_000,
            least_between_logins: std::time::Duration::from_millis(50),
        }
    }
}

/// The logins of a node that asks for them.
pub(crate) struct Security {
    manager: Arc<dyn SecurityManager>,
    policies: SecurityPolicies,
    /// How widely the manager lets its permits be remembered.
    scope: DecisionScope,
    clients: Clients,
    cells: Arc<CellContext>,
    deadlines: Arc<Deadlines>,
    logouts: Arc<Logouts>,
    revocations: Revocations,
    permits: Semaphore,
    tickets: AtomicU64,
    serials: AtomicU64,
    ids: Mutex<StdRng>,
    /// Between the time of the node and that of managers and their credentials.
    lead: Lead,
    metrics: Arc<Metrics>,
}

impl Security {
    /// Logins by `manager`. `seed` makes the unique ids: 32 bytes from the operating system, or from a test.
    pub(crate) fn new(
        manager: Arc<dyn SecurityManager>,
        policies: SecurityPolicies,
        seed: [u8; 32],
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let deadlines = Arc::new(Deadlines::default());
        Arc::new(Self {
            scope: manager.decision_scope(),
            clients: Clients::default(),
            cells: Arc::new(CellContext {
                deadlines: Arc::clone(&deadlines),
                metrics: Arc::clone(&metrics),
                principal_change: policies.principal_change,
            }),
            deadlines,
            logouts: Arc::default(),
            revocations: Revocations::default(),
            permits: Semaphore::new(policies.concurrent_logins.clamp(1, Semaphore::MAX_PERMITS)),
            tickets: AtomicU64::new(1),
            serials: AtomicU64::new(1),
            // ChaCha: what an id will be cannot be told from those before it.
            ids: Mutex::new(StdRng::from_seed(seed)),
            lead: Lead::default(),
            manager,
            policies,
            metrics,
        })
    }

    /// Counts a connection of that identity and gives access to its users.
    pub(crate) fn connect(self: &Arc<Self>, identity: &[u8]) -> ClientLogins {
        let auths = self.clients.connect(identity);
        ClientLogins { auths, identity: identity.into(), security: Arc::clone(self) }
    }

    pub(crate) fn policies(&self) -> &SecurityPolicies {
        &self.policies
    }

    /// A connection id or unique id: 64 random bits, never 0 or -1, which clients take for "none".
    pub(crate) fn new_unique_id(&self, mut taken: impl FnMut(i64) -> bool) -> i64 {
        let mut ids = self.ids.lock();
        loop {
            let id = ids.random::<i64>();
            if !matches!(id, 0 | -1) && !taken(id) {
                return id;
            }
        }
    }

    /// Ends the logins of a principal, at once. When this returns nothing new begins under them.
    pub(crate) fn revoke(&self, revocation: &Revocation, now: Micros) {
        // First remembered, then looked for: a login that is being taken in meets the one or the other.
        self.revocations.add(revocation, now);
        let ended: usize = self
            .clients
            .all()
            .iter()
            .map(|auths| auths.revoke(&revocation.scope, revocation.before, now))
            .sum();
        self.metrics.revocations.add(ended as u64);
        audit::revocation(&revocation.scope, &revocation.reason);
    }

    fn check_revoked(&self, subject: &Subject) -> Result<(), AuthError> {
        self.revocations.check(subject)
    }

    fn new_cell(&self, subject: Arc<Subject>) -> Arc<Cell> {
        // Only distinctness counts.
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        Cell::new(serial, subject, Arc::clone(&self.cells))
    }

    fn next_ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }
}

/// One connection's share in the users of its identity. Dropping it counts the connection off.
pub(crate) struct ClientLogins {
    auths: Arc<ClientUserAuths>,
    identity: Box<[u8]>,
    security: Arc<Security>,
}

impl std::ops::Deref for ClientLogins {
    type Target = ClientUserAuths;

    fn deref(&self) -> &ClientUserAuths {
        &self.auths
    }
}

impl Drop for ClientLogins {
    fn drop(&mut self) {
        self.security.clients.disconnect(&self.identity);
    }
}
