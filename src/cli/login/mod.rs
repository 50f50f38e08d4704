//! `druse login`: a login in the browser, kept in a file (RFC 8252: authorization code, PKCE, an address on loopback).

mod callback;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::Args;
use druse_client::auth::providers::LoginFile;
use druse_identity::issuer::http::with_parameters;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::issuer_at::IssuerAt;
use super::{Failure, demo};

#[derive(Debug, Args)]
#[command(
    after_help = "The login page is opened by you, in a browser on this machine: its address is printed. Then:\n  \
    druse get --server localhost:40404 --login druse.login /orders 17\n\n\
    The client must be registered with the address http://127.0.0.1/callback; any port of it will do. A `druse issuer` \
    has one that is called druse from the beginning."
)]
pub(crate) struct LoginArgs {
    /// The issuer, as it calls itself
    #[arg(long, env = "DRUSE_ISSUER_NAME", value_name = "URL")]
    issuer: String,
    /// Id of the client through which to log in, one without a secret
    #[arg(long, default_value = "druse", value_name = "ID")]
    client: String,
    /// What the login is for; the issuer leaves out what you may not have
    #[arg(long, default_value = "openid offline_access grid:*:*", value_name = "SCOPES")]
    scope: String,
    /// File to keep the login in; whoever can read it is logged in
    #[arg(long, default_value = "druse.login", value_name = "PATH")]
    login: PathBuf,
    /// How long to wait for the browser
    #[arg(long, default_value = "5m", value_parser = demo::parse_duration, value_name = "TIME")]
    wait: Duration,
}

/// What makes one attempt to log in this one's, and nobody else's.
struct Attempt {
    state: String,
    verifier: Zeroizing<String>,
}

pub(crate) fn run(args: &LoginArgs) -> Result<(), Failure> {
    let issuer = IssuerAt::find(&args.issuer)?;
    let attempt = Attempt::new()?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unreachable("the runtime cannot be started").because(&error))?;
    let (code, redirect_uri) = runtime.block_on(code_from_browser(args, &issuer, &attempt))?;
    let login = redeem(args, &issuer, &attempt, &code, &redirect_uri)?;
    login.save(&args.login).map_err(|error| {
        Failure::work(format!("the login cannot be kept in {}", args.login.display())).because(&error)
    })?;
    println!("logged in; the login is kept in {}", args.login.display());
    Ok(())
}

/// Shows the address of the login page, and waits until the browser comes back from it.
async fn code_from_browser(
    args: &LoginArgs,
    issuer: &IssuerAt,
    attempt: &Attempt,
) -> Result<(Zeroizing<String>, String), Failure> {
    let failed = |error: std::io::Error| {
        Failure::unreachable("no port on loopback can be listened on").because(&error)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let redirect_uri = format!("http://{}/callback", listener.local_addr().map_err(failed)?);
    let page = attempt.page(issuer.endpoint("authorization_endpoint")?, args, &redirect_uri);
    eprintln!("open this address in a browser on this machine, and log in there:\n\n  {page}\n");
    let coming = callback::code(&listener, &attempt.state, &args.issuer);
    let code = timeout(args.wait, coming).await;
    Ok((code.map_err(|_| Failure::work("nobody has logged in").hint("--wait waits longer"))??, redirect_uri))
}

fn redeem(
    args: &LoginArgs,
    issuer: &IssuerAt,
    attempt: &Attempt,
    code: &str,
    redirect_uri: &str,
) -> Result<LoginFile, Failure> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", &attempt.verifier),
        ("client_id", &args.client),
    ];
    let answer = issuer.tokens(None, &form)?;
    let refresh_token = answer["refresh_token"].as_str().ok_or_else(|| {
        Failure::work("the issuer gives no login that can be kept").hint("the scope must have offline_access")
    })?;
    Ok(LoginFile {
        token_endpoint: issuer.endpoint("token_endpoint")?.to_owned(),
        client: args.client.clone(),
        refresh_token: Zeroizing::new(refresh_token.to_owned()),
    })
}

impl Attempt {
    fn new() -> Result<Self, Failure> {
        Ok(Self { state: random()?.to_string(), verifier: random()? })
    }

    fn page(&self, endpoint: &str, args: &LoginArgs, redirect_uri: &str) -> String {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()));
        let parameters = [
            ("response_type", "code"),
            ("client_id", &args.client),
            ("redirect_uri", redirect_uri),
            ("scope", &args.scope),
            ("state", &self.state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        with_parameters(endpoint, &parameters)
    }
}

/// 256 bits that nobody guesses.
fn random() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    let filled = SystemRandom::new().fill(&mut *bytes);
    filled.map_err(|_| Failure::unreachable("the system gives no randomness"))?;
    Ok(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(*bytes)))
}
