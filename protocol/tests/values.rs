//! Every key and value that unmodified Java clients sent is understood, and written again byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use druse_protocol::codec::{MessageType, Part, PartKind};
use druse_protocol::value::pdx::{PdxObject, PdxType};
use druse_protocol::value::{DsCode, Value, key, object_length};
use support::{Capture, message};

/// The object parts of every PUT and its answer, of every GET and its answer.
fn objects(capture: &Capture) -> Vec<Vec<u8>> {
    let mut objects = Vec::new();
    for exchange in capture.exchanges() {
        let request = message(&exchange.request);
        if !matches!(request.kind(), Some(MessageType::Put | MessageType::Get)) {
            continue;
        }
        let reply = message(&exchange.reply);
        let parts = request.parts().chain(reply.parts());
        let is_object = |part: &Part<'_>| part.kind == PartKind::Object && !part.is_null();
        objects.extend(parts.filter(is_object).map(|part| part.bytes.to_vec()));
    }
    objects
}

#[test]
fn every_captured_object_is_understood() {
    let mut codes = BTreeSet::new();
    for capture in Capture::all() {
        for bytes in objects(&capture) {
            let value = Value::decode(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:02x?}"));
            assert_eq!(value.to_bytes(), bytes, "{value}");
            codes.insert(bytes[0]);
            match object_length(&bytes) {
                Ok(length) => assert_eq!(length, bytes.len(), "{value}"),
                Err(error) => assert!(matches!(value, Value::Opaque(_)), "{error}: {value}"),
            }
        }
    }
    for code in [DsCode::Serializable, DsCode::Pdx, DsCode::HashMap, DsCode::InlineEnum, DsCode::Uuid] {
        assert!(codes.contains(&code.to_wire()), "{code:?} is among {codes:02x?}");
    }
    assert!(codes.len() > 25, "{codes:02x?}");
}

#[test]
fn every_captured_key_is_canonical_already() {
    let mut count = 0;
    for version in ["1.14.4", "1.15.1"] {
        for exchange in Capture::read(&format!("values-{version}")).exchanges() {
            let request = message(&exchange.request);
            if request.kind() != Some(MessageType::Get) {
                continue;
            }
            let part = request.parts().nth(1).expect("a key");
            if part.kind == PartKind::Object {
                assert_eq!(key::canonical(part.bytes).as_deref(), Ok(part.bytes));
                count += 1;
            }
        }
    }
    assert!(count >= 14, "{count} keys that are no text");
}

#[test]
fn a_captured_pdx_object_is_read_by_its_captured_type() {
    for version in ["1.14.4", "1.15.1"] {
        let exchanges = Capture::read(&format!("values-{version}")).exchanges();
        let registration = |exchange: &support::Exchange| {
            let request = message(&exchange.request);
            let part =
                request.parts().next().filter(|_| request.kind() == Some(MessageType::GetPdxIdForType))?;
            let id = message(&exchange.reply).parts().next()?.as_i32()?;
            Some((id, part.bytes.to_vec()))
        };
        let (id, bytes) = exchanges.iter().find_map(registration).expect("a registration");
        let pdx_type = PdxType::decode(&bytes).unwrap();
        let mut again = Vec::new();
        pdx_type.encode(&mut again);
        assert_eq!(again, bytes);
        assert_eq!(object_length(&bytes), Ok(bytes.len()));

        let captures = [Capture::read(&format!("values-{version}"))];
        let objects: Vec<_> = captures.iter().flat_map(objects).collect();
        let person = objects.iter().find_map(|bytes| PdxObject::decode(bytes).unwrap()).expect("a person");
        assert_eq!(person.type_id, id);
        for field in ["name", "age", "score", "tags", "m", "next"] {
            let value = person.value_of(&pdx_type, field).unwrap();
            assert!(value.is_some(), "{field} of {:?}", pdx_type.fields);
        }
        assert!(matches!(person.value_of(&pdx_type, "age"), Ok(Some(Value::Integer(_)))));
        assert!(matches!(person.value_of(&pdx_type, "name"), Ok(Some(Value::String(_)))));
    }
}
