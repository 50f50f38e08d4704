//! Where key sets come from: a file or a URL.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use druse_protocol::auth::BoxFuture;
use parking_lot::Mutex;
use ureq::http::{Response, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::{KeySetError, MAX_SET_BYTES};

/// How long connecting may take. A node gives a login five seconds altogether.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the whole request may take.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A source of key sets.
pub trait Fetch: Send + Sync + 'static {
    /// Fetches the document; `None` if it is certainly the one of the last call. `forced` is set when a token names a
    /// key that the last document did not have: then the source must look closely.
    ///
    /// # Errors
    /// See [`FetchError`].
    fn fetch(&self, forced: bool) -> BoxFuture<'_, Result<Option<Fetched>, FetchError>>;

    /// The source's name for logs.
    fn source(&self) -> &str;
}

/// A document as a source gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The key set, not yet looked at.
    pub document: Vec<u8>,
    /// For how long the source says that it is good.
    pub life: Option<Duration>,
}

/// Why there is no key set.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The address is none that keys are fetched from.
    #[error("{0:?} is not an https address (http is for loopback only)")]
    Address(String),
    /// The file with certificate authorities is of no use.
    #[error("no certificate authority could be read from {}", .0.display())]
    Authorities(PathBuf),
    /// The file could not be read.
    #[error("cannot read the key set")]
    Read(#[source] Arc<io::Error>),
    /// The request failed.
    #[error("cannot fetch the key set: {0}")]
    Request(Arc<ureq::Error>),
    /// The server answered with something other than 200; redirects are not followed.
    #[error("the server of the key set answered with status {0}")]
    Status(u16),
    /// The document is no key set.
    #[error(transparent)]
    Document(KeySetError),
    /// The embedded issuer's store does not answer.
    #[error("the embedded issuer's keys cannot be read")]
    Embedded,
    /// The node is stopping.
    #[error("the fetch was interrupted")]
    Interrupted,
}

/// A key set in a file, read again when the file has changed.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    name: String,
    seen: Arc<Mutex<Option<Stamp>>>,
}

/// What tells one version of a file from the next.
type Stamp = (Option<SystemTime>, u64);

impl FileSource {
    /// A source that reads `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { name: path.display().to_string(), path, seen: Arc::default() }
    }
}

impl Fetch for FileSource {
    fn fetch(&self, forced: bool) -> BoxFuture<'_, Result<Option<Fetched>, FetchError>> {
        let (path, seen) = (self.path.clone(), Arc::clone(&self.seen));
        Box::pin(blocking(move || {
            let read = |error| FetchError::Read(Arc::new(error));
            let metadata = fs::metadata(&path).map_err(read)?;
            let stamp = (metadata.modified().ok(), metadata.len());
            if !forced && *seen.lock() == Some(stamp) {
                return Ok(None);
            }
            let document = read_bounded(File::open(&path).map_err(read)?).map_err(read)?;
            // Remembered only if it is whole: a file met while it is written is read again.
            let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&document).is_ok();
            *seen.lock() = Some(stamp).filter(|_| whole);
            Ok(Some(Fetched { document, life: None }))
        }))
    }

    fn source(&self) -> &str {
        &self.name
    }
}

/// A key set behind a URL.
pub struct UrlSource {
    url: String,
    /// The address for logs.
    name: String,
    agent: ureq::Agent,
}

impl fmt::Debug for UrlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlSource").field("name", &self.name).finish_non_exhaustive()
    }
}

impl UrlSource {
    /// A source that fetches `url`, trusting the usual authorities or those in the PEM file `authorities`. Redirects
    /// are not followed, and plain `http` is for loopback only.
    ///
    /// # Errors
    /// [`FetchError::Address`] and [`FetchError::Authorities`].
    pub fn new(url: &str, authorities: Option<&Path>) -> Result<Self, FetchError> {
        let agent = agent_for(url, authorities, TOTAL_TIMEOUT)?;
        Ok(Self { url: url.to_owned(), name: without_secrets(url), agent })
    }
}

/// What asks `url`, and nobody to whom it sends on, for at most `patience` at a time.
pub(crate) fn agent_for(
    url: &str,
    authorities: Option<&Path>,
    patience: Duration,
) -> Result<ureq::Agent, FetchError> {
    let loopback = check_address(url).ok_or_else(|| FetchError::Address(without_secrets(url)))?;
    let mut config = ureq::Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .https_only(!loopback)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(patience))
        // Sets are fetched minutes apart: a kept connection would only go stale.
        .max_idle_connections(0);
    if loopback {
        // A proxy that the environment names cannot reach this machine's loopback.
        config = config.proxy(None);
    }
    if let Some(path) = authorities {
        config = config.tls_config(trusting(path)?);
    }
    Ok(config.build().new_agent())
}

impl Fetch for UrlSource {
    fn fetch(&self, _forced: bool) -> BoxFuture<'_, Result<Option<Fetched>, FetchError>> {
        let (agent, url) = (self.agent.clone(), self.url.clone());
        Box::pin(blocking(move || {
            let request = |error| FetchError::Request(Arc::new(error));
            let mut response =
                agent.get(&url).header("accept", "application/json").call().map_err(request)?;
            if response.status().as_u16() != 200 {
                return Err(FetchError::Status(response.status().as_u16()));
            }
            let life = life_of(&response);
            let limit = MAX_SET_BYTES as u64 + 1;
            let document = read_bounded(response.body_mut().with_config().limit(limit).reader())
                .map_err(|error| FetchError::Read(Arc::new(error)))?;
            Ok(Some(Fetched { document, life }))
        }))
    }

    fn source(&self) -> &str {
        &self.name
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(FetchError::Interrupted))
}

/// Reads one byte more than a key set may have, so that [`KeySetError::TooLarge`] can tell.
fn read_bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    from.take(MAX_SET_BYTES as u64 + 1).read_to_end(&mut document)?;
    Ok(document)
}

/// Whether the address is on loopback; `None` if keys must not be fetched from it.
fn check_address(url: &str) -> Option<bool> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let loopback = host.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback());
    let link_local = match ip {
        // Where clouds keep the secrets of the machine: nobody publishes keys there.
        Some(IpAddr::V4(ip)) => Ipv4Addr::is_link_local(&ip),
        Some(IpAddr::V6(ip)) => Ipv6Addr::is_unicast_link_local(&ip),
        None => false,
    };
    match uri.scheme_str() {
        Some("https") if !link_local => Some(loopback),
        Some("http") if loopback => Some(true),
        _ => None,
    }
}

/// The address as an error may show it: without user, password and query.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        (None, Some((_, rest))) => rest.to_owned(),
        _ => url.to_owned(),
    }
}

fn trusting(path: &Path) -> Result<TlsConfig, FetchError> {
    let useless = || FetchError::Authorities(path.to_owned());
    let pem = fs::read(path).map_err(|_| useless())?;
    let mut authorities = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| useless())? {
            authorities.push(certificate);
        }
    }
    if authorities.is_empty() {
        return Err(useless());
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&authorities)).build())
}

/// What `Cache-Control` says. `no-cache` and `no-store` are a life of nothing, which the policy raises to its least.
fn life_of<T>(response: &Response<T>) -> Option<Duration> {
    let mut life = None;
    for value in response.headers().get_all("cache-control") {
        for directive in value.to_str().unwrap_or_default().split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-cache" || directive == "no-store" {
                return Some(Duration::ZERO);
            }
            if let Some(seconds) = directive.strip_prefix("max-age=") {
                life = seconds.trim_matches('"').parse().ok().map(Duration::from_secs);
            }
        }
    }
    life
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
