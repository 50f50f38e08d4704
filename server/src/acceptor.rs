//! Listening sockets: binding, accepting, and the bounds on how many peers there may be.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::metrics::RefusalReason;
use crate::shutdown::Shutdown;

/// Connections the system may hold that have not been accepted yet: a herd of clients that comes back at once. The
/// system caps it at its own limit.
const BACKLOG: i32 = 1024;

/// How long accepting pauses when the process or the system has run out of files: trying again at once would turn
/// the shortage into a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A peer that has gone without saying so is found after about two minutes, without the help of anything it sends.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// A bound socket and its bounds.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    local: SocketAddr,
    slots: Slots,
}

impl Acceptor {
    /// Binds and listens.
    ///
    /// # Errors
    /// Whatever the system says: the port is taken, or not allowed.
    pub(crate) fn bind(address: SocketAddr, slots: Slots) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A node that restarts must not wait for the ghosts of its old connections.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let local = listener.local_addr()?;
        Ok(Self { listener, local, slots })
    }

    /// Where it listens, with the port that the system picked if none was given.
    pub(crate) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// The places for peers.
    pub(crate) const fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Accepts until the draining begins. `serve` gets each peer with its slot, or with the reason why there is none.
    pub(crate) async fn run(
        self,
        shutdown: Shutdown,
        mut serve: impl FnMut(TcpStream, SocketAddr, Result<Slot, RefusalReason>),
    ) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.draining() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    prepare(&stream);
                    serve(stream, peer, self.slots.take(peer.ip()));
                }
                Err(error) if concerns_one_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, port = self.local.port(), "cannot accept connections; trying on");
                    tokio::select! {
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                        () = shutdown.draining() => return,
                    }
                }
            }
        }
    }
}

/// Socket buffers stay as the system tunes them: setting a size would switch that off, and an empty one costs nothing.
fn prepare(stream: &TcpStream) {
    // A reply is written in one go; waiting for more of it would only delay it. Failure means that the peer has gone.
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

fn concerns_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// How many peers there may be, in all and from one address.
#[derive(Debug, Clone)]
pub(crate) struct Slots(Arc<SlotTable>);

#[derive(Debug)]
struct SlotTable {
    most: usize,
    most_per_address: Option<usize>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Filled only where addresses are limited; an entry goes with its last peer.
    by_address: HashMap<IpAddr, usize>,
}

impl Slots {
    /// `most` peers, `most_per_address` of them from one address.
    pub(crate) fn new(most: usize, most_per_address: Option<usize>) -> Self {
        Self(Arc::new(SlotTable { most, most_per_address, taken: Mutex::default() }))
    }

    /// A place for a peer from `address`, or why there is none.
    pub(crate) fn take(&self, address: IpAddr) -> Result<Slot, RefusalReason> {
        // An IPv4 peer on an IPv6 socket is the same peer.
        let address = address.to_canonical();
        let mut taken = self.0.taken.lock();
        if taken.all >= self.0.most {
            return Err(RefusalReason::MaxConnections);
        }
        if let Some(most) = self.0.most_per_address {
            let here = taken.by_address.entry(address).or_default();
            if *here >= most {
                if *here == 0 {
                    taken.by_address.remove(&address);
                }
                return Err(RefusalReason::MaxPerAddress);
            }
            *here += 1;
        }
        taken.all += 1;
        Ok(Slot { table: Arc::clone(&self.0), address })
    }
}

/// One peer's place, free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    table: Arc<SlotTable>,
    address: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.table.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn places_are_limited_in_all_and_by_address_and_come_back() {
        let slots = Slots::new(3, Some(2));
        let first = slots.take(address(1)).expect("first");
        let _second = slots.take("::ffff:10.0.0.1".parse().expect("address")).expect("second");
        assert_eq!(slots.take(address(1)).expect_err("third of one"), RefusalReason::MaxPerAddress);
        let third = slots.take(address(2)).expect("third");
        assert_eq!(slots.take(address(3)).expect_err("fourth"), RefusalReason::MaxConnections);
        drop(first);
        let _again = slots.take(address(1)).expect("free again");
        drop(third);
        assert!(
            !slots.0.taken.lock().by_address.contains_key(&address(2)),
            "an entry goes with its last peer"
        );
    }

    #[tokio::test]
    async fn it_reports_the_port_that_it_got_and_ends_when_told() {
        let acceptor = Acceptor::bind(([127, 0, 0, 1], 0).into(), Slots::new(1, None)).expect("bind");
        let local = acceptor.local();
        assert_ne!(local.port(), 0);
        let (seen, mut peers) = tokio::sync::mpsc::unbounded_channel();
        let shutdown = Shutdown::default();
        let serving = shutdown.clone();
        shutdown.spawn(acceptor.run(serving, move |stream, peer, slot| {
            let _ = seen.send((stream, peer, slot));
        }));
        let client = TcpStream::connect(local).await.expect("connect");
        let (_stream, peer, slot) = peers.recv().await.expect("a peer");
        assert_eq!(peer, client.local_addr().expect("local address"));
        assert!(slot.is_ok());
        let _second = TcpStream::connect(local).await.expect("connect");
        let refused = peers.recv().await.expect("another peer").2;
        assert_eq!(refused.expect_err("no place"), RefusalReason::MaxConnections);
        shutdown.finish(Duration::from_secs(5)).await;
        assert!(TcpStream::connect(local).await.is_err(), "nobody listens any more");
    }
}
