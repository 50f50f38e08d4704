//! What happened to one entry: LOCAL_CREATE 27, LOCAL_UPDATE 28, LOCAL_INVALIDATE 15, LOCAL_DESTROY 16 (Geode
//! `ClientUpdateMessageImpl`, `CacheClientUpdater`).
//!
//! ```text
//!  region | key | [ is delta | value ] | callback | version tag | interest | has CQs | [ [ base operation ] CQs ] | event id
//! ```
//! The value is there in 27 and 28, the base operation in 15.

use super::cqs::{self, CqEvent, Cqs, boolean};
use super::event_id::FeedEventId;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, MessageWriter, Part, PartKind};
use crate::message::key::KeyRef;
use crate::message::parts::PartReader;
use crate::message::region;
use crate::message::value::{NULL_OBJECT, ValueRef};
use crate::message::version_tag::VersionTag;

/// What happened to the entry of the region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryOperation {
    /// It is new.
    Create,
    /// It has another value.
    Update,
    /// It has no value any more.
    Invalidate,
    /// It is gone.
    Destroy,
}

impl EntryOperation {
    const fn kind(self) -> MessageType {
        match self {
            Self::Create => MessageType::LocalCreate,
            Self::Update => MessageType::LocalUpdate,
            Self::Invalidate => MessageType::LocalInvalidate,
            Self::Destroy => MessageType::LocalDestroy,
        }
    }

    const fn from_kind(kind: Option<MessageType>) -> Option<Self> {
        Some(match kind {
            Some(MessageType::LocalCreate) => Self::Create,
            Some(MessageType::LocalUpdate) => Self::Update,
            Some(MessageType::LocalInvalidate) => Self::Invalidate,
            Some(MessageType::LocalDestroy) => Self::Destroy,
            _ => return None,
        })
    }

    const fn brings_value(self) -> bool {
        matches!(self, Self::Create | Self::Update)
    }
}

/// The new value of an entry, or how it comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventValue<'a> {
    /// The value; null where an entry was made without one.
    Whole(ValueRef<'a>),
    /// What the value's own class makes of the old value. Whoever cannot do that asks for the whole value with
    /// [`RequestEventValue`](crate::message::feed_control::RequestEventValue).
    Delta(&'a [u8]),
}

/// One change of one entry, on its way to one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryEvent<'a, C = Cqs<'a>> {
    /// What happened to the entry. Without CQs, a create or update without a value cannot be told from an invalidate.
    pub operation: EntryOperation,
    /// Full path of the region.
    pub region: &'a str,
    /// The key.
    pub key: KeyRef<'a>,
    /// The new value. `None` for invalidate and destroy, and where the client wanted to be told of changes without their
    /// values: its entry is to be invalidated then, whatever [`Self::operation`] says.
    pub value: Option<EventValue<'a>>,
    /// The argument that the writer gave for listeners.
    pub callback: ValueRef<'a>,
    /// The entry's version, if the region keeps versions.
    pub tag: Option<VersionTag<'a>>,
    /// Whether it was interest that brought the event. The client's region is left alone if it was CQs only.
    pub interest: bool,
    /// The continuous queries that the event matched.
    pub cqs: C,
    /// The event.
    pub id: FeedEventId<'a>,
}

impl<'a> EntryEvent<'a> {
    /// Reads any of the four messages.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        use EntryOperation as E;
        let kinds = [E::Create, E::Update, E::Invalidate, E::Destroy].map(E::kind);
        let mut parts = PartReader::of(message, &kinds)?;
        let kind = E::from_kind(message.kind()).ok_or(parts.error("no operation"))?;
        let region = region::decode(&mut parts)?;
        let key = parts.key()?;
        let value = if kind.brings_value() { Some(EventValue::read(&mut parts)?) } else { None };
        let callback = ValueRef::from_part(parts.part("no callback argument")?);
        let tag = VersionTag::from_part(parts.part("no version tag")?)?;
        let interest = parts.boolean("no word on interest")?;
        let has_cqs = parts.boolean("no word on CQs")?;
        let operation = match kind {
            E::Invalidate if has_cqs => base_operation(&mut parts)?,
            kind => kind,
        };
        let cqs = Cqs::read_if(has_cqs, &mut parts)?;
        let id = parts.feed_event()?;
        parts.finish()?;
        Ok(Self { operation, region, key, value, callback, tag, interest, cqs, id })
    }
}

