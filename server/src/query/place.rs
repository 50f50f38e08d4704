//! Ways into serialized values: a field, an element, without decoding what lies beside.
//!
//! Whatever cannot be looked into (users' classes, most of what Java serialized by itself, bytes that make no sense) has no fields and no
//! elements: they are UNDEFINED, as is everything behind a null (Geode `AttributeDescriptor.java`).

use druse_protocol::DecodeError;
use druse_protocol::codec::Reader;
use druse_protocol::message::query_reply::UNDEFINED;
use druse_protocol::value::pdx::{PdxField, PdxFieldType, PdxObject, PdxType, PdxTypes};
use druse_protocol::value::{DsCode, java_stream, put_byte_array, put_str, take_object};

use super::datum::{Datum, EnumConstant};
use super::elements::Elements;
use super::types::Types;
use crate::engine::Value;

type Result<T> = std::result::Result<T, DecodeError>;

const FIELD: &str = "value";

/// The class of JSON documents, each of which is a version of its own.
const JSON_CLASS: &str = "__GEMFIRE_JSON";

/// A value somewhere, as it stands there.
#[derive(Debug, Clone)]
pub(super) enum Place<'a> {
    /// There is nothing.
    Undefined,
    /// Null.
    Null,
    /// A `byte[]` that is the value of an entry, without code and length.
    Bytes(&'a [u8]),
    /// Any object: its code and what follows.
    Object(DsCode, &'a [u8]),
    /// An object that stands nowhere, code included: the name or the number of an enum constant, or something out of a
    /// collection that Java wrote by itself.
    Made(Vec<u8>),
}

impl<'a> Place<'a> {
    /// The value of an entry.
    pub(super) fn of_value(value: Value<'a>) -> Self {
        match value {
            Value::Invalid => Self::Null,
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Object(bytes) => Self::of_object(bytes),
        }
    }

    /// An object that fills `bytes`.
    pub(super) fn of_object(bytes: &'a [u8]) -> Self {
        let Some((&number, body)) = bytes.split_first() else { return Self::Undefined };
        match DsCode::from_wire(number) {
            None => Self::Undefined,
            Some(DsCode::Null | DsCode::NullString) => Self::Null,
            Some(DsCode::FixedId1) if bytes == UNDEFINED => Self::Undefined,
            Some(code) => Self::Object(code, body),
        }
    }

    /// An object that stands nowhere.
    pub(super) fn made(object: Vec<u8>) -> Self {
        match Place::of_object(&object) {
            Place::Null => Self::Null,
            Place::Undefined => Self::Undefined,
            _ => Self::Made(object),
        }
    }

    /// What comparisons see.
    pub(super) fn datum(&self, types: &Types<'_>) -> Datum<'a> {
        match self {
            Self::Undefined => Datum::Undefined,
            Self::Null => Datum::Null,
            Self::Bytes(_) => Datum::Object(self.to_bytes().into()),
            Self::Object(code, body) => Datum::decode(*code, body, types),
            Self::Made(bytes) => Place::of_object(bytes).datum(types).into_owned(),
        }
    }

    /// Appends it as one object.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Undefined => out.extend_from_slice(UNDEFINED),
            Self::Null => out.push(DsCode::Null.to_wire()),
            Self::Bytes(bytes) => {
                out.push(DsCode::ByteArray.to_wire());
                put_byte_array(bytes, out);
            }
            Self::Object(code, body) => {
                out.push(code.to_wire());
                out.extend_from_slice(body);
            }
            Self::Made(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// It as one object.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    /// The field of that name of a PDX object, the value under that name in a map, or a part of an enum constant.
    pub(super) fn field(&self, name: &str, types: &Types<'_>) -> Self {
        let Self::Object(code, body) = self else { return Self::Undefined };
        let found = match code {
            DsCode::Pdx => pdx_field(body, name, types),
            DsCode::PdxEnum | DsCode::InlineEnum | DsCode::GemfireEnum => {
                EnumConstant::decode(*code, body, types).map(|constant| of_constant(constant, name))
            }
            DsCode::Serializable => in_java_map(body, &Datum::Text(name.into()), types),
            code if is_map(*code) => in_map(*code, body, &Datum::Text(name.into()), types),
            _ => Ok(Self::Undefined),
        };
        found.unwrap_or(Self::Undefined)
    }

    /// What stands under `index` in a map, or at that number in a list or an array. Where Java throws, it is UNDEFINED.
    pub(super) fn at(&self, index: &Datum<'_>, types: &Types<'_>) -> Self {
        if let Self::Object(code, body) = self {
            let found = match code {
                DsCode::Serializable => in_java_map(body, index, types),
                code if is_map(*code) => in_map(*code, body, index, types),
                _ => Ok(Self::Undefined),
            };
            // A list that Java wrote is no map, but has elements.
            if is_map(*code) || !matches!(found, Err(_) | Ok(Self::Undefined)) {
                return found.unwrap_or(Self::Undefined);
            }
        }
        let Some(number) = index.as_index() else { return Self::Undefined };
        match self {
            Self::Object(code, _) if is_set(*code) => Self::Undefined,
            _ => self.elements().and_then(|mut elements| elements.nth(number)).unwrap_or(Self::Undefined),
        }
    }

    /// The elements of a collection or an array; `None` if it is none.
    pub(super) fn elements(&self) -> Option<Elements<'a>> {
        match self {
            Self::Object(code, body) => Elements::of(*code, body),
            Self::Bytes(bytes) => Some(Elements::of_bytes(bytes)),
            Self::Undefined | Self::Null | Self::Made(_) => None,
        }
    }
}

fn pdx_field<'a>(body: &'a [u8], name: &str, types: &Types<'_>) -> Result<Place<'a>> {
    let mut reader = Reader::new(body);
    let length = reader.length(usize::MAX, "pdx length")?;
    let object = PdxObject { type_id: reader.i32("pdx type")?, data: reader.bytes(length, "pdx data")? };
    let Some(pdx_type) = types.pdx_type(object.type_id) else { return Ok(Place::Undefined) };
    let Some(field) = pdx_type.field(name) else { return Ok(lacking(&object, &pdx_type, name, types)) };
    let bytes = object.field_bytes(&pdx_type, field)?;
    Ok(of_field(field, bytes))
}

fn of_field<'a>(field: &PdxField, bytes: &'a [u8]) -> Place<'a> {
    let is_null_array = field.kind.fixed_size().is_none() && bytes == [0xff];
    match field.kind.code() {
        None => Place::of_object(bytes),
        Some(_) if is_null_array => Place::Null,
        Some(code) => Place::Object(code, bytes),
    }
}

