//! What a query gives: the collection that a client is to make of the rows, and what a row is (Geode `CollectionTypeImpl`,
//! `ObjectTypeImpl`, `StructTypeImpl`, `MapTypeImpl`).
//!
//! ```text
//!  01 c5 collection class | element type          01 c3 class                                      a value
//!                                                 01 c4 class | names:String[] | types:Object[]    a struct
//! ```

use std::borrow::Cow;

use bytes::BufMut;

use crate::DecodeError;
use crate::codec::Reader;
use crate::message::objects::{self, check_count, consumed, put_class_name};
use crate::value::{ClassName, DsCode, StrRef, put_array_length, put_str, skip_object};

const FIELD: &str = "collection type";
const COLLECTION_TYPE: u8 = 0xc5;
const MAP_TYPE: u8 = 0xc9;
const OBJECT_TYPE: u8 = 0xc3;
const STRUCT_TYPE: u8 = 0xc4;
const OBJECT_CLASS: &[u8] = b"java.lang.Object";
const STRUCT_CLASS: &[u8] = b"org.apache.geode.cache.query.Struct";
const OBJECT_TYPE_CLASS: &[u8] = b"org.apache.geode.cache.query.types.ObjectType";

/// What a query gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultType<'a> {
    /// The class that decides how a client collects the rows: one of the constants here, or another of Geode's.
    pub collection: &'a [u8],
    /// What a row is.
    pub element: ElementType<'a>,
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType<'a> {
    /// A value, of this class as far as is known. Clients do not look at it.
    Value(&'a [u8]),
    /// As many values as there are names.
    Struct(FieldNames<'a>),
}

impl<'a> ElementType<'a> {
    /// A value of any class.
    pub const ANY: ElementType<'static> = ElementType::Value(OBJECT_CLASS);
    /// The result of `count(*)`.
    pub const INTEGER: ElementType<'static> = ElementType::Value(b"java.lang.Integer");
    /// The result of other aggregates.
    pub const NUMBER: ElementType<'static> = ElementType::Value(b"java.lang.Number");

    /// A row of these fields.
    #[must_use]
    pub const fn fields(names: &'a [&'a str]) -> Self {
        Self::Struct(FieldNames(Names::Given(names)))
    }
}

impl<'a> ResultType<'a> {
    /// Rows in no order, of which several may be equal. Before Geode 1.0 plain rows were said to be a [`Self::LIST`].
    pub const COLLECTION: &'static [u8] = b"java.util.Collection";
    /// Rows in order.
    pub const LIST: &'static [u8] = b"java.util.List";
    /// Rows of which no two are equal.
    pub const SET: &'static [u8] = b"java.util.Set";
    /// Rows in the order that the query wanted.
    pub const ORDERED: &'static [u8] = b"org.apache.geode.cache.query.internal.Ordered";
    /// Rows of several fields, in no order.
    pub const STRUCT_BAG: &'static [u8] = b"org.apache.geode.cache.query.internal.StructBag";

    /// The names of the fields of the initial results of a continuous query.
    pub const CQ_FIELDS: &'static [&'static str] = &["key", "value"];

    /// The initial results of a continuous query.
    pub const CQ: ResultType<'static> =
        ResultType { collection: Self::COLLECTION, element: ElementType::fields(Self::CQ_FIELDS) };

    /// Whether the order of the rows means something: a Java client makes a list of them.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        const JAVA: [&str; 5] = ["List", "ArrayList", "LinkedList", "LinkedHashSet", "TreeSet"];
        const GEODE: [&str; 6] = [
            "Ordered",
            "SortedResultsBag",
            "SortedStructBag",
            "LinkedResultSet",
            "LinkedStructSet",
            "NWayMergeResults",
        ];
        self.is_one_of(&JAVA, &GEODE)
    }

    /// Whether no two rows are equal: a Java client makes a set of them, unless they are ordered.
    #[must_use]
    pub fn is_set(&self) -> bool {
        const JAVA: [&str; 4] = ["Set", "HashSet", "LinkedHashSet", "TreeSet"];
        const GEODE: [&str; 6] = [
            "ResultsSet",
            "StructSet",
            "SortedResultSet",
            "SortedStructSet",
            "LinkedResultSet",
            "LinkedStructSet",
        ];
        self.is_one_of(&JAVA, &GEODE)
    }

    fn is_one_of(&self, java: &[&str], geode: &[&str]) -> bool {
        let is_in = |package: &str, names: &[&str]| {
            let name = self.collection.strip_prefix(package.as_bytes());
            name.is_some_and(|name| names.iter().any(|known| known.as_bytes() == name))
        };
        is_in("java.util.", java) || is_in("org.apache.geode.cache.query.internal.", geode)
    }

    /// Reads the object.
    ///
    /// # Errors
    /// If it is no collection type.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let id = fixed_id(&mut reader)?;
        if !matches!(id, COLLECTION_TYPE | MAP_TYPE) {
            return Err(DecodeError::Invalid { field: FIELD, value: i64::from(id) });
        }
        let collection = class(&mut reader)?;
        let element = ElementType::read(&mut reader)?;
        if id == MAP_TYPE {
            skip_object(&mut reader)?;
        }
        reader.finish(FIELD)?;
        Ok(Self { collection, element })
    }

    /// Writes the object.
    pub fn encode(&self, out: &mut impl BufMut) {
        put_head(out, COLLECTION_TYPE, self.collection);
        match self.element {
            ElementType::Value(class) => put_head(out, OBJECT_TYPE, class),
            ElementType::Struct(names) => {
                put_head(out, STRUCT_TYPE, STRUCT_CLASS);
                put_array_length(Some(names.len()), out);
                names.iter().for_each(|name| put_str(&name, out));
                put_array_length(Some(names.len()), out);
                put_class(out, OBJECT_TYPE_CLASS);
                names.iter().for_each(|_| put_head(out, OBJECT_TYPE, OBJECT_CLASS));
            }
        }
    }
}

