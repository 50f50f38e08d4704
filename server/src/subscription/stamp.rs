//! The event ids that the node writes. RFC.md section 12.
//!
//! ```text
//!  event:    member of the origin · thread = epoch << 32 | lane    · sequence = place in the log
//!  message:  member of the node   · thread = epoch << 32 | 999 999 · sequence = counter, from the start time on
//! ```
//! A client drops whatever is not above the highest sequence that it has seen of the same member and thread. Within a lane
//! the place in the log rises, whoever wrote; between two lanes nothing is compared, so that one user's events may come
//! later than another's.

use druse_protocol::message::feed::FeedEventId;
use druse_protocol::time::Micros;

#[cfg(test)]
use super::sim::bug::{self, Bug};

/// Java clients take the low half of a thread apart from here on (`ThreadIdentifier.java`).
const MESSAGES: u32 = 999_999;

/// Makes event ids.
#[derive(Debug)]
pub(crate) struct Stamp {
    /// Tells this log from the one before a restart, whose places a client may remember.
    epoch: u32,
    /// The node's member bytes.
    member: Vec<u8>,
    next_message: i64,
}

impl Stamp {
    /// Ids of a log and a node. `start` is later than at any earlier start.
    pub(crate) fn new(epoch: u32, member: Vec<u8>, start: Micros) -> Self {
        #[cfg(test)]
        let epoch = if bug::is_in(Bug::NoEpoch) { 1 } else { epoch };
        Self { epoch, member, next_message: start.0 }
    }

    /// The id of a change on a lane; the node's member stands in for an origin that is the node itself.
    pub(super) fn event<'a>(&'a self, origin: Option<&'a [u8]>, lane: u32, seq: u64) -> FeedEventId<'a> {
        #[cfg(test)]
        let lane = if bug::is_in(Bug::OriginalIds) { 0 } else { lane };
        FeedEventId {
            member: origin.unwrap_or(&self.member),
            thread: self.thread(lane),
            sequence: i64::try_from(seq).unwrap_or(i64::MAX),
        }
    }

    /// A fresh id for a message that is no change.
    pub(super) fn message(&mut self) -> FeedEventId<'_> {
        self.next_message += 1;
        FeedEventId { member: &self.member, thread: self.thread(MESSAGES), sequence: self.next_message }
    }

    /// The number of the last message that is no change.
    pub(super) const fn last_message(&self) -> i64 {
        self.next_message
    }

    /// The number of a message that is no change, from its event id.
    pub(super) fn message_number(&self, thread: i64, sequence: i64) -> Option<i64> {
        (thread == self.thread(MESSAGES)).then_some(sequence)
    }

    /// Lane and place that the numbers of an event id mean; `None` for messages and for ids of another log.
    pub(super) fn place(&self, thread: i64, sequence: i64) -> Option<(u32, u64)> {
        let epoch = u32::try_from(thread >> 32).ok()?;
        let lane = u32::try_from(thread & 0xFFFF_FFFF).ok()?;
        let seq = u64::try_from(sequence).ok()?;
        (epoch == self.epoch && lane != MESSAGES).then_some((lane, seq))
    }

    fn thread(&self, lane: u32) -> i64 {
        i64::from(self.epoch) << 32 | i64::from(lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_finds_its_lane_and_only_in_its_own_log() {
        let mut stamp = Stamp::new(0x7FFF_FFFF, b"node".to_vec(), Micros(5));
        let id = stamp.event(Some(b"client"), 3, 77);
        assert!(id.thread > 0);
        assert_eq!(stamp.place(id.thread, id.sequence), Some((3, 77)));
        let other = Stamp::new(1, Vec::new(), Micros(5)).event(None, 3, 77).thread;
        assert_eq!(stamp.place(other, 77), None);
        let (first, second) = (stamp.message().sequence, stamp.message().sequence);
        assert!(5 < first && first < second);
        let message = stamp.message();
        let (thread, sequence) = (message.thread, message.sequence);
        assert_eq!(stamp.place(thread, sequence), None);
    }
}
