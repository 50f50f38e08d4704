//! LIKE: `%` stands for any characters, `_` for one, and a backslash takes the next character for what it is
//! (Geode `CompiledLike.java`).

/// A pattern that texts are matched against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Box<[Piece]>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Exactly(char),
    AnyOne,
    Any,
}

impl Pattern {
    /// Reads a pattern.
    pub(super) fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let piece = match character {
                '%' => Piece::Any,
                '_' => Piece::AnyOne,
                // As in Geode, a backslash at the very end says nothing.
                '\\' => match characters.next() {
                    Some(escaped) => Piece::Exactly(escaped),
                    None => break,
                },
                other => Piece::Exactly(other),
            };
            if piece != Piece::Any || pieces.last() != Some(&Piece::Any) {
                pieces.push(piece);
            }
        }
        Self(pieces.into())
    }

    /// Whether the whole text is of that form. Takes time in proportion to the product of both lengths at worst.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (mut pieces, mut rest) = (&*self.0, text.chars());
        // Behind the latest `%`, and where the text was then: on a mismatch that `%` takes one character more.
        let mut again = None;
        loop {
            match pieces.split_first() {
                Some((Piece::Any, after)) => {
                    pieces = after;
                    again = Some((after, rest.clone()));
                    continue;
                }
                Some((piece, after)) if piece.takes(rest.clone().next()) => {
                    pieces = after;
                    rest.next();
                    continue;
                }
                None if rest.as_str().is_empty() => return true,
                _ => {}
            }
            let Some((after, from)) = &mut again else { return false };
            if from.next().is_none() {
                return false;
            }
            (pieces, rest) = (*after, from.clone());
        }
    }
}

impl Piece {
    fn takes(self, character: Option<char>) -> bool {
        match self {
            Self::Exactly(wanted) => character == Some(wanted),
            Self::AnyOne => character.is_some(),
            Self::Any => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plain definition.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|skipped| naive(rest, &text[skipped..])),
            ['\\', escaped, rest @ ..] => text.first() == Some(escaped) && naive(rest, &text[1..]),
            ['\\'] => text.is_empty(),
            [one, rest @ ..] => {
                text.first().is_some_and(|c| *one == '_' || one == c) && naive(rest, &text[1..])
            }
        }
    }

    #[test]
    fn forms_of_texts() {
        let matches = |pattern: &str, text| Pattern::new(pattern).matches(text);
        for (pattern, text) in [
            ("a%", "abc"),
            ("%c", "abc"),
            ("%b%", "abc"),
            ("a_c", "abc"),
            ("", ""),
            ("%", ""),
            ("a\\%", "a%"),
            ("a\\_b", "a_b"),
            ("\\\\", "\\"),
            ("%é", "né"),
            ("a.c$", "a.c$"),
            ("%a%b%", "xaxxbx"),
            ("_", "\n"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "abc"),
            ("a_", "a"),
            ("a\\%", "ab"),
            ("A%", "abc"),
            ("%ab", "abc"),
            ("", "a"),
            ("a.c", "abc"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn as_defined(pattern in "[ab%_\\\\]{0,8}", text in "[ab%_\\\\]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), naive(&chars(&pattern), &chars(&text)));
        }
    }
}
