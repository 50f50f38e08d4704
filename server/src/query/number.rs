//! Numbers of different classes against one another.
//!
//! As in Geode (`NumericComparator`), the wider class decides: with a `Double` both are compared as doubles, else with a
//! `Float` as floats, so that `3.1f = 3.1` is false; doubles and floats are ordered as `compareTo` orders them, that is with
//! -0.0 below 0.0 and NaN above all. Where Geode cuts a `BigInteger` or `BigDecimal` down to 32 bits, this compares exactly.

use std::borrow::Cow;
use std::cmp::Ordering;

/// A number of any class.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number<'a> {
    /// `Byte`, `Short`, `Integer`, `Long`.
    Whole(i64),
    /// `Float`.
    Float(f32),
    /// `Double`.
    Double(f64),
    /// `BigInteger`, two's complement, most significant byte first.
    Big(Cow<'a, [u8]>),
    /// `BigDecimal`, as its `toString` writes it.
    Decimal(Cow<'a, str>),
}

impl<'a> Number<'a> {
    /// The number that a `BigDecimal` writes as `text`; `None` if that is none.
    pub(super) fn decimal(text: Cow<'a, str>) -> Option<Self> {
        Decimal::parse(&text).is_some().then_some(Self::Decimal(text))
    }

    /// A copy that borrows nothing.
    pub(super) fn into_owned(self) -> Number<'static> {
        match self {
            Self::Whole(number) => Number::Whole(number),
            Self::Float(number) => Number::Float(number),
            Self::Double(number) => Number::Double(number),
            Self::Big(bytes) => Number::Big(Cow::Owned(bytes.into_owned())),
            Self::Decimal(text) => Number::Decimal(Cow::Owned(text.into_owned())),
        }
    }

    /// The same, borrowed.
    pub(super) fn borrowed(&self) -> Number<'_> {
        match self {
            Self::Whole(number) => Number::Whole(*number),
            Self::Float(number) => Number::Float(*number),
            Self::Double(number) => Number::Double(*number),
            Self::Big(bytes) => Number::Big(Cow::Borrowed(bytes)),
            Self::Decimal(text) => Number::Decimal(Cow::Borrowed(text)),
        }
    }

    /// Java's class of such numbers.
    pub(super) const fn class(&self) -> &'static str {
        match self {
            Self::Whole(_) => "a whole number",
            Self::Float(_) => "a Float",
            Self::Double(_) => "a Double",
            Self::Big(_) => "a BigInteger",
            Self::Decimal(_) => "a BigDecimal",
        }
    }

    /// The nearest double.
    pub(super) fn as_double(&self) -> f64 {
        match self {
            Self::Whole(number) => *number as f64,
            Self::Float(number) => f64::from(*number),
            Self::Double(number) => *number,
            Self::Big(bytes) => big_as_double(bytes),
            Self::Decimal(text) => text.parse().unwrap_or(f64::NAN),
        }
    }

    /// The order of two numbers, as comparisons see it.
    pub(super) fn compare(&self, other: &Number<'_>) -> Ordering {
        use Number as N;
        match (self, other) {
            (N::Whole(one), N::Whole(other)) => one.cmp(other),
            (N::Double(_), _) | (_, N::Double(_)) => doubles(self.as_double(), other.as_double()),
            (N::Float(_), _) | (_, N::Float(_)) => {
                doubles(f64::from(self.as_double() as f32), f64::from(other.as_double() as f32))
            }
            (N::Big(one), N::Big(other)) => bigs(one, other),
            (N::Big(one), N::Whole(other)) => bigs(one, &other.to_be_bytes()),
            (N::Whole(one), N::Big(other)) => bigs(&one.to_be_bytes(), other),
            (N::Decimal(one), N::Decimal(other)) => decimals(one, other),
            (N::Decimal(one), N::Whole(other)) => decimals(one, &other.to_string()),
            (N::Whole(one), N::Decimal(other)) => decimals(&one.to_string(), other),
            (N::Big(_) | N::Decimal(_), N::Big(_) | N::Decimal(_)) => {
                doubles(self.as_double(), other.as_double())
            }
        }
    }

    /// An order of all numbers that sorting can rely on: by the double, then by what it leaves out. Comparisons of mixed
    /// classes are none: of two long numbers each can equal the same double.
    pub(super) fn sort(&self, other: &Number<'_>) -> Ordering {
        let by_double = doubles(self.as_double(), other.as_double());
        by_double.then_with(|| self.rank().cmp(&other.rank())).then_with(|| self.compare(other))
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Whole(_) => 0,
            Self::Float(_) => 1,
            Self::Double(_) => 2,
            Self::Big(_) => 3,
            Self::Decimal(_) => 4,
        }
    }
}

