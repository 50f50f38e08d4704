//! `druse serve`: flags over environment over file, then a node until somebody stops it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::Failure;
use super::config_file::ConfigFile;

/// Which security manager to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SecurityKind {
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
    druse serve --region orders --jwks-url https://id.example/keys --issuer https://id.example --audience grid\n  \
    druse serve --region orders --security users --users-file users.toml --tls-cert node.pem --tls-key node.key\n  \
    druse serve --region orders --security none        open to everybody who can reach the port\n\n\
    Rights of a token stand in its `scope` (or `scp`, or `entitlements`): grid:data:read:orders, grid:data:write:orders,\n\
    grid:data:read:orders:17 for a single key, * for any field.\n\n\
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
    /// Which security manager to use [default: token if a key set is given, users if a user file is]
    #[arg(long, env = "DRUSE_SECURITY", value_enum, value_name = "KIND")]
    security: Option<SecurityKind>,
    /// Key set (JWKS) that tokens are verified with; read again when it changes
    #[arg(long, env = "DRUSE_JWKS_FILE", value_name = "PATH", conflicts_with = "jwks_url")]
    jwks_file: Option<PathBuf>,
    /// The same from a URL (https, or http on the loopback address)
    #[arg(long, env = "DRUSE_JWKS_URL", value_name = "URL")]
    jwks_url: Option<String>,
    /// The issuer that tokens must name, byte for byte
    #[arg(long, env = "DRUSE_ISSUER", value_name = "URL")]
    issuer: Option<String>,
    /// The audience that tokens must name
    #[arg(long, env = "DRUSE_AUDIENCE", value_name = "NAME")]
    audience: Option<String>,
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
    Token { keys: KeySource, issuer: String, audience: String },
    Users { file: PathBuf },
    None,
}

/// Where a key set comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    File(PathBuf),
    Url(String),
}

impl ServeArgs {
    /// Who may come in. A node never starts open by accident: `none` must be asked for by name.
    fn security(&self, file: &ConfigFile) -> Result<Security, Failure> {
        let section = &file.security;
        // A source in the flags replaces the one in the file, whatever kind that is.
        let keys = match (&self.jwks_file, &self.jwks_url) {
            (Some(path), _) => Some(KeySource::File(path.clone())),
            (None, Some(url)) => Some(KeySource::Url(url.clone())),
            (None, None) => match (&section.jwks_file, &section.jwks_url) {
                (Some(_), Some(_)) => {
                    return Err(Failure::usage("the configuration file sets both jwks-file and jwks-url")
                        .hint("keep one of them"));
                }
                (Some(path), None) => Some(KeySource::File(path.clone())),
                (None, url) => url.clone().map(KeySource::Url),
            },
        };
        let users = self.users_file.clone().or_else(|| section.users_file.clone());
        let kind = self.security.or(section.manager).or(match (&keys, &users) {
            (Some(_), None) => Some(SecurityKind::Token),
            (None, Some(_)) => Some(SecurityKind::Users),
            _ => None,
        });
        match kind {
            Some(SecurityKind::None) => Ok(Security::None),
            Some(SecurityKind::Users) => users.map(|file| Security::Users { file }).ok_or_else(|| {
                Failure::usage("--security users needs --users-file").hint("druse users add NAME --file PATH makes one")
            }),
            Some(SecurityKind::Token) => {
                let missing = |flag: &str| Failure::usage(format!("--security token needs {flag}"));
                Ok(Security::Token {
                    keys: keys.ok_or_else(|| missing("--jwks-file or --jwks-url"))?,
                    issuer: self
                        .issuer
                        .clone()
                        .or_else(|| section.issuer.clone())
                        .ok_or_else(|| missing("--issuer"))?,
                    audience: self
                        .audience
                        .clone()
                        .or_else(|| section.audience.clone())
                        .ok_or_else(|| missing("--audience"))?,
                })
            }
            None => Err(Failure::usage("who may use this node? No security manager has been chosen").hint(
                "--jwks-file or --jwks-url with --issuer and --audience for tokens, --users-file for passwords, \
                 or --security none to let everybody in",
            )),
        }
    }
}

/// Runs a node until it is told to stop.
pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?.unwrap_or_default();
    let security = args.security(&file)?;
    let _ = (security, IpAddr::V4(Ipv4Addr::LOCALHOST));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

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

    #[test]
    fn a_node_never_starts_open_by_accident() {
        assert!(args("--region orders").security(&ConfigFile::default()).is_err());
        assert_eq!(args("--security none").security(&ConfigFile::default()).unwrap(), Security::None);
    }

    #[test]
    fn a_key_set_means_tokens_and_needs_issuer_and_audience() {
        let complete = args("--jwks-file k.json --issuer https://id --audience grid");
        assert!(matches!(complete.security(&ConfigFile::default()), Ok(Security::Token { .. })));
        assert!(args("--jwks-file k.json --issuer https://id").security(&ConfigFile::default()).is_err());
        assert!(args("--jwks-file k.json --security users").security(&ConfigFile::default()).is_err());
    }

    #[test]
    fn flags_win_over_the_file() {
        let file =
            file("[security]\njwks-url = \"https://old\"\nissuer = \"https://id\"\naudience = \"grid\"");
        let Ok(Security::Token { keys, audience, .. }) =
            args("--jwks-file new.json --audience other").security(&file)
        else {
            panic!("tokens expected");
        };
        assert_eq!(keys, KeySource::File("new.json".into()));
        assert_eq!(audience, "other");
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
