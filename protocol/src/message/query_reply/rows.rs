//! The rows of one chunk, checked from end to end when the chunk was read, and gone over without copying.

use super::result_type::{ElementType, ResultType};
use crate::DecodeError;
use crate::message::object_part_list::{Element, ObjectPartList};
use crate::message::objects::{self, ObjectList};
use crate::message::value::ValueRef;

const OBJECT_ARRAY: u8 = 0x34;
const INTEGER: u8 = 0x39;

/// The rows of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows<'a> {
    elements: Elements<'a>,
    are_structs: bool,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row<'a> {
    /// A value, or why there is none.
    Value(Element<'a>),
    /// Its fields, as many as the type has names.
    Struct(Fields<'a>),
}

/// The fields of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a>(Elements<'a>);

/// The two things that hold elements, and a number alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Elements<'a> {
    Array(ObjectList<'a>),
    PartList(ObjectPartList<'a>),
    Number(&'a [u8]),
}

impl<'a> Rows<'a> {
    pub(super) fn decode(bytes: &'a [u8], result_type: Option<&ResultType<'_>>) -> Result<Self, DecodeError> {
        let rows = match (bytes, result_type.map(|result_type| result_type.element)) {
            ([INTEGER, _, _, _, _], _) => Self { elements: Elements::Number(bytes), are_structs: false },
            (_, Some(ElementType::Struct(names))) => {
                let elements = Elements::decode(bytes)?;
                elements.iter().try_for_each(|row| check_row(row, names.len()))?;
                Self { elements, are_structs: true }
            }
            _ => Self { elements: Elements::decode(bytes)?, are_structs: false },
        };
        Ok(rows)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let are_structs = self.are_structs;
        self.elements.iter().map(move |element| match Fields::of(element) {
            Ok(fields) if are_structs => Row::Struct(fields),
            _ => Row::Value(element),
        })
    }
}

impl<'a> Fields<'a> {
    fn of(row: Element<'a>) -> Result<Self, DecodeError> {
        match row {
            Element::Value(ValueRef::Object(bytes)) => Elements::decode(bytes).map(Self),
            _ => Err(DecodeError::Parts { message: "QUERY", problem: "a row without fields" }),
        }
    }

    /// The values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        self.0.iter()
    }
}

/// A struct has as many fields as the type; a row that could not be read is an exception and none.
fn check_row(row: Element<'_>, fields: usize) -> Result<(), DecodeError> {
    if matches!(row, Element::Exception { .. }) || Fields::of(row)?.0.len() == fields {
        return Ok(());
    }
    Err(DecodeError::Parts { message: "QUERY", problem: "a row with another number of fields than its type" })
}

impl<'a> Elements<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match bytes.first() {
            Some(&OBJECT_ARRAY) => {
                let list = ObjectList::read_array(bytes, "rows")?;
                list.iter().try_for_each(|object| objects::to_value(object).map(drop))?;
                Ok(Self::Array(list))
            }
            _ => ObjectPartList::decode(bytes).map(Self::PartList),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Array(list) => list.len(),
            Self::PartList(list) => list.len(),
            Self::Number(_) => 1,
        }
    }

    fn iter(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let (array, parts, number) = match *self {
            Self::Array(list) => (Some(list), None, None),
            Self::PartList(list) => (None, Some(list), None),
            Self::Number(bytes) => (None, None, Some(bytes)),
        };
        // Checked by `decode`: the fallback is never reached.
        let array = array.into_iter().flat_map(|list| list.iter());
        let array = array.map(|object| Element::Value(objects::to_value(object).unwrap_or_default()));
        let parts = parts.into_iter().flat_map(|list| list.iter()).map(|(_, element)| element);
        let number = number.into_iter().map(|bytes| Element::Value(ValueRef::Object(bytes)));
        array.chain(parts).chain(number)
    }
}
