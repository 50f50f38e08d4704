//! The application's end of a stream, before anything is converted to the application's types.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::change::{Change, ChangeKind, Snapshot, SnapshotEntry};
use super::event::FeedState;
use super::mailbox::Parcel;
use super::registry::Entry;
use crate::client::Client;
use crate::error::Error;

/// What comes next on a stream.
#[derive(Debug)]
pub(crate) enum Item {
    State(FeedState),
    Snapshot(SnapshotEntry),
    SnapshotComplete,
    Change(Change),
}

/// The application's end of a stream. Dropping it takes the stream back from the servers, unless they are to keep its
/// events for a durable client.
pub(crate) struct Inlet {
    /// Keeps the client alive as long as somebody listens.
    client: Client,
    pub(crate) entry: Arc<Entry>,
    first: Option<FeedState>,
    awaited: Option<oneshot::Receiver<Snapshot>>,
    snapshot: Option<std::vec::IntoIter<SnapshotEntry>>,
    /// How old the snapshot's entries are: what was on its way then must not come after what came of it.
    versions: HashMap<Bytes, u32>,
}

impl Inlet {
    /// Registers a stream and opens its end. Nothing is left behind if that fails or is given up.
    pub(crate) async fn open(client: &Client, entry: Arc<Entry>) -> Result<Self, Error> {
        let core = client.shared();
        if entry.durable && !core.feeds.is_durable() {
            let problem =
                "a durable stream needs a client with a durable id: set FeedConfig::durable".to_owned();
            return Err(Error::Configuration(problem));
        }
        let place = entry.wants_snapshot().then(|| entry.mailbox.expect_snapshot());
        if !core.feeds.registry.add(&entry) {
            return Err(entry.refusal());
        }
        let mut inlet = Self {
            client: client.clone(),
            entry,
            first: None,
            awaited: None,
            snapshot: None,
            versions: HashMap::new(),
        };
        inlet.register(place).await?;
        Ok(inlet)
    }

    /// Registers the stream anew, after it was stopped.
    pub(crate) async fn reopen(&mut self) -> Result<(), Error> {
        let place = self.entry.wants_snapshot().then(|| self.entry.mailbox.expect_snapshot());
        self.register(place).await
    }

    async fn register(&mut self, place: Option<oneshot::Sender<Snapshot>>) -> Result<(), Error> {
        let (state, snapshot) = self.client.shared().register(&self.entry).await?;
        self.first = Some(state);
        if let Some(place) = place {
            // It has been replaced if another server took over in between.
            let _ = place.send(snapshot);
        }
        Ok(())
    }

    /// What comes next; `None` when the client is closed. Asking for it says that the last one is done with.
    pub(crate) async fn next(&mut self) -> Option<Item> {
        if let Some(state) = self.first.take() {
            return Some(Item::State(state));
        }
        loop {
            if let Some(item) = self.next_of_snapshot().await {
                return Some(item);
            }
            match self.entry.mailbox.take().await? {
                Parcel::State(state) => return Some(Item::State(state)),
                Parcel::Snapshot(place) => self.awaited = Some(place),
                Parcel::Change(change, _) if self.is_news(&change) => return Some(Item::Change(change)),
                Parcel::Change(..) => {}
            }
        }
    }

    async fn next_of_snapshot(&mut self) -> Option<Item> {
        if let Some(place) = &mut self.awaited {
            // Given up by whoever was to fetch it: another place stands further back.
            let snapshot = place.await.ok();
            self.awaited = None;
            self.begin(snapshot?);
        }
        match self.snapshot.as_mut()?.find(|entry| !entry.is_gone) {
            Some(entry) => Some(Item::Snapshot(entry)),
            None => {
                self.snapshot = None;
                Some(Item::SnapshotComplete)
            }
        }
    }

    fn begin(&mut self, snapshot: Snapshot) {
        // What was kept for a durable client is older than the snapshot, and wanted.
        if !self.entry.durable {
            let versions = snapshot.iter().filter_map(|entry| Some((entry.key.clone(), entry.version?)));
            self.versions = versions.collect();
        }
        self.snapshot = Some(snapshot.into_iter());
    }

    /// Whether a change is newer than what the snapshot shows of its key.
    fn is_news(&mut self, change: &Change) -> bool {
        match change.kind {
            ChangeKind::Cleared | ChangeKind::RegionDestroyed | ChangeKind::RegionInvalidated => {
                self.versions.clear();
            }
            _ => {
                let seen = self.versions.get(&change.key);
                if seen.is_some_and(|seen| change.version.is_some_and(|version| version <= *seen)) {
                    return false;
                }
                self.versions.remove(&change.key);
            }
        }
        true
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Takes the stream back from all servers and waits for their answers.
    pub(crate) async fn close(self) {
        let core = Arc::clone(self.client.shared());
        let entry = Arc::clone(&self.entry);
        self.detach();
        core.unregister(&entry).await;
    }

    /// Nothing more is to come in.
    fn detach(&self) {
        self.client.shared().feeds.registry.remove(&self.entry);
        drop(self.entry.mailbox.withdraw());
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        if self.entry.mailbox.is_over() {
            return;
        }
        self.detach();
        let core = Arc::clone(self.client.shared());
        if self.entry.durable || core.feeds.closing.is_cancelled() {
            return;
        }
        let entry = Arc::clone(&self.entry);
        core.feeds.tasks.clone().spawn(async move {
            tokio::select! {
                biased;
                () = core.feeds.closing.cancelled() => {}
                () = core.unregister(&entry) => {}
            }
        });
    }
}
