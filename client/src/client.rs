//! The client: built once, shared by everybody.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use druse_protocol::auth::{AuthInitialize, Credentials};
use druse_protocol::codec::FrameLimits;
use druse_protocol::time::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::auth::providers::StaticCredentials;
use crate::auth::{Gate, GateConfig};
use crate::connection::{Connection, Request};
use crate::connector::{Opener, TlsSettings};
use crate::discovery::Named;
use crate::endpoint::{Connector, Endpoint, PoolConfig, ServerLocation};
use crate::error::Error;
use crate::feed::{ContinuousQueryBuilder, FeedConfig, Feeds};
use crate::handshake::Identity;
use crate::lanes::Lanes;
use crate::listener::OperationListener;
use crate::locator::Locators;
use crate::query::QueryRows;
use crate::region::Region;
use crate::runtime::{Runtime, TokioRuntime};
use crate::servers::{Servers, Source};
use crate::transport::{Tcp, Transport};
use crate::user::User;
use crate::value::ToValue;
use crate::wire;

/// How often unused connections are closed and silent servers pinged: as often as Geode's clients do.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(10);

/// How long a server may take to answer a goodbye.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// Limits and time-outs of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientConfig {
    /// How long TCP, TLS and handshake may take together. 10 s.
    pub connect_timeout: Duration,
    /// How long one attempt waits for its reply. 10 s, as Geode's `read-timeout`.
    pub read_timeout: Duration,
    /// How long an operation may take in all, with waiting for credentials and retries. 30 s.
    pub operation_timeout: Duration,
    /// How often an operation is sent again after its connection was lost, as far as that applies nothing twice. 2.
    /// Renewing a login is not counted: it happens once in any case.
    pub retry_attempts: usize,
    /// The longest reply in bytes. 256 MiB.
    pub max_reply_bytes: usize,
    /// Connections to each server.
    pub pool: PoolConfig,
    /// The credential gate.
    pub gate: GateConfig,
    /// Feeds.
    pub feeds: FeedConfig,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(30),
            retry_attempts: 2,
            max_reply_bytes: 256 << 20,
            pool: PoolConfig::default(),
            gate: GateConfig::default(),
            feeds: FeedConfig::default(),
        }
    }
}

/// Sets a client up.
#[must_use]
pub struct ClientBuilder {
    servers: Vec<ServerLocation>,
    locators: Vec<ServerLocation>,
    server_group: String,
    credentials: Option<Credentials>,
    provider: Option<Arc<dyn AuthInitialize>>,
    multi_user: bool,
    allowed_hosts: Option<Vec<String>>,
    tls: Option<TlsSettings>,
    transport: Arc<dyn Transport>,
    config: ClientConfig,
    clock: Arc<dyn Clock>,
    listener: Option<Arc<dyn OperationListener>>,
}

impl ClientBuilder {
    fn new() -> Self {
        Self {
            servers: Vec::new(),
            locators: Vec::new(),
            server_group: String::new(),
            credentials: None,
            provider: None,
            multi_user: false,
            allowed_hosts: None,
            tls: None,
            transport: Arc::new(Tcp),
            config: ClientConfig::default(),
            clock: Arc::new(SystemClock),
            listener: None,
        }
    }

    /// Adds a server to talk to directly.
    pub fn server(mut self, location: ServerLocation) -> Self {
        self.servers.push(location);
        self
    }

    /// Adds a locator to ask for servers.
    pub fn locator(mut self, location: ServerLocation) -> Self {
        self.locators.push(location);
        self
    }

    /// Asks the locators for servers of one group only.
    pub fn server_group(mut self, group: impl Into<String>) -> Self {
        self.server_group = group.into();
        self
    }

    /// Always shows the same credentials.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Asks a provider for credentials.
    pub fn auth_initialize(mut self, provider: impl AuthInitialize) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// Has no user of its own; every operation goes through a handle from [`Client::user`].
    pub fn multi_user(mut self) -> Self {
        self.multi_user = true;
        self
    }

    /// Connects to these hosts only, by the very text of the address, or `*.` and a suffix. Whatever a locator says,
    /// no credential goes anywhere else.
    pub fn allowed_hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allowed_hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Talks TLS to servers and locators.
    pub fn tls(mut self, settings: TlsSettings) -> Self {
        self.tls = Some(settings);
        self
    }

