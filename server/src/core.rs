//! What all sessions of a node share.

use std::sync::Arc;

use druse_protocol::auth::{Revocation, RevocationSink, SecurityManager};
use druse_protocol::codec::FrameLimits;
use druse_protocol::time::Clock;

use crate::metrics::Metrics;
use crate::pdx::PdxRegistry;
use crate::query::QueryBounds;
use crate::region::RegionRegistry;
use crate::security::Security;

/// Everything that a session needs from its node.
pub(crate) struct NodeCore {
    /// Where the entries are.
    pub(crate) regions: Arc<RegionRegistry>,
    /// Types of PDX objects.
    pub(crate) pdx: Arc<PdxRegistry>,
    /// Who is logged in; `None` on a node that asks nobody who they are.
    pub(crate) security: Option<Arc<Security>>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Bounds of a message.
    pub(crate) frames: FrameLimits,
    /// Bounds of a query.
    pub(crate) queries: QueryBounds,
    /// The node's serialized member, for handshake replies.
    pub(crate) member: Vec<u8>,
}

/// Passes a manager's revocations on to the node.
struct Revocations {
    security: Arc<Security>,
    clock: Arc<dyn Clock>,
}

impl RevocationSink for Revocations {
    fn revoke(&self, revocation: &Revocation) {
        self.security.revoke(revocation, self.clock.now());
    }
}

/// Registers the node with its manager for revocations.
pub(crate) fn watch_revocations(
    manager: &dyn SecurityManager,
    security: &Arc<Security>,
    clock: Arc<dyn Clock>,
) {
    manager.watch_revocations(Arc::new(Revocations { security: Arc::clone(security), clock }));
}
