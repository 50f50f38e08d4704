//! `druse token`: an access token for a client of an issuer, on standard output.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use ureq::Agent;
use zeroize::Zeroizing;

use super::Failure;
use super::issuer::secret_in;

/// The longest answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
#[command(after_help = "Example, as a program that gives a client its tokens:\n  \
    druse get --server localhost:40404 --token-command \
    'druse token --issuer http://localhost:8443 --client feeder --secret-file feeder.secret' /orders 17")]
pub(crate) struct TokenArgs {
    /// The issuer, as it calls itself
    #[arg(long, env = "DRUSE_ISSUER_NAME", value_name = "URL")]
    issuer: String,
    /// Id of the client
    #[arg(long, value_name = "ID")]
    client: String,
    /// File with the client's secret
    #[arg(long, value_name = "PATH")]
    secret_file: PathBuf,
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
    let loopback = is_loopback(&args.issuer);
    if !loopback && !args.issuer.starts_with("https://") {
        return Err(Failure::usage("the secret would cross the network in the clear")
            .hint("an issuer on another machine has an https address"));
    }
    let agent = agent(loopback);
    let secret = secret_in(&args.secret_file)?;
    let endpoint = token_endpoint(&agent, &args.issuer)?;
    let answer = ask(&agent, &endpoint, args, &secret)?;
    print(&answer, args.json)
}

fn agent(loopback: bool) -> Agent {
    let config = Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .https_only(!loopback)
        .timeout_global(Some(PATIENCE));
    // A proxy that the environment names cannot reach this machine's loopback.
    let config = if loopback { config.proxy(None) } else { config };
    config.build().new_agent()
}

/// Where tokens are asked for, as the issuer says. One that calls itself otherwise is another one.
fn token_endpoint(agent: &Agent, issuer: &str) -> Result<String, Failure> {
    let failed = || Failure::unreachable(format!("the issuer {issuer} cannot be asked"));
    let response = agent.get(format!("{issuer}/.well-known/openid-configuration")).call();
    let response = response.map_err(|error| failed().because(&error))?;
    let (status, metadata) = read(response)?;
    let endpoint = metadata["token_endpoint"].as_str().filter(|_| status == 200);
    let endpoint = endpoint.ok_or_else(|| failed().hint("there is no issuer at that address"))?;
    if metadata["issuer"] != issuer {
        return Err(failed().hint(format!("it calls itself {}", metadata["issuer"])));
    }
    Ok(endpoint.to_owned())
}

fn ask(agent: &Agent, endpoint: &str, args: &TokenArgs, secret: &str) -> Result<Value, Failure> {
    let mut form = vec![("grant_type", "client_credentials")];
    form.extend(args.scope.as_deref().map(|scope| ("scope", scope)));
    form.extend(args.audience.as_deref().map(|audience| ("audience", audience)));
    let header = Zeroizing::new(druse_identity::issuer::http::basic_authorization(&args.client, secret));
    let response = agent.post(endpoint).header("authorization", header.as_str()).send_form(form);
    let response = response
        .map_err(|error| Failure::unreachable(format!("{endpoint} cannot be asked")).because(&error))?;
    match read(response)? {
        (200, answer) => Ok(answer),
        (_, answer) => {
            let said = |name: &str| answer[name].as_str().unwrap_or("no reason given").to_owned();
            Err(Failure::work(format!("no token: {} ({})", said("error"), said("error_description"))))
        }
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<(u16, Value), Failure> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
    let body = body.map_err(|error| Failure::unreachable("the issuer's answer broke off").because(&error))?;
    let answer = serde_json::from_slice(&body)
        .map_err(|error| Failure::unreachable("the issuer's answer is no JSON").because(&error))?;
    Ok((status, answer))
}

fn print(answer: &Value, whole: bool) -> Result<(), Failure> {
    let token = answer["access_token"].as_str().ok_or_else(|| Failure::work("the answer holds no token"))?;
    let line = if whole { answer.to_string() } else { token.to_owned() };
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| Failure::work("the token cannot be written").because(&error))
}

fn is_loopback(issuer: &str) -> bool {
    let host = issuer.strip_prefix("http://").unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_sent_in_the_clear_on_loopback_only() {
        for issuer in ["http://localhost:8443", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost"] {
            assert!(is_loopback(issuer), "{issuer}");
        }
        for issuer in ["https://id.example", "http://id.example", "http://localhost.example:80", "localhost"]
        {
            assert!(!is_loopback(issuer), "{issuer}");
        }
    }
}
