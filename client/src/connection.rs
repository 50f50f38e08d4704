//! One connection to a server: frames out, frames in, in order.
//!
//! A task owns the socket. Callers hand it whole requests through a bounded queue; it puts the connection's latest id
//! into each security part, sends, and gives every reply to the caller whose turn it is. A Geode server changes that id
//! with every reply, so only one request is under way at a time there; a Druse node keeps it and says so in its
//! handshake, and then many are.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use druse_protocol::codec::{
    Chunk, ChunkedHeader, FIRST_CONNECTION_ID, FrameLimits, Header, Message, MessageType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::error::ConnectionError;
use crate::transport::Stream;

/// How many requests may be under way on a connection to a node that allows it.
const PIPELINE_DEPTH: usize = 256;

/// How much is read at once.
const READ_CHUNK: usize = 16 * 1024;

/// The bytes of a security part's payload: connection id and unique id.
const SECURITY_BYTES: usize = 16;

/// A whole request, ready but for the connection's id.
#[derive(Clone)]
pub(crate) struct Request {
    /// The frame.
    pub(crate) bytes: Bytes,
    /// What it is: tells how the reply is framed.
    pub(crate) kind: MessageType,
    /// Whether the frame ends in a security part of 16 bytes, to be completed on sending.
    pub(crate) secured: bool,
}

impl fmt::Debug for Request {
    /// Without the bytes: those of a login are credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("kind", &self.kind).field("bytes", &self.bytes.len()).finish()
    }
}

/// A whole reply.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// One plain message.
    Plain(Bytes),
    /// A chunked message, all its chunks in one piece behind the header.
    Chunked(Bytes),
}

struct Call {
    request: Request,
    answer: oneshot::Sender<Result<Reply, ConnectionError>>,
}

/// The caller's end of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    calls: mpsc::Sender<Call>,
    closed: Arc<AtomicBool>,
    pipelined: bool,
    closing: CancellationToken,
}

impl Connection {
    /// Takes over a stream behind its handshake. `on_close` runs when the connection's task ends.
    pub(crate) fn start(
        stream: impl Stream,
        pipelined: bool,
        limits: FrameLimits,
        closing: &CancellationToken,
        on_close: impl FnOnce() + Send + 'static,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static) {
        let depth = if pipelined { PIPELINE_DEPTH } else { 1 };
        let (calls, queue) = mpsc::channel(depth);
        let closed = Arc::new(AtomicBool::new(false));
        let closing = closing.child_token();
        let connection =
            Arc::new(Self { calls, closed: Arc::clone(&closed), pipelined, closing: closing.clone() });
        let task = Driver {
            stream,
            queue,
            depth,
            limits,
            waiting: VecDeque::new(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            connection_id: FIRST_CONNECTION_ID,
            scanned: 0,
            settled: false,
            closed,
        };
        (connection, async move {
            task.run(closing).await;
            on_close();
        })
    }

    /// Sends a request and waits for its reply. Dropping the future leaves the connection in step: the reply is read
    /// and thrown away.
    pub(crate) async fn call(&self, request: Request) -> Result<Reply, ConnectionError> {
        let (answer, reply) = oneshot::channel();
        self.calls.send(Call { request, answer }).await.map_err(|_| ConnectionError::NotSent)?;
        reply.await.unwrap_or(Err(ConnectionError::Closed))
    }

    /// Whether several requests may be under way at once.
    pub(crate) fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    /// Whether the connection is of no more use.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.calls.is_closed()
    }

    /// Ends the connection; callers under way get [`ConnectionError::Closed`].
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.closing.cancel();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// Somebody whose reply has not come yet.
struct Waiting {
    kind: MessageType,
    secured: bool,
    answer: oneshot::Sender<Result<Reply, ConnectionError>>,
}

struct Driver<S> {
    stream: S,
    queue: mpsc::Receiver<Call>,
    depth: usize,
    limits: FrameLimits,
    waiting: VecDeque<Waiting>,
    input: BytesMut,
    output: BytesMut,
    connection_id: i64,
    /// How much of the chunked reply at the front of `input` has been seen to be whole chunks.
    scanned: usize,
    /// Whether the connection has the id that it keeps. Until then every request would carry the first one, and all but
    /// one of them be refused.
    settled: bool,
    closed: Arc<AtomicBool>,
}

enum Event {
    Call(Option<Call>),
    Read(std::io::Result<usize>),
    Wrote(std::io::Result<usize>),
}

impl<S: Stream> Driver<S> {
    async fn run(mut self, closing: CancellationToken) {
        let error = tokio::select! {
            biased;
            () = closing.cancelled() => ConnectionError::Closed,
            error = self.drive() => error,
        };
        self.closed.store(true, Ordering::Release);
        self.queue.close();
        // What was queued and never sent can safely go elsewhere; what was sent is in doubt.
        while let Ok(call) = self.queue.try_recv() {
            let _ = call.answer.send(Err(ConnectionError::NotSent));
        }
        for waiting in self.waiting.drain(..) {
            let _ = waiting.answer.send(Err(error.clone()));
        }
        let _ = self.stream.shutdown().await;
    }

