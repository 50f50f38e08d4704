//! One server that holds the client's events: the connection to talk about them, and what the feed's login is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use super::registry::Entry;
use super::renewal::Renewals;
use crate::auth::Generation;
use crate::connection::{Connection, Reply, Request};
use crate::endpoint::{Checkout, Endpoint, ServerLocation};
use crate::error::{ConnectionError, Error};
use crate::runtime::Runtime;
use crate::sync::Mutex;
use crate::user::User;

/// A server that holds the client's events, as long as both its connections live.
pub(crate) struct Link {
    pub(crate) endpoint: Arc<Endpoint>,
    queue: Checkout,
    is_druse: bool,
    /// The credential that the feed's own login was made with; `NONE` where the feed belongs to no user.
    shown: AtomicU64,
    /// The streams that are registered here.
    known: Mutex<Vec<Arc<Entry>>>,
    pub(crate) renewals: Renewals,
    /// Ends the link: cancelled by whoever finds out first that it is of no more use.
    pub(crate) closing: CancellationToken,
}

impl Link {
    /// A link whose feed is still to be opened.
    pub(crate) fn new(endpoint: Arc<Endpoint>, queue: Checkout, closing: CancellationToken) -> Self {
        let is_druse = queue.connection().is_pipelined();
        let (shown, renewals) = (AtomicU64::new(Generation::NONE.0), Renewals::default());
        Self { endpoint, queue, is_druse, shown, known: Mutex::default(), renewals, closing }
    }

    pub(crate) fn server(&self) -> &ServerLocation {
        self.endpoint.server()
    }

    /// The connection for requests that concern the feed.
    pub(crate) fn queue(&self) -> &Connection {
        self.queue.connection()
    }

    /// Whether a Druse node is at the other end. There a login made anywhere counts for the feed, too.
    pub(crate) const fn is_druse(&self) -> bool {
        self.is_druse
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closing.is_cancelled() || self.queue().is_closed()
    }

    pub(crate) fn close(&self) {
        self.closing.cancel();
        self.queue().close();
    }

    /// Whether the feed has a login apart from those of operations, as a client with one user has on a Geode server.
    /// Elsewhere the last login of any kind counts.
    pub(crate) fn has_its_own_login(&self) -> bool {
        !self.is_druse && self.own_login() != Generation::NONE
    }

    /// The newest credential of `user` that the feed is known to have been given.
    pub(crate) fn last_shown(&self, user: &User) -> Generation {
        if self.has_its_own_login() {
            return self.own_login();
        }
        let ticket = user.ticket_on(self.server()).map_or(Generation::NONE, |ticket| ticket.generation);
        self.own_login().max(ticket)
    }

    fn own_login(&self) -> Generation {
        Generation(self.shown.load(Ordering::SeqCst))
    }

    /// The feed was opened with this credential.
    pub(crate) fn log_in(&self, generation: Generation) {
        self.shown.store(generation.0, Ordering::SeqCst);
    }

    /// The login was renewed with this credential, which counts for the feed if it has a login of its own.
    pub(crate) fn renewed(&self, generation: Generation) {
        if self.shown.load(Ordering::SeqCst) != Generation::NONE.0 {
            self.shown.fetch_max(generation.0, Ordering::SeqCst);
        }
    }

    /// Whether a stream is registered here.
    pub(crate) fn knows(&self, entry: &Arc<Entry>) -> bool {
        self.known.lock().iter().any(|other| Arc::ptr_eq(other, entry))
    }

    /// A stream was registered here.
    pub(crate) fn learn(&self, entry: &Arc<Entry>) {
        let mut known = self.known.lock();
        if !known.iter().any(|other| Arc::ptr_eq(other, entry)) {
            known.push(Arc::clone(entry));
        }
    }

    /// A stream is no longer registered here.
    pub(crate) fn forget(&self, entry: &Arc<Entry>) {
        self.known.lock().retain(|other| !Arc::ptr_eq(other, entry));
    }

    /// One request that needs no login. A server that does not answer has forgotten the client: the link is over.
    pub(crate) async fn call(
        &self,
        request: Request,
        runtime: &dyn Runtime,
        limit: std::time::Duration,
    ) -> Result<Reply, Error> {
        let outcome = tokio::select! {
            biased;
            reply = self.queue().call(request) => reply.map_err(Error::Connection),
            () = runtime.sleep_until(runtime.now() + limit) => {
                Err(Error::Timeout { server: self.server().to_string(), limit })
            }
        };
        if let Err(Error::Timeout { .. } | Error::Connection(ConnectionError::Eof | ConnectionError::Io(_))) =
            &outcome
        {
            self.close();
        }
        outcome
    }
}

impl Drop for Link {
    /// A queue connection without its feed is of no use.
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("server", self.server()).finish_non_exhaustive()
    }
}
