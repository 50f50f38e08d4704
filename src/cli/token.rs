//! `druse token`: an access token on standard output, of a client for itself or of a login.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use druse_client::auth::providers::RefreshTokenCredentials;
use druse_client::{AuthInitialize as _, CredentialRequest, Micros};
use druse_protocol::auth::TOKEN;
use serde_json::Value;
use tokio::runtime::Builder;
use zeroize::Zeroizing;

use super::Failure;
use super::issuer::secret_in;
use super::issuer_at::IssuerAt;

#[derive(Debug, Args)]
#[command(after_help = "Examples, as programs that give a client its tokens:\n  \
    druse get --server localhost:40404 --token-command \
    'druse token --issuer http://localhost:8443 --client feeder --secret-file feeder.secret' /orders 17\n  \
    druse get --server localhost:40404 --token-command 'druse token --login druse.login' /orders 17")]
pub(crate) struct TokenArgs {
    /// File of a login, as `druse login` writes it; what else is given then is of no use
    #[arg(long, value_name = "PATH", conflicts_with_all = ["issuer", "client", "secret_file", "scope", "audience", "json"])]
    login: Option<PathBuf>,
    /// The issuer, as it calls itself
    #[arg(long, env = "DRUSE_ISSUER_NAME", value_name = "URL", required_unless_present = "login")]
    issuer: Option<String>,
    /// Id of the client
    #[arg(long, value_name = "ID", required_unless_present = "login")]
    client: Option<String>,
    /// File with the client's secret
    #[arg(long, value_name = "PATH", required_unless_present = "login")]
    secret_file: Option<PathBuf>,
    /// What the token is for; all that the client may have if not given
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// For whom the token is; the client's first audience if not given
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
}

/// Asks for a token and prints it.
pub(crate) fn run(args: &TokenArgs) -> Result<(), Failure> {
    match (&args.login, &args.issuer, &args.client, &args.secret_file) {
        (Some(login), ..) => print(&of_login(login)?),
        (None, Some(issuer), Some(client), Some(secret_file)) => {
            let answer = of_client(args, issuer, client, &secret_in(secret_file)?)?;
            if args.json { print(&answer.to_string()) } else { print(token(&answer)?) }
        }
        _ => Err(Failure::usage("a token needs --login, or --issuer, --client and --secret-file")),
    }
}

fn of_client(args: &TokenArgs, issuer: &str, client: &str, secret: &str) -> Result<Value, Failure> {
    let issuer = IssuerAt::find(issuer)?;
    let mut form = vec![("grant_type", "client_credentials")];
    form.extend(args.scope.as_deref().map(|scope| ("scope", scope)));
    form.extend(args.audience.as_deref().map(|audience| ("audience", audience)));
    let header = Zeroizing::new(druse_identity::issuer::http::basic_authorization(client, secret));
    issuer.tokens(Some(&header), &form)
}

fn of_login(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let runtime = Builder::new_current_thread()
        .build()
        .map_err(|error| Failure::unreachable("the runtime cannot be started").because(&error))?;
    let request = CredentialRequest::new("", "", Micros::MAX);
    let provided = runtime
        .block_on(RefreshTokenCredentials::new(path).credentials(request))
        .map_err(|error| Failure::work("no token").because(&error).hint("druse login makes a login"))?;
    let token = provided.credentials.get(TOKEN).ok_or_else(|| Failure::work("the answer holds no token"))?;
    Ok(Zeroizing::new(token.to_owned()))
}

fn token(answer: &Value) -> Result<&str, Failure> {
    answer["access_token"].as_str().ok_or_else(|| Failure::work("the answer holds no token"))
}

fn print(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| Failure::work("the token cannot be written").because(&error))
}
