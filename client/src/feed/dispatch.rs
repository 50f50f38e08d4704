//! What a message on a feed means to this client. Pure: the reader does what is said here.

use std::sync::Arc;

use bytes::Bytes;
use druse_protocol::DecodeError;
use druse_protocol::message::feed::{EntryEvent, FeedMessage, FeedNotice, RegionEvent};

use super::change::Change;
use super::registry::{Entry, Registry};

/// What to do about a message.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// Hand these on.
    Changes(Vec<(Arc<Entry>, Change)>),
    /// What was kept for the client lies behind it.
    CaughtUp,
    /// The server wants a new login: of the user with this id, if it says so.
    Renew(Option<i64>),
    /// A Druse node has something to say.
    Notice(FeedNotice),
    /// Nothing: a sign of life, or something that only concerns caches and Java classes.
    Nothing,
}

impl Meaning {
    /// The meaning of `message`, which lies in `frame`.
    pub(crate) fn of(
        message: &FeedMessage<'_>,
        frame: &Bytes,
        registry: &Registry,
    ) -> Result<Self, DecodeError> {
        Ok(match message {
            FeedMessage::Entry(event) => Self::Changes(of_entry(event, frame, registry)?),
            FeedMessage::Region(event) => Self::Changes(of_region(event, registry)),
            FeedMessage::Marker(_) => Self::CaughtUp,
            FeedMessage::ReAuthenticate(ask) => Self::Renew(ask.user),
            FeedMessage::Notice(notice) => Self::Notice(*notice),
            _ => Self::Nothing,
        })
    }
}

fn of_entry(
    event: &EntryEvent<'_>,
    frame: &Bytes,
    registry: &Registry,
) -> Result<Vec<(Arc<Entry>, Change)>, DecodeError> {
    let change = Change::of_entry(event, frame)?;
    let mut changes = registry.queries(event.cqs.clone(), &change);
    // Without interest and without queries it is one that Geode sends for the region's sake.
    if event.interest || event.cqs.len() == 0 {
        let subscribers = registry.subscribers(event.region, &change.key);
        changes.extend(subscribers.into_iter().map(|entry| (entry, change.clone())));
    }
    Ok(changes)
}

fn of_region(event: &RegionEvent<'_>, registry: &Registry) -> Vec<(Arc<Entry>, Change)> {
    let change = Change::of_region(event.operation);
    let mut changes = registry.queries(event.cqs.clone(), &change);
    let subscribers = registry.interests_in(event.region);
    changes.extend(subscribers.into_iter().map(|entry| (entry, change.clone())));
    changes
}
