//! Java's modified UTF-8: NUL in two bytes, characters beyond the basic plane as two surrogates of three bytes each.

use std::borrow::Cow;

/// Reads modified UTF-8. Plain text is borrowed; a lone surrogate, which Rust cannot hold, becomes U+FFFD. `None` if the
/// bytes are no modified UTF-8 at all.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Cow<'_, str>> {
    // 0xed begins a surrogate; 0xc0 the two-byte NUL. Without them modified UTF-8 is UTF-8, but for NUL bytes and
    // four-byte forms, which Java's reader refuses and we take as they are.
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Cow::Borrowed(text));
    }
    let units = utf16_units(bytes)?;
    Some(Cow::Owned(
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
    ))
}

/// The UTF-16 units that modified UTF-8 stands for, lone surrogates kept. `None` if the bytes are malformed.
#[must_use]
pub fn utf16_units(bytes: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().map(|&byte| u16::from(byte));
    let next = |rest: &mut dyn Iterator<Item = u16>| {
        rest.next().filter(|unit| unit & 0xc0 == 0x80).map(|unit| unit & 0x3f)
    };
    while let Some(first) = rest.next() {
        units.push(match first {
            0x00..=0x7f => first,
            0xc0..=0xdf => (first & 0x1f) << 6 | next(&mut rest)?,
            0xe0..=0xef => (first & 0x0f) << 12 | next(&mut rest)? << 6 | next(&mut rest)?,
            _ => return None,
        });
    }
    Some(units)
}

/// Writes text as modified UTF-8; borrowed unless it holds NUL or a character beyond the basic plane.
#[must_use]
pub fn encode(text: &str) -> Cow<'_, [u8]> {
    if text.bytes().all(|byte| byte != 0 && byte < 0xf0) {
        return Cow::Borrowed(text.as_bytes());
    }
    Cow::Owned(encode_units(text.encode_utf16()))
}

/// Writes UTF-16 units as modified UTF-8.
#[must_use]
pub fn encode_units(units: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut out = Vec::new();
    for unit in units {
        let low = |shift: u32| (unit >> shift & 0x3f) as u8 | 0x80;
        match unit {
            0x01..=0x7f => out.push(unit as u8),
            0x00 | 0x80..=0x7ff => out.extend([(unit >> 6) as u8 | 0xc0, low(0)]),
            _ => out.extend([(unit >> 12) as u8 | 0xe0, low(6), low(0)]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_of_a_real_client() {
        for (text, bytes) in [
            ("a", &[0x61][..]),
            ("é", &[0xc3, 0xa9]),
            ("\0", &[0xc0, 0x80]),
            ("\u{1f600}", &[0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]),
        ] {
            assert_eq!(encode(text), bytes);
            assert_eq!(decode(bytes).as_deref(), Some(text));
        }
    }

    #[test]
    fn lone_surrogates_survive_as_units() {
        let bytes = [0xed, 0xa0, 0xbd];
        assert_eq!(utf16_units(&bytes), Some(vec![0xd83d]));
        assert_eq!(encode_units([0xd83d]), bytes);
        assert_eq!(decode(&bytes).as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn malformed_text_is_refused() {
        for bytes in [&[0x80][..], &[0xc3], &[0xe0, 0x80], &[0xff]] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
