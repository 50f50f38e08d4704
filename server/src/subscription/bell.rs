//! How a shard's task hears that a feed is to be looked at: its socket can go on, or something has happened to a login.

use std::sync::Arc;
use std::task::{Wake, Waker};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::FeedId;
use crate::security::CellWatcher;

/// The bell of a shard. As many entries as there are feeds at most, since each feed enters itself once.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<Rung>,
    rings: Notify,
}

/// Which feeds are to be looked at.
#[derive(Debug, Default)]
pub(super) struct Rung {
    /// Sockets that can go on.
    pub(super) sockets: Vec<FeedId>,
    /// Feeds whose logins have changed.
    pub(super) logins: Vec<FeedId>,
}

impl Bell {
    /// Takes what has been rung for.
    pub(super) fn take(&self) -> Rung {
        std::mem::take(&mut self.rung.lock())
    }

    /// Returns as soon as it has been rung.
    pub(super) async fn rings(&self) {
        self.rings.notified().await;
    }

    fn ring(&self, feed: FeedId, choose: impl FnOnce(&mut Rung) -> &mut Vec<FeedId>) {
        let mut rung = self.rung.lock();
        let feeds = choose(&mut rung);
        if feeds.last() != Some(&feed) {
            feeds.push(feed);
        }
        drop(rung);
        self.rings.notify_one();
    }

    /// A waker for the socket of a feed.
    pub(super) fn waker(self: &Arc<Self>, feed: FeedId) -> Waker {
        Arc::new(SocketRope { bell: Arc::clone(self), feed }).into()
    }

    /// A watcher for the logins of a feed.
    pub(super) fn watcher(self: &Arc<Self>, feed: FeedId) -> Arc<dyn CellWatcher> {
        Arc::new(LoginRope { bell: Arc::clone(self), feed })
    }
}

struct SocketRope {
    bell: Arc<Bell>,
    feed: FeedId,
}

impl Wake for SocketRope {
    fn wake(self: Arc<Self>) {
        self.bell.ring(self.feed, |rung| &mut rung.sockets);
    }
}

struct LoginRope {
    bell: Arc<Bell>,
    feed: FeedId,
}

impl CellWatcher for LoginRope {
    fn changed(&self) {
        self.bell.ring(self.feed, |rung| &mut rung.logins);
    }
}