    /// Reaches servers and locators in another way than by TCP.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Arc::new(transport);
        self
    }

    /// Sets limits and time-outs.
    pub fn config(mut self, config: ClientConfig) -> Self {
        self.config = config;
        self
    }

    /// Takes the time from somewhere else.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Tells somebody of every attempt of every operation.
    pub fn listener(mut self, listener: Arc<dyn OperationListener>) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Builds the client. It connects when the first operation needs it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the settings contradict one another.
    pub fn build(self) -> Result<Client, Error> {
        self.check()?;
        let runtime: Arc<dyn Runtime> = TokioRuntime::new(self.clock);
        let closing = CancellationToken::new();
        let limits = FrameLimits { message_bytes: self.config.max_reply_bytes, ..FrameLimits::default() };
        let secured = self.multi_user || self.credentials.is_some() || self.provider.is_some();
        let (durable, conflation) = (self.config.feeds.durable.as_ref(), self.config.feeds.conflation);
        let identity = Identity::new(secured, self.config.read_timeout, durable, conflation)
            .map_err(Error::Malformed)?;
        let opener = Arc::new(Opener {
            transport: Arc::clone(&self.transport),
            tls: self.tls.clone(),
            allowed_hosts: self.allowed_hosts,
            timeout: self.config.connect_timeout,
            identity,
        });
        let source = if self.locators.is_empty() {
            Source::Fixed(self.servers.into())
        } else {
            let (tls, timeout) = (self.tls.as_ref(), self.config.connect_timeout);
            let locators = Locators::new(self.transport, self.locators, self.server_group, tls, timeout);
            Source::Locators(Named::new(Arc::new(locators), Arc::clone(&runtime), closing.clone()))
        };
        let new_endpoint = {
            let (pool, runtime, closing) = (self.config.pool.clone(), Arc::clone(&runtime), closing.clone());
            let opener = Arc::clone(&opener);
            Box::new(move |server| {
                let (connector, runtime) = (Arc::clone(&opener) as Arc<dyn Connector>, Arc::clone(&runtime));
                Endpoint::new(server, connector, pool.clone(), limits, runtime, closing.clone())
            })
        };
        let provider = match self.credentials {
            Some(credentials) => {
                Some(Arc::new(StaticCredentials::new(credentials)) as Arc<dyn AuthInitialize>)
            }
            None => self.provider,
        };
        let gate =
            provider.map(|provider| Gate::new("", provider, self.config.gate.clone(), Arc::clone(&runtime)));
        let core = Arc::new(Core {
            servers: Servers::new(source, new_endpoint, Arc::clone(&runtime)),
            owner: Arc::new(User::new("", gate, Arc::clone(&runtime), closing.clone())),
            users: DashMap::new(),
            multi_user: self.multi_user,
            lanes: Arc::new(Lanes::default()),
            feeds: Feeds::new(self.config.feeds.clone(), opener, self.multi_user, closing.clone()),
            config: self.config,
            listener: self.listener,
            runtime,
            closing,
            tasks: TaskTracker::new(),
        });
        core.tasks.spawn(maintain(Arc::downgrade(&core), core.closing.clone()));
        Ok(Client { core: Arc::new(Owner(core)) })
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |problem: &str| Err(Error::Configuration(problem.to_owned()));
        if let Some(problem) = self.config.feeds.problem() {
            return wrong(problem);
        }
        if self.servers.is_empty() == self.locators.is_empty() {
            return wrong("name either servers or locators, at least one and not both");
        }
        if self.credentials.is_some() && self.provider.is_some() {
            return wrong(
                "static credentials and a credential provider contradict each other: set one of them",
            );
        }
        if self.multi_user && (self.credentials.is_some() || self.provider.is_some()) {
            return wrong("a multi-user client has no credentials of its own: give them to Client::user");
        }
        if self.config.pool.max_connections == 0 {
            return wrong("a pool of no connections carries no operation: set max_connections to 1 at least");
        }
        if self.credentials.as_ref().is_some_and(Credentials::is_empty) {
            return wrong("the static credentials are empty");
        }
        if let Some(allowed) = &self.allowed_hosts {
            let refused = |server: &&ServerLocation| !crate::connector::is_allowed(allowed, &server.host);
            if let Some(server) = self.servers.iter().find(refused) {
                return Err(Error::Configuration(format!("server {server} is not among the allowed hosts")));
            }
        }
        Ok(())
    }
}

