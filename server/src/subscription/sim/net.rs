//! Sockets of feeds that live in memory: they take what they have room for, call when they have room again, and break.

use std::io::{Error, ErrorKind, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What both ends see of a socket.
#[derive(Default)]
pub(super) struct Pipe {
    /// Bytes that the node has handed over since somebody looked.
    taken: Vec<u8>,
    /// Bytes that are taken before the node has to wait.
    room: usize,
    waker: Option<Waker>,
    /// Whether the client's end is known to be gone.
    is_broken: bool,
    /// Whether the node has ended it.
    has_ended: bool,
    /// What happens when the node writes next: behind all that it has looked at before, ahead of the bytes.
    at_write: Option<Box<dyn FnOnce() + Send>>,
    /// Bytes of [`Pipe::taken`] that came with a write in which something happened, from where to where.
    overtaken: Range<usize>,
}

/// The world's end of a socket.
#[derive(Clone)]
pub(super) struct Wire(Arc<Mutex<Pipe>>);

impl Wire {
    /// A socket, and the end that the node gets.
    pub(super) fn new(room: usize) -> (Self, NodeEnd) {
        let pipe = Arc::new(Mutex::new(Pipe { room, ..Pipe::default() }));
        (Self(Arc::clone(&pipe)), NodeEnd(pipe))
    }

    /// From now on so many more bytes are taken.
    pub(super) fn set_room(&self, room: usize) {
        let mut pipe = self.0.lock();
        pipe.room = room;
        pipe.call();
    }

    /// The client's end is gone, and the node is told.
    pub(super) fn break_off(&self) {
        let mut pipe = self.0.lock();
        pipe.is_broken = true;
        pipe.call();
    }

    /// Takes what the node has written, and which part of it was overtaken by what happened in the write.
    pub(super) fn take(&self) -> (Vec<u8>, Range<usize>) {
        let mut pipe = self.0.lock();
        (std::mem::take(&mut pipe.taken), std::mem::take(&mut pipe.overtaken))
    }

    /// Lets something happen within the node's next write.
    pub(super) fn at_write(&self, act: impl FnOnce() + Send + 'static) {
        self.0.lock().at_write = Some(Box::new(act));
    }

    /// Whether the node has ended it.
    pub(super) fn has_ended(&self) -> bool {
        self.0.lock().has_ended
    }
}

impl Pipe {
    fn call(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn accept(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let before = self.taken.len();
        for slice in slices {
            let count = slice.len().min(self.room);
            self.room -= count;
            self.taken.extend_from_slice(&slice[..count]);
        }
        self.taken.len() - before
    }
}

/// The node's end of a socket.
pub(super) struct NodeEnd(Arc<Mutex<Pipe>>);

impl AsyncWrite for NodeEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let mut pipe = self.0.lock();
        if pipe.is_broken {
            return Poll::Ready(Err(Error::from(ErrorKind::ConnectionReset)));
        }
        if pipe.room == 0 {
            pipe.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let (act, before) = (pipe.at_write.take(), pipe.taken.len());
        let has_happened = act.is_some();
        if let Some(act) = act {
            // It may make the node want to write here.
            parking_lot::MutexGuard::unlocked(&mut pipe, act);
        }
        let taken = pipe.accept(slices);
        if has_happened {
            pipe.overtaken = before..before + taken;
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for NodeEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut pipe = self.0.lock();
        if pipe.is_broken {
            return Poll::Ready(Ok(()));
        }
        pipe.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for NodeEnd {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
    }
}
