//! The connections to one server.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use druse_protocol::auth::BoxFuture;
use druse_protocol::codec::FrameLimits;
use druse_protocol::time::Micros;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::Connection;
use crate::error::ConnectError;
use crate::runtime::Runtime;
use crate::sync::Mutex;
use crate::transport::Stream;

/// Requests under way on a pipelined connection before another connection is opened.
const COMFORTABLE_DEPTH: usize = 32;

/// Where a server or locator listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerLocation {
    /// Host name or address, as given: certificates and locators speak of this very text.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl ServerLocation {
    /// A location.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for ServerLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A text that is no `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address: write host:port, such as localhost:40404 or [::1]:40404")]
pub struct LocationError {
    text: String,
}

impl FromStr for ServerLocation {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let error = || LocationError { text: text.to_owned() };
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let port = port.parse().ok().filter(|&port| port != 0).ok_or_else(error)?;
        let host = match host.strip_prefix('[') {
            Some(bracketed) => {
                bracketed.strip_suffix(']').filter(|host| host.contains(':')).ok_or_else(error)?
            }
            None => host,
        };
        // Only what can stand in a name or address: nothing that another parser could take for a user, path or query.
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '%');
        let bracketed = text.starts_with('[');
        if host.is_empty() || !host.chars().all(|c| plain(c) || (bracketed && c == ':')) {
            return Err(error());
        }
        Ok(Self::new(host, port))
    }
}

/// A stream behind its handshake.
pub(crate) struct Opened {
    pub(crate) stream: Box<dyn Stream>,
    /// Whether the server has said that requests may be pipelined.
    pub(crate) pipelined: bool,
}

/// Opens streams; the real one does TCP, TLS and the handshake.
pub(crate) trait Connector: Send + Sync + 'static {
    fn connect<'a>(&'a self, server: &'a ServerLocation) -> BoxFuture<'a, Result<Opened, ConnectError>>;
}

/// How many connections, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// The most connections to one server. 8. A login that finds all of them busy opens one more for itself, which is
    /// closed behind it.
    pub max_connections: usize,
    /// How long an unused connection is kept. 30 s: half of what a server by default waits for a sign of life.
    pub idle_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { max_connections: 8, idle_timeout: Duration::from_secs(30) }
    }
}

/// The connections to one server, and whose turn it is on them.
pub(crate) struct Endpoint {
    server: ServerLocation,
    connector: Arc<dyn Connector>,
    config: PoolConfig,
    limits: FrameLimits,
    runtime: Arc<dyn Runtime>,
    inner: Arc<Mutex<Inner>>,
    released: Arc<Notify>,
    /// Counts the times when the last connection went: a server forgets a client's logins then.
    epoch: Arc<AtomicU64>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Inner {
    slots: Vec<Slot>,
    opening: usize,
    /// Logins for which there was no connection of their own.
    waiting_logins: usize,
}

struct Slot {
    connection: Arc<Connection>,
    users: usize,
    exclusive: bool,
    /// Opened by somebody for a purpose of their own.
    adopted: bool,
    idle_since: Micros,
}

impl Slot {
    fn is_usable(&self, exclusive: bool) -> bool {
        let shareable = self.connection.is_pipelined() && !exclusive && !self.exclusive;
        !self.adopted && (self.users == 0 || shareable)
    }
}

impl Endpoint {
    pub(crate) fn new(
        server: ServerLocation,
        connector: Arc<dyn Connector>,
        config: PoolConfig,
        limits: FrameLimits,
        runtime: Arc<dyn Runtime>,
        closing: CancellationToken,
    ) -> Self {
        Self {
            server,
            connector,
            config,
            limits,
            runtime,
            inner: Arc::default(),
            released: Arc::default(),
            epoch: Arc::default(),
            closing,
            tasks: TaskTracker::new(),
        }
    }

    pub(crate) fn server(&self) -> &ServerLocation {
        &self.server
    }