/// A client of one Geode or Druse cluster. Cheap to clone; the last clone's end closes all connections.
#[derive(Clone)]
pub struct Client {
    core: Arc<Owner>,
}

/// Ends the tasks of a client when its last handle goes.
struct Owner(Arc<Core>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.closing.cancel();
    }
}

pub(crate) struct Core {
    pub(crate) servers: Servers,
    pub(crate) owner: Arc<User>,
    users: DashMap<String, Arc<User>>,
    multi_user: bool,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) feeds: Feeds,
    pub(crate) config: ClientConfig,
    pub(crate) listener: Option<Arc<dyn OperationListener>>,
    pub(crate) runtime: Arc<dyn Runtime>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Client {
    /// Begins to set up a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// A region, as the client's own user sees it. `path` may begin with a slash.
    #[must_use]
    pub fn region<K, V>(&self, path: &str) -> Region<K, V> {
        self.region_of(&self.core.0.owner, path)
    }

    /// A handle whose operations carry the login of the user `name`. A second call with the same name gives the same
    /// user, with the provider of the first.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the client was not built for several users.
    pub fn user(&self, name: &str, provider: impl AuthInitialize) -> Result<UserHandle, Error> {
        let core = &self.core.0;
        if !core.multi_user {
            let problem = "this client has a user of its own: build it with multi_user()".to_owned();
            return Err(Error::Configuration(problem));
        }
        let new_user = || {
            let runtime = Arc::clone(&core.runtime);
            let gate = Gate::new(name, Arc::new(provider), core.config.gate.clone(), Arc::clone(&runtime));
            Arc::new(User::new(name, Some(gate), runtime, core.closing.clone()))
        };
        let user = Arc::clone(&core.users.entry(name.to_owned()).or_insert_with(new_user));
        Ok(UserHandle { client: self.clone(), name: name.to_owned(), user })
    }

    /// The credential gate of the client's own user; none if it shows no credentials.
    #[must_use]
    pub fn gate(&self) -> Option<Arc<Gate>> {
        self.core.0.owner.gate.clone()
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.core.0.servers.endpoints().iter().map(|endpoint| endpoint.connections()).sum()
    }

    /// Asks an OQL query, as the client's own user. `parameters` stand for `$1`, `$2` and so on.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Server`] if the query makes no sense to the server.
    pub async fn query<V>(
        &self,
        oql: &str,
        parameters: &[&(dyn ToValue + Sync)],
    ) -> Result<QueryRows<V>, Error> {
        self.core.0.query(&self.core.0.owner, oql, parameters).await
    }

    /// Follows the result of an OQL query, as the client's own user. The builder is to be awaited.
    pub fn continuous_query<K, V>(&self, query: impl Into<String>) -> ContinuousQueryBuilder<K, V> {
        ContinuousQueryBuilder::new(self.clone(), Arc::clone(&self.core.0.owner), query.into())
    }

    /// Tells servers that a durable client has subscribed to everything that it wants the events of: those that were kept
    /// for it, and all that follow, come from now on.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the client has no durable id; else what the server said.
    #[doc(alias = "readyForEvents")]
    pub async fn ready_for_events(&self) -> Result<(), Error> {
        self.core.0.ready_for_events().await
    }

    /// Says goodbye to all servers and closes all connections. Operations under way end with an error; streams end after
    /// what has come already. What servers keep for a durable client goes, too.
    pub async fn close(&self) {
        self.leave(false).await;
    }

    /// Does what [`Client::close`] does, but has servers keep durable streams and their events until the client comes
    /// back, or its time-out has passed.
    #[doc(alias = "keepalive")]
    pub async fn close_keeping_events(&self) {
        self.leave(true).await;
    }

    async fn leave(&self, keep_alive: bool) {
        let core = &self.core.0;
        core.end_feeds(keep_alive).await;
        for endpoint in core.servers.endpoints() {
            core.say_goodbye(&endpoint, keep_alive).await;
        }
        core.closing.cancel();
        core.owner.close();
        for user in &core.users {
            user.close();
        }
        for endpoint in core.servers.endpoints() {
            endpoint.closed().await;
        }
        core.feeds.finished().await;
        core.tasks.close();
        core.tasks.wait().await;
    }

    fn region_of<K, V>(&self, user: &Arc<User>, path: &str) -> Region<K, V> {
        Region::new(self.clone(), Arc::clone(user), path)
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core.0
    }

    /// The same, for tasks to hold.
    pub(crate) fn shared(&self) -> &Arc<Core> {
        &self.core.0
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.core.0.config).finish_non_exhaustive()
    }
}

