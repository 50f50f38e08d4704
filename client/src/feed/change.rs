//! Changes and snapshots on their way from a message to a stream: the bytes are those of the message, not copies.

use std::borrow::Cow;

use bytes::Bytes;
use druse_protocol::DecodeError;
use druse_protocol::message::feed::{CqOperation, EntryEvent, EntryOperation, EventValue, RegionOperation};
use druse_protocol::message::value::ValueRef;

/// What happened, to a subscription's entry or to a query's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Created,
    Updated,
    Invalidated,
    Destroyed,
    Cleared,
    RegionInvalidated,
    RegionDestroyed,
    Failed,
}

/// A value as a server stores it.
#[derive(Debug, Clone)]
pub(crate) enum RawValue {
    Bytes(Bytes),
    Object(Bytes),
}

/// One change for one stream.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    /// In the canonical form; empty where the whole region is meant.
    pub(crate) key: Bytes,
    pub(crate) value: Option<RawValue>,
    /// How often the entry has been changed, where the region counts.
    pub(crate) version: Option<u32>,
}

/// An entry of a snapshot, or a row of initial results.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotEntry {
    pub(crate) key: Bytes,
    pub(crate) value: Option<RawValue>,
    pub(crate) version: Option<u32>,
    /// There is no entry, only the memory of one: its version tells older events apart.
    pub(crate) is_gone: bool,
}

/// What was there when a stream began.
pub(crate) type Snapshot = Vec<SnapshotEntry>;

impl RawValue {
    /// The value at `value`, which lies in `frame`; nothing for null.
    pub(crate) fn of(value: ValueRef<'_>, frame: &Bytes) -> Option<Self> {
        match value {
            ValueRef::Null => None,
            ValueRef::Bytes(bytes) => Some(Self::Bytes(frame.slice_ref(bytes))),
            // A value can be null within an object part, too.
            ValueRef::Object(_) if value.is_null() => None,
            ValueRef::Object(bytes) => Some(Self::Object(frame.slice_ref(bytes))),
        }
    }

    pub(crate) fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Bytes(bytes) => ValueRef::Bytes(bytes),
            Self::Object(bytes) => ValueRef::Object(bytes),
        }
    }
}

impl Change {
    /// What `event`, which lies in `frame`, is to a subscription.
    pub(crate) fn of_entry(event: &EntryEvent<'_>, frame: &Bytes) -> Result<Self, DecodeError> {
        let value = whole_value(event, frame)?;
        let kind = match event.operation {
            EntryOperation::Destroy => ChangeKind::Destroyed,
            // Told without its value, whatever it was.
            _ if event.value.is_none() => ChangeKind::Invalidated,
            EntryOperation::Create => ChangeKind::Created,
            EntryOperation::Update => ChangeKind::Updated,
            EntryOperation::Invalidate => ChangeKind::Invalidated,
        };
        let version = event.tag.as_ref().map(|tag| tag.entry_version);
        Ok(Self { kind, key: key_of(event, frame)?, value, version })
    }

    /// The same change as a continuous query sees it.
    pub(crate) fn for_query(&self, operation: CqOperation) -> Self {
        let kind = match operation {
            CqOperation::Create => ChangeKind::Created,
            CqOperation::Update => ChangeKind::Updated,
            CqOperation::Destroy => ChangeKind::Destroyed,
            CqOperation::Invalidate => ChangeKind::Invalidated,
            CqOperation::ClearRegion => ChangeKind::Cleared,
            CqOperation::InvalidateRegion => ChangeKind::RegionInvalidated,
            CqOperation::DestroyRegion => ChangeKind::RegionDestroyed,
            CqOperation::Error => ChangeKind::Failed,
        };
        Self { kind, ..self.clone() }
    }

    /// A change of a whole region.
    pub(crate) const fn of_region(operation: RegionOperation) -> Self {
        let kind = match operation {
            RegionOperation::Destroy => ChangeKind::RegionDestroyed,
            RegionOperation::Clear => ChangeKind::Cleared,
            RegionOperation::Invalidate => ChangeKind::RegionInvalidated,
        };
        Self { kind, key: Bytes::new(), value: None, version: None }
    }
}

fn whole_value(event: &EntryEvent<'_>, frame: &Bytes) -> Result<Option<RawValue>, DecodeError> {
    match event.value {
        Some(EventValue::Whole(value)) => Ok(RawValue::of(value, frame)),
        // Servers send deltas to clients that keep values; we say at every registration that we keep none.
        Some(EventValue::Delta(_)) => {
            Err(DecodeError::Parts { message: "event", problem: "a delta for a client without local values" })
        }
        None => Ok(None),
    }
}

fn key_of(event: &EntryEvent<'_>, frame: &Bytes) -> Result<Bytes, DecodeError> {
    Ok(match event.key.canonical()? {
        Cow::Borrowed(key) => frame.slice_ref(key),
        Cow::Owned(key) => key.into(),
    })
}
