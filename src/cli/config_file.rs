//! The configuration file: TOML with the names of the flags. Flags and environment variables win over it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Failure;
use super::feed_settings::FeedsSection;
use super::serve::SecurityKind;
use super::trust::{IssuerSection, WhenBlind};

/// A whole file. Every field is optional; an unknown one is an error that names it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct ConfigFile {
    pub(crate) port: Option<u16>,
    pub(crate) bind: Option<std::net::IpAddr>,
    pub(crate) advertise: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) regions: Vec<String>,
    pub(crate) locator_port: Option<u16>,
    pub(crate) metrics_port: Option<u16>,
    pub(crate) metrics_bind: Option<std::net::IpAddr>,
    pub(crate) pdx_registry: Option<PathBuf>,
    pub(crate) security: SecuritySection,
    pub(crate) tls: TlsSection,
    pub(crate) limits: LimitsSection,
    pub(crate) feeds: FeedsSection,
}

/// Who may come in.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct SecuritySection {
    pub(crate) manager: Option<SecurityKind>,
    pub(crate) jwks_file: Option<PathBuf>,
    pub(crate) jwks_url: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) strict_tokens: Option<bool>,
    pub(crate) ends_client: Option<String>,
    pub(crate) ends_secret_file: Option<PathBuf>,
    pub(crate) ends_url: Option<String>,
    pub(crate) when_blind: Option<WhenBlind>,
    pub(crate) issuers: Vec<IssuerSection>,
    pub(crate) issuer_port: Option<u16>,
    pub(crate) issuer_data: Option<PathBuf>,
    pub(crate) users_file: Option<PathBuf>,
    pub(crate) allow_principal_change: Option<bool>,
}

/// TLS for clients and locator.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct TlsSection {
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) client_certificate_optional: Option<bool>,
}

/// Bounds on what peers can cost; times in seconds, sizes in bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct LimitsSection {
    pub(crate) connections: Option<usize>,
    pub(crate) connections_per_address: Option<usize>,
    pub(crate) handshake_seconds: Option<f64>,
    pub(crate) idle_seconds: Option<f64>,
    pub(crate) message_bytes: Option<usize>,
    pub(crate) in_flight_bytes: Option<usize>,
    pub(crate) drain_seconds: Option<f64>,
    pub(crate) query_rows: Option<usize>,
    pub(crate) query_bytes: Option<usize>,
    pub(crate) query_seconds: Option<f64>,
}

impl SecuritySection {
    /// The issuer that the section itself names, without a realm, as it is the only one.
    pub(crate) fn single(&self) -> IssuerSection {
        IssuerSection {
            realm: None,
            jwks_file: self.jwks_file.clone(),
            jwks_url: self.jwks_url.clone(),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            strict_tokens: self.strict_tokens,
            ends_client: self.ends_client.clone(),
            ends_secret_file: self.ends_secret_file.clone(),
            ends_url: self.ends_url.clone(),
            when_blind: self.when_blind,
        }
    }
}

impl ConfigFile {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("configuration file {} cannot be read", path.display())).because(&error)
        })?;
        Self::parse(&text).map_err(|error| {
            // The library's message shows the line and what was expected.
            Failure::usage(format!("configuration file {} is wrong:\n{error}", path.display()))
                .hint("druse serve --help lists what can be set; names in the file are those of the flags")
        })
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file() {
        let file = ConfigFile::parse(
            r#"
            port = 40405
            regions = ["orders", "customers"]
            locator-port = 10334
            [security]
            manager = "token"
            jwks-file = "keys.json"
            issuer = "https://id.example"
            audience = "grid"
            [tls]
            cert = "server.pem"
            key = "server.key"
            [limits]
            connections = 100
            idle-seconds = 60
            query-rows = 5000
            "#,
        )
        .unwrap();
        assert_eq!(file.port, Some(40405));
        assert_eq!(file.regions, ["orders", "customers"]);
        assert_eq!(file.security.manager, Some(SecurityKind::Token));
        assert_eq!(file.limits.idle_seconds, Some(60.0));
        assert_eq!(file.limits.query_rows, Some(5000));
    }

    #[test]
    fn a_name_that_nobody_knows_is_named() {
        let error = ConfigFile::parse("prot = 1").unwrap_err();
        assert!(error.to_string().contains("prot"), "{error}");
    }
}
