//! A node: everything put together.

mod builder;
mod error;
mod open_files;
mod ports;
mod start;
#[cfg(test)]
mod tests;
mod upkeep;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

pub use builder::NodeBuilder;
use druse_protocol::auth::Peer;
pub use error::StartError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::ports::Addresses;
use crate::clients::{Door, EngineFactory};
use crate::connection::Shared;
use crate::core::NodeCore;
use crate::embed::RegionHandle;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::region::{Region, RegionOptions, RegistryError};
use crate::session::Session;

/// A running node. Dropping it cuts everything off at once; [`Node::shutdown`] ends it in peace.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use druse_server::Node;
/// use druse_server::engine::Value;
///
/// // Open to everybody, which has to be said.
/// let node = Node::builder().port(0).region("orders").security_none().start().await?;
/// let orders = node.region("orders").ok_or("no such region")?;
/// orders.put("17", Value::Bytes(b"two apples")).await?;
/// assert_eq!(orders.len(), 1);
/// println!("clients find it at port {}", node.port());
/// node.shutdown().await;
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(example()).unwrap();
/// ```
pub struct Node {
    addresses: Addresses,
    core: Arc<NodeCore>,
    shared: Arc<Shared>,
    door: Arc<Door<Sessions>>,
    /// Taken out by `shutdown`.
    upkeep: Option<JoinHandle<()>>,
    /// Ends the upkeep, which outlives the connections: their logouts are its work.
    stop: CancellationToken,
}

impl Node {
    /// A node to be described. It does not start without having been told who may come in.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// The port that clients connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.addresses.clients.port()
    }

    /// Where clients connect to, as the node sees it.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.addresses.clients
    }

    /// The port of the locator, if there is one.
    #[must_use]
    pub fn locator_port(&self) -> Option<u16> {
        self.addresses.locator.map(|address| address.port())
    }

    /// Where metrics and probes are served, if they are.
    #[must_use]
    pub const fn probes(&self) -> Option<SocketAddr> {
        self.addresses.probes
    }

    /// Serves a client over a stream that did not come through the node's own port: a Unix socket, a tunnel, a pipe in
    /// memory. It counts as a connection from `peer`, under the same limits. What encrypts it, if anything does, is the
    /// business of whoever made it; no client certificate is seen.
    pub fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr) {
        self.door.adopt(stream, peer);
    }

    /// The region of that name, with or without its leading slash.
    #[must_use]
    pub fn region(&self, name: &str) -> Option<RegionHandle> {
        self.core.regions.get(name.as_bytes()).map(|region| self.handle(region))
    }

    /// Creates a region.
    ///
    /// # Errors
    /// If the name is none, or taken, or its parent does not exist.
    pub fn create_region(&self, name: &str, options: RegionOptions) -> Result<RegionHandle, RegistryError> {
        self.core.regions.create(name, options).map(|region| self.handle(region))
    }

    /// What the node has counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }

    /// Ends the node in peace: lets nobody in, answers what has been read, waits at most the configured time for it,
    /// logs everybody out. Returns when everything is gone.
    pub async fn shutdown(mut self) {
        self.shared.shutdown.finish(self.shared.limits.drain_time).await;
        self.core.regions.finish().await;
        self.stop.cancel();
        if let Some(upkeep) = self.upkeep.take() {
            // Its end is all that is of interest.
            let _ = upkeep.await;
        }
        tracing::info!("node stopped");
    }

    fn handle(&self, region: Arc<Region>) -> RegionHandle {
        RegionHandle::new(region, Arc::clone(&self.shared.clock), &self.core.member)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // After a shutdown there is nobody left to hear it.
        self.shared.shutdown.abort();
        self.stop.cancel();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Makes the engines of connections.
struct Sessions(Arc<NodeCore>);

impl EngineFactory for Sessions {
    type Engine = Session;
    type Refusal = Refusal;

    fn open(&self, peer: Peer) -> Session {
        Session::new(Arc::clone(&self.0), peer)
    }

    fn refuse(&self, _peer: Peer, text: String) -> Refusal {
        Refusal::new(self.0.member.clone(), text)
    }
}
