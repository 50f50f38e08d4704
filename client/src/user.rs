//! One user of a client: a gate, and a login on each server.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use druse_protocol::auth::Credentials;
use druse_protocol::time::Micros;
use tokio_util::sync::CancellationToken;

use crate::auth::{Gate, Generation, Issued, LoginCell, LoginTicket};
use crate::client::Core;
use crate::connection::Connection;
use crate::endpoint::{Checkout, Endpoint, ServerLocation};
use crate::error::{ConnectError, LoginError};
use crate::feed;
use crate::runtime::Runtime;
use crate::wire;

/// A user's credentials and logins.
pub(crate) struct User {
    name: String,
    pub(crate) gate: Option<Arc<Gate>>,
    cells: DashMap<ServerLocation, ServerLogin>,
    /// When the last login on each server succeeded.
    logged_in: DashMap<ServerLocation, Micros>,
    runtime: Arc<dyn Runtime>,
    closing: CancellationToken,
}

/// The login on one server, and the life of the server's memory that it belongs to.
struct ServerLogin {
    epoch: u64,
    cell: Arc<LoginCell<LoginError>>,
}

impl User {
    pub(crate) fn new(
        name: impl Into<String>,
        gate: Option<Gate>,
        runtime: Arc<dyn Runtime>,
        closing: CancellationToken,
    ) -> Self {
        let (name, gate) = (name.into(), gate.map(Arc::new));
        Self { name, gate, cells: DashMap::new(), logged_in: DashMap::new(), runtime, closing }
    }

    /// The user for people.
    pub(crate) fn shown(&self) -> String {
        if self.name.is_empty() { "the client".to_owned() } else { format!("user {:?}", self.name) }
    }

    /// The user's name; empty for the one of a client with one.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The login on one server, if there is one.
    pub(crate) fn ticket_on(&self, server: &ServerLocation) -> Option<LoginTicket> {
        self.cells.get(server)?.cell.ticket()
    }

    /// Whether a login on a server has succeeded within this time.
    pub(crate) fn has_just_logged_in(&self, server: &ServerLocation, within: Duration) -> bool {
        let now = self.runtime.now();
        self.logged_in.get(server).is_some_and(|at| now.saturating_since(*at) < within)
    }

    /// Whether the login on a server is not known to be good for longer.
    pub(crate) fn may_have_expired(&self, server: &ServerLocation) -> bool {
        let held = self.gate.as_ref().and_then(|gate| gate.held());
        let shown = self.ticket_on(server).map(|ticket| ticket.generation);
        held.is_none_or(|held| {
            Some(held.generation) != shown || held.expires_at.is_none_or(|at| at <= self.runtime.now())
        })
    }

    /// The newest credential.
    pub(crate) fn generation(&self) -> Generation {
        let held = self.gate.as_ref().and_then(|gate| gate.held());
        held.map_or(Generation::NONE, |issued| issued.generation)
    }

    /// A login has turned out not to be known any more.
    pub(crate) fn forget(&self, endpoint: &Endpoint, ticket: LoginTicket) {
        if let Some(login) = self.cells.get(endpoint.server()) {
            login.cell.forget(Some(ticket));
        }
    }

    /// The logins that exist, for saying goodbye to them.
    pub(crate) fn tickets(&self) -> Vec<(ServerLocation, LoginTicket)> {
        let ticket = |entry: dashmap::mapref::multiple::RefMulti<'_, ServerLocation, ServerLogin>| {
            Some((entry.key().clone(), entry.value().cell.ticket()?))
        };
        self.cells.iter().filter_map(ticket).collect()
    }

    /// Ends whatever waits for a credential of this user.
    pub(crate) fn close(&self) {
        if let Some(gate) = &self.gate {
            gate.close();
        }
    }

    fn login_on(&self, endpoint: &Endpoint) -> Arc<LoginCell<LoginError>> {
        let epoch = endpoint.epoch();
        let mut entry = self.cells.entry(endpoint.server().clone()).or_insert_with(|| self.new_login(epoch));
        // All connections have been lost since: the server has forgotten the id, or is another one by now. The cell
        // stays, so that its tickets are numbered on and nobody takes a new one for the one that was refused.
        if entry.epoch != epoch {
            entry.epoch = epoch;
            entry.cell.forget(None);
        }
        Arc::clone(&entry.cell)
    }

    fn new_login(&self, epoch: u64) -> ServerLogin {
        let cell = LoginCell::new(Arc::clone(&self.runtime), self.closing.child_token());
        ServerLogin { epoch, cell: Arc::new(cell) }
    }
}

