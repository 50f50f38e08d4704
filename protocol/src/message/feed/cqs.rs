//! The block of an event that names the continuous queries which matched, and what the event is to each.
//!
//! ```text
//!  2 × n:i32 | ( name:text | operation:i32 ) × n
//! ```

use crate::DecodeError;
use crate::codec::frame::Parts;
use crate::codec::writer::Buffer;
use crate::codec::{MessageType, MessageWriter};
use crate::message::parts::{PartReader, count_i32};

/// What an event is to a continuous query, which may differ from what it is to the region: an update can bring a value
/// into the result set, and is a create then (Geode `CqServiceImpl.getOperation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CqOperation {
    /// The value came into the result set.
    Create,
    /// It was in there and is.
    Update,
    /// It left.
    Destroy,
    /// The entry has lost its value.
    Invalidate,
    /// The region was emptied.
    ClearRegion,
    /// All entries of the region have lost their values.
    InvalidateRegion,
    /// The region is gone: the client closes the query.
    DestroyRegion,
    /// No operation: the client calls `CqListener.onError`. Any number without another meaning says so; we write that of
    /// `CQ_EXCEPTION_TYPE`.
    Error,
}

impl CqOperation {
    /// The number on the wire.
    #[must_use]
    pub const fn to_wire(self) -> i32 {
        let kind = match self {
            Self::Create => MessageType::LocalCreate,
            Self::Update => MessageType::LocalUpdate,
            Self::Destroy => MessageType::LocalDestroy,
            Self::Invalidate => MessageType::LocalInvalidate,
            Self::ClearRegion => MessageType::ClearRegion,
            Self::InvalidateRegion => MessageType::InvalidateRegion,
            Self::DestroyRegion => MessageType::DestroyRegion,
            Self::Error => MessageType::CqException,
        };
        kind.to_wire()
    }

    /// What a number means to a Java client.
    #[must_use]
    pub const fn from_wire(number: i32) -> Self {
        match MessageType::from_wire(number) {
            Some(MessageType::LocalCreate) => Self::Create,
            Some(MessageType::LocalUpdate) => Self::Update,
            Some(MessageType::LocalDestroy) => Self::Destroy,
            Some(MessageType::LocalInvalidate) => Self::Invalidate,
            Some(MessageType::ClearRegion) => Self::ClearRegion,
            Some(MessageType::InvalidateRegion) => Self::InvalidateRegion,
            Some(MessageType::DestroyRegion) => Self::DestroyRegion,
            _ => Self::Error,
        }
    }
}

/// One continuous query that an event matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CqEvent<'a> {
    /// The client's own name for the query, in modified UTF-8.
    pub name: &'a [u8],
    /// What the event is to it.
    pub operation: CqOperation,
}

/// The queries of a decoded event; none if it has no block.
#[derive(Debug, Clone, Default)]
pub struct Cqs<'a> {
    left: usize,
    parts: Option<Parts<'a>>,
}

impl<'a> Cqs<'a> {
    /// Takes the block, if the event was announced to have one.
    pub(super) fn read_if(announced: bool, parts: &mut PartReader<'a>) -> Result<Self, DecodeError> {
        if !announced {
            return Ok(Self::default());
        }
        let count = parts.count(1, "number of CQ parts", "no number of CQ parts")?;
        if count % 2 != 0 {
            return Err(parts.error("a CQ without an operation"));
        }
        let cqs = Self { left: count / 2, parts: Some(parts.rest()) };
        for _ in 0..cqs.left {
            parts.text("no name of a CQ")?;
            parts.i32("no operation of a CQ")?;
        }
        Ok(cqs)
    }
}

impl<'a> Iterator for Cqs<'a> {
    type Item = CqEvent<'a>;

