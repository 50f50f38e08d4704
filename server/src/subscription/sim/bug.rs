//! Mistakes that a node could make, to be put back one at a time: a simulation that does not find them proves nothing.
//!
//! The switch is one per thread, so that a run with a mistake does not disturb others.

use std::cell::Cell;

/// A mistake of the original, or one that a first draft of ours had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// One change for several users goes out under one and the same id: the client drops all but the first.
    OriginalIds,
    /// The mark of a wait stays when the wait is over (ref. 3, section 7, row 1).
    KeptWait,
    /// The last login to arrive wins, not the newest (row 23).
    LastArrivalWins,
    /// A registration is answered with what stands there now, ahead of the events that wait.
    SnapshotAtNow,
    /// The ids of a log that began anew look like those of the one before.
    NoEpoch,
    /// With one user's login the whole feed is held.
    HoldsAll,
}

thread_local! {
    static PRESENT: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether the node is to make that mistake.
pub(crate) fn is_in(bug: Bug) -> bool {
    PRESENT.get() == Some(bug)
}

/// From now on this thread's nodes make that mistake, or none.
pub(super) fn put_in(bug: Option<Bug>) {
    PRESENT.set(bug);
}
