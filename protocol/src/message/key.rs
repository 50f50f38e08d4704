//! A key part, and the one form of bytes by which nodes index keys.
//!
//! Java clients send a text key as bare text, C++ clients as a serialized string, and there are four serialized forms of
//! one text. All of them are the same key. [`KeyRef::key_bytes`] brings them to the form that a Java writer would choose
//! (`DataSerializer.writeString`); the common case, short ASCII text, costs a copy of at most 64 bytes and no allocation.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use crate::DecodeError;
use crate::codec::{Part, PartKind, Reader};
use crate::value::{self, StrRef};

/// Text of which every character fits a byte without its high bit: u16 length, bytes.
const STRING_BYTES: u8 = 0x57;
/// Modified UTF-8 behind a u16 length.
const STRING: u8 = 0x2a;
const NULL_STRING: u8 = 0x45;
const INTEGER: u8 = 0x39;
const LONG: u8 = 0x3a;

/// A key, borrowed from its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRef<'a> {
    /// Text without prefix, in modified UTF-8.
    Text(&'a [u8]),
    /// A serialized object with its type code; never empty and never null. A string is possible here, too.
    Object(&'a [u8]),
}

impl<'a> KeyRef<'a> {
    /// Reads a key part; `None` for a null one, which no operation takes.
    #[must_use]
    pub fn from_part(part: Part<'a>) -> Option<Self> {
        match part.kind {
            _ if part.is_null() => None,
            PartKind::Object if part.bytes == [NULL_STRING] => None,
            PartKind::Object => Some(Self::Object(part.bytes)),
            PartKind::Raw | PartKind::EmptyBytes => Some(Self::Text(part.bytes)),
        }
    }

    /// The part that this key came in, or is to be sent in.
    #[must_use]
    pub const fn to_part(self) -> Part<'a> {
        match self {
            Self::Text([]) => Part { kind: PartKind::EmptyBytes, bytes: &[] },
            Self::Text(bytes) => Part { kind: PartKind::Raw, bytes },
            Self::Object(bytes) => Part { kind: PartKind::Object, bytes },
        }
    }

    /// The key as Java clients send it, from its canonical bytes: text bare, the rest as it is.
    #[must_use]
    pub fn from_canonical(bytes: &'a [u8]) -> Self {
        match bytes {
            // The length in front is that of the rest, or the bytes would not be canonical.
            [STRING_BYTES | STRING, _, _, text @ ..] => Self::Text(text),
            _ => Self::Object(bytes),
        }
    }

    /// The bytes by which nodes index this key.
    ///
    /// # Errors
    /// If the text is malformed, or the bytes of a type with a known size have another.
    pub fn key_bytes(self) -> Result<KeyBytes<'a>, DecodeError> {
        match self {
            Self::Text(text) if is_plain(text) && text.len() <= usize::from(u16::MAX) => {
                Ok(KeyBytes::plain_text(text))
            }
            Self::Text(text) => {
                let mut bytes = Vec::with_capacity(text.len() + 5);
                StrRef::Modified(text).put_canonical(&mut bytes)?;
                Ok(KeyBytes::Owned(bytes))
            }
            Self::Object(bytes) => canonical_object(bytes),
        }
    }

    /// [`Self::key_bytes`] for callers that keep them anyway.
    ///
    /// # Errors
    /// As [`Self::key_bytes`].
    pub fn canonical(self) -> Result<Cow<'a, [u8]>, DecodeError> {
        self.key_bytes().map(KeyBytes::into_cow)
    }

    /// The text of a text key, for permissions. `None` for other keys, and for text that Rust cannot hold: a lone
    /// surrogate must not pass for another character.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        let string = match self {
            Self::Text(text) => StrRef::Modified(text),
            Self::Object(bytes) => StrRef::read(&mut Reader::new(bytes)).ok()??,
        };
        match string {
            StrRef::Latin1(bytes) | StrRef::Modified(bytes) if is_plain(bytes) => {
                std::str::from_utf8(bytes).ok().map(Cow::Borrowed)
            }
            _ => String::from_utf16(&string.units().ok()?).ok().map(Cow::Owned),
        }
    }
}

/// The canonical bytes of a key: borrowed where the key came in that form, inline where they are short.
#[derive(Debug, Clone)]
pub enum KeyBytes<'a> {
    /// As they came.
    Borrowed(&'a [u8]),
    /// Short ones, kept here.
    Inline(InlineKey),
    /// Long or unusual ones.
    Owned(Vec<u8>),
}

/// Up to 64 bytes of a key.
#[derive(Debug, Clone, Copy)]
pub struct InlineKey {
    length: u8,
    bytes: [u8; Self::CAPACITY],
}

