//! How servers and locators are reached: over TCP, or however the application wants it.

use std::io;

use druse_protocol::auth::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::endpoint::ServerLocation;

/// A stream of bytes to a server, plain or TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Opens streams. TLS and the handshake come on top, within the client's `connect_timeout`.
pub trait Transport: Send + Sync + 'static {
    /// A stream to `server`.
    fn connect<'a>(&'a self, server: &'a ServerLocation) -> BoxFuture<'a, io::Result<Box<dyn Stream>>>;
}

/// TCP without delays for small frames.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tcp;

impl Transport for Tcp {
    fn connect<'a>(&'a self, server: &'a ServerLocation) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}
