//! The elements of collections and arrays, one after the other.

use druse_protocol::DecodeError;
use druse_protocol::codec::Reader;
use druse_protocol::value::{ClassName, DsCode, java_stream, take_object};

use super::place::Place;

const FIELD: &str = "value";

/// The elements of a collection, in its order; it ends early where bytes make no sense.
pub(super) enum Elements<'a> {
    /// Whole objects.
    Objects { reader: Reader<'a>, left: usize },
    /// Numbers, characters or truth values of so many bytes, without code.
    Bare { reader: Reader<'a>, code: DsCode, size: usize },
    /// Out of a collection that Java wrote by itself.
    Made(std::vec::IntoIter<Vec<u8>>),
}

impl<'a> Elements<'a> {
    /// Those of an object; `None` if it has none.
    pub(super) fn of(code: DsCode, body: &'a [u8]) -> Option<Self> {
        use DsCode as C;
        let bare = |code, size| Self::bare(body, code, size).unwrap_or_default();
        match code {
            C::ArrayList | C::LinkedList | C::Vector | C::Stack | C::HashSet | C::LinkedHashSet => {
                Self::objects(code, body).unwrap_or_default()
            }
            C::TreeSet | C::ObjectArray | C::StringArray => Self::objects(code, body).unwrap_or_default(),
            C::BooleanArray => bare(C::Boolean, 1),
            C::ByteArray => bare(C::Byte, 1),
            C::CharArray => bare(C::Character, 2),
            C::ShortArray => bare(C::Short, 2),
            C::IntArray => bare(C::Integer, 4),
            C::FloatArray => bare(C::Float, 4),
            C::LongArray => bare(C::Long, 8),
            C::DoubleArray => bare(C::Double, 8),
            C::Serializable => java_stream::collection(body).ok().map(|made| Self::Made(made.into_iter())),
            _ => None,
        }
    }

    /// Those of a `byte[]`.
    pub(super) fn of_bytes(bytes: &'a [u8]) -> Self {
        Self::Bare { reader: Reader::new(bytes), code: DsCode::Byte, size: 1 }
    }

    fn objects(code: DsCode, body: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(body);
        let Some(left) = reader.array_length(FIELD)? else { return Ok(None) };
        match code {
            // The comparator.
            DsCode::TreeSet => take_object(&mut reader).map(drop)?,
            DsCode::ObjectArray => ClassName::read(&mut reader).map(drop)?,
            _ => {}
        }
        Ok(Some(Self::Objects { reader, left }))
    }

    fn bare(body: &'a [u8], code: DsCode, size: usize) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(body);
        let Some(count) = reader.array_length(FIELD)? else { return Ok(None) };
        let reader = Reader::new(reader.bytes(count.saturating_mul(size), FIELD)?);
        Ok(Some(Self::Bare { reader, code, size }))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Place<'a>;

    fn next(&mut self) -> Option<Place<'a>> {
        match self {
            Self::Objects { reader, left } => {
                *left = left.checked_sub(1)?;
                take_object(reader).ok().map(Place::of_object)
            }
            Self::Bare { reader, code, size } => {
                reader.bytes(*size, FIELD).ok().map(|body| Place::Object(*code, body))
            }
            Self::Made(made) => made.next().map(Place::made),
        }
    }
}
