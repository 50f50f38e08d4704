//! The task of a shard: it owns the sockets, reads the clock, and does what the shard wants.

use std::collections::HashMap;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use druse_protocol::time::{Clock, Micros};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, mpsc};

use super::FeedId;
use super::batch::{Batch, Wish};
use super::bell::Bell;
use super::open::{OpenError, Opened, Opening};
use super::shard::Shard;
use crate::seam::{HandedOver, Stream};
use crate::shutdown::Shutdown;

/// Jobs that are done before sockets have a turn again.
const JOBS: usize = 128;
/// Batches that a feed may write before another has a turn.
const BATCHES: usize = 4;
/// Feeds that have a turn before whoever writes has one, at least; where more wait it is a [`SHARE`] of them. So what is
/// written while a round goes on leaves with it: when the processor is short, each write carries several events, and an
/// event costs less.
const FEEDS: usize = 32;
/// Into how many turns a round is cut at most.
const SHARE: usize = 8;
/// How long a connection may take to hand its socket over. It does so at once, unless it dies in between.
const HAND_OVER: Duration = Duration::from_secs(10);
/// How often what waits is counted.
const COUNT: Duration = Duration::from_secs(1);
/// The longest sleep: the clock of the operating system may be set forward.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Something to be done on a shard by its task.
pub(super) type Job = Box<dyn FnOnce(&mut ShardTask, Micros) + Send>;

/// A shard with everything that it does not know.
pub(super) struct ShardTask {
    pub(super) shard: Shard,
    sockets: HashMap<FeedId, Socket>,
    /// Feeds whose socket has not come yet, and until when it is waited for.
    expected: HashMap<FeedId, Micros>,
    bell: Arc<Bell>,
    clock: Arc<dyn Clock>,
    pressure: Arc<Pressure>,
    counted: (usize, usize),
    count_at: Micros,
    behind: i64,
}

/// Whether the shards of a node are too far behind the log.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    too_far: AtomicBool,
    relief: Notify,
}

impl Pressure {
    /// Whether whoever writes has to wait.
    pub(super) fn is_high(&self) -> bool {
        self.too_far.load(Ordering::Relaxed)
    }

    /// Returns when that is over.
    pub(super) async fn relieved(&self) {
        loop {
            let relief = self.relief.notified();
            if !self.is_high() {
                return;
            }
            relief.await;
        }
    }

    fn set(&self, too_far: bool) {
        if self.too_far.swap(too_far, Ordering::Relaxed) && !too_far {
            self.relief.notify_waiters();
        }
    }
}

/// A feed's socket.
struct Socket {
    stream: Box<dyn Stream>,
    waker: Waker,
    /// Whether it has to be waited for.
    blocked: bool,
    /// Counts the connection as long as it is there.
    _guard: Box<dyn std::any::Any + Send>,
}

impl ShardTask {
    pub(super) fn new(shard: Shard, clock: Arc<dyn Clock>, pressure: Arc<Pressure>) -> Self {
        Self {
            shard,
            sockets: HashMap::new(),
            expected: HashMap::new(),
            bell: Arc::default(),
            count_at: clock.now(),
            clock,
            pressure,
            counted: (0, 0),
            behind: 0,
        }
    }