    /// Changes whenever the last connection has gone, and with it the server's memory of our logins.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.inner.lock().slots.iter().filter(|slot| !slot.connection.is_closed()).count()
    }

    /// A connection to send one request on. `exclusive` gives one that carries nothing else meanwhile, one over the
    /// limit if it must be: a login may not wait behind the operations that wait for it.
    pub(crate) async fn checkout(&self, exclusive: bool) -> Result<Checkout, ConnectError> {
        loop {
            // Registered before looking, so that a release in between is not missed.
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            match self.reserve(exclusive) {
                Reservation::Ready(checkout) => return Ok(checkout),
                Reservation::Open(opening) => return self.open(opening, exclusive).await,
                Reservation::Full => {
                    let _waiting = exclusive.then(|| WaitingLogin::new(&self.inner));
                    released.await;
                }
            }
        }
    }

    fn reserve(&self, exclusive: bool) -> Reservation {
        let mut inner = self.inner.lock();
        inner.slots.retain(|slot| !slot.connection.is_closed());
        let open = inner.slots.iter().filter(|slot| !slot.adopted).count() + inner.opening;
        let best =
            inner.slots.iter_mut().filter(|slot| slot.is_usable(exclusive)).min_by_key(|slot| slot.users);
        if let Some(slot) = best
            && (slot.users < COMFORTABLE_DEPTH || open >= self.config.max_connections)
        {
            slot.users += 1;
            slot.exclusive = exclusive;
            return Reservation::Ready(self.checked_out(&slot.connection));
        }
        let limit = self.config.max_connections + usize::from(exclusive);
        if open < limit {
            inner.opening += 1;
            return Reservation::Open(Opening(Arc::clone(&self.inner), Arc::clone(&self.released)));
        }
        Reservation::Full
    }

    async fn open(&self, opening: Opening, exclusive: bool) -> Result<Checkout, ConnectError> {
        let opened = tokio::select! {
            biased;
            () = self.closing.cancelled() => return Err(ConnectError::Closed),
            opened = self.connector.connect(&self.server) => opened?,
        };
        let connection = self.start(opened, exclusive, false, || ());
        drop(opening);
        Ok(self.checked_out(&connection))
    }

    /// Takes over a connection that somebody has opened for a purpose of their own. It counts as one of this server's
    /// (the server keeps our logins as long as it is there) and not against the limit; nobody else gets it.
    pub(crate) fn adopt(&self, opened: Opened, on_close: impl FnOnce() + Send + 'static) -> Checkout {
        let connection = self.start(opened, true, true, on_close);
        self.checked_out(&connection)
    }

    fn start(
        &self,
        opened: Opened,
        exclusive: bool,
        adopted: bool,
        on_close: impl FnOnce() + Send + 'static,
    ) -> Arc<Connection> {
        let (inner, epoch, released) =
            (Arc::clone(&self.inner), Arc::clone(&self.epoch), Arc::clone(&self.released));
        let forget = move || {
            let mut inner = inner.lock();
            inner.slots.retain(|slot| !slot.connection.is_closed());
            if inner.slots.is_empty() {
                epoch.fetch_add(1, Ordering::AcqRel);
            }
            drop(inner);
            released.notify_waiters();
            on_close();
        };
        let (connection, task) =
            Connection::start(opened.stream, opened.pipelined, self.limits, &self.closing, forget);
        self.tasks.spawn(task);
        let idle_since = self.runtime.now();
        let slot = Slot { connection: Arc::clone(&connection), users: 1, exclusive, adopted, idle_since };
        self.inner.lock().slots.push(slot);
        connection
    }

    fn checked_out(&self, connection: &Arc<Connection>) -> Checkout {
        Checkout {
            connection: Arc::clone(connection),
            inner: Arc::clone(&self.inner),
            released: Arc::clone(&self.released),
            runtime: Arc::clone(&self.runtime),
            max_connections: self.config.max_connections,
        }
    }

