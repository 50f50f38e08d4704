//! A node on a free port of the loopback address, with scripted security.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use druse_client::runtime::TokioClock;
use druse_client::{Client, ClientBuilder, Clock, Micros, ServerLocation};
use druse_server::metrics::Metrics;
use druse_server::{Node, NodeBuilder};

use crate::manager::Scripted;
use crate::pipe::Pipes;

/// When virtual time begins. Any instant will do.
pub const VIRTUAL_EPOCH: Micros = Micros::from_secs(1_800_000_000);

/// A running node with a region `orders`, and the manager that guards it.
pub struct Grid {
    /// Who says who may come in.
    pub manager: Arc<Scripted>,
    node: Arc<Node>,
    /// The node's and its clients', where that is not the system's.
    clock: Option<TokioClock>,
}

impl Grid {
    /// A node with its defaults.
    pub async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    /// A node set up further.
    pub async fn with(set_up: impl FnOnce(NodeBuilder) -> NodeBuilder) -> Self {
        Self::guarded(Scripted::new(), set_up).await
    }

    /// A node with a manager that others have, too.
    pub async fn guarded(manager: Arc<Scripted>, set_up: impl FnOnce(NodeBuilder) -> NodeBuilder) -> Self {
        let guard: Arc<dyn druse_protocol::auth::SecurityManager> = manager.clone();
        let builder = Node::builder().bind([127, 0, 0, 1].into()).port(0).region("orders").security(guard);
        let node = set_up(builder).start().await.expect("a node");
        Self { manager, node: Arc::new(node), clock: None }
    }

    /// A node in virtual time: for tests whose clock is paused, with clients from [`Grid::piped_client`].
    pub async fn in_virtual_time(set_up: impl FnOnce(NodeBuilder) -> NodeBuilder) -> Self {
        let clock = TokioClock::starting_at(VIRTUAL_EPOCH);
        let grid = Self::with(|node| set_up(node.clock(Arc::new(clock)))).await;
        Self { clock: Some(clock), ..grid }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.node.address()
    }

    /// The same for clients.
    #[must_use]
    pub fn location(&self) -> ServerLocation {
        location(self.address())
    }

    /// A client of this node, to be set up further.
    pub fn client(&self) -> ClientBuilder {
        Client::builder().server(self.location())
    }

    /// A client that reaches this node through pipes, and has its clock.
    pub fn piped_client(&self) -> ClientBuilder {
        self.client().transport(self.pipes()).clock(Arc::new(self.clock()))
    }

    /// The way to this node that needs no socket.
    #[must_use]
    pub fn pipes(&self) -> Pipes {
        Pipes::to(&self.node)
    }

    /// The clock of a node in virtual time.
    #[must_use]
    pub fn clock(&self) -> TokioClock {
        self.clock.expect("a node in virtual time")
    }

    /// The present moment in virtual time.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.clock().now()
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        self.node.metrics()
    }

    /// How many entries `orders` has.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.node.region("orders").expect("a region").len()
    }

    /// How often an entry of `orders` has been changed; `None` if there is none.
    #[must_use]
    pub fn changes(&self, key: &str) -> Option<u32> {
        self.node.region("orders").expect("a region").get(key).map(|record| record.version().entry)
    }

    /// Ends the node and looks whether it has forgotten everybody: as many logouts as logins.
    pub async fn finish(self) {
        let Self { manager, node, .. } = self;
        let metrics = Arc::clone(node.metrics());
        owned(node).shutdown().await;
        let (logins, logouts) = manager.balance();
        assert_eq!(logins, logouts, "every login has its logout");
        assert_eq!(metrics.connections_open.get(), 0);
        assert_eq!(metrics.logins_live.get(), 0);
        assert_eq!(metrics.bytes_in_flight.get(), 0);
    }

    /// Ends the node without looking: its manager goes on elsewhere.
    pub async fn stop(self) {
        owned(self.node).shutdown().await;
    }
}

fn owned(node: Arc<Node>) -> Node {
    Arc::into_inner(node).expect("nobody else holds the node while it is alive")
}

/// An address as clients are told it.
#[must_use]
pub fn location(address: SocketAddr) -> ServerLocation {
    ServerLocation::new(address.ip().to_string(), address.port())
}

/// Waits until something is so. It is a matter of other tasks, not of time; what never comes fails the test.
///
/// # Panics
/// If it has not become so after half a minute.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never came about: {what}");
}
