//! Which entries of a region a subscription is about.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use druse_protocol::message::key::KeyRef;
use regex_automata::meta::Regex;

use crate::error::Error;
use crate::value::{self, ToValue};

/// Which entries of a region a subscription is about.
pub struct Interest<K> {
    matcher: Result<Matcher, Error>,
    keys: PhantomData<fn(K)>,
}

/// The same, ready for the wire, and to find out which of a client's subscriptions an event is for: a server tells a
/// client of each event once, however many of its subscriptions match.
#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    All,
    Keys(HashSet<Vec<u8>>),
    Pattern { text: String, whole: Regex },
}

impl<K> Interest<K> {
    /// All entries.
    #[must_use]
    pub const fn all_keys() -> Self {
        Self { matcher: Ok(Matcher::All), keys: PhantomData }
    }

    /// The entries whose key is a text that the pattern matches as a whole.
    ///
    /// Servers read it by Java's rules, this client by those of the `regex` crate; they agree on what most patterns are
    /// made of. A pattern with what the latter lacks (look-around, references back) is refused when the subscription
    /// begins.
    #[must_use]
    pub fn regex(pattern: impl Into<String>) -> Self {
        Self { matcher: Matcher::pattern(pattern.into()), keys: PhantomData }
    }
}

impl<K: ToValue> Interest<K> {
    /// One entry, which need not exist.
    #[must_use]
    pub fn key(key: &K) -> Self {
        Self::keys([key])
    }

    /// Some entries, which need not exist.
    #[must_use]
    pub fn keys<'k>(keys: impl IntoIterator<Item = &'k K>) -> Self
    where
        K: 'k,
    {
        let keys: Result<HashSet<_>, _> = keys.into_iter().map(value::encode_key).collect();
        let matcher = keys.and_then(|keys| match keys.is_empty() {
            true => Err(Error::Configuration("an interest in no key at all".to_owned())),
            false => Ok(Matcher::Keys(keys)),
        });
        Self { matcher, keys: PhantomData }
    }
}

impl<K> Interest<K> {
    pub(crate) fn into_matcher(self) -> Result<Matcher, Error> {
        self.matcher
    }
}

impl<K> fmt::Debug for Interest<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.matcher {
            Ok(Matcher::All) => f.write_str("Interest(all keys)"),
            Ok(Matcher::Keys(keys)) => write!(f, "Interest({} keys)", keys.len()),
            Ok(Matcher::Pattern { text, .. }) => write!(f, "Interest({text:?})"),
            Err(error) => write!(f, "Interest({error})"),
        }
    }
}

impl Matcher {
    fn pattern(text: String) -> Result<Self, Error> {
        let whole = Regex::new(&format!("^(?:{text})$")).map_err(|error| {
            Error::Configuration(format!("{text:?} is no pattern that this client can follow: {error}"))
        })?;
        Ok(Self::Pattern { text, whole })
    }

    /// Whether it is the other, in the eyes of a server; lists of keys are compared key by key elsewhere.
    pub(crate) fn is_same_pattern(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::Pattern { text, .. }, Self::Pattern { text: other, .. }) => text == other,
            _ => false,
        }
    }

    /// Whether an event of this key is meant.
    pub(crate) fn matches(&self, key: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Keys(keys) => keys.contains(key),
            Self::Pattern { whole, .. } => {
                KeyRef::from_canonical(key).text().is_some_and(|text| whole.is_match(text.as_ref()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(key: &str) -> Vec<u8> {
        value::encode_key(&key.to_owned()).unwrap()
    }

    #[test]
    fn a_key_matches_by_its_bytes_and_a_pattern_as_a_whole() {
        let two = Interest::keys(&["a".to_owned(), "b".to_owned()]).into_matcher().unwrap();
        assert!(two.matches(&encoded("a")) && !two.matches(&encoded("c")));
        let pattern = Interest::<String>::regex("order-[0-9]+|x").into_matcher().unwrap();
        for (key, matches) in
            [("order-17", true), ("order-17a", false), ("an order-17", false), ("x", true), ("xx", false)]
        {
            assert_eq!(pattern.matches(&encoded(key)), matches, "{key}");
        }
        assert!(!pattern.matches(&value::encode_key(&17).unwrap()), "a number is no text");
        assert!(Interest::<String>::all_keys().into_matcher().unwrap().matches(&encoded("x")));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_reason() {
        let error = Interest::<String>::regex("(?=x)y").into_matcher().unwrap_err();
        assert!(error.to_string().contains("(?=x)y"), "{error}");
        assert!(Interest::<String>::keys([]).into_matcher().is_err());
        assert!(Interest::key(&druse_protocol::value::Value::Null).into_matcher().is_err());
    }
}
