//! What a stream hands out.

use std::sync::Arc;

use crate::endpoint::ServerLocation;
use crate::error::Error;

/// What happens to the feed behind a stream, told on the stream itself and in its order: no stream dies in silence.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FeedState {
    /// A server pushes events from now on.
    Connected {
        /// Which.
        server: ServerLocation,
        /// What became of events that other servers, or this one, kept for the client.
        queue: QueueFate,
    },
    /// Everything that waited on the server has been delivered; what follows is new (Geode `CLIENT_MARKER`).
    CaughtUp,
    /// The server that pushed events is lost. The client looks for another, for as long as it lives.
    Interrupted {
        /// Which.
        server: ServerLocation,
        /// What went wrong.
        reason: Arc<Error>,
    },
    /// Events may be missing, and no server has them any more. Where the stream was set up with a snapshot or initial
    /// results, they follow again.
    Resynchronised {
        /// What is missing.
        lost: Lost,
    },
    /// The stream could not be registered with the server that took over. The client tries again.
    NotRegistered(Arc<Error>),
    /// The login behind the stream ran out, and events wait on the server until it is renewed.
    Held,
    /// Events that waited for the login follow.
    Released,
    /// The server asked for another login, and there is none. Events wait on the server for as long as it is willing to.
    ReauthenticationFailed(Arc<Error>),
    /// The login behind the stream was revoked: no event follows until there is another.
    Revoked,
}

/// What became of a client's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueFate {
    /// It is new.
    New,
    /// It was kept for a durable client, or by a server that took over.
    Kept,
    /// It was kept for a durable client, but not for that long: what it held is gone.
    TimedOut,
}

/// Events that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Nobody knows whether any are, or which.
    Unknown,
    /// Those with these numbers in the change log of a Druse node.
    Range {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
}

/// What an interest subscription hands out.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RegionEvent<K, V> {
    /// An entry that was there when the subscription began, or began again.
    Snapshot {
        /// The key.
        key: K,
        /// The value; none if only keys were asked for, or the entry has none.
        value: Option<V>,
    },
    /// The snapshot is complete.
    SnapshotComplete,
    /// An entry was created.
    Created {
        /// The key.
        key: K,
        /// The value.
        value: Option<V>,
    },
    /// An entry has another value.
    Updated {
        /// The key.
        key: K,
        /// The new value.
        value: Option<V>,
    },
    /// An entry has lost its value, or, where the subscription leaves values out, was created or updated.
    Invalidated {
        /// The key.
        key: K,
    },
    /// An entry was removed.
    Destroyed {
        /// The key.
        key: K,
    },
    /// All entries were removed.
    Cleared,
    /// All entries have lost their values.
    RegionInvalidated,
    /// The region is gone. Nothing follows unless it is made and subscribed to again.
    RegionDestroyed,
    /// Something happened to the feed.
    Feed(FeedState),
}

/// What a continuous query hands out.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CqEvent<K, V> {
    /// A row that was in the result when the query was executed.
    Initial {
        /// The key.
        key: K,
        /// The value.
        value: Option<V>,
    },
    /// The initial results are complete.
    InitialComplete,
    /// An entry has come into the result.
    Created {
        /// The key.
        key: K,
        /// The value.
        value: Option<V>,
    },
    /// An entry of the result has another value.
    Updated {
        /// The key.
        key: K,
        /// The new value.
        value: Option<V>,
    },
    /// An entry has left the result: by removal, or by a value that does not match.
    Destroyed {
        /// The key.
        key: K,
        /// The value that does not match; none if the entry was removed.
        value: Option<V>,
    },
    /// An entry of the result has lost its value.
    Invalidated {
        /// The key.
        key: K,
    },
    /// All entries were removed.
    Cleared,
    /// All entries have lost their values.
    RegionInvalidated,
    /// The region is gone, and the query with it.
    RegionDestroyed,
    /// The server cannot say what the event is to the query. A Druse node tells old clients of held or lost events so.
    Failed {
        /// The key, or what the server puts in its place.
        key: K,
    },
    /// Something happened to the feed.
    Feed(FeedState),
}
