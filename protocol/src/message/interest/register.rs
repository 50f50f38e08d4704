//! REGISTER_INTEREST 20 and REGISTER_INTEREST_LIST 24 (Geode `RegisterInterestOp`, `RegisterInterest61`,
//! `RegisterInterestListOp`, `RegisterInterestList66`). Both are answered by an [`InterestReply`](super::InterestReply).
//!
//! ```text
//!  20  region | type:i32 | policy | durable:u8 | key  | updates as invalidates:u8 | data policy:u8 serialize values:u8
//!  24  region | policy | durable:u8            | keys | updates as invalidates:u8 | data policy:u8 serialize values:u8
//! ```

use std::borrow::Cow;

use super::keys;
use super::{DataPolicy, Interest, InterestResultPolicy};
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, MessageWriter};
use crate::message::envelope::Envelope;
use crate::message::objects;
use crate::message::parts::{self, PartReader};
use crate::message::region;

/// Wants to be told of changes of one key, or of those that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterInterest<'a> {
    /// Full path of the region.
    pub region: &'a str,
    /// In what.
    pub interest: Interest<'a>,
    /// How.
    pub terms: InterestTerms,
}

/// How a client wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterestTerms {
    /// What the answer is to bring along.
    pub policy: InterestResultPolicy,
    /// Whether the interest outlives the client's absence.
    pub durable: bool,
    /// Whether the client is to be told of changes without their values.
    pub updates_as_invalidates: bool,
    /// What the client keeps of the region.
    pub data_policy: DataPolicy,
    /// Each value of the answer in a byte array of its own, as Java clients ask.
    pub serialize_values: bool,
}

impl InterestTerms {
    fn read_durable(parts: &mut PartReader<'_>) -> Result<bool, DecodeError> {
        flag(parts, "no word on durability")
    }

    /// Takes what stands behind the keys.
    fn read_tail(parts: &mut PartReader<'_>) -> Result<(bool, DataPolicy, bool), DecodeError> {
        let updates_as_invalidates = flag(parts, "no word on values")?;
        match parts.part("no data policy")?.raw() {
            Some(&[policy, serialize]) => {
                Ok((updates_as_invalidates, DataPolicy::from_wire(policy)?, serialize == 1))
            }
            _ => Err(parts.error("the data policy is no pair of bytes")),
        }
    }

    fn write_tail<B: Buffer>(&self, writer: &mut MessageWriter<'_, B>) {
        writer.u8(u8::from(self.updates_as_invalidates));
        writer.raw(&[self.data_policy.to_wire(), u8::from(self.serialize_values)]);
    }
}

fn policy(parts: &mut PartReader<'_>) -> Result<InterestResultPolicy, DecodeError> {
    InterestResultPolicy::from_object(parts.object("no interest result policy")?)
}

/// A byte that means yes if it is 1, as Geode reads it.
pub(super) fn flag(parts: &mut PartReader<'_>, problem: &'static str) -> Result<bool, DecodeError> {
    parts.u8(problem).map(|byte| byte == 1)
}

impl<'a> RegisterInterest<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::RegisterInterest])?;
        let region = region::decode(&mut parts)?;
        let kind = Interest::kind(&mut parts)?;
        let policy = policy(&mut parts)?;
        let durable = InterestTerms::read_durable(&mut parts)?;
        let interest = Interest { kind, key: parts.key()? };
        let (updates_as_invalidates, data_policy, serialize_values) = InterestTerms::read_tail(&mut parts)?;
        parts.finish()?;
        let terms = InterestTerms { policy, durable, updates_as_invalidates, data_policy, serialize_values };
        Ok(Self { region, interest, terms })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::RegisterInterest, envelope);
        writer.text(self.region.as_bytes());
        writer.i32(i32::from(self.interest.kind.to_wire()));
        writer.object(&self.terms.policy.to_object());
        writer.u8(u8::from(self.terms.durable));
        writer.part(self.interest.key.to_part());
        self.terms.write_tail(&mut writer);
        parts::finish_request(writer, envelope);
    }
}

/// Wants to be told of changes of some keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterInterestList<'a, K = Vec<Cow<'a, [u8]>>> {
    /// Full path of the region.
    pub region: &'a str,
    /// The keys, serialized, in whatever form their writer chose; at least one.
    pub keys: K,
    /// How.
    pub terms: InterestTerms,
}

impl<'a> RegisterInterestList<'a> {
    /// Reads the request. The list may be of any of the classes that Java clients take for lists, written by Geode or by
    /// Java itself.
    ///
    /// # Errors
    /// If it is another message, a part is missing or malformed, the list is empty or of a class that cannot be read, or a
    /// key in a list that Java wrote is neither text nor a boxed primitive.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::RegisterInterestList])?;
        let region = region::decode(&mut parts)?;
        let policy = policy(&mut parts)?;
        let durable = InterestTerms::read_durable(&mut parts)?;
        let keys = keys::read(parts.object("no keys")?)?;
        if keys.is_empty() {
            return Err(parts.error("no keys"));
        }
        let (updates_as_invalidates, data_policy, serialize_values) = InterestTerms::read_tail(&mut parts)?;
        parts.finish()?;
        let terms = InterestTerms { policy, durable, updates_as_invalidates, data_policy, serialize_values };
        Ok(Self { region, keys, terms })
    }
}

impl<K, B> RegisterInterestList<'_, K>
where
    K: Clone + IntoIterator<Item = B, IntoIter: ExactSizeIterator>,
    B: AsRef<[u8]>,
{
    /// Writes the request, with the keys in an `ArrayList`.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::RegisterInterestList, envelope);
        writer.text(self.region.as_bytes());
        writer.object(&self.terms.policy.to_object());
        writer.u8(u8::from(self.terms.durable));
        writer.object_with(|out| {
            let keys = self.keys.clone().into_iter();
            objects::begin_list(out, keys.len());
            keys.for_each(|key| out.put_slice(key.as_ref()));
        });
        self.terms.write_tail(&mut writer);
        parts::finish_request(writer, envelope);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::interest::InterestType;
    use crate::message::testing::{any_key, any_object, check_request};

    pub(crate) fn any_terms() -> impl Strategy<Value = InterestTerms> {
        (0..3_u8, any::<[bool; 3]>(), 0..7_u8).prop_map(
            |(policy, [durable, invalidates, serialize], data)| InterestTerms {
                policy: InterestResultPolicy::from_wire(policy).unwrap(),
                durable,
                updates_as_invalidates: invalidates,
                data_policy: DataPolicy::from_wire(data).unwrap(),
                serialize_values: serialize,
            },
        )
    }

    proptest! {
        #[test]
        fn there_and_back(region in "/[a-z]{1,9}", kind in 0..5, key in any_key(), terms in any_terms()) {
            let interest = Interest { kind: InterestType::from_wire(kind).unwrap(), key: key.get() };
            check_request!(RegisterInterest, RegisterInterest { region: &region, interest, terms });
        }

        #[test]
        fn lists_there_and_back(
            region in "/[a-z]{1,9}", keys in proptest::collection::vec(any_object(), 1..9), terms in any_terms(),
        ) {
            let keys: Vec<Cow<'_, [u8]>> = keys.iter().map(Cow::from).collect();
            check_request!(RegisterInterestList, RegisterInterestList { region: &region, keys: keys.clone(), terms });
        }
    }
}
