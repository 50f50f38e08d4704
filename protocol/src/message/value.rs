//! A value part: null, a Java `byte[]` as it is, or one serialized object. Servers keep the kind and never look inside.

use crate::codec::{Part, PartKind};

/// A value, a callback argument or an expected old value, borrowed from its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ValueRef<'a> {
    /// Java's null.
    #[default]
    Null,
    /// A Java `byte[]`.
    Bytes(&'a [u8]),
    /// Anything else, serialized with its type code; never empty and never the serialized null.
    Object(&'a [u8]),
}

/// The serialized token that stands for "present, without a value" where null would mean "not given"
/// (`Token.INVALID`, fixed id 141).
pub const INVALID_TOKEN: &[u8] = &[0x02, 0x00, 0x8d];

/// The serialized null.
pub const NULL_OBJECT: &[u8] = &[0x29];

impl<'a> ValueRef<'a> {
    /// Reads a part. Both nulls are taken: Java's empty part and the C++ client's serialized null.
    #[must_use]
    pub fn from_part(part: Part<'a>) -> Self {
        match part.kind {
            _ if part.is_null() => Self::Null,
            PartKind::Object => Self::Object(part.bytes),
            PartKind::Raw | PartKind::EmptyBytes => Self::Bytes(part.bytes),
        }
    }

    /// The part that Java would send.
    #[must_use]
    pub const fn to_part(self) -> Part<'a> {
        match self {
            Self::Null => Part { kind: PartKind::Raw, bytes: &[] },
            Self::Bytes(bytes) if bytes.is_empty() => Part { kind: PartKind::EmptyBytes, bytes },
            Self::Bytes(bytes) => Part { kind: PartKind::Raw, bytes },
            Self::Object(bytes) => Part { kind: PartKind::Object, bytes },
        }
    }

    /// Whether this is null.
    #[must_use]
    pub const fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    /// The bytes, whatever they are; none for null.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Null => &[],
            Self::Bytes(bytes) | Self::Object(bytes) => bytes,
        }
    }

    /// Reads an expected old value, in which the INVALID token means "present, without a value" and becomes null.
    pub(crate) fn from_expectation(part: Part<'a>) -> Self {
        match Self::from_part(part) {
            Self::Object(INVALID_TOKEN) => Self::Null,
            value => value,
        }
    }

    /// The reverse of [`Self::from_expectation`].
    pub(crate) const fn to_expectation(self) -> Part<'a> {
        match self {
            Self::Null => Part { kind: PartKind::Object, bytes: INVALID_TOKEN },
            value => value.to_part(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_null_and_of_empty() {
        let read = |kind, bytes| ValueRef::from_part(Part { kind, bytes });
        assert_eq!(read(PartKind::Raw, &[]), ValueRef::Null);
        assert_eq!(read(PartKind::Object, &[]), ValueRef::Null);
        assert_eq!(read(PartKind::Object, &[0x29]), ValueRef::Null);
        assert_eq!(read(PartKind::EmptyBytes, &[]), ValueRef::Bytes(&[]));
        assert_eq!(read(PartKind::Raw, &[0x29]), ValueRef::Bytes(&[0x29]));
    }

    #[test]
    fn parts_keep_the_kind() {
        for value in
            [ValueRef::Null, ValueRef::Bytes(&[]), ValueRef::Bytes(&[1]), ValueRef::Object(&[0x35, 1])]
        {
            assert_eq!(ValueRef::from_part(value.to_part()), value);
            assert_eq!(ValueRef::from_expectation(value.to_expectation()), value);
        }
        assert_eq!(ValueRef::Null.to_expectation().bytes, INVALID_TOKEN);
    }
}
