//! What the tasks around a client's feeds share.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::FeedConfig;
use super::event::{FeedState, QueueFate};
use super::intake::Intake;
use super::link::Link;
use super::manager::Manager;
use super::registry::Registry;
use super::{acks, renewal};
use crate::client::Core;
use crate::connector::Opener;
use crate::error::Error;
use crate::sync::Mutex;
use crate::user::User;

/// How many ended links may wait for the manager; each server has one at most.
const ENDED_LINKS: usize = 64;

/// The servers that hold a client's events at the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topology {
    /// Who pushes events.
    pub(crate) primary: Option<Arc<Link>>,
    /// Who would take over.
    pub(crate) backups: Vec<Arc<Link>>,
    /// What became of the queue when the primary was connected.
    pub(crate) fate: Option<QueueFate>,
    /// How often no primary could be had since the last one was lost, and why not.
    pub(crate) failures: usize,
    pub(crate) trouble: Option<Arc<Error>>,
}

/// A client's feeds. Nothing runs before the first stream.
pub(crate) struct Feeds {
    pub(crate) config: FeedConfig,
    pub(crate) opener: Arc<Opener>,
    pub(crate) registry: Registry,
    pub(crate) intake: Mutex<Intake>,
    /// There may be something to acknowledge.
    pub(crate) news: Arc<Notify>,
    /// Somebody waits for a primary.
    pub(crate) wanted: Notify,
    /// Events have been settled: a reader may go on.
    pub(crate) room: Notify,
    pub(crate) topology: watch::Sender<Topology>,
    pub(crate) closing: CancellationToken,
    /// Ends the manager before the rest: a client that says goodbye does not want its feed back.
    pub(crate) leaving: CancellationToken,
    pub(crate) tasks: TaskTracker,
    multi_user: bool,
    is_started: AtomicBool,
    /// A durable client has said that it wants the events that were kept.
    is_ready: AtomicBool,
    names: AtomicU64,
    keepers: Mutex<HashSet<String>>,
}

impl Feeds {
    pub(crate) fn new(
        config: FeedConfig,
        opener: Arc<Opener>,
        multi_user: bool,
        closing: CancellationToken,
    ) -> Self {
        let news = Arc::new(Notify::new());
        Self {
            intake: Mutex::new(Intake::new(config.durable.is_some(), &news)),
            config,
            opener,
            registry: Registry::default(),
            news,
            wanted: Notify::new(),
            room: Notify::new(),
            topology: watch::Sender::new(Topology::default()),
            leaving: closing.child_token(),
            closing,
            tasks: TaskTracker::new(),
            multi_user,
            is_started: AtomicBool::new(false),
            is_ready: AtomicBool::new(false),
            names: AtomicU64::new(0),
            keepers: Mutex::default(),
        }
    }

    pub(crate) const fn is_multi_user(&self) -> bool {
        self.multi_user
    }

    pub(crate) const fn is_durable(&self) -> bool {
        self.config.durable.is_some()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::SeqCst)
    }

    pub(crate) fn set_ready(&self) {
        self.is_ready.store(true, Ordering::SeqCst);
    }

    /// A name for a continuous query that has none. Servers tell clients apart, so it need be unique only here.
    pub(crate) fn next_name(&self) -> String {
        format!("druse-{}", self.names.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The servers at the moment, the primary last: what is registered goes there last, too.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        let topology = self.topology.borrow();
        topology.backups.iter().chain(&topology.primary).map(Arc::clone).collect()
    }

    /// Tells all streams, or those of one user.
    pub(crate) fn tell(&self, user: Option<&Arc<User>>, state: &FeedState) {
        self.registry.mailboxes(user).iter().for_each(|mailbox| mailbox.tell(state.clone()));
    }

    /// The users who have streams.
    pub(crate) fn users(&self) -> Vec<Arc<User>> {
        let mut users: Vec<Arc<User>> = Vec::new();
        for entry in self.registry.entries() {
            if !users.iter().any(|user| Arc::ptr_eq(user, &entry.user)) {
                users.push(Arc::clone(&entry.user));
            }
        }
        users
    }

    /// Who is meant when a server wants a new login and does not say whose. A Geode server never does: with several
    /// users on a feed, all those are meant whose credential is not known to be good for longer.
    pub(crate) fn users_to_renew(&self, link: &Link) -> Vec<Arc<User>> {
        let mut users = self.users();
        if self.multi_user {
            users.retain(|user| user.may_have_expired(link.server()));
        }
        users
    }

    /// Whether a login made by an operation counts for the streams on this server.
    pub(crate) fn hears_operations(&self, link: &Link) -> bool {
        self.multi_user || link.is_druse()
    }

    /// No task keeps this user's logins fresh any more.
    pub(crate) fn forget_keeper(&self, user: &User) {
        self.keepers.lock().remove(user.name());
    }
}

impl Core {
    /// Starts what runs behind streams, unless it runs already.
    pub(crate) fn start_feeds(self: &Arc<Self>) {
        if self.feeds.is_started.swap(true, Ordering::SeqCst) {
            return;
        }
        let (ended, ends) = mpsc::channel(ENDED_LINKS);
        let manager = Manager::new(Arc::clone(self), ended, ends);
        self.spawn_until(&self.feeds.leaving, manager.run());
        self.spawn_until(&self.feeds.closing, acks::acknowledge(Arc::clone(self)));
        self.spawn_until(&self.feeds.closing, acks::ping(Arc::clone(self)));
    }

    fn spawn_until(&self, end: &CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
        let end = end.clone();
        self.feeds.tasks.spawn(async move {
            end.run_until_cancelled(task).await;
        });
    }

    /// Keeps the logins of a user with streams fresh, once.
    pub(crate) fn keep_fresh(self: &Arc<Self>, user: &Arc<User>) {
        if user.gate.is_some() && self.feeds.keepers.lock().insert(user.name().to_owned()) {
            self.feeds.tasks.spawn(renewal::keep_fresh(Arc::clone(self), Arc::clone(user)));
        }
    }
}
