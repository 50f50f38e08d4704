//! `druse issuer key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use druse_identity::key_set::Algorithm;
use zeroize::Zeroizing;

use super::data::{DataArgs, operator, refused};
use crate::cli::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the keys and where in their lives they are.
    List(DataArgs),
    /// Make the next key; it is published at once and signs when `activate` says so or its time has come.
    Create(CreateArgs),
    /// Take over a private key in PKCS#8 (DER), the way in which RS256 gets one.
    Import(ImportArgs),
    /// Let a key sign now, in the place of the one before; it must have been published for ten minutes.
    Activate(IdArgs),
    /// Stop publishing a key.
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Algorithm: ES256 or EdDSA
    #[arg(long, default_value = "ES256", value_parser = parse_algorithm, value_name = "NAME")]
    algorithm: Algorithm,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// File with the key: openssl pkcs8 -topk8 -nocrypt -outform DER
    file: PathBuf,
    /// Algorithm: RS256, ES256 or EdDSA
    #[arg(long, default_value = "RS256", value_parser = parse_algorithm, value_name = "NAME")]
    algorithm: Algorithm,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// Id of the key (kid)
    id: String,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Id of the key (kid)
    id: String,
    /// Somebody else may have it: remove it even while it signs, and let another take its place at once
    #[arg(long)]
    compromised: bool,
    #[command(flatten)]
    data: DataArgs,
}

pub(super) fn run(command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::List(data) => list(&data),
        KeyCommand::Create(args) => args.data.with_issuer(async |issuer, _| {
            let id = issuer.keys().create(args.algorithm, &operator()).await.map_err(|e| refused(&e))?;
            println!("{id}");
            Ok(())
        }),
        KeyCommand::Import(args) => import(&args),
        KeyCommand::Activate(args) => args.data.with_issuer(async |issuer, _| {
            issuer.keys().activate(&args.id, &operator()).await.map_err(|error| refused(&error))?;
            println!("{} signs now", args.id);
            Ok(())
        }),
        KeyCommand::Remove(args) => args.data.with_issuer(async |issuer, _| {
            let by = operator();
            let removed = issuer.keys().remove(&args.id, args.compromised, &by);
            removed.await.map_err(|error| refused(&error))?;
            println!("{} is no longer published", args.id);
            Ok(())
        }),
    }
}

fn list(data: &DataArgs) -> Result<(), Failure> {
    data.with_issuer(async |issuer, _| {
        for key in issuer.keys().list().await.map_err(|error| refused(&error))? {
            let note = if key.state.compromised { "\tcompromised" } else { "" };
            println!("{}\t{}\t{}{note}", key.id, key.state.algorithm, key.state.state.name());
        }
        Ok(())
    })
}

fn import(args: &ImportArgs) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::usage(format!("{} cannot be read", args.file.display())).because(&error)
    };
    let document = Zeroizing::new(std::fs::read(&args.file).map_err(unreadable)?);
    args.data.with_issuer(async |issuer, _| {
        let by = operator();
        let imported = issuer.keys().import(args.algorithm, &document, &by);
        println!("{}", imported.await.map_err(|error| refused(&error))?);
        Ok(())
    })
}

fn parse_algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| format!("{name:?} is no signature algorithm"))
}