impl Core {
    /// A login of `user` on a server with this credential or a newer one; `None` if the server asks for none.
    pub(crate) async fn login(
        &self,
        user: &Arc<User>,
        endpoint: &Arc<Endpoint>,
        issued: &Arc<Issued>,
        refused: Option<LoginTicket>,
    ) -> Result<Option<LoginTicket>, LoginError> {
        let login = user.login_on(endpoint);
        let exchange = {
            let (user, endpoint) = (Arc::clone(user), Arc::clone(endpoint));
            let credentials = self.shown_by(issued);
            let (runtime, config) = (Arc::clone(&self.runtime), &self.config);
            let (patience, limit) = (config.operation_timeout, config.read_timeout);
            move |id: Option<i64>| async move {
                // Waiting for a connection is not waiting for an answer: among many users a login may have its turn late,
                // and must not be given up half-way for it. Nobody who began it waits longer than an operation may take.
                let checkout = within(&*runtime, patience, endpoint.checkout(true), || {
                    ConnectError::Timeout { server: endpoint.server().to_string(), limit: patience }
                });
                let checkout = checkout.await.map_err(LoginError::Connect)?;
                let shown = user.shown();
                let outcome =
                    within(&*runtime, limit, exchange(&shown, &endpoint, checkout, &credentials, id), || {
                        let server = endpoint.server().to_string();
                        LoginError::Timeout { user: shown.clone(), server, limit }
                    });
                let id = outcome.await?;
                user.logged_in.insert(endpoint.server().clone(), runtime.now());
                Ok(id)
            }
        };
        let ticket = login.ensure(issued.generation, refused, LoginError::Closed, exchange).await?;
        Ok((ticket.unique_id != wire::NO_SECURITY).then_some(ticket))
    }

    /// What a login shows. The feed of a client with several users shows nobody's credentials, so that a node can only
    /// learn from logins that the client understands notices.
    fn shown_by(&self, issued: &Issued) -> Credentials {
        if self.feeds.is_multi_user() { feed::announced(issued) } else { issued.credentials.clone() }
    }

    /// The client's own user, unless it has several.
    pub(crate) fn single_user(&self) -> Option<Arc<User>> {
        (!self.feeds.is_multi_user()).then(|| Arc::clone(&self.owner))
    }
}

/// What `future` comes to, or an error if it takes longer than `limit`.
async fn within<T, E>(
    runtime: &dyn Runtime,
    limit: Duration,
    future: impl Future<Output = Result<T, E>>,
    too_late: impl FnOnce() -> E,
) -> Result<T, E> {
    tokio::select! {
        biased;
        outcome = future => outcome,
        () = runtime.sleep_until(runtime.now() + limit) => Err(too_late()),
    }
}

/// Closes a connection whose login was given up while its answer was awaited.
struct Abandoned<'a>(Option<&'a Connection>);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.0 {
            connection.close();
        }
    }
}

/// Sends message 77 over a connection that carries nothing else meanwhile.
async fn exchange(
    user: &str,
    endpoint: &Endpoint,
    checkout: Checkout,
    credentials: &Credentials,
    id: Option<i64>,
) -> Result<i64, LoginError> {
    let server = || endpoint.server().to_string();
    // Whatever comes of this login, an answer that is still on its way would be taken for that of the next request.
    let mut abandoned = Abandoned(Some(checkout.connection()));
    let reply = checkout.connection().call(wire::login(credentials, id)).await;
    abandoned.0 = None;
    let reply =
        reply.map_err(|source| LoginError::Connection { user: user.to_owned(), server: server(), source })?;
    let malformed = |source| LoginError::Malformed { user: user.to_owned(), server: server(), source };
    match wire::exception(&reply).map_err(malformed)? {
        Some(exception) => {
            Err(LoginError::Refused { user: user.to_owned(), server: server(), source: Arc::new(exception) })
        }
        None => wire::login_reply(&reply).map_err(malformed),
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}