    fn next(&mut self) -> Option<CqEvent<'a>> {
        self.left = self.left.checked_sub(1)?;
        let parts = self.parts.as_mut()?;
        let name = parts.next()?.bytes;
        let operation = CqOperation::from_wire(parts.next()?.as_i32()?);
        Some(CqEvent { name, operation })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Cqs<'_> {}

impl PartialEq for Cqs<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl Eq for Cqs<'_> {}

/// Writes the mark that a block follows, what `before` puts between the two, and the block; or the mark that none does.
pub(super) fn write<'c, B: Buffer>(
    writer: &mut MessageWriter<'_, B>,
    cqs: impl IntoIterator<Item = CqEvent<'c>, IntoIter: ExactSizeIterator>,
    before: impl FnOnce(&mut MessageWriter<'_, B>),
) {
    let cqs = cqs.into_iter();
    writer.object(boolean(cqs.len() != 0));
    if cqs.len() == 0 {
        return;
    }
    before(writer);
    writer.i32(count_i32(2 * cqs.len()));
    for cq in cqs {
        writer.text(cq.name);
        writer.i32(cq.operation.to_wire());
    }
}

/// A serialized `Boolean`.
pub(super) const fn boolean(value: bool) -> &'static [u8] {
    if value { &[0x35, 1] } else { &[0x35, 0] }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::with_message;

    pub(crate) fn any_operation() -> impl Strategy<Value = CqOperation> {
        use CqOperation as O;
        proptest::sample::select(vec![
            O::Create,
            O::Update,
            O::Destroy,
            O::Invalidate,
            O::ClearRegion,
            O::InvalidateRegion,
            O::DestroyRegion,
            O::Error,
        ])
    }

    /// Names and operations of a few queries.
    pub(crate) fn any_cqs() -> impl Strategy<Value = Vec<(String, CqOperation)>> {
        proptest::collection::vec(("[a-z]{1,9}", any_operation()), 0..4)
    }

    /// Lends them.
    pub(crate) fn lend(cqs: &[(String, CqOperation)]) -> Vec<CqEvent<'_>> {
        cqs.iter().map(|(name, operation)| CqEvent { name: name.as_bytes(), operation: *operation }).collect()
    }

    #[test]
    fn numbers_without_a_meaning_are_errors() {
        for number in [50, 0, 7, 111, -1, 4, i32::MAX] {
            assert_eq!(CqOperation::from_wire(number), CqOperation::Error);
        }
        assert_eq!(CqOperation::Error.to_wire(), 50);
    }

    /// Reads a block of these parts, the number of them in front.
    fn read(count: i32, parts: &[&[u8]]) -> Result<Vec<CqOperation>, DecodeError> {
        let mut out = Vec::new();
        let mut writer = MessageWriter::begin(&mut out, MessageType::ClearRegion, 0, 0);
        writer.i32(count);
        parts.iter().for_each(|part| writer.raw(part));
        writer.finish(None);
        with_message(&out, |message| {
            let mut parts = PartReader::of(message, &[MessageType::ClearRegion])?;
            let cqs = Cqs::read_if(true, &mut parts)?;
            Ok(cqs.map(|cq| cq.operation).collect())
        })
    }

    #[test]
    fn a_block_is_as_long_as_it_says() {
        let create = &27_i32.to_be_bytes()[..];
        assert_eq!(read(2, &[b"c", create]), Ok(vec![CqOperation::Create]));
        assert_eq!(read(2, &[b"c", create, b"behind", create]), Ok(vec![CqOperation::Create]));
        assert_eq!(read(0, &[b"c"]), Ok(vec![]));
        let problem = "a CQ without an operation";
        assert_eq!(
            read(3, &[b"c", create, b"d"]),
            Err(DecodeError::Parts { message: "CLEAR_REGION", problem })
        );
        for (count, parts) in [
            (4, &[b"c", create][..]),
            (-2, &[b"c", create]),
            (i32::MAX, &[b"c", create]),
            (2, &[b"", create]),
            (2, &[b"c", b"op"]),
        ] {
            assert!(read(count, parts).is_err(), "{count} {parts:?}");
        }
    }

    proptest! {
        #[test]
        fn operations_round_trip(operation in any_operation()) {
            prop_assert_eq!(CqOperation::from_wire(operation.to_wire()), operation);
        }
    }
}
