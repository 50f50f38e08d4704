//! `druse issuer account`.

use clap::{Args, Subcommand};
use druse_identity::issuer::AccountState;

use super::data::{DataArgs, operator, refused};
use crate::cli::Failure;
use crate::cli::users::new_password;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account; the password is asked for, or read from standard input.
    #[command(after_help = "Example:\n  druse issuer account add ann --grant grid:data:read:orders")]
    Add(GrantArgs),
    /// Give an account other rights; its next tokens have them.
    Grant(GrantArgs),
    /// Give an account another password; what it had is ended.
    Password(NameArgs),
    /// Let an account log in no more, and end what it has.
    Disable(NameArgs),
    /// Let an account log in again.
    Enable(NameArgs),
    /// Remove an account for good, and end what it has.
    Remove(NameArgs),
    /// List the accounts and their rights.
    List(DataArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Name of the account
    name: String,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// Name of the account
    name: String,
    /// A right, such as grid:data:read:orders; repeatable
    #[arg(long = "grant", value_name = "RIGHT")]
    grants: Vec<String>,
    #[command(flatten)]
    data: DataArgs,
}

pub(super) fn run(command: AccountCommand) -> Result<(), Failure> {
    match command {
        AccountCommand::Add(args) => add(&args),
        AccountCommand::Grant(args) => grant(&args),
        AccountCommand::Password(args) => password(&args),
        AccountCommand::Disable(args) => args.data.with_issuer(async |issuer, _| {
            let ended = issuer.disable_account(&args.name, &operator()).await.map_err(|e| refused(&e))?;
            println!("disabled {}; sessions ended: {ended}", args.name);
            Ok(())
        }),
        AccountCommand::Enable(args) => args.data.with_issuer(async |issuer, _| {
            issuer.enable_account(&args.name, &operator()).await.map_err(|e| refused(&e))?;
            println!("enabled {}", args.name);
            Ok(())
        }),
        AccountCommand::Remove(args) => args.data.with_issuer(async |issuer, _| {
            let ended = issuer.remove_account(&args.name, &operator()).await.map_err(|e| refused(&e))?;
            println!("removed {}; sessions ended: {ended}", args.name);
            Ok(())
        }),
        AccountCommand::List(data) => list(&data),
    }
}

fn add(args: &GrantArgs) -> Result<(), Failure> {
    let password = new_password()?;
    args.data.with_issuer(async |issuer, _| {
        let by = operator();
        let made = issuer.create_account(&args.name, &password, args.grants.clone(), &by);
        made.await.map_err(|error| refused(&error))?;
        println!("added {}", args.name);
        if args.grants.is_empty() {
            eprintln!("note: {} may log in and do nothing else; --grant gives rights", args.name);
        }
        Ok(())
    })
}

fn grant(args: &GrantArgs) -> Result<(), Failure> {
    args.data.with_issuer(async |issuer, _| {
        let by = operator();
        let changed = issuer.change_entitlements(&args.name, args.grants.clone(), &by);
        changed.await.map_err(|error| refused(&error))?;
        println!("{} may now: {}", args.name, args.grants.join(" "));
        Ok(())
    })
}

fn password(args: &NameArgs) -> Result<(), Failure> {
    let password = new_password()?;
    args.data.with_issuer(async |issuer, _| {
        let by = operator();
        let changed = issuer.change_password(&args.name, &password, &by);
        changed.await.map_err(|error| refused(&error))?;
        println!("changed the password of {}; its sessions have ended", args.name);
        Ok(())
    })
}

fn list(data: &DataArgs) -> Result<(), Failure> {
    data.with_issuer(async |issuer, _| {
        let mut after = String::new();
        loop {
            let page = issuer.accounts(&after).await.map_err(|error| refused(&error))?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.id);
            for account in &page {
                let state = match account.state.state {
                    AccountState::Enabled => "enabled",
                    AccountState::Disabled => "disabled",
                    AccountState::Removed => "removed",
                };
                println!("{}\t{state}\t{}", account.id, account.state.entitlements.join(" "));
            }
        }
    })
}
