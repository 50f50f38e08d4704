//! Rust types as values.
//!
//! | Rust | Java | on the wire |
//! |---|---|---|
//! | `String`, `&str` | `String` | 57, 2a, ... |
//! | `bool`, `i8` ... `i64`, `f32`, `f64` | `Boolean`, `Byte` ... `Double` | 35 ... 3c |
//! | `Vec<u8>`, `&[u8]`, `Bytes` | `byte[]` | as an entry's value: bare bytes; inside of others: 2e |
//! | `Vec<T>` | `ArrayList` | 41; reads any list, set or array |
//! | `HashMap<K, V>`, `BTreeMap<K, V>` | `HashMap` | 43; reads any map |
//! | `Option<T>` | `T`, or null | 29 |
//! | [`Uuid`] | `java.util.UUID` | 62 |
//! | [`Value`] | anything | |
//!
//! There is no `u8`, since Java has none, and so `Vec<u8>` can be a byte array while `Vec<i8>` is a list. Other types
//! implement the traits by way of one of these, or of [`Value::Pdx`].

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use bytes::{BufMut, Bytes};

use super::{DsCode, JavaString, MapKind, Value, put_array_length, put_str};

/// A Rust type that can be written as a key or value.
pub trait ToValue {
    /// Appends the serialized object.
    fn put_object(&self, out: &mut Vec<u8>);

    /// The bytes, if this is a Java `byte[]`: as the value of an entry it travels bare.
    fn as_byte_array(&self) -> Option<&[u8]> {
        None
    }

    /// Whether this is no object at all.
    fn is_null(&self) -> bool {
        false
    }
}

/// A Rust type that a value can be read as.
pub trait FromValue: Sized {
    /// Takes the value. A bare `byte[]` comes as [`Value::Bytes`], nothing as [`Value::Null`].
    ///
    /// # Errors
    /// If the value is of another type, or beyond this one's range.
    fn from_value(value: Value) -> Result<Self, TypeMismatch>;
}

/// A value that is not of the type asked for. The value itself is left out: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, the value is of another type")]
pub struct TypeMismatch {
    /// What was asked for.
    pub expected: &'static str,
}

/// `java.util.UUID`, most significant byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

impl ToValue for Value {
    fn put_object(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }

    fn as_byte_array(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self, TypeMismatch> {
        Ok(value)
    }
}

macro_rules! scalars {
    ($($type:ty => $variant:ident;)*) => {
        $(
            impl ToValue for $type {
                fn put_object(&self, out: &mut Vec<u8>) {
                    Value::$variant(*self).encode(out);
                }
            }

            impl FromValue for $type {
                fn from_value(value: Value) -> Result<Self, TypeMismatch> {
                    match value {
                        Value::$variant(value) => Ok(value),
                        _ => Err(TypeMismatch { expected: stringify!($type) }),
                    }
                }
            }
        )*
    };
}

scalars! {
    bool => Boolean;
    i8 => Byte;
    i16 => Short;
    i32 => Integer;
    i64 => Long;
    f32 => Float;
    f64 => Double;
}

impl ToValue for str {
    fn put_object(&self, out: &mut Vec<u8>) {
        put_str(self, out);
    }
}

impl ToValue for String {
    fn put_object(&self, out: &mut Vec<u8>) {
        put_str(self, out);
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self, TypeMismatch> {
        let mismatch = TypeMismatch { expected: "a text without lone surrogates" };
        match value {
            Value::String(text) => text.as_str().map(str::to_owned).ok_or(mismatch),
            _ => Err(mismatch),
        }
    }
}

impl ToValue for JavaString {
    fn put_object(&self, out: &mut Vec<u8>) {
        self.put(out);
    }
}

impl FromValue for JavaString {
    fn from_value(value: Value) -> Result<Self, TypeMismatch> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(TypeMismatch { expected: "text" }),
        }
    }
}

impl ToValue for Uuid {
    fn put_object(&self, out: &mut Vec<u8>) {
        Value::Uuid(self.0).encode(out);
    }
}

