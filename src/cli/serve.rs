//! `druse serve`: flags over environment over file, then a node until somebody stops it.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use druse_identity::oidc::OidcSecurityManager;
use druse_identity::users::{UsersConfig, UsersSecurityManager};
use druse_protocol::auth::SecurityManager;
use druse_protocol::time::{Clock, SystemClock};
use druse_server::config::{Limits, ServerConfig, TlsConfig};
use druse_server::query::QueryBounds;
use druse_server::security::{PrincipalChange, SecurityPolicies};
use druse_server::{FeedPolicies, Node};
use serde::Deserialize;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::Failure;
use super::config_file::ConfigFile;
use super::embedded::{Embedded, EmbeddedArgs};
use super::feed_settings::FeedArgs;
use super::issuer::Running;
use super::trust::{IssuerSection, TrustArgs, Trusted};

/// Which security manager to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SecurityKind {
    /// Access tokens of an issuer of the node's own, which it starts on the loopback address
    Embedded,
    /// Access tokens (JWT), verified with a key set
    Token,
    /// Names and passwords from a file
    Users,
    /// Nobody is asked who they are; only for tests and closed networks
    None,
}

/// Flags of `druse serve`. Each can also stand in the configuration file, and most in the environment.
#[derive(Debug, Default, Args)]
#[command(after_help = "Examples:\n  \
    druse serve --region orders                        with an issuer of its own; druse login logs in at it\n  \
    druse serve --region orders --jwks-url https://id.example/keys --issuer https://id.example --audience grid\n  \
    druse serve --region orders --security users --users-file users.toml --tls-cert node.pem --tls-key node.key\n  \
    druse serve --region orders --security none        open to everybody who can reach the port\n\n\
    Rights of a token stand in its `scope` (or `scp`, or `entitlements`): grid:data:read:orders, grid:data:write:orders,\n\
    grid:data:read:orders:17 for a single key, * for any field.\n\n\
    The file can name several issuers, each in a table [[security.issuers]] with realm, issuer, audience, jwks-url.\n\n\
    SIGTERM or Ctrl-C stops the node: it takes no new connections, answers what it has read, and ends.")]
pub(crate) struct ServeArgs {
    /// Port for clients; 0 for one that the system picks [default: 40404]
    #[arg(long, env = "DRUSE_PORT", value_name = "N")]
    port: Option<u16>,
    /// Address to listen on [default: 0.0.0.0]
    #[arg(long, env = "DRUSE_BIND", value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Where clients reach this node, if not at the address they connected to (behind NAT)
    #[arg(long, env = "DRUSE_ADVERTISE", value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Server group of this node; repeatable
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// Region to create; repeatable
    #[arg(long = "region", value_name = "NAME")]
    regions: Vec<String>,
    /// Port of a locator in the same process; 0 for one that the system picks
    #[arg(long, env = "DRUSE_LOCATOR_PORT", value_name = "N")]
    locator_port: Option<u16>,
    /// Which security manager to use [default: token if a key set is given, users if a user file is, else
    /// embedded]
    #[arg(long, env = "DRUSE_SECURITY", value_enum, value_name = "KIND")]
    security: Option<SecurityKind>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    embedded: EmbeddedArgs,
    /// The file of the `users` manager; `druse users add` writes its entries
    #[arg(long, env = "DRUSE_USERS_FILE", value_name = "PATH")]
    users_file: Option<PathBuf>,
    /// Let a login take over the id of another principal (Geode does; refused by default)
    #[arg(long)]
    allow_principal_change: bool,
    /// Server certificate chain (PEM); switches TLS on
    #[arg(long, env = "DRUSE_TLS_CERT", value_name = "PATH", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "DRUSE_TLS_KEY", value_name = "PATH", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Who must have signed clients' certificates (PEM); clients need none without it
    #[arg(long, env = "DRUSE_TLS_CLIENT_CA", value_name = "PATH", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Let clients in without a certificate although there is a client CA
    #[arg(long, requires = "tls_client_ca")]
    tls_client_certificate_optional: bool,
    /// Serve /metrics, /livez and /readyz on this port; off by default
    #[arg(long, env = "DRUSE_METRICS_PORT", value_name = "N")]
    metrics_port: Option<u16>,
    /// Address for metrics and probes [default: 127.0.0.1]
    #[arg(long, env = "DRUSE_METRICS_BIND", value_name = "ADDRESS")]
    metrics_bind: Option<IpAddr>,
    /// Where PDX types are kept, so that a restart does not strand clients that remember their numbers
    #[arg(long, env = "DRUSE_PDX_REGISTRY", value_name = "PATH")]
    pdx_registry: Option<PathBuf>,
    /// Most client connections at a time [default: 16384]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// Longest message in bytes [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    max_message_bytes: Option<usize>,
    #[command(flatten)]
    feeds: FeedArgs,
    /// Configuration file (TOML, names as here without the dashes); environment and flags win over it
    #[arg(long, env = "DRUSE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log in JSON, one object a line
    #[arg(long)]
    log_json: bool,
}

