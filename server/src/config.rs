//! How a node is set up. Every default stands here once, with its reason.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use druse_protocol::codec::FrameLimits;

use crate::query::QueryBounds;

/// Geode's default port of a cache server.
pub const DEFAULT_PORT: u16 = 40404;
/// Geode's default port of a locator.
pub const DEFAULT_LOCATOR_PORT: u16 = 10334;

/// Everything about a node that is not code.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address to listen on, for clients and the locator alike. All IPv4 addresses by default, as Geode does:
    /// clients are on other machines, and what protects the node is its security manager.
    pub bind: IpAddr,
    /// The port for clients; 0 for one that the system picks.
    pub port: u16,
    /// Where clients reach this node, if that is not the local address of their connection (NAT, port forwarding).
    pub advertise: Option<HostPort>,
    /// The server groups of this node. It is in the nameless group in any case.
    pub groups: Vec<String>,
    /// The port of a locator in the same process; none by default, 0 for one that the system picks.
    pub locator_port: Option<u16>,
    /// TLS for clients and locator; none by default.
    pub tls: Option<TlsConfig>,
    /// Where metrics and health probes are served over HTTP; off by default. Bind it to the loopback address unless
    /// somebody else has to read it: it asks nobody who they are.
    pub probes: Option<SocketAddr>,
    /// Where the PDX types of clients are kept. Clients remember the numbers of types for good, so a node that forgets
    /// them strands the clients that outlive it. In memory only by default: a file needs a place that somebody chose.
    pub pdx_registry: Option<PathBuf>,
    /// Regions to create, without the leading slash.
    pub regions: Vec<String>,
    /// Bounds on what peers can cost.
    pub limits: Limits,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: DEFAULT_PORT,
            advertise: None,
            groups: Vec::new(),
            locator_port: None,
            tls: None,
            probes: None,
            pdx_registry: None,
            regions: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// A server certificate, its key, and whom to let in. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate chain, the node's own first.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// Who must have signed a client's certificate; without it clients show none.
    pub client_ca: Option<PathBuf>,
    /// Whether a client may come without certificate although `client_ca` is set. Geode's default is that it may not.
    pub client_certificate_optional: bool,
}

impl TlsConfig {
    /// A server certificate alone.
    #[must_use]
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            client_ca: None,
            client_certificate_optional: false,
        }
    }

    /// Asks clients for a certificate signed by one of these.
    #[must_use]
    pub fn client_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(path.into());
        self
    }
}

/// Bounds on what peers can cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most client connections at a time. A Geode server takes 800, each of which costs a thread at worst; here an
    /// idle one costs a few kilobytes, and the system's limit of open files (`ulimit -n`) is met first.
    pub connections: usize,
    /// Most client connections from one address; no limit by default, because many clients share a proxy.
    pub connections_per_address: Option<usize>,
    /// How long a peer may take for TLS and handshake together. Geode allows 59 s. A client sends its handshake in
    /// one go, so that ten seconds pass only on a broken network or on purpose.
    pub handshake_time: Duration,
    /// How long a client may be silent (Geode's `maximum-time-between-pings`; clients ping every 10 s). It is found
    /// out up to a quarter later.
    pub idle_time: Duration,
    /// How long a message may take to arrive once its first byte is here, however small it is.
    pub message_time: Duration,
    /// And the slowest pace at which a large one may come or go beyond that, in bytes per second.
    pub message_pace: u64,
    /// How long a peer may take to read answers that were ready, besides what their size takes at `message_pace`. A
    /// Java client gives up reading after 10 s.
    pub write_time: Duration,
    /// How long an answer may take to come about. Logins and engines have shorter bounds of their own; this one holds
    /// if they fail.
    pub answer_time: Duration,
    /// The longest message in bytes. Geode has no limit; 64 MiB holds any sane putAll.
    pub message_bytes: usize,
    /// Bytes that arriving messages and unread answers of more than 64 KiB may hold in all. A peer with another large
    /// message waits until there is room.
    pub in_flight_bytes: usize,
    /// Most connections to the locator at a time; each asks one question.
    pub locator_connections: usize,
    /// How long a locator's client may take for its question.
    pub locator_time: Duration,
    /// How much a query may hold, and how long it may look for its next rows.
    pub queries: QueryBounds,
    /// How long a shutdown waits for what has been begun, before it cuts off.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: None,
            handshake_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            message_time: Duration::from_secs(30),
            message_pace: 64 << 10,
            write_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(60),
            message_bytes: FrameLimits::default().message_bytes,
            in_flight_bytes: 256 << 20,
            locator_connections: 256,
            locator_time: Duration::from_secs(10),
            queries: QueryBounds::default(),
            drain_time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// What the reader of messages accepts.
    #[must_use]
    pub fn frames(&self) -> FrameLimits {
        // A message that the node could never hold would wait for room for ever.
        FrameLimits { message_bytes: self.message_bytes.min(self.in_flight_bytes), ..FrameLimits::default() }
    }

    /// How long a message of `bytes` may take to arrive.
    #[must_use]
    pub fn arrival_time(&self, bytes: usize) -> Duration {
        self.message_time + self.at_slowest(bytes)
    }

    /// How long a peer may take to read `bytes`.
    #[must_use]
    pub fn departure_time(&self, bytes: usize) -> Duration {
        self.write_time + self.at_slowest(bytes)
    }

    fn at_slowest(&self, bytes: usize) -> Duration {
        Duration::from_secs(bytes as u64 / self.message_pace.max(1))
    }
}

/// A host and a port, as clients are told them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address, an IPv6 one without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A text that is no `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not HOST:PORT (an IPv6 address stands in brackets)")]
pub struct ParseHostPortError(String);

impl FromStr for HostPort {
    type Err = ParseHostPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseHostPortError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        let port = port.parse().ok().filter(|&port| port != 0).ok_or_else(wrong)?;
        let plain = |c: char| c.is_ascii_graphic() || c.is_alphanumeric();
        if host.is_empty() || host.len() > 255 || !host.chars().all(plain) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_canonical().to_string(), port: address.port() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_come_back_as_they_went() {
        for text in ["grid.example:40404", "127.0.0.1:1", "[::1]:65535"] {
            assert_eq!(text.parse::<HostPort>().expect(text).to_string(), text);
        }
        for text in ["", "host", "host:", "host:0", "host:65536", ":1", "::1:5", "[::1:5", "a b:1"] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_message_is_larger_than_all_messages_together() {
        let limits = Limits { in_flight_bytes: 1 << 20, ..Limits::default() };
        assert_eq!(limits.frames().message_bytes, 1 << 20);
    }

    #[test]
    fn a_large_message_gets_more_time() {
        let limits = Limits::default();
        assert_eq!(limits.arrival_time(100), limits.message_time);
        assert_eq!(limits.arrival_time(640 << 10), limits.message_time + Duration::from_secs(10));
    }
}
