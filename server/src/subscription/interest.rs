//! What clients have registered interest in, and the index by which a change finds them.

use std::collections::HashMap;

use druse_protocol::message::key::KeyRef;
use regex::Regex;

use super::FeedId;

/// The longest regular expression that is taken.
const PATTERN_BYTES: usize = 4096;
/// The most memory that one may take when it is compiled.
const PATTERN_SIZE: usize = 1 << 20;

/// What keys an interest concerns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Interest {
    /// Every key.
    All,
    /// One key, in canonical form.
    Key(Box<[u8]>),
    /// Text keys that match as a whole.
    Pattern(Box<str>),
}

/// A registration that the node does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InterestError {
    /// Not a regular expression, or one that only Java knows. Look-around and back-references are among these: they cannot
    /// be matched in linear time.
    #[error("the regular expression is not supported: {0}")]
    Pattern(String),
    /// Longer than any that a person would write.
    #[error("a regular expression of {0} bytes; {PATTERN_BYTES} is the limit")]
    TooLong(usize),
}

impl Interest {
    /// The keys that match a Java regular expression.
    ///
    /// # Errors
    /// If it is none, or cannot be matched in linear time.
    pub(crate) fn pattern(text: &str) -> Result<Self, InterestError> {
        if text == ".*" {
            return Ok(Self::All);
        }
        compile(text).map(|_| Self::Pattern(text.into()))
    }
}

fn compile(text: &str) -> Result<Regex, InterestError> {
    if text.len() > PATTERN_BYTES {
        return Err(InterestError::TooLong(text.len()));
    }
    // Java matches the whole key, and its classes are those of ASCII.
    let whole = format!(r"\A(?:{text})\z");
    regex::RegexBuilder::new(&whole).size_limit(PATTERN_SIZE).build().map_err(|error| {
        // The library draws the place under the text; an exception's message has one line.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        InterestError::Pattern(reason.to_owned())
    })
}

/// Who is to have a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subscriber {
    pub(super) feed: FeedId,
    /// Whether the values are wanted, or only that something changed.
    pub(super) values: bool,
    /// Changes up to this place came before the registration.
    pub(super) after: u64,
}

/// The interest of all feeds of a shard in one region.
#[derive(Default)]
pub(super) struct InterestIndex {
    all: Vec<Subscriber>,
    keys: HashMap<Box<[u8]>, Vec<Subscriber>>,
    patterns: Vec<Pattern>,
}

struct Pattern {
    text: Box<str>,
    regex: Regex,
    subscribers: Vec<Subscriber>,
}

impl InterestIndex {
    /// Adds a subscriber, in place of what the same feed had under the same interest.
    pub(super) fn insert(&mut self, interest: &Interest, subscriber: Subscriber) {
        let subscribers = match interest {
            Interest::All => &mut self.all,
            Interest::Key(key) => self.keys.entry(key.clone()).or_default(),
            Interest::Pattern(text) => match self.pattern(text) {
                Some(subscribers) => subscribers,
                None => return,
            },
        };
        match subscribers.iter_mut().find(|it| it.feed == subscriber.feed) {
            // The registration stands where it stood: nothing that waits is older than it.
            Some(known) => known.values = subscriber.values,
            None => subscribers.push(subscriber),
        }
    }

    fn pattern(&mut self, text: &str) -> Option<&mut Vec<Subscriber>> {
        let at = match self.patterns.iter().position(|pattern| &*pattern.text == text) {
            Some(at) => at,
            None => {
                // It was compiled before it was accepted.
                let regex = compile(text).ok()?;
                self.patterns.push(Pattern { text: text.into(), regex, subscribers: Vec::new() });
                self.patterns.len() - 1
            }
        };
        self.patterns.get_mut(at).map(|pattern| &mut pattern.subscribers)
    }

    /// Takes a feed's interest out.
    pub(super) fn remove(&mut self, interest: &Interest, feed: FeedId) {
        match interest {
            Interest::All => self.all.retain(|it| it.feed != feed),
            Interest::Key(key) => {
                if let Some(subscribers) = self.keys.get_mut(key) {
                    subscribers.retain(|it| it.feed != feed);
                    if subscribers.is_empty() {
                        self.keys.remove(key);
                    }
                }
            }
            Interest::Pattern(text) => {
                for pattern in self.patterns.iter_mut().filter(|pattern| pattern.text == *text) {
                    pattern.subscribers.retain(|it| it.feed != feed);
                }
                self.patterns.retain(|pattern| !pattern.subscribers.is_empty());
            }
        }
    }