impl<'c, C> EntryEvent<'_, C>
where
    C: Clone + IntoIterator<Item = CqEvent<'c>, IntoIter: ExactSizeIterator>,
{
    /// Writes the message. It is the same for every client that gets it by interest alone, so that one frame, with `cqs`
    /// empty, serves them all.
    pub fn encode(&self, out: &mut impl Buffer) {
        let mut writer = self.begin(out);
        if let Some(value) = self.value_sent() {
            value.write(&mut writer);
        }
        self.end(writer);
    }

    /// Writes the message without the bytes of its value, which are those of [`EventValue::wire_bytes`], and says where in
    /// `out` they belong; `None` if it has no value. A large value that goes to many clients, each with CQs of its own, is
    /// sent from where it is, between the two pieces.
    pub fn encode_apart(&self, out: &mut impl Buffer) -> Option<usize> {
        let mut writer = self.begin(out);
        let place = self.value_sent().map(|value| value.write_apart(&mut writer));
        self.end(writer);
        place
    }

    fn value_sent(&self) -> Option<EventValue<'_>> {
        self.value.filter(|_| self.operation.brings_value())
    }

    fn kind(&self) -> MessageType {
        match self.value {
            None if self.operation.brings_value() => MessageType::LocalInvalidate,
            _ => self.operation.kind(),
        }
    }

    /// Writes what stands in front of the value.
    fn begin<'b, B: Buffer>(&self, out: &'b mut B) -> MessageWriter<'b, B> {
        let mut writer = MessageWriter::begin(out, self.kind(), super::TX_ID, 0);
        writer.text(self.region.as_bytes());
        writer.part(self.key.to_part());
        writer
    }

    /// Writes what stands behind it.
    fn end<B: Buffer>(&self, mut writer: MessageWriter<'_, B>) {
        writer.part(self.callback.to_part());
        match &self.tag {
            Some(tag) => tag.write(&mut writer),
            None => writer.null(),
        }
        writer.object(boolean(self.interest));
        cqs::write(&mut writer, self.cqs.clone(), |writer| {
            if self.kind() == MessageType::LocalInvalidate {
                writer.i32(self.operation.kind().to_wire());
            }
        });
        writer.object_with(|out| self.id.encode_object(out));
        writer.finish(None);
    }
}

impl<'a> EventValue<'a> {
    /// The bytes that stand in the message.
    #[must_use]
    pub const fn wire_bytes(self) -> &'a [u8] {
        self.to_part().bytes
    }

    fn read(parts: &mut PartReader<'a>) -> Result<Self, DecodeError> {
        let is_delta = parts.boolean("no word on the delta")?;
        let part = parts.part("no value")?;
        Ok(if is_delta { Self::Delta(part.bytes) } else { Self::Whole(ValueRef::from_part(part)) })
    }

    fn write<B: Buffer>(self, writer: &mut MessageWriter<'_, B>) {
        writer.object(boolean(matches!(self, Self::Delta(_))));
        writer.part(self.to_part());
    }

    /// As [`Self::write`], without the bytes; says where they belong.
    fn write_apart<B: Buffer>(self, writer: &mut MessageWriter<'_, B>) -> usize {
        writer.object(boolean(matches!(self, Self::Delta(_))));
        writer.part_apart(self.to_part())
    }

    const fn to_part(self) -> Part<'a> {
        match self {
            Self::Delta(bytes) => ValueRef::Bytes(bytes).to_part(),
            // Java looks into a create's value for the serialized null and falls over an empty part.
            Self::Whole(ValueRef::Null) => Part { kind: PartKind::Object, bytes: NULL_OBJECT },
            Self::Whole(value) => value.to_part(),
        }
    }
}

