use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::error::DecodeError;

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

fn named(name: &str) -> JavaClass {
    JavaClass::Named(name.into())
}

fn k1() -> Vec<(Value, Value)> {
    vec![(text("k"), Value::Integer(1))]
}

/// What a 1.15.1 client wrote and read back, code by code, and what it stands for.
fn samples() -> Vec<(&'static str, Value)> {
    use Value as V;
    let list = |kind| V::List(kind, vec![text("a")]);
    vec![
        ("011f", V::Geode(vec![1, 0x1f])),
        ("02008d", V::Geode(vec![2, 0, 0x8d])),
        ("0a0157000161", list(ListKind::LinkedList)),
        ("0b015700016b57000176", V::Map(MapKind::Properties, vec![(text("k"), text("v"))])),
        ("15", V::Class(JavaClass::Primitive(DsCode::IntegerType))),
        ("19", V::Class(JavaClass::Primitive(DsCode::VoidType))),
        ("1a020100", V::Booleans(vec![true, false])),
        ("1b0200410042", V::Characters(vec![0x41, 0x42])),
        ("274d00000005", V::Opaque(hex("274d00000005"))),
        ("29", V::Null),
        ("2a0002c3a9", text("é")),
        ("2b2b5700106a6176612e6c616e672e537472696e67", V::Class(named("java.lang.String"))),
        ("2d2b570005487824445300000007", V::Opaque(hex("2d2b570005487824445300000007"))),
        ("2e03010203", V::Bytes(vec![1, 2, 3])),
        ("2e00", V::Bytes(vec![])),
        ("2f010001", V::Shorts(vec![1])),
        ("30020000000100000002", V::Integers(vec![1, 2])),
        ("31010000000000000001", V::Longs(vec![1])),
        ("32013f800000", V::Floats(vec![1.0])),
        ("33013ff0000000000000", V::Doubles(vec![1.0])),
        (
            "34032b5700106a6176612e6c616e672e4f626a656374 57000161 3900000001 29",
            V::Objects { component: JavaClass::object(), elements: vec![text("a"), V::Integer(1), V::Null] },
        ),
        (
            "34012b5700025b49 3001 00000001",
            V::Objects { component: named("[I"), elements: vec![V::Integers(vec![1])] },
        ),
        ("3501", V::Boolean(true)),
        ("360041", V::Character(0x41)),
        ("37ff", V::Byte(-1)),
        ("380102", V::Short(0x102)),
        ("390000002a", V::Integer(42)),
        ("3a000000000000002a", V::Long(42)),
        ("3b3fc00000", V::Float(1.5)),
        ("3c3ff8000000000000", V::Double(1.5)),
        ("3c8000000000000000", V::Double(-0.0)),
        ("3d0000000000000001", V::Date(1)),
        ("3e047f000001", V::InetAddress(IpAddr::from([127, 0, 0, 1]))),
        ("3f5700022f78", V::File("/x".into())),
        ("4003570001614 5 2a0002c3a9", V::Strings(vec![Some("a".into()), None, Some("é".into())])),
        ("4103570001613900000001 29", V::List(ListKind::ArrayList, vec![text("a"), V::Integer(1), V::Null])),
        ("420157000161", V::Set(SetKind::HashSet, vec![text("a")])),
        ("43015700016b3900000001", V::Map(MapKind::HashMap, k1())),
        ("44fc", V::TimeUnit(TimeUnit::Seconds)),
        ("46015700016b3900000001", V::Map(MapKind::Hashtable, k1())),
        ("470157000161", list(ListKind::Vector)),
        ("48015700016b3900000001", V::Map(MapKind::IdentityHashMap, k1())),
        ("490157000161", V::Set(SetKind::LinkedHashSet, vec![text("a")])),
        ("4a0157000161", list(ListKind::Stack)),
        ("4b01295700016b3900000001", V::TreeMap { comparator: V::Null.into(), entries: k1() }),
        ("4c012957000161", V::TreeSet { comparator: V::Null.into(), elements: vec![text("a")] }),
        ("570003616263", text("abc")),
        ("570000", text("")),
        ("5b020101020203", V::ByteArrays(vec![Some(vec![1]), Some(vec![2, 3])])),
        (
            "5d00000017 00dbcaba 0157000178 0a0237013702 5d000000010037baac01 0b05",
            V::Pdx { type_id: 0xdbcaba, data: hex("0157000178 0a0237013702 5d000000010037baac01 0b05") },
        ),
        ("5e00fd0096015c", V::PdxEnum { system: 0, id: 0x96015c }),
        ("5f02012c", V::BigInteger(vec![1, 0x2c])),
        ("5f01ff", V::BigInteger(vec![0xff])),
        ("60570004312e3530", V::BigDecimal("1.50".into())),
        ("6057000431452b33", V::BigDecimal("1E+3".into())),
        ("61015700016b3900000001", V::Map(MapKind::ConcurrentHashMap, k1())),
        ("6200000000000000010000000000000002", V::Uuid([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2])),
        ("630000000000000001", V::Timestamp(1)),
        (
            "65570006487824436f6c57000352454400",
            V::Enum { geode: false, class: "Hx$Col".into(), constant: "RED".into(), ordinal: 0 },
        ),
        (
            "64570006487824436f6c570003524544",
            V::Enum { geode: true, class: "Hx$Col".into(), constant: "RED".into(), ordinal: 0 },
        ),
        ("66", V::Wildcard),
        (
            "2c aced0005 73 72 0005 4878245352 0000000000000001 02 0001 49 0001 76 78 70 00000007",
            V::Java {
                class: "Hx$SR".into(),
                stream: hex(
                    "aced0005 73 72 0005 4878245352 0000000000000001 02 0001 49 0001 76 78 70 00000007",
                ),
            },
        ),
    ]
}

