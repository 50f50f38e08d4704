//! Metrics and health over HTTP, for those who run the node. Nobody is asked who they are, so it is off unless
//! configured and best bound to the loopback address.
//!
//! `/metrics` Prometheus text · `/livez` the process runs · `/readyz` clients are served

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use druse_protocol::auth::{Reading, SecurityManager};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::acceptor::{Acceptor, Slots};
use crate::metrics::{Metrics, render};
use crate::shutdown::Shutdown;

/// Most readers at a time. A monitoring system has a few; the rest is refused by closing.
const CONNECTIONS: usize = 16;

/// How long a reader may take from connecting to the end of its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest request head.
const HEAD_BYTES: usize = 8 << 10;

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A bound probe port.
#[derive(Debug)]
pub(crate) struct Probe {
    acceptor: Acceptor,
    sources: Sources,
}

/// What the pages are made from.
#[derive(Clone)]
pub(crate) struct Sources {
    /// What the node counts.
    pub(crate) metrics: Arc<Metrics>,
    /// Counts about itself, if there is one.
    pub(crate) manager: Option<Arc<dyn SecurityManager>>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Sources {
    fn readings(&self) -> Vec<Reading> {
        self.manager.as_ref().map(|manager| manager.readings()).unwrap_or_default()
    }
}

impl Probe {
    /// Binds.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn bind(address: SocketAddr, sources: Sources) -> io::Result<Self> {
        Ok(Self { acceptor: Acceptor::bind(address, Slots::new(CONNECTIONS, None))?, sources })
    }

    /// Where it listens.
    pub(crate) const fn local(&self) -> SocketAddr {
        self.acceptor.local()
    }

    /// Answers until the draining begins.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let Self { acceptor, sources } = self;
        let spawner = shutdown.clone();
        let serve = move |stream, _, slot| {
            let Ok(slot) = slot else { return };
            let answer = serve(stream, sources.clone(), spawner.clone());
            spawner.spawn(async move {
                answer.await;
                drop(slot);
            });
        };
        acceptor.run(shutdown, serve).await;
    }
}

/// Answers one request.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, sources: Sources, shutdown: Shutdown) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &sources, &shutdown);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        // One request a connection: nobody holds a place between two of them.
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever went wrong concerns that reader alone.
    let _ = tokio::time::timeout(PATIENCE, connection).await;
}

fn answer(method: &Method, path: &str, sources: &Sources, shutdown: &Shutdown) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD\n");
    }
    match path {
        "/livez" => response(StatusCode::OK, PLAIN, "alive\n"),
        "/readyz" if shutdown.is_draining() => {
            response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "shutting down\n")
        }
        "/readyz" => response(StatusCode::OK, PLAIN, "ready\n"),
        "/metrics" => match render(&sources.metrics, sources.readings()) {
            Ok(page) => response(StatusCode::OK, OPEN_METRICS, page),
            Err(_) => response(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "the page could not be written\n"),
        },
        _ => response(StatusCode::NOT_FOUND, PLAIN, "there are /metrics, /livez and /readyz\n"),
    }
}

fn response(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn sources(metrics: Arc<Metrics>) -> Sources {
        Sources { metrics, manager: None }
    }

    /// What the node answers to these bytes.
    async fn ask(shutdown: &Shutdown, request: &str) -> String {
        let metrics = Arc::new(Metrics::default());
        metrics.connections_open.add(7);
        let (mut near, far) = duplex(64 << 10);
        near.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        let (_, read) =
            tokio::join!(serve(far, sources(metrics), shutdown.clone()), near.read_to_string(&mut answer));
        read.expect("an answer");
        answer
    }

    async fn get(shutdown: &Shutdown, path: &str) -> String {
        ask(shutdown, &format!("GET {path} HTTP/1.1\r\nHost: node\r\n\r\n")).await
    }

    #[tokio::test(start_paused = true)]
    async fn pages_are_served() {
        let shutdown = Shutdown::default();
        let page = get(&shutdown, "/metrics").await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(
            page.contains("application/openmetrics-text") && page.contains("\ndruse_connections_open 7\n"),
            "{page}"
        );
        assert!(get(&shutdown, "/livez").await.ends_with("\r\nalive\n"));
        assert!(get(&shutdown, "/elsewhere").await.starts_with("HTTP/1.1 404"));
        assert!(
            ask(&shutdown, "POST /metrics HTTP/1.1\r\nHost: node\r\n\r\n").await.starts_with("HTTP/1.1 405")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_shuts_down_is_alive_and_not_ready() {
        let shutdown = Shutdown::default();
        assert!(get(&shutdown, "/readyz").await.starts_with("HTTP/1.1 200"));
        shutdown.finish(Duration::ZERO).await;
        assert!(get(&shutdown, "/readyz").await.starts_with("HTTP/1.1 503"));
        assert!(get(&shutdown, "/livez").await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_trickles_is_cut() {
        let (mut near, far) = duplex(64);
        near.write_all(b"GET /livez HT").await.expect("written");
        let begun = tokio::time::Instant::now();
        serve(far, sources(Arc::default()), Shutdown::default()).await;
        assert_eq!(begun.elapsed(), PATIENCE);
    }
}
