//! The ports of a node: bound all at once, so that a node either has all of them or does not start.

use std::net::SocketAddr;
use std::sync::Arc;

use druse_protocol::auth::SecurityManager;

use super::error::StartError;
use crate::acceptor::Acceptor;
use crate::clients::{Clients, Door, EngineFactory};
use crate::config::ServerConfig;
use crate::connection::Shared;
use crate::locator::{Directory, Locator};
use crate::probe::{Probe, Sources};
use crate::tls::Tls;

/// Where a node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) clients: SocketAddr,
    pub(super) locator: Option<SocketAddr>,
    pub(super) probes: Option<SocketAddr>,
}

/// Ports that nobody serves yet: peers may knock, and wait.
pub(super) struct Ports {
    clients: Acceptor,
    locator: Option<Locator>,
    probe: Option<Probe>,
    tls: Option<Tls>,
}

impl Ports {
    /// Reads the TLS files and binds.
    ///
    /// # Errors
    /// [`StartError::Tls`] and [`StartError::Listen`].
    pub(super) fn bind(
        config: &ServerConfig,
        shared: &Shared,
        manager: Option<&Arc<dyn SecurityManager>>,
    ) -> Result<Self, StartError> {
        let tls = config.tls.as_ref().map(Tls::load).transpose()?;
        let address = SocketAddr::new(config.bind, config.port);
        let places = Clients::<crate::node::Sessions>::places(&config.limits);
        let clients = listen("clients", address, || Acceptor::bind(address, places))?;

        let server_port = clients.local().port();
        let directory = |locator_port| Directory {
            advertise: config.advertise.clone(),
            server_port,
            locator_port,
            groups: config.groups.clone(),
        };
        let locator = config.locator_port.map(|port| {
            let address = SocketAddr::new(config.bind, port);
            let metrics = Arc::clone(&shared.metrics);
            let bind = || Locator::bind(address, tls.clone(), &config.limits, metrics, directory);
            listen("the locator", address, bind)
        });
        let probe = config.probes.map(|address| {
            let sources = Sources { metrics: Arc::clone(&shared.metrics), manager: manager.cloned() };
            listen("metrics and probes", address, || Probe::bind(address, sources))
        });
        Ok(Self { clients, locator: locator.transpose()?, probe: probe.transpose()?, tls })
    }

    /// Where they are.
    pub(super) fn addresses(&self) -> Addresses {
        Addresses {
            clients: self.clients.local(),
            locator: self.locator.as_ref().map(Locator::local),
            probes: self.probe.as_ref().map(Probe::local),
        }
    }

    /// Serves them until the draining begins. Gives the way in that needs no port.
    pub(super) fn open<F: EngineFactory>(self, factory: F, shared: Arc<Shared>) -> Arc<Door<F>> {
        let shutdown = shared.shutdown.clone();
        let clients = Clients::new(self.clients, self.tls, factory, shared);
        let door = clients.door();
        shutdown.spawn(clients.run());
        if let Some(locator) = self.locator {
            shutdown.spawn(locator.run(shutdown.clone()));
        }
        if let Some(probe) = self.probe {
            shutdown.spawn(probe.run(shutdown.clone()));
        }
        door
    }
}

fn listen<T>(
    purpose: &'static str,
    address: SocketAddr,
    bind: impl FnOnce() -> std::io::Result<T>,
) -> Result<T, StartError> {
    bind().map_err(|source| StartError::Listen { purpose, address, source })
}
