//! The one timer of a connection. What it means changes with what the connection waits for.
//!
//! ```text
//!   Handshake ── first bytes dealt with ──► Idle ── part of a message ──► Message
//!                                            ▲                              │
//!                                            └───────── all of it ──────────┘
//! ```

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::config::Limits;

/// In how many steps silence is measured. Setting the timer anew at every request would cost more than answering some
/// of them; so it ticks, and a request only leaves a mark. Silence is found out up to one step late.
const IDLE_STEPS: u8 = 4;

/// What ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// The time for the handshake.
    Handshake,
    /// The time a client may be silent.
    Idle,
    /// The time a message may take to arrive.
    Message,
}

/// See the module.
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// Whether `sleep` knows the task. It need not be polled again before it has elapsed then.
    armed: bool,
    waiting: Expired,
    heard: bool,
    silent_steps: u8,
}

impl Timer {
    /// Runs out at `deadline`, unless something is [heard](Self::heard) before.
    pub(super) fn handshake(deadline: Instant) -> Self {
        Self {
            sleep: Box::pin(tokio::time::sleep_until(deadline)),
            armed: false,
            waiting: Expired::Handshake,
            heard: false,
            silent_steps: 0,
        }
    }

    /// Something whole has arrived.
    pub(super) fn heard(&mut self, limits: &Limits) {
        self.heard = true;
        if self.waiting != Expired::Idle {
            self.silent_steps = 0;
            self.set(Expired::Idle, step(limits));
        }
    }

    /// Part of a message has arrived, of unknown size.
    pub(super) fn begun(&mut self, limits: &Limits) {
        if self.waiting != Expired::Message {
            self.set(Expired::Message, limits.message_time);
        }
    }

    /// The message turns out to be large and may take `time` from now on.
    pub(super) fn message(&mut self, time: Duration) {
        self.set(Expired::Message, time);
    }

    /// Ready when time has run out.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, limits: &Limits) -> Poll<Expired> {
        loop {
            if self.armed && !self.sleep.is_elapsed() {
                return Poll::Pending;
            }
            if self.sleep.as_mut().poll(cx).is_pending() {
                self.armed = true;
                return Poll::Pending;
            }
            if self.waiting != Expired::Idle {
                return Poll::Ready(self.waiting);
            }
            self.silent_steps = if self.heard { 0 } else { self.silent_steps + 1 };
            self.heard = false;
            if self.silent_steps >= IDLE_STEPS {
                return Poll::Ready(Expired::Idle);
            }
            self.set(Expired::Idle, step(limits));
        }
    }

    fn set(&mut self, waiting: Expired, time: Duration) {
        self.waiting = waiting;
        self.armed = false;
        self.sleep.as_mut().reset(Instant::now() + time);
    }
}

fn step(limits: &Limits) -> Duration {
    // A step of nothing would never let the task rest.
    (limits.idle_time / u32::from(IDLE_STEPS)).max(Duration::from_millis(1))
}
