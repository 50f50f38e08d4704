//! One client connection: the socket, its buffers and its time-outs. What the bytes mean is the engine's business.
//!
//! ```text
//!            ┌──────────── all answers of one read go out in one write ────────────┐
//!            ▼                                                                     │
//!   read ── offer to the engine ──┬─ Input ─► flush ───────────────────────────────┤
//!   (scratch buffer of            ├─ More ──► flush ─► resume ──► (as before) ─────┤
//!    the thread)                  ├─ Wait ──► flush ─► await ─► complete ──► ──────┘
//!                                 └─ Close ─► flush ─► half-close ─► gone
//! ```
//! Nothing is read while an answer waits to be written: a peer that does not read is not served. While nothing happens
//! a connection holds no buffer: it reads into a scratch buffer that belongs to the thread, and keeps bytes of its own
//! only while a message is incomplete or an answer unread.

pub(crate) mod farewell;
mod scratch;
#[cfg(test)]
mod tests;
mod timer;

use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use druse_protocol::codec::{FrameLimits, Header};
use druse_protocol::time::{Clock, Micros};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use self::scratch::Scratch;
use self::timer::{Expired, Timer};
use crate::config::Limits;
use crate::memory::{FREE_BYTES, MemoryBudget, Reservation};
use crate::metrics::{Metrics, RefusalReason};
use crate::seam::{Adopt, CloseReason, ConnectionEngine, Next, Step};
use crate::shutdown::Shutdown;

/// What every connection of a node shares.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) frames: FrameLimits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) memory: Arc<MemoryBudget>,
    pub(crate) shutdown: Shutdown,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer closed, or vanished.
    Peer(Option<io::ErrorKind>),
    /// The engine ended it.
    Engine(CloseReason),
    /// The node is shutting down.
    Drained,
    /// A limit was exceeded.
    Cut(RefusalReason),
}

/// What became of a connection.
pub(crate) enum Outcome<S> {
    /// It is over.
    Ended(End),
    /// Its socket belongs to somebody else now.
    HandedOver(S, Adopt),
}

/// Why the turns end.
enum Stop {
    End(End),
    HandOver(Adopt),
}

impl<T: Into<End>> From<T> for Stop {
    fn from(end: T) -> Self {
        Self::End(end.into())
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Peer(Some(error.kind()))
    }
}

/// The least that is read at a time into a buffer of the connection's own.
const READ_BYTES: usize = 4 << 10;

/// One connection. Dropping it closes the engine, however the task ends.
pub(crate) struct Connection<S, E: ConnectionEngine> {
    stream: S,
    engine: Engine<E>,
    shared: Arc<Shared>,
    timer: Timer,
    /// What has been read and not dealt with.
    input: BytesMut,
    /// Whether the engine has seen all of `input` and needs more of it.
    incomplete: bool,
    /// Room for a large message that is arriving.
    arriving: Option<Reservation>,
    /// What the socket did not take.
    output: BytesMut,
    /// Whether the transport itself still holds something (TLS does).
    unflushed: bool,
    /// Whether the handshake is over: the engine has taken something.
    established: bool,
    /// Whether the last read before the end has been made.
    draining: bool,
}

impl<S, E> Connection<S, E>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    E: ConnectionEngine,
{
    /// A connection whose handshake must be over at `deadline`.
    pub(crate) fn new(stream: S, engine: E, shared: Arc<Shared>, deadline: Instant) -> Self {
        Self {
            stream,
            engine: Engine { engine, clock: Arc::clone(&shared.clock) },
            timer: Timer::handshake(deadline),
            shared,
            input: BytesMut::new(),
            incomplete: false,
            arriving: None,
            output: BytesMut::new(),
            unflushed: false,
            established: false,
            draining: false,
        }
    }

