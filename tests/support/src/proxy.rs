//! A proxy between a client and a node that understands frames and breaks things on cue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use druse_client::{Client, ClientBuilder};
use druse_protocol::codec::MessageType;
use druse_protocol::message::exception::ThrowableClass;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::grid::location;
use crate::relay::Relay;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The connection breaks, and the node never sees the request.
    DropRequest,
    /// The node carries it out, and the connection breaks before the reply is there.
    DropReply,
    /// The node carries it out, and nothing is ever heard on this connection again, which stays open.
    LoseReply,
    /// The reply, and all that is behind it, comes so much later.
    DelayReply(Duration),
    /// The reply, and all that is behind it, waits for [`FaultProxy::release`].
    HoldReply,
    /// The node never sees it; this exception is the reply.
    Answer(ThrowableClass),
}

/// A fault that waits for its request.
#[derive(Debug)]
struct Fault {
    kind: MessageType,
    skip: u64,
    count: u64,
    act: Act,
}

/// What the connections of a proxy share.
#[derive(Debug)]
pub(crate) struct Plan {
    faults: Mutex<Vec<Fault>>,
    /// Where new connections lead; nowhere if the node is down.
    upstream: Mutex<Option<SocketAddr>>,
    released: CancellationToken,
    /// The requests of one kind, whatever became of them.
    watched: Mutex<Option<(MessageType, Vec<Bytes>)>>,
    /// All connections opened since the last cut end with it.
    era: Mutex<CancellationToken>,
    open: AtomicUsize,
    accepted: AtomicUsize,
}

impl Plan {
    /// Waits until what is held may go.
    pub(crate) async fn released(&self) {
        self.released.cancelled().await;
    }

    /// What is to happen to the request at hand.
    pub(crate) fn act_on(&self, kind: MessageType, request: &Bytes) -> Option<Act> {
        if let Some((_, seen)) = self.watched.lock().as_mut().filter(|(watched, _)| *watched == kind) {
            seen.push(request.clone());
        }
        let mut faults = self.faults.lock();
        let fault = faults.iter_mut().find(|fault| fault.kind == kind)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.count -= 1;
        let act = fault.act;
        faults.retain(|fault| fault.count > 0);
        Some(act)
    }
}

/// The proxy. Dropping it ends all its connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    plan: Arc<Plan>,
    closing: CancellationToken,
}

impl FaultProxy {
    /// A proxy in front of `upstream`, on a free port.
    pub async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let closing = CancellationToken::new();
        let plan = Arc::new(Plan {
            faults: Mutex::default(),
            upstream: Mutex::new(Some(upstream)),
            watched: Mutex::default(),
            released: CancellationToken::new(),
            era: Mutex::new(closing.child_token()),
            open: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
        });
        tokio::spawn(accept(listener, Arc::clone(&plan), closing.clone()));
        Self { address, plan, closing }
    }

    /// A client that knows the proxy alone.
    pub fn client(&self) -> ClientBuilder {
        Client::builder().server(location(self.address))
    }

    /// The next `count` requests of that kind meet a fault.
    pub fn fault(&self, kind: MessageType, act: Act, count: u64) {
        self.fault_after(kind, 0, act, count);
    }

    /// The same, after `skip` of them went well.
    pub fn fault_after(&self, kind: MessageType, skip: u64, act: Act, count: u64) {
        self.plan.faults.lock().push(Fault { kind, skip, count, act });
    }

    /// Lets go what is held, and holds nothing any more.
    pub fn release(&self) {
        self.plan.released.cancel();
    }

    /// Whether all faults have happened.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.plan.faults.lock().is_empty()
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        let mut era = self.plan.era.lock();
        era.cancel();
        *era = self.closing.child_token();
    }

    /// Sends new connections elsewhere, and breaks the old ones: the node has been replaced.
    pub fn redirect(&self, upstream: SocketAddr) {
        *self.plan.upstream.lock() = Some(upstream);
        self.cut();
    }

    /// Lets nobody new through, until [`FaultProxy::redirect`]; what is connected stays so.
    pub fn refuse(&self) {
        *self.plan.upstream.lock() = None;
    }

    /// Keeps the requests of one kind from now on.
    pub fn watch(&self, kind: MessageType) {
        *self.plan.watched.lock() = Some((kind, Vec::new()));
    }

    /// The requests kept so far, in the order in which they came.
    #[must_use]
    pub fn watched(&self) -> Vec<Bytes> {
        self.plan.watched.lock().as_ref().map(|(_, seen)| seen.clone()).unwrap_or_default()
    }

    /// Connections open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.plan.open.load(Ordering::SeqCst)
    }

    /// Connections there have been.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.plan.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

async fn accept(listener: TcpListener, plan: Arc<Plan>, closing: CancellationToken) {
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (client, _) = accepted.expect("a connection");
        plan.accepted.fetch_add(1, Ordering::SeqCst);
        let era = plan.era.lock().clone();
        tasks.spawn(serve(client, Arc::clone(&plan), era));
    }
    tasks.close();
    tasks.wait().await;
}

async fn serve(client: TcpStream, plan: Arc<Plan>, era: CancellationToken) {
    let upstream = *plan.upstream.lock();
    // A node that is gone looks to the client like a connection that is closed at once.
    let Some(upstream) = upstream else { return };
    let Ok(node) = TcpStream::connect(upstream).await else { return };
    for stream in [&client, &node] {
        stream.set_nodelay(true).expect("no delay");
    }
    plan.open.fetch_add(1, Ordering::SeqCst);
    tokio::select! {
        biased;
        () = era.cancelled() => {}
        () = Relay::new(client, node, &plan).run() => {}
    }
    plan.open.fetch_sub(1, Ordering::SeqCst);
}