/// `Double.compareTo`.
fn doubles(one: f64, other: f64) -> Ordering {
    let plain = |number: f64| if number.is_nan() { f64::NAN.abs() } else { number };
    plain(one).total_cmp(&plain(other))
}

/// Two's complement numbers of any length.
fn bigs(one: &[u8], other: &[u8]) -> Ordering {
    let sign = |bytes: &[u8]| bytes.first().is_some_and(|&byte| byte & 0x80 != 0);
    let is_negative = sign(one);
    if is_negative != sign(other) {
        return if is_negative { Ordering::Less } else { Ordering::Greater };
    }
    let padding = if is_negative { 0xff } else { 0 };
    let trimmed = |bytes: &[u8]| bytes.iter().take_while(|&&byte| byte == padding).count();
    let (one, other) = (one.get(trimmed(one)..), other.get(trimmed(other)..));
    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
    let longer = if is_negative { other.len().cmp(&one.len()) } else { one.len().cmp(&other.len()) };
    longer.then_with(|| one.cmp(other))
}

fn big_as_double(bytes: &[u8]) -> f64 {
    let is_negative = bytes.first().is_some_and(|&byte| byte & 0x80 != 0);
    let magnitude = |byte: u8| f64::from(if is_negative { !byte } else { byte });
    let sum = bytes.iter().fold(0.0, |sum: f64, &byte| sum.mul_add(256.0, magnitude(byte)));
    if is_negative { -sum - 1.0 } else { sum }
}

/// Two decimal numbers as `BigDecimal.toString` writes them.
fn decimals(one: &str, other: &str) -> Ordering {
    match (Decimal::parse(one), Decimal::parse(other)) {
        (Some(one), Some(other)) => one.compare(&other),
        _ => one.cmp(other),
    }
}

/// `0.digits × 10^exponent`, the first and the last digit not 0; no digits are zero.
struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let leading = digits.iter().take_while(|&&digit| digit == b'0').count();
        digits.drain(..leading);
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let shift = whole.len() as i64 - leading as i64;
        let point = exponent.parse::<i64>().ok()?.saturating_add(shift).max(i64::MIN + 1);
        Some(Self { is_negative, exponent: if digits.is_empty() { i64::MIN } else { point }, digits })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let magnitude = || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        match (self.sign(), other.sign()) {
            (1, 1) => magnitude(),
            (-1, -1) => magnitude().reverse(),
            (one, other) => one.cmp(&other),
        }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(bytes: &'static [u8]) -> Number<'static> {
        Number::Big(bytes.into())
    }

    fn decimal(text: &'static str) -> Number<'static> {
        Number::Decimal(text.into())
    }

    fn rises(numbers: &[Number<'_>]) {
        for (place, one) in numbers.iter().enumerate() {
            for (other_place, other) in numbers.iter().enumerate() {
                assert_eq!(one.compare(other), place.cmp(&other_place), "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn each_class_has_its_order() {
        rises(&[big(&[0x80, 0]), big(&[0xff, 0]), big(&[0xfe]), big(&[0]), big(&[0x7f]), big(&[1, 0])]);
        rises(&["-1E+3", "-2.50", "-2.5E-10", "0", "0.1", "1.50", "2", "10", "1E+2"].map(decimal));
        rises(&[-0.0, 0.0, 1.5, f64::INFINITY, f64::NAN].map(Number::Double));
    }

    #[test]
    fn classes_mix() {
        rises(&[
            big(&[0xff, 0x00]),
            decimal("-0.5"),
            Number::Whole(0),
            Number::Double(0.5),
            Number::Float(1.5),
        ]);
        let equal = [
            (Number::Whole(3), Number::Double(3.0)),
            (Number::Whole(i64::MAX), Number::Double(i64::MAX as f64)),
            (Number::Whole(16_777_217), Number::Float(16_777_216.0)),
            (big(&[0, 0xff]), Number::Whole(255)),
            (decimal("2.50"), decimal("2.5")),
            (decimal("3E+2"), Number::Whole(300)),
            (big(&[1, 0]), decimal("256.0")),
        ];
        for (one, other) in equal {
            assert_eq!(one.compare(&other), Ordering::Equal, "{one:?} and {other:?}");
        }
        assert_ne!(Number::Float(3.1).compare(&Number::Double(3.1)), Ordering::Equal);
        assert_eq!(big(&[0xff, 0x01]).as_double(), -255.0);
    }

    #[test]
    fn sorting_is_an_order_where_comparing_is_none() {
        let (low, high) = (Number::Whole(1 << 53), Number::Whole((1 << 53) + 1));
        let double = Number::Double((1_u64 << 53) as f64);
        assert_eq!((double.compare(&low), double.compare(&high)), (Ordering::Equal, Ordering::Equal));
        assert_eq!((low.sort(&high), high.sort(&double), low.sort(&double)), [Ordering::Less; 3].into());
    }
}
