//! Values for human eyes.

use std::fmt::{self, Display, Formatter, Write};

use super::{JavaString, Value};

/// Bytes shown before a blob is cut short.
const SHOWN_BYTES: usize = 32;

/// Strings in quotes, lists in brackets, maps in braces, the rest as Java's `toString` would; numbers that are no `Integer`
/// or `Double` say what they are, since Integer 1 and Long 1 are different keys.
impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::Character(unit) => {
                write!(f, "'{}'", char::from_u32(u32::from(*unit)).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            Self::Byte(value) => write!(f, "{value}b"),
            Self::Short(value) => write!(f, "{value}s"),
            Self::Integer(value) => value.fmt(f),
            Self::Long(value) => write!(f, "{value}L"),
            Self::Float(value) => write!(f, "{value:?}f"),
            Self::Double(value) => write!(f, "{value:?}"),
            Self::String(text) => quoted(text, f),
            Self::BigInteger(bytes) => big_integer(bytes, f),
            Self::BigDecimal(text) | Self::File(text) => text.fmt(f),
            Self::Date(millis) => instant("Date", *millis, f),
            Self::Timestamp(millis) => instant("Timestamp", *millis, f),
            Self::Uuid(bytes) => uuid(bytes, f),
            Self::InetAddress(address) => address.fmt(f),
            Self::TimeUnit(unit) => write!(f, "{unit:?}"),
            Self::Class(class) => write!(f, "class {class}"),
            Self::Enum { class, constant, .. } => write!(f, "{class}.{constant}"),
            Self::PdxEnum { system, id } => write!(f, "enum #{:#010x}", u32::from(*system) << 24 | id),
            Self::Wildcard => f.write_str("*"),
            Self::Pdx { .. } | Self::Java { .. } | Self::Geode(_) | Self::Opaque(_) => blob(self, f),
            _ => collection(self, f),
        }
    }
}

fn collection(value: &Value, f: &mut Formatter<'_>) -> fmt::Result {
    match value {
        Value::Booleans(values) => list("boolean", values, f, |value, f| value.fmt(f)),
        Value::Characters(values) => list("char", values, f, |&unit, f| Value::Character(unit).fmt(f)),
        Value::Bytes(bytes) => {
            write!(f, "bytes[{}]", bytes.len())?;
            hex(bytes, f)
        }
        Value::Shorts(values) => list("short", values, f, |value, f| value.fmt(f)),
        Value::Integers(values) => list("int", values, f, |value, f| value.fmt(f)),
        Value::Longs(values) => list("long", values, f, |value, f| value.fmt(f)),
        Value::Floats(values) => list("float", values, f, |value, f| write!(f, "{value:?}")),
        Value::Doubles(values) => list("double", values, f, |value, f| write!(f, "{value:?}")),
        Value::Strings(values) => list("", values, f, |text, f| match text {
            Some(text) => quoted(text, f),
            None => f.write_str("null"),
        }),
        Value::ByteArrays(values) => list("", values, f, |bytes, f| match bytes {
            Some(bytes) => hex(bytes, f),
            None => f.write_str("null"),
        }),
        Value::Objects { elements, .. } | Value::List(_, elements) => list("", elements, f, Display::fmt),
        Value::Set(_, elements) | Value::TreeSet { elements, .. } => {
            separated(('{', '}'), elements, f, Display::fmt)
        }
        Value::Map(_, entries) | Value::TreeMap { entries, .. } => {
            separated(('{', '}'), entries, f, |(key, value), f| write!(f, "{key}: {value}"))
        }
        // `Display` has shown all others.
        _ => f.write_str("?"),
    }
}

fn blob(value: &Value, f: &mut Formatter<'_>) -> fmt::Result {
    match value {
        Value::Pdx { type_id, data } => write!(f, "pdx #{type_id:#010x} of {} bytes", data.len()),
        Value::Java { class, stream } => write!(f, "{class} of {} bytes", stream.len()),
        Value::Geode(bytes) | Value::Opaque(bytes) => {
            f.write_str("object ")?;
            hex(bytes, f)
        }
        _ => f.write_str("?"),
    }
}

fn list<T>(
    kind: &str,
    elements: &[T],
    f: &mut Formatter<'_>,
    show: impl Fn(&T, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    f.write_str(kind)?;
    separated(('[', ']'), elements, f, show)
}

fn separated<T>(
    (open, close): (char, char),
    elements: &[T],
    f: &mut Formatter<'_>,
    show: impl Fn(&T, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    f.write_char(open)?;
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        show(element, f)?;
    }
    f.write_char(close)
}

/// Control characters are escaped: values come from others, and terminals obey such characters.
fn quoted(text: &JavaString, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{:?}", text.to_lossy())
}

fn hex(bytes: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("0x")?;
    for byte in bytes.iter().take(SHOWN_BYTES) {
        write!(f, "{byte:02x}")?;
    }
    if bytes.len() > SHOWN_BYTES { f.write_char('…') } else { Ok(()) }
}

fn uuid(bytes: &[u8; 16], f: &mut Formatter<'_>) -> fmt::Result {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            f.write_char('-')?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

/// Decimal as far as 128 bits reach, else hexadecimal.
fn big_integer(bytes: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    let Some(&first) = bytes.first().filter(|_| bytes.len() <= 16) else { return hex(bytes, f) };
    let sign = if first & 0x80 == 0 { 0 } else { -1_i128 };
    let number = bytes.iter().fold(sign, |number, &byte| number << 8 | i128::from(byte));
    number.fmt(f)
}

/// A moment in UTC, as ISO 8601 writes it.
fn instant(class: &str, millis: i64, f: &mut Formatter<'_>) -> fmt::Result {
    const DAY: i64 = 86_400_000;
    let (days, rest) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
    let (year, month, day) = civil_from_days(days);
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    let fraction = rest % 1000;
    write!(f, "{class}({year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{fraction:03}Z)")
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar carried on in both directions. Years
/// begin in March here, so that the leap day is the last.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const FROM_YEAR_ZERO: i64 = 719_468;
    const ERA: i64 = 146_097;
    let days = days + FROM_YEAR_ZERO;
    let (era, day_of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
