//! The issuer on a socket: HTTP/1.1, with or without TLS.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{MAX_BODY_BYTES, Request, Response};
use crate::issuer::Issuer;

/// Connections at a time. Further ones wait in the system's queue.
const CONNECTIONS: usize = 1024;
/// How long a peer may take for a TLS handshake, a request's head, or its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest request head, in bytes: tokens and authorization requests stand in it.
const HEAD_BYTES: usize = 32 * 1024;
/// How long to wait when the system has no file descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Why the issuer does not listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// A bound port.
pub struct IssuerServer {
    listener: TcpListener,
    local: SocketAddr,
    tls: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
}

impl IssuerServer {
    /// Binds. Without TLS only loopback makes sense; whoever calls decides.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn bind(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        Ok(Self { listener, local, tls: tls.map(TlsAcceptor::from), places })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Serves until it is told to stop; then answers what it has begun to read, and returns.
    pub async fn run(self, issuer: Arc<Issuer>, stop: CancellationToken) {
        let connections = TaskTracker::new();
        while let Some((stream, peer, place)) = self.accept(&stop).await {
            let (issuer, tls, stop) = (Arc::clone(&issuer), self.tls.clone(), stop.clone());
            connections.spawn(async move {
                serve(stream, peer, tls, issuer, stop).await;
                drop(place);
            });
        }
        connections.close();
        connections.wait().await;
    }

    /// The next connection, once there is a place for it.
    async fn accept(
        &self,
        stop: &CancellationToken,
    ) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let next = async {
            let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
            loop {
                match self.listener.accept().await {
                    Ok((stream, peer)) => return Some((stream, peer, place)),
                    Err(error) => {
                        tracing::warn!(%error, "the issuer cannot accept a connection");
                        tokio::time::sleep(EXHAUSTED_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            accepted = next => accepted,
        }
    }
}

impl fmt::Debug for IssuerServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerServer")
            .field("local", &self.local)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    issuer: Arc<Issuer>,
    stop: CancellationToken,
) {
    let Some(tls) = tls else { return converse(stream, peer, issuer, stop).await };
    match timeout(PATIENCE, tls.accept(stream)).await {
        Ok(Ok(stream)) => converse(stream, peer, issuer, stop).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with a peer"),
        Err(_) => tracing::debug!(%peer, "a peer did not finish its TLS handshake"),
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    issuer: Arc<Issuer>,
    stop: CancellationToken,
) {
    let service = service_fn(move |request| {
        let issuer = Arc::clone(&issuer);
        async move { Ok::<_, Infallible>(answer(request, peer, &issuer).await.into_hyper()) }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "a connection to the issuer broke");
    }
}

async fn answer(request: hyper::Request<Incoming>, peer: SocketAddr, issuer: &Arc<Issuer>) -> Response {
    let (head, body) = request.into_parts();
    let body = match timeout(PATIENCE, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Response::empty(StatusCode::PAYLOAD_TOO_LARGE).with("connection", "close"),
        Err(_) => return Response::empty(StatusCode::REQUEST_TIMEOUT).with("connection", "close"),
    };
    issuer
        .answer(Request {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            peer: peer.ip(),
        })
        .await
}
