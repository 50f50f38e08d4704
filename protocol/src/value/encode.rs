//! [`Value`] to bytes, as a Java writer would.

use std::net::IpAddr;

use bytes::BufMut;

use super::{DsCode, JavaString, Value, length_i32, put_optional};

impl Value {
    /// Appends the value with its code.
    pub fn encode(&self, out: &mut impl BufMut) {
        match self {
            Self::Booleans(_) | Self::Characters(_) | Self::Bytes(_) | Self::Shorts(_) => {
                put_array(self, out)
            }
            Self::Integers(_) | Self::Longs(_) | Self::Floats(_) | Self::Doubles(_) => put_array(self, out),
            Self::Objects { .. } | Self::Strings(_) | Self::ByteArrays(_) => put_array(self, out),
            Self::List(..) | Self::Set(..) | Self::Map(..) => put_collection(self, out),
            Self::TreeSet { .. } | Self::TreeMap { .. } => put_collection(self, out),
            _ => put_scalar(self, out),
        }
    }

    /// The value with its code.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// Writes an array length (`InternalDataSerializer.writeArrayLength`); `None` is a null array.
pub fn put_array_length(length: Option<usize>, out: &mut impl BufMut) {
    match length {
        None => out.put_u8(0xff),
        Some(short @ 0..=252) => out.put_u8(short as u8),
        Some(middle @ 253..=0xffff) => {
            out.put_u8(0xfe);
            out.put_u16(middle as u16);
        }
        Some(long) => {
            out.put_u8(0xfd);
            out.put_i32(length_i32(long));
        }
    }
}

/// Writes a byte array without its code.
pub fn put_byte_array(bytes: &[u8], out: &mut impl BufMut) {
    put_array_length(Some(bytes.len()), out);
    out.put_slice(bytes);
}

fn put_code(code: DsCode, out: &mut impl BufMut) {
    out.put_u8(code.to_wire());
}

fn put_scalar(value: &Value, out: &mut impl BufMut) {
    match value {
        Value::Boolean(value) => put_fixed(DsCode::Boolean, &[u8::from(*value)], out),
        Value::Character(unit) => put_fixed(DsCode::Character, &unit.to_be_bytes(), out),
        Value::Byte(value) => put_fixed(DsCode::Byte, &value.to_be_bytes(), out),
        Value::Short(value) => put_fixed(DsCode::Short, &value.to_be_bytes(), out),
        Value::Integer(value) => put_fixed(DsCode::Integer, &value.to_be_bytes(), out),
        Value::Long(value) => put_fixed(DsCode::Long, &value.to_be_bytes(), out),
        Value::Float(value) => put_fixed(DsCode::Float, &float_bits(*value).to_be_bytes(), out),
        Value::Double(value) => put_fixed(DsCode::Double, &double_bits(*value).to_be_bytes(), out),
        Value::Date(millis) => put_fixed(DsCode::Date, &millis.to_be_bytes(), out),
        Value::Timestamp(millis) => put_fixed(DsCode::Timestamp, &millis.to_be_bytes(), out),
        Value::Uuid(bytes) => put_fixed(DsCode::Uuid, bytes, out),
        Value::TimeUnit(unit) => put_fixed(DsCode::TimeUnit, &unit.to_wire().to_be_bytes(), out),
        Value::String(text) => text.put(out),
        Value::BigDecimal(text) => put_text(DsCode::BigDecimal, text, out),
        Value::File(path) => put_text(DsCode::File, path, out),
        Value::BigInteger(bytes) => {
            put_code(DsCode::BigInteger, out);
            put_byte_array(bytes, out);
        }
        Value::InetAddress(address) => {
            put_code(DsCode::InetAddress, out);
            match address {
                IpAddr::V4(address) => put_byte_array(&address.octets(), out),
                IpAddr::V6(address) => put_byte_array(&address.octets(), out),
            }
        }
        Value::Pdx { type_id, data } => {
            put_code(DsCode::Pdx, out);
            out.put_i32(length_i32(data.len()));
            out.put_i32(*type_id);
            out.put_slice(data);
        }
        Value::Java { stream, .. } => put_fixed(DsCode::Serializable, stream, out),
        Value::Geode(bytes) | Value::Opaque(bytes) => out.put_slice(bytes),
        Value::Wildcard => put_code(DsCode::Wildcard, out),
        _ => put_name(value, out),
    }
}

/// Classes and enum constants.
fn put_name(value: &Value, out: &mut impl BufMut) {
    match value {
        // A primitive class is written as its code alone.
        Value::Class(super::JavaClass::Primitive(code)) => put_code(*code, out),
        Value::Class(class) => {
            put_code(DsCode::Class, out);
            class.put(out);
        }
        Value::Enum { geode, class, constant, ordinal } => {
            put_code(if *geode { DsCode::GemfireEnum } else { DsCode::InlineEnum }, out);
            class.put(out);
            constant.put(out);
            if !geode {
                put_array_length(Some(*ordinal as usize), out);
            }
        }
        Value::PdxEnum { system, id } => {
            put_fixed(DsCode::PdxEnum, &[*system], out);
            put_array_length(Some(*id as usize), out);
        }
        _ => put_code(DsCode::Null, out),
    }
}

fn put_fixed(code: DsCode, bytes: &[u8], out: &mut impl BufMut) {
    put_code(code, out);
    out.put_slice(bytes);
}

fn put_text(code: DsCode, text: &JavaString, out: &mut impl BufMut) {
    put_code(code, out);
    text.put(out);
}

/// A float's bits, all that are no number alike, as `Float.floatToIntBits`.
pub(super) const fn float_bits(value: f32) -> u32 {
    if value.is_nan() { 0x7fc0_0000 } else { value.to_bits() }
}

/// A double's bits, all that are no number alike, as `Double.doubleToLongBits`.
pub(super) const fn double_bits(value: f64) -> u64 {
    if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() }
}

