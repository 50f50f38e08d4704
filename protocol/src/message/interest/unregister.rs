//! UNREGISTER_INTEREST 22 and UNREGISTER_INTEREST_LIST 25 (Geode `UnregisterInterestOp`, `UnregisterInterestListOp`). Both
//! are answered by an [`Acknowledgement`](crate::message::acknowledgement::Acknowledgement).
//!
//! ```text
//!  22  region | type:i32 | key | closing:u8 | keep alive:u8
//!  25  region | closing:u8 | keep alive:u8 | n:i32 | key × n
//! ```

use super::Interest;
use super::register::flag;
use crate::DecodeError;
use crate::codec::frame::Parts;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};
use crate::message::envelope::Envelope;
use crate::message::key::KeyRef;
use crate::message::parts::{self, PartReader};
use crate::message::region;

/// Does not want to be told of one key, or of those that match, any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnregisterInterest<'a> {
    /// Full path of the region.
    pub region: &'a str,
    /// What was registered.
    pub interest: Interest<'a>,
    /// Whether the client closes.
    pub closing: bool,
    /// Whether durable interest stays, where the client closes.
    pub keep_alive: bool,
}

impl<'a> UnregisterInterest<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::UnregisterInterest])?;
        let region = region::decode(&mut parts)?;
        let kind = Interest::kind(&mut parts)?;
        let interest = Interest { kind, key: parts.key()? };
        let closing = flag(&mut parts, "no word on closing")?;
        let keep_alive = flag(&mut parts, "no word on keeping alive")?;
        parts.finish()?;
        Ok(Self { region, interest, closing, keep_alive })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::UnregisterInterest, envelope);
        writer.text(self.region.as_bytes());
        writer.i32(i32::from(self.interest.kind.to_wire()));
        writer.part(self.interest.key.to_part());
        writer.u8(u8::from(self.closing));
        writer.u8(u8::from(self.keep_alive));
        parts::finish_request(writer, envelope);
    }
}

/// Does not want to be told of some keys any more.
#[derive(Debug, Clone)]
pub struct UnregisterInterestList<'a, K = UnregisteredKeys<'a>> {
    /// Full path of the region.
    pub region: &'a str,
    /// Whether the client closes.
    pub closing: bool,
    /// Whether durable interest stays, where the client closes.
    pub keep_alive: bool,
    /// The keys; at least one.
    pub keys: K,
}

impl<'a> UnregisterInterestList<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::UnregisterInterestList])?;
        let region = region::decode(&mut parts)?;
        let closing = flag(&mut parts, "no word on closing")?;
        let keep_alive = flag(&mut parts, "no word on keeping alive")?;
        let left = parts.count(1, "number of keys", "no number of keys")?;
        if left == 0 {
            return Err(parts.error("no keys"));
        }
        let keys = UnregisteredKeys { left, parts: parts.rest() };
        for _ in 0..left {
            parts.key()?;
        }
        parts.finish()?;
        Ok(Self { region, closing, keep_alive, keys })
    }
}

impl<'k, K> UnregisterInterestList<'_, K>
where
    K: Clone + IntoIterator<Item = KeyRef<'k>, IntoIter: ExactSizeIterator>,
{
    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::UnregisterInterestList, envelope);
        writer.text(self.region.as_bytes());
        writer.u8(u8::from(self.closing));
        writer.u8(u8::from(self.keep_alive));
        let keys = self.keys.clone().into_iter();
        writer.i32(parts::count_i32(keys.len()));
        keys.for_each(|key| writer.part(key.to_part()));
        parts::finish_request(writer, envelope);
    }
}

/// The keys of a decoded request.
#[derive(Debug, Clone)]
pub struct UnregisteredKeys<'a> {
    left: usize,
    parts: Parts<'a>,
}

impl<'a> Iterator for UnregisteredKeys<'a> {
    type Item = KeyRef<'a>;

    fn next(&mut self) -> Option<KeyRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.parts.next().and_then(KeyRef::from_part)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for UnregisteredKeys<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::interest::InterestType;
    use crate::message::testing::{ENVELOPE, any_key, check_request, rebuilt, with_message};

    proptest! {
        #[test]
        fn there_and_back(
            region in "/[a-z]{1,9}", kind in 0..5, key in any_key(), closing: bool, keep_alive: bool,
        ) {
            let interest = Interest { kind: InterestType::from_wire(kind).unwrap(), key: key.get() };
            check_request!(UnregisterInterest, UnregisterInterest { region: &region, interest, closing, keep_alive });
        }

        #[test]
        fn lists_there_and_back(
            region in "/[a-z]{1,9}", keys in proptest::collection::vec(any_key(), 1..9), closing: bool,
            keep_alive: bool,
        ) {
            let keys: Vec<KeyRef<'_>> = keys.iter().map(|key| key.get()).collect();
            let request =
                UnregisterInterestList { region: &region, closing, keep_alive, keys: keys.iter().copied() };
            let mut out = Vec::new();
            request.encode(&mut out, &ENVELOPE);
            with_message(&out, |message| {
                let found = UnregisterInterestList::decode(message).unwrap();
                assert_eq!((found.region, found.closing, found.keep_alive), (&*region, closing, keep_alive));
                assert_eq!(found.keys.collect::<Vec<_>>(), keys);
                for keep in 1..message.part_count() {
                    with_message(&rebuilt(message, keep, 0), |message| {
                        assert!(UnregisterInterestList::decode(message).is_err());
                    });
                }
            });
        }
    }
}
