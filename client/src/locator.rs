//! Asking locators for servers.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::BoxFuture;
use druse_protocol::locator::{self, MAX_BYTES, Request, Response};
use druse_protocol::version::VersionOrdinal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::debug;

use crate::connector::{TlsSettings, reach};
use crate::discovery::Discovery;
use crate::endpoint::ServerLocation;
use crate::error::{ConnectError, Error};
use crate::transport::{Stream, Transport};

/// The locators of a client, asked one after another.
pub(crate) struct Locators {
    transport: Arc<dyn Transport>,
    locators: Vec<ServerLocation>,
    group: String,
    tls: Option<TlsSettings>,
    timeout: Duration,
}

impl Locators {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        locators: Vec<ServerLocation>,
        group: String,
        tls: Option<&TlsSettings>,
        timeout: Duration,
    ) -> Self {
        Self { transport, locators, group, tls: tls.cloned(), timeout }
    }

    async fn all_servers(&self) -> Result<Vec<ServerLocation>, Error> {
        let mut last = Error::Locator("no locator is configured".to_owned());
        for locator in &self.locators {
            let answer = tokio::time::timeout(self.timeout, self.ask(locator)).await;
            match answer {
                Ok(Ok(servers)) => return Ok(servers),
                Ok(Err(error)) => last = Error::Connect(error),
                Err(_) => {
                    let server = locator.to_string();
                    last = Error::Connect(ConnectError::Timeout { server, limit: self.timeout });
                }
            }
            debug!(%locator, error = %last, "locator gives no answer");
        }
        Err(Error::NoServer(Arc::new(last)))
    }

    async fn ask(&self, locator: &ServerLocation) -> Result<Vec<ServerLocation>, ConnectError> {
        let stream = reach(&*self.transport, locator).await?;
        let answer = match &self.tls {
            None => self.exchange(stream, locator).await?,
            Some(tls) => {
                let stream = tls.wrap(stream, locator).await.map_err(|error| ConnectError::Tls {
                    server: locator.to_string(),
                    source: Arc::new(error),
                })?;
                self.exchange(stream, locator).await?
            }
        };
        let servers = answer.unwrap_or_default().into_iter();
        Ok(servers.map(|server| ServerLocation::new(server.host, server.port)).collect())
    }

    /// One question, one answer, and the locator closes.
    async fn exchange(
        &self,
        mut stream: impl Stream,
        locator: &ServerLocation,
    ) -> Result<Option<Vec<locator::ServerLocation>>, ConnectError> {
        let unreachable = |source: std::io::Error| ConnectError::Unreachable {
            server: locator.to_string(),
            source: Arc::new(source),
        };
        let mut question = Vec::new();
        locator::open(&mut question, VersionOrdinal::GEODE_1_15_0);
        Request::GetAllServers { group: Some(self.group.clone()) }.encode(&mut question);
        stream.write_all(&question).await.map_err(unreachable)?;
        stream.flush().await.map_err(unreachable)?;
        let mut answer = Vec::new();
        stream.take(MAX_BYTES as u64).read_to_end(&mut answer).await.map_err(unreachable)?;
        let handshake = |source| ConnectError::Handshake { server: locator.to_string(), source };
        match Response::decode(&answer).map_err(handshake)? {
            Some((Response::GetAllServers(servers), _)) => Ok(servers),
            // A locator that is not ready closes without a word.
            _ => Err(unreachable(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl Discovery for Locators {
    fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerLocation>, Error>> {
        Box::pin(self.all_servers())
    }
}