/// Who may come in, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Security {
    Embedded(Embedded),
    Tokens(Vec<Trusted>),
    Users { file: PathBuf },
    None,
}

/// What guards a node.
struct Secured {
    /// None for a node that is open to everybody.
    manager: Option<Arc<dyn SecurityManager>>,
    /// The node's own issuer, by name, if it has one.
    issuer: Option<(String, Running)>,
}

impl ServeArgs {
    /// Who may come in. A node never starts open by accident: `none` must be asked for by name.
    fn security(&self, file: &ConfigFile) -> Result<Security, Failure> {
        let section = &file.security;
        let issuers = self.issuers(file)?;
        let users = self.users_file.clone().or_else(|| section.users_file.clone());
        let kind = self.security.or(section.manager).or(
            match (issuers.iter().any(IssuerSection::has_keys), &users) {
                (true, None) => Some(SecurityKind::Token),
                (false, Some(_)) => Some(SecurityKind::Users),
                // Whoever names an issuer has one, and has forgotten its keys.
                (false, None) if issuers.iter().all(|one| one.issuer.is_none()) => {
                    Some(SecurityKind::Embedded)
                }
                _ => None,
            },
        );
        match kind {
            Some(SecurityKind::Embedded) => Ok(Security::Embedded(self.embedded.over(section))),
            Some(SecurityKind::None) => Ok(Security::None),
            Some(SecurityKind::Users) => users.map(|file| Security::Users { file }).ok_or_else(|| {
                Failure::usage("--security users needs --users-file").hint("druse users add NAME --file PATH makes one")
            }),
            Some(SecurityKind::Token) => {
                let trusted: Result<Vec<Trusted>, Failure> =
                    issuers.into_iter().map(IssuerSection::complete).collect();
                Ok(Security::Tokens(trusted?))
            }
            None => Err(Failure::usage("who may use this node? No security manager has been chosen").hint(
                "--jwks-file or --jwks-url with --issuer and --audience for tokens, or --users-file for passwords, or \
                 neither, for an issuer of its own",
            )),
        }
    }

    /// The issuers that are named: by flags and the section `security`, or by the tables of `security.issuers`.
    fn issuers(&self, file: &ConfigFile) -> Result<Vec<IssuerSection>, Failure> {
        let section = &file.security;
        let single = section.single();
        if section.issuers.is_empty() {
            return Ok(vec![self.trust.over(&single)?]);
        }
        if self.trust.is_given() || single.has_keys() || single.issuer.is_some() {
            return Err(Failure::usage(
                "the configuration file has a list of issuers, and one more is named beside it",
            )
            .hint("put it into the list: [[security.issuers]]"));
        }
        Ok(section.issuers.clone())
    }
}

