//! JSON as tokens and key sets need it: duplicate members are refused, unknown ones skipped, and numbers that are
//! instants are read digit by digit, never through floating point.

use std::collections::BTreeMap;
use std::fmt;

use druse_protocol::time::Micros;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Seconds at which a time stops being plausible: the end of the year 9999. What lies beyond is mostly an issuer that
/// counts in milliseconds, and believing it would mean a token without an end.
const LATEST_SECONDS: i64 = 253_402_300_799;

/// The members of one JSON object, each still in its own text.
pub(crate) struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    /// Reads an object; `None` if the bytes are anything else, or name a member twice.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether a member is present, be it `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A member that must be a text. `Ok(None)` if absent or `null`.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, WrongType> {
        self.typed(name)
    }

    /// A member that is one text or a list of them.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, WrongType> {
        match self.typed::<String>(name) {
            Ok(one) => Ok(one.map(|one| vec![one])),
            Err(WrongType) => self.typed(name),
        }
    }

    /// A member that is an object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Object<'a>>, WrongType> {
        match self.raw(name) {
            None => Ok(None),
            Some(raw) => Object::parse(raw.as_bytes()).map(Some).ok_or(WrongType),
        }
    }

    /// A member that is a list; its elements stay in their own texts.
    pub(crate) fn list(&self, name: &str) -> Result<Option<Vec<&'a RawValue>>, WrongType> {
        match self.raw(name) {
            None => Ok(None),
            Some(raw) => serde_json::from_str(raw).map(Some).map_err(|_| WrongType),
        }
    }

    /// A member that is an instant: seconds since the epoch, with or without a fraction (RFC 7519 `NumericDate`).
    /// What is finer than a microsecond is cut off, so that an expiry is never late.
    pub(crate) fn instant(&self, name: &str) -> Result<Option<Micros>, WrongType> {
        match self.raw(name) {
            None => Ok(None),
            Some(raw) => numeric_date(raw).map(Some).ok_or(WrongType),
        }
    }

    fn typed<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, WrongType> {
        match self.raw(name) {
            None => Ok(None),
            Some(raw) => serde_json::from_str(raw).map(Some).map_err(|_| WrongType),
        }
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }
}

/// A member that is there and is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongType;

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is named twice"));
                    }
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Reads a JSON number as seconds since the epoch. Negative and implausibly late times are refused; the exponent form,
/// which Java writes for doubles, is exact here too.
fn numeric_date(raw: &str) -> Option<Micros> {
    let (mantissa, exponent) = match raw.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (raw, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || !digits().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let leading_zeros = digits().take_while(|digit| *digit == b'0').count();
    if leading_zeros == whole.len() + fraction.len() {
        return Some(Micros(0));
    }
    // Where the decimal point stands, counted from the first digit that is not zero.
    let point = i32::try_from(whole.len())
        .ok()?
        .checked_sub(i32::try_from(leading_zeros).ok()?)?
        .checked_add(exponent)?;
    if point > 12 {
        return None;
    }
    let wanted = usize::try_from(point.checked_add(6)?).unwrap_or(0);
    let micros = digits()
        .skip(leading_zeros)
        .chain(std::iter::repeat(b'0'))
        .take(wanted)
        .fold(0_i64, |micros, digit| micros * 10 + i64::from(digit - b'0'));
    (micros <= LATEST_SECONDS * 1_000_000).then_some(Micros(micros))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn instants_are_exact() {
        for (raw, micros) in [
            ("0", 0),
            ("0.000", 0),
            ("0e99", 0),
            ("1700000000", 1_700_000_000_000_000),
            ("1700000000.001", 1_700_000_000_001_000),
            ("1700000000.0019999999999999999999999", 1_700_000_000_001_999),
            ("1.700000000123E9", 1_700_000_000_123_000),
            ("17000000001230e-4", 1_700_000_000_123_000),
            ("0.0000017e15", 1_700_000_000_000_000),
            ("0.0000001", 0),
            ("1e-400", 0),
            ("253402300799", 253_402_300_799_000_000),
        ] {
            assert_eq!(numeric_date(raw), Some(Micros(micros)), "{raw}");
        }
    }

    #[test]
    fn implausible_instants_are_refused() {
        for raw in [
            "-1",
            "-0.5",
            "253402300800",
            "1700000000000",
            "1e300",
            "1e99999999999",
            "\"1700000000\"",
            "true",
            "[1]",
            "",
        ] {
            assert_eq!(numeric_date(raw), None, "{raw}");
        }
    }

    #[test]
    fn members_named_twice_are_refused_however_they_are_spelled() {
        assert!(Object::parse(br#"{"a":1,"b":2}"#).is_some());
        assert!(Object::parse(br#"{"a":1,"a":1}"#).is_none());
        assert!(Object::parse(br#"{"a":1,"\u0061":1}"#).is_none());
        assert!(Object::parse(br#"{"a":1} "#).is_some());
        assert!(Object::parse(br#"{"a":1}x"#).is_none());
        assert!(Object::parse(br#"["a"]"#).is_none());
    }

    #[test]
    fn null_is_absence() {
        let object = Object::parse(br#"{"a":null,"b":["x","y"],"c":"z","d":1}"#).unwrap();
        assert_eq!(object.text("a"), Ok(None));
        assert!(object.has("a"));
        assert_eq!(object.texts("b"), Ok(Some(vec!["x".into(), "y".into()])));
        assert_eq!(object.texts("c"), Ok(Some(vec!["z".into()])));
        assert_eq!(object.texts("d"), Err(WrongType));
    }

    proptest! {
        #[test]
        fn instants_agree_with_integer_arithmetic(seconds in 0_i64..LATEST_SECONDS, micros in 0_i64..1_000_000) {
            let raw = format!("{seconds}.{micros:06}");
            prop_assert_eq!(numeric_date(&raw), Some(Micros(seconds * 1_000_000 + micros)));
        }

        #[test]
        fn any_text_is_survived(raw in "[-+0-9.eE]{0,40}") {
            let _ = numeric_date(&raw);
        }
    }
}
