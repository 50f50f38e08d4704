//! What goes out on feeds, as bytes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use druse_protocol::message::feed::{
    ClientMarker, ClientReAuthenticate, CqEvent, CqOperation, EntryEvent, EntryOperation, EventValue,
    FeedNotice, FeedPing, LaneNews, RegionEvent, RegionOperation,
};
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::value::ValueRef;

use super::shared::SharedChange;
use super::stamp::Stamp;
use crate::command::convert::{tag, value_of};
use crate::engine::ChangeKind;

/// A query of the feed's client that a change concerns.
#[derive(Debug, Clone)]
pub(crate) struct CqHit {
    /// The client's own name for it.
    pub(super) name: Arc<[u8]>,
    /// What the change is to it.
    pub(super) operation: CqOperation,
}

/// A change on its way to one client: `interest` is whether it has interest, and then whether in values.
pub(super) fn event(
    shared: &SharedChange,
    interest: Option<bool>,
    cqs: &[CqHit],
    stamp: &Stamp,
    lane: u32,
) -> Bytes {
    let change = &shared.change;
    let origin = change.note.origin.as_ref().map(|origin| origin.as_bytes());
    let callback = match &change.note.callback {
        Some(callback) => ValueRef::Object(callback.as_slice()),
        None => ValueRef::Null,
    };
    let id = stamp.event(origin, lane, change.seq());
    let cqs = cqs.iter().map(|hit| CqEvent { name: &hit.name, operation: hit.operation });
    // Frames are kept by the feeds that wait for them: none may be longer than it must.
    let mut out = BytesMut::with_capacity(160 + change.record.payload_len());
    let Some((operation, brings_value)) = operation(change.kind) else {
        let region = shared.region.path();
        RegionEvent { operation: RegionOperation::Clear, region, callback, cqs, id }.encode(&mut out);
        return out.freeze();
    };
    let value =
        (brings_value && interest != Some(false)).then(|| EventValue::Whole(value_of(&change.record)));
    EntryEvent {
        operation,
        region: shared.region.path(),
        key: KeyRef::from_canonical(shared.key()),
        value,
        callback,
        tag: Some(tag(change.record.version())),
        interest: interest.is_some(),
        cqs,
        id,
    }
    .encode(&mut out);
    out.freeze()
}

/// The operation, and whether it brings a value; `None` for one that concerns the whole region.
const fn operation(kind: ChangeKind) -> Option<(EntryOperation, bool)> {
    Some(match kind {
        ChangeKind::Create => (EntryOperation::Create, true),
        ChangeKind::Update => (EntryOperation::Update, true),
        ChangeKind::Invalidate => (EntryOperation::Invalidate, false),
        ChangeKind::Destroy => (EntryOperation::Destroy, false),
        ChangeKind::Clear => return None,
    })
}

/// From here on a durable client lets events touch its regions.
pub(super) fn marker(stamp: &mut Stamp) -> Bytes {
    let mut out = BytesMut::with_capacity(96);
    ClientMarker { id: stamp.message() }.encode(&mut out);
    out.freeze()
}

/// Asks the client to log in; `user` is one of several, for clients that know what to do with it.
pub(super) fn log_in(stamp: &mut Stamp, user: Option<i64>) -> Bytes {
    let mut out = BytesMut::with_capacity(112);
    ClientReAuthenticate { user, id: stamp.message() }.encode(&mut out);
    out.freeze()
}

/// A sign of life.
pub(super) fn ping() -> Bytes {
    let mut out = BytesMut::with_capacity(17);
    FeedPing.encode(&mut out);
    out.freeze()
}

/// News of a lane, for our own clients.
pub(super) fn news(user: i64, news: LaneNews) -> Bytes {
    let mut out = BytesMut::with_capacity(112);
    FeedNotice { user, news }.encode(&mut out);
    out.freeze()
}

/// Tells the listeners of queries that something is wrong: an operation that is none makes a client call
/// `CqListener.onError` and go on. What is wrong stands in the key.
pub(super) fn query_error(stamp: &mut Stamp, region: &str, names: &[Arc<[u8]>], what: &str) -> Bytes {
    let cqs = names.iter().map(|name| CqEvent { name, operation: CqOperation::Error });
    let mut out = BytesMut::with_capacity(256);
    EntryEvent {
        operation: EntryOperation::Update,
        region,
        key: KeyRef::Text(what.as_bytes()),
        value: Some(EventValue::Whole(ValueRef::Object(&[0x57, 0, 0]))),
        callback: ValueRef::Null,
        tag: None,
        interest: false,
        cqs,
        id: stamp.message(),
    }
    .encode(&mut out);
    out.freeze()
}
