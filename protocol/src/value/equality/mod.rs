//! Whether two serialized values are equal, as Java's `equals` says: for compare-and-set.
//!
//! Equal values often have equal bytes, but not always: a `HashMap` comes in any order, an `ArrayList` equals a `LinkedList`
//! of the same elements, a text has four forms, and PDX objects of two versions of a class are equal if their identity
//! fields are. So both values are brought to one form, in which equal values have equal bytes, and those are compared.
//!
//! Where the bytes alone cannot tell, this errs on the side of "not equal" (a compare-and-set then fails and may be tried
//! again): Java-serialized objects, users' classes and identity maps are compared byte by byte. In one thing it is more
//! generous than Java: arrays inside of collections are compared by content, not by identity, which no copy of a value
//! could ever have.

use bytes::BufMut;

use crate::codec::Reader;
use crate::error::DecodeError;
use crate::value::encode::{double_bits, float_bits, put_byte_array};
use crate::value::pdx::{PdxField, PdxObject, PdxType, PdxTypes};
use crate::value::{DsCode, MAX_DEPTH, StrRef, key, put_str, skip};

type Result<T> = std::result::Result<T, DecodeError>;

const FIELD: &str = "value";

/// How much work a byte of a value may cost, beside [`FREE_WORK`]. The types of PDX objects are the peers' own and may let
/// many fields lie in one place, each with objects inside; well-formed values cost about one unit a byte and level.
const WORK_PER_BYTE: usize = 64;
const FREE_WORK: usize = 64 << 10;

/// Whether two serialized objects are equal. PDX objects are looked into as far as `types` knows theirs.
#[must_use]
pub fn equals(one: &[u8], other: &[u8], types: &dyn PdxTypes) -> bool {
    if one == other {
        return true;
    }
    match (form(one, types), form(other, types)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// The bytes that equal values have in common, for sets of values: good for comparing only.
///
/// # Errors
/// If the bytes are no object, or cannot be looked into; such objects equal only what has the same bytes.
pub fn form(bytes: &[u8], types: &dyn PdxTypes) -> Result<Vec<u8>> {
    let work = bytes.len().saturating_mul(WORK_PER_BYTE).saturating_add(FREE_WORK);
    let (mut reader, mut out) = (Reader::new(bytes), Vec::new());
    Former { types, work }.object(&mut reader, 0, &mut out)?;
    reader.finish(FIELD)?;
    Ok(out)
}

struct Former<'t> {
    types: &'t dyn PdxTypes,
    /// What may still be done.
    work: usize,
}

impl Former<'_> {
    fn object(&mut self, reader: &mut Reader<'_>, depth: usize, out: &mut Vec<u8>) -> Result<()> {
        if depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
        }
        let (begin, written) = (reader.clone(), out.len());
        let code = DsCode::decode(reader.u8("type code")?)?;
        if !self.body(code, reader, depth + 1, out)? {
            *reader = begin.clone();
            skip::object(reader, depth)?;
            out.put_slice(begin.rest().get(..begin.remaining() - reader.remaining()).unwrap_or_default());
        }
        self.spend(1 + out.len() - written)
    }

    /// Every byte written is paid for once by each object that holds it, as it is copied as often at most.
    fn spend(&mut self, work: usize) -> Result<()> {
        let too_large = DecodeError::TooLarge { field: FIELD, value: work as u64, limit: self.work as u64 };
        self.work = self.work.checked_sub(work).ok_or(too_large)?;
        Ok(())
    }

    /// Writes the form of what follows a code; `false` if that are the bytes as they stand.
    fn body(
        &mut self,
        code: DsCode,
        reader: &mut Reader<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        use DsCode as C;
        match code {
            _ if StrRef::is_string(code) => StrRef::read_after(code, reader)?.put_canonical(out)?,
            C::NullString => put_null(out),
            C::Boolean => out.put_slice(&[code.to_wire(), u8::from(reader.bool(FIELD)?)]),
            C::Float => put_float(reader, out)?,
            C::Double => put_double(reader, out)?,
            C::BigInteger => match reader.byte_array(FIELD)? {
                None => put_null(out),
                Some(bytes) => {
                    out.put_u8(code.to_wire());
                    put_byte_array(key::minimal(bytes), out);
                }
            },
            C::BigDecimal | C::File => put_text(code, reader, out)?,
            C::InlineEnum | C::GemfireEnum => {
                out.put_u8(C::InlineEnum.to_wire());
                put_string(reader, out)?;
                put_string(reader, out)?;
                if code == C::InlineEnum {
                    reader.array_length(FIELD)?;
                }
            }
            C::PdxEnum => return self.pdx_enum(reader, out),
            C::Pdx => return self.pdx(reader, depth, out),
            _ => return self.container(code, reader, depth, out),
        }
        Ok(true)
    }

    fn container(
        &mut self,
        code: DsCode,
        reader: &mut Reader<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        use DsCode as C;
        // All classes of one interface have one form.
        let (form, is_map, is_ordered) = match code {
            C::ArrayList | C::LinkedList | C::Vector | C::Stack => (C::ArrayList, false, true),
            C::HashSet | C::LinkedHashSet | C::TreeSet => (C::HashSet, false, false),
            C::HashMap | C::Hashtable | C::ConcurrentHashMap | C::Properties | C::TreeMap => {
                (C::HashMap, true, false)
            }
            C::ObjectArray | C::StringArray | C::ByteArrays => (C::ObjectArray, false, true),
            _ => return Ok(false),
        };
        let Some(count) = reader.array_length(FIELD)? else {
            put_null(out);
            return Ok(true);
        };
        match code {
            C::TreeSet | C::TreeMap => skip::object(reader, depth)?,
            C::ObjectArray => skip::class(reader)?,
            _ => {}
        }
        let mut elements = Vec::new();
        for _ in 0..count {
            let mut element = Vec::new();
            match code {
                C::StringArray => put_string(reader, &mut element)?,
                C::ByteArrays => put_bytes(reader, &mut element)?,
                _ => self.object(reader, depth, &mut element)?,
            }
            if is_map {
                self.object(reader, depth, &mut element)?;
            }
            self.spend(1)?;
            elements.push(element);
        }
        if !is_ordered {
            elements.sort_unstable();
        }
        out.put_u8(form.to_wire());
        out.put_u64(elements.len() as u64);
        elements.iter().for_each(|element| out.put_slice(element));
        Ok(true)
    }

    fn pdx_enum(&self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<bool> {
        let system = reader.u8(FIELD)?;
        let number = reader.array_length(FIELD)?.unwrap_or_default() as u32;
        let id = u32::from(system) << 24 | number;
        let Some(info) = self.types.pdx_enum(id as i32) else { return Ok(false) };
        out.put_u8(DsCode::InlineEnum.to_wire());
        put_str(&info.class_name, out);
        put_str(&info.constant, out);
        Ok(true)
    }

    /// The class and the identity fields by name. Fields that hold their default are left out: an object that lacks the
    /// field is equal to one that has nothing in it.
    fn pdx(&mut self, reader: &mut Reader<'_>, depth: usize, out: &mut Vec<u8>) -> Result<bool> {
        let object = PdxObject::read(reader)?;
        let Some(pdx_type) = self.types.pdx_type(object.type_id) else { return Ok(false) };
        let mut fields: Vec<_> = pdx_type.identity_fields().collect();
        fields.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        out.put_u8(DsCode::Pdx.to_wire());
        put_str(&pdx_type.class_name, out);
        for field in fields {
            let form = self.pdx_field(&object, &pdx_type, field, depth)?;
            self.spend(1)?;
            if !is_default(&form) {
                put_str(&field.name, out);
                out.put_slice(&form);
            }
        }
        // Ends the fields: no name begins like this.
        put_null(out);
        Ok(true)
    }

    fn pdx_field(
        &mut self,
        object: &PdxObject<'_>,
        pdx_type: &PdxType,
        field: &PdxField,
        depth: usize,
    ) -> Result<Vec<u8>> {
        let bytes = object.field_bytes(pdx_type, field)?;
        let mut whole = Vec::with_capacity(bytes.len() + 1);
        whole.extend(field.kind.code().map(DsCode::to_wire));
        whole.put_slice(bytes);
        self.spend(whole.len())?;
        let mut form = Vec::new();
        self.object(&mut Reader::new(&whole), depth, &mut form)?;
        Ok(form)
    }
}

