//! What a client was told to be lost, until it is known to have heard it.
//!
//! What was dropped is told once, and a socket can break before the message is read. A client acknowledges the message, or
//! an event behind it; until it does, the message is kept and told again on the next connection.

use std::collections::VecDeque;
use std::sync::Arc;

use super::feed::{Feed, merged};

/// Something that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Loss {
    /// Changes of a lane, from a place to another.
    Events { lane: u32, from: u64, to: u64 },
    /// Whatever a query would have brought.
    Query(Arc<[u8]>),
}

/// Losses that were told, each with the number of the message that said so. One for each lane and query at most.
#[derive(Debug, Default)]
pub(super) struct Told(VecDeque<(i64, Loss)>);

impl Told {
    /// A loss has been told in that message.
    pub(super) fn add(&mut self, loss: Loss, message: i64) {
        let mut loss = loss;
        self.0.retain(|(_, known)| match (known, &mut loss) {
            (Loss::Events { lane, from, to }, Loss::Events { lane: on, from: first, to: last })
                if lane == on =>
            {
                (*first, *last) = ((*first).min(*from), (*last).max(*to));
                false
            }
            (known, new) => known != new,
        });
        self.0.push_back((message, loss));
    }

    /// The client has handled everything up to that message.
    pub(super) fn heard(&mut self, message: i64) {
        self.0.retain(|(told, _)| *told > message);
    }

    /// The client has handled a change of a lane: what was told of changes before it was told before it.
    pub(super) fn heard_behind(&mut self, lane: u32, seq: u64) {
        self.0.retain(
            |(_, loss)| !matches!(loss, Loss::Events { lane: on, to, .. } if *on == lane && *to < seq),
        );
    }
}

impl Feed {
    /// The connection is gone: what was perhaps not heard is told again.
    pub(super) fn tell_again(&mut self) {
        for (_, loss) in std::mem::take(&mut self.told.0) {
            match loss {
                Loss::Events { lane, from, to } => {
                    if let Some(lane) = self.lane(lane) {
                        lane.untold = merged(lane.untold, Some((from, to)));
                    }
                }
                Loss::Query(name) => {
                    self.lost_queries.insert(name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_remembered_until_its_message_or_a_later_change_is_acknowledged() {
        let mut told = Told::default();
        told.add(Loss::Events { lane: 1, from: 5, to: 9 }, 100);
        told.add(Loss::Events { lane: 1, from: 12, to: 14 }, 101);
        told.add(Loss::Query(b"q".as_slice().into()), 102);
        assert_eq!(told.0.len(), 2, "one for each lane");
        told.heard(100);
        assert_eq!(told.0.front(), Some(&(101, Loss::Events { lane: 1, from: 5, to: 14 })));
        told.heard_behind(1, 14);
        assert_eq!(told.0.len(), 2);
        told.heard_behind(1, 15);
        told.heard(102);
        assert!(told.0.is_empty());
    }
}
