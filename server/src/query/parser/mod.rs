//! Words to a query, by Geode's grammar (`oql.g`) as far as this node goes; what lies beyond is refused by its name.
//!
//! ```text
//! [<trace>] [<hint 'i', …>] SELECT [DISTINCT|ALL] * | COUNT(*) | path [AS name], …
//!     FROM /region[.values|.keys|.entries] [[AS] name] [WHERE condition] [ORDER BY path [ASC|DESC], …] [LIMIT n] [;]
//! ```

mod expression;
mod refused;

use super::error::{Position, QueryError};
use super::lexer::{self, Spanned, Token};
use super::syntax::{Column, Expression, From, Kind, Limit, Query, Rows, Select, SortKey};
use super::{MAX_COLUMNS, MAX_DEPTH, MAX_TEXT};

type Result<T> = std::result::Result<T, QueryError>;

/// Reads a query.
///
/// # Errors
/// If it is none, or has something that this node has not.
pub(super) fn parse(text: &str) -> Result<Query> {
    if text.len() > MAX_TEXT {
        return Err(QueryError::TooLong { length: text.len(), limit: MAX_TEXT });
    }
    let words = lexer::words(text)?;
    Parser { words: &words, next: 0, depth: 0 }.query()
}

struct Parser<'q> {
    words: &'q [Spanned<'q>],
    next: usize,
    depth: usize,
}

impl<'q> Parser<'q> {
    fn query(mut self) -> Result<Query> {
        self.trace()?;
        self.hints()?;
        if !self.keyword("select") {
            refused::statement(self.peek(), self.at())?;
            return Err(self.unexpected("SELECT"));
        }
        let at = self.at();
        let distinct = self.keyword("distinct").then_some(at);
        if distinct.is_none() {
            self.keyword("all");
        }
        let select = self.select()?;
        let from = self.from()?;
        let condition = if self.keyword("where") { Some(self.expression()?) } else { None };
        refused::clause(self.peek(), self.at())?;
        let order = if self.keyword("order") { self.order()? } else { Vec::new() };
        let limit = if self.keyword("limit") { Some(self.limit()?) } else { None };
        self.symbol(";");
        refused::clause(self.peek(), self.at())?;
        match self.peek() {
            Token::End => Ok(Query { distinct, select, from, condition, order, limit }),
            _ => Err(self.unexpected("the end of the query")),
        }
    }

    /// Traces are for the log of a Geode server; there is nothing to trace here, so it is passed over.
    fn trace(&mut self) -> Result<()> {
        let is_trace = self.peek() == &Token::Symbol("<") && self.is_keyword_at(1, "trace");
        if is_trace {
            self.next += 2;
            self.expect(">")?;
        }
        Ok(())
    }

    /// Hints name indexes to prefer. There are none, so that every hint is met.
    fn hints(&mut self) -> Result<()> {
        if self.peek() != &Token::Symbol("<") || !self.is_keyword_at(1, "hint") {
            return Ok(());
        }
        self.next += 2;
        loop {
            let Token::Text(_) = self.peek() else {
                return Err(self.unexpected("the name of an index in quotes"));
            };
            self.next += 1;
            if !self.symbol(",") {
                return self.expect(">");
            }
        }
    }

    fn select(&mut self) -> Result<Select> {
        if self.symbol("*") {
            return Ok(Select::All);
        }
        let at = self.at();
        if self.is_keyword_at(0, "count") && self.is_symbol_at(1, "(") && self.is_symbol_at(2, "*") {
            self.next += 3;
            self.expect(")")?;
            return Ok(Select::Count(at));
        }
        self.list("columns", MAX_COLUMNS, Self::column).map(Select::Columns)
    }

    fn column(&mut self) -> Result<Column> {
        let label = match self.is_symbol_at(1, ":") {
            true => {
                let label = self.name("the name of a column")?;
                self.expect(":")?;
                Some(label)
            }
            false => None,
        };
        let value = self.expression()?;
        let is_path = matches!(value.kind, Kind::Path { .. });
        if !is_path {
            return Err(QueryError::Unsupported { at: value.at, what: "columns but paths".into() });
        }
        let label = if label.is_none() && self.keyword("as") {
            Some(self.name("the name of a column")?)
        } else {
            label
        };
        Ok(Column { value, label })
    }

    fn from(&mut self) -> Result<From> {
        if !self.keyword("from") {
            return Err(self.unexpected("FROM"));
        }
        let before = match self.is_keyword_at(1, "in") {
            true => {
                let alias = self.name("a name for the rows")?;
                self.next += 1;
                Some(alias)
            }
            false => None,
        };
        let at = self.at();
        let Token::Region(region) = self.peek() else {
            refused::source(self.peek(), at)?;
            return Err(self.unexpected("a region, as in /orders"));
        };
        self.next += 1;
        let rows = self.rows()?;
        let alias = if before.is_some() { before } else { self.alias()? };
        refused::further_source(self.peek(), self.at())?;
        Ok(From { region: region.clone(), rows, alias, at })
    }