/// A field that this version of a class has not holds what Java would give it, if another version has it.
fn lacking<'a>(object: &PdxObject<'_>, pdx_type: &PdxType, name: &str, types: &Types<'_>) -> Place<'a> {
    const ZEROS: &[u8] = &[0; 8];
    if pdx_type.class_name == JSON_CLASS {
        return Place::Undefined;
    }
    let Some(kind) = types.other_version(object.type_id, &pdx_type.class_name, name) else {
        return Place::Undefined;
    };
    match (kind.code(), kind.fixed_size()) {
        (Some(code), Some(size)) if kind != PdxFieldType::Date => {
            Place::Object(code, ZEROS.get(..size).unwrap_or_default())
        }
        _ => Place::Null,
    }
}

fn of_constant<'a>(constant: Option<EnumConstant<'_>>, name: &str) -> Place<'a> {
    let Some(constant) = constant else { return Place::Undefined };
    let mut out = Vec::new();
    match name {
        "name" => put_str(&constant.name, &mut out),
        "ordinal" => {
            out.push(DsCode::Integer.to_wire());
            out.extend_from_slice(&(constant.ordinal as i32).to_be_bytes());
        }
        _ => return Place::Undefined,
    }
    Place::Made(out)
}

const fn is_map(code: DsCode) -> bool {
    use DsCode::{ConcurrentHashMap, HashMap, Hashtable, IdentityHashMap, Properties, TreeMap};
    matches!(code, HashMap | Hashtable | IdentityHashMap | ConcurrentHashMap | Properties | TreeMap)
}

const fn is_set(code: DsCode) -> bool {
    matches!(code, DsCode::HashSet | DsCode::LinkedHashSet | DsCode::TreeSet)
}

/// Looks through a map. A key that it has not gives null, as `Map.get` does.
fn in_map<'a>(code: DsCode, body: &'a [u8], key: &Datum<'_>, types: &Types<'_>) -> Result<Place<'a>> {
    let mut reader = Reader::new(body);
    let count = reader.array_length(FIELD)?.unwrap_or(0);
    if code == DsCode::TreeMap && count > 0 {
        // The comparator.
        take_object(&mut reader)?;
    }
    for _ in 0..count {
        let found = Place::of_object(take_object(&mut reader)?);
        let value = take_object(&mut reader)?;
        if found.datum(types).equals(key, types) {
            return Ok(Place::of_object(value));
        }
    }
    Ok(Place::Null)
}

/// Looks through a map that Java wrote by itself.
fn in_java_map<'a>(stream: &[u8], key: &Datum<'_>, types: &Types<'_>) -> Result<Place<'a>> {
    let entries = java_stream::map(stream)?;
    let is_key = |found: &[u8]| Place::of_object(found).datum(types).equals(key, types);
    Ok(match entries.into_iter().find(|(found, _)| is_key(found)) {
        Some((_, Some(value))) => Place::made(value),
        Some((_, None)) => Place::Undefined,
        None => Place::Null,
    })
}