impl InlineKey {
    /// How many bytes fit.
    pub const CAPACITY: usize = 64;
}

impl<'a> KeyBytes<'a> {
    /// The bytes, owned unless they can be borrowed from the message.
    #[must_use]
    pub fn into_cow(self) -> Cow<'a, [u8]> {
        match self {
            Self::Borrowed(bytes) => Cow::Borrowed(bytes),
            Self::Inline(_) => Cow::Owned(self.to_vec()),
            Self::Owned(bytes) => Cow::Owned(bytes),
        }
    }

    /// Text that [`is_plain`], of at most 65535 bytes.
    fn plain_text(text: &[u8]) -> Self {
        let [high, low] = (text.len() as u16).to_be_bytes();
        let prefix = [STRING_BYTES, high, low];
        let length = prefix.len() + text.len();
        let mut inline = InlineKey { length: 0, bytes: [0; InlineKey::CAPACITY] };
        match inline.bytes.get_mut(..length).and_then(|bytes| bytes.split_at_mut_checked(prefix.len())) {
            Some((front, back)) => {
                front.copy_from_slice(&prefix);
                back.copy_from_slice(text);
                inline.length = length as u8;
                Self::Inline(inline)
            }
            None => Self::Owned([&prefix, text].concat()),
        }
    }
}

impl Deref for KeyBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Inline(key) => key.bytes.get(..usize::from(key.length)).unwrap_or_default(),
            Self::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for KeyBytes<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for KeyBytes<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for KeyBytes<'_> {}

impl Hash for KeyBytes<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// Whether text is all of U+0001 to U+007F, which Java writes one byte a character.
fn is_plain(text: &[u8]) -> bool {
    text.is_ascii() && !text.contains(&0)
}