fn is_opaque(value: &Value) -> bool {
    matches!(value, Value::Opaque(_))
}

#[test]
fn the_samples_of_a_real_client_both_ways() {
    for (bytes, value) in samples() {
        let bytes = hex(bytes);
        assert_eq!(Value::decode(&bytes), Ok(value.clone()), "{bytes:02x?}");
        assert_eq!(value.to_bytes(), bytes, "{value}");
        if !is_opaque(&value) {
            assert_eq!(object_length(&bytes), Ok(bytes.len()), "{value}");
        }
    }
}

#[test]
fn every_code_has_a_sample_or_is_opaque() {
    let sampled: Vec<u8> = samples().iter().map(|(bytes, _)| hex(bytes)[0]).collect();
    let left: Vec<DsCode> =
        DsCode::ALL.iter().copied().filter(|code| !sampled.contains(&code.to_wire())).collect();
    for code in left {
        let skipped = object_length(&[&[code.to_wire()][..], &[0; 64]].concat());
        match code {
            DsCode::FixedId4 | DsCode::NoFixedId | DsCode::UserClass | DsCode::UserClass2 => {
                assert_eq!(skipped, Err(DecodeError::Opaque { code: code.to_wire() }));
            }
            DsCode::UserClass4 | DsCode::UserDataSerializable2 | DsCode::UserDataSerializable4 => {
                assert_eq!(skipped, Err(DecodeError::Opaque { code: code.to_wire() }));
            }
            _ => assert!(skipped.is_ok(), "{code:?}"),
        }
    }
}

#[test]
fn byte_arrays_around_the_limits_of_their_lengths() {
    for (size, head) in [(252, "2efc"), (253, "2efe00fd"), (65535, "2efeffff"), (70000, "2efd00011170")] {
        let bytes = [hex(head), vec![7; size]].concat();
        assert_eq!(Value::Bytes(vec![7; size]).to_bytes(), bytes);
        assert_eq!(Value::decode(&bytes), Ok(Value::Bytes(vec![7; size])));
    }
}

#[test]
fn what_java_reads_as_null() {
    for bytes in ["45", "2eff", "41ff", "43ff", "4bff", "4cff", "34ff", "40ff", "5bff", "3f45", "5fff"] {
        assert_eq!(Value::decode(&hex(bytes)), Ok(Value::Null), "{bytes}");
        assert_eq!(object_length(&hex(bytes)), Ok(hex(bytes).len()), "{bytes}");
    }
}

#[test]
fn geode_objects_are_skipped() {
    let client = "01264b 015c04c000020200009e685700093139322e302e322e320900000000000042d10d00\
                  57000057000836373831636330385700000000012cff00960000000000000000000000000000000000 00000001";
    for bytes in [
        client,
        "01 5c | 04 c0000202 | 0000b6ee | 57 0009 3139322e302e322e32 | 09 | 00000000 | 00003c54 | 0d | 00 | 57 0000 |
         57 0008 3638386561353038 | 57 0000 | 0000012c | ff0096 | 00000000000000000000000000000000 | 00",
        "0109 570009 436c6924436f6c6f72 570004 424c5545 00000002",
        "0188 | 0004 | 0000 | ff | 0001 | 00000001 | b9e3fec4a034",
        "020853 | 0005 | 0000 | ff | 0001 | 00000001 | b9e3fec4a034 | 00000000000000010000000000000002",
        "0188 | 0005 | 0000 | ff | 0001 | 00000001 | b9e3fec4a034 | 04 7f000001 0000a02a 07 0a 570001 30 570004 73727631",
        "0107 02 01 03 29",
        "0107 0e 01 03 29 01 00",
        "0107 0c 01 01 0004 0000 ff 0001 00000015 aee480c5a034",
        "0124 | 16 047f0000010000a02b070a57000130570004 73727631 | 07 02000f0aab 0000 | ffffffff | 00",
        "01c52b5700146a6176612e7574696c2e436f6c6c656374696f6e01c32b5700106a6176612e6c616e672e4f626a656374",
        "0119 00 00000001 00 57000161",
    ] {
        let mut bytes = hex(bytes);
        let size = bytes.len();
        bytes.extend([0x29; 20]);
        assert_eq!(object_length(&bytes), Ok(size), "{bytes:02x?}");
        for end in 0..size {
            assert!(object_length(&bytes[..end]).is_err(), "{bytes:02x?} cut at {end}");
        }
    }
}

