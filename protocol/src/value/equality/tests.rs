use std::collections::HashMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::value::pdx::{EnumInfo, PdxFieldType, PdxWriter};
use crate::value::tests::{any_value, hex};
use crate::value::{JavaClass, ListKind, MapKind, SetKind, Value};

fn equal(one: &Value, other: &Value) -> bool {
    let equal = equals(&one.to_bytes(), &other.to_bytes(), &());
    assert_eq!(equal, equals(&other.to_bytes(), &one.to_bytes(), &()), "{one} and {other}");
    equal
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

#[test]
fn classes_of_one_interface_are_equal() {
    let list = |kind| Value::List(kind, vec![text("a"), Value::Integer(1)]);
    assert!(equal(&list(ListKind::ArrayList), &list(ListKind::LinkedList)));
    let reversed = Value::List(ListKind::ArrayList, vec![Value::Integer(1), text("a")]);
    assert!(!equal(&list(ListKind::ArrayList), &reversed));
    let entries = vec![(text("a"), Value::Null), (text("b"), Value::Integer(2))];
    let hash_map = Value::Map(MapKind::HashMap, entries.iter().rev().cloned().collect());
    let tree_map = Value::TreeMap { comparator: Value::Null.into(), entries };
    assert!(equal(&hash_map, &tree_map));
    let elements = vec![text("a"), Value::Map(MapKind::Hashtable, vec![(text("a"), text("b"))])];
    let set = Value::Set(SetKind::HashSet, elements.iter().rev().cloned().collect());
    assert!(equal(&set, &Value::TreeSet { comparator: Value::Null.into(), elements: elements.clone() }));
    assert!(!equal(&set, &Value::List(ListKind::ArrayList, elements)));
}

#[test]
fn numbers_are_equal_only_to_their_like() {
    assert!(!equal(&Value::Integer(1), &Value::Long(1)));
    assert!(!equal(&Value::Double(0.0), &Value::Double(-0.0)));
    let nans = [hex("3c7ff8000000000000"), hex("3cfff8000000000001")];
    assert!(equals(&nans[0], &nans[1], &()));
    assert!(equals(&hex("3501"), &hex("3502"), &()));
    assert!(equals(&hex("5f020001"), &hex("5f0101"), &()));
    assert!(!equals(&hex("60570003312e35"), &hex("60570004312e3530"), &()), "1.5 and 1.50");
}

#[test]
fn forms_of_texts_and_nulls() {
    assert!(equals(&hex("41022a00016145"), &hex("410257000161 29"), &()));
    assert!(equals(&hex("4001 2a000161"), &hex("34012b57000141 57000161"), &()));
    assert!(equals(&hex("45"), &hex("29"), &()));
    assert!(!equals(&hex("29"), &hex("570000"), &()));
}

#[test]
fn what_cannot_be_told_is_not_equal() {
    assert!(equals(&hex("274d01"), &hex("274d01"), &()));
    assert!(!equals(&hex("274d01"), &hex("274d02"), &()));
    assert!(!equals(&hex("4101"), &hex("410129"), &()));
    assert!(!equals(&hex("57000161ff"), &hex("57000161"), &()), "bytes left over");
}

#[derive(Default)]
struct Types {
    types: HashMap<i32, Arc<PdxType>>,
    enums: HashMap<i32, Arc<EnumInfo>>,
}

impl PdxTypes for Types {
    fn pdx_type(&self, id: i32) -> Option<Arc<PdxType>> {
        self.types.get(&id).cloned()
    }

    fn pdx_enum(&self, id: i32) -> Option<Arc<EnumInfo>> {
        self.enums.get(&id).cloned()
    }
}

impl Types {
    fn object(&mut self, type_id: i32, writer: PdxWriter) -> Vec<u8> {
        let (pdx_type, data) = writer.finish();
        self.types.insert(type_id, Arc::new(pdx_type));
        Value::Pdx { type_id, data }.to_bytes()
    }
}

fn person(name: &str, id: i64) -> PdxWriter {
    PdxWriter::new("Person", false)
        .field("name", PdxFieldType::String, &text(name))
        .and_then(|writer| writer.identity_field("id", PdxFieldType::Long, &Value::Long(id)))
        .unwrap()
}

#[test]
fn pdx_objects_are_equal_by_their_identity_fields() {
    let mut types = Types::default();
    let ann = types.object(1, person("Ann", 7));
    let renamed = types.object(1, person("Anna", 7));
    let bob = types.object(1, person("Ann", 8));
    assert!(equals(&ann, &renamed, &types));
    assert!(!equals(&ann, &bob, &types));
    assert!(!equals(&ann, &renamed, &()), "without the type only bytes are left");
    let listed = |object: &[u8]| [&[0x41, 1][..], object].concat();
    assert!(equals(&listed(&ann), &listed(&renamed), &types));
}

#[test]
fn versions_of_a_class_are_equal_if_the_new_fields_are_empty() {
    let plain = |x| PdxWriter::new("P", false).field("x", PdxFieldType::Int, &Value::Integer(x)).unwrap();
    let with = |x, value: &Value| plain(x).field("tags", PdxFieldType::StringArray, value).unwrap();
    let mut types = Types::default();
    let old = types.object(1, plain(5));
    let empty = types.object(2, with(5, &Value::Null));
    let filled = types.object(2, with(5, &Value::Strings(vec![Some("a".into())])));
    let bytes = types.object(3, plain(5).field("b", PdxFieldType::ByteArray, &Value::Null).unwrap());
    assert!(equals(&old, &empty, &types) && equals(&old, &bytes, &types));
    assert!(!equals(&old, &filled, &types));
}

#[test]
fn an_enum_constant_is_the_same_by_name_and_by_number() {
    let mut types = Types::default();
    let info = EnumInfo { class_name: "Color".into(), constant: "RED".into(), ordinal: 0 };
    types.enums.insert(0x0300_0005, Arc::new(info));
    let by_name = Value::Enum { geode: false, class: "Color".into(), constant: "RED".into(), ordinal: 0 };
    let by_number = Value::PdxEnum { system: 3, id: 5 };
    assert!(equals(&by_name.to_bytes(), &by_number.to_bytes(), &types));
}

/// Each object field of a type may lie at the same place, and hold an object with such a type again: without a bound
/// this would be two to the power of sixty walks.
#[test]
fn fields_that_share_a_place_cannot_multiply_the_work() {
    let mut types = Types::default();
    let mut object = text("x").to_bytes();
    for level in 1..60 {
        let writer = PdxWriter::new("T", false)
            .field("a", PdxFieldType::Object, &Value::Opaque(object.clone()))
            .and_then(|writer| writer.field("b", PdxFieldType::Object, &Value::Null))
            .unwrap();
        let (mut pdx_type, data) = writer.finish();
        pdx_type.fields[1].offset_index = -1;
        types.types.insert(level, Arc::new(pdx_type));
        object = Value::Pdx { type_id: level, data }.to_bytes();
    }
    assert!(matches!(form(&object, &types), Err(DecodeError::TooLarge { .. })));
}

#[test]
fn large_and_deep_honest_values_are_within_the_bound() {
    let set = Value::Set(SetKind::HashSet, (0..100_000).map(Value::Integer).collect());
    let reversed = Value::Set(SetKind::HashSet, (0..100_000).rev().map(Value::Integer).collect());
    assert!(equal(&set, &reversed));
    let mut deep = text("x");
    for _ in 0..60 {
        deep = Value::List(ListKind::ArrayList, vec![deep]);
    }
    assert!(form(&deep.to_bytes(), &()).is_ok());
}

proptest! {
    #[test]
    fn order_and_class_of_collections_do_not_matter(
        elements in vec((any_value(), any_value()), 0..5).prop_shuffle(),
        shuffle in any::<prop::sample::Index>(),
    ) {
        let mut other = elements.clone();
        other.rotate_left(if elements.is_empty() { 0 } else { shuffle.index(elements.len()) });
        let one = Value::Map(MapKind::HashMap, elements);
        let other = Value::Map(MapKind::Hashtable, other);
        prop_assert!(equal(&one, &other));
        let wrapped = |value: Value| Value::Objects { component: JavaClass::object(), elements: vec![value] };
        prop_assert!(equal(&wrapped(one), &wrapped(other)));
    }

    #[test]
    fn different_values_are_not_equal_by_accident(number in any::<i32>(), other in any::<i32>()) {
        prop_assert_eq!(equal(&Value::Integer(number), &Value::Integer(other)), number == other);
    }

    #[test]
    fn arbitrary_bytes_are_survived(one in vec(any::<u8>(), 0..100), value in any_value()) {
        prop_assert!(!equals(&one, &value.to_bytes(), &()) || Value::decode(&one).is_ok());
        prop_assert!(equals(&one, &one, &()));
    }
}
