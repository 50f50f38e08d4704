//! Event ids. A *lane* is what Geode calls a thread id: a server drops a mutation whose sequence number is not above
//! the last one it saw in the same lane, so a lane carries one mutation at a time, retries included.

use std::sync::Arc;

use crate::sync::Mutex;

/// The lanes of one client identity. Ids are never reused by another process: the identity is not.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Mutex<Free>);

#[derive(Debug, Default)]
struct Free {
    idle: Vec<Lane>,
    opened: i64,
}

#[derive(Debug)]
struct Lane {
    thread: i64,
    next: i64,
}

impl Lanes {
    /// Takes an idle lane and `count` sequence numbers in it.
    pub(crate) fn take(self: &Arc<Self>, count: usize) -> LaneGuard {
        let mut free = self.0.lock();
        let mut lane = free.idle.pop().unwrap_or_else(|| {
            free.opened += 1;
            Lane { thread: free.opened, next: 0 }
        });
        drop(free);
        let sequence = lane.next;
        lane.next = lane.next.saturating_add(i64::try_from(count.max(1)).unwrap_or(i64::MAX));
        LaneGuard { lanes: Arc::clone(self), lane: Some(lane), sequence }
    }
}

/// Keeps a lane for one mutation.
#[derive(Debug)]
pub(crate) struct LaneGuard {
    lanes: Arc<Lanes>,
    lane: Option<Lane>,
    sequence: i64,
}

impl LaneGuard {
    /// The thread id.
    pub(crate) fn thread(&self) -> i64 {
        self.lane.as_ref().map_or(0, |lane| lane.thread)
    }

    /// The first sequence number.
    pub(crate) fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Gives the lane back: the outcome of its mutation is known. A lane that is dropped instead may still have a
    /// request on its way, which a later one of the same lane must not overtake; it is never used again.
    pub(crate) fn finish(mut self) {
        if let Some(lane) = self.lane.take() {
            self.lanes.0.lock().idle.push(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_carries_one_mutation_at_a_time_and_its_numbers_rise() {
        let lanes = Arc::new(Lanes::default());
        let (first, second) = (lanes.take(1), lanes.take(3));
        assert_ne!(first.thread(), second.thread());
        let thread = second.thread();
        second.finish();
        let third = lanes.take(1);
        assert_eq!((third.thread(), third.sequence()), (thread, 3));
    }

    #[test]
    fn a_lane_in_doubt_is_never_used_again() {
        let lanes = Arc::new(Lanes::default());
        let doubtful = lanes.take(1).thread();
        assert_ne!(lanes.take(1).thread(), doubtful);
    }
}