/// Runs a node until it is told to stop.
pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    super::logging::start("info", args.log_json);
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?.unwrap_or_default();
    let security = args.security(&file)?;
    let config = args.server_config(&file)?;
    let policies = args.policies(&file);
    let feeds = args.feeds.policies(&file.feeds)?;
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unreachable("the runtime cannot be started").because(&error))?;
    let outcome = runtime.block_on(serve(config, policies, feeds, security));
    // A question for ends may be held open for seconds; nobody waits for its answer any more.
    runtime.shutdown_background();
    outcome
}

async fn serve(
    config: ServerConfig,
    policies: SecurityPolicies,
    feeds: FeedPolicies,
    security: Security,
) -> Result<(), Failure> {
    // Asked for before the node starts, so that a signal that comes early is not lost.
    let stop = stop_signal()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if config.regions.is_empty() {
        warn!("no region has been named; clients will find nothing here (--region NAME)");
    }
    let builder = Node::builder().config(config).policies(policies).feeds(feeds);
    let Secured { manager, issuer } = security.start(&clock).await?;
    let builder = match manager {
        Some(manager) => builder.security(manager),
        None => {
            warn!("security is off: everybody who can reach the port may read and change everything");
            builder.security_none()
        }
    };
    let node = builder
        .start()
        .await
        .map_err(|error| Failure::unreachable("the node cannot be started").because(&error))?;
    announce(&node, issuer.as_ref().map(|(name, _)| name.as_str()));
    stop.await;
    info!("stopping: no new connections, what has been read is answered");
    node.shutdown().await;
    if let Some((_, running)) = issuer {
        running.stop().await;
    }
    Ok(())
}

