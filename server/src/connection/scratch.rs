//! Buffers that belong to a thread and not to a connection: ten thousand idle connections share a handful.

use std::cell::Cell;

use bytes::BytesMut;

/// How much is read at a time. At depth 32 and 100 bytes a value it holds every request there is.
const INPUT_BYTES: usize = 64 << 10;

/// Longest answer buffer that is kept for the next connection. An engine fills 64 KiB, and perhaps one value more.
const KEPT_OUTPUT_BYTES: usize = 128 << 10;

thread_local! {
    static FREE: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// What one turn of one connection reads into and answers from. It is never held across an await.
pub(super) struct Scratch {
    pub(super) input: Box<[u8]>,
    pub(super) output: BytesMut,
}

impl Scratch {
    /// This thread's, or a new one if it has none.
    pub(super) fn take() -> Box<Self> {
        FREE.take().unwrap_or_else(|| {
            Box::new(Self { input: vec![0; INPUT_BYTES].into_boxed_slice(), output: BytesMut::new() })
        })
    }

    /// Leaves it to the next turn on this thread.
    pub(super) fn give_back(mut self: Box<Self>) {
        self.output.clear();
        if self.output.capacity() > KEPT_OUTPUT_BYTES {
            self.output = BytesMut::new();
        }
        FREE.set(Some(self));
    }
}
