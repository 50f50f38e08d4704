//! The event id at the end of every message of a feed: whose event, on which of its lanes, and the how many-eth
//! (Geode `EventID`, fixed id 36).
//!
//! ```text
//!  01 24 | member:byte array | thread and sequence:byte array | bucket:i32 | breadcrumb:u8
//! ```

use bytes::BufMut;

use crate::DecodeError;
use crate::codec::Reader;
use crate::message::event_id::{EventIdRef, MAX_SIZE};
use crate::value::put_byte_array;

const FIXED_ID: [u8; 2] = [0x01, 0x24];
/// The event belongs to no bucket. Clients never look at it.
const NO_BUCKET: i32 = -1;

/// An event id with its member, as feeds and acknowledgements hold it.
///
/// A client drops a message whose sequence is not above the highest that it has seen of the same member and thread.
/// Threads from 1 000 000 on, in the lower half of the number, are taken apart by Java clients
/// (`ThreadIdentifier`), so a node stays below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeedEventId<'a> {
    /// Essential member bytes: the origin of the change. Applications see it as the event's distributed member.
    pub member: &'a [u8],
    /// The lane.
    pub thread: i64,
    /// Number of the event on its lane.
    pub sequence: i64,
}

impl<'a> FeedEventId<'a> {
    /// Reads a serialized event id. Its bucket and breadcrumb are passed over.
    ///
    /// # Errors
    /// If the bytes are none.
    pub fn decode_object(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        const FIELD: &str = "event id";
        let mut reader = Reader::new(bytes);
        let header: [u8; 2] = reader.array(FIELD)?;
        if header != FIXED_ID {
            let value = i64::from(u16::from_be_bytes(header));
            return Err(DecodeError::Invalid { field: FIELD, value });
        }
        let member = reader.byte_array("member of an event id")?.unwrap_or_default();
        let numbers = reader.byte_array("numbers of an event id")?.unwrap_or_default();
        reader.i32("bucket of an event id")?;
        reader.u8("breadcrumb of an event id")?;
        reader.finish(FIELD)?;
        let EventIdRef { thread, sequence } = EventIdRef::decode(numbers)?;
        Ok(Self { member, thread, sequence })
    }

    /// Writes the object.
    pub fn encode_object(&self, out: &mut impl BufMut) {
        let mut numbers = [0; MAX_SIZE];
        let size = EventIdRef { thread: self.thread, sequence: self.sequence }.encode(&mut numbers);
        out.put_slice(&FIXED_ID);
        put_byte_array(self.member, out);
        put_byte_array(numbers.get(..size).unwrap_or_default(), out);
        out.put_i32(NO_BUCKET);
        out.put_u8(0);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::version_tag::tests::MEMBER;

    /// Any id that a server could send.
    pub(crate) fn any_id() -> impl Strategy<Value = FeedEventId<'static>> {
        (prop_oneof![Just(MEMBER), Just(&[][..])], any::<i64>(), any::<i64>(), 0..64_u32).prop_map(
            |(member, thread, sequence, shift)| FeedEventId {
                member,
                thread: thread >> shift,
                sequence: sequence >> shift,
            },
        )
    }

    #[test]
    fn the_sample_of_a_real_server() {
        let mut bytes = vec![0x01, 0x24, 22];
        bytes.extend(MEMBER);
        bytes.extend([7, 2, 0, 7, 0xfc, 0x72, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]);
        let id = FeedEventId { member: MEMBER, thread: 523_378, sequence: 0 };
        assert_eq!(FeedEventId::decode_object(&bytes), Ok(id));
        let mut out = Vec::new();
        id.encode_object(&mut out);
        assert_eq!(out, bytes);
    }

    #[test]
    fn an_event_of_a_bucket_is_the_same_event() {
        let id = FeedEventId { member: MEMBER, thread: 1, sequence: 2 };
        let mut bytes = Vec::new();
        id.encode_object(&mut bytes);
        let at = bytes.len() - 5;
        bytes[at..].copy_from_slice(&[0, 0, 0, 7, 3]);
        assert_eq!(FeedEventId::decode_object(&bytes), Ok(id));
    }

    #[test]
    fn hostile_lengths_are_refused() {
        for bytes in
            [&[0x01, 0x24, 0xfd, 0x7f, 0xff, 0xff, 0xff][..], &[0x01, 0x24, 0, 1, 9], &[0x01, 0x25], &[]]
        {
            assert!(FeedEventId::decode_object(bytes).is_err(), "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(id in any_id()) {
            let mut out = Vec::new();
            id.encode_object(&mut out);
            prop_assert_eq!(FeedEventId::decode_object(&out), Ok(id));
            for end in 0..out.len() {
                prop_assert!(FeedEventId::decode_object(&out[..end]).is_err(), "{} bytes", end);
            }
            out.push(0);
            prop_assert!(FeedEventId::decode_object(&out).is_err());
        }
    }
}
