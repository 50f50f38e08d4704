//! What is to be done when another server takes over: registering again what it does not know, and telling the streams
//! what they have missed. Users are recovered side by side, so that nobody waits for another's login.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::message::acknowledgement::Acknowledgement;
use tracing::{debug, warn};

use super::event::{FeedState, Lost, QueueFate};
use super::link::Link;
use super::registry::Entry;
use crate::client::Core;
use crate::error::Error;
use crate::user::User;
use crate::wire;

/// The pause after a registration that failed; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Where the doubling ends.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A primary takes over. `fate` says whether it has what the last one had.
pub(crate) fn take_over(core: &Arc<Core>, link: Arc<Link>, fate: QueueFate) {
    let state = FeedState::Connected { server: link.server().clone(), queue: fate };
    // A stream that is registered here already has only just begun, or was registered while this was a backup.
    let live = core.feeds.registry.entries().into_iter().filter(|entry| entry.is_live());
    let (known, unknown): (Vec<_>, Vec<_>) = live.partition(|entry| link.knows(entry));
    if fate == QueueFate::Kept {
        known.iter().for_each(|entry| entry.mailbox.tell(state.clone()));
    }
    unknown.iter().for_each(|entry| entry.mailbox.tell(state.clone()));
    let losses = unknown.into_iter().map(|entry| {
        let lost = loss(core, &entry, fate);
        (entry, lost)
    });
    let recovery = recover(Arc::clone(core), Arc::clone(&link), losses.collect());
    let core = Arc::clone(core);
    core.feeds.tasks.clone().spawn(async move {
        recovery.await;
        if core.feeds.is_ready()
            && let Err(error) = say_ready(&core, &link).await
        {
            warn!(server = %link.server(), %error, "the server was not told that we are ready");
        }
    });
}

/// What a stream has missed that the new primary does not know. A durable client that comes back registers again, and has
/// missed nothing of what it had registered as durable.
fn loss(core: &Core, entry: &Entry, fate: QueueFate) -> Option<Lost> {
    let is_kept = fate == QueueFate::Kept && core.feeds.is_durable() && entry.durable;
    (!is_kept).then_some(Lost::Unknown)
}

/// A backup joins: it is told what the others know.
pub(crate) fn register_on_backup(core: &Arc<Core>, link: Arc<Link>) {
    let core = Arc::clone(core);
    core.feeds.tasks.clone().spawn(async move {
        let live = core.feeds.registry.entries().into_iter().filter(|entry| entry.is_live());
        for entry in live {
            let deadline = core.runtime.now() + core.config.operation_timeout;
            if let Err(error) = entry.register_on(&core, &link, false, deadline).await {
                debug!(server = %link.server(), %error, "a backup does not register a stream");
            }
        }
    });
}

/// A server has dropped a user's events and kept the feed: what it lost is fetched again as far as it can be.
pub(crate) fn register_again(core: &Arc<Core>, link: &Arc<Link>, user: &Arc<User>, lost: Lost) {
    let entries = core.feeds.registry.entries().into_iter();
    let concerned = entries.filter(|entry| entry.is_live() && Arc::ptr_eq(&entry.user, user));
    let losses = concerned.map(|entry| (entry, Some(lost))).collect();
    core.feeds.tasks.spawn(recover(Arc::clone(core), Arc::clone(link), losses));
}

/// Tells a server that a durable client wants the events that were kept for it.
pub(crate) async fn say_ready(core: &Core, link: &Link) -> Result<(), Error> {
    let reply = link.call(wire::client_ready(), &*core.runtime, core.config.read_timeout).await?;
    let message = wire::plain(&reply).map_err(Error::Malformed)?;
    Acknowledgement::decode(&message).map(drop).map_err(Error::Malformed)
}

/// Registers streams again, those of each user in turn.
async fn recover(core: Arc<Core>, link: Arc<Link>, losses: Vec<(Arc<Entry>, Option<Lost>)>) {
    let mut of_users: Vec<Vec<(Arc<Entry>, Option<Lost>)>> = Vec::new();
    for (entry, lost) in losses {
        let same_user = |group: &&mut Vec<(Arc<Entry>, Option<Lost>)>| {
            group.first().is_some_and(|(other, _)| Arc::ptr_eq(&other.user, &entry.user))
        };
        match of_users.iter_mut().find(same_user) {
            Some(group) => group.push((entry, lost)),
            None => of_users.push(vec![(entry, lost)]),
        }
    }
    let mut users = tokio::task::JoinSet::new();
    for group in of_users {
        let (core, link) = (Arc::clone(&core), Arc::clone(&link));
        users.spawn(async move {
            for (entry, lost) in group {
                tokio::select! {
                    biased;
                    () = link.closing.cancelled() => return,
                    () = recover_one(&core, &link, &entry, lost) => {}
                }
            }
        });
    }
    while users.join_next().await.is_some() {}
}

/// Registers one stream for as long as it takes. Its state comes first, then the place of the snapshot, so that what the
/// server pushes from now on stands behind both.
async fn recover_one(core: &Arc<Core>, link: &Link, entry: &Arc<Entry>, lost: Option<Lost>) {
    let mut place = None;
    if let Some(lost) = lost {
        entry.mailbox.tell(FeedState::Resynchronised { lost });
        place = entry.wants_snapshot().then(|| entry.mailbox.expect_snapshot());
    }
    let mut pause = FIRST_PAUSE;
    while !entry.mailbox.is_over() {
        let deadline = core.runtime.now() + core.config.operation_timeout;
        let error = match entry.register_on(core, link, place.is_some(), deadline).await {
            Ok(snapshot) => {
                // Nobody waits for it if another server has taken over meanwhile, or the application has gone.
                let _ = place.map(|place| place.send(snapshot));
                return;
            }
            Err(error) => error,
        };
        if link.is_closed() {
            return;
        }
        let may_pass = error.is_retryable();
        entry.mailbox.tell(FeedState::NotRegistered(Arc::new(error)));
        if !may_pass {
            return;
        }
        core.runtime.sleep_until(core.runtime.now() + pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
