//! What interest is in: a key, a pattern, all keys; and, when it ends, everything at once.

use std::borrow::Cow;

use super::InterestType;
use crate::DecodeError;
use crate::message::key::KeyRef;
use crate::message::parts::PartReader;
use crate::value::java_stream;

/// The key that means all keys where the type is [`InterestType::Key`].
const ALL_KEYS: &str = "ALL_KEYS";
/// The pattern that means all keys, text or not.
const ANYTHING: &[u8] = b".*";
/// Java's serialization, behind Geode's type code.
const SERIALIZABLE: u8 = 0x2c;
const UNREGISTER_ALL_CLASS: &str = "org.apache.geode.internal.cache.tier.sockets.UnregisterAllInterest";
/// The one object of that class as Java writes it: the class, and that it has no fields.
const UNREGISTER_ALL: &[u8; 88] = b"\x2c\xac\xed\x00\x05sr\x00\x42\
    org.apache.geode.internal.cache.tier.sockets.UnregisterAllInterest\x45\xc0\x82\x74\x8e\x17\x3d\x5b\x02\x00\x00xp";

/// A key or pattern as it stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest<'a> {
    /// How the key is meant.
    pub kind: InterestType,
    /// The key, the pattern, or the object that means everything.
    pub key: KeyRef<'a>,
}

/// What an [`Interest`] means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterestTarget<'a> {
    /// All keys there are and will be.
    AllKeys,
    /// One key.
    Key(KeyRef<'a>),
    /// The keys that are text and match, from end to end, a regular expression in Java's syntax.
    Pattern(Cow<'a, str>),
    /// All that was registered of the interest's kind: what a client ends when it closes.
    Everything,
    /// A kind that no server supports.
    Unsupported(InterestType),
}

impl<'a> Interest<'a> {
    /// In all keys, as Java clients ask for them.
    pub const ALL_KEYS: Interest<'static> =
        Interest { kind: InterestType::RegularExpression, key: KeyRef::Text(ANYTHING) };

    /// In one key.
    #[must_use]
    pub const fn in_key(key: KeyRef<'a>) -> Self {
        Self { kind: InterestType::Key, key }
    }

    /// In the keys that match a pattern, in modified UTF-8.
    #[must_use]
    pub const fn in_pattern(pattern: &'a [u8]) -> Self {
        Self { kind: InterestType::RegularExpression, key: KeyRef::Text(pattern) }
    }

    /// Everything of a kind, to be ended.
    #[must_use]
    pub const fn everything(kind: InterestType) -> Interest<'static> {
        Interest { kind, key: KeyRef::Object(UNREGISTER_ALL) }
    }

    /// What is meant.
    ///
    /// # Errors
    /// If a pattern is no text.
    pub fn target(&self) -> Result<InterestTarget<'a>, DecodeError> {
        if self.is_everything() {
            return Ok(InterestTarget::Everything);
        }
        match self.kind {
            InterestType::Key if self.key.text().as_deref() == Some(ALL_KEYS) => Ok(InterestTarget::AllKeys),
            InterestType::Key => Ok(InterestTarget::Key(self.key)),
            InterestType::RegularExpression => match self.key.text() {
                None => Err(DecodeError::BadText { field: "pattern of an interest" }),
                Some(text) if text.as_bytes() == ANYTHING => Ok(InterestTarget::AllKeys),
                Some(text) => Ok(InterestTarget::Pattern(text)),
            },
            other => Ok(InterestTarget::Unsupported(other)),
        }
    }

    fn is_everything(&self) -> bool {
        match self.key {
            KeyRef::Object([SERIALIZABLE, stream @ ..]) => {
                java_stream::root_class_name(stream).as_deref() == Some(UNREGISTER_ALL_CLASS)
            }
            _ => false,
        }
    }

    /// Takes an interest type.
    pub(super) fn kind(parts: &mut PartReader<'_>) -> Result<InterestType, DecodeError> {
        InterestType::from_wire(parts.i32("no interest type")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_form_means() {
        let target = |kind, key| Interest { kind, key }.target().unwrap();
        let (key, pattern) = (InterestType::Key, InterestType::RegularExpression);
        let text = |text: &'static str| KeyRef::Text(text.as_bytes());
        assert_eq!(Interest::ALL_KEYS.target(), Ok(InterestTarget::AllKeys));
        assert_eq!(target(key, text("ALL_KEYS")), InterestTarget::AllKeys);
        assert_eq!(target(key, text(".*")), InterestTarget::Key(text(".*")));
        assert_eq!(target(pattern, text("x.*")), InterestTarget::Pattern("x.*".into()));
        assert_eq!(target(pattern, text("ALL_KEYS")), InterestTarget::Pattern("ALL_KEYS".into()));
        assert_eq!(target(pattern, KeyRef::Object(&[0x57, 0, 2, b'.', b'*'])), InterestTarget::AllKeys);
        let number = KeyRef::Object(&[0x39, 0, 0, 0, 1]);
        assert_eq!(target(key, number), InterestTarget::Key(number));
        assert!(Interest { kind: pattern, key: number }.target().is_err());
        let query = InterestType::OqlQuery;
        assert_eq!(target(query, text("q")), InterestTarget::Unsupported(query));
    }

    #[test]
    fn everything_is_told_by_the_class_of_its_object() {
        for kind in [InterestType::Key, InterestType::RegularExpression] {
            assert_eq!(Interest::everything(kind).target(), Ok(InterestTarget::Everything));
        }
        let mut other = *UNREGISTER_ALL;
        other[20] = b'x';
        let key = KeyRef::Object(&other);
        assert_eq!(Interest::in_key(key).target(), Ok(InterestTarget::Key(key)));
    }
}
