//! PUT 7: put, create, putIfAbsent and both replaces share one layout (Geode `PutOp`, `Put70`).

use super::envelope::{Envelope, ReplyEnvelope};
use super::event_id::EventIdRef;
use super::key::KeyRef;
use super::network_hop::NetworkHop;
use super::parts::{self, PartReader};
use super::region;
use super::value::ValueRef;
use super::version_tag::VersionTag;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, MessageWriter, Part, PartKind};

const WANTS_OLD_VALUE: i32 = 0x01;
const HAS_EXPECTED: i32 = 0x02;

const HAS_OLD_VALUE: i32 = 0x01;
const OLD_VALUE_IS_OBJECT: i32 = 0x02;
const HAS_TAG: i32 = 0x04;

const TRUE_OBJECT: &[u8] = &[0x35, 1];
const FALSE_OBJECT: &[u8] = &[0x35, 0];

/// Which write is meant (Geode `Operation`); the discriminant is the number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PutOperation {
    /// A put by a client that does not hold the entry. Outside a transaction servers overwrite all the same.
    Create = 1,
    /// A put.
    Update = 12,
    /// Stores only where there is no entry.
    PutIfAbsent = 44,
    /// Stores only where there is an entry, or only over [`Put::expected`].
    Replace = 45,
}

/// Stores one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put<'a> {
    /// Full path of the region.
    pub region: &'a str,
    /// Which write is meant.
    pub operation: PutOperation,
    /// Whether the client asks for the old value. Servers decide by the operation and pass over this.
    pub wants_old_value: bool,
    /// What a conditional replace wants to find; null is an entry without a value.
    pub expected: Option<ValueRef<'a>>,
    /// The key.
    pub key: KeyRef<'a>,
    /// Whether [`Put::value`] is what the value's own class made of its changes, and of use to that class alone.
    pub is_delta: bool,
    /// The value; null asks for an entry without a value.
    pub value: ValueRef<'a>,
    /// The event.
    pub event: EventIdRef,
    /// For callbacks on the server; null if the application gave none.
    pub callback: ValueRef<'a>,
}

impl<'a> Put<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, the operation is no write, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Put])?;
        let region = region::decode(&mut parts)?;
        let operation = operation(parts.part("no operation")?)?;
        let flags = parts.i32("no flags")?;
        let expected = match flags & HAS_EXPECTED {
            0 => None,
            _ => Some(ValueRef::from_expectation(parts.part("no expected value")?)),
        };
        let key = parts.key()?;
        let is_delta = parts.boolean("no word about a delta")?;
        let value = ValueRef::from_part(parts.part("no value")?);
        let event = parts.event()?;
        let callback = parts.optional_value();
        parts.finish()?;
        let wants_old_value = flags & WANTS_OLD_VALUE != 0;
        Ok(Self { region, operation, wants_old_value, expected, key, is_delta, value, event, callback })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut flags = 0;
        if self.wants_old_value {
            flags |= WANTS_OLD_VALUE;
        }
        if self.expected.is_some() {
            flags |= HAS_EXPECTED;
        }
        let mut writer = parts::request(out, MessageType::Put, envelope);
        writer.text(self.region.as_bytes());
        writer.u8(self.operation as u8);
        writer.i32(flags);
        if let Some(expected) = self.expected {
            writer.part(expected.to_expectation());
        }
        writer.part(self.key.to_part());
        writer.object(if self.is_delta { TRUE_OBJECT } else { FALSE_OBJECT });
        writer.part(self.value.to_part());
        self.event.write(&mut writer);
        if !self.callback.is_null() {
            writer.part(self.callback.to_part());
        }
        parts::finish_request(writer, envelope);
    }
}

/// The operation's number. Clients written in C++ send the serialized null, and Geode's oldest an empty part.
fn operation(part: Part<'_>) -> Result<PutOperation, DecodeError> {
    if part.is_null() {
        return Ok(PutOperation::Update);
    }
    match part.as_u8() {
        Some(1) => Ok(PutOperation::Create),
        Some(12) => Ok(PutOperation::Update),
        Some(44) => Ok(PutOperation::PutIfAbsent),
        Some(45) => Ok(PutOperation::Replace),
        Some(other) => Err(DecodeError::Invalid { field: "operation", value: i64::from(other) }),
        None => Err(DecodeError::Parts { message: "PUT", problem: "the operation is no single byte" }),
    }
}

