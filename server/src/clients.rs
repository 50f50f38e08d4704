//! The port that clients connect to: who gets in, over which transport, and how it ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::Peer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::acceptor::{Acceptor, Slot, Slots};
use crate::config::Limits;
use crate::connection::{Connection, End, Outcome, Shared};
use crate::metrics::RefusalReason;
use crate::seam::{CloseReason, ConnectionEngine, HandedOver};
use crate::tls::{HandshakeError, Tls};

/// Most peers that are being told at a time that there is no place for them. Whoever comes on top is only closed.
const REFUSALS: usize = 64;

/// How long such a peer may take to say what it is: the refusal is a courtesy.
const REFUSAL_TIME: Duration = Duration::from_secs(2);

/// Makes the engines of connections.
pub(crate) trait EngineFactory: Send + Sync + 'static {
    /// What serves a client.
    type Engine: ConnectionEngine;
    /// What refuses one.
    type Refusal: ConnectionEngine;

    /// An engine for this peer.
    fn open(&self, peer: Peer) -> Self::Engine;

    /// An engine that refuses any handshake with this text.
    fn refuse(&self, peer: Peer, text: String) -> Self::Refusal;
}

/// A bound port for clients.
pub(crate) struct Clients<F> {
    acceptor: Acceptor,
    door: Arc<Door<F>>,
}

/// What every newcomer passes.
pub(crate) struct Door<F> {
    factory: F,
    shared: Arc<Shared>,
    tls: Option<Tls>,
    places: Slots,
    refusals: Slots,
    most: usize,
}

impl<F: EngineFactory> Clients<F> {
    /// Lets clients in through `acceptor`.
    pub(crate) fn new(acceptor: Acceptor, tls: Option<Tls>, factory: F, shared: Arc<Shared>) -> Self {
        let most = shared.limits.connections;
        let (places, refusals) = (acceptor.slots().clone(), Slots::new(REFUSALS, None));
        Self { acceptor, door: Arc::new(Door { factory, shared, tls, places, refusals, most }) }
    }

    /// The way in for those who do not come through the port.
    pub(crate) fn door(&self) -> Arc<Door<F>> {
        Arc::clone(&self.door)
    }

    /// How many clients there may be.
    pub(crate) fn places(limits: &Limits) -> Slots {
        Slots::new(limits.connections, limits.connections_per_address)
    }

    /// Lets clients in until the draining begins.
    pub(crate) async fn run(self) {
        let Self { acceptor, door } = self;
        let shutdown = door.shared.shutdown.clone();
        acceptor.run(shutdown, move |stream, peer, slot| door.meet(stream, peer, slot)).await;
    }
}

impl<F: EngineFactory> Door<F> {
    /// Serves a stream that somebody else has accepted, under the limits of all others.
    pub(crate) fn adopt<S>(self: &Arc<Self>, stream: S, address: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if let Some(visit) = self.receive(address, self.places.take(address.ip())) {
            self.shared.shutdown.spawn(Arc::clone(self).plain(stream, visit));
        }
    }

    fn meet(self: &Arc<Self>, stream: TcpStream, address: SocketAddr, slot: Result<Slot, RefusalReason>) {
        let Some(visit) = self.receive(address, slot) else { return };
        let (door, shutdown) = (Arc::clone(self), &self.shared.shutdown);
        // Two tasks and not one with a choice: a plain connection must not have the size of one under TLS.
        match &self.tls {
            None => shutdown.spawn(door.plain(stream, visit)),
            Some(tls) => shutdown.spawn(door.encrypted(stream, visit, tls.clone())),
        }
    }

    /// Whoever finds no place is served long enough to be told so, as long as there is room for that.
    fn receive(&self, address: SocketAddr, slot: Result<Slot, RefusalReason>) -> Option<Visit> {
        match slot {
            Ok(slot) => Some(Visit { address, slot, refused: None }),
            Err(reason) => {
                self.shared.metrics.connections_refused.of(reason).inc();
                let slot = self.refusals.take(address.ip()).ok()?;
                Some(Visit { address, slot, refused: Some(reason) })
            }
        }
    }