#[test]
fn users_objects_inside_others_cannot_be_delimited() {
    let bytes = hex("4102 274d00000005 57000161");
    assert_eq!(object_length(&bytes), Err(DecodeError::Opaque { code: 0x27 }));
    assert_eq!(Value::decode(&bytes), Err(DecodeError::Opaque { code: 0x27 }));
    assert_eq!(Value::decode(&hex("010102")), Ok(Value::Opaque(hex("010102"))), "Geode's, but unknown to us");
}

#[test]
fn malformed_values() {
    for bytes in [
        "",
        "00",
        "7f",
        "3900000001ff",
        "3e03010203",
        "4405",
        "41fd7fffffff29",
        "2efd7fffffff",
        "5dffffffff00000001",
    ] {
        assert!(Value::decode(&hex(bytes)).is_err(), "{bytes}");
    }
    assert_eq!(object_length(&[0x2d, 0x29]), Err(DecodeError::Opaque { code: 0x2d }));
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| [vec![[0x41, 1]; levels].concat(), vec![0x29]].concat();
    assert_eq!(object_length(&nested(MAX_DEPTH - 1)), Ok(2 * MAX_DEPTH - 1));
    assert!(Value::decode(&nested(MAX_DEPTH - 1)).is_ok());
    let too_deep = Err(DecodeError::TooDeep { limit: MAX_DEPTH });
    assert_eq!(object_length(&nested(MAX_DEPTH)), too_deep);
    assert_eq!(object_length(&nested(1_000_000)), too_deep);
    assert_eq!(Value::decode(&nested(1_000_000)).err(), too_deep.err());
    // A walk in a walk: a struct in a struct type in a struct.
    let structs = vec![[0x01, 0x20]; 1_000_000].concat();
    assert_eq!(object_length(&structs), too_deep);
}

#[test]
fn values_for_human_eyes() {
    for (value, shown) in [
        (text("a\u{1b}\"b"), r#""a\u{1b}\"b""#),
        (Value::Long(1), "1L"),
        (Value::Double(1.0), "1.0"),
        (Value::Date(1_709_210_096_789), "Date(2024-02-29T12:34:56.789Z)"),
        (Value::Timestamp(-1), "Timestamp(1969-12-31T23:59:59.999Z)"),
        (Value::BigInteger(vec![1, 0x2c]), "300"),
        (Value::BigInteger(vec![0xfe, 0xd4]), "-300"),
        (Value::Map(MapKind::HashMap, k1()), r#"{"k": 1}"#),
        (Value::Objects { component: JavaClass::object(), elements: vec![Value::Null] }, "[null]"),
        (Value::Bytes(vec![1, 0xff]), "bytes[2]0x01ff"),
        (Value::Uuid([0x12; 16]), "12121212-1212-1212-1212-121212121212"),
        (Value::Pdx { type_id: 5, data: vec![0; 3] }, "pdx #0x00000005 of 3 bytes"),
    ] {
        assert_eq!(value.to_string(), shown);
    }
    for (_, value) in samples() {
        assert!(!value.to_string().contains('?'), "{value:?}");
    }
}

fn any_string() -> impl Strategy<Value = JavaString> {
    prop_oneof![
        any::<String>().prop_map(JavaString::from),
        "[a-z]{0,20}".prop_map(JavaString::from),
        vec(any::<u16>(), 0..8).prop_map(JavaString::from_units),
    ]
}

fn any_class() -> impl Strategy<Value = JavaClass> {
    prop_oneof![
        Just(JavaClass::Null),
        Just(JavaClass::Primitive(DsCode::LongType)),
        any_string().prop_map(JavaClass::Named),
    ]
}

fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<u16>().prop_map(Value::Character),
        any::<i8>().prop_map(Value::Byte),
        any::<i16>().prop_map(Value::Short),
        any::<i32>().prop_map(Value::Integer),
        any::<i64>().prop_map(Value::Long),
        // NaN is no equal of itself in Rust.
        any::<f32>().prop_filter("a number", |value| !value.is_nan()).prop_map(Value::Float),
        any::<f64>().prop_filter("a number", |value| !value.is_nan()).prop_map(Value::Double),
        any_string().prop_map(Value::String),
        any::<i64>().prop_map(Value::Date),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        vec(any::<u8>(), 1..9).prop_map(Value::BigInteger),
        any_string().prop_map(Value::BigDecimal),
        any_string().prop_map(Value::File),
        any::<[u8; 4]>().prop_map(|bytes| Value::InetAddress(bytes.into())),
        any::<[u8; 16]>().prop_map(|bytes| Value::InetAddress(bytes.into())),
        any_class().prop_map(Value::Class),
        (any_string(), any_string(), 0..100_000_u32).prop_map(|(class, constant, ordinal)| Value::Enum {
            geode: false,
            class,
            constant,
            ordinal,
        }),
        (any::<u8>(), 0..1_u32 << 24).prop_map(|(system, id)| Value::PdxEnum { system, id }),
        (any::<i32>(), vec(any::<u8>(), 0..40)).prop_map(|(type_id, data)| Value::Pdx { type_id, data }),
    ]
}

