//! Continuous queries, as streams.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;

use druse_protocol::auth::BoxFuture;

use super::change::{Change, ChangeKind, SnapshotEntry};
use super::event::CqEvent;
use super::inlet::{Inlet, Item};
use super::mailbox::Mailbox;
use super::registry::{CqTarget, Entry, Target};
use crate::client::Client;
use crate::error::Error;
use crate::user::User;
use crate::value::{self, FromValue};

/// A continuous query to be: set it up and `.await` it.
#[must_use = "nothing is executed until this is awaited"]
pub struct ContinuousQueryBuilder<K, V> {
    client: Client,
    user: Arc<User>,
    name: Option<String>,
    query: String,
    initial_results: bool,
    durable: bool,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> ContinuousQueryBuilder<K, V> {
    pub(crate) fn new(client: Client, user: Arc<User>, query: String) -> Self {
        Self { client, user, name: None, query, initial_results: false, durable: false, types: PhantomData }
    }

    /// Names the query. Only one that is durable needs a name: by it the server knows it again. No two queries of a
    /// client may have the same.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Begins with what matches already, as [`CqEvent::Initial`]. Events that were on their way meanwhile follow, and may
    /// repeat what these rows show.
    pub const fn with_initial_results(mut self) -> Self {
        self.initial_results = true;
        self
    }

    /// Has servers keep the query and its events while the client, which must have a durable id, is away.
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    async fn execute(self) -> Result<ContinuousQuery<K, V>, Error> {
        let core = self.client.shared();
        let wrong = |problem: &str| Err(Error::Configuration(problem.to_owned()));
        let name = match self.name {
            // Servers compare names byte by byte in a form of text of Java's own.
            Some(name) if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return wrong("the name of a continuous query must be of visible ASCII characters");
            }
            Some(name) => name,
            None if self.durable => return wrong("a durable continuous query must have a name"),
            None => core.feeds.next_name(),
        };
        let target = Target::Cq(CqTarget { name, query: self.query, initial_results: self.initial_results });
        let mailbox = Mailbox::new(core.feeds.config.waiting_events);
        let inlet = Inlet::open(&self.client, Entry::new(target, self.user, self.durable, mailbox)).await?;
        Ok(ContinuousQuery { inlet, types: PhantomData })
    }
}

impl<K: 'static, V: 'static> IntoFuture for ContinuousQueryBuilder<K, V> {
    type Output = Result<ContinuousQuery<K, V>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.execute())
    }
}

impl<K, V> fmt::Debug for ContinuousQueryBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContinuousQueryBuilder").field("query", &self.query).finish_non_exhaustive()
    }
}

/// A query whose result is followed: what comes into it, changes in it and leaves it.
///
/// It belongs to the user that it was made by and is judged by that user's rights. What is said of
/// [`Subscription`](super::Subscription) of slow readers and of dropping holds here, too.
#[doc(alias = "CqQuery")]
pub struct ContinuousQuery<K, V> {
    inlet: Inlet,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: FromValue, V: FromValue> ContinuousQuery<K, V> {
    /// The next event; `None` when the client is closed. May be given up while it waits without losing anything.
    ///
    /// # Errors
    /// [`Error::Conversion`] if a key or value is of another type; the stream goes on.
    pub async fn next(&mut self) -> Option<Result<CqEvent<K, V>, Error>> {
        Some(match self.inlet.next().await? {
            Item::State(state) => Ok(CqEvent::Feed(state)),
            Item::Snapshot(row) => of_row(&row),
            Item::SnapshotComplete => Ok(CqEvent::InitialComplete),
            Item::Change(change) => of_change(&change),
        })
    }
}

impl<K, V> ContinuousQuery<K, V> {
    /// The name by which servers know it.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.inlet.entry.target {
            Target::Cq(cq) => &cq.name,
            Target::Interest(_) => "",
        }
    }

    /// Suspends the query. What has come already can still be read. A Geode server lets only those stop a query who may
    /// manage queries (`CLUSTER:MANAGE:QUERY`).
    ///
    /// # Errors
    /// See [`Error`]: what the primary said.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.inlet.client().shared().stop_cq(&self.inlet.entry).await
    }

    /// Executes a query again that was stopped; with initial results if it was set up so.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn execute(&mut self) -> Result<(), Error> {
        self.inlet.reopen().await
    }

    /// Ends the query on all servers, a durable one, too, and waits for their answers.
    pub async fn close(self) {
        self.inlet.close().await;
    }
}

impl<K, V> fmt::Debug for ContinuousQuery<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContinuousQuery").field("target", &self.inlet.entry.target).finish_non_exhaustive()
    }
}

fn of_row<K: FromValue, V: FromValue>(row: &SnapshotEntry) -> Result<CqEvent<K, V>, Error> {
    let key = value::decode_key(&row.key)?;
    Ok(CqEvent::Initial { key, value: value::decode_raw(row.value.as_ref())? })
}

fn of_change<K: FromValue, V: FromValue>(change: &Change) -> Result<CqEvent<K, V>, Error> {
    let key = || value::decode_key(&change.key);
    let value = || value::decode_raw(change.value.as_ref());
    Ok(match change.kind {
        ChangeKind::Created => CqEvent::Created { key: key()?, value: value()? },
        ChangeKind::Updated => CqEvent::Updated { key: key()?, value: value()? },
        ChangeKind::Destroyed => CqEvent::Destroyed { key: key()?, value: value()? },
        ChangeKind::Invalidated => CqEvent::Invalidated { key: key()? },
        ChangeKind::Failed => CqEvent::Failed { key: key()? },
        ChangeKind::Cleared => CqEvent::Cleared,
        ChangeKind::RegionInvalidated => CqEvent::RegionInvalidated,
        ChangeKind::RegionDestroyed => CqEvent::RegionDestroyed,
    })
}
