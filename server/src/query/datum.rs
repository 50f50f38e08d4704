//! What comparisons see of a value: its class and content, decoded.

use std::borrow::Cow;
use std::cmp::Ordering;

use druse_protocol::DecodeError;
use druse_protocol::codec::Reader;
use druse_protocol::value::pdx::PdxTypes;
use druse_protocol::value::{DsCode, StrRef, equality};

use super::number::Number;

const FIELD: &str = "value";

/// A decoded value. What OQL only ever compares as a whole stays serialized.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Datum<'a> {
    /// There is nothing: a field that its object has not, or a path through null.
    Undefined,
    /// Null.
    Null,
    /// `Boolean`.
    Boolean(bool),
    /// `Character`.
    Character(u16),
    /// A number of any class.
    Number(Number<'a>),
    /// `String`; a surrogate that stands alone counts as U+FFFD.
    Text(Cow<'a, str>),
    /// `Date` and `Timestamp`, milliseconds since the epoch.
    Instant(i64),
    /// `UUID`, most significant half first.
    Uuid(i64, i64),
    /// An enum constant.
    Enum(EnumConstant<'a>),
    /// Everything else, type code included.
    Object(Cow<'a, [u8]>),
}

/// An enum constant by its names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EnumConstant<'a> {
    pub(super) class: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) ordinal: i64,
}

impl<'a> Datum<'a> {
    /// Decodes what stands behind a code. What makes no sense is undefined, as a field is that is not there.
    pub(super) fn decode(code: DsCode, body: &'a [u8], types: &dyn PdxTypes) -> Self {
        decode(code, body, types).unwrap_or(Self::Undefined)
    }

    /// A whole number.
    pub(super) const fn whole(number: i64) -> Self {
        Self::Number(Number::Whole(number))
    }

    /// A copy that borrows nothing.
    pub(super) fn into_owned(self) -> Datum<'static> {
        match self {
            Self::Undefined => Datum::Undefined,
            Self::Null => Datum::Null,
            Self::Boolean(truth) => Datum::Boolean(truth),
            Self::Character(unit) => Datum::Character(unit),
            Self::Number(number) => Datum::Number(number.into_owned()),
            Self::Text(text) => Datum::Text(Cow::Owned(text.into_owned())),
            Self::Instant(millis) => Datum::Instant(millis),
            Self::Uuid(high, low) => Datum::Uuid(high, low),
            Self::Enum(constant) => Datum::Enum(constant.into_owned()),
            Self::Object(bytes) => Datum::Object(Cow::Owned(bytes.into_owned())),
        }
    }

    /// The same, borrowed.
    pub(super) fn borrowed(&self) -> Datum<'_> {
        match self {
            Self::Undefined => Datum::Undefined,
            Self::Null => Datum::Null,
            Self::Boolean(truth) => Datum::Boolean(*truth),
            Self::Character(unit) => Datum::Character(*unit),
            Self::Number(number) => Datum::Number(number.borrowed()),
            Self::Text(text) => Datum::Text(Cow::Borrowed(text)),
            Self::Instant(millis) => Datum::Instant(*millis),
            Self::Uuid(high, low) => Datum::Uuid(*high, *low),
            Self::Enum(constant) => Datum::Enum(constant.borrowed()),
            Self::Object(bytes) => Datum::Object(Cow::Borrowed(bytes)),
        }
    }

    /// What it is, for error messages, which show no values.
    pub(super) const fn class(&self) -> &'static str {
        match self {
            Self::Undefined => "UNDEFINED",
            Self::Null => "NULL",
            Self::Boolean(_) => "a Boolean",
            Self::Character(_) => "a Character",
            Self::Number(number) => number.class(),
            Self::Text(_) => "a String",
            Self::Instant(_) => "a Date",
            Self::Uuid(..) => "a UUID",
            Self::Enum(_) => "an enum constant",
            Self::Object(_) => "an object",
        }
    }

    /// Java's `equals`, numbers of all classes and dates of both apart, which equal by what they say.
    pub(super) fn equals(&self, other: &Datum<'_>, types: &dyn PdxTypes) -> bool {
        match (self, other) {
            (Datum::Undefined, Datum::Undefined) | (Datum::Null, Datum::Null) => true,
            (Datum::Boolean(one), Datum::Boolean(other)) => one == other,
            (Datum::Enum(one), Datum::Enum(other)) => one.class == other.class && one.name == other.name,
            (Datum::Object(one), Datum::Object(other)) => equality::equals(one, other, types),
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }

    /// The order that Java's `compareTo` gives; `None` of what has no order.
    pub(super) fn order(&self, other: &Datum<'_>) -> Option<Ordering> {
        match (self, other) {
            (Datum::Number(one), Datum::Number(other)) => Some(one.compare(other)),
            (Datum::Text(one), Datum::Text(other)) => Some(texts(one, other)),
            (Datum::Character(one), Datum::Character(other)) => Some(one.cmp(other)),
            (Datum::Instant(one), Datum::Instant(other)) => Some(one.cmp(other)),
            (Datum::Uuid(a, b), Datum::Uuid(c, d)) => Some((a, b).cmp(&(c, d))),
            (Datum::Enum(one), Datum::Enum(other)) if one.class == other.class => {
                Some(one.ordinal.cmp(&other.ordinal))
            }
            _ => None,
        }
    }

    /// An order of everything, for ORDER BY: null, then undefined, then class by class. Geode fails on mixed classes
    /// (`OrderByComparator.java`); where it does not, the order is the same.
    pub(super) fn sort(&self, other: &Datum<'_>) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| match (self, other) {
            (Datum::Boolean(one), Datum::Boolean(other)) => one.cmp(other),
            (Datum::Number(one), Datum::Number(other)) => one.sort(other),
            (Datum::Enum(one), Datum::Enum(other)) => one.sort(other),
            (Datum::Object(one), Datum::Object(other)) => one.cmp(other),
            _ => self.order(other).unwrap_or(Ordering::Equal),
        })
    }

    /// It as the number of an element, which is an `Integer` in Java.
    pub(super) fn as_index(&self) -> Option<usize> {
        match self {
            Self::Number(Number::Whole(number)) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Bytes that it holds, about: for bounds.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) | Self::Number(Number::Decimal(text)) => text.len(),
                Self::Object(bytes) | Self::Number(Number::Big(bytes)) => bytes.len(),
                Self::Enum(constant) => constant.class.len() + constant.name.len(),
                _ => 0,
            }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Undefined => 1,
            Self::Boolean(_) => 2,
            Self::Number(_) => 3,
            Self::Character(_) => 4,
            Self::Text(_) => 5,
            Self::Instant(_) => 6,
            Self::Uuid(..) => 7,
            Self::Enum(_) => 8,
            Self::Object(_) => 9,
        }
    }
}

