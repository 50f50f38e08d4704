//! Connections to a Postgres server, made when needed and kept while they work.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use crate::store::StoreError;

/// Connections at a time. Writers follow one another anyhow; this is for readers beside them.
const CONNECTIONS: usize = 8;
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The connections of one process to one server.
pub(super) struct Pool {
    config: Config,
    idle: Mutex<Vec<Client>>,
    places: Semaphore,
}

/// One connection, and the right to have it. Dropping it closes the connection; what it was in the middle of is
/// undone by the server.
pub(super) struct Link<'a> {
    pub(super) client: Client,
    _place: SemaphorePermit<'a>,
}

impl Pool {
    /// A pool that has no connection yet.
    pub(super) fn new(address: &str) -> Result<Self, StoreError> {
        let mut config: Config = address
            .parse()
            .map_err(|_| StoreError::Address("the address of the Postgres server is malformed"))?;
        if config.get_hosts().is_empty() || !config.get_hosts().iter().all(is_this_machine) {
            let text = "the Postgres server must be on this machine: there is no TLS to other ones yet";
            return Err(StoreError::Address(text));
        }
        config.connect_timeout(CONNECT_TIMEOUT).application_name("druse");
        Ok(Self { config, idle: Mutex::default(), places: Semaphore::new(CONNECTIONS) })
    }

    /// A connection of one's own, an idle one if there is.
    pub(super) async fn take(&self) -> Result<Link<'_>, StoreError> {
        let place = self.places.acquire().await.map_err(|_| StoreError::Unavailable)?;
        let client = match self.idle() {
            Some(client) => client,
            None => self.connect().await?,
        };
        Ok(Link { client, _place: place })
    }

    /// Puts a connection back that is in no transaction.
    pub(super) fn give_back(&self, link: Link<'_>) {
        self.idle.lock().push(link.client);
    }

    fn idle(&self) -> Option<Client> {
        let mut idle = self.idle.lock();
        idle.retain(|client| !client.is_closed());
        idle.pop()
    }

    async fn connect(&self) -> Result<Client, StoreError> {
        let (client, connection) = self.config.connect(NoTls).await?;
        // Its task ends with the client, which the pool or a link owns.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to the database server was lost");
            }
        });
        Ok(client)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password stays out of it.
        f.debug_struct("Pool")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .finish_non_exhaustive()
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}
