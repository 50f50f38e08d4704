//! An issuer at work, by itself or beside a node.

use std::io::Write as _;
use std::sync::Arc;

use druse_identity::issuer::http::IssuerServer;
use druse_identity::issuer::{ClientSettings, GrantType, Issuer, IssuerConfig, OPERATE};
use druse_identity::store::Store;
use druse_identity::users::random_password;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::data::{DataArgs, clock};
use crate::cli::Failure;

/// The account that a new issuer has.
const FIRST: &str = "operator";
/// The client that it has.
const FIRST_CLIENT: &str = "druse";

/// The tasks of an issuer.
pub(crate) struct Running {
    stop: CancellationToken,
    tasks: [JoinHandle<()>; 2],
}

impl Running {
    /// Keeps the issuer and serves it.
    pub(crate) fn start(issuer: Arc<Issuer>, server: IssuerServer) -> Self {
        let stop = CancellationToken::new();
        let keeping = tokio::spawn({
            let (issuer, stop) = (Arc::clone(&issuer), stop.clone());
            async move { issuer.keep(stop).await }
        });
        let serving = tokio::spawn(server.run(issuer, stop.clone()));
        Self { stop, tasks: [keeping, serving] }
    }

    /// Answers what has been asked, and ends.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                warn!(%error, "a part of the issuer ended badly");
            }
        }
    }
}

/// Opens an issuer, ready to sign. A new one gets its first account and client.
pub(crate) async fn opened(config: IssuerConfig, data: &DataArgs) -> Result<(Arc<Issuer>, Store), Failure> {
    config.check().map_err(|error| Failure::usage("the issuer cannot be run like this").because(&error))?;
    let (store, sealer) = data.open().await?;
    let failed = |error: druse_identity::error::Error| {
        Failure::work("the issuer's data cannot be used").because(&error)
    };
    let issuer = Issuer::new(config, store.clone(), sealer, clock()).await.map_err(failed)?;
    issuer.tend().await.map_err(failed)?;
    first_account_and_client(&issuer).await?;
    Ok((Arc::new(issuer), store))
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
        backchannel_logout_uri: None,
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scope: texts(&["openid", "profile", "offline_access", "grid:*:*"]),
        audiences: texts(&["grid"]),
    }
}
