//! The command line: one file for each subcommand.

mod completions;
mod config_file;
mod demo;
mod embedded;
mod failure;
mod feed_settings;
mod issuer;
mod issuer_at;
mod logging;
mod login;
mod query;
mod region;
mod serve;
mod token;
mod trust;
mod users;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use failure::Failure;

/// What a user sees first.
#[derive(Debug, Parser)]
#[command(
    name = "druse",
    version,
    about = "A data-grid node and client for the Apache Geode wire protocol, built around credentials that expire",
    after_help = "Exit status: 0 success, 1 the work failed, 2 the command line is wrong, 3 a node or server could not \
                  be started or reached, 4 there is nothing under that key.\n\n\
                  First steps:\n  \
                  druse demo                        a node and a workload whose tokens live seconds, for 30 s\n  \
                  druse serve --help                a node for your own clients\n  \
                  druse get --server HOST:PORT /orders 17\n  \
                  druse watch --server HOST:PORT /orders\n"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node.
    Serve(Box<serve::ServeArgs>),
    /// Run a node and a workload whose tokens live seconds, and watch it.
    Demo(demo::DemoArgs),
    /// Manage the file of the `users` security manager.
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Run an issuer of tokens, and manage it.
    #[command(subcommand)]
    Issuer(issuer::IssuerCommand),
    /// Log in at an issuer, in the browser, and keep the login in a file.
    Login(login::LoginArgs),
    /// Get an access token for a client or of a login, for scripts.
    Token(token::TokenArgs),
    /// Read the value of a key.
    Get(region::GetArgs),
    /// Store a value under a key.
    Put(region::PutArgs),
    /// Remove a key.
    Remove(region::RemoveArgs),
    /// List the keys of a region.
    Keys(region::RegionArgs),
    /// Count the entries of a region.
    Size(region::RegionArgs),
    /// Ask a query in OQL.
    Query(query::QueryArgs),
    /// Follow the changes of a region, or of a query's result.
    Watch(watch::WatchArgs),
    /// Print a completion script for your shell.
    Completions(completions::CompletionsArgs),
}

/// Runs the command and turns its outcome into an exit status; errors go to standard error, with their causes.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(*args),
        Command::Demo(args) => demo::run(args),
        Command::Users(command) => users::run(command),
        Command::Issuer(command) => issuer::run(command),
        Command::Login(args) => login::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Get(args) => region::get(args),
        Command::Put(args) => region::put(args),
        Command::Remove(args) => region::remove(args),
        Command::Keys(args) => region::keys(args),
        Command::Size(args) => region::size(args),
        Command::Query(args) => query::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Completions(args) => completions::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}