fn put_null(out: &mut Vec<u8>) {
    out.put_u8(DsCode::Null.to_wire());
}

/// A string that may be null.
fn put_string(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    match StrRef::read(reader)? {
        Some(text) => text.put_canonical(out),
        None => {
            put_null(out);
            Ok(())
        }
    }
}

fn put_text(code: DsCode, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.put_u8(code.to_wire());
    put_string(reader, out)
}

fn put_bytes(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    match reader.byte_array(FIELD)? {
        Some(bytes) => {
            out.put_u8(DsCode::ByteArray.to_wire());
            put_byte_array(bytes, out);
        }
        None => put_null(out),
    }
    Ok(())
}

fn put_float(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.put_u8(DsCode::Float.to_wire());
    out.put_u32(float_bits(f32::from_bits(reader.u32(FIELD)?)));
    Ok(())
}

fn put_double(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.put_u8(DsCode::Double.to_wire());
    out.put_u64(double_bits(f64::from_bits(reader.u64(FIELD)?)));
    Ok(())
}

/// Whether a field's form is that of its default: null, or a number or character of zeros, or a date that is null.
fn is_default(form: &[u8]) -> bool {
    use DsCode as C;
    let Some((&code, rest)) = form.split_first() else { return true };
    match DsCode::from_wire(code) {
        Some(C::Null) => true,
        Some(C::Date) => rest == (-1_i64).to_be_bytes(),
        Some(
            C::Boolean | C::Byte | C::Character | C::Short | C::Integer | C::Long | C::Float | C::Double,
        ) => rest.iter().all(|&byte| byte == 0),
        // A null array has its field's code, and the mark for null.
        Some(
            C::BooleanArray
            | C::CharArray
            | C::ByteArray
            | C::ShortArray
            | C::IntArray
            | C::LongArray
            | C::FloatArray
            | C::DoubleArray,
        ) => rest == [0xff],
        _ => false,
    }
}

#[cfg(test)]
mod tests;
