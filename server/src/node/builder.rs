//! Setting up a node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use druse_protocol::auth::SecurityManager;
use druse_protocol::time::{Clock, SystemClock};

use super::{Node, StartError, start};
use crate::clock::SteadyClock;
use crate::config::{HostPort, Limits, ServerConfig, TlsConfig};
use crate::engine::Engine;
use crate::region::RegionOptions;
use crate::security::SecurityPolicies;
use crate::subscription::FeedPolicies;

/// Says how a node is to be; made by [`Node::builder`].
#[must_use = "a node that is not started does nothing"]
pub struct NodeBuilder {
    pub(super) config: ServerConfig,
    pub(super) regions: Vec<(String, RegionOptions)>,
    pub(super) security: Option<Security>,
    pub(super) policies: SecurityPolicies,
    pub(super) feeds: FeedPolicies,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) seed: Option<[u8; 32]>,
    pub(super) engine: Option<Arc<dyn Engine>>,
}

/// Who may come in.
pub(super) enum Security {
    Manager(Arc<dyn SecurityManager>),
    Open,
}

impl Default for NodeBuilder {
    fn default() -> Self {
        Self {
            config: ServerConfig::default(),
            regions: Vec::new(),
            security: None,
            policies: SecurityPolicies::default(),
            feeds: FeedPolicies::default(),
            clock: Arc::new(SteadyClock::over(Arc::new(SystemClock))),
            seed: None,
            engine: None,
        }
    }
}

impl NodeBuilder {
    /// Everything at once, in place of what was set before. Regions that were named stay.
    pub fn config(mut self, config: ServerConfig) -> Self {
        self.config = config;
        self
    }

    /// The address to listen on.
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.config.bind = address;
        self
    }

    /// The port for clients; 0 takes a free one, which [`Node::port`] tells.
    pub fn port(mut self, port: u16) -> Self {
        self.config.port = port;
        self
    }

    /// Where clients reach the node, if that is not the address that it sees.
    pub fn advertise(mut self, address: HostPort) -> Self {
        self.config.advertise = Some(address);
        self
    }

    /// Puts the node into a server group. May be repeated.
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.config.groups.push(name.into());
        self
    }

    /// Runs a locator on this port; 0 takes a free one, which [`Node::locator_port`] tells.
    pub fn locator_port(mut self, port: u16) -> Self {
        self.config.locator_port = Some(port);
        self
    }

    /// TLS for clients and locator.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.config.tls = Some(tls);
        self
    }

    /// Serves metrics and health probes on this port of the loopback address.
    pub fn metrics_port(self, port: u16) -> Self {
        self.probes(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// Serves metrics and health probes on this address, to anybody who can reach it.
    pub fn probes(mut self, address: SocketAddr) -> Self {
        self.config.probes = Some(address);
        self
    }

    /// Keeps the PDX types of clients in this file, so that they outlive the node.
    pub fn pdx_registry(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.pdx_registry = Some(path.into());
        self
    }

    /// Creates a region. May be repeated; parents come before what lies within them.
    pub fn region(self, name: impl Into<String>) -> Self {
        self.region_with(name, RegionOptions::default())
    }

    /// Creates a region with options of its own.
    pub fn region_with(mut self, name: impl Into<String>, options: RegionOptions) -> Self {
        self.regions.push((name.into(), options));
        self
    }

    /// Who may come in, and what they may do.
    pub fn security(mut self, manager: Arc<dyn SecurityManager>) -> Self {
        self.security = Some(Security::Manager(manager));
        self
    }

    /// A node that asks nobody who they are. It has to be said: a node is never open by accident.
    pub fn security_none(mut self) -> Self {
        self.security = Some(Security::Open);
        self
    }

    /// How logins are treated.
    pub fn policies(mut self, policies: SecurityPolicies) -> Self {
        self.policies = policies;
        self
    }

    /// How clients are told of changes, and of the end of their logins.
    pub fn feeds(mut self, policies: FeedPolicies) -> Self {
        self.feeds = policies;
        self
    }

    /// Bounds on what peers can cost.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// What tells the time; by default the operating system's clock, as far as that is not set back.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where random numbers begin, for tests that are to be repeatable. By default the operating system says; with a
    /// known seed everybody can guess the ids of logins.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Where regions live; in memory by default.
    pub fn engine(mut self, engine: Arc<dyn Engine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Starts the node: when this returns, clients are served.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running or listening then.
    pub async fn start(self) -> Result<Node, StartError> {
        start::start(self)
    }
}
