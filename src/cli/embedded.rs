//! The issuer inside `druse serve`: what a newcomer meets, and all that a single machine needs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use druse_identity::ends::{BlindPolicy, EndsSource, StoreEnds};
use druse_identity::issuer::IssuerConfig;
use druse_identity::issuer::http::IssuerServer;
use druse_identity::key_set::{KeySetCache, Policy};
use druse_identity::oidc::{OidcSecurityManager, TrustedFeed, TrustedIssuer};
use druse_identity::token::{Profile, TokenConfig};
use druse_protocol::time::Clock;

use super::Failure;
use super::config_file::SecuritySection;
use super::issuer::{DataArgs, Running, opened};

/// The audience of its tokens, as its first client asks for them.
const AUDIENCE: &str = "grid";
const PORT: u16 = 8443;
const DATA: &str = "druse-issuer";

/// The flags.
#[derive(Debug, Default, Args)]
pub(crate) struct EmbeddedArgs {
    /// Port of the node's own issuer, on the loopback address; 0 for one that the system picks [default: 8443]
    #[arg(long, env = "DRUSE_ISSUER_PORT", value_name = "N")]
    issuer_port: Option<u16>,
    /// Folder of its data; `druse issuer --help` names the tools for it [default: druse-issuer]
    #[arg(long, env = "DRUSE_ISSUER_DATA", value_name = "FOLDER")]
    issuer_data: Option<PathBuf>,
}

/// An issuer to start with the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Embedded {
    port: u16,
    data: PathBuf,
}

/// What has been started.
pub(crate) struct Started {
    /// The manager that takes its tokens.
    pub(crate) manager: OidcSecurityManager,
    /// Its name.
    pub(crate) name: String,
    /// Its tasks.
    pub(crate) running: Running,
}

impl EmbeddedArgs {
    /// Flags and environment over the file.
    pub(crate) fn over(&self, file: &SecuritySection) -> Embedded {
        let data = self.issuer_data.as_ref().or(file.issuer_data.as_ref());
        Embedded {
            port: self.issuer_port.or(file.issuer_port).unwrap_or(PORT),
            data: data.cloned().unwrap_or_else(|| PathBuf::from(DATA)),
        }
    }
}

impl Embedded {
    /// Starts the issuer, and what trusts it and nobody else.
    pub(crate) async fn start(self, clock: &Arc<dyn Clock>) -> Result<Started, Failure> {
        let server = IssuerServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), None).await;
        let server = server.map_err(|error| {
            Failure::unreachable("the node's own issuer cannot be started")
                .because(&error)
                .hint("--issuer-port N, or another issuer: druse serve --help")
        })?;
        let name = format!("http://localhost:{}", server.local().port());
        let (issuer, store) = opened(IssuerConfig::new(&name), &DataArgs::in_folder(self.data)).await?;
        let mut config = TokenConfig::new(&name, AUDIENCE);
        config.profile = Profile::Own;
        let keys = KeySetCache::new(Arc::clone(issuer.keys()), Policy::network(), Arc::clone(clock));
        let source: Arc<dyn EndsSource> = Arc::new(StoreEnds::new(store, Arc::clone(clock)));
        let feed = Some(TrustedFeed { source, when_blind: BlindPolicy::UntilExpiry });
        let manager = OidcSecurityManager::new(vec![TrustedIssuer { config, keys, feed }], clock)
            .map_err(|error| Failure::usage("the node's own issuer cannot be trusted").because(&error))?;
        Ok(Started { manager, name, running: Running::start(issuer, server) })
    }
}
