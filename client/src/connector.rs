//! Opening connections: TLS and the handshake, over a transport.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use druse_protocol::auth::{BoxFuture, Credentials};
use druse_protocol::handshake::{FeedWelcome, Welcome};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;

use crate::endpoint::{Connector, Opened, ServerLocation};
use crate::error::{ConnectError, Error};
use crate::handshake::{Identity, greet, greet_feed};
use crate::transport::{Stream, Transport};

/// How to talk TLS.
#[derive(Clone)]
pub struct TlsSettings {
    config: Arc<rustls::ClientConfig>,
    server_name: Option<String>,
}

impl TlsSettings {
    /// Trusts servers whose certificates are signed by one of those in a PEM file.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the file holds no certificates.
    pub fn trusting(ca_file: impl AsRef<Path>) -> Result<Self, Error> {
        Self::build(ca_file.as_ref(), None)
    }

    /// The same, and shows a certificate of its own; both files are PEM.
    ///
    /// # Errors
    /// [`Error::Configuration`] if a file does not hold what it should.
    pub fn with_identity(
        ca_file: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        Self::build(ca_file.as_ref(), Some((certificate.as_ref(), key.as_ref())))
    }

    /// Expects the server's certificate to be for this name, whatever address it is reached at.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    fn build(ca_file: &Path, identity: Option<(&Path, &Path)>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca_file)? {
            roots
                .add(certificate)
                .map_err(|error| wrong(ca_file, "holds an unusable certificate", &error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Configuration(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let secret = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| wrong(key, "holds no private key in PEM form", &error))?;
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| wrong(certificate, "does not go with its key", &error))?
            }
        };
        Ok(Self { config: Arc::new(config), server_name: None })
    }

    /// Wraps a stream to `server`.
    pub(crate) async fn wrap(
        &self,
        stream: Box<dyn Stream>,
        server: &ServerLocation,
    ) -> std::io::Result<impl Stream + use<>> {
        let name = self.server_name.clone().unwrap_or_else(|| server.host.clone());
        let name = ServerName::try_from(name).map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

impl std::fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSettings").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(path, "cannot be read as PEM", &error))?;
    if certificates.is_empty() {
        return Err(Error::Configuration(format!("{} holds no certificate", path.display())));
    }
    Ok(certificates)
}

fn wrong(path: &Path, what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Configuration(format!("{} {what}: {error}", path.display()))
}

/// Opens connections of every kind: reaches the server and shakes hands.
pub(crate) struct Opener {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) allowed_hosts: Option<Vec<String>>,
    pub(crate) timeout: Duration,
    pub(crate) identity: Identity,
}

/// A connection for what is to be said about a feed, and what the server knows of the client's queue.
pub(crate) struct OpenedQueue {
    pub(crate) opened: Opened,
    pub(crate) welcome: Welcome,
}

/// A feed behind its handshake.
pub(crate) struct OpenedFeed {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) welcome: FeedWelcome,
    /// What the server has sent behind its answer.
    pub(crate) input: BytesMut,
}

impl Opener {
    /// Opens the connection that carries what is to be said about a feed.
    pub(crate) async fn open_queue(&self, server: &ServerLocation) -> Result<OpenedQueue, ConnectError> {
        self.in_time(server, async {
            let mut stream = self.reach(server).await?;
            let welcome = greet(&mut stream, &self.identity.queue(), server).await?;
            Ok(OpenedQueue { opened: Opened { stream, pipelined: welcome.is_pipelined() }, welcome })
        })
        .await
    }

    /// Opens a feed.
    pub(crate) async fn open_feed(
        &self,
        server: &ServerLocation,
        is_primary: bool,
        shown: Option<Credentials>,
    ) -> Result<OpenedFeed, ConnectError> {
        self.in_time(server, async {
            let mut stream = self.reach(server).await?;
            let hello = self.identity.feed(is_primary, shown);
            let (welcome, input) = greet_feed(&mut stream, &hello, server).await?;
            Ok(OpenedFeed { stream, welcome, input })
        })
        .await
    }

    async fn reach(&self, server: &ServerLocation) -> Result<Box<dyn Stream>, ConnectError> {
        if self.allowed_hosts.as_ref().is_some_and(|allowed| !is_allowed(allowed, &server.host)) {
            return Err(ConnectError::NotAllowed { server: server.to_string() });
        }
        let stream = reach(&*self.transport, server).await?;
        let Some(tls) = &self.tls else { return Ok(stream) };
        let stream = tls
            .wrap(stream, server)
            .await
            .map_err(|error| ConnectError::Tls { server: server.to_string(), source: Arc::new(error) })?;
        Ok(Box::new(stream))
    }

    async fn in_time<T>(
        &self,
        server: &ServerLocation,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(|_| {
            Err(ConnectError::Timeout { server: server.to_string(), limit: self.timeout })
        })
    }
}

impl Connector for Opener {
    fn connect<'a>(&'a self, server: &'a ServerLocation) -> BoxFuture<'a, Result<Opened, ConnectError>> {
        Box::pin(self.in_time(server, async {
            let mut stream = self.reach(server).await?;
            let welcome = greet(&mut stream, &self.identity.operations(), server).await?;
            Ok(Opened { stream, pipelined: welcome.is_pipelined() })
        }))
    }
}

/// A stream to `server`, on which nothing has been said.
pub(crate) async fn reach(
    transport: &dyn Transport,
    server: &ServerLocation,
) -> Result<Box<dyn Stream>, ConnectError> {
    let unreachable =
        |source| ConnectError::Unreachable { server: server.to_string(), source: Arc::new(source) };
    transport.connect(server).await.map_err(unreachable)
}

/// Whether `host` is among `allowed`: by its very text, or below a `*.suffix`. An address is below nothing: its
/// last numbers say least about whose it is.
pub(crate) fn is_allowed(allowed: &[String], host: &str) -> bool {
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    allowed.iter().any(|pattern| match pattern.strip_prefix("*.") {
        Some(suffix) => {
            is_name
                && host.len().checked_sub(suffix.len() + 1).is_some_and(|at| {
                    host.is_char_boundary(at)
                        && host[at..].eq_ignore_ascii_case(&format!(".{suffix}"))
                        && at > 0
                })
        }
        None => pattern.eq_ignore_ascii_case(host),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_host_or_one_below_a_suffix_is_allowed() {
        let allowed = ["grid.example".to_owned(), "*.internal.example".to_owned()];
        for host in ["grid.example", "GRID.example", "a.internal.example", "a.b.internal.example"] {
            assert!(is_allowed(&allowed, host), "{host}");
        }
        for host in [
            "",
            "example",
            "evil-grid.example",
            "grid.example.evil",
            "internal.example",
            ".internal.example",
            "evilinternal.example",
        ] {
            assert!(!is_allowed(&allowed, host), "{host}");
        }
        assert!(!is_allowed(&[], "grid.example"));
    }
}
