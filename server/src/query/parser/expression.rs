//! Conditions and values, by Geode's precedence, loosest first: OR, AND, `=` `<>` LIKE, `<` `<=` `>` `>=`, IN, NOT and the
//! sign, steps of a path. So `NOT a = b` is `(NOT a) = b`, as it is in Geode.

use super::super::compare::Comparison;
use super::super::datum::Datum;
use super::super::error::{Position, QueryError};
use super::super::lexer::Token;
use super::super::number::Number;
use super::super::syntax::{Expression, Kind, Step, StepKind};
use super::super::{MAX_LIST, MAX_STEPS};
use super::{Parser, Result, refused};

/// A binary operator and its operands on one level of precedence.
type Level<'q> = fn(&mut Parser<'q>) -> Result<Expression>;

impl<'q> Parser<'q> {
    /// Any expression.
    pub(super) fn expression(&mut self) -> Result<Expression> {
        self.nested(|parser| {
            parser.junction("or", Kind::Any, |parser| parser.junction("and", Kind::All, Self::equality))
        })
    }

    fn junction(
        &mut self,
        word: &str,
        kind: fn(Vec<Expression>) -> Kind,
        operand: Level<'q>,
    ) -> Result<Expression> {
        let first = operand(self)?;
        if !self.is_keyword_at(0, word) {
            refused::operator(self.peek(), self.at())?;
            return Ok(first);
        }
        let at = first.at;
        let mut operands = vec![first];
        while self.keyword(word) {
            operands.push(operand(self)?);
        }
        Ok(Expression { at, kind: kind(operands) })
    }

    fn equality(&mut self) -> Result<Expression> {
        let left = self.relation()?;
        if self.keyword("like") {
            let pattern = self.relation()?;
            return Ok(Expression { at: left.at, kind: Kind::Like(Box::new(left), Box::new(pattern)) });
        }
        self.comparisons(left, &["=", "<>", "!="], Self::relation)
    }

    fn relation(&mut self) -> Result<Expression> {
        let left = self.membership()?;
        self.comparisons(left, &["<=", "<", ">=", ">"], Self::membership)
    }

    fn comparisons(
        &mut self,
        mut left: Expression,
        symbols: &[&str],
        operand: Level<'q>,
    ) -> Result<Expression> {
        let depth = self.depth;
        while let Some(comparison) = self.comparison(symbols) {
            refused::quantifier(self.peek(), self.at())?;
            // A chain is a tree that leans to the left, as deep as it is long.
            let right = self.nested(operand)?;
            self.depth += 1;
            let at = left.at;
            left = Expression { at, kind: Kind::Compare(Box::new(left), comparison, Box::new(right)) };
        }
        self.depth = depth;
        Ok(left)
    }

    fn comparison(&mut self, symbols: &[&str]) -> Option<Comparison> {
        let symbol = symbols.iter().find(|symbol| self.is_symbol_at(0, symbol))?;
        self.next += 1;
        Comparison::of(symbol)
    }

    fn membership(&mut self) -> Result<Expression> {
        let value = self.unary()?;
        if !self.keyword("in") {
            refused::operator(self.peek(), self.at())?;
            return Ok(value);
        }
        let at = value.at;
        let set = if self.is_keyword_at(0, "set") && self.is_symbol_at(1, "(") {
            self.set()?
        } else {
            self.unary()?
        };
        Ok(Expression { at, kind: Kind::In(Box::new(value), Box::new(set)) })
    }

    fn set(&mut self) -> Result<Expression> {
        let at = self.at();
        self.next += 2;
        let elements = match self.symbol(")") {
            true => Vec::new(),
            false => {
                let elements = self.list("elements of a set", MAX_LIST, Self::unary)?;
                self.expect(")")?;
                elements
            }
        };
        Ok(Expression { at, kind: Kind::Set(elements) })
    }

    fn unary(&mut self) -> Result<Expression> {
        let at = self.at();
        if self.keyword("not") {
            let inner = self.nested(Self::unary)?;
            return Ok(Expression { at, kind: Kind::Not(Box::new(inner)) });
        }
        let is_negative = match self.peek() {
            Token::Symbol("-") => true,
            Token::Symbol("+") => false,
            _ => return self.value(),
        };
        self.next += 1;
        match self.peek() {
            Token::Number(_) => self.number(at, is_negative),
            _ => Err(QueryError::Unsupported { at, what: "arithmetic".into() }),
        }
    }

