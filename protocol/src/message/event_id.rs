//! The event id of a mutation: which thread of the client, and its how many-eth event (Geode `EventID`).
//!
//! The client's identity is not in the message; a server takes it from the connection. A thread id is a lane: a server
//! takes an event whose sequence number is not above the lane's highest for a repetition.

use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{MessageWriter, Part, Reader};

/// Thread and sequence number of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventIdRef {
    /// The lane, unique within the client's identity.
    pub thread: i64,
    /// Number of the event on its lane; an operation on many entries takes one for each and names the first.
    pub sequence: i64,
}

/// The most bytes that an event id part takes: two numbers of eight bytes with their size codes.
pub const MAX_SIZE: usize = 18;

impl EventIdRef {
    /// Reads the bytes of an event id part.
    ///
    /// # Errors
    /// If they are no two numbers, each behind the code of its size.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let thread = optimized(&mut reader, "thread id")?;
        let sequence = optimized(&mut reader, "sequence number")?;
        reader.finish("event id")?;
        Ok(Self { thread, sequence })
    }

    /// Reads an event id part.
    pub(crate) fn from_part(part: Part<'_>) -> Result<Self, DecodeError> {
        Self::decode(part.raw().unwrap_or_default())
    }

    /// The event of entry `index` of an operation on many entries.
    #[must_use]
    pub const fn nth(self, index: i64) -> Self {
        Self { thread: self.thread, sequence: self.sequence.wrapping_add(index) }
    }

    /// Writes the numbers, each in the fewest bytes that hold it, and says how many of `buffer` are used.
    #[must_use]
    pub fn encode(self, buffer: &mut [u8; MAX_SIZE]) -> usize {
        let mut out = &mut buffer[..];
        put_optimized(&mut out, self.thread);
        put_optimized(&mut out, self.sequence);
        let left = out.len();
        MAX_SIZE - left
    }

    /// Writes the part.
    pub(crate) fn write<B: Buffer>(self, writer: &mut MessageWriter<'_, B>) {
        let mut buffer = [0; MAX_SIZE];
        let size = self.encode(&mut buffer);
        writer.raw(buffer.get(..size).unwrap_or_default());
    }
}

fn optimized(reader: &mut Reader<'_>, field: &'static str) -> Result<i64, DecodeError> {
    match reader.u8(field)? {
        0 => reader.i8(field).map(i64::from),
        1 => reader.i16(field).map(i64::from),
        2 => reader.i32(field).map(i64::from),
        3 => reader.i64(field),
        code => Err(DecodeError::Invalid { field, value: i64::from(code) }),
    }
}

fn put_optimized(out: &mut &mut [u8], value: i64) {
    use bytes::BufMut;
    if let Ok(value) = i8::try_from(value) {
        out.put_slice(&[0, value as u8]);
    } else if let Ok(value) = i16::try_from(value) {
        out.put_u8(1);
        out.put_i16(value);
    } else if let Ok(value) = i32::try_from(value) {
        out.put_u8(2);
        out.put_i32(value);
    } else {
        out.put_u8(3);
        out.put_i64(value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_samples_of_a_real_client() {
        for (bytes, thread, sequence) in [
            (&[0x01, 0x33, 0x5a, 0x00, 0x00][..], 13146, 0),
            (&[0x02, 0x00, 0x00, 0xb3, 0xce, 0x00, 0x03], 46030, 3),
        ] {
            let event = EventIdRef { thread, sequence };
            assert_eq!(EventIdRef::decode(bytes), Ok(event));
            let mut buffer = [0; MAX_SIZE];
            let size = event.encode(&mut buffer);
            assert_eq!(&buffer[..size], bytes);
        }
    }

    #[test]
    fn the_cpp_client_sends_both_in_eight_bytes() {
        let mut bytes = vec![3, 0, 0, 0, 0, 0, 0, 0, 7, 3];
        bytes.extend((-2_i64).to_be_bytes());
        assert_eq!(EventIdRef::decode(&bytes), Ok(EventIdRef { thread: 7, sequence: -2 }));
        for end in 0..bytes.len() {
            assert!(EventIdRef::decode(&bytes[..end]).is_err(), "{end} bytes");
        }
        bytes.push(0);
        assert_eq!(EventIdRef::decode(&bytes), Err(DecodeError::LeftOver { field: "event id", left: 1 }));
        assert!(EventIdRef::decode(&[4, 0, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn there_and_back(thread: i64, sequence: i64, shift in 0_u32..64) {
            let event = EventIdRef { thread: thread >> shift, sequence: sequence >> shift };
            let mut buffer = [0; MAX_SIZE];
            let size = event.encode(&mut buffer);
            prop_assert_eq!(EventIdRef::decode(&buffer[..size]), Ok(event));
        }
    }
}
