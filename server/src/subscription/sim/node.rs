//! The node under test: the shard's real task over real regions and logins, with the world's clock and sockets.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use druse_protocol::auth::{Credentials, Peer};
use druse_protocol::message::feed::FeedPing;
use druse_protocol::time::{Clock, ManualClock, Micros};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::super::driver::{Job, Pressure, ShardTask};
use super::super::feed::Feed;
use super::super::open::Opening;
use super::super::{FeedId, Shard, ShardContext};
use super::logins::Ledger;
use super::manager::{Person, SimManager};
use super::net::NodeEnd;
use super::plan::{Plan, REGIONS};
use super::{Verdict, wrong};
use crate::engine::{Cursor, Engine, MemoryEngine, MemoryOptions, Retention};
use crate::metrics::Metrics;
use crate::pdx::{PdxBounds, PdxRegistry};
use crate::region::{Region, RegionOptions, RegionRegistry};
use crate::seam::HandedOver;
use crate::security::{
    Authenticated, ClientUserAuths, LoginRequest, PrincipalChange, Security, SecurityPolicies, Subject,
};

/// Turns of the task at one instant before it is taken to spin.
const TURNS: usize = 2_000;

/// A node, and what is known of it.
pub(super) struct Node {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) regions: Vec<Arc<Region>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) manager: Arc<SimManager>,
    pub(super) security: Option<Arc<Security>>,
    pub(super) task: ShardTask,
    pub(super) ledger: Ledger,
    /// The oracle's own eyes on the log.
    pub(super) cursor: Cursor,
    jobs: mpsc::Receiver<Job>,
    _sender: mpsc::Sender<Job>,
    tickets: u64,
}

/// An engine whose log is told apart from all others.
pub(super) fn engine(epoch: u32, seed: u64) -> Arc<dyn Engine> {
    let retention = Retention { changes: 10_000, bytes: 1 << 24, unread: 10_000 };
    Arc::new(MemoryEngine::new(MemoryOptions { epoch, hash_seed: seed, retention }))
}

impl Node {
    pub(super) fn new(plan: &Plan, engine: Arc<dyn Engine>, clock: &Arc<ManualClock>, seed: u64) -> Self {
        let metrics = Arc::new(Metrics::default());
        let manager = SimManager::new(plan.scope);
        let registry = RegionRegistry::new(Arc::clone(&engine), Arc::new(|a: &[u8], b: &[u8]| a == b));
        let regions =
            REGIONS.map(|path| registry.create(path, RegionOptions::default()).expect("a region")).to_vec();
        let policies = SecurityPolicies { principal_change: PrincipalChange::Refuse, ..Default::default() };
        let security = plan.secured.then(|| {
            Security::new(Arc::clone(&manager) as _, policies, [seed as u8; 32], Arc::clone(&metrics))
        });
        let context = Arc::new(ShardContext {
            regions: Arc::new(registry),
            security: security.clone(),
            metrics: Arc::clone(&metrics),
            pdx: Arc::new(PdxRegistry::in_memory(PdxBounds::default())),
            policies: plan.policies.clone(),
            member: b"node".to_vec(),
        });
        let shard = Shard::new(context, seed, clock.now());
        let task = ShardTask::new(shard, Arc::clone(clock) as Arc<dyn Clock>, Arc::new(Pressure::default()));
        let (_sender, jobs) = mpsc::channel(1);
        let cursor = engine.log().cursor_at_end();
        Self {
            engine,
            regions,
            metrics,
            manager,
            security,
            task,
            ledger: Ledger::default(),
            cursor,
            jobs,
            _sender,
            tickets: 0,
        }
    }

    /// Lets the shard's task do all that it can do now.
    pub(super) fn turn(&mut self) -> Verdict {
        for _ in 0..TURNS {
            if !self.task.turn(&mut self.jobs) {
                return Ok(());
            }
        }
        Err(wrong("I11: the shard finds no end at one instant".to_owned()))
    }

    /// Shows credentials to the manager, as of now. Its answer is to be taken in when it comes.
    pub(super) fn authenticate(
        &mut self,
        runtime: &Runtime,
        auths: &ClientUserAuths,
        credentials: Credentials,
        named: Option<i64>,
        names_no_ids: bool,
        now: Micros,
    ) -> (Authenticated, u64) {
        let security = self.security.as_ref().expect("a node that asks");
        self.tickets += 1;
        let request = LoginRequest { credentials, peer: Peer::default(), named, names_no_ids };
        let login = runtime.block_on(async { security.authenticate(auths, request, now).await });
        (login.expect("the manager believes everybody"), self.tickets)
    }

    /// Opens a feed and hands its socket over.
    pub(super) fn attach(&mut self, id: FeedId, end: NodeEnd) {
        let mut welcome = BytesMut::new();
        FeedPing.encode(&mut welcome);
        let socket = HandedOver { stream: Box::new(end), guard: Box::new(()) };
        self.task.attach(id, socket, Bytes::from(welcome));
    }

    pub(super) fn open(
        &mut self,
        opening: Opening,
        now: Micros,
    ) -> Result<super::super::open::Opened, super::super::open::OpenError> {
        self.task.open(opening, now)
    }

    /// The feed of a client.
    pub(super) fn feed(&self, key: &[u8]) -> Option<&Feed> {
        self.task.shard.find(key).and_then(|id| self.task.shard.feed(id))
    }

    /// Where the lane of a query stands that the client has already.
    pub(super) fn line_of(&self, key: &[u8], query: &str) -> Option<u64> {
        let feed = self.feed(key)?;
        let cq = feed.cqs.iter().find(|cq| *cq.name == *query.as_bytes())?;
        Some(feed.line(cq.lane))
    }

    /// The newest place of the log.
    pub(super) fn last_seq(&self) -> u64 {
        self.engine.log().last_seq()
    }
}

/// The manager's number of a login.
pub(super) fn login_of(subject: &Subject) -> u64 {
    subject.principal().as_any().downcast_ref::<Person>().map_or(0, |person| person.login)
}
