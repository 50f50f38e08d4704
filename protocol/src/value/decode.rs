//! Bytes to [`Value`].

use std::net::IpAddr;

use super::{
    ClassName, DsCode, JavaString, ListKind, MAX_DEPTH, MapKind, SetKind, StrRef, TimeUnit, Value,
    java_stream, skip,
};
use crate::codec::Reader;
use crate::error::DecodeError;

type Result<T> = std::result::Result<T, DecodeError>;

const FIELD: &str = "value";

impl Value {
    /// Decodes one object that fills `bytes`.
    ///
    /// An object that only its user's class can read becomes [`Value::Opaque`] here, with all that follows, since it is the
    /// outermost one.
    ///
    /// # Errors
    /// If the bytes are no complete object, nest deeper than [`MAX_DEPTH`], have bytes behind them, or hold an object
    /// inside that cannot be delimited.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let value = match Self::read(&mut reader) {
            Err(DecodeError::Opaque { code }) if bytes.first() == Some(&code) => {
                return Ok(Self::Opaque(bytes.to_vec()));
            }
            other => other?,
        };
        reader.finish(FIELD)?;
        Ok(value)
    }

    /// Decodes one object; what follows stays in the reader.
    ///
    /// # Errors
    /// As [`Value::decode`], and if the object cannot be delimited.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        object(reader, 0)
    }
}

fn object(reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    if depth >= MAX_DEPTH {
        return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
    }
    let begin = reader.clone();
    let code = DsCode::decode(reader.u8("type code")?)?;
    match code {
        DsCode::FixedId1 | DsCode::FixedId2 | DsCode::FixedId4 | DsCode::DataSerializable => {
            whole(&begin, reader, depth).map(|bytes| Value::Geode(bytes.to_vec()))
        }
        DsCode::Serializable => {
            let bytes = whole(&begin, reader, depth)?;
            let stream = bytes.get(1..).unwrap_or_default().to_vec();
            let class = java_stream::root_class_name(&stream).unwrap_or_default().into_owned();
            Ok(Value::Java { class, stream })
        }
        _ => body(code, reader, depth + 1),
    }
}

/// All bytes of the object that begins at `begin`.
fn whole<'a>(begin: &Reader<'a>, reader: &mut Reader<'a>, depth: usize) -> Result<&'a [u8]> {
    *reader = begin.clone();
    skip::object(reader, depth)?;
    Ok(begin.rest().get(..begin.remaining() - reader.remaining()).unwrap_or_default())
}

/// Reads what follows a code.
pub(super) fn body(code: DsCode, reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    use DsCode as C;
    Ok(match code {
        C::ArrayList => list(ListKind::ArrayList, reader, depth)?,
        C::LinkedList => list(ListKind::LinkedList, reader, depth)?,
        C::Vector => list(ListKind::Vector, reader, depth)?,
        C::Stack => list(ListKind::Stack, reader, depth)?,
        C::HashSet => set(SetKind::HashSet, reader, depth)?,
        C::LinkedHashSet => set(SetKind::LinkedHashSet, reader, depth)?,
        C::HashMap => map(MapKind::HashMap, reader, depth)?,
        C::Hashtable => map(MapKind::Hashtable, reader, depth)?,
        C::IdentityHashMap => map(MapKind::IdentityHashMap, reader, depth)?,
        C::ConcurrentHashMap => map(MapKind::ConcurrentHashMap, reader, depth)?,
        C::Properties => map(MapKind::Properties, reader, depth)?,
        C::TreeSet => tree_set(reader, depth)?,
        C::TreeMap => tree_map(reader, depth)?,
        C::ObjectArray => objects(reader, depth)?,
        C::BooleanArray | C::CharArray | C::ByteArray | C::ShortArray => array(code, reader)?,
        C::IntArray | C::LongArray | C::FloatArray | C::DoubleArray => array(code, reader)?,
        C::StringArray => strings(reader)?,
        C::ByteArrays => byte_arrays(reader)?,
        other => scalar(other, reader)?,
    })
}