/// One user of a multi-user client.
#[derive(Clone)]
pub struct UserHandle {
    client: Client,
    name: String,
    user: Arc<User>,
}

impl UserHandle {
    /// A region, as this user sees it.
    #[must_use]
    pub fn region<K, V>(&self, path: &str) -> Region<K, V> {
        self.client.region_of(&self.user, path)
    }

    /// Asks an OQL query, as this user. See [`Client::query`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn query<V>(
        &self,
        oql: &str,
        parameters: &[&(dyn ToValue + Sync)],
    ) -> Result<QueryRows<V>, Error> {
        self.client.core().query(&self.user, oql, parameters).await
    }

    /// Follows the result of an OQL query, as this user. See [`Client::continuous_query`].
    pub fn continuous_query<K, V>(&self, query: impl Into<String>) -> ContinuousQueryBuilder<K, V> {
        ContinuousQueryBuilder::new(self.client.clone(), Arc::clone(&self.user), query.into())
    }

    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The credential gate of this user.
    #[must_use]
    pub fn gate(&self) -> Option<Arc<Gate>> {
        self.user.gate.clone()
    }

    /// Logs the user out on every server. Regions of this user that are still about get no further login; the name may
    /// be used again with another provider.
    pub async fn close(self) {
        let core = self.client.shared();
        // Not somebody who has taken the name since another clone of this handle was closed.
        core.users.remove_if(&self.name, |_, user| Arc::ptr_eq(user, &self.user));
        core.end_streams_of(&self.user).await;
        // Before anything else is said, or an operation under way would log in again behind us.
        self.user.close();
        for (server, ticket) in self.user.tickets() {
            if let Some(endpoint) = core.servers.get(&server)
                && let Ok(checkout) = endpoint.checkout(false).await
            {
                core.tell(checkout.connection(), wire::remove_user_auth(ticket.unique_id)).await;
            }
        }
    }
}

impl fmt::Debug for UserHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserHandle").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Core {
    /// CLOSE_CONNECTION on every idle connection, so that the server need not find out by itself.
    async fn say_goodbye(&self, endpoint: &Endpoint, keep_alive: bool) {
        while let Some(checkout) = endpoint.take_idle() {
            self.tell(checkout.connection(), wire::close_connection(keep_alive)).await;
            checkout.connection().close();
        }
    }

    /// Sends what is a courtesy: the server finds it out by itself, so that its answer is not worth waiting for long.
    pub(crate) async fn tell(&self, connection: &Connection, request: Request) {
        tokio::select! {
            _ = connection.call(request) => {}
            () = self.runtime.sleep_until(self.runtime.now() + FAREWELL_TIME) => {}
        }
    }
}

/// Closes unused connections and pings silent servers, until the client goes.
async fn maintain(core: std::sync::Weak<Core>, closing: CancellationToken) {
    loop {
        let Some(strong) = core.upgrade() else { return };
        let next = strong.runtime.sleep_until(strong.runtime.now() + MAINTENANCE_INTERVAL);
        drop(strong);
        tokio::select! {
            biased;
            () = closing.cancelled() => return,
            () = next => {}
        }
        let Some(strong) = core.upgrade() else { return };
        for endpoint in strong.servers.endpoints() {
            let Some(checkout) = endpoint.tidy() else { continue };
            let ping = checkout.connection().call(wire::ping());
            tokio::select! {
                outcome = ping => debug!(server = %endpoint.server(), ok = outcome.is_ok(), "ping"),
                () = strong.runtime.sleep_until(strong.runtime.now() + strong.config.read_timeout) => {
                    debug!(server = %endpoint.server(), "no answer to a ping, closing the connection");
                    checkout.connection().close();
                }
            }
        }
    }
}
