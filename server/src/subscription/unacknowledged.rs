//! What has been written to a client and not yet acknowledged, in the order of writing.
//!
//! A Java client handles its feed on one thread and in order: who acknowledges a change has handled everything that was
//! written before it, on other lanes too. Geode: `HARegionQueue.java`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use druse_protocol::time::Micros;

use super::feed::merged;
use super::lane::Pending;

/// A change that went out.
pub(super) struct Sent {
    pub(super) lane: u32,
    pub(super) pending: Pending,
    at: Micros,
}

/// The changes that went out and may have to go out again.
#[derive(Default)]
pub(super) struct Unacknowledged {
    sent: VecDeque<Sent>,
    bytes: usize,
    /// Whether the client has ever acknowledged anything.
    acknowledges: bool,
    /// The places that were forgotten although nobody had acknowledged them: of each lane from the first to the last.
    trimmed: BTreeMap<u32, (u64, u64)>,
}

impl Unacknowledged {
    pub(super) fn push(&mut self, lane: u32, pending: Pending, now: Micros) {
        self.bytes += pending.bytes();
        self.sent.push_back(Sent { lane, pending, at: now });
    }

    /// Everything up to that change of that lane has been handled.
    pub(super) fn acknowledge(&mut self, lane: u32, seq: u64) {
        self.acknowledges = true;
        // Places rise within a lane: behind the first one above `seq` there is nothing to be found.
        let mut handled = 0;
        for (at, sent) in self.sent.iter().enumerate().filter(|(_, sent)| sent.lane == lane) {
            if sent.pending.seq() > seq {
                break;
            }
            handled = at + 1;
        }
        for sent in self.sent.drain(..handled) {
            self.bytes -= sent.pending.bytes();
        }
        if handled > 0 {
            // What was forgotten had been written before.
            self.trimmed.clear();
        } else if let Some((first, last)) = self.trimmed.remove(&lane)
            && last > seq
        {
            self.trimmed.insert(lane, (first.max(seq + 1), last));
        }
    }

    /// Forgets what a client that never acknowledges has certainly received.
    pub(super) fn trim(&mut self, bytes: usize, age: Duration, now: Micros) {
        if self.acknowledges {
            return;
        }
        while let Some(first) = self.sent.front() {
            if self.bytes <= bytes && now.saturating_since(first.at) < age {
                break;
            }
            self.bytes -= first.pending.bytes();
            let (lane, seq) = (first.lane, first.pending.seq());
            // Places rise within a lane.
            self.trimmed.entry(lane).or_insert((seq, seq)).1 = seq;
            self.sent.pop_front();
        }
    }

    /// Takes everything out, to be sent again.
    pub(super) fn take(&mut self) -> VecDeque<Sent> {
        self.bytes = 0;
        std::mem::take(&mut self.sent)
    }

    /// Takes the places of what the client has perhaps not received and cannot be sent again, lane by lane.
    pub(super) fn take_trimmed(&mut self) -> BTreeMap<u32, (u64, u64)> {
        std::mem::take(&mut self.trimmed)
    }

    /// Drops everything of a lane; returns its places, from the first to the last.
    pub(super) fn drop_lane(&mut self, lane: u32) -> Option<(u64, u64)> {
        let mut range = None;
        let bytes = &mut self.bytes;
        self.sent.retain(|sent| {
            let stays = sent.lane != lane;
            if !stays {
                let seq = sent.pending.seq();
                *bytes -= sent.pending.bytes();
                range = merged(range, Some((seq, seq)));
            }
            stays
        });
        range
    }

    /// Changes of a lane, and the bytes that they keep alive.
    pub(super) fn size_of(&self, lane: u32) -> (usize, usize) {
        let sent = self.sent.iter().filter(|sent| sent.lane == lane);
        sent.fold((0, 0), |(events, bytes), sent| (events + 1, bytes + sent.pending.bytes()))
    }

    /// Changes and the bytes that they keep alive.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.sent.len(), self.bytes)
    }

    /// The change with that place on that lane, if it is still here.
    pub(super) fn find(&self, lane: u32, seq: u64) -> Option<&Pending> {
        self.sent.iter().find(|sent| sent.lane == lane && sent.pending.seq() == seq).map(|sent| &sent.pending)
    }
}
