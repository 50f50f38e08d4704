//! References to Java classes (`DataSerializer.writeClass`).

use std::fmt;

use bytes::BufMut;

use super::{DsCode, JavaString, StrRef};
use crate::codec::Reader;
use crate::error::DecodeError;

/// A class as it stands in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassName<'a> {
    /// No class.
    Null,
    /// A primitive class, by its code: [`DsCode::BooleanType`] to [`DsCode::VoidType`].
    Primitive(DsCode),
    /// Any other class, by name, arrays by Java's internal one (`[Ljava.lang.String;`).
    Named(StrRef<'a>),
}

impl<'a> ClassName<'a> {
    /// Reads a class reference.
    ///
    /// # Errors
    /// If the bytes end or are no class reference.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let number = reader.u8("class reference")?;
        let code = DsCode::decode(number)?;
        match code {
            DsCode::Null => Ok(Self::Null),
            DsCode::Class => match StrRef::read(reader)? {
                Some(name) => Ok(Self::Named(name)),
                None => Ok(Self::Null),
            },
            _ if primitive_name(code).is_some() => Ok(Self::Primitive(code)),
            _ => Err(DecodeError::Invalid { field: "class reference", value: i64::from(number) }),
        }
    }
}

/// A class, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JavaClass {
    /// No class.
    Null,
    /// A primitive class, by its code: [`DsCode::BooleanType`] to [`DsCode::VoidType`].
    Primitive(DsCode),
    /// Any other class, by name.
    Named(JavaString),
}

impl JavaClass {
    /// `java.lang.Object`, the component of most arrays.
    #[must_use]
    pub fn object() -> Self {
        Self::Named("java.lang.Object".into())
    }

    /// Writes a class reference.
    pub fn put(&self, out: &mut impl BufMut) {
        match self {
            Self::Null => out.put_u8(DsCode::Null.to_wire()),
            Self::Primitive(code) => out.put_u8(code.to_wire()),
            Self::Named(name) => {
                out.put_u8(DsCode::Class.to_wire());
                name.put(out);
            }
        }
    }
}

impl TryFrom<ClassName<'_>> for JavaClass {
    type Error = DecodeError;

    fn try_from(class: ClassName<'_>) -> Result<Self, DecodeError> {
        Ok(match class {
            ClassName::Null => Self::Null,
            ClassName::Primitive(code) => Self::Primitive(code),
            ClassName::Named(name) => Self::Named(name.try_into()?),
        })
    }
}

impl fmt::Display for JavaClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Primitive(code) => f.write_str(primitive_name(*code).unwrap_or("?")),
            Self::Named(name) => name.fmt(f),
        }
    }
}

/// Java's word for a primitive class.
pub(super) const fn primitive_name(code: DsCode) -> Option<&'static str> {
    Some(match code {
        DsCode::BooleanType => "boolean",
        DsCode::CharacterType => "char",
        DsCode::ByteType => "byte",
        DsCode::ShortType => "short",
        DsCode::IntegerType => "int",
        DsCode::LongType => "long",
        DsCode::FloatType => "float",
        DsCode::DoubleType => "double",
        DsCode::VoidType => "void",
        _ => return None,
    })
}