impl<'a> ElementType<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match fixed_id(reader)? {
            OBJECT_TYPE => class(reader).map(Self::Value),
            STRUCT_TYPE => {
                class(reader)?;
                let names = FieldNames::read(reader)?;
                skip_types(reader)?;
                Ok(Self::Struct(names))
            }
            other => Err(DecodeError::Invalid { field: "element type", value: i64::from(other) }),
        }
    }
}

/// The names of a row's fields.
#[derive(Debug, Clone, Copy)]
pub struct FieldNames<'a>(Names<'a>);

#[derive(Debug, Clone, Copy)]
enum Names<'a> {
    Given(&'a [&'a str]),
    /// Serialized strings, walked before.
    Read {
        count: usize,
        bytes: &'a [u8],
    },
}

impl<'a> FieldNames<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        const NAMES: &str = "names of fields";
        let count = reader.array_length(NAMES)?.unwrap_or(0);
        check_count(count, reader.remaining(), NAMES)?;
        let start = reader.rest();
        for _ in 0..count {
            StrRef::read(reader)?;
        }
        Ok(Self(Names::Read { count, bytes: consumed(start, reader) }))
    }

    /// How many fields there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Names::Given(names) => names.len(),
            Names::Read { count, .. } => count,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        let (given, count, bytes): (&'a [&'a str], _, _) = match self.0 {
            Names::Given(names) => (names, 0, &[][..]),
            Names::Read { count, bytes } => (&[], count, bytes),
        };
        let mut reader = Reader::new(bytes);
        let read = (0..count).map(move |_| {
            let name = StrRef::read(&mut reader).ok().flatten().and_then(|name| name.to_text().ok());
            name.unwrap_or_default()
        });
        given.iter().map(|name| Cow::Borrowed(*name)).chain(read)
    }
}

impl PartialEq for FieldNames<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for FieldNames<'_> {}

fn fixed_id(reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
    objects::expect_code(reader, DsCode::FixedId1.to_wire(), FIELD)?;
    reader.u8(FIELD)
}

/// The name of a class; none for null and for the primitive classes, which no collection and no element is of.
fn class<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    Ok(match ClassName::read(reader)? {
        ClassName::Named(StrRef::Latin1(name) | StrRef::Modified(name)) => name,
        _ => &[],
    })
}

/// Moves behind an array of types.
fn skip_types(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    const TYPES: &str = "types of fields";
    let Some(count) = reader.array_length(TYPES)? else { return Ok(()) };
    ClassName::read(reader)?;
    check_count(count, reader.remaining(), TYPES)?;
    (0..count).try_for_each(|_| skip_object(reader))
}

fn put_head(out: &mut impl BufMut, id: u8, class: &[u8]) {
    out.put_slice(&[DsCode::FixedId1.to_wire(), id]);
    put_class(out, class);
}

fn put_class(out: &mut impl BufMut, class: &[u8]) {
    out.put_u8(DsCode::Class.to_wire());
    put_class_name(out, class);
}