    fn rows(&mut self) -> Result<Rows> {
        if !(self.symbol(".") || self.symbol("->")) {
            return Ok(Rows::Values);
        }
        let at = self.at();
        let name = self.field_name()?;
        let rows = match &*name {
            "values" | "getValues" => Rows::Values,
            "keys" | "keySet" | "getKeys" => Rows::Keys,
            "entries" | "entrySet" | "getEntries" => Rows::Entries,
            _ => {
                return Err(QueryError::Unsupported {
                    at,
                    what: format!("rows of a region by the name {name}").into(),
                });
            }
        };
        if self.symbol("(") {
            self.expect(")")?;
        }
        Ok(rows)
    }

    fn alias(&mut self) -> Result<Option<String>> {
        let is_named = self.keyword("as");
        match self.peek() {
            Token::Word(word) if !is_named && refused::ends_source(word) => Ok(None),
            Token::Word(_) | Token::Quoted(_) => self.name("a name for the rows").map(Some),
            _ if is_named => Err(self.unexpected("a name for the rows")),
            _ => Ok(None),
        }
    }

    fn order(&mut self) -> Result<Vec<SortKey>> {
        if !self.keyword("by") {
            return Err(self.unexpected("BY"));
        }
        self.list("keys of an order", MAX_COLUMNS, |parser| {
            let value = parser.expression()?;
            let is_descending = parser.keyword("desc");
            if !is_descending {
                parser.keyword("asc");
            }
            Ok(SortKey { value, is_descending })
        })
    }

    fn limit(&mut self) -> Result<Limit> {
        let at = self.at();
        if self.symbol("$") {
            return self.parameter_number().map(|number| Limit::Parameter(at, number));
        }
        let Token::Number(digits) = self.peek() else { return Err(self.unexpected("a number of rows")) };
        let bad = || QueryError::BadLiteral { at, literal: (*digits).to_owned(), what: "number of rows" };
        let rows: u32 = digits.parse().map_err(|_| bad())?;
        self.next += 1;
        Ok(Limit::Rows(at, rows as usize))
    }

    /// Things with commas between them.
    fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        mut element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut list = vec![element(self)?];
        while self.symbol(",") {
            if list.len() >= limit {
                return Err(QueryError::TooMany { at: self.at(), what, limit });
            }
            list.push(element(self)?);
        }
        Ok(list)
    }

    /// The number behind a `$`.
    fn parameter_number(&mut self) -> Result<usize> {
        let at = self.at();
        let Token::Number(digits) = self.peek() else {
            return Err(self.unexpected("the number of a parameter"));
        };
        let number = digits.parse().ok().filter(|&number| number > 0);
        let bad =
            || QueryError::BadLiteral { at, literal: (*digits).to_owned(), what: "number of a parameter" };
        self.next += 1;
        number.ok_or_else(bad)
    }

    /// A name that is no keyword.
    fn name(&mut self, expected: &'static str) -> Result<String> {
        let name = match self.peek() {
            Token::Word(word) if !refused::is_reserved(word) => *word,
            Token::Quoted(name) => *name,
            _ => return Err(self.unexpected(expected)),
        };
        self.next += 1;
        Ok(name.to_owned())
    }

    /// A name behind a dot, where keywords are names, too.
    fn field_name(&mut self) -> Result<String> {
        let (Token::Word(name) | Token::Quoted(name)) = self.peek() else {
            return Err(self.unexpected("the name of a field"));
        };
        self.next += 1;
        Ok((*name).to_owned())
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let is_there = self.is_keyword_at(0, keyword);
        self.next += usize::from(is_there);
        is_there
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let is_there = self.is_symbol_at(0, symbol);
        self.next += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, symbol: &'static str) -> Result<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unexpected(symbol)) }
    }

    fn is_keyword_at(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn is_symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Symbol(found) if *found == symbol)
    }

    fn peek(&self) -> &'q Token<'q> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &'q Token<'q> {
        self.words.get(self.next + ahead).map_or(&Token::End, |word| &word.token)
    }

    fn at(&self) -> Position {
        self.words.get(self.next).or(self.words.last()).map_or_else(Position::default, |word| word.at)
    }

    fn unexpected(&self, expected: &'static str) -> QueryError {
        let found = match self.peek() {
            Token::Word(word) | Token::Number(word) => (*word).to_owned(),
            Token::Quoted(name) => format!("\"{name}\""),
            Token::Text(_) => "a text".to_owned(),
            Token::Region(path) => path.clone(),
            Token::Symbol(symbol) => (*symbol).to_owned(),
            Token::End => "the end".to_owned(),
        };
        QueryError::Unexpected { at: self.at(), found, expected }
    }

    /// Goes one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(QueryError::TooMany { at: self.at(), what: "levels of nesting", limit: MAX_DEPTH });
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn here(&self, kind: Kind) -> Expression {
        Expression { at: self.at(), kind }
    }
}