/// What holds no other objects.
fn scalar(code: DsCode, reader: &mut Reader<'_>) -> Result<Value> {
    use DsCode as C;
    Ok(match code {
        C::Null | C::NullString => Value::Null,
        C::Boolean => Value::Boolean(reader.bool(FIELD)?),
        C::Character => Value::Character(reader.u16(FIELD)?),
        C::Byte => Value::Byte(reader.i8(FIELD)?),
        C::Short => Value::Short(reader.i16(FIELD)?),
        C::Integer => Value::Integer(reader.i32(FIELD)?),
        C::Long => Value::Long(reader.i64(FIELD)?),
        C::Float => Value::Float(f32::from_bits(reader.u32(FIELD)?)),
        C::Double => Value::Double(f64::from_bits(reader.u64(FIELD)?)),
        C::String | C::StringBytes | C::HugeString | C::HugeStringBytes => {
            Value::String(StrRef::read_after(code, reader)?.try_into()?)
        }
        C::Date => Value::Date(reader.i64(FIELD)?),
        C::Timestamp => Value::Timestamp(reader.i64(FIELD)?),
        C::Uuid => Value::Uuid(reader.array(FIELD)?),
        C::BigInteger => or_null(reader.byte_array(FIELD)?, |bytes| Value::BigInteger(bytes.to_vec())),
        C::BigDecimal => or_null(string(reader)?, Value::BigDecimal),
        C::File => or_null(string(reader)?, Value::File),
        C::InetAddress => match reader.byte_array(FIELD)? {
            None => Value::Null,
            Some(bytes) => Value::InetAddress(ip_address(bytes)?),
        },
        C::TimeUnit => {
            let number = reader.i8(FIELD)?;
            let unit = TimeUnit::from_wire(number);
            Value::TimeUnit(
                unit.ok_or(DecodeError::Invalid { field: "time unit", value: i64::from(number) })?,
            )
        }
        C::Class => Value::Class(ClassName::read(reader)?.try_into()?),
        C::GemfireEnum | C::InlineEnum => enum_constant(code, reader)?,
        C::PdxEnum => Value::PdxEnum { system: reader.u8(FIELD)?, id: small_number(reader)? },
        C::Pdx => {
            let length = reader.length(usize::MAX, "pdx length")?;
            let type_id = reader.i32("pdx type")?;
            Value::Pdx { type_id, data: reader.bytes(length, "pdx data")?.to_vec() }
        }
        C::Wildcard => Value::Wildcard,
        other if super::class_name::primitive_name(other).is_some() => {
            Value::Class(super::JavaClass::Primitive(other))
        }
        // What is left are the codes of users' classes.
        other => return Err(DecodeError::Opaque { code: other.to_wire() }),
    })
}

fn or_null<T>(content: Option<T>, value: impl FnOnce(T) -> Value) -> Value {
    content.map_or(Value::Null, value)
}

fn string(reader: &mut Reader<'_>) -> Result<Option<JavaString>> {
    StrRef::read(reader)?.map(JavaString::try_from).transpose()
}

/// A string that no writer leaves out.
fn required(reader: &mut Reader<'_>) -> Result<JavaString> {
    string(reader)?
        .ok_or(DecodeError::Invalid { field: "string", value: i64::from(DsCode::NullString.to_wire()) })
}

fn enum_constant(code: DsCode, reader: &mut Reader<'_>) -> Result<Value> {
    let (class, constant) = (required(reader)?, required(reader)?);
    let geode = code == DsCode::GemfireEnum;
    let ordinal = if geode { 0 } else { small_number(reader)? };
    Ok(Value::Enum { geode, class, constant, ordinal })
}

/// A number written like an array's length.
fn small_number(reader: &mut Reader<'_>) -> Result<u32> {
    let number =
        reader.array_length(FIELD)?.ok_or(DecodeError::NegativeLength { field: FIELD, value: -1 })?;
    u32::try_from(number).map_err(|_| DecodeError::NegativeLength { field: FIELD, value: number as i64 })
}

fn ip_address(bytes: &[u8]) -> Result<IpAddr> {
    match *bytes {
        [a, b, c, d] => Ok(IpAddr::from([a, b, c, d])),
        _ => <[u8; 16]>::try_from(bytes)
            .map(IpAddr::from)
            .map_err(|_| DecodeError::Invalid { field: "internet address", value: bytes.len() as i64 }),
    }
}

