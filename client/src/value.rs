//! Keys and values on their way to the wire and back.

use druse_protocol::message::value::ValueRef;
use druse_protocol::value::Value;
pub use druse_protocol::value::typed::{FromValue, ToValue};

use crate::error::Error;
use crate::feed::RawValue;

/// A value ready for a part of a message.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    Null,
    /// A Java `byte[]`, which travels bare.
    Bytes(Vec<u8>),
    Object(Vec<u8>),
}

impl Stored {
    pub(crate) fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Bytes(bytes) => ValueRef::Bytes(bytes),
            Self::Object(bytes) => ValueRef::Object(bytes),
        }
    }
}

/// A key, as one serialized object.
pub(crate) fn encode_key<K: ToValue>(key: &K) -> Result<Vec<u8>, Error> {
    if key.is_null() {
        return Err(Error::Conversion { what: "key", problem: "null is no key".to_owned() });
    }
    let mut bytes = Vec::with_capacity(32);
    key.put_object(&mut bytes);
    Ok(bytes)
}

pub(crate) fn decode_key<K: FromValue>(bytes: &[u8]) -> Result<K, Error> {
    let value = Value::decode(bytes).map_err(Error::Malformed)?;
    K::from_value(value).map_err(|error| Error::Conversion { what: "key", problem: error.to_string() })
}

pub(crate) fn encode<V: ToValue + ?Sized>(value: &V) -> Stored {
    if value.is_null() {
        return Stored::Null;
    }
    if let Some(bytes) = value.as_byte_array() {
        return Stored::Bytes(bytes.to_vec());
    }
    let mut bytes = Vec::new();
    value.put_object(&mut bytes);
    Stored::Object(bytes)
}

/// A value out of an event or a snapshot.
pub(crate) fn decode_raw<V: FromValue>(value: Option<&RawValue>) -> Result<Option<V>, Error> {
    decode(value.map_or(ValueRef::Null, RawValue::as_ref))
}

/// `None` is no entry, or an entry without a value.
pub(crate) fn decode<V: FromValue>(value: ValueRef<'_>) -> Result<Option<V>, Error> {
    let value = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Object(bytes) => Value::decode(bytes).map_err(Error::Malformed)?,
    };
    let converted = V::from_value(value);
    converted.map(Some).map_err(|error| Error::Conversion { what: "value", problem: error.to_string() })
}
