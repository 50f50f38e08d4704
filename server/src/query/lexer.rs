//! Text to words.
//!
//! What a word is follows Geode's lexer (`oql.g`): keywords in any case, names with `_` and `$`, texts in which a doubled
//! quote stands for one, comments of both kinds, region paths as one word.

use winnow::Parser;
use winnow::combinator::{alt, delimited, opt, preceded, repeat};
use winnow::error::EmptyError;
use winnow::stream::{LocatingSlice, Location, Stream};
use winnow::token::{literal, one_of, take_till, take_until, take_while};

use super::error::{Position, QueryError};

type Input<'q> = LocatingSlice<&'q str>;
type Result<T> = std::result::Result<T, EmptyError>;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'q> {
    /// A name or a keyword.
    Word(&'q str),
    /// A name in double quotes, which is never a keyword.
    Quoted(&'q str),
    /// A text.
    Text(String),
    /// A number as it is written.
    Number(&'q str),
    /// The path of a region, with its leading slash.
    Region(String),
    /// Punctuation.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// A word and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Spanned<'q> {
    pub(super) token: Token<'q>,
    pub(super) at: Position,
}

/// Cuts a text into words; the last one is [`Token::End`].
///
/// # Errors
/// If a character begins no word, or one has no end.
pub(super) fn words(text: &str) -> std::result::Result<Vec<Spanned<'_>>, QueryError> {
    let mut input = Input::new(text);
    let mut words = Vec::new();
    let mut at = Position { offset: 0, line: 1, column: 1 };
    loop {
        let blank: Result<()> = blanks(&mut input);
        at = advanced(text, at, input.current_token_start());
        if blank.is_err() || input.starts_with("/*") {
            return Err(QueryError::Endless { at, what: "a comment" });
        }
        if input.is_empty() {
            words.push(Spanned { token: Token::End, at });
            return Ok(words);
        }
        let token = word(&mut input).map_err(|_| misspelt(&input, at))?;
        words.push(Spanned { token, at });
    }
}

/// The place at `offset`, counted on from an earlier one so that a long text is counted once.
fn advanced(text: &str, from: Position, offset: usize) -> Position {
    let between = text.get(from.offset..offset).unwrap_or_default();
    let step = Position::within(between, between.len());
    let column = if step.line > 1 { step.column } else { from.column + step.column - 1 };
    Position { offset, line: from.line + step.line - 1, column }
}

fn misspelt(input: &Input<'_>, at: Position) -> QueryError {
    match input.chars().next().unwrap_or_default() {
        '\'' => QueryError::Endless { at, what: "a text" },
        '"' => QueryError::Endless { at, what: "a quoted name" },
        found => QueryError::BadCharacter { at, found },
    }
}

/// Blanks and comments.
fn blanks(input: &mut Input<'_>) -> Result<()> {
    let line = ("--", take_till(0.., ['\n', '\r'])).void();
    let block = delimited("/*", take_until(0.., "*/"), "*/").void();
    let blank = take_while(1.., [' ', '\t', '\u{c}', '\r', '\n']).void();
    repeat(0.., alt((blank, line, block))).parse_next(input)
}

fn word<'q>(input: &mut Input<'q>) -> Result<Token<'q>> {
    alt((
        name.map(Token::Word),
        delimited('"', name, '"').map(Token::Quoted),
        text.map(Token::Text),
        number.map(Token::Number),
        region.map(Token::Region),
        symbol.map(Token::Symbol),
    ))
    .parse_next(input)
}

fn name<'q>(input: &mut Input<'q>) -> Result<&'q str> {
    (one_of(begins_name), take_while(0.., continues_name)).take().parse_next(input)
}

fn text(input: &mut Input<'_>) -> Result<String> {
    let piece = alt((literal("''").value("'"), take_till(1.., '\'')));
    let pieces = repeat(0.., piece).fold(String::new, |mut text, piece| {
        text.push_str(piece);
        text
    });
    delimited('\'', pieces, '\'').parse_next(input)
}

/// Digits, a fraction, an exponent and whatever letters follow: which of them make a number the parser decides.
fn number<'q>(input: &mut Input<'q>) -> Result<&'q str> {
    let digits = |least: usize| take_while(least.., |c: char| c.is_ascii_digit());
    let fraction = opt(('.', digits(0)));
    let exponent = opt((one_of(['e', 'E']), opt(one_of(['+', '-'])), digits(1)));
    (digits(1), fraction, exponent, take_while(0.., continues_name)).take().parse_next(input)
}

fn region(input: &mut Input<'_>) -> Result<String> {
    let plain = take_while(1.., |c| continues_name(c) || "+-:#@".contains(c)).map(str::to_owned);
    let paths = |paths: Vec<String>| paths.iter().flat_map(|name| ["/", name]).collect();
    alt((repeat(1.., preceded('/', plain)).map(paths), repeat(1.., preceded('/', text)).map(paths)))
        .parse_next(input)
}

fn symbol(input: &mut Input<'_>) -> Result<&'static str> {
    const LONG: [&str; 7] = ["<=", ">=", "<>", "!=", "->", "||", ".."];
    const SHORT: [&str; 18] =
        ["(", ")", ",", ";", ":", ".", "=", "+", "-", "/", "*", "<", ">", "[", "]", "$", "%", "!"];
    let known = LONG.into_iter().chain(SHORT).find(|symbol| input.starts_with(symbol));
    let symbol = known.ok_or(EmptyError)?;
    input.next_slice(symbol.len());
    Ok(symbol)
}

fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        words(text).unwrap().into_iter().map(|word| word.token).collect()
    }

    #[test]
    fn words_of_all_kinds() {
        use Token::*;
        assert_eq!(
            tokens("SELECT o.\"type\" FROM /a/b-c.keys -- end\n WHERE x<>'it''s' /* no */ AND y >=-1.5e-3f"),
            [
                Word("SELECT"),
                Word("o"),
                Symbol("."),
                Quoted("type"),
                Word("FROM"),
                Region("/a/b-c".into()),
                Symbol("."),
                Word("keys"),
                Word("WHERE"),
                Word("x"),
                Symbol("<>"),
                Text("it's".into()),
                Word("AND"),
                Word("y"),
                Symbol(">="),
                Symbol("-"),
                Number("1.5e-3f"),
                End
            ]
        );
        assert_eq!(tokens("/'odd name'/'b'"), [Region("/odd name/b".into()), End]);
        assert_eq!(
            tokens("'' 0x1F $1"),
            [Text(String::new()), Number("0x1F"), Symbol("$"), Number("1"), End]
        );
    }

    #[test]
    fn places_count_lines_and_characters() {
        let words = words("a\n  'ä' b").unwrap();
        let places: Vec<_> =
            words.iter().map(|word| (word.at.line, word.at.column, word.at.offset)).collect();
        assert_eq!(places, [(1, 1, 0), (2, 3, 4), (2, 7, 9), (2, 8, 10)]);
    }

    #[test]
    fn what_has_no_end_and_what_is_no_word() {
        let error = |text| words(text).unwrap_err().to_string();
        assert_eq!(error("a 'b"), "line 1, column 3: a text without end");
        assert_eq!(error("a \"b"), "line 1, column 3: a quoted name without end");
        assert_eq!(error("a /* b"), "line 1, column 3: a comment without end");
        assert_eq!(error("a\n ~"), "line 2, column 2: '~' begins no word of OQL");
    }
}