    /// Serves the peer until one side ends it, or the socket passes to somebody else.
    pub(crate) async fn run(mut self) -> Outcome<S> {
        let end = loop {
            match self.turn().await {
                Ok(()) => {}
                Err(Stop::HandOver(adopt)) => return Outcome::HandedOver(self.stream, adopt),
                Err(Stop::End(end)) => break end,
            }
        };
        if matches!(end, End::Engine(_) | End::Drained) {
            Box::pin(farewell::say(&mut self.stream)).await;
        }
        Outcome::Ended(end)
    }

    /// Reads once and carries out what the engine wants.
    async fn turn(&mut self) -> Result<(), Stop> {
        let mut next = self.input().await?;
        loop {
            if !self.output.is_empty() || self.unflushed {
                // Rare, and large: boxed, so that an idle connection does not pay for it.
                Box::pin(self.flush()).await?;
            }
            next = match next {
                Next::Input => return Ok(()),
                Next::More => self.step(E::resume).await?,
                Next::Wait(answer) => {
                    let patience = self.shared.limits.answer_time;
                    let Ok(completion) = Box::pin(tokio::time::timeout(patience, answer)).await else {
                        return Err(End::Cut(RefusalReason::AnswerTimeout).into());
                    };
                    self.step(|engine, now, out| engine.complete(completion, now, out)).await?
                }
                Next::Close(reason) => return Err(End::Engine(reason).into()),
                Next::HandOver(adopt) => return Err(Stop::HandOver(adopt)),
            };
        }
    }

    /// Offers input to the engine: what is left of the last read, else what comes next.
    async fn input(&mut self) -> Result<Next<E::Completion>, End> {
        loop {
            if !self.input.is_empty() && !self.incomplete {
                return poll_fn(|cx| Poll::Ready(self.offer_own(cx))).await;
            }
            if self.input.is_empty() {
                return poll_fn(|cx| self.poll_fresh(cx)).await;
            }
            self.make_room().await?;
            poll_fn(|cx| self.poll_rest(cx)).await?;
        }
    }