fn any_array() -> impl Strategy<Value = Value> {
    prop_oneof![
        vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        vec(any::<bool>(), 0..9).prop_map(Value::Booleans),
        vec(any::<u16>(), 0..9).prop_map(Value::Characters),
        vec(any::<i16>(), 0..9).prop_map(Value::Shorts),
        vec(any::<i32>(), 0..9).prop_map(Value::Integers),
        vec(any::<i64>(), 0..9).prop_map(Value::Longs),
        vec(-1e9_f32..1e9, 0..9).prop_map(Value::Floats),
        vec(-1e9_f64..1e9, 0..9).prop_map(Value::Doubles),
        vec(proptest::option::of(any_string()), 0..9).prop_map(Value::Strings),
        vec(proptest::option::of(vec(any::<u8>(), 0..5)), 0..9).prop_map(Value::ByteArrays),
    ]
}

pub(super) fn any_value() -> impl Strategy<Value = Value> {
    use ListKind as L;
    use MapKind as M;
    prop_oneof![4 => any_scalar(), 1 => any_array()].prop_recursive(5, 60, 6, |inner| {
        let lists = proptest::sample::select(vec![L::ArrayList, L::LinkedList, L::Vector, L::Stack]);
        let sets = proptest::sample::select(vec![SetKind::HashSet, SetKind::LinkedHashSet]);
        let maps =
            proptest::sample::select(vec![M::HashMap, M::Hashtable, M::IdentityHashMap, M::Properties]);
        let elements = vec(inner.clone(), 0..6);
        let entries = vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            (lists, elements.clone()).prop_map(|(kind, elements)| Value::List(kind, elements)),
            (sets, elements.clone()).prop_map(|(kind, elements)| Value::Set(kind, elements)),
            (maps, entries.clone()).prop_map(|(kind, entries)| Value::Map(kind, entries)),
            (inner.clone(), elements.clone()).prop_map(|(comparator, elements)| Value::TreeSet {
                comparator: comparator.into(),
                elements
            }),
            (inner, entries)
                .prop_map(|(comparator, entries)| Value::TreeMap { comparator: comparator.into(), entries }),
            (any_class(), elements).prop_map(|(component, elements)| Value::Objects { component, elements }),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again_and_skipped_exactly(value in any_value(), behind in any::<u8>()) {
        let mut bytes = value.to_bytes();
        let size = bytes.len();
        prop_assert_eq!(Value::decode(&bytes), Ok(value));
        bytes.push(behind);
        prop_assert_eq!(object_length(&bytes), Ok(size));
        prop_assert_eq!(Value::decode(&bytes), Err(DecodeError::LeftOver { field: "value", left: 1 }));
    }

    #[test]
    fn a_value_cut_short_is_an_error(value in any_value(), cut in any::<proptest::sample::Index>()) {
        let bytes = value.to_bytes();
        let end = cut.index(bytes.len());
        prop_assert!(object_length(&bytes[..end]).is_err());
        prop_assert!(Value::decode(&bytes[..end]).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_survived_and_both_walks_agree(bytes in vec(any::<u8>(), 0..200)) {
        let decoded = Value::read(&mut crate::codec::Reader::new(&bytes));
        let skipped = object_length(&bytes);
        if decoded.is_ok() {
            prop_assert!(skipped.is_ok());
        }
        let _ = key::canonical(&bytes);
    }

    #[test]
    fn a_changed_byte_is_survived(value in any_value(), at in any::<proptest::sample::Index>(), to in any::<u8>()) {
        let mut bytes = value.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(value) = Value::decode(&bytes) {
            prop_assert_eq!(Value::decode(&value.to_bytes()).is_ok(), true);
        }
        let _ = key::canonical(&bytes);
    }
}