    async fn plain<S>(self: Arc<Self>, stream: S, visit: Visit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let deadline = self.deadline(&visit);
        self.serve(stream, None, visit, deadline).await;
    }

    async fn encrypted(self: Arc<Self>, stream: TcpStream, visit: Visit, tls: Tls) {
        let deadline = self.deadline(&visit);
        match Box::pin(tls.accept(stream, deadline)).await {
            Ok((stream, certificate)) => self.serve(stream, certificate, visit, deadline).await,
            Err(error) => {
                self.shared.metrics.connections_refused.of(RefusalReason::Tls).inc();
                // A port scan must not fill the log, but an operator who asks has to find it.
                match error {
                    HandshakeError::Gone(_) => tracing::debug!(peer = %visit.address, %error, "no TLS"),
                    _ => tracing::info!(peer = %visit.address, %error, "no TLS"),
                }
            }
        }
    }

    fn deadline(&self, visit: &Visit) -> Instant {
        let time = self.shared.limits.handshake_time;
        Instant::now() + if visit.refused.is_some() { time.min(REFUSAL_TIME) } else { time }
    }

    async fn serve<S>(&self, stream: S, certificate: Option<Arc<[u8]>>, visit: Visit, deadline: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Visit { address, refused, slot } = visit;
        let peer = Peer { address: Some(address), certificate };
        let shared = Arc::clone(&self.shared);
        let Some(reason) = refused else {
            let open = Open::new(Arc::clone(&shared), slot);
            return match Connection::new(stream, self.factory.open(peer), shared, deadline).run().await {
                Outcome::Ended(end) => {
                    drop(open);
                    self.record(address, &end);
                }
                Outcome::HandedOver(stream, adopt) => {
                    adopt(HandedOver { stream: Box::new(stream), guard: Box::new(open) });
                }
            };
        };
        let engine = self.factory.refuse(peer, self.excuse(reason));
        // Rare: the task of an ordinary connection should not have room for it.
        Box::pin(Connection::new(stream, engine, shared, deadline).run()).await;
    }

    /// Worded as Geode does, so that whoever searches for it finds something.
    fn excuse(&self, reason: RefusalReason) -> String {
        match reason {
            RefusalReason::MaxPerAddress => "exceeded max-connections of your address".to_owned(),
            _ => format!("exceeded max-connections {}", self.most),
        }
    }

    fn record(&self, peer: SocketAddr, end: &End) {
        let refused = &self.shared.metrics.connections_refused;
        match end {
            End::Peer(None) | End::Engine(CloseReason::Requested) | End::Drained => {
                tracing::debug!(%peer, ?end, "connection over");
            }
            End::Peer(Some(kind)) => tracing::debug!(%peer, %kind, "connection lost"),
            End::Engine(reason) => {
                let handshake =
                    matches!(reason, CloseReason::HandshakeRefused(_) | CloseReason::NotAClient(_));
                let label = if handshake { RefusalReason::Handshake } else { RefusalReason::Malformed };
                refused.of(label).inc();
                tracing::info!(%peer, reason = %crate::audit::Clean(&reason.to_string()), "connection ended");
            }
            End::Cut(reason) => {
                refused.of(*reason).inc();
                tracing::info!(%peer, ?reason, "connection cut");
            }
        }
    }
}

/// One peer at the door.
struct Visit {
    address: SocketAddr,
    slot: Slot,
    refused: Option<RefusalReason>,
}

/// Counts a connection while it is open, however it ends.
struct Open {
    shared: Arc<Shared>,
    slot: Option<Slot>,
}

