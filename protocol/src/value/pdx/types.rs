//! What is registered: types, their fields, enum constants.

use std::hash::{Hash, Hasher};

use bytes::BufMut;

use crate::codec::Reader;
use crate::error::DecodeError;
use crate::value::fixed::PDX_TYPE_CLASS;
use crate::value::{ClassName, DsCode, JavaClass, StrRef, length_i32, put_array_length, put_str};

type Result<T> = std::result::Result<T, DecodeError>;

const FIELD: &str = "pdx type";
const ENUM_INFO_ID: u8 = 9;

/// Numbers of types and constants have 24 bits; the upper byte is the distributed system's.
const ID_MASK: u32 = 0x00ff_ffff;

/// The shape of one version of one class.
///
/// Equality and hash are the registry's: types are the same if class, fields with their types and order, and the mark of
/// missing domain class agree. Number and identity marks do not count.
#[derive(Debug, Clone)]
pub struct PdxType {
    /// The class, or `__GEMFIRE_JSON` for documents.
    pub class_name: String,
    /// Whether there is no such class, so that readers must not look for one.
    pub no_domain_class: bool,
    /// Whether fields of older versions take up space still.
    pub has_deleted_fields: bool,
    /// The registration, 0 before.
    pub id: i32,
    /// How many entries the offset table of an object has: one for each variable-length field but the first.
    pub offset_count: u32,
    /// The fields, in the order in which they are written.
    pub fields: Vec<PdxField>,
}

/// One field of a type. For what the three numbers mean together see [`super::PdxObject::field_bytes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PdxField {
    /// The field's name.
    pub name: String,
    /// The field's place among all fields, from 0.
    pub index: i32,
    /// The field's place among those of variable length.
    pub variable_index: i32,
    /// What it holds.
    pub kind: PdxFieldType,
    /// Distance in bytes from where `offset_index` points.
    pub relative_offset: i32,
    /// Entry of the offset table, from 1, or a mark.
    pub offset_index: i32,
    /// Whether the field takes part in equality.
    pub is_identity: bool,
    /// Whether the class no longer has it.
    pub is_deleted: bool,
}