/// Reads a count and so many elements; `None` if the count is null. Space is taken as elements come: a count alone is worth
/// nothing.
fn repeat<'a, T>(
    reader: &mut Reader<'a>,
    mut element: impl FnMut(&mut Reader<'a>) -> Result<T>,
) -> Result<Option<Vec<T>>> {
    let Some(count) = reader.array_length(FIELD)? else { return Ok(None) };
    (0..count).map(|_| element(reader)).collect::<Result<_>>().map(Some)
}

fn pair(reader: &mut Reader<'_>, depth: usize) -> Result<(Value, Value)> {
    Ok((object(reader, depth)?, object(reader, depth)?))
}

fn list(kind: ListKind, reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    let elements = repeat(reader, |reader| object(reader, depth))?;
    Ok(or_null(elements, |elements| Value::List(kind, elements)))
}

fn set(kind: SetKind, reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    let elements = repeat(reader, |reader| object(reader, depth))?;
    Ok(or_null(elements, |elements| Value::Set(kind, elements)))
}

fn map(kind: MapKind, reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    let entries = repeat(reader, |reader| pair(reader, depth))?;
    Ok(or_null(entries, |entries| Value::Map(kind, entries)))
}

fn tree_set(reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    let Some(count) = reader.array_length(FIELD)? else { return Ok(Value::Null) };
    let comparator = Box::new(object(reader, depth)?);
    let elements = (0..count).map(|_| object(reader, depth)).collect::<Result<_>>()?;
    Ok(Value::TreeSet { comparator, elements })
}

fn tree_map(reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    let Some(count) = reader.array_length(FIELD)? else { return Ok(Value::Null) };
    let comparator = Box::new(object(reader, depth)?);
    let entries = (0..count).map(|_| pair(reader, depth)).collect::<Result<_>>()?;
    Ok(Value::TreeMap { comparator, entries })
}

fn objects(reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    let Some(count) = reader.array_length(FIELD)? else { return Ok(Value::Null) };
    let component = ClassName::read(reader)?.try_into()?;
    let elements = (0..count).map(|_| object(reader, depth)).collect::<Result<_>>()?;
    Ok(Value::Objects { component, elements })
}

fn strings(reader: &mut Reader<'_>) -> Result<Value> {
    Ok(or_null(repeat(reader, string)?, Value::Strings))
}

fn byte_arrays(reader: &mut Reader<'_>) -> Result<Value> {
    let arrays = repeat(reader, |reader| Ok(reader.byte_array(FIELD)?.map(<[u8]>::to_vec)))?;
    Ok(or_null(arrays, Value::ByteArrays))
}

/// An array of numbers, characters or truth values.
fn array(code: DsCode, reader: &mut Reader<'_>) -> Result<Value> {
    fn elements<const N: usize, T>(
        reader: &mut Reader<'_>,
        element: fn([u8; N]) -> T,
    ) -> Result<Option<Vec<T>>> {
        let Some(count) = reader.array_length(FIELD)? else { return Ok(None) };
        let bytes = reader.bytes(count.saturating_mul(N), FIELD)?;
        let (chunks, _) = bytes.as_chunks::<N>();
        Ok(Some(chunks.iter().map(|&chunk| element(chunk)).collect()))
    }
    Ok(match code {
        DsCode::BooleanArray => or_null(elements(reader, |[byte]| byte != 0)?, Value::Booleans),
        DsCode::CharArray => or_null(elements(reader, u16::from_be_bytes)?, Value::Characters),
        DsCode::ShortArray => or_null(elements(reader, i16::from_be_bytes)?, Value::Shorts),
        DsCode::IntArray => or_null(elements(reader, i32::from_be_bytes)?, Value::Integers),
        DsCode::LongArray => or_null(elements(reader, i64::from_be_bytes)?, Value::Longs),
        DsCode::FloatArray => or_null(elements(reader, f32::from_be_bytes)?, Value::Floats),
        DsCode::DoubleArray => or_null(elements(reader, f64::from_be_bytes)?, Value::Doubles),
        _ => or_null(reader.byte_array(FIELD)?, |bytes| Value::Bytes(bytes.to_vec())),
    })
}
