//! `druse issuer run`.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use druse_identity::issuer::http::{IssuerServer, tls_from_files};
use druse_identity::issuer::{Issuer, IssuerConfig};
use tokio::runtime::Builder;
use tracing::info;

use super::data::DataArgs;
use super::running::{Running, opened};
use crate::cli::serve::stop_signal;
use crate::cli::{Failure, demo, logging};

/// Flags of `druse issuer run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    druse issuer run                                   on loopback, data in ./druse-issuer\n  \
    druse issuer run --issuer https://id.example --bind 0.0.0.0 --tls-cert id.pem --tls-key id.key\n\n\
    A new issuer makes the account `operator` and prints its password once, and the client `druse` for druse login. A node that takes its tokens:\n  \
    druse serve --region orders --jwks-url http://localhost:8443/keys --issuer http://localhost:8443 --audience grid")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Port to listen on; 0 for one that the system picks
    #[arg(long, env = "DRUSE_ISSUER_PORT", default_value_t = 8443, value_name = "N")]
    port: u16,
    /// Address to listen on
    #[arg(long, env = "DRUSE_ISSUER_BIND", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    bind: IpAddr,
    /// Name of the issuer and beginning of its addresses: an origin as clients and browsers reach it
    /// [default: http(s)://localhost:PORT]
    #[arg(long, env = "DRUSE_ISSUER_NAME", value_name = "URL")]
    issuer: Option<String>,
    /// Server certificate chain (PEM); switches TLS on
    #[arg(long, value_name = "PATH", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Take requests without TLS from other machines, as a proxy in front that speaks it makes them
    #[arg(long)]
    behind_proxy: bool,
    /// How long access tokens live
    #[arg(long, default_value = "5m", value_parser = demo::parse_duration, value_name = "TIME")]
    access_life: Duration,
    /// Let accounts with the right identity:impersonate:NAME act for others
    #[arg(long)]
    impersonation: bool,
    /// Log in JSON, one object a line
    #[arg(long)]
    log_json: bool,
}

/// Runs an issuer until it is told to stop.
pub(super) fn run(args: RunArgs) -> Result<(), Failure> {
    logging::start("info", args.log_json);
    if !args.bind.is_loopback() && args.tls_cert.is_none() && !args.behind_proxy {
        return Err(Failure::usage("passwords and tokens would cross the network in the clear")
            .hint("--tls-cert and --tls-key, or --behind-proxy if something in front speaks TLS"));
    }
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unreachable("the runtime cannot be started").because(&error))?;
    runtime.block_on(serve(args))
}

async fn serve(args: RunArgs) -> Result<(), Failure> {
    // Asked for before anything starts, so that a signal that comes early is not lost.
    let stopping = stop_signal()?;
    let server = bind(&args).await?;
    let name = args.issuer.clone().unwrap_or_else(|| {
        let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", server.local().port())
    });
    let (issuer, _) = opened(config(&args, name), &args.data).await?;
    announce(&issuer, &server);
    let running = Running::start(issuer, server);
    stopping.await;
    info!("stopping: what has been asked is answered");
    running.stop().await;
    Ok(())
}

async fn bind(args: &RunArgs) -> Result<IssuerServer, Failure> {
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let tls = tls_from_files(certificate, key);
            Some(tls.map_err(|error| Failure::usage("TLS cannot be set up").because(&error))?)
        }
        _ => None,
    };
    IssuerServer::bind(SocketAddr::new(args.bind, args.port), tls)
        .await
        .map_err(|error| Failure::unreachable("the issuer cannot be started").because(&error))
}

fn config(args: &RunArgs, name: String) -> IssuerConfig {
    let mut config = IssuerConfig::new(name);
    config.impersonation = args.impersonation;
    config.sessions.access_life = args.access_life;
    // The grace is a part of that life, however short somebody wants it.
    config.sessions.grace = config.sessions.grace.min(args.access_life / 2);
    config
}

/// One line for people and scripts, when clients can come.
fn announce(issuer: &Issuer, server: &IssuerServer) {
    // Nobody may be listening, and that is no reason to stop.
    let _ = writeln!(std::io::stdout(), "ready: issuer {} at {}", issuer.name(), server.local());
}
