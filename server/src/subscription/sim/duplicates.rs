//! How a Java client recognizes what it has seen, bit by bit (Geode `QueueStateImpl.java`, `ThreadIdentifier.java`).

use std::collections::HashMap;

use druse_protocol::message::feed::FeedEventId;

/// From here on Java takes the low half of a thread for that of a bulk operation.
const BULK: i64 = 1_000_000;

/// The last sequence of each (member, thread), and whether it has been acknowledged.
#[derive(Default)]
pub(super) struct Duplicates(HashMap<(Vec<u8>, i64), Last>);

struct Last {
    sequence: i64,
    acknowledged: bool,
}

impl Duplicates {
    /// Whether a message is to be dropped; if it is not, it is remembered. Durable clients remember after handling, which
    /// makes no difference to whoever handles one message after the other.
    pub(super) fn has_seen(&mut self, id: &FeedEventId<'_>) -> bool {
        let low = id.thread & 0xFFFF_FFFF;
        assert!(id.thread >= 0 && low < BULK, "a thread that Java takes apart: {}", id.thread);
        let place = self.0.entry((id.member.to_vec(), id.thread));
        let last = place.or_insert(Last { sequence: i64::MIN, acknowledged: true });
        if id.sequence <= last.sequence {
            return true;
        }
        *last = Last { sequence: id.sequence, acknowledged: false };
        false
    }

    /// Thread and sequence of all that is to be acknowledged, once.
    pub(super) fn take_unacknowledged(&mut self) -> Vec<(i64, i64)> {
        let mut taken = Vec::new();
        for ((_, thread), last) in &mut self.0 {
            if !std::mem::replace(&mut last.acknowledged, true) {
                taken.push((*thread, last.sequence));
            }
        }
        taken.sort_unstable();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_dropped_unless_it_is_above_the_last_of_its_member_and_thread() {
        let mut seen = Duplicates::default();
        let mut drops =
            |member: &[u8], thread, sequence| seen.has_seen(&FeedEventId { member, thread, sequence });
        assert!(!drops(b"a", 1, 5));
        assert!(drops(b"a", 1, 5) && drops(b"a", 1, 4));
        assert!(!drops(b"a", 2, 4) && !drops(b"b", 1, 4), "another counter");
        assert_eq!(seen.take_unacknowledged(), [(1, 4), (1, 5), (2, 4)]);
        assert!(seen.take_unacknowledged().is_empty());
    }
}