fn put_array(array: &Value, out: &mut impl BufMut) {
    fn put<B: BufMut, T>(code: DsCode, elements: &[T], out: &mut B, mut element: impl FnMut(&T, &mut B)) {
        put_code(code, out);
        put_array_length(Some(elements.len()), out);
        elements.iter().for_each(|value| element(value, out));
    }
    match array {
        Value::Booleans(values) => put(DsCode::BooleanArray, values, out, |&v, out| out.put_u8(v.into())),
        Value::Characters(values) => put(DsCode::CharArray, values, out, |&v, out| out.put_u16(v)),
        Value::Shorts(values) => put(DsCode::ShortArray, values, out, |&v, out| out.put_i16(v)),
        Value::Integers(values) => put(DsCode::IntArray, values, out, |&v, out| out.put_i32(v)),
        Value::Longs(values) => put(DsCode::LongArray, values, out, |&v, out| out.put_i64(v)),
        Value::Floats(values) => put(DsCode::FloatArray, values, out, |&v, out| out.put_u32(float_bits(v))),
        Value::Doubles(values) => {
            put(DsCode::DoubleArray, values, out, |&v, out| out.put_u64(double_bits(v)))
        }
        Value::Strings(values) => {
            put(DsCode::StringArray, values, out, |text, out| put_optional(text.as_ref(), out));
        }
        Value::ByteArrays(values) => put(DsCode::ByteArrays, values, out, |bytes, out| match bytes {
            Some(bytes) => put_byte_array(bytes, out),
            None => put_array_length(None, out),
        }),
        Value::Objects { component, elements } => {
            put_code(DsCode::ObjectArray, out);
            put_array_length(Some(elements.len()), out);
            component.put(out);
            elements.iter().for_each(|element| element.encode(out));
        }
        Value::Bytes(bytes) => {
            put_code(DsCode::ByteArray, out);
            put_byte_array(bytes, out);
        }
        _ => put_code(DsCode::Null, out),
    }
}

fn put_collection(collection: &Value, out: &mut impl BufMut) {
    let (code, count, comparator) = match collection {
        Value::List(kind, elements) => (kind.code(), elements.len(), None),
        Value::Set(kind, elements) => (kind.code(), elements.len(), None),
        Value::Map(kind, entries) => (kind.code(), entries.len(), None),
        Value::TreeSet { comparator, elements } => (DsCode::TreeSet, elements.len(), Some(comparator)),
        Value::TreeMap { comparator, entries } => (DsCode::TreeMap, entries.len(), Some(comparator)),
        _ => return put_code(DsCode::Null, out),
    };
    put_code(code, out);
    put_array_length(Some(count), out);
    if let Some(comparator) = comparator {
        comparator.encode(out);
    }
    match collection {
        Value::List(_, elements) | Value::Set(_, elements) | Value::TreeSet { elements, .. } => {
            elements.iter().for_each(|element| element.encode(out));
        }
        Value::Map(_, entries) | Value::TreeMap { entries, .. } => {
            for (key, value) in entries {
                key.encode(out);
                value.encode(out);
            }
        }
        _ => {}
    }
}