    fn value(&mut self) -> Result<Expression> {
        let at = self.at();
        match self.peek() {
            Token::Number(_) => self.number(at, false),
            Token::Text(text) => Ok(self.literal(Datum::Text(text.clone().into()))),
            Token::Symbol("$") => {
                self.next += 1;
                let number = self.parameter_number()?;
                Ok(Expression { at, kind: Kind::Parameter(number) })
            }
            Token::Symbol("(") => {
                self.next += 1;
                refused::value(self.peek(), self.peek_at(1), self.at())?;
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Word(word) => self.word(word, at),
            Token::Quoted(_) => self.path(),
            token => {
                refused::value(token, self.peek_at(1), at)?;
                Err(self.unexpected("a value"))
            }
        }
    }

    fn word(&mut self, word: &str, at: Position) -> Result<Expression> {
        match &*word.to_ascii_lowercase() {
            "null" | "nil" => Ok(self.literal(Datum::Null)),
            "undefined" => Ok(self.literal(Datum::Undefined)),
            "true" => Ok(self.literal(Datum::Boolean(true))),
            "false" => Ok(self.literal(Datum::Boolean(false))),
            "is_defined" => self.defined(at, true),
            "is_undefined" => self.defined(at, false),
            "char" if matches!(self.peek_at(1), Token::Text(_)) => self.character(at),
            "set" if self.is_symbol_at(1, "(") => {
                Err(QueryError::Unsupported { at, what: "SET but behind IN".into() })
            }
            _ => {
                refused::value(self.peek(), self.peek_at(1), at)?;
                self.path()
            }
        }
    }

    fn literal(&mut self, datum: Datum<'static>) -> Expression {
        let literal = self.here(Kind::Literal(datum));
        self.next += 1;
        literal
    }

    fn defined(&mut self, at: Position, wanted: bool) -> Result<Expression> {
        self.next += 1;
        self.expect("(")?;
        let value = Box::new(self.expression()?);
        self.expect(")")?;
        Ok(Expression { at, kind: Kind::Defined { value, wanted } })
    }

    fn character(&mut self, at: Position) -> Result<Expression> {
        self.next += 1;
        let Token::Text(text) = self.peek() else { return Err(self.unexpected("a character")) };
        let mut units = text.encode_utf16();
        match (units.next(), units.next()) {
            (Some(unit), None) => Ok(self.literal(Datum::Character(unit))),
            _ => Err(QueryError::BadLiteral { at, literal: format!("'{text}'"), what: "single character" }),
        }
    }

    /// A number with its sign, which counts in what an `Integer` can hold.
    fn number(&mut self, at: Position, is_negative: bool) -> Result<Expression> {
        let Token::Number(digits) = self.peek() else { return Err(self.unexpected("a number")) };
        let signed = if is_negative { format!("-{digits}") } else { (*digits).to_owned() };
        let number =
            read_number(&signed).map_err(|what| QueryError::BadLiteral { at, literal: signed, what })?;
        self.next += 1;
        Ok(Expression { at, kind: Kind::Literal(Datum::Number(number)) })
    }

    fn path(&mut self) -> Result<Expression> {
        let at = self.at();
        let name = self.name("a value")?;
        let mut steps = Vec::new();
        while let Some(step) = self.step()? {
            if steps.len() >= MAX_STEPS {
                return Err(QueryError::TooMany { at: step.at, what: "steps of a path", limit: MAX_STEPS });
            }
            steps.push(step);
        }
        Ok(Expression { at, kind: Kind::Path { name, steps } })
    }

    fn step(&mut self) -> Result<Option<Step>> {
        if self.symbol("[") {
            return self.index().map(Some);
        }
        if !(self.symbol(".") || self.symbol("->")) {
            return Ok(None);
        }
        let at = self.at();
        let name = self.field_name()?;
        if !self.symbol("(") {
            return Ok(Some(Step { at, kind: StepKind::Field(name) }));
        }
        let arguments = if self.is_symbol_at(0, ")") {
            Vec::new()
        } else {
            self.list("arguments", MAX_STEPS, Self::expression)?
        };
        self.expect(")")?;
        Ok(Some(Step { at, kind: StepKind::Call(name, arguments) }))
    }

    fn index(&mut self) -> Result<Step> {
        let at = self.at();
        if self.symbol("*") {
            return Err(QueryError::Unsupported { at, what: "[*]".into() });
        }
        let index = self.expression()?;
        if self.is_symbol_at(0, ":") || self.is_symbol_at(0, ",") {
            return Err(QueryError::Unsupported {
                at: self.at(),
                what: "ranges and lists of indexes".into(),
            });
        }
        self.expect("]")?;
        Ok(Step { at, kind: StepKind::Index(index) })
    }
}

/// A number by its form: `L` makes a long, `F` a float, a point, an exponent or `D` a double.
fn read_number(text: &str) -> std::result::Result<Number<'static>, &'static str> {
    let (digits, suffix) = match text.char_indices().next_back() {
        Some((place, suffix)) if suffix.is_ascii_alphabetic() => {
            (text.get(..place).unwrap_or_default(), suffix.to_ascii_lowercase())
        }
        _ => (text, ' '),
    };
    let is_whole = !digits.contains(['.', 'e', 'E']);
    let whole = || digits.parse::<i64>().map_err(|_| "Long");
    match suffix {
        ' ' if is_whole => match whole() {
            Ok(number) if i32::try_from(number).is_ok() => Ok(Number::Whole(number)),
            _ => Err("Integer (write L behind a Long)"),
        },
        'l' if is_whole => whole().map(Number::Whole),
        'f' => digits.parse().map(Number::Float).map_err(|_| "number"),
        ' ' | 'd' => digits.parse().map(Number::Double).map_err(|_| "number"),
        _ => Err("number"),
    }
}
