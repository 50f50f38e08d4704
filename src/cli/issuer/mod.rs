//! `druse issuer`: an issuer of tokens of one's own, and the tools of its operator.
//!
//! The tools open the store themselves, beside a running issuer or without one; whoever can read the data folder is the
//! operator.

mod accounts;
mod audit;
mod clients;
mod data;
mod keys;
mod run;
mod running;
mod sessions;

use std::path::Path;

use clap::Subcommand;
use zeroize::Zeroizing;

use super::Failure;
pub(super) use data::DataArgs;
pub(super) use running::{Running, opened};

#[derive(Debug, Subcommand)]
pub(crate) enum IssuerCommand {
    /// Run an issuer: logins in the browser, tokens for clients, keys for nodes.
    Run(Box<run::RunArgs>),
    /// Manage accounts: people who log in.
    #[command(subcommand)]
    Account(accounts::AccountCommand),
    /// Manage clients: programs that ask for tokens.
    #[command(subcommand)]
    Client(clients::ClientCommand),
    /// Manage signing keys.
    #[command(subcommand)]
    Key(keys::KeyCommand),
    /// Look at sessions, and end them.
    #[command(subcommand)]
    Session(sessions::SessionCommand),
    /// Print what has happened, oldest first.
    Audit(audit::AuditArgs),
}

pub(crate) fn run(command: IssuerCommand) -> Result<(), Failure> {
    match command {
        IssuerCommand::Run(args) => run::run(*args),
        IssuerCommand::Account(command) => accounts::run(command),
        IssuerCommand::Client(command) => clients::run(command),
        IssuerCommand::Key(command) => keys::run(command),
        IssuerCommand::Session(command) => sessions::run(command),
        IssuerCommand::Audit(args) => audit::run(&args),
    }
}

/// A client's secret, from the file in which `druse issuer client add` was kept.
pub(super) fn secret_in(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("{} cannot be read", path.display())).because(&error);
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
    Ok(Zeroizing::new(text.trim().to_owned()))
}
