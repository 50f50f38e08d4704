//! What waits for one stream: bounded, in order.
//!
//! Events wait for room, and with them the feed: a slow application slows its feed down and loses nothing. States never
//! wait; those that nobody has read yet are merged.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{Notify, oneshot};

use super::change::{Change, Snapshot};
use super::event::FeedState;
use super::ledger::Receipt;
use crate::sync::Mutex;

/// How many states wait at most; from there on the oldest make way.
const MAX_STATES: usize = 32;

/// Something for a stream.
#[derive(Debug)]
pub(crate) enum Parcel {
    State(FeedState),
    /// A snapshot that is being fetched. What stands behind it came after it was asked for. Whoever fetches it may give
    /// up; another one follows then.
    Snapshot(oneshot::Receiver<Snapshot>),
    /// A change, and a receipt where the server must not be told before the application has it.
    Change(Change, Option<Receipt>),
}

/// The queue of one stream.
#[derive(Debug)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    capacity: usize,
    filled: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    parcels: VecDeque<Parcel>,
    changes: usize,
    states: usize,
    /// The event that the application is busy with: it is done with it when it asks for the next.
    in_hand: Option<Receipt>,
    is_over: bool,
}

impl Mailbox {
    pub(crate) fn new(capacity: usize) -> Arc<Self> {
        let (filled, room) = (Notify::new(), Notify::new());
        Arc::new(Self { inner: Mutex::new(Inner::default()), capacity, filled, room })
    }

    /// Puts a change in as soon as there is room. If the stream is over it is dropped.
    pub(crate) async fn put(&self, change: Change, receipt: Option<Receipt>) {
        let mut parcel = Some(Parcel::Change(change, receipt));
        while let Some(waiting) = parcel.take() {
            // Registered before looking, so that a taking in between is not missed.
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            parcel = self.try_put(waiting);
            if parcel.is_some() {
                room.await;
            }
        }
    }

    fn try_put(&self, parcel: Parcel) -> Option<Parcel> {
        let mut inner = self.inner.lock();
        if inner.is_over {
            return None;
        }
        if inner.changes >= self.capacity {
            return Some(parcel);
        }
        inner.changes += 1;
        inner.parcels.push_back(parcel);
        drop(inner);
        self.filled.notify_one();
        None
    }

    /// Puts a state in, whatever waits.
    pub(crate) fn tell(&self, state: FeedState) {
        let mut inner = self.inner.lock();
        if inner.is_over {
            return;
        }
        if inner.states >= MAX_STATES {
            inner.drop_oldest_state();
        }
        inner.states += 1;
        inner.parcels.push_back(Parcel::State(state));
        drop(inner);
        self.filled.notify_one();
    }

    /// Keeps the place of a snapshot. It replaces earlier ones that nobody has read.
    pub(crate) fn expect_snapshot(&self) -> oneshot::Sender<Snapshot> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.inner.lock();
        if !inner.is_over {
            inner.parcels.retain(|parcel| !matches!(parcel, Parcel::Snapshot(_)));
            inner.parcels.push_back(Parcel::Snapshot(receiver));
        }
        drop(inner);
        self.filled.notify_one();
        sender
    }

    /// The next parcel; `None` if the stream is over. Whoever asks is done with the last one.
    pub(crate) async fn take(&self) -> Option<Parcel> {
        // Taken out under the lock and dropped behind it: receipts wake others.
        let done = self.inner.lock().in_hand.take();
        drop(done);
        loop {
            let filled = self.filled.notified();
            {
                let mut inner = self.inner.lock();
                if let Some(parcel) = inner.hand_out() {
                    drop(inner);
                    self.room.notify_waiters();
                    return Some(parcel);
                }
                if inner.is_over {
                    return None;
                }
            }
            filled.await;
        }
    }

    /// Whether nobody waits for anything in here any more.
    pub(crate) fn is_over(&self) -> bool {
        self.inner.lock().is_over
    }

    /// The application has gone, or the client has: what comes from now on is dropped. What is there can still be taken.
    pub(crate) fn end(&self) {
        self.inner.lock().is_over = true;
        self.filled.notify_one();
        self.room.notify_waiters();
    }

    /// Ends it and gives back what nobody has taken. What was taken counts as done with.
    pub(crate) fn withdraw(&self) -> VecDeque<Parcel> {
        self.end();
        let (parcels, done) = {
            let mut inner = self.inner.lock();
            (std::mem::take(&mut inner.parcels), inner.in_hand.take())
        };
        drop(done);
        parcels
    }
}

impl Inner {
    fn hand_out(&mut self) -> Option<Parcel> {
        let mut parcel = self.parcels.pop_front()?;
        match &mut parcel {
            Parcel::State(_) => self.states -= 1,
            Parcel::Change(_, receipt) => {
                self.changes -= 1;
                self.in_hand = receipt.take();
            }
            Parcel::Snapshot(_) => {}
        }
        Some(parcel)
    }

    fn drop_oldest_state(&mut self) {
        let oldest = self.parcels.iter().position(|parcel| matches!(parcel, Parcel::State(_)));
        if oldest.and_then(|at| self.parcels.remove(at)).is_some() {
            self.states -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::feed::change::ChangeKind;

    fn change(n: u8) -> Change {
        Change { kind: ChangeKind::Destroyed, key: vec![n].into(), value: None, version: None }
    }

    async fn taken(mailbox: &Mailbox) -> Option<u8> {
        match mailbox.take().await? {
            Parcel::Change(change, _) => change.key.first().copied(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_mailbox_holds_whoever_puts_and_loses_nothing() {
        let mailbox = Mailbox::new(2);
        let putter = tokio::spawn({
            let mailbox = Arc::clone(&mailbox);
            async move {
                for n in 0..5 {
                    mailbox.put(change(n), None).await;
                }
            }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!putter.is_finished());
        for n in 0..5 {
            assert_eq!(taken(&mailbox).await, Some(n));
        }
        putter.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn states_pass_no_change_and_wait_for_no_room() {
        let mailbox = Mailbox::new(1);
        mailbox.put(change(1), None).await;
        for _ in 0..100 {
            mailbox.tell(FeedState::Held);
        }
        assert_eq!(taken(&mailbox).await, Some(1));
        for _ in 0..MAX_STATES {
            assert!(matches!(mailbox.take().await, Some(Parcel::State(FeedState::Held))));
        }
        mailbox.end();
        assert!(mailbox.take().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_application_has_gone_nobody_waits_for_it() {
        let mailbox = Mailbox::new(1);
        mailbox.put(change(1), None).await;
        let putter = tokio::spawn({
            let mailbox = Arc::clone(&mailbox);
            async move { mailbox.put(change(2), None).await }
        });
        tokio::task::yield_now().await;
        drop(mailbox.withdraw());
        putter.await.unwrap();
        assert!(mailbox.take().await.is_none());
    }
}