/// What happened on the server where the client is only told to invalidate.
fn base_operation(parts: &mut PartReader<'_>) -> Result<EntryOperation, DecodeError> {
    let number = parts.i32("no base operation")?;
    match EntryOperation::from_kind(MessageType::from_wire(number)) {
        None | Some(EntryOperation::Destroy) => {
            Err(DecodeError::Invalid { field: "base operation", value: i64::from(number) })
        }
        Some(operation) => Ok(operation),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cqs::tests::{any_cqs, lend};
    use super::super::event_id::tests::any_id;
    use super::*;
    use crate::message::feed::CqOperation;
    use crate::message::testing::{any_key, any_value, check_feed, with_message};
    use crate::message::version_tag::tests::any_tag;

    fn encoded<const N: usize>(
        operation: EntryOperation,
        value: Option<EventValue<'_>>,
        cqs: [CqEvent<'static>; N],
    ) -> Vec<u8> {
        let id = FeedEventId { member: b"m", thread: 1, sequence: 2 };
        let (region, key, callback) = ("/r", KeyRef::Text(b"k"), ValueRef::Null);
        let mut out = Vec::new();
        EntryEvent { operation, region, key, value, callback, tag: None, interest: true, cqs, id }
            .encode(&mut out);
        out
    }

    #[test]
    fn a_change_without_its_value_is_an_invalidate_that_says_to_cqs_what_it_was() {
        let cqs = [CqEvent { name: b"c", operation: CqOperation::Create }];
        for operation in [EntryOperation::Create, EntryOperation::Update] {
            with_message(&encoded(operation, None, []), |message| {
                assert_eq!(message.kind(), Some(MessageType::LocalInvalidate));
                assert_eq!(EntryEvent::decode(message).unwrap().operation, EntryOperation::Invalidate);
            });
            with_message(&encoded(operation, None, cqs), |message| {
                assert_eq!(message.kind(), Some(MessageType::LocalInvalidate));
                let found = EntryEvent::decode(message).unwrap();
                assert_eq!((found.operation, found.value), (operation, None));
                assert_eq!(found.cqs.collect::<Vec<_>>(), cqs);
            });
        }
    }

    #[test]
    fn what_a_client_is_told_to_invalidate_was_not_destroyed() {
        let cqs = [CqEvent { name: b"c", operation: CqOperation::Destroy }];
        let mut out = encoded(EntryOperation::Update, None, cqs);
        let update = [0, 0, 0, 4, 0, 0, 0, 0, 28];
        let at = out.windows(9).position(|window| window == update).unwrap() + 8;
        for (number, is_one) in [(27, true), (28, true), (15, true), (16, false), (36, false), (99, false)] {
            out[at] = number;
            with_message(&out, |message| assert_eq!(EntryEvent::decode(message).is_ok(), is_one, "{number}"));
        }
    }

    #[test]
    fn null_is_written_as_java_expects_it() {
        let null = Some(EventValue::Whole(ValueRef::Null));
        with_message(&encoded(EntryOperation::Create, null, []), |message| {
            assert_eq!(message.parts().nth(3).unwrap().bytes, NULL_OBJECT);
            assert_eq!(EntryEvent::decode(message).unwrap().value, null);
        });
    }

    #[test]
    fn a_value_goes_only_with_what_brings_one() {
        let value = Some(EventValue::Whole(ValueRef::Bytes(b"v")));
        for operation in [EntryOperation::Destroy, EntryOperation::Invalidate] {
            with_message(&encoded(operation, value, []), |message| {
                assert_eq!(EntryEvent::decode(message).unwrap().value, None)
            });
        }
    }

    proptest! {
        #[test]
        fn there_and_back(
            operation in proptest::sample::select(vec![
                EntryOperation::Create, EntryOperation::Update, EntryOperation::Invalidate, EntryOperation::Destroy,
            ]),
            region in "/[a-z]{1,9}", key in any_key(), value in any_value(), callback in any_value(),
            form in 0..3, tag in proptest::option::of(any_tag()), interest: bool, cqs in any_cqs(), id in any_id(),
        ) {
            let delta = value.get().bytes();
            let value = match form {
                0 if !cqs.is_empty() => None,
                1 => Some(EventValue::Delta(delta)),
                _ => Some(EventValue::Whole(value.get())),
            };
            let value = value.filter(|_| operation.brings_value());
            let cqs = lend(&cqs);
            let event = EntryEvent {
                operation, region: &region, key: key.get(), value, callback: callback.get(), tag, interest,
                cqs: cqs.iter().copied(), id,
            };
            let (mut whole, mut pieces) = (Vec::new(), vec![7]);
            event.encode(&mut whole);
            if let Some(place) = event.encode_apart(&mut pieces) {
                pieces.splice(place..place, event.value.unwrap().wire_bytes().iter().copied());
            }
            prop_assert_eq!(&pieces[1..], &whole);
            check_feed!(EntryEvent, event, |found| {
                assert_eq!(found.cqs.clone().collect::<Vec<_>>(), cqs.clone());
                let EntryEvent { operation, region, key, value, callback, tag, interest, id, .. } = event.clone();
                let cqs = found.cqs.clone();
                let expected = EntryEvent { operation, region, key, value, callback, tag, interest, cqs, id };
                assert_eq!(found, expected);
            });
        }
    }
}
