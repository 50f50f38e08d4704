//! An issuer as a client of it sees it: where its endpoints are, and what they answer.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use super::Failure;

/// The longest answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// An issuer that has said who it is.
pub(super) struct IssuerAt {
    agent: Agent,
    name: String,
    metadata: Value,
}

impl IssuerAt {
    /// Asks an issuer for its metadata. One that calls itself otherwise is another one.
    pub(super) fn find(name: &str) -> Result<Self, Failure> {
        let loopback = is_loopback(name);
        if !loopback && !name.starts_with("https://") {
            return Err(Failure::usage("secrets would cross the network in the clear")
                .hint("an issuer on another machine has an https address"));
        }
        let agent = agent(loopback);
        let failed = || Failure::unreachable(format!("the issuer {name} cannot be asked"));
        let response = agent.get(format!("{name}/.well-known/openid-configuration")).call();
        let (status, metadata) = read(response.map_err(|error| failed().because(&error))?)?;
        if status != 200 || !metadata["token_endpoint"].is_string() {
            return Err(failed().hint("there is no issuer at that address"));
        }
        if metadata["issuer"] != name {
            return Err(failed().hint(format!("it calls itself {}", metadata["issuer"])));
        }
        Ok(Self { agent, name: name.to_owned(), metadata })
    }

    /// The address of an endpoint, as the issuer says.
    pub(super) fn endpoint(&self, kind: &str) -> Result<&str, Failure> {
        let endpoint = self.metadata[kind].as_str();
        endpoint.ok_or_else(|| Failure::work(format!("the issuer {} has no {kind}", self.name)))
    }

    /// Asks the token endpoint, with a header that shows who asks or as a client without a secret.
    pub(super) fn tokens(
        &self,
        authorization: Option<&str>,
        form: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        let endpoint = self.endpoint("token_endpoint")?;
        let request = self.agent.post(endpoint);
        let request = match authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        };
        let response = request
            .send_form(form.iter().copied())
            .map_err(|error| Failure::unreachable(format!("{endpoint} cannot be asked")).because(&error))?;
        match read(response)? {
            (200, answer) => Ok(answer),
            (_, answer) => {
                let said = |name: &str| answer[name].as_str().unwrap_or("no reason given").to_owned();
                Err(Failure::work(format!("no token: {} ({})", said("error"), said("error_description"))))
            }
        }
    }
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

fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<(u16, Value), Failure> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
    let body = body.map_err(|error| Failure::unreachable("the issuer's answer broke off").because(&error))?;
    let answer = serde_json::from_slice(&body)
        .map_err(|error| Failure::unreachable("the issuer's answer is no JSON").because(&error))?;
    Ok((status, answer))
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
