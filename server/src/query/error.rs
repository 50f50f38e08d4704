//! What can be wrong with a query, and where in its text.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A place in the text of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Bytes before it.
    pub offset: usize,
    /// The line, from 1.
    pub line: u32,
    /// The character within the line, from 1.
    pub column: u32,
}

impl Position {
    /// The place behind the first `offset` bytes of `text`.
    pub(super) fn within(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.bytes().filter(|&byte| byte == b'\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        Self { offset, line: line as u32 + 1, column: column as u32 + 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a query was not understood, or could not be carried out.
///
/// No message holds a value of an entry or a parameter: only the query's own words, names of classes and counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is longer than [`super::MAX_TEXT`].
    #[error("the query is {length} bytes long, more than {limit}")]
    TooLong {
        /// Bytes of the text.
        length: usize,
        /// Bytes that are read at most.
        limit: usize,
    },
    /// Something else should stand there.
    #[error("{at}: {found} where {expected} is due")]
    Unexpected {
        /// Where it stands.
        at: Position,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A character that begins nothing.
    #[error("{at}: {found:?} begins no word of OQL")]
    BadCharacter {
        /// Where it stands.
        at: Position,
        /// The character.
        found: char,
    },
    /// A text, a quoted name or a comment goes on beyond the end.
    #[error("{at}: {what} without end")]
    Endless {
        /// Where it begins.
        at: Position,
        /// What it is.
        what: &'static str,
    },
    /// A literal that says nothing.
    #[error("{at}: {literal} is no {what}")]
    BadLiteral {
        /// Where it stands.
        at: Position,
        /// The literal.
        literal: String,
        /// What it should be.
        what: &'static str,
    },
    /// OQL has it, this node has not.
    #[error("{at}: the OQL of this node has no {what}")]
    Unsupported {
        /// Where it stands.
        at: Position,
        /// The construct.
        what: Cow<'static, str>,
    },
    /// Too much of something.
    #[error("{at}: more than {limit} {what}")]
    TooMany {
        /// Where it goes beyond.
        at: Position,
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// A parameter without a value.
    #[error("{at}: there is no value for ${number}, the query came with {given}")]
    NoParameter {
        /// Where the parameter stands.
        at: Position,
        /// Its number, from 1.
        number: usize,
        /// How many values came.
        given: usize,
    },
    /// A value that cannot be used where it stands.
    #[error("{at}: {found} where {expected} is due")]
    WrongValue {
        /// Where it stands.
        at: Position,
        /// The class of the value.
        found: &'static str,
        /// What should stand there.
        expected: &'static str,
    },
    /// Two values that have no order. Only `=` and `<>` say something of any two values.
    #[error("{at}: {left} and {right} cannot be compared by {operator}")]
    NoOrder {
        /// Where the comparison stands.
        at: Position,
        /// The class on the left.
        left: &'static str,
        /// The class on the right.
        right: &'static str,
        /// The comparison.
        operator: &'static str,
    },
    /// A condition that came to something else than true or false.
    #[error("{at}: {found} is no condition (NOT binds tighter than comparisons: write NOT (a = b))")]
    NoTruth {
        /// Where the condition stands.
        at: Position,
        /// The class of what it came to.
        found: &'static str,
    },
    /// The query asks for what makes no sense in a continuous one.
    #[error("{at}: a continuous query has no {what}")]
    NotContinuous {
        /// Where it stands.
        at: Position,
        /// What it has not.
        what: &'static str,
    },
    /// The query holds more at a time than the node allows.
    #[error("the query holds more than {limit} {what}: ask for less, or use LIMIT")]
    TooLarge {
        /// Rows or bytes.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// The query found nothing for too long.
    #[error("the query found nothing more within {limit:?}")]
    TooSlow {
        /// How long was waited.
        limit: Duration,
    },
    /// There is no such region.
    #[error("region not found: {0}")]
    NoRegion(Box<str>),
}

impl QueryError {
    /// Where in the text it is, if it is at one place.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::TooLong { .. } | Self::TooLarge { .. } | Self::TooSlow { .. } | Self::NoRegion(_) => None,
            Self::Unexpected { at, .. }
            | Self::BadCharacter { at, .. }
            | Self::Endless { at, .. }
            | Self::BadLiteral { at, .. }
            | Self::Unsupported { at, .. }
            | Self::TooMany { at, .. }
            | Self::NoParameter { at, .. }
            | Self::WrongValue { at, .. }
            | Self::NoOrder { at, .. }
            | Self::NoTruth { at, .. }
            | Self::NotContinuous { at, .. } => Some(*at),
        }
    }
}
