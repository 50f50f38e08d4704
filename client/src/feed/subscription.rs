//! Interest in entries of a region, as a stream.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;

use druse_protocol::auth::BoxFuture;
use druse_protocol::message::interest::InterestResultPolicy;

use super::change::{Change, ChangeKind, SnapshotEntry};
use super::event::RegionEvent;
use super::inlet::{Inlet, Item};
use super::interest::Interest;
use super::mailbox::Mailbox;
use super::registry::{Entry, InterestTarget, Target};
use crate::client::Client;
use crate::error::Error;
use crate::user::User;
use crate::value::{self, FromValue};

/// A subscription to be: set it up and `.await` it.
#[must_use = "nothing is subscribed to until this is awaited"]
pub struct SubscriptionBuilder<K, V> {
    client: Client,
    user: Arc<User>,
    region: Arc<str>,
    interest: Interest<K>,
    policy: InterestResultPolicy,
    values: bool,
    durable: bool,
    types: PhantomData<fn() -> V>,
}

impl<K, V> SubscriptionBuilder<K, V> {
    pub(crate) fn new(client: Client, user: Arc<User>, region: Arc<str>, interest: Interest<K>) -> Self {
        let policy = InterestResultPolicy::KeysValues;
        Self { client, user, region, interest, policy, values: true, durable: false, types: PhantomData }
    }

    /// What of the entries that are there comes first, as [`RegionEvent::Snapshot`]: keys and values if nothing else is
    /// said.
    pub const fn result_policy(mut self, policy: InterestResultPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Whether changes come with the new value. Without, creates and updates come as [`RegionEvent::Invalidated`], unless
    /// another subscription of this client wants the values of the same entries.
    pub const fn values(mut self, values: bool) -> Self {
        self.values = values;
        self
    }

    /// Whether servers keep the subscription and its events while the client, which must have a durable id, is away.
    pub const fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    async fn subscribe(self) -> Result<Subscription<K, V>, Error> {
        let core = self.client.shared();
        if core.feeds.is_multi_user() {
            let problem = "the users of a multi-user client cannot subscribe to interest, because servers would not know \
                           whose it is: use a continuous query";
            return Err(Error::Configuration(problem.to_owned()));
        }
        let target = Target::Interest(InterestTarget {
            region: self.region,
            matcher: self.interest.into_matcher()?,
            policy: self.policy,
            values: self.values,
        });
        let mailbox = Mailbox::new(core.feeds.config.waiting_events);
        let entry = Entry::new(target, self.user, self.durable, mailbox);
        let inlet = Inlet::open(&self.client, entry).await?;
        Ok(Subscription { inlet, types: PhantomData })
    }
}

impl<K: 'static, V: 'static> IntoFuture for SubscriptionBuilder<K, V> {
    type Output = Result<Subscription<K, V>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.subscribe())
    }
}

impl<K, V> fmt::Debug for SubscriptionBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionBuilder")
            .field("region", &self.region)
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}

/// Changes of some entries of a region, in the order in which they happened to each key, each once.
///
/// The entries that are there come first. All streams of a client share its feed: one that is not read holds up to
/// [`FeedConfig::waiting_events`](super::FeedConfig::waiting_events), and after that the feed and with it the other
/// streams, until it is. Nothing is dropped, and memory does not grow.
///
/// Dropping a subscription takes it back from the servers, in the background. A durable one stays with them; to end it
/// for good, [`Subscription::close`] it.
pub struct Subscription<K, V> {
    inlet: Inlet,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: FromValue, V: FromValue> Subscription<K, V> {
    /// The next event; `None` when the client is closed. May be given up while it waits without losing anything.
    ///
    /// A durable client acknowledges an event when the next one is asked for.
    ///
    /// # Errors
    /// [`Error::Conversion`] if a key or value is of another type; the stream goes on.
    pub async fn next(&mut self) -> Option<Result<RegionEvent<K, V>, Error>> {
        Some(match self.inlet.next().await? {
            Item::State(state) => Ok(RegionEvent::Feed(state)),
            Item::Snapshot(entry) => of_entry(&entry),
            Item::SnapshotComplete => Ok(RegionEvent::SnapshotComplete),
            Item::Change(change) => of_change(&change),
        })
    }
}

impl<K, V> Subscription<K, V> {
    /// Takes the subscription back from all servers, a durable one, too, and waits for their answers.
    pub async fn close(self) {
        self.inlet.close().await;
    }
}

impl<K, V> fmt::Debug for Subscription<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("target", &self.inlet.entry.target).finish_non_exhaustive()
    }
}

fn of_entry<K: FromValue, V: FromValue>(entry: &SnapshotEntry) -> Result<RegionEvent<K, V>, Error> {
    let key = value::decode_key(&entry.key)?;
    Ok(RegionEvent::Snapshot { key, value: value::decode_raw(entry.value.as_ref())? })
}

fn of_change<K: FromValue, V: FromValue>(change: &Change) -> Result<RegionEvent<K, V>, Error> {
    let key = || value::decode_key(&change.key);
    let value = || value::decode_raw(change.value.as_ref());
    Ok(match change.kind {
        ChangeKind::Created => RegionEvent::Created { key: key()?, value: value()? },
        ChangeKind::Updated => RegionEvent::Updated { key: key()?, value: value()? },
        // Only queries know of failures.
        ChangeKind::Invalidated | ChangeKind::Failed => RegionEvent::Invalidated { key: key()? },
        ChangeKind::Destroyed => RegionEvent::Destroyed { key: key()? },
        ChangeKind::Cleared => RegionEvent::Cleared,
        ChangeKind::RegionInvalidated => RegionEvent::RegionInvalidated,
        ChangeKind::RegionDestroyed => RegionEvent::RegionDestroyed,
    })
}