impl FromValue for Uuid {
    fn from_value(value: Value) -> Result<Self, TypeMismatch> {
        match value {
            Value::Uuid(bytes) => Ok(Self(bytes)),
            _ => Err(TypeMismatch { expected: "UUID" }),
        }
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn put_object(&self, out: &mut Vec<u8>) {
        (**self).put_object(out);
    }

    fn as_byte_array(&self) -> Option<&[u8]> {
        (**self).as_byte_array()
    }

    fn is_null(&self) -> bool {
        (**self).is_null()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn put_object(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.put_object(out),
            None => Value::Null.encode(out),
        }
    }

    fn as_byte_array(&self) -> Option<&[u8]> {
        self.as_ref()?.as_byte_array()
    }

    fn is_null(&self) -> bool {
        self.as_ref().is_none_or(ToValue::is_null)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self, TypeMismatch> {
        match value {
            Value::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

macro_rules! byte_arrays {
    ($($type:ty),*) => {
        $(
            impl ToValue for $type {
                fn put_object(&self, out: &mut Vec<u8>) {
                    out.put_u8(DsCode::ByteArray.to_wire());
                    super::put_byte_array(self, out);
                }

                fn as_byte_array(&self) -> Option<&[u8]> {
                    Some(self)
                }
            }
        )*
    };
}

byte_arrays!(Vec<u8>, [u8], Bytes);

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Result<Self, TypeMismatch> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(TypeMismatch { expected: "byte[]" }),
        }
    }
}

impl FromValue for Bytes {
    fn from_value(value: Value) -> Result<Self, TypeMismatch> {
        Vec::from_value(value).map(Self::from)
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn put_object(&self, out: &mut Vec<u8>) {
        self.as_slice().put_object(out);
    }
}

impl<T: ToValue> ToValue for [T] {
    fn put_object(&self, out: &mut Vec<u8>) {
        out.put_u8(DsCode::ArrayList.to_wire());
        put_array_length(Some(self.len()), out);
        self.iter().for_each(|element| element.put_object(out));
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Result<Self, TypeMismatch> {
        fn all<T: FromValue, S>(elements: Vec<S>, to_value: fn(S) -> Value) -> Result<Vec<T>, TypeMismatch> {
            elements.into_iter().map(|element| T::from_value(to_value(element))).collect()
        }
        match value {
            Value::List(_, elements) | Value::Set(_, elements) => all(elements, |element| element),
            Value::TreeSet { elements, .. } | Value::Objects { elements, .. } => {
                all(elements, |element| element)
            }
            Value::Strings(texts) => all(texts, |text| text.map_or(Value::Null, Value::String)),
            Value::ByteArrays(arrays) => all(arrays, |bytes| bytes.map_or(Value::Null, Value::Bytes)),
            Value::Booleans(values) => all(values, Value::Boolean),
            Value::Characters(units) => all(units, Value::Character),
            Value::Shorts(values) => all(values, Value::Short),
            Value::Integers(values) => all(values, Value::Integer),
            Value::Longs(values) => all(values, Value::Long),
            Value::Floats(values) => all(values, Value::Float),
            Value::Doubles(values) => all(values, Value::Double),
            _ => Err(TypeMismatch { expected: "a list, set or array" }),
        }
    }
}

fn put_map<'m, K, V>(entries: impl ExactSizeIterator<Item = (&'m K, &'m V)>, out: &mut Vec<u8>)
where
    K: ToValue + 'm,
    V: ToValue + 'm,
{
    out.put_u8(MapKind::HashMap.code().to_wire());
    put_array_length(Some(entries.len()), out);
    for (key, value) in entries {
        key.put_object(out);
        value.put_object(out);
    }
}

fn entries<K, V, M>(value: Value) -> Result<M, TypeMismatch>
where
    K: FromValue,
    V: FromValue,
    M: FromIterator<(K, V)>,
{
    match value {
        Value::Map(_, entries) | Value::TreeMap { entries, .. } => {
            entries.into_iter().map(|(key, value)| Ok((K::from_value(key)?, V::from_value(value)?))).collect()
        }
        _ => Err(TypeMismatch { expected: "a map" }),
    }
}

impl<K: ToValue, V: ToValue, S> ToValue for HashMap<K, V, S> {
    fn put_object(&self, out: &mut Vec<u8>) {
        put_map(self.iter(), out);
    }
}

impl<K: FromValue + Eq + Hash, V: FromValue, S: BuildHasher + Default> FromValue for HashMap<K, V, S> {
    fn from_value(value: Value) -> Result<Self, TypeMismatch> {
        entries(value)
    }
}

impl<K: ToValue, V: ToValue> ToValue for BTreeMap<K, V> {
    fn put_object(&self, out: &mut Vec<u8>) {
        put_map(self.iter(), out);
    }
}

impl<K: FromValue + Ord, V: FromValue> FromValue for BTreeMap<K, V> {
    fn from_value(value: Value) -> Result<Self, TypeMismatch> {
        entries(value)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::super::tests::hex;
    use super::*;

    fn both_ways<T: ToValue + FromValue + PartialEq + Debug>(value: &T, bytes: &str) {
        let mut out = Vec::new();
        value.put_object(&mut out);
        assert_eq!(out, hex(bytes), "{value:?}");
        assert_eq!(T::from_value(Value::decode(&out).unwrap()).as_ref(), Ok(value));
    }

    #[test]
    fn types_are_written_as_java_writes_them() {
        both_ways(&"a".to_owned(), "57000161");
        both_ways(&true, "3501");
        both_ways(&-1_i8, "37ff");
        both_ways(&1_i16, "380001");
        both_ways(&1_i32, "3900000001");
        both_ways(&1_i64, "3a0000000000000001");
        both_ways(&1.5_f32, "3b3fc00000");
        both_ways(&1.5_f64, "3c3ff8000000000000");
        both_ways(&vec![1_u8, 2], "2e020102");
        both_ways(&Bytes::from_static(&[1]), "2e0101");
        both_ways(&vec![Some(1_i32), None], "4102390000000129");
        both_ways(&BTreeMap::from([("a".to_owned(), 1_i32)]), "4301570001613900000001");
        both_ways(&HashMap::from([(1_i32, vec![7_u8])]), "430139000000012e0107");
        both_ways(&Uuid([1; 16]), "6201010101010101010101010101010101");
        both_ways(&None::<String>, "29");
    }

    #[test]
    fn only_byte_arrays_travel_bare() {
        assert_eq!(vec![1_u8].as_byte_array(), Some(&[1][..]));
        assert_eq!(Some(Bytes::new()).as_byte_array(), Some(&[][..]));
        assert_eq!(vec![1_i8].as_byte_array(), None);
        assert_eq!(Value::Bytes(vec![3]).as_byte_array(), Some(&[3][..]));
        assert!(None::<i32>.is_null() && Value::Null.is_null() && !Some(1).is_null());
    }

    #[test]
    fn arrays_and_sets_read_as_lists() {
        let read = |bytes: &str| Vec::<i32>::from_value(Value::decode(&hex(bytes)).unwrap());
        assert_eq!(read("30020000000100000002"), Ok(vec![1, 2]));
        assert_eq!(read("42013900000001"), Ok(vec![1]));
        assert!(read("420157000161").is_err());
        let texts = Vec::<Option<String>>::from_value(Value::decode(&hex("40025700016145")).unwrap());
        assert_eq!(texts, Ok(vec![Some("a".to_owned()), None]));
    }

    #[test]
    fn another_type_is_an_error_without_the_value_in_it() {
        let error = i32::from_value(Value::String("secret".into())).unwrap_err();
        assert_eq!(error.to_string(), "expected i32, the value is of another type");
        assert!(String::from_value(Value::String(JavaString::from_units(vec![0xd800]))).is_err());
        assert!(String::from_value(Value::Null).is_err());
    }
}
