//! Somebody who watches, and what they have seen. For virtual time, where it is no matter of luck what comes within a time.

use std::time::Duration;

use druse_client::Client;
use druse_client::feed::{ContinuousQuery, CqEvent, FeedState, Interest, RegionEvent, Subscription};
use druse_support::{Grid, Tokens};
use tokio::time::Instant;

use crate::common::{Orders, hurried, key};

/// Longer than anything takes that is not waited for on purpose.
pub(crate) const QUIET: Duration = Duration::from_secs(2);

/// What a stream has handed out.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The values of creates and updates.
    pub(crate) values: Vec<i64>,
    /// Those of snapshots, in order of their own: a snapshot has none.
    pub(crate) snapshot: Vec<i64>,
    /// What was said of the feed.
    pub(crate) states: Vec<FeedState>,
}

impl Seen {
    /// Whether not one entry came, by an event or otherwise.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.snapshot.is_empty()
    }

    /// Whether the feed was said to be so.
    pub(crate) fn was(&self, is_so: fn(&FeedState) -> bool) -> bool {
        self.states.iter().any(is_so)
    }

    fn note(&mut self, event: RegionEvent<String, i64>) {
        match event {
            RegionEvent::Created { value, .. } | RegionEvent::Updated { value, .. } => {
                self.values.extend(value)
            }
            RegionEvent::Snapshot { value, .. } => self.snapshot.extend(value),
            RegionEvent::Feed(state) => self.states.push(state),
            RegionEvent::SnapshotComplete => {}
            other => panic!("{other:?}"),
        }
    }

    fn note_of_query(&mut self, event: CqEvent<String, i64>) {
        match event {
            CqEvent::Created { value, .. } | CqEvent::Updated { value, .. } => self.values.extend(value),
            CqEvent::Initial { value, .. } => self.snapshot.extend(value),
            CqEvent::Feed(state) => self.states.push(state),
            CqEvent::InitialComplete | CqEvent::Failed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Everything that a stream hands out within that time.
pub(crate) async fn within(time: Duration, stream: &mut Subscription<String, i64>) -> Seen {
    let (mut seen, end) = (Seen::default(), Instant::now() + time);
    while let Ok(Some(event)) = tokio::time::timeout_at(end, stream.next()).await {
        seen.note(event.expect("an event that can be read"));
    }
    seen.snapshot.sort_unstable();
    seen
}

/// Everything that a query hands out within that time.
pub(crate) async fn query_within(time: Duration, query: &mut ContinuousQuery<String, i64>) -> Seen {
    let (mut seen, end) = (Seen::default(), Instant::now() + time);
    while let Ok(Some(event)) = tokio::time::timeout_at(end, query.next()).await {
        seen.note_of_query(event.expect("an event that can be read"));
    }
    seen.snapshot.sort_unstable();
    seen
}

/// Writes each value under the key of its number.
pub(crate) async fn write(orders: &Orders, values: std::ops::Range<i64>) {
    for value in values {
        orders.put(&key(usize::try_from(value).unwrap()), &value).await.unwrap();
    }
}

/// The numbers of a range.
pub(crate) fn all(values: std::ops::Range<i64>) -> Vec<i64> {
    values.collect()
}

/// A client of a node in virtual time, and its region.
pub(crate) fn client_of(grid: &Grid, provider: &Tokens) -> (Client, Orders) {
    let client = grid.piped_client().config(hurried()).auth_initialize(provider.clone()).build().unwrap();
    let orders = client.region("orders");
    (client, orders)
}

/// Somebody who does things and is told of things.
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) orders: Orders,
    pub(crate) changes: Subscription<String, i64>,
}

impl Person {
    /// With everything that was there behind them.
    pub(crate) async fn with(grid: &Grid, provider: &Tokens) -> Self {
        let (client, orders) = client_of(grid, provider);
        let mut changes = orders.subscribe(Interest::all_keys()).await.unwrap();
        within(QUIET, &mut changes).await;
        Self { client, orders, changes }
    }

    /// What comes within that time.
    pub(crate) async fn sees_within(&mut self, time: Duration) -> Seen {
        within(time, &mut self.changes).await
    }
}
