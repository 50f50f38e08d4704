//! The seam between deeds and decisions: what a connection task asks of the engine that it feeds.
//!
//! ```text
//!                 receive(all that has been read)
//!        ┌────────────────────────────────────────────┐
//!        ▼                                            │ flush, read more
//!    ┌────────┐ Input ────────────────────────────────┘
//!    │ engine │ Wait(future) ── flush, then await ──► complete(what it gave)
//!    │        │ More ────────── flush wholly ───────► resume
//!    │        │ Close(reason) ─ flush, half-close, gone
//!    └────────┘ HandOver(adopt) flush, then the socket is somebody else's
//! ```

use std::any::Any;

use bytes::BytesMut;
use druse_protocol::DecodeError;
use druse_protocol::auth::BoxFuture;
use druse_protocol::time::Micros;
use tokio::io::{AsyncRead, AsyncWrite};

/// A state machine over one connection's bytes: no IO, no clock, no tasks.
pub(crate) trait ConnectionEngine: Send + 'static {
    /// What a [`Next::Wait`] produces.
    type Completion: Send + 'static;

    /// Takes whole frames off the front of `input` and appends their answers to `out`. An incomplete frame is left
    /// alone and offered again when more of it has come.
    fn receive(&mut self, input: &[u8], now: Micros, out: &mut BytesMut) -> Step<Self::Completion>;

    /// Goes on with a long reply after `out` has been flushed.
    fn resume(&mut self, now: Micros, out: &mut BytesMut) -> Step<Self::Completion>;

    /// Hands in what a [`Next::Wait`] produced.
    fn complete(
        &mut self,
        completion: Self::Completion,
        now: Micros,
        out: &mut BytesMut,
    ) -> Step<Self::Completion>;

    /// Before this instant every byte of `out` must have been handed to the operating system, else none of the rest
    /// may be: the earliest end of a login on which an answer in `out` rests.
    fn good_until(&self) -> Micros {
        Micros::MAX
    }

    /// The connection is over: releases what it holds.
    fn close(&mut self, now: Micros);
}

/// What an engine did and what it wants.
pub(crate) struct Step<C> {
    /// How many bytes of the input have been dealt with; always 0 from `resume` and `complete`, which have no input.
    pub(crate) consumed: usize,
    /// What is to happen next.
    pub(crate) next: Next<C>,
}

/// What an engine wants to happen next.
pub(crate) enum Next<C> {
    /// Everything whole has been answered: flush, then offer more input.
    Input,
    /// Flush, then await this, then call `complete`. No further input meanwhile.
    Wait(BoxFuture<'static, C>),
    /// A long reply has filled its share of `out`: flush it wholly, then call `resume` with a fresh `now`.
    More,
    /// Flush, then close.
    Close(CloseReason),
    /// Flush, then give the socket away: nobody asks on it any more, the node tells.
    HandOver(Adopt),
}

/// Takes a socket over from the task of its connection.
pub(crate) type Adopt = Box<dyn FnOnce(HandedOver) + Send>;

/// A socket without its connection.
pub(crate) struct HandedOver {
    /// The transport.
    pub(crate) stream: Box<dyn Stream>,
    /// To be kept as long as the socket is open: it counts.
    pub(crate) guard: Box<dyn Any + Send>,
}

/// A transport, whatever it is made of.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Why an engine ends its connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CloseReason {
    /// CLOSE_CONNECTION came.
    #[error("the client said goodbye")]
    Requested,
    /// The handshake was understood and refused; the peer has been told why.
    #[error("handshake refused: {0}")]
    HandshakeRefused(String),
    /// The first byte is not one of a Geode client.
    #[error("not a Geode client: first byte {0:#04x}")]
    NotAClient(u8),
    /// The bytes are no message. What follows cannot be framed.
    #[error("malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// The peer broke a rule of the protocol after which there is no way on.
    #[error("{0}")]
    Protocol(&'static str),
}
