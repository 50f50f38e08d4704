//! What a client's feed is to carry of a region: interest in keys (Geode `InterestType`, `InterestResultPolicy`,
//! `RegisterInterestOp` and its siblings).
//!
//! | file | messages |
//! |---|---|
//! | [`target`] | what interest is in |
//! | [`register`] | REGISTER_INTEREST 20, REGISTER_INTEREST_LIST 24 |
//! | `keys` | the list of keys in 24 |
//! | [`unregister`] | UNREGISTER_INTEREST 22, UNREGISTER_INTEREST_LIST 25 |
//! | [`reply`] | RESPONSE_FROM_PRIMARY 32, RESPONSE_FROM_SECONDARY 33 |

mod keys;
pub mod register;
pub mod reply;
pub mod target;
pub mod unregister;

pub use register::{InterestTerms, RegisterInterest, RegisterInterestList};
pub use reply::InterestReply;
pub use target::{Interest, InterestTarget};
pub use unregister::{UnregisterInterest, UnregisterInterestList};

use crate::DecodeError;
use crate::codec::Reader;

/// How the key of an interest is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum InterestType {
    /// A key; one text stands for all of them, see [`Interest::target`].
    Key = 0,
    /// A regular expression in Java's syntax, for keys that are text; `.*` stands for all keys, text or not.
    RegularExpression = 1,
    /// The name of a filter class, which no server supports.
    FilterClass = 2,
    /// A query, which no server supports.
    OqlQuery = 3,
    /// A continuous query: used among servers only.
    ContinuousQuery = 4,
}

impl InterestType {
    /// The number on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The type of a number.
    ///
    /// # Errors
    /// If there is none.
    pub const fn from_wire(number: i32) -> Result<Self, DecodeError> {
        Ok(match number {
            0 => Self::Key,
            1 => Self::RegularExpression,
            2 => Self::FilterClass,
            3 => Self::OqlQuery,
            4 => Self::ContinuousQuery,
            other => return Err(DecodeError::Invalid { field: "interest type", value: other as i64 }),
        })
    }
}

/// What the answer to a registration brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum InterestResultPolicy {
    /// Nothing.
    None = 0,
    /// The keys there are.
    Keys = 1,
    /// Keys, values and version tags, those of tombstones included.
    KeysValues = 2,
}

impl InterestResultPolicy {
    const FIXED_ID: [u8; 2] = [0x01, 0x25];

    /// The number on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The policy of a number.
    ///
    /// # Errors
    /// If there is none.
    pub const fn from_wire(number: u8) -> Result<Self, DecodeError> {
        Ok(match number {
            0 => Self::None,
            1 => Self::Keys,
            2 => Self::KeysValues,
            other => {
                return Err(DecodeError::Invalid { field: "interest result policy", value: other as i64 });
            }
        })
    }

    /// The object that requests hold (fixed id 37).
    pub(crate) const fn to_object(self) -> [u8; 3] {
        let [code, id] = Self::FIXED_ID;
        [code, id, self.to_wire()]
    }

    /// Reads that object.
    pub(crate) fn from_object(bytes: &[u8]) -> Result<Self, DecodeError> {
        const FIELD: &str = "interest result policy";
        let mut reader = Reader::new(bytes);
        let header: [u8; 2] = reader.array(FIELD)?;
        if header != Self::FIXED_ID {
            let value = i64::from(u16::from_be_bytes(header));
            return Err(DecodeError::Invalid { field: FIELD, value });
        }
        let policy = Self::from_wire(reader.u8(FIELD)?)?;
        reader.finish(FIELD)?;
        Ok(policy)
    }
}

/// What a client keeps of a region (Geode `DataPolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "Geode's constants, by their names")]
pub enum DataPolicy {
    /// Nothing: such a client cannot apply a delta.
    Empty = 0,
    Normal = 1,
    Replicate = 2,
    PersistentReplicate = 3,
    Partition = 4,
    Preloaded = 5,
    PersistentPartition = 6,
}

impl DataPolicy {
    /// The number on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The policy of a number.
    ///
    /// # Errors
    /// If there is none.
    pub const fn from_wire(number: u8) -> Result<Self, DecodeError> {
        Ok(match number {
            0 => Self::Empty,
            1 => Self::Normal,
            2 => Self::Replicate,
            3 => Self::PersistentReplicate,
            4 => Self::Partition,
            5 => Self::Preloaded,
            6 => Self::PersistentPartition,
            other => return Err(DecodeError::Invalid { field: "data policy", value: other as i64 }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_others_are_refused() {
        for number in 0..=4 {
            assert_eq!(InterestType::from_wire(number).map(|kind| i32::from(kind.to_wire())), Ok(number));
        }
        assert!(InterestType::from_wire(5).is_err() && InterestType::from_wire(-1).is_err());
        for number in 0..=6 {
            assert_eq!(DataPolicy::from_wire(number).map(DataPolicy::to_wire), Ok(number));
        }
        assert!(DataPolicy::from_wire(7).is_err());
        for number in 0..=2 {
            let policy = InterestResultPolicy::from_wire(number).unwrap();
            assert_eq!(policy.to_object(), [0x01, 0x25, number]);
            assert_eq!(InterestResultPolicy::from_object(&policy.to_object()), Ok(policy));
        }
        for bytes in [&[0x01, 0x25, 3][..], &[0x01, 0x25], &[0x01, 0x26, 0], &[0x01, 0x25, 0, 0], &[]] {
            assert!(InterestResultPolicy::from_object(bytes).is_err(), "{bytes:02x?}");
        }
    }
}