    async fn drive(&mut self) -> ConnectionError {
        loop {
            match self.next_event().await {
                // All callers' ends are gone.
                Event::Call(None) => return ConnectionError::Closed,
                Event::Call(Some(call)) => self.accept(call),
                Event::Wrote(Ok(written)) if written > 0 => self.output.advance(written),
                Event::Wrote(outcome) => return lost(outcome),
                Event::Read(Ok(read)) if read > 0 => {
                    if let Err(error) = self.deliver() {
                        return error;
                    }
                }
                Event::Read(outcome) => return lost(outcome),
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let Self { stream, queue, waiting, input, output, depth, settled, .. } = self;
        let depth = if *settled { *depth } else { 1 };
        let (mut reader, mut writer) = tokio::io::split(stream);
        input.reserve(READ_CHUNK);
        tokio::select! {
            // Calls first: those that are queued already travel in one write.
            biased;
            call = queue.recv(), if waiting.len() < depth => Event::Call(call),
            written = writer.write(output), if !output.is_empty() => Event::Wrote(written),
            read = reader.read_buf(input) => Event::Read(read),
        }
    }

    fn accept(&mut self, call: Call) {
        if call.answer.is_closed() {
            // The caller has gone before anything was sent.
            return;
        }
        let start = self.output.len();
        self.output.extend_from_slice(&call.request.bytes);
        if call.request.secured {
            let at = (start + call.request.bytes.len()).saturating_sub(SECURITY_BYTES);
            if let Some(field) = self.output.get_mut(at..at + size_of::<i64>()) {
                field.copy_from_slice(&self.connection_id.to_be_bytes());
            }
        }
        self.waiting.push_back(Waiting {
            kind: call.request.kind,
            secured: call.request.secured,
            answer: call.answer,
        });
    }

    /// Gives every whole reply to its caller.
    fn deliver(&mut self) -> Result<(), ConnectionError> {
        while !self.input.is_empty() {
            let Some(first) = self.waiting.front() else { return Err(ConnectionError::Unexpected) };
            let chunked = first.kind.is_answered_in_chunks();
            let framed = measure(&self.input, chunked, &self.limits, &mut self.scanned);
            let Some(Framed { size, chunked, next_id }) = framed.map_err(ConnectionError::Malformed)? else {
                return Ok(());
            };
            if let Some(id) = next_id {
                self.connection_id = id;
            }
            self.scanned = 0;
            let bytes = self.input.split_to(size).freeze();
            let reply = if chunked { Reply::Chunked(bytes) } else { Reply::Plain(bytes) };
            if let Some(waiting) = self.waiting.pop_front() {
                // Without a security part on such a request the client shows no credentials, and ids do not matter.
                self.settled |= waiting.secured || !waiting.kind.is_internal();
                // A caller that has gone does not want it any more.
                let _ = waiting.answer.send(Ok(reply));
            }
        }
        Ok(())
    }
}

fn lost(outcome: std::io::Result<usize>) -> ConnectionError {
    match outcome {
        Ok(_) => ConnectionError::Eof,
        Err(error) => ConnectionError::Io(Arc::new(error)),
    }
}

struct Framed {
    size: usize,
    chunked: bool,
    next_id: Option<i64>,
}

/// How long the reply at the front of `input` is, and the connection id it brings; `None` if it is not all there.
/// `scanned` remembers how far a long chunked reply has been looked at, so that it is looked at once.
fn measure(
    input: &[u8],
    chunked: bool,
    limits: &FrameLimits,
    scanned: &mut usize,
) -> Result<Option<Framed>, druse_protocol::DecodeError> {
    let id = |part: Option<&[u8]>| part.and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
    if !chunked || is_plain_refusal(input) {
        return Ok(Message::decode(input, limits)?.map(|(message, size)| Framed {
            size,
            chunked: false,
            next_id: id(message.security()),
        }));
    }
    let Some(header) = ChunkedHeader::decode(input, limits)? else { return Ok(None) };
    *scanned = (*scanned).max(ChunkedHeader::SIZE);
    loop {
        let rest = input.get(*scanned..).unwrap_or_default();
        let Some((chunk, length)) = Chunk::decode(rest, &header, limits)? else { return Ok(None) };
        *scanned += length;
        if chunk.flags.is_last() {
            return Ok(Some(Framed { size: *scanned, chunked: true, next_id: id(chunk.security()) }));
        }
        if *scanned > limits.message_bytes {
            return Err(druse_protocol::DecodeError::TooLarge {
                field: "chunked reply",
                value: *scanned as u64,
                limit: limits.message_bytes as u64,
            });
        }
    }
}

/// A server without a handler for a type answers with a plain message, whatever the request's framing.
fn is_plain_refusal(input: &[u8]) -> bool {
    input.len() >= Header::SIZE
        && input.first_chunk().copied().map(i32::from_be_bytes)
            == Some(MessageType::UnknownMessageTypeError.to_wire())
}

#[cfg(test)]
mod tests;