    /// Waits for a message's first bytes, in the thread's buffer, and offers them.
    fn poll_fresh(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next<E::Completion>, End>> {
        let mut scratch = Scratch::take();
        let mut buffer = ReadBuf::new(&mut scratch.input);
        let read = self.poll_read(cx, |stream, cx| stream.poll_read(cx, &mut buffer));
        let outcome = match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(end)) => Poll::Ready(Err(end)),
            Poll::Ready(Ok(())) => {
                let read = buffer.filled();
                if read.is_empty() {
                    Poll::Ready(Err(End::Peer(None)))
                } else {
                    self.shared.metrics.bytes_received.add(read.len() as u64);
                    let offered = self.offer(cx, read, &mut scratch.output);
                    Poll::Ready(offered.map(|(consumed, next)| {
                        self.input = BytesMut::from(read.get(consumed..).unwrap_or_default());
                        next
                    }))
                }
            }
        };
        scratch.give_back();
        outcome
    }

    /// Waits for more of a message whose beginning is in `input`.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let mut input = std::mem::take(&mut self.input);
        let read = self.poll_read(cx, |mut stream, cx| {
            let mut read = std::pin::pin!(stream.read_buf(&mut input));
            read.as_mut().poll(cx)
        });
        self.input = input;
        let count = ready!(read)?;
        if count == 0 {
            return Poll::Ready(Err(End::Peer(None)));
        }
        self.shared.metrics.bytes_received.add(count as u64);
        // The engine would look at every piece of a large message; it need not, once the size is known.
        self.incomplete = self.established && matches!(self.arriving_size(), Ok(Some(_)));
        Poll::Ready(Ok(()))
    }

    /// Reads by `read`, and minds the clock and the shutdown when there is nothing to read.
    fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<Result<T, End>> {
        if self.draining {
            return Poll::Ready(Err(End::Drained));
        }
        // What has arrived before the end is still answered: one more read, and no other.
        self.draining = self.shared.shutdown.is_draining();
        match read(Pin::new(&mut self.stream), cx) {
            Poll::Ready(read) => Poll::Ready(read.map_err(End::from)),
            Poll::Pending if self.draining => Poll::Ready(Err(End::Drained)),
            Poll::Pending => self.timer.poll(cx, &self.shared.limits).map(|expired| Err(expired.into())),
        }
    }

    /// Makes the buffer fit the message that is arriving; a large one reserves its size first.
    async fn make_room(&mut self) -> Result<(), End> {
        let limits = &self.shared.limits;
        let Some(size) = self.arriving_size()? else {
            self.input.reserve(READ_BYTES);
            return Ok(());
        };
        if size > FREE_BYTES && self.arriving.is_none() {
            self.timer.message(limits.arrival_time(size));
            self.arriving = Some(Box::pin(reserve(&self.shared, size)).await?);
        }
        self.input.reserve(size.saturating_sub(self.input.len()).max(1));
        Ok(())
    }

    /// Size of the message whose beginning is in `input`, if it says so yet.
    fn arriving_size(&self) -> Result<Option<usize>, End> {
        let malformed = End::Cut(RefusalReason::Malformed);
        if !self.established {
            // No handshake comes near this, and the engine has had its chance to refuse it.
            return if self.input.len() < FREE_BYTES { Ok(None) } else { Err(malformed) };
        }
        match Header::decode(&self.input, &self.shared.frames) {
            Ok(None) => Ok(None),
            Ok(Some(header)) if Header::SIZE + header.length > self.input.len() => {
                Ok(Some(Header::SIZE + header.length))
            }
            // Complete or impossible, and yet the engine wants more: waiting would never end.
            Ok(Some(_)) | Err(_) => Err(malformed),
        }
    }

    /// Offers what the connection has kept.
    fn offer_own(&mut self, cx: &mut Context<'_>) -> Result<Next<E::Completion>, End> {
        let mut input = std::mem::take(&mut self.input);
        let mut scratch = Scratch::take();
        let offered = self.offer(cx, &input, &mut scratch.output);
        scratch.give_back();
        let (consumed, next) = offered?;
        input.advance(consumed.min(input.len()));
        // A large buffer must not stay for the sake of a few bytes, nor be copied over and over while it fills.
        let small = consumed > 0 && input.len() <= FREE_BYTES;
        self.input = if small { BytesMut::from(&*input) } else { input };
        Ok(next)
    }

    /// Lets the engine deal with `input` and sends what it answers. The caller keeps what is left.
    fn offer(
        &mut self,
        cx: &mut Context<'_>,
        input: &[u8],
        out: &mut BytesMut,
    ) -> Result<(usize, Next<E::Completion>), End> {
        let now = self.shared.clock.now();
        let Step { consumed, next } = self.engine.receive(input, now, out);
        self.incomplete = consumed == 0 && matches!(next, Next::Input);
        if consumed > 0 {
            self.established = true;
            self.arriving = None;
            self.timer.heard(&self.shared.limits);
        } else if self.established {
            self.timer.begun(&self.shared.limits);
        }
        self.send(cx, out)?;
        if consumed > 0 && matches!(next, Next::Input) && self.output.is_empty() {
            let took = self.shared.clock.now().saturating_since(now);
            self.shared.metrics.request_latency.observe(took);
        }
        Ok((consumed, next))
    }

    /// A step of the engine that has no input.
    async fn step(
        &mut self,
        act: impl FnOnce(&mut E, Micros, &mut BytesMut) -> Step<E::Completion>,
    ) -> Result<Next<E::Completion>, End> {
        let mut act = Some(act);
        poll_fn(|cx| {
            let Some(act) = act.take() else { return Poll::Pending };
            let mut scratch = Scratch::take();
            let Step { next, .. } = act(&mut self.engine, self.shared.clock.now(), &mut scratch.output);
            let sent = self.send(cx, &mut scratch.output);
            scratch.give_back();
            Poll::Ready(sent.map(|()| next))
        })
        .await
    }

    /// Hands over as much of `out` as the socket takes now and keeps the rest.
    fn send(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Result<(), End> {
        if out.is_empty() {
            return Ok(());
        }
        let mut sent = 0;
        while let Some(rest) = out.get(sent..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest)? {
                Poll::Ready(0) => return Err(End::Peer(Some(io::ErrorKind::WriteZero))),
                Poll::Ready(count) => sent += count,
                Poll::Pending => break,
            }
        }
        self.shared.metrics.bytes_sent.add(sent as u64);
        if sent == out.len() {
            out.clear();
            self.unflushed = Pin::new(&mut self.stream).poll_flush(cx)?.is_pending();
        } else {
            out.advance(sent);
            std::mem::swap(&mut self.output, out);
        }
        Ok(())
    }

    /// Waits until the peer has taken everything, within bounds.
    async fn flush(&mut self) -> Result<(), End> {
        let limits = &self.shared.limits;
        let size = self.output.len();
        // Large answers that nobody reads share the budget of large messages. Without room there is little patience.
        let held = if size > FREE_BYTES { self.shared.memory.try_reserve(size) } else { None };
        let patience = if size > FREE_BYTES && held.is_none() {
            limits.write_time / 16
        } else {
            limits.departure_time(size)
        };
        let good_until = self.engine.good_until();
        let good_for = good_until.saturating_since(self.shared.clock.now());
        let Self { stream, output, shared, unflushed, engine, .. } = self;
        // Looked at before every write, too: a user may be cut off while a peer is slow to read.
        let mut is_good = || {
            // Borrowed uniquely, because engines need not be shareable between threads.
            let engine: &mut E = engine;
            shared.clock.now() < engine.good_until()
        };
        let written = poll_fn(|cx| poll_flush(cx, stream, output, &shared.metrics, &mut is_good));
        tokio::select! {
            biased;
            () = tokio::time::sleep(good_for), if good_until != Micros::MAX => {
                return Err(End::Cut(RefusalReason::Expired));
            }
            written = written => {
                if !written? {
                    return Err(End::Cut(RefusalReason::Expired));
                }
            }
            () = tokio::time::sleep(patience) => return Err(End::Cut(RefusalReason::WriteStall)),
        }
        *unflushed = false;
        self.output = BytesMut::new();
        Ok(())
    }
}