/// A key goes out again among others, without a length of its own. So what can be delimited must be one object and no
/// more, or one writer could spoil every reader's list of keys; a user's own class has to be believed.
fn canonical_object(bytes: &[u8]) -> Result<KeyBytes<'_>, DecodeError> {
    match bytes {
        [INTEGER, _, _, _, _] | [LONG, _, _, _, _, _, _, _, _] => return Ok(KeyBytes::Borrowed(bytes)),
        [STRING_BYTES, high, low, text @ ..]
            if text.len() == usize::from(u16::from_be_bytes([*high, *low])) && is_plain(text) =>
        {
            return Ok(KeyBytes::Borrowed(bytes));
        }
        _ => {}
    }
    match value::object_length(bytes) {
        Ok(length) if length < bytes.len() => {
            return Err(DecodeError::LeftOver { field: "key", left: bytes.len() - length });
        }
        Ok(_) | Err(DecodeError::Opaque { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(match value::key::canonical(bytes)? {
        Cow::Borrowed(bytes) => KeyBytes::Borrowed(bytes),
        Cow::Owned(bytes) => KeyBytes::Owned(bytes),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::text;
    use crate::value::JavaString;

    fn encode_units(units: &[u16]) -> Vec<u8> {
        let mut out = Vec::new();
        JavaString::from_units(units.to_vec()).put(&mut out);
        out
    }

    fn canonical(kind: PartKind, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        KeyRef::from_part(Part { kind, bytes }).unwrap().key_bytes().map(|key| key.to_vec())
    }

    #[test]
    fn all_forms_of_a_text_are_one_key() {
        let plain = [0x57, 0, 2, b'k', b'1'];
        assert_eq!(canonical(PartKind::Raw, b"k1").unwrap(), plain);
        assert_eq!(canonical(PartKind::Object, &plain).unwrap(), plain);
        assert_eq!(canonical(PartKind::Object, &[0x2a, 0, 2, b'k', b'1']).unwrap(), plain);
        assert_eq!(canonical(PartKind::Object, &[0x58, 0, 0, 0, 2, b'k', b'1']).unwrap(), plain);
        assert_eq!(canonical(PartKind::Object, &[0x59, 0, 0, 0, 2, 0, b'k', 0, b'1']).unwrap(), plain);
        assert_eq!(canonical(PartKind::EmptyBytes, &[]).unwrap(), [0x57, 0, 0]);
        // "é": modified UTF-8 as Java writes it, Latin-1 as its readers take it.
        let accent = [0x2a, 0, 2, 0xc3, 0xa9];
        assert_eq!(canonical(PartKind::Raw, &[0xc3, 0xa9]).unwrap(), accent);
        assert_eq!(canonical(PartKind::Object, &[0x57, 0, 1, 0xe9]).unwrap(), accent);
        assert_eq!(canonical(PartKind::Object, &accent).unwrap(), accent);
    }

    #[test]
    fn the_form_depends_on_the_size() {
        for (text, code) in [
            ("a".repeat(61), 0x57),
            ("a".repeat(62), 0x57),
            ("a".repeat(65535), 0x57),
            ("a".repeat(65536), 0x58),
            ("é".repeat(32767), 0x2a),
            ("é".repeat(32768), 0x59),
        ] {
            let bytes = canonical(PartKind::Raw, text.as_bytes()).unwrap();
            assert_eq!(bytes[0], code, "{} bytes", text.len());
            assert_eq!(canonical(PartKind::Object, &bytes).unwrap(), bytes);
            assert_eq!(KeyRef::Object(&bytes).text().as_deref(), Some(&*text));
        }
    }

    #[test]
    fn numbers_keep_their_type_and_nan_is_one() {
        assert_ne!(
            canonical(PartKind::Object, &[0x39, 0, 0, 0, 1]),
            canonical(PartKind::Object, &[0x3a, 0, 0, 0, 0, 0, 0, 0, 1])
        );
        assert_eq!(canonical(PartKind::Object, &[0x3b, 0xff, 0xc0, 0, 1]).unwrap(), [0x3b, 0x7f, 0xc0, 0, 0]);
        assert_eq!(canonical(PartKind::Object, &[0x35, 7]).unwrap(), [0x35, 1]);
        assert!(canonical(PartKind::Object, &[0x39, 0, 0, 1]).is_err());
        assert!(canonical(PartKind::Object, &[0x39, 0, 0, 0, 1, 0]).is_err());
    }

    #[test]
    fn a_key_is_one_object() {
        // A list of one element with another behind it, a list cut short, a class of the user's, a code of nobody's.
        let list = [0x41, 1, 0x57, 0, 1, b'a'];
        assert_eq!(canonical(PartKind::Object, &list).unwrap(), list);
        assert!(canonical(PartKind::Object, &[0x41, 1, 0x57, 0, 1, b'a', 0x29]).is_err());
        assert!(canonical(PartKind::Object, &[0x41, 2, 0x57, 0, 1, b'a']).is_err());
        assert_eq!(canonical(PartKind::Object, &[0x28, 1, 2, 3]).unwrap(), [0x28, 1, 2, 3]);
        assert!(canonical(PartKind::Object, &[0x08, 1]).is_err());
    }

    #[test]
    fn text_that_cannot_be_told_apart_grants_nothing() {
        // Two lone surrogates, one as text and one as object.
        assert_eq!(KeyRef::Text(&[0xed, 0xa0, 0xbd]).text(), None);
        assert_eq!(KeyRef::Object(&[0x59, 0, 0, 0, 1, 0xd8, 0x3d]).text(), None);
        assert_eq!(KeyRef::Object(&[0x39, 0, 0, 0, 1]).text(), None);
        assert_eq!(KeyRef::Text("\u{1f600}".as_bytes()).text(), None);
        assert!(KeyRef::Text("\u{1f600}".as_bytes()).key_bytes().is_err());
        assert_eq!(KeyRef::Object(&[0x57, 0, 1, 0xe9]).text().as_deref(), Some("é"));
    }

    #[test]
    fn null_is_no_key() {
        for (kind, bytes) in [
            (PartKind::Raw, &[][..]),
            (PartKind::Object, &[]),
            (PartKind::Object, &[0x29]),
            (PartKind::Object, &[0x45]),
        ] {
            assert_eq!(KeyRef::from_part(Part { kind, bytes }), None);
        }
    }

    proptest! {
        #[test]
        fn text_and_object_agree(units: Vec<u16>) {
            let bare = text::encode_units(units.iter().copied());
            let from_text = KeyRef::Text(&bare).key_bytes().unwrap();
            let object = encode_units(&units);
            prop_assert_eq!(&*from_text, &*object);
            prop_assert_eq!(&*KeyRef::Object(&object).key_bytes().unwrap(), &*object);
            prop_assert_eq!(KeyRef::Object(&object).text(), String::from_utf16(&units).ok().map(Cow::Owned));
            prop_assert_eq!(KeyRef::from_canonical(&object).key_bytes().unwrap(), from_text);
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes: Vec<u8>) {
            for key in [KeyRef::Text(&bytes), KeyRef::Object(&bytes)] {
                let text = key.text();
                match key.key_bytes() {
                    Ok(canonical) => {
                        let again = KeyRef::Object(&canonical);
                        prop_assert_eq!(&again.key_bytes().unwrap(), &canonical);
                        prop_assert_eq!(again.text(), text);
                    }
                    Err(_) => prop_assert!(bytes.is_empty() || matches!(key, KeyRef::Object(_)) || text.is_none()),
                }
            }
        }
    }
}