/// One line for people and scripts, when clients can come.
fn announce(node: &Node, issuer: Option<&str>) {
    let mut line = format!("ready: clients at {}", node.address());
    if let Some(port) = node.locator_port() {
        line.push_str(&format!(", locator at {}:{port}", node.address().ip()));
    }
    if let Some(address) = node.probes() {
        line.push_str(&format!(", metrics at http://{address}/metrics"));
    }
    if let Some(issuer) = issuer {
        line.push_str(&format!(", issuer {issuer}"));
    }
    // Nobody may be listening, and that is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Ends at SIGTERM or Ctrl-C.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error: std::io::Error| Failure::unreachable("signals cannot be received").because(&error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

impl Security {
    /// Starts what decides who may come in.
    async fn start(self, clock: &Arc<dyn Clock>) -> Result<Secured, Failure> {
        let by = |manager: Arc<dyn SecurityManager>| Secured { manager: Some(manager), issuer: None };
        Ok(match self {
            Self::None => Secured { manager: None, issuer: None },
            Self::Users { file } => {
                let manager = UsersSecurityManager::open(UsersConfig::new(&file), Arc::clone(clock));
                by(Arc::new(
                    manager
                        .map_err(|error| Failure::usage("the user file cannot be used").because(&error))?,
                ))
            }
            Self::Tokens(trusted) => by(Arc::new(trusting(trusted, clock).await?)),
            Self::Embedded(embedded) => {
                let started = embedded.start(clock).await?;
                let issuer = Some((started.name, started.running));
                Secured { issuer, ..by(Arc::new(started.manager)) }
            }
        })
    }
}

async fn trusting(trusted: Vec<Trusted>, clock: &Arc<dyn Clock>) -> Result<OidcSecurityManager, Failure> {
    let mut issuers = Vec::with_capacity(trusted.len());
    for one in trusted {
        issuers.push(one.open(clock).await?);
    }
    OidcSecurityManager::new(issuers, clock)
        .map_err(|error| Failure::usage("these issuers cannot be trusted").because(&error))
}

impl ServeArgs {
    /// Flags and environment over the file.
    fn server_config(&self, file: &ConfigFile) -> Result<ServerConfig, Failure> {
        let defaults = ServerConfig::default();
        let advertise = self.advertise.as_ref().or(file.advertise.as_ref());
        let advertise = advertise
            .map(|text| text.parse())
            .transpose()
            .map_err(|error| Failure::usage("--advertise is wrong").because(&error))?;
        let metrics_bind = self.metrics_bind.or(file.metrics_bind).unwrap_or(Ipv4Addr::LOCALHOST.into());
        Ok(ServerConfig {
            bind: self.bind.or(file.bind).unwrap_or(defaults.bind),
            port: self.port.or(file.port).unwrap_or(defaults.port),
            advertise,
            groups: if self.groups.is_empty() { file.groups.clone() } else { self.groups.clone() },
            locator_port: self.locator_port.or(file.locator_port),
            tls: self.tls(file)?,
            probes: self.metrics_port.or(file.metrics_port).map(|port| SocketAddr::new(metrics_bind, port)),
            pdx_registry: self.pdx_registry.clone().or_else(|| file.pdx_registry.clone()),
            // Regions of the file and of the flags: naming one more does not take the others away.
            regions: file
                .regions
                .iter()
                .chain(self.regions.iter().filter(|name| !file.regions.contains(name)))
                .cloned()
                .collect(),
            limits: self.limits(file)?,
        })
    }

    fn tls(&self, file: &ConfigFile) -> Result<Option<TlsConfig>, Failure> {
        let section = &file.tls;
        let certificate = self.tls_cert.as_ref().or(section.cert.as_ref());
        let key = self.tls_key.as_ref().or(section.key.as_ref());
        let client_ca = self.tls_client_ca.as_ref().or(section.client_ca.as_ref());
        let (Some(certificate), Some(key)) = (certificate, key) else {
            if certificate.is_some() || key.is_some() || client_ca.is_some() {
                return Err(Failure::usage("TLS needs a certificate and its key: --tls-cert and --tls-key"));
            }
            return Ok(None);
        };
        let mut tls = TlsConfig::new(certificate, key);
        if let Some(path) = client_ca {
            tls = tls.client_ca(path);
        }
        tls.client_certificate_optional =
            self.tls_client_certificate_optional || section.client_certificate_optional.unwrap_or(false);
        Ok(Some(tls))
    }

    fn limits(&self, file: &ConfigFile) -> Result<Limits, Failure> {
        let section = &file.limits;
        let time = |name: &str, seconds: Option<f64>, default: Duration| match seconds {
            None => Ok(default),
            Some(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| {
                Failure::usage(format!("{name} = {seconds} in the configuration file is no time"))
            }),
        };
        let defaults = Limits::default();
        Ok(Limits {
            connections: self.max_connections.or(section.connections).unwrap_or(defaults.connections),
            connections_per_address: section.connections_per_address.or(defaults.connections_per_address),
            handshake_time: time("handshake-seconds", section.handshake_seconds, defaults.handshake_time)?,
            idle_time: time("idle-seconds", section.idle_seconds, defaults.idle_time)?,
            message_bytes: self.max_message_bytes.or(section.message_bytes).unwrap_or(defaults.message_bytes),
            in_flight_bytes: section.in_flight_bytes.unwrap_or(defaults.in_flight_bytes),
            drain_time: time("drain-seconds", section.drain_seconds, defaults.drain_time)?,
            queries: QueryBounds {
                rows: section.query_rows.unwrap_or(defaults.queries.rows),
                bytes: section.query_bytes.unwrap_or(defaults.queries.bytes),
                time: time("query-seconds", section.query_seconds, defaults.queries.time)?,
            },
            ..defaults
        })
    }

    fn policies(&self, file: &ConfigFile) -> SecurityPolicies {
        let allow = self.allow_principal_change || file.security.allow_principal_change.unwrap_or(false);
        SecurityPolicies {
            principal_change: if allow { PrincipalChange::Allow } else { PrincipalChange::Refuse },
            ..SecurityPolicies::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use druse_identity::token::Profile;

    use super::super::trust::KeySource;
    use super::*;

    #[derive(Parser)]
    struct Harness {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn args(line: &str) -> ServeArgs {
        Harness::try_parse_from(std::iter::once("serve").chain(line.split_whitespace())).unwrap().serve
    }

    fn file(text: &str) -> ConfigFile {
        toml::from_str(text).unwrap()
    }

    fn only(security: Result<Security, Failure>) -> Trusted {
        let Ok(Security::Tokens(mut trusted)) = security else { panic!("tokens expected") };
        assert_eq!(trusted.len(), 1);
        trusted.remove(0)
    }

    #[test]
    fn a_file_may_name_several_issuers_and_then_no_other() {
        let list = r#"
            [[security.issuers]]
            realm = "us"
            jwks-url = "https://id/keys"
            issuer = "https://id"
            audience = "grid"
            [[security.issuers]]
            realm = "corp"
            jwks-url = "https://corp/keys"
            issuer = "https://corp"
            audience = "grid"
        "#;
        let Ok(Security::Tokens(trusted)) = args("").security(&file(list)) else { panic!("tokens expected") };
        let realms: Vec<_> = trusted.iter().filter_map(|one| one.config.realm.as_deref()).collect();
        assert_eq!(realms, ["us", "corp"]);
        assert!(
            args("--jwks-file k.json --issuer https://id --audience grid").security(&file(list)).is_err()
        );
        assert!(args("").security(&file(&format!("[security]\nissuer = \"https://id\"\n{list}"))).is_err());
    }

    #[test]
    fn a_node_never_starts_open_by_accident() {
        let usual = args("--region orders").security(&ConfigFile::default());
        assert!(matches!(usual, Ok(Security::Embedded(_))));
        assert!(args("--issuer https://id --audience grid").security(&ConfigFile::default()).is_err());
        assert!(args("--jwks-file k --users-file u").security(&ConfigFile::default()).is_err());
        assert_eq!(args("--security none").security(&ConfigFile::default()).unwrap(), Security::None);
    }

    #[test]
    fn a_key_set_means_tokens_and_needs_issuer_and_audience() {
        let complete = args("--jwks-file k.json --issuer https://id --audience grid");
        assert!(matches!(complete.security(&ConfigFile::default()), Ok(Security::Tokens(_))));
        assert!(args("--jwks-file k.json --issuer https://id").security(&ConfigFile::default()).is_err());
        assert!(args("--jwks-file k.json --security users").security(&ConfigFile::default()).is_err());
    }

    #[test]
    fn flags_win_over_the_file() {
        let file =
            file("[security]\njwks-url = \"https://old\"\nissuer = \"https://id\"\naudience = \"grid\"");
        let trusted = only(args("--jwks-file new.json --audience other").security(&file));
        assert_eq!(trusted.keys, KeySource::File("new.json".into()));
        assert_eq!((&*trusted.config.issuer, &*trusted.config.audience), ("https://id", "other"));
    }

    #[test]
    fn tokens_may_be_held_to_the_standard_by_flag_or_file() {
        let flags = "--jwks-file k.json --issuer https://id --audience grid";
        let strict = file("[security]\nstrict-tokens = true");
        for (line, file, profile) in [
            (flags.to_owned(), &ConfigFile::default(), Profile::Foreign),
            (format!("{flags} --strict-tokens"), &ConfigFile::default(), Profile::Own),
            (flags.to_owned(), &strict, Profile::Own),
        ] {
            assert_eq!(only(args(&line).security(file)).config.profile, profile, "{line}");
        }
    }

    #[test]
    fn half_of_a_pair_is_refused() {
        for line in ["--tls-cert a.pem", "--tls-client-ca a.pem", "--jwks-file a --jwks-url b"] {
            assert!(
                Harness::try_parse_from(std::iter::once("serve").chain(line.split_whitespace())).is_err(),
                "{line}"
            );
        }
    }
}