macro_rules! field_types {
    ($($name:ident = $number:literal, $code:expr;)*) => {
        /// What a field holds. The discriminant is the number on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "Java's types, by their names")]
        pub enum PdxFieldType {
            $($name = $number,)*
        }

        impl PdxFieldType {
            /// Every type, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            const fn from_wire(number: usize) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The code that would stand in front of the field's bytes, were it an object by itself. `None` where the code
            /// is there.
            #[must_use]
            pub const fn code(self) -> Option<DsCode> {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

field_types! {
    Boolean = 0, Some(DsCode::Boolean);
    Byte = 1, Some(DsCode::Byte);
    Char = 2, Some(DsCode::Character);
    Short = 3, Some(DsCode::Short);
    Int = 4, Some(DsCode::Integer);
    Long = 5, Some(DsCode::Long);
    Float = 6, Some(DsCode::Float);
    Double = 7, Some(DsCode::Double);
    Date = 8, Some(DsCode::Date);
    String = 9, None;
    Object = 10, None;
    BooleanArray = 11, Some(DsCode::BooleanArray);
    CharArray = 12, Some(DsCode::CharArray);
    ByteArray = 13, Some(DsCode::ByteArray);
    ShortArray = 14, Some(DsCode::ShortArray);
    IntArray = 15, Some(DsCode::IntArray);
    LongArray = 16, Some(DsCode::LongArray);
    FloatArray = 17, Some(DsCode::FloatArray);
    DoubleArray = 18, Some(DsCode::DoubleArray);
    StringArray = 19, Some(DsCode::StringArray);
    ObjectArray = 20, Some(DsCode::ObjectArray);
    ByteArrays = 21, Some(DsCode::ByteArrays);
}

impl PdxFieldType {
    /// The field's size in bytes, if it is the same in every object.
    #[must_use]
    pub const fn fixed_size(self) -> Option<usize> {
        match self {
            Self::Boolean | Self::Byte => Some(1),
            Self::Char | Self::Short => Some(2),
            Self::Int | Self::Float => Some(4),
            Self::Long | Self::Double | Self::Date => Some(8),
            _ => None,
        }
    }
}

impl PdxType {
    /// Reads a type that fills `bytes`, as registrations hold it.
    ///
    /// # Errors
    /// If the bytes are no PDX type.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let code = reader.u8(FIELD)?;
        if code != DsCode::DataSerializable.to_wire() {
            return Err(DecodeError::Invalid { field: FIELD, value: i64::from(code) });
        }
        match ClassName::read(&mut reader)? {
            ClassName::Named(StrRef::Latin1(name)) if name == PDX_TYPE_CLASS.as_bytes() => {}
            _ => return Err(DecodeError::BadText { field: "class of a pdx type" }),
        }
        let decoded = Self::read_body(&mut reader)?;
        reader.finish(FIELD)?;
        Ok(decoded)
    }

    fn read_body(reader: &mut Reader<'_>) -> Result<Self> {
        let class_name = text(reader)?;
        let flags = reader.u8(FIELD)?;
        let id = reader.i32(FIELD)?;
        let offset_count = reader.length(usize::MAX, "pdx offset count")? as u32;
        let count = reader.array_length(FIELD)?.unwrap_or(0);
        let fields = (0..count).map(|_| PdxField::read(reader)).collect::<Result<_>>()?;
        Ok(Self {
            class_name,
            no_domain_class: flags & 0x01 != 0,
            has_deleted_fields: flags & 0x02 != 0,
            id,
            offset_count,
            fields,
        })
    }

    /// Appends the type as an object.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(DsCode::DataSerializable.to_wire());
        JavaClass::Named(PDX_TYPE_CLASS.into()).put(out);
        put_str(&self.class_name, out);
        out.put_u8(u8::from(self.no_domain_class) | u8::from(self.has_deleted_fields) << 1);
        out.put_i32(self.id);
        out.put_u32(self.offset_count);
        put_array_length(Some(self.fields.len()), out);
        self.fields.iter().for_each(|field| field.put(out));
    }

    /// The field of that name that the class still has.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&PdxField> {
        self.fields.iter().find(|field| field.name == name && !field.is_deleted)
    }

    /// The fields that equality compares: those marked, or all if none is.
    pub fn identity_fields(&self) -> impl Iterator<Item = &PdxField> {
        let marked = self.fields.iter().any(|field| field.is_identity && !field.is_deleted);
        self.fields.iter().filter(move |field| !field.is_deleted && (field.is_identity || !marked))
    }

    /// The number to register the type under, if it is free: the same in every process that sees this type, so that a
    /// registry which forgets and learns again strands no client. If taken, try [`next_id`].
    #[must_use]
    pub fn proposed_id(&self, system: u8) -> i32 {
        let mut content = Vec::new();
        put_str(&self.class_name, &mut content);
        content.put_u8(u8::from(self.no_domain_class));
        content.put_u32(self.offset_count);
        for (name, kind, is_deleted) in self.fields.iter().map(PdxField::registered) {
            put_str(name, &mut content);
            content.put_slice(&[kind as u8, u8::from(is_deleted)]);
        }
        proposed_id(&content, system)
    }
}

impl PartialEq for PdxType {
    fn eq(&self, other: &Self) -> bool {
        let fields = |of: &Self| of.fields.len();
        self.class_name == other.class_name
            && self.no_domain_class == other.no_domain_class
            && self.offset_count == other.offset_count
            && fields(self) == fields(other)
            && self
                .fields
                .iter()
                .zip(&other.fields)
                .all(|(ours, theirs)| ours.registered() == theirs.registered())
    }
}

impl Eq for PdxType {}

impl Hash for PdxType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.class_name.hash(state);
        self.no_domain_class.hash(state);
        self.offset_count.hash(state);
        self.fields.iter().for_each(|field| field.registered().hash(state));
    }
}