impl<'a> EnumConstant<'a> {
    /// Reads a constant by registration or by name; `None` if it is registered nowhere.
    pub(super) fn decode(
        code: DsCode,
        body: &'a [u8],
        types: &dyn PdxTypes,
    ) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(body);
        if code != DsCode::PdxEnum {
            let (class, name) = (string(&mut reader)?, string(&mut reader)?);
            let is_geode = code == DsCode::GemfireEnum;
            let ordinal = if is_geode { 0 } else { reader.array_length(FIELD)?.unwrap_or(0) as i64 };
            return Ok(Some(Self { class, name, ordinal }));
        }
        let system = reader.u8(FIELD)?;
        let number = reader.array_length(FIELD)?.unwrap_or_default() as u32;
        let info = types.pdx_enum((u32::from(system) << 24 | number) as i32);
        Ok(info.map(|info| Self {
            class: Cow::Owned(info.class_name.clone()),
            name: Cow::Owned(info.constant.clone()),
            ordinal: info.ordinal.into(),
        }))
    }

    fn borrowed(&self) -> EnumConstant<'_> {
        EnumConstant {
            class: Cow::Borrowed(&self.class),
            name: Cow::Borrowed(&self.name),
            ordinal: self.ordinal,
        }
    }

    fn into_owned(self) -> EnumConstant<'static> {
        EnumConstant {
            class: Cow::Owned(self.class.into_owned()),
            name: Cow::Owned(self.name.into_owned()),
            ordinal: self.ordinal,
        }
    }

    fn sort(&self, other: &EnumConstant<'_>) -> Ordering {
        let by_class = self.class.cmp(&other.class).then(self.ordinal.cmp(&other.ordinal));
        by_class.then_with(|| self.name.cmp(&other.name))
    }
}

