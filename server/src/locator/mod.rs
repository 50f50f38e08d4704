//! A locator in the node's own process: clients that are configured with a locator find the node through it.
//!
//! One connection carries one question; the answers are in [`directory`], the connections here.

mod directory;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use druse_protocol::locator::{Opening, Request, SERVER_IS_LOCATOR, UNKNOWN_PROTOCOL};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub(crate) use self::directory::Directory;
use crate::acceptor::{Acceptor, Slots};
use crate::config::Limits;
use crate::connection::farewell;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::tls::Tls;

/// Longest question: a list of a thousand servers that have failed a client, and its identity.
const QUESTION_BYTES: usize = 64 << 10;

/// A bound locator port.
pub(crate) struct Locator {
    acceptor: Acceptor,
    desk: Arc<Desk>,
}

/// What every question needs.
struct Desk {
    directory: Directory,
    tls: Option<Tls>,
    limits: Limits,
    metrics: Arc<Metrics>,
}

impl Locator {
    /// Binds. The directory is made when the port is known.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn bind(
        address: SocketAddr,
        tls: Option<Tls>,
        limits: &Limits,
        metrics: Arc<Metrics>,
        directory: impl FnOnce(u16) -> Directory,
    ) -> io::Result<Self> {
        let acceptor = Acceptor::bind(address, Slots::new(limits.locator_connections, None))?;
        let directory = directory(acceptor.local().port());
        let desk = Desk { directory, tls, limits: limits.clone(), metrics };
        Ok(Self { acceptor, desk: Arc::new(desk) })
    }

    /// Where it listens.
    pub(crate) const fn local(&self) -> SocketAddr {
        self.acceptor.local()
    }

    /// Answers until the draining begins.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let Self { acceptor, desk } = self;
        let spawner = shutdown.clone();
        let serve = move |stream, peer, slot| {
            let Ok(slot) = slot else { return desk.metrics.locator_refusals.inc() };
            let desk = Arc::clone(&desk);
            spawner.spawn(async move {
                desk.serve(stream, peer).await;
                drop(slot);
            });
        };
        acceptor.run(shutdown, serve).await;
    }
}

impl Desk {
    async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        // The address that the client has reached is one that it can reach.
        let Ok(here) = stream.local_addr() else { return };
        let deadline = Instant::now() + self.limits.locator_time;
        let served = tokio::time::timeout_at(deadline, async {
            match &self.tls {
                None => self.talk(stream, here).await,
                Some(tls) => match tls.accept(stream, deadline).await {
                    Ok((stream, _)) => self.talk(stream, here).await,
                    Err(error) => Ok(Outcome::Refused(error.to_string())),
                },
            }
        });
        let outcome = match served.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Refused(error.to_string()),
            Err(_) => Outcome::Refused("the question did not come in time".to_owned()),
        };
        match outcome {
            Outcome::Answered => self.metrics.locator_requests.inc(),
            Outcome::Refused(reason) => {
                self.metrics.locator_refusals.inc();
                tracing::debug!(%peer, reason, "locator: no answer");
            }
        }
    }

    async fn talk(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        here: SocketAddr,
    ) -> io::Result<Outcome> {
        let mut input = BytesMut::new();
        let reply = loop {
            match self.reply(&input, here) {
                Some(reply) => break reply,
                None if input.len() >= QUESTION_BYTES => break Reply::silence("the question is too long"),
                None if stream.read_buf(&mut input).await? == 0 => {
                    return Ok(Outcome::Refused("the peer closed".to_owned()));
                }
                None => {}
            }
        };
        stream.write_all(&reply.bytes).await?;
        stream.flush().await?;
        farewell::say(&mut stream).await;
        Ok(reply.outcome)
    }

    /// What these bytes are answered with; `None` if they are not complete. What Geode's locator answers with closing
    /// is answered so here.
    fn reply(&self, input: &[u8], here: SocketAddr) -> Option<Reply> {
        let (ordinal, consumed) = match Opening::decode(input)? {
            Opening::ServerHandshake => {
                return Some(Reply::refusal(&[SERVER_IS_LOCATOR], "taken for a server"));
            }
            Opening::Unknown => return Some(Reply::refusal(UNKNOWN_PROTOCOL, "unknown protocol")),
            Opening::Request { ordinal, consumed } => (ordinal, consumed),
        };
        if !ordinal.is_accepted() {
            return Some(Reply::silence("unknown version"));
        }
        let request = match Request::decode(input.get(consumed..)?) {
            Ok(Some((request, _))) => request,
            Ok(None) => return None,
            Err(_) => return Some(Reply::silence("malformed question")),
        };
        Some(match self.directory.answer(&request, here) {
            None => Reply::silence("not answered by this locator"),
            Some(response) => {
                let mut bytes = Vec::new();
                response.encode(&mut bytes);
                Reply { bytes, outcome: Outcome::Answered }
            }
        })
    }
}

/// How a question ended.
enum Outcome {
    Answered,
    Refused(String),
}

/// Bytes to send before closing.
struct Reply {
    bytes: Vec<u8>,
    outcome: Outcome,
}

impl Reply {
    fn refusal(bytes: &[u8], reason: &str) -> Self {
        Self { bytes: bytes.to_vec(), outcome: Outcome::Refused(reason.to_owned()) }
    }

    fn silence(reason: &str) -> Self {
        Self::refusal(&[], reason)
    }
}

#[cfg(test)]
mod tests;