/// What a conditional write says of the value that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldValue<'a> {
    /// The old value; null if there was none.
    Value(ValueRef<'a>),
    /// Whether a replace found what it expected.
    Outcome(bool),
}

impl<'a> OldValue<'a> {
    /// For operations whose answer is a value. A value that happens to be a `Boolean` looks like an outcome.
    #[must_use]
    pub const fn value(self) -> ValueRef<'a> {
        match self {
            Self::Value(value) => value,
            Self::Outcome(true) => ValueRef::Object(TRUE_OBJECT),
            Self::Outcome(false) => ValueRef::Object(FALSE_OBJECT),
        }
    }

    /// For operations whose answer is yes or no.
    #[must_use]
    pub const fn outcome(self) -> Option<bool> {
        match self {
            Self::Outcome(outcome) => Some(outcome),
            Self::Value(ValueRef::Object([0x35, outcome])) => Some(*outcome != 0),
            Self::Value(_) => None,
        }
    }

    /// Whether flag 0x02 goes with it: everything but a `byte[]`.
    const fn is_object(self) -> bool {
        !matches!(self, Self::Value(ValueRef::Bytes(_)))
    }

    /// Servers put a stored value into a raw part even where it is serialized; only the flag tells (`Put70`).
    fn write<B: Buffer>(self, writer: &mut MessageWriter<'_, B>) {
        match self {
            Self::Value(ValueRef::Object(bytes)) => writer.raw(bytes),
            Self::Value(value) => writer.part(value.to_part()),
            Self::Outcome(outcome) => writer.object(if outcome { TRUE_OBJECT } else { FALSE_OBJECT }),
        }
    }

    /// The flag and the kind of the part are independent: what is raw may be serialized.
    fn decode(part: Part<'a>, is_object: bool) -> Self {
        match (part.kind, part.bytes) {
            (PartKind::Object, [0x35, outcome]) => Self::Outcome(*outcome != 0),
            (PartKind::Raw, bytes) if is_object => {
                Self::Value(ValueRef::from_part(Part { kind: PartKind::Object, bytes }))
            }
            _ => Self::Value(ValueRef::from_part(part)),
        }
    }
}

/// The answer to a [`Put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PutReply<'a> {
    /// Says that another member owns the key.
    pub hop: Option<NetworkHop>,
    /// For conditional operations.
    pub old_value: Option<OldValue<'a>>,
    /// The entry's version.
    pub tag: Option<VersionTag<'a>>,
}