fn decode<'a>(code: DsCode, body: &'a [u8], types: &dyn PdxTypes) -> Result<Datum<'a>, DecodeError> {
    use DsCode as C;
    let mut reader = Reader::new(body);
    let reader = &mut reader;
    Ok(match code {
        C::Null | C::NullString => Datum::Null,
        C::Boolean => Datum::Boolean(reader.bool(FIELD)?),
        C::Character => Datum::Character(reader.u16(FIELD)?),
        C::Byte => Datum::whole(reader.i8(FIELD)?.into()),
        C::Short => Datum::whole(reader.i16(FIELD)?.into()),
        C::Integer => Datum::whole(reader.i32(FIELD)?.into()),
        C::Long => Datum::whole(reader.i64(FIELD)?),
        C::Float => Datum::Number(Number::Float(f32::from_bits(reader.u32(FIELD)?))),
        C::Double => Datum::Number(Number::Double(f64::from_bits(reader.u64(FIELD)?))),
        C::BigInteger => match reader.byte_array(FIELD)? {
            Some(bytes) => Datum::Number(Number::Big(bytes.into())),
            None => Datum::Null,
        },
        C::BigDecimal => Number::decimal(string(reader)?).map_or(Datum::Undefined, Datum::Number),
        // Java's mark for a date that is null.
        C::Date | C::Timestamp => match reader.i64(FIELD)? {
            -1 if code == C::Date => Datum::Null,
            millis => Datum::Instant(millis),
        },
        C::Uuid => Datum::Uuid(reader.i64(FIELD)?, reader.i64(FIELD)?),
        C::PdxEnum | C::InlineEnum | C::GemfireEnum => {
            EnumConstant::decode(code, body, types)?.map_or_else(|| object(code, body), Datum::Enum)
        }
        _ if StrRef::is_string(code) => Datum::Text(StrRef::read_after(code, reader)?.to_text()?),
        _ => object(code, body),
    })
}

fn object(code: DsCode, body: &[u8]) -> Datum<'static> {
    Datum::Object(Cow::Owned([&[code.to_wire()], body].concat()))
}

fn string<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, DecodeError> {
    StrRef::read(reader)?.map_or(Ok(Cow::Borrowed("")), StrRef::to_text)
}

/// `String.compareTo`, which compares UTF-16 units. UTF-8 keeps their order but for characters beyond U+FFFF, whose units
/// lie below U+E000.
fn texts(one: &str, other: &str) -> Ordering {
    match one.bytes().zip(other.bytes()).find(|(one, other)| one != other) {
        Some((one, other)) if one.min(other) >= 0xee && (one >= 0xf0) != (other >= 0xf0) => other.cmp(&one),
        _ => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use druse_protocol::value::{TimeUnit, Value};

    use super::*;

    fn datum(value: &Value) -> Datum<'static> {
        let bytes = value.to_bytes();
        let code = DsCode::decode(bytes[0]).unwrap();
        Datum::decode(code, &bytes[1..], &()).into_owned()
    }

    #[test]
    fn texts_are_ordered_by_their_units() {
        let rising = ["", "a", "aa", "b", "é", "\u{d7ff}", "\u{10000}", "\u{1f600}", "\u{e000}", "\u{ffff}"];
        for (place, one) in rising.iter().enumerate() {
            for (other_place, other) in rising.iter().enumerate() {
                let units = one.encode_utf16().cmp(other.encode_utf16());
                assert_eq!((texts(one, other), units), (place.cmp(&other_place), units), "{one} {other}");
            }
        }
    }

    #[test]
    fn classes_are_told_apart_and_only_alike_have_an_order() {
        let values = [
            Value::Null,
            Value::Boolean(true),
            Value::Integer(1),
            Value::Character(u16::from(b'1')),
            Value::String("1".into()),
            Value::Date(1),
            Value::Uuid([1; 16]),
            Value::Enum { geode: false, class: "C".into(), constant: "ONE".into(), ordinal: 1 },
            Value::TimeUnit(TimeUnit::Seconds),
        ];
        let data: Vec<_> = values.iter().map(datum).collect();
        for (place, one) in data.iter().enumerate() {
            for (other_place, other) in data.iter().enumerate() {
                assert_eq!(one.equals(other, &()), place == other_place, "{one:?} {other:?}");
                assert_eq!(one.sort(other), place.cmp(&other_place), "{one:?} {other:?}");
                let is_ordered = place == other_place && ![0, 1, 8].contains(&place);
                assert_eq!(one.order(other).is_some(), is_ordered, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn dates_of_both_classes_and_collections_of_all_are_equal() {
        use druse_protocol::value::ListKind::{ArrayList, LinkedList};
        assert!(datum(&Value::Date(5)).equals(&datum(&Value::Timestamp(5)), &()));
        let list = |kind| datum(&Value::List(kind, vec![Value::Integer(1)]));
        assert!(list(ArrayList).equals(&list(LinkedList), &()));
        assert_eq!(datum(&Value::Date(-1)), Datum::Null);
    }
}
