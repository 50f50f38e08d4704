//! How long an object is, without making anything of it.
//!
//! Lists of keys and values are objects one behind another, so whoever wants the second has to get past the first. This
//! walk allocates nothing (Java streams apart, see [`java_stream`]) and takes time in proportion to the bytes.
//!
//! Objects that only their user's class can read have no length: inside another object they are an error
//! ([`DecodeError::Opaque`]), as they are to a Geode server without that class.

use super::{DsCode, MAX_DEPTH, StrRef, fixed, java_stream};
use crate::codec::Reader;
use crate::error::DecodeError;

type Result<T> = std::result::Result<T, DecodeError>;

const FIELD: &str = "value";

/// The length in bytes of the object at the beginning of `bytes`, its code included.
///
/// # Errors
/// If the bytes are no complete object, nest deeper than [`MAX_DEPTH`], or cannot be delimited.
pub fn object_length(bytes: &[u8]) -> Result<usize> {
    let mut reader = Reader::new(bytes);
    skip_object(&mut reader)?;
    Ok(bytes.len() - reader.remaining())
}

/// Moves behind one object.
///
/// # Errors
/// As [`object_length`].
pub fn skip_object(reader: &mut Reader<'_>) -> Result<()> {
    object(reader, 0)
}

/// Reads past one object and gives its bytes.
///
/// # Errors
/// As [`object_length`].
pub fn take_object<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    reader.bytes(object_length(reader.rest())?, FIELD)
}

/// Moves behind one object that stands `depth` objects deep.
pub(super) fn object(reader: &mut Reader<'_>, depth: usize) -> Result<()> {
    if depth >= MAX_DEPTH {
        return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
    }
    let number = reader.u8("type code")?;
    let code = DsCode::decode(number)?;
    body(code, reader, depth + 1)
}

/// Moves behind what follows a code.
pub(super) fn body(code: DsCode, reader: &mut Reader<'_>, depth: usize) -> Result<()> {
    use DsCode as C;
    match code {
        C::BooleanType | C::CharacterType | C::ByteType | C::ShortType | C::IntegerType => Ok(()),
        C::LongType | C::FloatType | C::DoubleType | C::VoidType => Ok(()),
        C::Null | C::NullString | C::Wildcard => Ok(()),
        C::Boolean | C::Byte | C::TimeUnit => bytes(reader, 1),
        C::Character | C::Short => bytes(reader, 2),
        C::Integer | C::Float => bytes(reader, 4),
        C::Long | C::Double | C::Date | C::Timestamp => bytes(reader, 8),
        C::Uuid => bytes(reader, 16),
        C::String | C::StringBytes | C::HugeString | C::HugeStringBytes => {
            StrRef::read_after(code, reader).map(drop)
        }
        C::File | C::BigDecimal => string(reader),
        C::GemfireEnum => strings(reader, 2),
        C::InlineEnum => strings(reader, 2).and_then(|()| reader.array_length(FIELD).map(drop)),
        C::PdxEnum => bytes(reader, 1).and_then(|()| reader.array_length(FIELD).map(drop)),
        C::BooleanArray | C::ByteArray | C::InetAddress | C::BigInteger => array(reader, 1),
        C::CharArray | C::ShortArray => array(reader, 2),
        C::IntArray | C::FloatArray => array(reader, 4),
        C::LongArray | C::DoubleArray => array(reader, 8),
        C::ByteArrays => repeat(reader, |reader| reader.byte_array(FIELD).map(drop)),
        C::StringArray => repeat(reader, string),
        C::ObjectArray => object_array(reader, depth),
        C::ArrayList | C::LinkedList | C::Vector | C::Stack | C::HashSet | C::LinkedHashSet => {
            repeat(reader, |reader| object(reader, depth))
        }
        C::HashMap | C::Hashtable | C::IdentityHashMap | C::ConcurrentHashMap | C::Properties => {
            repeat(reader, |reader| pair(reader, depth))
        }
        C::TreeMap => sorted(reader, depth, pair),
        C::TreeSet => sorted(reader, depth, object),
        C::Class => class(reader),
        C::Pdx => {
            let length = reader.length(usize::MAX, "pdx length")?;
            // The type id does not count.
            bytes(reader, length.saturating_add(4))
        }
        C::Serializable => java_stream::skip(reader),
        C::FixedId1 => reader.i8("fixed id").and_then(|id| fixed::skip(code, i32::from(id), reader, depth)),
        C::FixedId2 => reader.i16("fixed id").and_then(|id| fixed::skip(code, i32::from(id), reader, depth)),
        C::FixedId4 => reader.i32("fixed id").and_then(|id| fixed::skip(code, id, reader, depth)),
        C::DataSerializable => fixed::skip_named(reader),
        C::NoFixedId | C::UserClass | C::UserClass2 | C::UserClass4 => opaque(code),
        C::UserDataSerializable | C::UserDataSerializable2 | C::UserDataSerializable4 => opaque(code),
    }
}

fn opaque(code: DsCode) -> Result<()> {
    Err(DecodeError::Opaque { code: code.to_wire() })
}

fn bytes(reader: &mut Reader<'_>, count: usize) -> Result<()> {
    reader.bytes(count, FIELD).map(drop)
}

/// An array of elements of one size.
fn array(reader: &mut Reader<'_>, element_size: usize) -> Result<()> {
    let count = reader.array_length(FIELD)?.unwrap_or(0);
    bytes(reader, count.saturating_mul(element_size))
}

pub(super) fn string(reader: &mut Reader<'_>) -> Result<()> {
    StrRef::read(reader).map(drop)
}

pub(super) fn strings(reader: &mut Reader<'_>, count: usize) -> Result<()> {
    (0..count).try_for_each(|_| string(reader))
}

/// A count, null being none, and so many elements.
pub(super) fn repeat(
    reader: &mut Reader<'_>,
    mut element: impl FnMut(&mut Reader<'_>) -> Result<()>,
) -> Result<()> {
    let count = reader.array_length(FIELD)?.unwrap_or(0);
    // No element is empty, so the loop cannot be longer than the bytes are.
    (0..count).try_for_each(|_| element(reader))
}

fn pair(reader: &mut Reader<'_>, depth: usize) -> Result<()> {
    object(reader, depth)?;
    object(reader, depth)
}

/// A count, a comparator and elements; behind a null count nothing follows.
fn sorted(
    reader: &mut Reader<'_>,
    depth: usize,
    element: fn(&mut Reader<'_>, usize) -> Result<()>,
) -> Result<()> {
    let Some(count) = reader.array_length(FIELD)? else { return Ok(()) };
    object(reader, depth)?;
    (0..count).try_for_each(|_| element(reader, depth))
}

/// An array of objects without its code: a count, the class of the elements, the elements.
pub(super) fn object_array(reader: &mut Reader<'_>, depth: usize) -> Result<()> {
    let Some(count) = reader.array_length(FIELD)? else { return Ok(()) };
    class(reader)?;
    (0..count).try_for_each(|_| object(reader, depth))
}

/// A class reference: a name, the code of a primitive class, or null.
pub(super) fn class(reader: &mut Reader<'_>) -> Result<()> {
    super::ClassName::read(reader).map(drop)
}
