//! `druse users`: the file of the `users` security manager.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use druse_identity::users::{self, Entry};
use zeroize::Zeroizing;

use super::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Add a user or give one a new password; the password is asked for, or read from standard input.
    #[command(
        after_help = "Example:\n  druse users add ann --file users.toml --grant grid:data:read:orders \
                            --grant grid:data:write:orders\n\nA running node takes the change within a second."
    )]
    Add(AddArgs),
    /// Remove a user; standing logins end.
    Remove(RemoveArgs),
    /// List the users, without their hashes.
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Name of the user
    name: String,
    /// The user file; made if it does not exist
    #[arg(long, env = "DRUSE_USERS_FILE", default_value = "users.toml", value_name = "PATH")]
    file: PathBuf,
    /// A right, such as grid:data:read:orders or grid:data:*:*; repeatable
    #[arg(long = "grant", value_name = "RIGHT")]
    grants: Vec<String>,
    /// How long one login lasts, such as 15m; without end if not given
    #[arg(long, value_parser = super::demo::parse_duration, value_name = "TIME")]
    lifetime: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Name of the user
    name: String,
    /// The user file
    #[arg(long, env = "DRUSE_USERS_FILE", default_value = "users.toml", value_name = "PATH")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The user file
    #[arg(long, env = "DRUSE_USERS_FILE", default_value = "users.toml", value_name = "PATH")]
    file: PathBuf,
}

pub(crate) fn run(command: UsersCommand) -> Result<(), Failure> {
    match command {
        UsersCommand::Add(args) => add(args),
        UsersCommand::Remove(args) => users::remove(&args.file, &args.name).map_err(|error| {
            Failure::work(format!("{} stays as it was", args.file.display())).because(&error)
        }),
        UsersCommand::List(args) => list(&args),
    }
}

fn add(args: AddArgs) -> Result<(), Failure> {
    let mut entry = Entry::new(&args.name, String::new());
    entry.entitlements = args.grants;
    entry.lifetime = args.lifetime;
    let password = new_password()?;
    entry.hash = users::hash_password(&password)
        .map_err(|error| Failure::usage("this password cannot be used").because(&error))?;
    let replaced = users::put(&args.file, &entry)
        .map_err(|error| Failure::work(format!("{} stays as it was", args.file.display())).because(&error))?;
    let done = if replaced { "replaced" } else { "added" };
    println!("{done} {} in {}", args.name, args.file.display());
    if entry.entitlements.is_empty() {
        eprintln!("note: {} may log in and do nothing else; --grant gives rights", args.name);
    }
    Ok(())
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let entries = users::read(&args.file)
        .map_err(|error| Failure::usage(format!("{} cannot be read", args.file.display())).because(&error))?;
    for entry in entries {
        let lifetime = entry.lifetime.map_or_else(|| "no end".to_owned(), |life| format!("{life:?}"));
        let state = if entry.disabled { "disabled" } else { "enabled" };
        println!("{}\t{state}\t{lifetime}\t{}", entry.name, entry.entitlements.join(" "));
    }
    Ok(())
}

/// Asked for twice at a terminal, read once from a pipe.
pub(super) fn new_password() -> Result<Zeroizing<String>, Failure> {
    let unreadable = |error: std::io::Error| Failure::usage("the password cannot be read").because(&error);
    if !std::io::stdin().is_terminal() {
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
        return Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let password = Zeroizing::new(rpassword::prompt_password("New password: ").map_err(unreadable)?);
    let again = Zeroizing::new(rpassword::prompt_password("Again: ").map_err(unreadable)?);
    if password != again {
        return Err(Failure::usage("the two passwords differ"));
    }
    Ok(password)
}
