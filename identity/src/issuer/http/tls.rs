//! The issuer's certificate, from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFilesError {
    /// A file cannot be read, or holds nothing of the kind that is needed.
    #[error("{} holds no usable {what} in PEM form", path.display())]
    Pem {
        /// Which of the files.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: PemError,
    },
    /// The certificate and the key do not go together, or are of a kind that is not supported.
    #[error("certificate and key cannot be used together")]
    Pair(#[source] rustls::Error),
}

/// Reads a certificate chain and its private key.
///
/// # Errors
/// See [`TlsFilesError`].
pub fn tls_from_files(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsFilesError> {
    let wrong = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsFilesError::Pem { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(|chain| chain.collect::<Result<Vec<_>, _>>())
        .map_err(wrong("certificate", certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(wrong("private key", key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsFilesError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsFilesError::Pair)?;
    Ok(Arc::new(config))
}
