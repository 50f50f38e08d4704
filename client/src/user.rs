//! One user of a client: a gate, and a login on each server.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio_util::sync::CancellationToken;

use crate::auth::{Gate, Generation, Issued, LoginCell, LoginTicket};
use crate::client::Core;
use crate::connection::Connection;
use crate::endpoint::{Checkout, Endpoint, ServerLocation};
use crate::error::{ConnectError, LoginError};
use crate::runtime::Runtime;
use crate::wire;

/// A user's credentials and logins.
pub(crate) struct User {
    name: String,
    pub(crate) gate: Option<Arc<Gate>>,
    cells: DashMap<ServerLocation, ServerLogin>,
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
        Self { name: name.into(), gate: gate.map(Arc::new), cells: DashMap::new(), runtime, closing }
    }

    /// The user for people.
    pub(crate) fn shown(&self) -> String {
        if self.name.is_empty() { "the client".to_owned() } else { format!("user {:?}", self.name) }
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
            let (user, endpoint, issued) = (user.shown(), Arc::clone(endpoint), Arc::clone(issued));
            let (runtime, config) = (Arc::clone(&self.runtime), &self.config);
            let (patience, limit) = (config.operation_timeout, config.read_timeout);
            move |id: Option<i64>| async move {
                // Waiting for a connection is not waiting for an answer: among many users a login may have its turn late,
                // and must not be given up half-way for it. Nobody who began it waits longer than an operation may take.
                let checkout = within(&*runtime, patience, endpoint.checkout(true), || {
                    ConnectError::Timeout { server: endpoint.server().to_string(), limit: patience }
                });
                let checkout = checkout.await.map_err(LoginError::Connect)?;
                within(&*runtime, limit, exchange(&user, &endpoint, checkout, &issued, id), || {
                    let server = endpoint.server().to_string();
                    LoginError::Timeout { user: user.clone(), server, limit }
                })
                .await
            }
        };
        let ticket = login.ensure(issued.generation, refused, LoginError::Closed, exchange).await?;
        Ok((ticket.unique_id != wire::NO_SECURITY).then_some(ticket))
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
    issued: &Issued,
    id: Option<i64>,
) -> Result<i64, LoginError> {
    let server = || endpoint.server().to_string();
    // Whatever comes of this login, an answer that is still on its way would be taken for that of the next request.
    let mut abandoned = Abandoned(Some(checkout.connection()));
    let reply = checkout.connection().call(wire::login(&issued.credentials, id)).await;
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