    /// Serves the feeds of the shard until the node ends.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>, shutdown: Shutdown) {
        while !shutdown.is_draining() {
            if self.turn(&mut jobs) {
                tokio::task::yield_now().await;
                continue;
            }
            let bell = Arc::clone(&self.bell);
            let sleep = self.sleep();
            tokio::select! {
                biased;
                job = jobs.recv() => match job {
                    Some(job) => {
                        let now = self.clock.now();
                        job(&mut self, now);
                    }
                    None => break,
                },
                () = bell.rings() => {}
                () = self.shard.ready() => {}
                () = tokio::time::sleep(sleep) => {}
                () = shutdown.draining() => {}
            }
        }
        self.end();
    }

    fn sleep(&self) -> Duration {
        let next = self.shard.next_timer().into_iter().chain(self.expected.values().copied()).min();
        next.map_or(LONGEST_SLEEP, |next| next.saturating_since(self.clock.now())).min(LONGEST_SLEEP)
    }

    /// Does what can be done now. Returns whether there is more.
    pub(super) fn turn(&mut self, jobs: &mut mpsc::Receiver<Job>) -> bool {
        let now = self.clock.now();
        for _ in 0..JOBS {
            let Ok(job) = jobs.try_recv() else { break };
            job(self, now);
        }
        let more = self.shard.advance(now);
        self.shard.on_timers(now);
        self.give_up_sockets(now);
        let rung = self.bell.take();
        for feed in rung.sockets {
            if let Some(socket) = self.sockets.get_mut(&feed) {
                socket.blocked = false;
            }
            self.shard.mark(feed);
        }
        rung.logins.into_iter().for_each(|feed| self.shard.mark(feed));
        let relieved = self.shard.relieve_node(now);
        self.serve_some();
        self.measure(now);
        more || relieved || self.shard.dirty() > 0
    }

    fn serve_some(&mut self) {
        for _ in 0..FEEDS.max(self.shard.dirty() / SHARE) {
            let Some(feed) = self.shard.next_dirty() else { return };
            self.serve(feed);
        }
    }

    /// Writes what a feed may send. If there is more that its socket would take, it is to be looked at again.
    fn serve(&mut self, id: FeedId) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            self.shard.attend(id, self.clock.now());
            return;
        };
        if socket.is_closed() {
            self.close(id);
            return;
        }
        if socket.blocked {
            if self.shard.attend(id, self.clock.now()) {
                self.close(id);
            }
            return;
        }
        let mut batch = Batch::default();
        for _ in 0..BATCHES {
            let wish = self.shard.fill(id, &mut batch, self.clock.now());
            match wish {
                Wish::Write | Wish::WriteLast if batch.is_empty() => return,
                Wish::Write | Wish::WriteLast => {}
                Wish::Finish => {
                    socket.finish();
                    self.close(id);
                    return;
                }
                Wish::Cut => {
                    // What it does not take now it does not get.
                    let _ = socket.write(&batch);
                    self.close(id);
                    return;
                }
            }
            let whole = batch.len();
            let written = socket.write(&batch);
            let taken = *written.as_ref().unwrap_or(&0);
            self.shard.written(id, &mut batch, taken, self.clock.now());
            if written.is_err() {
                self.close(id);
                return;
            }
            if taken < whole {
                socket.blocked = true;
                return;
            }
            if wish == Wish::WriteLast {
                return;
            }
        }
        self.shard.mark(id);
    }

    /// The socket is gone, whoever ended it.
    fn close(&mut self, id: FeedId) {
        self.sockets.remove(&id);
        self.shard.disconnected(id, self.clock.now());
    }

    /// Opens a feed whose socket is to follow.
    pub(super) fn open(&mut self, opening: Opening, now: Micros) -> Result<Opened, OpenError> {
        let bell = Arc::clone(&self.bell);
        let opened = self.shard.open(opening, |feed| bell.watcher(feed), now)?;
        if opened.replaces_socket {
            self.sockets.remove(&opened.id);
        }
        self.expected.insert(opened.id, now + HAND_OVER);
        Ok(opened)
    }

    /// The socket of a feed has come.
    pub(super) fn attach(&mut self, id: FeedId, socket: HandedOver, welcome: Bytes) {
        if self.expected.remove(&id).is_none() {
            // It took too long, or another one was faster.
            return;
        }
        let HandedOver { stream, guard } = socket;
        let waker = self.bell.waker(id);
        self.sockets.insert(id, Socket { stream, waker, blocked: false, _guard: guard });
        self.shard.greet(id, welcome);
    }

    fn give_up_sockets(&mut self, now: Micros) {
        if self.expected.is_empty() {
            return;
        }
        let late: Vec<_> = self.expected.extract_if(|_, until| now >= *until).map(|(id, _)| id).collect();
        for id in late {
            self.shard.disconnected(id, now);
        }
    }

    /// Tells writers when the shard is too far behind, and operators what waits.
    fn measure(&mut self, now: Micros) {
        let behind = self.shard.behind();
        self.pressure.set(behind > self.shard.most_behind());
        if now < self.count_at {
            return;
        }
        self.count_at = now + COUNT;
        let (events, bytes) = self.shard.usage();
        let behind = i64::try_from(behind).unwrap_or(i64::MAX);
        let difference = |new: usize, old: usize| {
            i64::try_from(new).unwrap_or(i64::MAX).saturating_sub(i64::try_from(old).unwrap_or(i64::MAX))
        };
        let metrics = &self.shard.context.metrics.feeds;
        metrics.queued_events.add(difference(events, self.counted.0));
        metrics.queued_bytes.add(difference(bytes, self.counted.1));
        metrics.behind.add(behind - self.behind);
        self.counted = (events, bytes);
        self.behind = behind;
    }

    /// The node ends: clients find another server, or this one when it is back.
    fn end(&mut self) {
        for socket in self.sockets.values_mut() {
            socket.finish();
        }
        self.sockets.clear();
        self.pressure.set(false);
    }
}

impl Socket {
    /// Hands a batch over. Returns how many bytes were taken; fewer than all means that the socket will call.
    fn write(&mut self, batch: &Batch) -> std::io::Result<usize> {
        match batch.only_frame() {
            // Most often there is one frame, which needs no list.
            Some(frame) => self.write_slices(&mut [IoSlice::new(frame)]),
            None => self.write_slices(&mut batch.frames().map(IoSlice::new).collect::<Vec<_>>()),
        }
    }

    fn write_slices(&mut self, mut slices: &mut [IoSlice<'_>]) -> std::io::Result<usize> {
        let mut taken = 0;
        let mut context = Context::from_waker(&self.waker);
        while !slices.is_empty() {
            match Pin::new(&mut self.stream).poll_write_vectored(&mut context, slices)? {
                Poll::Ready(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) => {
                    taken += count;
                    IoSlice::advance_slices(&mut slices, count);
                }
                Poll::Pending => break,
            }
        }
        // What TLS holds back is sent with the next batch at the latest; the socket calls when it can.
        if Pin::new(&mut self.stream).poll_flush(&mut context)?.is_pending() {
            self.blocked = true;
        }
        Ok(taken)
    }

    /// Whether the client has closed its end: it never says anything on a feed.
    fn is_closed(&mut self) -> bool {
        let mut byte = [0; 16];
        let mut context = Context::from_waker(&self.waker);
        loop {
            let mut buffer = ReadBuf::new(&mut byte);
            match Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer) {
                Poll::Pending => return false,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return true,
            }
        }
    }

    /// Says that nothing follows. What is under way arrives.
    fn finish(&mut self) {
        let mut context = Context::from_waker(&self.waker);
        // Whoever is gone does not hear it.
        let _ = Pin::new(&mut self.stream).poll_shutdown(&mut context);
    }
}