impl Open {
    fn new(shared: Arc<Shared>, slot: Slot) -> Self {
        shared.metrics.connections_accepted.inc();
        shared.metrics.connections_open.inc();
        Self { shared, slot: Some(slot) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Whoever sees that it is over may rely on the place being free.
        self.slot = None;
        self.shared.metrics.connections_open.dec();
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use druse_protocol::time::{Micros, SystemClock};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::memory::MemoryBudget;
    use crate::seam::{Next, Step};
    use crate::shutdown::Shutdown;

    /// Answers every byte with itself, or with a refusal.
    struct Parrot {
        refusal: Option<String>,
    }

    impl ConnectionEngine for Parrot {
        type Completion = ();

        fn receive(&mut self, input: &[u8], _: Micros, out: &mut BytesMut) -> Step<()> {
            let next = match &self.refusal {
                None => Next::Input,
                Some(text) => Next::Close(CloseReason::HandshakeRefused(text.clone())),
            };
            out.extend_from_slice(self.refusal.as_deref().map_or(input, str::as_bytes));
            Step { consumed: input.len(), next }
        }

        fn resume(&mut self, _: Micros, _: &mut BytesMut) -> Step<()> {
            Step { consumed: 0, next: Next::Input }
        }

        fn complete(&mut self, (): (), _: Micros, _: &mut BytesMut) -> Step<()> {
            Step { consumed: 0, next: Next::Input }
        }

        fn close(&mut self, _: Micros) {}
    }

    struct Parrots;

    impl EngineFactory for Parrots {
        type Engine = Parrot;
        type Refusal = Parrot;

        fn open(&self, _: Peer) -> Parrot {
            Parrot { refusal: None }
        }

        fn refuse(&self, _: Peer, text: String) -> Parrot {
            Parrot { refusal: Some(text) }
        }
    }

    fn start(limits: Limits) -> (SocketAddr, Arc<Shared>) {
        let metrics = Arc::default();
        let shared = Arc::new(Shared {
            clock: Arc::new(SystemClock),
            frames: limits.frames(),
            memory: MemoryBudget::new(limits.in_flight_bytes, Arc::clone(&metrics)),
            metrics,
            shutdown: Shutdown::default(),
            limits,
        });
        let slots = Clients::<Parrots>::places(&shared.limits);
        let acceptor = Acceptor::bind(([127, 0, 0, 1], 0).into(), slots).expect("bind");
        let local = acceptor.local();
        shared.shutdown.spawn(Clients::new(acceptor, None, Parrots, Arc::clone(&shared)).run());
        (local, shared)
    }

    #[tokio::test]
    async fn whoever_finds_no_place_is_told_so() {
        let (local, shared) = start(Limits { connections: 1, ..Limits::default() });
        let mut first = TcpStream::connect(local).await.expect("connect");
        first.write_all(b"hello").await.expect("written");
        let mut answer = [0; 5];
        first.read_exact(&mut answer).await.expect("served");

        let mut second = TcpStream::connect(local).await.expect("connect");
        second.write_all(b"hello").await.expect("written");
        let mut refusal = String::new();
        second.read_to_string(&mut refusal).await.expect("told");
        assert_eq!(refusal, "exceeded max-connections 1");
        assert_eq!(shared.metrics.connections_refused.of(RefusalReason::MaxConnections).get(), 1);
        assert_eq!(shared.metrics.connections_open.get(), 1);

        shared.shutdown.finish(Duration::from_secs(5)).await;
        assert_eq!(shared.metrics.connections_open.get(), 0);
    }

    #[tokio::test]
    async fn a_place_is_free_again_after_its_peer_has_gone() {
        let (local, shared) = start(Limits { connections_per_address: Some(1), ..Limits::default() });
        for _ in 0..3 {
            let mut peer = TcpStream::connect(local).await.expect("connect");
            peer.write_all(b"x").await.expect("written");
            assert_eq!(peer.read_u8().await.expect("served"), b'x');
            peer.shutdown().await.expect("half-closed");
            assert_eq!(peer.read(&mut [0]).await.expect("the end"), 0);
            // The place is free just after the socket is closed.
            while shared.metrics.connections_open.get() > 0 {
                tokio::task::yield_now().await;
            }
        }
        shared.shutdown.finish(Duration::from_secs(5)).await;
    }
}