impl<'a> PutReply<'a> {
    /// Reads the reply. All but the first part may be missing.
    ///
    /// # Errors
    /// If it is another message, or its parts contradict its flags.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::Reply])?;
        let hop = parts.hop()?;
        let flags = if parts.left() > 0 { parts.i32("the flags are no number")? } else { 0 };
        let old_value = match flags & HAS_OLD_VALUE {
            0 => None,
            _ => Some(OldValue::decode(parts.part("no old value")?, flags & OLD_VALUE_IS_OBJECT != 0)),
        };
        let tag = parts.tag_if(flags & HAS_TAG != 0)?;
        parts.finish()?;
        Ok(Self { hop, old_value, tag })
    }

    /// Writes the reply.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &ReplyEnvelope) {
        let mut flags = 0;
        if let Some(old_value) = self.old_value {
            flags |= HAS_OLD_VALUE;
            if old_value.is_object() {
                flags |= OLD_VALUE_IS_OBJECT;
            }
        }
        if self.tag.is_some() {
            flags |= HAS_TAG;
        }
        let mut writer = parts::reply(out, MessageType::Reply, envelope);
        NetworkHop::encode(self.hop, &mut writer);
        writer.i32(flags);
        if let Some(old_value) = self.old_value {
            old_value.write(&mut writer);
        }
        if let Some(tag) = &self.tag {
            tag.write(&mut writer);
        }
        parts::finish_reply(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::NO_TRANSACTION;
    use crate::message::testing::{
        any_event, any_hop, any_key, any_value, check_reply, check_request, reply_of, with_message,
    };
    use crate::message::version_tag::tests::any_tag;

    #[test]
    fn every_row_of_the_reply() {
        let tag = Some(VersionTag::new(1, 1, 1));
        let null = Some(OldValue::Value(ValueRef::Null));
        let object = Some(OldValue::Value(ValueRef::Object(&[0x39, 0, 0, 0, 1])));
        let bytes = Some(OldValue::Value(ValueRef::Bytes(&[1])));
        for (old_value, tag, flags) in [
            (None, tag, 4),
            (None, None, 0),
            (null, tag, 7),
            (object, None, 3),
            (bytes, None, 1),
            (object, tag, 7),
            (null, None, 3),
            (Some(OldValue::Outcome(true)), tag, 7),
            (Some(OldValue::Outcome(false)), None, 3),
        ] {
            let reply = PutReply { hop: None, old_value, tag };
            let bytes = reply_of(|out, envelope| reply.encode(out, envelope));
            let found = with_message(&bytes, |message| message.parts().nth(1).and_then(|part| part.as_i32()));
            assert_eq!(found, Some(flags), "{reply:?}");
        }
    }

    #[test]
    fn the_smallest_reply_and_an_old_value_in_an_object_part() {
        let reply = |write: &dyn Fn(&mut MessageWriter<'_, Vec<u8>>)| {
            let mut out = Vec::new();
            let mut writer = MessageWriter::begin(&mut out, MessageType::Reply, NO_TRANSACTION, 0);
            writer.u8(0);
            write(&mut writer);
            writer.finish(None);
            out
        };
        let bytes = reply(&|_| ());
        assert_eq!(with_message(&bytes, PutReply::decode), Ok(PutReply::default()));

        let text = [0x57, 0, 1, b'v'];
        let bytes = reply(&|writer| {
            writer.i32(3);
            writer.object(&text);
        });
        let old_value = with_message(&bytes, |message| PutReply::decode(message).unwrap().old_value);
        assert_eq!(old_value, Some(OldValue::Value(ValueRef::Object(&text))));
    }

    #[test]
    fn the_cpp_client_sends_null_for_an_update() {
        for (kind, bytes) in [(PartKind::Object, &[0x29][..]), (PartKind::Raw, &[]), (PartKind::Raw, &[12])] {
            assert_eq!(operation(Part { kind, bytes }), Ok(PutOperation::Update));
        }
        assert_eq!(
            operation(Part { kind: PartKind::Raw, bytes: &[19] }),
            Err(DecodeError::Invalid { field: "operation", value: 19 })
        );
        assert!(operation(Part { kind: PartKind::Raw, bytes: &[0, 0, 0, 12] }).is_err());
    }

    #[test]
    fn an_old_boolean_can_be_read_either_way() {
        assert_eq!(OldValue::Outcome(true).value(), ValueRef::Object(&[0x35, 1]));
        assert_eq!(OldValue::Value(ValueRef::Object(&[0x35, 0])).outcome(), Some(false));
        assert_eq!(OldValue::Value(ValueRef::Bytes(&[0x35, 0])).outcome(), None);
    }

    proptest! {
        #[test]
        fn requests_there_and_back(
            operation in 0..4, wants_old_value: bool, expected in proptest::option::of(any_value()),
            key in any_key(), is_delta: bool, value in any_value(), event in any_event(), callback in any_value(),
        ) {
            let operation = [
                PutOperation::Create, PutOperation::Update, PutOperation::PutIfAbsent, PutOperation::Replace,
            ][operation as usize];
            let put = Put {
                region: "/data", operation, wants_old_value,
                expected: expected.as_ref().map(|value| value.get()), key: key.get(), is_delta,
                value: value.get(), event, callback: callback.get(),
            };
            check_request!(Put, put);
        }

        #[test]
        fn replies_there_and_back(
            hop in any_hop(), old in proptest::option::of(any_value()), outcome in any::<Option<bool>>(),
            tag in proptest::option::of(any_tag()),
        ) {
            let old_value = outcome.map(OldValue::Outcome)
                .or(old.as_ref().map(|value| OldValue::Value(value.get())));
            check_reply!(PutReply, PutReply { hop, old_value, tag });
        }
    }
}
