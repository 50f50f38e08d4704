use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::error::DecodeError;
use crate::value::Value;
use crate::value::tests::{any_value, hex};

/// A type and an object that a 1.15.1 client wrote.
const PERSON_TYPE: &str =
    "2d 2b 570025 6f72672e6170616368652e67656f64652e7064782e696e7465726e616c2e50647854797065
    57000a 436c6924506572736f6e 00 00000000 00000002 06
    570003 616765  00000000 00000000 04 00000000 00000000 00
    570004 6e616d65 00000001 00000000 09 00000004 ffffffff 00
    570002 6964   00000002 00000000 05 fffffff8 00000001 01
    570004 63697479 00000003 00000001 09 00000000 00000001 00
    570003 636f6c  00000004 00000002 0a 00000000 00000002 00
    570004 666c6167 00000005 00000002 01 ffffffff ffffffff 00";
const PERSON: &str = "5d 00000023 00baed62
    0000001e 570003416e6e 0000000000000007 5700044f736c6f 5e00fd0096015c 09 19 12";

fn person() -> (PdxType, Vec<u8>) {
    PdxWriter::new("Cli$Person", false)
        .field("age", PdxFieldType::Int, &Value::Integer(30))
        .and_then(|writer| writer.field("name", PdxFieldType::String, &Value::String("Ann".into())))
        .and_then(|writer| writer.identity_field("id", PdxFieldType::Long, &Value::Long(7)))
        .and_then(|writer| writer.field("city", PdxFieldType::String, &Value::String("Oslo".into())))
        .and_then(|writer| {
            writer.field("col", PdxFieldType::Object, &Value::PdxEnum { system: 0, id: 0x96015c })
        })
        .and_then(|writer| writer.field("flag", PdxFieldType::Byte, &Value::Byte(9)))
        .unwrap()
        .finish()
}

#[test]
fn the_writer_writes_what_a_real_client_wrote() {
    let (pdx_type, data) = person();
    let mut out = Vec::new();
    pdx_type.encode(&mut out);
    assert_eq!(out, hex(PERSON_TYPE));
    assert_eq!(Value::Pdx { type_id: 0xbaed62, data }.to_bytes(), hex(PERSON));
    assert_eq!(crate::value::object_length(&out), Ok(out.len()), "a type can be skipped");
}

#[test]
fn fields_are_read_by_name() {
    let bytes = hex(PERSON);
    let object = PdxObject::decode(&bytes).unwrap().unwrap();
    let pdx_type = PdxType::decode(&hex(PERSON_TYPE)).unwrap();
    for (name, value) in [
        ("age", Value::Integer(30)),
        ("name", Value::String("Ann".into())),
        ("id", Value::Long(7)),
        ("city", Value::String("Oslo".into())),
        ("col", Value::PdxEnum { system: 0, id: 0x96015c }),
        ("flag", Value::Byte(9)),
    ] {
        assert_eq!(object.value_of(&pdx_type, name), Ok(Some(value)), "{name}");
    }
    assert_eq!(object.value_of(&pdx_type, "none"), Ok(None));
    let city = pdx_type.field("city").unwrap();
    assert_eq!(object.field_bytes(&pdx_type, city), Ok(&hex("5700044f736c6f")[..]));
    assert_eq!(PdxObject::decode(&[0x29]), Ok(None));
}

#[test]
fn types_are_the_same_whatever_their_number() {
    let (ours, _) = person();
    let mut theirs = ours.clone();
    theirs.id = 77;
    theirs.fields[0].is_identity = true;
    assert_eq!(ours, theirs);
    assert_eq!(ours.proposed_id(0), theirs.proposed_id(0));
    for change in [
        |pdx_type: &mut PdxType| pdx_type.class_name.push('x'),
        |pdx_type: &mut PdxType| pdx_type.no_domain_class = true,
        |pdx_type: &mut PdxType| pdx_type.fields.swap(0, 2),
        |pdx_type: &mut PdxType| pdx_type.fields[0].kind = PdxFieldType::Float,
        |pdx_type: &mut PdxType| pdx_type.fields[0].is_deleted = true,
    ] {
        let mut other = ours.clone();
        change(&mut other);
        assert_ne!(ours, other);
        assert_ne!(ours.proposed_id(0), other.proposed_id(0));
    }
}

#[test]
fn proposed_numbers_do_not_change_with_the_program() {
    // Clients keep these numbers beyond a restart of the node: a change here is a change of format.
    const PERSON_ID: i32 = 12_892_488;
    assert_eq!(person().0.proposed_id(0), PERSON_ID);
    assert_eq!(person().0.proposed_id(3), PERSON_ID | 3 << 24);
    assert_eq!(next_id(5), 6);
    assert_eq!(next_id(0x03ff_ffff), 0x0300_0001);
    assert_eq!(next_id(-1), 0xff00_0001_u32 as i32);
}

