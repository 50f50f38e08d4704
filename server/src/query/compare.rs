//! Comparisons and what they come to (Geode `TypeUtils.compare`).

use std::cmp::Ordering;

use druse_protocol::value::pdx::PdxTypes;

use super::datum::Datum;

/// What a condition comes to. A row is in the result only if that is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    /// Neither: something that it needs is not there.
    Undefined,
}

impl Truth {
    /// As a condition sees a value; `None` if it is no truth value.
    pub(super) const fn of(datum: &Datum<'_>) -> Option<Self> {
        match datum {
            Datum::Boolean(true) => Some(Self::True),
            Datum::Boolean(false) => Some(Self::False),
            Datum::Null | Datum::Undefined => Some(Self::Undefined),
            _ => None,
        }
    }

    /// As a comparison sees it.
    pub(super) const fn to_datum(self) -> Datum<'static> {
        match self {
            Self::True => Datum::Boolean(true),
            Self::False => Datum::Boolean(false),
            Self::Undefined => Datum::Undefined,
        }
    }

    /// The opposite; of undefined, undefined.
    pub(super) const fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Undefined => Self::Undefined,
        }
    }
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Comparison {
    /// `=`
    Equal,
    /// `<>`, `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The comparison that a symbol stands for.
    pub(super) fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "=" => Self::Equal,
            "<>" | "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// What is true where this is false.
    pub(super) const fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// The same with its sides exchanged.
    pub(super) const fn mirrored(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }

    /// Whether two values in that order compare so.
    pub(super) const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// Two values that have no order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoOrder;

/// Compares two values. Null equals null; beside that, an order with null is undefined, and so is equality with what is
/// undefined, while inequality with it is true.
///
/// # Errors
/// If an order is asked of values that have none.
pub(super) fn compare(
    left: &Datum<'_>,
    comparison: Comparison,
    right: &Datum<'_>,
    types: &dyn PdxTypes,
) -> Result<Truth, NoOrder> {
    use Datum::{Null, Undefined};
    match (left, right) {
        (Null, _) | (_, Null) if !comparison.is_equality() => return Ok(Truth::Undefined),
        (Null, _) | (_, Null) => {}
        (Undefined, Undefined) if comparison == Comparison::Equal => return Ok(Truth::True),
        (Undefined, Undefined) => return Ok(Truth::Undefined),
        (Undefined, _) | (_, Undefined) if comparison == Comparison::NotEqual => return Ok(Truth::True),
        (Undefined, _) | (_, Undefined) => return Ok(Truth::Undefined),
        _ => {}
    }
    match comparison {
        Comparison::Equal => Ok(left.equals(right, types).into()),
        Comparison::NotEqual => Ok(Truth::from(left.equals(right, types)).not()),
        order => left.order(right).map(|found| order.holds(found).into()).ok_or(NoOrder),
    }
}

#[cfg(test)]
mod tests {
    use super::Comparison::*;
    use super::*;

    #[test]
    fn nothing_and_null_compare_as_in_geode() {
        const F: Truth = Truth::False;
        const T: Truth = Truth::True;
        const U: Truth = Truth::Undefined;
        let (null, undefined, one) = (Datum::Null, Datum::Undefined, Datum::whole(1));
        for (left, right, expected) in [
            (&null, &null, [T, F, U, U, U, U]),
            (&null, &one, [F, T, U, U, U, U]),
            (&null, &undefined, [F, T, U, U, U, U]),
            (&undefined, &undefined, [T, U, U, U, U, U]),
            (&undefined, &one, [U, T, U, U, U, U]),
            (&one, &one, [T, F, F, T, F, T]),
        ] {
            let all = [Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual];
            let found = |left, right| all.map(|comparison| compare(left, comparison, right, &()).unwrap());
            assert_eq!(found(left, right), expected, "{left:?} {right:?}");
            assert_eq!(found(right, left), expected, "{right:?} {left:?}");
        }
    }

    #[test]
    fn only_equality_says_something_of_any_two_values() {
        let (text, number) = (Datum::Text("1".into()), Datum::whole(1));
        assert_eq!(compare(&text, Equal, &number, &()), Ok(Truth::False));
        assert_eq!(compare(&text, NotEqual, &number, &()), Ok(Truth::True));
        assert_eq!(compare(&text, Less, &number, &()), Err(NoOrder));
        assert_eq!(compare(&Datum::Boolean(true), Greater, &Datum::Boolean(false), &()), Err(NoOrder));
    }

    #[test]
    fn comparisons_turn_round() {
        for comparison in [Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual] {
            assert_eq!(Comparison::of(comparison.symbol()), Some(comparison));
            assert_eq!(comparison.negated().negated(), comparison);
            for order in [Ordering::Less, Ordering::Equal, Ordering::Greater] {
                assert_ne!(comparison.holds(order), comparison.negated().holds(order));
                assert_eq!(comparison.holds(order), comparison.mirrored().holds(order.reverse()));
            }
        }
    }
}