/// An engine that is closed when it goes, however that comes about.
struct Engine<E: ConnectionEngine> {
    engine: E,
    clock: Arc<dyn Clock>,
}

impl<E: ConnectionEngine> Deref for Engine<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.engine
    }
}

impl<E: ConnectionEngine> DerefMut for Engine<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.engine
    }
}

impl<E: ConnectionEngine> Drop for Engine<E> {
    fn drop(&mut self) {
        self.engine.close(self.clock.now());
    }
}

impl From<Expired> for End {
    fn from(expired: Expired) -> Self {
        Self::Cut(match expired {
            Expired::Handshake => RefusalReason::HandshakeTimeout,
            Expired::Idle => RefusalReason::Idle,
            Expired::Message => RefusalReason::SlowMessage,
        })
    }
}

/// Writes all of `output`; `false` if what it rests on has come to its end.
fn poll_flush<S: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    stream: &mut S,
    output: &mut BytesMut,
    metrics: &Metrics,
    is_good: &mut impl FnMut() -> bool,
) -> Poll<io::Result<bool>> {
    while !output.is_empty() {
        if !is_good() {
            return Poll::Ready(Ok(false));
        }
        let count = ready!(Pin::new(&mut *stream).poll_write(cx, output))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        metrics.bytes_sent.add(count as u64);
        output.advance(count);
    }
    Pin::new(stream).poll_flush(cx).map_ok(|()| true)
}

/// Waits for room for a large message, no longer than a message may take.
async fn reserve(shared: &Shared, size: usize) -> Result<Reservation, End> {
    tokio::select! {
        room = shared.memory.reserve(size) => Ok(room),
        () = tokio::time::sleep(shared.limits.message_time) => Err(End::Cut(RefusalReason::Memory)),
        () = shared.shutdown.draining() => Err(End::Drained),
    }
}