#[test]
fn enum_constants() {
    let bytes = hex("0109 570009 436c6924436f6c6f72 570004 424c5545 00000002");
    let info = EnumInfo::decode(&bytes).unwrap();
    assert_eq!((&info.class_name[..], &info.constant[..], info.ordinal), ("Cli$Color", "BLUE", 2));
    let mut out = Vec::new();
    info.encode(&mut out);
    assert_eq!(out, bytes);
    assert_eq!(info, EnumInfo { ordinal: 3, ..info.clone() });
    assert_ne!(info, EnumInfo { constant: "RED".into(), ..info.clone() });
    for end in 0..bytes.len() {
        assert!(EnumInfo::decode(&bytes[..end]).is_err());
    }
}

#[test]
fn nulls_and_wrong_values() {
    let (pdx_type, data) = PdxWriter::new("N", false)
        .field("s", PdxFieldType::String, &Value::Null)
        .and_then(|writer| writer.field("d", PdxFieldType::Date, &Value::Null))
        .and_then(|writer| writer.field("b", PdxFieldType::ByteArray, &Value::Null))
        .and_then(|writer| writer.field("o", PdxFieldType::ObjectArray, &Value::Null))
        .unwrap()
        .finish();
    let object = PdxObject { type_id: 1, data: &data };
    for field in &pdx_type.fields {
        assert_eq!(object.value(&pdx_type, field), Ok(Value::Null), "{}", field.name);
    }
    let wrong = PdxWriter::new("W", false).field("i", PdxFieldType::Int, &Value::Long(1));
    assert_eq!(wrong.unwrap_err(), FieldMismatch { name: "i".into(), kind: PdxFieldType::Int });
    assert!(PdxWriter::new("W", false).field("i", PdxFieldType::Int, &Value::Null).is_err());
}

#[test]
fn offsets_of_hostile_types_stay_inside() {
    let (pdx_type, data) = person();
    let object = PdxObject { type_id: 1, data: &data };
    for numbers in [i32::MIN, -36, -1, 1, 3, 36, i32::MAX] {
        for field in 0..pdx_type.fields.len() {
            for count in [0, 2, 35, u32::MAX] {
                let mut hostile = pdx_type.clone();
                hostile.offset_count = count;
                hostile.fields[field].relative_offset = numbers;
                hostile.fields[field].offset_index = numbers;
                let _ = object.value(&hostile, &hostile.fields[field]);
                let _ = object.field_bytes(&hostile, &hostile.fields[field]);
            }
        }
    }
    let empty = PdxObject { type_id: 1, data: &[] };
    assert!(matches!(
        empty.value_of(&pdx_type, "age"),
        Err(DecodeError::Truncated { field: "pdx offset table", .. })
    ));
}

fn kind_of(value: &Value) -> PdxFieldType {
    let code = value.to_bytes()[0];
    let matching =
        PdxFieldType::ALL.iter().find(|kind| kind.code().is_some_and(|known| known.to_wire() == code));
    matching.copied().unwrap_or(PdxFieldType::Object)
}

proptest! {
    #[test]
    fn every_field_is_found_again(values in vec(any_value(), 0..20), padding in 0_usize..70_000) {
        let mut writer = PdxWriter::new("P", true);
        for (index, value) in values.iter().enumerate() {
            writer = writer.field(&format!("f{index}"), kind_of(value), value).unwrap();
        }
        // The width of the table's entries depends on the length of the whole.
        writer = writer.field("padding", PdxFieldType::ByteArray, &Value::Bytes(vec![0; padding])).unwrap();
        let (pdx_type, data) = writer.field("last", PdxFieldType::Int, &Value::Integer(5)).unwrap().finish();
        let mut bytes = Vec::new();
        pdx_type.encode(&mut bytes);
        let decoded = PdxType::decode(&bytes).unwrap();
        prop_assert_eq!(&decoded.fields, &pdx_type.fields);
        let object = PdxObject { type_id: 1, data: &data };
        for (index, value) in values.iter().enumerate() {
            let expected = if *value == Value::Date(-1) { &Value::Null } else { value };
            prop_assert_eq!(object.value_of(&decoded, &format!("f{index}")), Ok(Some(expected.clone())));
        }
        prop_assert_eq!(object.value_of(&decoded, "last"), Ok(Some(Value::Integer(5))));
    }

    #[test]
    fn types_out_of_changed_bytes_are_survived(at in 0_usize..200, to in any::<u8>()) {
        let mut bytes = hex(PERSON_TYPE);
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(pdx_type) = PdxType::decode(&bytes) {
            let (_, data) = person();
            for field in &pdx_type.fields {
                let _ = PdxObject { type_id: 1, data: &data }.value(&pdx_type, field);
            }
        }
    }
}
