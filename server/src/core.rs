//! What all sessions of a node share.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{Revocation, RevocationSink, SecurityManager};
use druse_protocol::codec::FrameLimits;
use druse_protocol::handshake::Member;
use druse_protocol::time::Clock;

use crate::metrics::Metrics;
use crate::pdx::PdxRegistry;
use crate::query::QueryBounds;
use crate::region::RegionRegistry;
use crate::security::Security;
use crate::subscription::notifier::CacheClientNotifier;
use crate::subscription::{FeedPolicies, ShardContext};

/// What a node is made of, before it has feeds.
pub(crate) struct NodeParts {
    pub(crate) regions: Arc<RegionRegistry>,
    pub(crate) pdx: Arc<PdxRegistry>,
    pub(crate) security: Option<Arc<Security>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) frames: FrameLimits,
    pub(crate) queries: QueryBounds,
    pub(crate) member: Vec<u8>,
    pub(crate) feeds: FeedOptions,
}

/// How a node's feeds are to be.
pub(crate) struct FeedOptions {
    pub(crate) policies: FeedPolicies,
    /// How many tasks share them.
    pub(crate) shards: usize,
    /// Decides what is random in them.
    pub(crate) seed: u64,
    pub(crate) clock: Arc<dyn Clock>,
}

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
    /// What clients are told of changes.
    pub(crate) feeds: CacheClientNotifier,
    /// The longest silence on a feed, as clients are told.
    pub(crate) ping_interval: Duration,
}

impl NodeCore {
    /// Puts the parts together. The feeds are to be started.
    pub(crate) fn new(parts: NodeParts) -> Self {
        let NodeParts { regions, pdx, security, metrics, frames, queries, member, feeds } = parts;
        let FeedOptions { policies, shards, seed, clock } = feeds;
        let ping_interval = policies.ping_interval;
        let context = Arc::new(ShardContext {
            regions: Arc::clone(&regions),
            security: security.clone(),
            metrics: Arc::clone(&metrics),
            pdx: Arc::clone(&pdx),
            policies,
            // It was made by this node.
            member: Member::decode(&member).map(|member| member.essential()).unwrap_or_default(),
        });
        let feeds = CacheClientNotifier::new(&context, shards, seed, &clock);
        Self { regions, pdx, security, metrics, frames, queries, member, feeds, ping_interval }
    }
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
