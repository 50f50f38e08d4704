//! A session without a socket, for the benches of this repository: what an operation costs between the bytes that come
//! and the bytes that go. No part of the crate's interface.

use std::sync::Arc;

use bytes::BytesMut;
use druse_protocol::auth::{AuthError, Operation, Peer, SecurityManager};
use druse_protocol::codec::FrameLimits;
use druse_protocol::handshake::{Member, MemberKind};
use druse_protocol::message::key::KeyRef;
use druse_protocol::time::{Micros, SystemClock};

use crate::core::{FeedOptions, NodeCore, NodeParts};
use crate::engine::{MemoryEngine, MemoryOptions, Retention};
use crate::metrics::Metrics;
use crate::pdx::{PdxBounds, PdxRegistry};
use crate::query::QueryBounds;
use crate::region::{RegionOptions, RegionRegistry, RegistryError};
use crate::seam::{ConnectionEngine, Next};
use crate::security::{Cell, Security, SecurityPolicies, Wanted};
use crate::session::Session;
use crate::subscription::FeedPolicies;

/// One connection to a node that asks `manager` for logins.
pub struct Dialogue {
    core: Arc<NodeCore>,
    session: Session,
    out: BytesMut,
}

impl Dialogue {
    /// A node with one region in memory, and a connection on which nothing has been said.
    ///
    /// # Errors
    /// If `region` is no path.
    pub fn new(manager: Arc<dyn SecurityManager>, region: &str) -> Result<Self, RegistryError> {
        let metrics = Arc::new(Metrics::default());
        let options = MemoryOptions { epoch: 1, hash_seed: 1, retention: Retention::default() };
        let pdx = Arc::new(PdxRegistry::in_memory(PdxBounds::default()));
        let regions = RegionRegistry::new(Arc::new(MemoryEngine::new(options)), pdx.same_object());
        regions.create(region, RegionOptions::default())?;
        let policies = SecurityPolicies::default();
        let security = Some(Security::new(manager, policies, [1; 32], Arc::clone(&metrics)));
        let mut member = Vec::new();
        Member::new(&[127, 0, 0, 1], 40404, "node", MemberKind::Normal, "1").encode(&mut member);
        let (regions, frames) = (Arc::new(regions), FrameLimits::default());
        let feeds = FeedOptions {
            policies: FeedPolicies::default(),
            shards: 1,
            seed: 1,
            clock: Arc::new(SystemClock),
        };
        let queries = QueryBounds::default();
        let parts = NodeParts { regions, pdx, security, metrics, frames, queries, member, feeds };
        let core = Arc::new(NodeCore::new(parts));
        let session = Session::new(Arc::clone(&core), Peer::default());
        Ok(Self { core, session, out: BytesMut::new() })
    }

    /// Hands in whole messages that are answered at once, and gives the answers.
    pub fn send(&mut self, input: &[u8], now: Micros) -> &[u8] {
        self.out.clear();
        self.session.receive(input, now, &mut self.out);
        &self.out
    }

    /// Hands in one message whose answer takes time, such as a login.
    pub async fn send_and_wait(&mut self, input: &[u8], now: Micros) -> &[u8] {
        self.out.clear();
        let mut next = self.session.receive(input, now, &mut self.out).next;
        while let Next::Wait(answer) = next {
            next = self.session.complete(answer.await, now, &mut self.out).next;
        }
        &self.out
    }

    /// What a request's permission check is given, for timing it alone; `None` before the first request of a user.
    #[must_use]
    pub fn permission_check(&self) -> Option<PermissionCheck> {
        let security = Arc::clone(self.core.security.as_ref()?);
        Some(PermissionCheck { security, cell: Arc::clone(self.session.user()?) })
    }
}

/// A user on a node.
pub struct PermissionCheck {
    security: Arc<Security>,
    cell: Arc<Cell>,
}

impl PermissionCheck {
    /// Whether the login is good still: what stands before every reply and chunk.
    #[must_use]
    pub fn is_live(&self, now: Micros) -> bool {
        self.security.admit(&self.cell, now).is_ok()
    }

    /// Whether the user may read that key, now.
    ///
    /// # Errors
    /// As the manager says.
    pub fn may_read(&self, region: &str, key: &[u8], now: Micros) -> Result<(), AuthError> {
        let wanted = Wanted::data(Operation::Read, region, Some(KeyRef::Text(key)));
        self.security.authorize(&self.cell, Some(0), &wanted, now).map(drop)
    }
}