    /// Closes connections that nobody has used for a while, and finds one that could do with a sign of life.
    pub(crate) fn tidy(&self) -> Option<Checkout> {
        let now = self.runtime.now();
        let inner = self.inner.lock();
        for slot in &inner.slots {
            if slot.users == 0
                && !slot.adopted
                && now.saturating_since(slot.idle_since) >= self.config.idle_timeout
            {
                slot.connection.close();
            }
        }
        drop(inner);
        self.take_idle()
    }

    /// A connection that nobody uses, if there is one.
    pub(crate) fn take_idle(&self) -> Option<Checkout> {
        let mut inner = self.inner.lock();
        inner.slots.retain(|slot| !slot.connection.is_closed());
        let idle = inner.slots.iter_mut().find(|slot| slot.users == 0 && !slot.adopted)?;
        idle.users = 1;
        Some(self.checked_out(&idle.connection))
    }

    /// Ends when all connections have ended.
    pub(crate) async fn closed(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

enum Reservation {
    Ready(Checkout),
    Open(Opening),
    Full,
}

/// Counts a connection that is being opened, also if the opener gives up.
struct Opening(Arc<Mutex<Inner>>, Arc<Notify>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.lock().opening -= 1;
        self.1.notify_waiters();
    }
}

/// Counts a login that waits for a connection, until it has one or gives up.
struct WaitingLogin<'a>(&'a Mutex<Inner>);

impl<'a> WaitingLogin<'a> {
    fn new(inner: &'a Mutex<Inner>) -> Self {
        inner.lock().waiting_logins += 1;
        Self(inner)
    }
}

impl Drop for WaitingLogin<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting_logins -= 1;
    }
}

/// One caller's hold on a connection.
pub(crate) struct Checkout {
    connection: Arc<Connection>,
    inner: Arc<Mutex<Inner>>,
    released: Arc<Notify>,
    runtime: Arc<dyn Runtime>,
    max_connections: usize,
}

impl Checkout {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let mut inner = self.inner.lock();
        let open = inner.slots.iter().filter(|slot| !slot.adopted && !slot.connection.is_closed()).count();
        let waiting_logins = inner.waiting_logins;
        if let Some(slot) =
            inner.slots.iter_mut().find(|slot| Arc::ptr_eq(&slot.connection, &self.connection))
        {
            slot.users -= 1;
            slot.exclusive = false;
            slot.idle_since = self.runtime.now();
            // What a login has opened over the limit goes again, unless the next login waits for it.
            if slot.users == 0 && open > self.max_connections && waiting_logins == 0 {
                slot.connection.close();
            }
        }
        drop(inner);
        self.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::io::DuplexStream;

    use super::*;
    use crate::runtime::{TokioClock, TokioRuntime};

    struct InMemory {
        pipelined: bool,
        opened: AtomicUsize,
        servers: Mutex<Vec<DuplexStream>>,
    }

    impl Connector for InMemory {
        fn connect<'a>(&'a self, _: &'a ServerLocation) -> BoxFuture<'a, Result<Opened, ConnectError>> {
            Box::pin(async {
                tokio::task::yield_now().await;
                self.opened.fetch_add(1, Ordering::SeqCst);
                let (ours, theirs) = tokio::io::duplex(1024);
                self.servers.lock().push(theirs);
                Ok(Opened { stream: Box::new(ours), pipelined: self.pipelined })
            })
        }
    }

    fn endpoint(pipelined: bool) -> (Arc<Endpoint>, Arc<InMemory>) {
        let connector =
            Arc::new(InMemory { pipelined, opened: AtomicUsize::new(0), servers: Mutex::default() });
        let clock = TokioClock::starting_at(Micros::from_secs(1_000));
        let endpoint = Endpoint::new(
            ServerLocation::new("server", 40404),
            Arc::clone(&connector) as _,
            PoolConfig { max_connections: 2, ..PoolConfig::default() },
            FrameLimits::default(),
            TokioRuntime::new(Arc::new(clock)),
            CancellationToken::new(),
        );
        (Arc::new(endpoint), connector)
    }