    /// Everybody who is to have a change of that key; the same feed perhaps several times.
    pub(super) fn of_key(&self, key: &[u8], text: Option<&str>, mut each: impl FnMut(Subscriber)) {
        self.all.iter().copied().for_each(&mut each);
        if let Some(subscribers) = self.keys.get(key) {
            subscribers.iter().copied().for_each(&mut each);
        }
        let Some(text) = text.filter(|_| !self.patterns.is_empty()) else { return };
        let matching = self.patterns.iter().filter(|pattern| pattern.regex.is_match(text));
        matching.flat_map(|pattern| &pattern.subscribers).copied().for_each(each);
    }

    /// Everybody who is to know that the whole region changed.
    pub(super) fn of_region(&self, each: impl FnMut(Subscriber)) {
        let patterns = self.patterns.iter().flat_map(|pattern| &pattern.subscribers);
        self.all.iter().chain(self.keys.values().flatten()).chain(patterns).copied().for_each(each);
    }

    /// Whether patterns have to be matched at all.
    pub(super) fn looks_at_text(&self) -> bool {
        !self.patterns.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.keys.is_empty() && self.patterns.is_empty()
    }
}

/// An interest, ready to be asked about keys.
pub(crate) struct Matcher {
    interest: Interest,
    regex: Option<Regex>,
}

impl Matcher {
    pub(crate) fn new(interest: &Interest) -> Self {
        let regex = match interest {
            // It was compiled before it was accepted.
            Interest::Pattern(text) => compile(text).ok(),
            Interest::All | Interest::Key(_) => None,
        };
        Self { interest: interest.clone(), regex }
    }

    /// What is asked about.
    pub(crate) fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Whether a key is one of those that the interest concerns.
    pub(crate) fn concerns(&self, key: &[u8]) -> bool {
        match &self.interest {
            Interest::All => true,
            Interest::Key(wanted) => **wanted == *key,
            Interest::Pattern(_) => {
                let text = KeyRef::from_canonical(key).text();
                self.regex.as_ref().zip(text).is_some_and(|(regex, text)| regex.is_match(&text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(feed: u32) -> Subscriber {
        Subscriber { feed: FeedId(feed), values: true, after: 0 }
    }

    fn found(index: &InterestIndex, key: &str) -> Vec<u32> {
        let mut found = Vec::new();
        index.of_key(key.as_bytes(), Some(key), |subscriber| found.push(subscriber.feed.0));
        found.sort_unstable();
        found
    }

    #[test]
    fn a_change_finds_whom_it_concerns_until_they_leave() {
        let mut index = InterestIndex::default();
        let pattern = Interest::pattern("k[0-9]+").expect("a pattern");
        index.insert(&Interest::All, subscriber(1));
        index.insert(&Interest::Key(b"k1".as_slice().into()), subscriber(2));
        index.insert(&pattern, subscriber(3));
        assert_eq!(found(&index, "k1"), [1, 2, 3]);
        assert_eq!(found(&index, "k22"), [1, 3]);
        assert_eq!(found(&index, "xk22"), [1], "the whole key must match");
        index.remove(&pattern, FeedId(3));
        index.remove(&Interest::All, FeedId(1));
        assert_eq!(found(&index, "k1"), [2]);
        index.remove(&Interest::Key(b"k1".as_slice().into()), FeedId(2));
        assert!(index.is_empty());
    }

    #[test]
    fn registering_twice_is_registering_once() {
        let mut index = InterestIndex::default();
        index.insert(&Interest::All, subscriber(1));
        index.insert(&Interest::All, Subscriber { values: false, after: 9, ..subscriber(1) });
        assert_eq!(index.all, [Subscriber { values: false, ..subscriber(1) }]);
    }

    #[test]
    fn what_only_java_can_match_is_refused_with_a_reason() {
        let error = Interest::pattern("(?=a)b").expect_err("look-ahead");
        assert!(error.to_string().contains("look"), "{error}");
        assert!(matches!(Interest::pattern(&"a".repeat(5000)), Err(InterestError::TooLong(5000))));
        assert_eq!(Interest::pattern(".*"), Ok(Interest::All));
    }
}
