//! What Geode's grammar has beyond this node's, by name; and which words are no names.

use super::super::error::{Position, QueryError};
use super::super::lexer::Token;

type Result<T> = std::result::Result<T, QueryError>;

/// Words that stand for themselves everywhere but behind a dot. Geode reserves more (its names of types, for instance);
/// whoever wants one of these as a name puts it in double quotes.
const RESERVED: &[&str] = &[
    "select",
    "distinct",
    "all",
    "from",
    "where",
    "order",
    "by",
    "group",
    "having",
    "limit",
    "as",
    "and",
    "or",
    "not",
    "in",
    "like",
    "asc",
    "desc",
    "null",
    "nil",
    "undefined",
    "true",
    "false",
    "is_defined",
    "is_undefined",
    "union",
    "except",
    "intersect",
    "mod",
    "abs",
    "any",
    "some",
    "andthen",
    "orelse",
    "import",
    "define",
    "undefine",
    "declare",
];

/// Functions of the grammar, with how they are called in a refusal.
const FUNCTIONS: &[(&str, &str)] = &[
    ("sum", "SUM"),
    ("avg", "AVG"),
    ("min", "MIN"),
    ("max", "MAX"),
    ("count", "COUNT but COUNT(*) as the only column"),
    ("element", "ELEMENT"),
    ("distinct", "DISTINCT as a function"),
    ("listtoset", "LISTTOSET"),
    ("flatten", "FLATTEN"),
    ("nvl", "NVL"),
    ("to_date", "TO_DATE (give the date as a parameter)"),
    ("first", "FIRST"),
    ("last", "LAST"),
    ("unique", "UNIQUE"),
    ("exists", "EXISTS"),
    ("struct", "STRUCT"),
    ("array", "ARRAY"),
    ("bag", "BAG"),
    ("list", "LIST (write SET)"),
];

/// Literals of the grammar that are a word and a text.
const LITERALS: &[(&str, &str)] = &[
    ("date", "DATE literals (give the date as a parameter)"),
    ("time", "TIME literals (give the time as a parameter)"),
    ("timestamp", "TIMESTAMP literals (give the time as a parameter)"),
];

pub(super) fn is_reserved(word: &str) -> bool {
    is_one_of(word, RESERVED)
}

/// Whether a word behind a region is not its alias.
pub(super) fn ends_source(word: &str) -> bool {
    is_reserved(word) || word.eq_ignore_ascii_case("type")
}

/// In place of SELECT.
pub(super) fn statement(token: &Token<'_>, at: Position) -> Result<()> {
    refuse_word(
        token,
        at,
        &[("import", "IMPORT"), ("define", "DEFINE"), ("undefine", "UNDEFINE"), ("declare", "DECLARE")],
    )
}

/// In place of a region.
pub(super) fn source(token: &Token<'_>, at: Position) -> Result<()> {
    match token {
        Token::Symbol("(") => refuse(at, "queries within queries"),
        Token::Symbol("$") => refuse(at, "parameters in place of a region"),
        _ => Ok(()),
    }
}

/// Behind a region.
pub(super) fn further_source(token: &Token<'_>, at: Position) -> Result<()> {
    match token {
        Token::Symbol(",") => refuse(at, "joins of regions in FROM"),
        Token::Symbol("[") => refuse(at, "rows of a single entry"),
        _ => refuse_word(token, at, &[("type", "TYPE")]),
    }
}

/// Behind WHERE and at the end.
pub(super) fn clause(token: &Token<'_>, at: Position) -> Result<()> {
    refuse_word(
        token,
        at,
        &[
            ("group", "GROUP BY"),
            ("having", "HAVING"),
            ("union", "UNION"),
            ("except", "EXCEPT"),
            ("intersect", "INTERSECT"),
        ],
    )
}

/// In place of a value, `next` being the word behind it.
pub(super) fn value(token: &Token<'_>, next: &Token<'_>, at: Position) -> Result<()> {
    match (token, next) {
        (Token::Word(word), Token::Symbol("(")) => match called(word, FUNCTIONS) {
            Some(what) => refuse(at, what),
            None if is_reserved(word) => Ok(()),
            None => Err(QueryError::Unsupported { at, what: format!("function {word}").into() }),
        },
        (_, Token::Text(_)) => refuse_word(token, at, LITERALS),
        (Token::Word(word), _) if word.eq_ignore_ascii_case("select") => refuse(at, "queries within queries"),
        (Token::Word(word), _) if word.eq_ignore_ascii_case("abs") => refuse(at, "ABS"),
        (Token::Region(_), _) => refuse(at, "regions but in FROM"),
        _ => Ok(()),
    }
}

/// Behind a value.
pub(super) fn operator(token: &Token<'_>, at: Position) -> Result<()> {
    match token {
        Token::Symbol("+" | "-" | "*" | "/" | "%") => refuse(at, "arithmetic"),
        // `a /b` reads like the path of a region.
        Token::Region(_) => refuse(at, "arithmetic"),
        Token::Symbol("||") => refuse(at, "concatenation"),
        _ => refuse_word(token, at, &[("mod", "arithmetic"), ("andthen", "ANDTHEN"), ("orelse", "ORELSE")]),
    }
}

/// Behind a comparison.
pub(super) fn quantifier(token: &Token<'_>, at: Position) -> Result<()> {
    refuse_word(
        token,
        at,
        &[("all", "comparison with ALL"), ("any", "comparison with ANY"), ("some", "comparison with SOME")],
    )
}

fn refuse_word(token: &Token<'_>, at: Position, words: &[(&str, &'static str)]) -> Result<()> {
    let Token::Word(word) = token else { return Ok(()) };
    called(word, words).map_or(Ok(()), |what| refuse(at, what))
}

fn refuse(at: Position, what: &'static str) -> Result<()> {
    Err(QueryError::Unsupported { at, what: what.into() })
}

fn called(word: &str, words: &[(&str, &'static str)]) -> Option<&'static str> {
    words.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, what)| *what)
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}
