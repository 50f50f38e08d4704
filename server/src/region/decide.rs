//! Whether an operation writes, given what stands under the key: a pure function.

use super::mutation::{Condition, Effect, Mutated, Old, RegionError};
use crate::engine::{Expected, Record, Value};

/// Compares two serialized objects as Java's `equals` would.
pub type SameObject = dyn Fn(&[u8], &[u8]) -> bool + Send + Sync;

/// An operation without its key and value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Intent<'a> {
    Put { condition: Condition<'a>, null: bool },
    Destroy { expected: Option<Value<'a>> },
    Invalidate,
}

/// What to do.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Write, provided that this still stands there.
    Write(Expected),
    /// Change nothing, and answer this.
    Leave(Mutated),
}

pub(super) fn decide(
    intent: Intent<'_>,
    current: Option<&Record>,
    same_object: &SameObject,
) -> Result<Verdict, RegionError> {
    let live = current.filter(|record| !record.is_tombstone());
    let exactly = current.map_or(Expected::Nothing, |record| Expected::Seq(record.seq()));
    match (intent, live) {
        (Intent::Put { condition: Condition::None, null: false }, _) => Ok(Verdict::Write(Expected::Any)),
        (Intent::Put { condition: Condition::None | Condition::IfAbsent, .. }, None) => {
            Ok(Verdict::Write(exactly))
        }
        (Intent::Put { condition: Condition::IfAbsent, .. }, Some(live)) => {
            Ok(Verdict::Leave(Mutated { old: Old::Entry(live.clone()), ..leave(Effect::Present) }))
        }
        (Intent::Put { condition: Condition::IfPresent | Condition::IfEquals(_), .. }, None) => {
            Ok(Verdict::Leave(leave(Effect::Absent)))
        }
        (Intent::Put { condition: Condition::IfEquals(expected), .. }, Some(live))
            if !holds(live, expected, same_object) =>
        {
            Ok(Verdict::Leave(leave(Effect::Mismatch)))
        }
        (Intent::Put { null: true, .. }, Some(_)) => Err(RegionError::NullValue),
        (Intent::Put { .. }, Some(_)) => Ok(Verdict::Write(exactly)),
        (Intent::Destroy { .. } | Intent::Invalidate, None) => {
            // An absent key is no change for anybody. Its tombstone, if it is remembered, tells caching clients when.
            Ok(Verdict::Leave(Mutated { version: current.map(Record::version), ..leave(Effect::Absent) }))
        }
        (Intent::Destroy { expected: Some(expected) }, Some(live)) if !holds(live, expected, same_object) => {
            Ok(Verdict::Leave(leave(Effect::Mismatch)))
        }
        (Intent::Invalidate, Some(live)) if live.value() == Some(Value::Invalid) => {
            Ok(Verdict::Leave(Mutated { version: Some(live.version()), ..leave(Effect::Applied) }))
        }
        (Intent::Destroy { .. } | Intent::Invalidate, Some(_)) => Ok(Verdict::Write(exactly)),
    }
}

fn leave(effect: Effect) -> Mutated {
    Mutated { effect, old: Old::Absent, version: None, replayed: false }
}

/// Whether the value of `live` is the expected one. Java sends an expected `byte[]` as an object, while a stored one is raw.
fn holds(live: &Record, expected: Value<'_>, same_object: &SameObject) -> bool {
    match (live.value(), expected) {
        (Some(Value::Invalid), Value::Invalid) => true,
        (Some(Value::Bytes(stored)), Value::Bytes(expected)) => stored == expected,
        (Some(Value::Bytes(stored)), Value::Object(expected)) => byte_array(expected) == Some(stored),
        (Some(Value::Object(stored)), Value::Bytes(expected)) => byte_array(stored) == Some(expected),
        (Some(Value::Object(stored)), Value::Object(expected)) => {
            stored == expected || same_object(stored, expected)
        }
        _ => false,
    }
}

/// The content of a serialized `byte[]`: code 46, then its length in the array form of `InternalDataSerializer.java`
/// (`writeArrayLength`): one byte up to 252, or 254 and two bytes, or 253 and four.
fn byte_array(object: &[u8]) -> Option<&[u8]> {
    let (46, rest) = object.split_first().map(|(code, rest)| (*code, rest))? else { return None };
    let (len, content) = match *rest.first()? {
        254 => {
            let (len, content) = rest.get(1..)?.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*len)), content)
        }
        253 => {
            let (len, content) = rest.get(1..)?.split_first_chunk::<4>()?;
            (usize::try_from(i32::from_be_bytes(*len)).ok()?, content)
        }
        255 => return None,
        len => (usize::from(len), rest.get(1..)?),
    };
    (content.len() == len).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Draft;

    #[test]
    fn expected_byte_arrays_match_raw_ones_in_every_length_form() {
        for len in [0, 1, 252, 253, 65_535, 65_536] {
            let content = vec![9; len];
            let mut object = vec![46];
            match len {
                0..=252 => object.push(len as u8),
                253..=65_535 => object.extend([&[254][..], &(len as u16).to_be_bytes()].concat()),
                _ => object.extend([&[253][..], &(len as i32).to_be_bytes()].concat()),
            }
            object.extend(&content);
            let stored = Draft::new(b"k", Some(Value::Bytes(&content)), 0).seal(1, 1, 1);
            assert!(holds(&stored, Value::Object(&object), &|_, _| false), "{len}");
            object.pop();
            assert!(!holds(&stored, Value::Object(&object), &|_, _| false), "{len}");
        }
        assert_eq!(byte_array(&[46, 255]), None);
        assert_eq!(byte_array(&[]), None);
        assert_eq!(byte_array(&[47, 0]), None);
    }

    #[test]
    fn objects_are_compared_by_the_function_that_knows_java() {
        let stored = Draft::new(b"k", Some(Value::Object(b"a")), 0).seal(1, 1, 1);
        assert!(holds(&stored, Value::Object(b"a"), &|_, _| false));
        assert!(!holds(&stored, Value::Object(b"b"), &|_, _| false));
        assert!(holds(&stored, Value::Object(b"b"), &|_, _| true));
        assert!(!holds(&stored, Value::Invalid, &|_, _| true));
    }
}
