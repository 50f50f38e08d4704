//! The feed of an issuer elsewhere, asked over HTTP.

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::BoxFuture;
use ureq::Agent;
use zeroize::Zeroizing;

use super::wire::parsed;
use super::{Ends, EndsError, EndsSource, Place};
use crate::issuer::http::basic_authorization;
use crate::key_set::{FetchError, agent_for};

/// How long one question may take: the issuer holds it for five seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest answer, in bytes: a full page of ends.
const MAX_BYTES: u64 = 1024 * 1024;

/// Where the feed is, and as whom to ask.
pub struct RemoteEnds {
    url: String,
    agent: Agent,
    authorization: Arc<Zeroizing<String>>,
}

/// Why a feed cannot be asked.
pub type RemoteEndsError = FetchError;

impl RemoteEnds {
    /// Asks `url` as a client of the issuer, which must have [`super::FEED`] in its scope.
    ///
    /// # Errors
    /// [`FetchError::Address`] if the secret would cross a network in the clear.
    pub fn new(url: &str, client: &str, secret: &str) -> Result<Self, RemoteEndsError> {
        let agent = agent_for(url, None, PATIENCE)?;
        let authorization = Arc::new(Zeroizing::new(basic_authorization(client, secret)));
        Ok(Self { url: url.to_owned(), agent, authorization })
    }
}

impl EndsSource for RemoteEnds {
    fn ends(&self, place: Place) -> BoxFuture<'_, Result<Ends, EndsError>> {
        let (agent, authorization) = (self.agent.clone(), Arc::clone(&self.authorization));
        let url = match place {
            Place::After(position) => format!("{}?after={position}", self.url),
            Place::Within(life) => format!("{}?within={}", self.url, life.as_secs()),
        };
        Box::pin(async move {
            let asking = tokio::task::spawn_blocking(move || ask(&agent, &url, &authorization));
            asking.await.unwrap_or(Err(EndsError::Interrupted))
        })
    }

    fn name(&self) -> &str {
        &self.url
    }
}

impl fmt::Debug for RemoteEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteEnds").field("url", &self.url).finish_non_exhaustive()
    }
}

fn ask(agent: &Agent, url: &str, authorization: &str) -> Result<Ends, EndsError> {
    let failed = |error: ureq::Error| EndsError::Request(error.to_string());
    let mut response = agent.get(url).header("authorization", authorization).call().map_err(failed)?;
    match response.status().as_u16() {
        200 => {}
        410 => return Err(EndsError::Gone),
        status => return Err(EndsError::Status(status)),
    }
    let mut document = Vec::new();
    let body = response.body_mut().as_reader().take(MAX_BYTES + 1).read_to_end(&mut document);
    body.map_err(|error| EndsError::Request(error.to_string()))?;
    if document.len() as u64 > MAX_BYTES {
        return Err(EndsError::Document("it is too long"));
    }
    parsed(&document)
}
