//! `druse issuer run`.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use druse_identity::issuer::http::{IssuerServer, tls_from_files};
use druse_identity::issuer::{ClientSettings, GrantType, Issuer, IssuerConfig, OPERATE};
use druse_identity::users::random_password;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::data::{DataArgs, clock};
use crate::cli::serve::stop_signal;
use crate::cli::{Failure, demo, logging};

/// The account that a new issuer has.
const FIRST: &str = "operator";
/// The client that it has.
const FIRST_CLIENT: &str = "druse";

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
    let issuer = Arc::new(open(&args, name).await?);
    let stop = CancellationToken::new();
    let keeping = tokio::spawn({
        let (issuer, stop) = (Arc::clone(&issuer), stop.clone());
        async move { issuer.keep(stop).await }
    });
    announce(&issuer, &server);
    let serving = tokio::spawn(server.run(issuer, stop.clone()));
    stopping.await;
    info!("stopping: what has been asked is answered");
    stop.cancel();
    for task in [keeping, serving] {
        if let Err(error) = task.await {
            warn!(%error, "a part of the issuer ended badly");
        }
    }
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

async fn open(args: &RunArgs, name: String) -> Result<Issuer, Failure> {
    let mut config = IssuerConfig::new(name);
    config.impersonation = args.impersonation;
    config.sessions.access_life = args.access_life;
    // The grace is a part of that life, however short somebody wants it.
    config.sessions.grace = config.sessions.grace.min(args.access_life / 2);
    config.check().map_err(|error| Failure::usage("the issuer cannot be run like this").because(&error))?;
    let (store, sealer) = args.data.open().await?;
    let failed = |error: druse_identity::error::Error| {
        Failure::work("the issuer's data cannot be used").because(&error)
    };
    let issuer = Issuer::new(config, store, sealer, clock()).await.map_err(failed)?;
    issuer.tend().await.map_err(failed)?;
    first_account_and_client(&issuer).await?;
    Ok(issuer)
}

/// Somebody must be able to log in to what is new, and `druse login` must have a client to do it through. The password is
/// on the terminal, and nowhere else.
async fn first_account_and_client(issuer: &Issuer) -> Result<(), Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::work("the first account could not be made").because(error)
    };
    if !issuer.accounts("").await.map_err(|error| failed(&error))?.is_empty() {
        return Ok(());
    }
    let password = random_password().map_err(|error| failed(&error))?;
    let rights = vec!["grid:*:*".to_owned(), OPERATE.to_owned()];
    issuer.create_account(FIRST, &password, rights, "setup").await.map_err(|error| failed(&error))?;
    let made = issuer.register_client(FIRST_CLIENT, first_client(), false, "setup").await;
    made.map_err(|error| failed(&error))?;
    let mut out = std::io::stdout();
    let _ = writeln!(out, "first account: {FIRST} with password {}", password.as_str());
    let _ = writeln!(out, "it is not shown again; druse issuer account password {FIRST} gives another");
    Ok(())
}

/// The client of this command, on the machines of those who log in.
fn first_client() -> ClientSettings {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    ClientSettings {
        name: "the druse command".to_owned(),
        secret_sha256: None,
        secret_in_body: false,
        redirect_uris: texts(&["http://127.0.0.1/callback"]),
        post_logout_redirect_uris: Vec::new(),
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scope: texts(&["openid", "profile", "offline_access", "grid:*:*"]),
        audiences: texts(&["grid"]),
    }
}

/// One line for people and scripts, when clients can come.
fn announce(issuer: &Issuer, server: &IssuerServer) {
    // Nobody may be listening, and that is no reason to stop.
    let _ = writeln!(std::io::stdout(), "ready: issuer {} at {}", issuer.name(), server.local());
}
