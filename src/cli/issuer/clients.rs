//! `druse issuer client`.

use std::io::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use druse_identity::issuer::{ClientSettings, GrantType};

use super::data::{DataArgs, operator, refused};
use crate::cli::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Register a client; its secret is printed once.
    #[command(after_help = "Examples:\n  \
        druse issuer client add feeder --grant-type client-credentials --scope grid:data:write:orders\n  \
        druse issuer client add shop --grant-type authorization-code --grant-type refresh-token \\\n    \
        --redirect-uri https://shop.example/callback --scope openid --scope offline_access --scope 'grid:data:*:orders'")]
    Add(AddArgs),
    /// Take a client out of service for good, and end what was had through it.
    Remove(RemoveArgs),
    /// List the clients.
    List(DataArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Id of the client
    id: String,
    /// What people know it by [default: its id]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// It cannot keep a secret: an application on somebody's machine or in a browser
    #[arg(long)]
    public: bool,
    /// Let it send its secret in the body of requests, not only in the header
    #[arg(long, conflicts_with = "public")]
    secret_in_body: bool,
    /// How it gets tokens; repeatable
    #[arg(long = "grant-type", value_enum, required = true, value_name = "KIND")]
    grants: Vec<Grant>,
    /// Where browsers are sent back to, compared whole; repeatable
    #[arg(long = "redirect-uri", value_name = "URL")]
    redirect_uris: Vec<String>,
    /// Where browsers are sent after a logout; repeatable
    #[arg(long = "post-logout-redirect-uri", value_name = "URL")]
    post_logout_redirect_uris: Vec<String>,
    /// Where it is told that somebody has logged out (back-channel logout)
    #[arg(long, value_name = "URL")]
    backchannel_logout_uri: Option<String>,
    /// What it may ask for, such as openid, offline_access or grid:data:read:orders; repeatable
    #[arg(long = "scope", value_name = "SCOPE")]
    scope: Vec<String>,
    /// For whom its access tokens are; the first if it does not say; repeatable
    #[arg(long = "audience", default_value = "grid", value_name = "NAME")]
    audiences: Vec<String>,
    #[command(flatten)]
    data: DataArgs,
}

/// The grant types by the names that people type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Grant {
    /// A browser's login
    AuthorizationCode,
    /// Tokens that are replaced by their use; needs offline_access in the scope
    RefreshToken,
    /// The client for itself
    ClientCredentials,
    /// One token for another
    TokenExchange,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Id of the client
    id: String,
    #[command(flatten)]
    data: DataArgs,
}

pub(super) fn run(command: ClientCommand) -> Result<(), Failure> {
    match command {
        ClientCommand::Add(args) => add(&args),
        ClientCommand::Remove(args) => args.data.with_issuer(async |issuer, _| {
            let ended = issuer.remove_client(&args.id, &operator()).await.map_err(|e| refused(&e))?;
            println!("removed {}; sessions ended: {ended}", args.id);
            Ok(())
        }),
        ClientCommand::List(data) => list(&data),
    }
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    args.data.with_issuer(async |issuer, _| {
        let by = operator();
        let made = issuer.register_client(&args.id, settings(args), !args.public, &by);
        let secret = made.await.map_err(|error| refused(&error))?;
        eprintln!("added {}", args.id);
        if let Some(secret) = secret {
            eprintln!("its secret is on standard output, and is not shown again");
            // Alone on its line, so that a script can put it away.
            let _ = writeln!(std::io::stdout(), "{secret}");
        }
        Ok(())
    })
}

fn settings(args: &AddArgs) -> ClientSettings {
    ClientSettings {
        name: args.name.clone().unwrap_or_else(|| args.id.clone()),
        secret_sha256: None,
        secret_in_body: args.secret_in_body,
        redirect_uris: args.redirect_uris.clone(),
        post_logout_redirect_uris: args.post_logout_redirect_uris.clone(),
        backchannel_logout_uri: args.backchannel_logout_uri.clone(),
        grants: args.grants.iter().map(|grant| (*grant).into()).collect(),
        scope: args.scope.clone(),
        audiences: args.audiences.clone(),
    }
}

fn list(data: &DataArgs) -> Result<(), Failure> {
    data.with_issuer(async |issuer, _| {
        let mut after = String::new();
        loop {
            let page = issuer.clients(&after).await.map_err(|error| refused(&error))?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.id);
            for client in &page {
                let settings = &client.state.settings;
                let state = match (client.state.removed, &settings.secret_sha256) {
                    (true, _) => "removed",
                    (false, Some(_)) => "secret",
                    (false, None) => "public",
                };
                let grants: Vec<&str> = settings.grants.iter().map(|grant| grant.name()).collect();
                println!("{}\t{state}\t{}\t{}", client.id, grants.join(" "), settings.scope.join(" "));
            }
        }
    })
}

impl From<Grant> for GrantType {
    fn from(grant: Grant) -> Self {
        match grant {
            Grant::AuthorizationCode => Self::AuthorizationCode,
            Grant::RefreshToken => Self::RefreshToken,
            Grant::ClientCredentials => Self::ClientCredentials,
            Grant::TokenExchange => Self::TokenExchange,
        }
    }
}
