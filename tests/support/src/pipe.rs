//! Connections in memory: a node and its clients on one thread, in virtual time.
//!
//! With sockets, time that is paused runs ahead whenever bytes are on their way, and every time-out fires. Through pipes
//! nothing happens outside of the runtime, so that time moves only when everybody waits for it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use druse_client::{BoxFuture, ServerLocation, Stream, Transport};
use druse_server::Node;
use tokio::io::DuplexStream;

/// Bytes under way in one direction before the writer waits.
const PIPE_BYTES: usize = 64 << 10;

/// Leads to one node, for as long as there is one.
#[derive(Debug, Clone)]
pub struct Pipes(Weak<Node>);

impl Pipes {
    /// Pipes to a node.
    #[must_use]
    pub fn to(node: &Arc<Node>) -> Self {
        Self(Arc::downgrade(node))
    }

    /// A stream on which nothing has been said.
    ///
    /// # Errors
    /// If the node is gone.
    pub fn open(&self) -> io::Result<DuplexStream> {
        let node = self.0.upgrade().ok_or(io::ErrorKind::ConnectionRefused)?;
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        node.serve(theirs, SocketAddr::from(([127, 0, 0, 1], 1)));
        Ok(ours)
    }
}

impl Transport for Pipes {
    fn connect<'a>(&'a self, _: &'a ServerLocation) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move { self.open().map(|stream| Box::new(stream) as Box<dyn Stream>) })
    }
}
