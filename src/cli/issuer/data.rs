//! Where an issuer keeps its data, and how a tool gets at it.

use std::fs;
use std::future::Future;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use druse_identity::issuer::{Issuer, IssuerConfig};
use druse_identity::seal::{self, Sealer};
use druse_identity::store::Store;
use druse_protocol::time::{Clock, SystemClock};
use tokio::runtime::Builder;

use crate::cli::Failure;

/// The name that tools give an issuer of which they only need the store.
const TOOL: &str = "http://localhost";

/// Where the data is.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataArgs {
    /// Folder of the database and the master keys; made if it does not exist
    #[arg(long, env = "DRUSE_ISSUER_DATA", default_value = "druse-issuer", value_name = "FOLDER")]
    data: PathBuf,
    /// Use this Postgres database on this machine instead of a file, such as "host=/run/postgresql dbname=druse"; the
    /// master keys stay in the folder
    #[arg(long, env = "DRUSE_ISSUER_POSTGRES", hide_env_values = true, value_name = "ADDRESS")]
    postgres: Option<String>,
}

impl DataArgs {
    /// Everything in one folder.
    pub(crate) const fn in_folder(data: PathBuf) -> Self {
        Self { data, postgres: None }
    }

    /// Opens the store and reads the master keys, making both where they are missing.
    pub(super) async fn open(&self) -> Result<(Store, Arc<Sealer>), Failure> {
        let wrong = |what: &str| Failure::work(format!("{what} in {} cannot be used", self.data.display()));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.data)
            .map_err(|error| wrong("the data").because(&error))?;
        let sealer = seal::load_or_create(&self.data.join("master.keys"))
            .map_err(|error| wrong("the master keys").because(&error))?;
        let store = match &self.postgres {
            Some(address) => Store::connect_postgres(address).await.map_err(|error| {
                Failure::unreachable("the Postgres database cannot be used").because(&error)
            })?,
            None => Store::open_sqlite(&self.data.join("identity.db"), clock())
                .await
                .map_err(|error| wrong("the database").because(&error))?,
        };
        Ok((store, Arc::new(sealer)))
    }

    /// Runs a tool on the store.
    pub(super) fn with_issuer<F>(&self, tool: impl FnOnce(Issuer, Store) -> F) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        super::super::logging::start("warn", false);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::unreachable("the runtime cannot be started").because(&error))?;
        runtime.block_on(async {
            let (store, sealer) = self.open().await?;
            let issuer = Issuer::new(IssuerConfig::new(TOOL), store.clone(), sealer, clock()).await;
            tool(
                issuer.map_err(|error| Failure::work("the issuer's data cannot be used").because(&error))?,
                store,
            )
            .await
        })
    }
}

pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Under whose name a tool's work stands in the log: whoever is logged in at this machine.
pub(super) fn operator() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
    let printable: String = user.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
    format!("operator:{}", if printable.is_empty() { "unknown" } else { &printable })
}

/// What the store or the issuer said no to.
pub(super) fn refused(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::work("this was not done").because(error)
}