impl PdxField {
    /// What makes two fields the same to the registry.
    fn registered(&self) -> (&str, PdxFieldType, bool) {
        (&self.name, self.kind, self.is_deleted)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (name, index, variable_index) = (text(reader)?, reader.i32(FIELD)?, reader.i32(FIELD)?);
        let number = reader.array_length("pdx field type")?.unwrap_or(usize::MAX);
        let kind = PdxFieldType::from_wire(number)
            .ok_or(DecodeError::Invalid { field: "pdx field type", value: number as i64 })?;
        let (relative_offset, offset_index) = (reader.i32(FIELD)?, reader.i32(FIELD)?);
        let flags = reader.u8(FIELD)?;
        let (is_identity, is_deleted) = (flags & 0x01 != 0, flags & 0x02 != 0);
        Ok(Self { name, index, variable_index, kind, relative_offset, offset_index, is_identity, is_deleted })
    }

    fn put(&self, out: &mut impl BufMut) {
        put_str(&self.name, out);
        out.put_i32(self.index);
        out.put_i32(self.variable_index);
        put_array_length(Some(self.kind as usize), out);
        out.put_i32(self.relative_offset);
        out.put_i32(self.offset_index);
        out.put_u8(u8::from(self.is_identity) | u8::from(self.is_deleted) << 1);
    }
}

/// An enum constant, as it is registered. Equality is the registry's: the ordinal does not count.
#[derive(Debug, Clone)]
pub struct EnumInfo {
    /// The class.
    pub class_name: String,
    /// The constant's name.
    pub constant: String,
    /// The constant's place in its class.
    pub ordinal: i32,
}

impl EnumInfo {
    /// Reads a constant that fills `bytes`, as registrations hold it.
    ///
    /// # Errors
    /// If the bytes are no such constant.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let head: [u8; 2] = reader.array("enum constant")?;
        if head != [DsCode::FixedId1.to_wire(), ENUM_INFO_ID] {
            return Err(DecodeError::Invalid { field: "enum constant", value: i64::from(head[1]) });
        }
        let (class_name, constant) = (text(&mut reader)?, text(&mut reader)?);
        let ordinal = reader.i32("enum constant")?;
        reader.finish("enum constant")?;
        Ok(Self { class_name, constant, ordinal })
    }

    /// Appends the constant as an object.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&[DsCode::FixedId1.to_wire(), ENUM_INFO_ID]);
        put_str(&self.class_name, out);
        put_str(&self.constant, out);
        out.put_i32(self.ordinal);
    }

    /// As [`PdxType::proposed_id`].
    #[must_use]
    pub fn proposed_id(&self, system: u8) -> i32 {
        let mut content = Vec::new();
        put_str(&self.class_name, &mut content);
        put_str(&self.constant, &mut content);
        proposed_id(&content, system)
    }
}

impl PartialEq for EnumInfo {
    fn eq(&self, other: &Self) -> bool {
        self.class_name == other.class_name && self.constant == other.constant
    }
}

impl Eq for EnumInfo {}

impl Hash for EnumInfo {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.class_name.hash(state);
        self.constant.hash(state);
    }
}

/// The number after this one within the same distributed system, round and round, without the forbidden 0.
#[must_use]
pub const fn next_id(id: i32) -> i32 {
    let (system, number) = (id as u32 & !ID_MASK, id as u32 & ID_MASK);
    let next = if number == ID_MASK { 1 } else { number + 1 };
    (system | next) as i32
}

/// FNV-1a over what equality compares, written out: the number has to be the same tomorrow and elsewhere, which
/// [`std::hash`] does not promise.
fn proposed_id(content: &[u8], system: u8) -> i32 {
    let hash = content.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let number = (hash ^ hash >> 24 ^ hash >> 48) as u32 & ID_MASK;
    (u32::from(system) << 24 | number.max(1)) as i32
}

fn text(reader: &mut Reader<'_>) -> Result<String> {
    let bad = DecodeError::BadText { field: FIELD };
    // A name with a lone surrogate could not be told from another such name.
    String::from_utf16(&StrRef::read(reader)?.ok_or(bad)?.units()?).map_err(|_| bad)
}

/// The width in bytes of an entry of the offset table, for an object of that length.
pub(super) fn offset_width(length: usize) -> usize {
    match length_i32(length) {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}
