//! TLS of client connections and locator: certificates from files, and handshakes with Java clients in mind.
//!
//! A port is either TLS or plain; nothing is negotiated before. Java clients put the address that they connect to
//! into the server name of their greeting, even where that is an IP literal, which the standard forbids; rustls passes
//! over such a name, and a test here holds it to that.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsConfig;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {what} from {path}")]
    Unreadable {
        /// Which of the files.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file holds no PEM section of the kind that is needed, or a damaged one.
    #[error("{path} holds no usable {what} in PEM form")]
    NotPem {
        /// Which of the files.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: PemError,
    },
    /// The key is one on an elliptic curve, and its file leaves out the point that goes with it.
    #[error(
        "the key in {path} lacks its public half and cannot be used without it; \
         `openssl ec -in OLD -out NEW` writes it with both"
    )]
    NoPublicHalf {
        /// Where it is.
        path: PathBuf,
        /// What the TLS library says.
        #[source]
        source: rustls::Error,
    },
    /// The certificate and the key do not go together, or are of a kind that is not supported.
    #[error("certificate and key cannot be used together")]
    Identity(#[source] rustls::Error),
    /// The certificates that clients should be signed by cannot be used.
    #[error("the client CA in {path} cannot be used")]
    ClientCa {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a peer and the node did not agree on TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// Most probably somebody who does not speak TLS at all.
    #[error("the peer does not speak TLS; this port is for TLS alone")]
    NotTls,
    /// Versions, ciphers or certificates do not match.
    #[error("{0}")]
    Refused(rustls::Error),
    /// The peer went away, or refused the node's certificate by going away.
    #[error("the peer closed during the handshake ({0})")]
    Gone(io::ErrorKind),
    /// The time for the handshake is over.
    #[error("the handshake took too long")]
    TooLong,
}

/// A node's side of TLS; cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// See [`TlsError`]; each names the file.
    pub(crate) fn load(config: &TlsConfig) -> Result<Self, TlsError> {
        let chain = certificates(&config.certificate, "certificate")?;
        let key = PrivateKeyDer::from_pem_file(&config.key)
            .map_err(|error| unusable(error, &config.key, "private key"))?;
        let key_path = &config.key;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Identity)?;
        let builder = match &config.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let optional = config.client_certificate_optional;
                builder.with_client_cert_verifier(client_verifier(path, optional, provider)?)
            }
        };
        let has_both_halves = has_both_halves(&key);
        let config = builder.with_single_cert(chain, key).map_err(|source| {
            if has_both_halves {
                return TlsError::Identity(source);
            }
            TlsError::NoPublicHalf { path: key_path.clone(), source }
        })?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Agrees on TLS with a peer until `deadline`. Gives the peer's certificate too, in DER, if it showed one. The stream
    /// is boxed: its thousand bytes would stand in the task of a connection once for each function that they pass.
    pub(crate) async fn accept<S>(
        &self,
        stream: S,
        deadline: Instant,
    ) -> Result<(Box<TlsStream<S>>, Option<Arc<[u8]>>), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = tokio::time::timeout_at(deadline, self.0.accept(stream))
            .await
            .map_err(|_| HandshakeError::TooLong)?
            .map_err(explain)?;
        let certificate =
            stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|der| Arc::from(der.as_ref()));
        Ok((Box::new(stream), certificate))
    }
}

fn explain(error: io::Error) -> HandshakeError {
    let kind = error.kind();
    match error.downcast::<rustls::Error>() {
        Ok(rustls::Error::InvalidMessage(_)) => HandshakeError::NotTls,
        Ok(error) => HandshakeError::Refused(error),
        Err(_) => HandshakeError::Gone(kind),
    }
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(error, path, what))?;
    if chain.is_empty() {
        return Err(unusable(PemError::NoItemsFound, path, what));
    }
    Ok(chain)
}

/// Whether a key is no elliptic-curve one, or holds a point. Asked only to word a refusal, hence no parser: a look at how
/// the object identifier of such keys and the points of the two curves begin.
fn has_both_halves(key: &PrivateKeyDer<'_>) -> bool {
    const ELLIPTIC: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const POINTS: [&[u8]; 2] = [&[0x03, 0x42, 0x00, 0x04], &[0x03, 0x62, 0x00, 0x04]];
    let holds = |wanted: &[u8]| key.secret_der().windows(wanted.len()).any(|bytes| bytes == wanted);
    let is_elliptic = matches!(key, PrivateKeyDer::Sec1(_)) || holds(ELLIPTIC);
    !is_elliptic || POINTS.into_iter().any(holds)
}

fn client_verifier(
    path: &Path,
    optional: bool,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::ClientCa {
        path: path.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, "client CA certificate")? {
        roots.add(certificate).map_err(|error| unusable(error.into()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = if optional { verifier.allow_unauthenticated() } else { verifier };
    verifier.build().map_err(|error| unusable(error.into()))
}

fn unusable(error: PemError, path: &Path, what: &'static str) -> TlsError {
    let path = path.to_owned();
    match error {
        PemError::Io(source) => TlsError::Unreadable { what, path, source },
        source => TlsError::NotPem { what, path, source },
    }
}

#[cfg(test)]
pub(crate) mod tests;