    #[tokio::test(start_paused = true)]
    async fn a_plain_connection_has_one_user_and_the_rest_wait() {
        let (endpoint, connector) = endpoint(false);
        let first = endpoint.checkout(false).await.unwrap();
        let _second = endpoint.checkout(false).await.unwrap();
        let third = tokio::time::timeout(Duration::from_secs(1), endpoint.checkout(false)).await;
        assert!(third.is_err(), "the pool is full");
        drop(first);
        endpoint.checkout(false).await.unwrap();
        assert_eq!(connector.opened.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_gets_a_connection_of_its_own_beyond_the_limit() {
        let (endpoint, _connector) = endpoint(false);
        let _busy = (endpoint.checkout(false).await.unwrap(), endpoint.checkout(false).await.unwrap());
        let login = endpoint.checkout(true).await.unwrap();
        assert_eq!(endpoint.connections(), 3);
        let another = tokio::time::timeout(Duration::from_secs(1), endpoint.checkout(true)).await;
        assert!(another.is_err(), "one more, not one more for each login");
        drop(login);
        assert_eq!((endpoint.connections(), endpoint.epoch()), (2, 0), "it is closed behind the login");
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_waits_for_the_one_extra_connection_gets_one_in_its_turn() {
        let (endpoint, connector) = endpoint(false);
        let _busy = (endpoint.checkout(false).await.unwrap(), endpoint.checkout(false).await.unwrap());
        let first = endpoint.checkout(true).await.unwrap();
        let second = tokio::spawn({
            let endpoint = Arc::clone(&endpoint);
            async move { endpoint.checkout(true).await.map(drop) }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap().unwrap();
        assert_eq!((endpoint.connections(), connector.opened.load(Ordering::SeqCst)), (2, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipelined_connection_is_shared_but_not_with_a_login() {
        let (endpoint, connector) = endpoint(true);
        let held: Vec<_> = {
            let mut held = Vec::new();
            for _ in 0..COMFORTABLE_DEPTH {
                held.push(endpoint.checkout(false).await.unwrap());
            }
            held
        };
        assert_eq!(connector.opened.load(Ordering::SeqCst), 1);
        let login = endpoint.checkout(true).await.unwrap();
        assert!(!held.iter().any(|other| Arc::ptr_eq(&other.connection, &login.connection)));
        assert_eq!(connector.opened.load(Ordering::SeqCst), 2);
        let next = endpoint.checkout(false).await.unwrap();
        assert!(
            !Arc::ptr_eq(&next.connection, &login.connection),
            "the login's connection carries nothing else"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn losing_the_last_connection_begins_a_new_epoch() {
        let (endpoint, connector) = endpoint(true);
        endpoint.checkout(false).await.unwrap();
        assert_eq!(endpoint.epoch(), 0);
        connector.servers.lock().clear();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!((endpoint.epoch(), endpoint.connections()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn unused_connections_are_closed_and_used_ones_kept() {
        let (endpoint, _connector) = endpoint(false);
        let kept = endpoint.checkout(false).await.unwrap();
        drop(endpoint.checkout(false).await.unwrap());
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert!(endpoint.tidy().is_none());
        assert_eq!(endpoint.connections(), 1);
        drop(kept);
        assert!(endpoint.tidy().is_some(), "an idle connection wants a sign of life");
    }

    #[test]
    fn addresses_are_read_strictly() {
        for (text, host, port) in [
            ("localhost:40404", "localhost", 40404),
            ("[::1]:1", "::1", 1),
            ("10.0.0.1:65535", "10.0.0.1", 65535),
        ] {
            assert_eq!(text.parse(), Ok(ServerLocation::new(host, port)), "{text}");
        }
        for bad in [
            "",
            "host",
            "host:",
            "host:0",
            "host:70000",
            ":1",
            "::1:1",
            "[::1:1",
            "user@host:1",
            "evil/?good:1",
        ] {
            assert!(bad.parse::<ServerLocation>().is_err(), "{bad}");
        }
    }
}
