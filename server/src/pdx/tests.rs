use druse_protocol::value::pdx::{PdxField, PdxFieldType};

use super::*;

fn field(name: &str, is_identity: bool) -> PdxField {
    PdxField {
        name: name.to_owned(),
        index: 0,
        variable_index: 0,
        kind: PdxFieldType::Int,
        relative_offset: 0,
        offset_index: 0,
        is_identity,
        is_deleted: false,
    }
}

fn pdx_type(class: &str, fields: Vec<PdxField>) -> PdxType {
    PdxType {
        class_name: class.to_owned(),
        no_domain_class: false,
        has_deleted_fields: false,
        id: 0,
        offset_count: 0,
        fields,
    }
}

fn simple(class: &str) -> PdxType {
    pdx_type(class, vec![field("age", false)])
}

fn constant(name: &str, ordinal: i32) -> EnumInfo {
    EnumInfo { class_name: "Color".to_owned(), constant: name.to_owned(), ordinal }
}

fn in_memory() -> Arc<PdxRegistry> {
    Arc::new(PdxRegistry::in_memory(PdxBounds::default()))
}

fn now(outcome: Outcome<Result<i32, PdxError>>) -> Result<i32, PdxError> {
    match outcome {
        Outcome::Ready(answer) => answer,
        Outcome::Waiting(_) => panic!("waits"),
    }
}

#[test]
fn equal_types_have_equal_ids_whatever_their_identity_marks() {
    let registry = in_memory();
    let id = now(registry.id_for_type(simple("a.Person"))).unwrap();
    assert_ne!(id, 0);
    assert_eq!(now(registry.id_for_type(simple("a.Person"))).unwrap(), id);
    let marked = PdxType { id: 77, ..pdx_type("a.Person", vec![field("age", true)]) };
    assert_eq!(now(registry.id_for_type(marked)).unwrap(), id);
    assert_ne!(now(registry.id_for_type(simple("a.Animal"))).unwrap(), id);
    assert_eq!(now(in_memory().id_for_type(simple("a.Person"))).unwrap(), id, "made from the content");
    let decoded = PdxType::decode(&registry.type_by_id(id).unwrap()).unwrap();
    assert_eq!((decoded.id, decoded.class_name.as_str()), (id, "a.Person"));
    assert_eq!((registry.types().len(), registry.type_by_id(id ^ 1)), (2, None));
    assert_eq!(registry.pdx_type(id).unwrap().class_name, "a.Person");
}

#[test]
fn enum_constants_have_ids_of_their_own() {
    let registry = in_memory();
    let blue = now(registry.id_for_enum(constant("BLUE", 2))).unwrap();
    assert_eq!(now(registry.id_for_enum(constant("BLUE", 3))).unwrap(), blue);
    assert_ne!(now(registry.id_for_enum(constant("RED", 2))).unwrap(), blue);
    assert_eq!(EnumInfo::decode(&registry.enum_by_id(blue).unwrap()).unwrap().ordinal, 2);
    assert_eq!((registry.enums().len(), registry.types().len()), (2, 0));
    assert_eq!(registry.pdx_enum(blue).unwrap().constant, "BLUE");
}

#[test]
fn a_taken_id_is_passed_over() {
    let registry = in_memory();
    let wanted = simple("a.Person").proposed_id(SYSTEM);
    now(registry.add_type(simple("squatter"), wanted)).unwrap();
    now(registry.add_type(simple("another"), next_id(wanted))).unwrap();
    let id = now(registry.id_for_type(simple("a.Person"))).unwrap();
    assert_eq!(id, next_id(next_id(wanted)));
    assert_eq!(now(registry.id_for_type(simple("a.Person"))).unwrap(), id);
}

#[test]
fn a_client_may_choose_an_id_that_is_free() {
    let registry = in_memory();
    assert_eq!(now(registry.add_type(simple("a.Person"), 5)).unwrap(), 5);
    assert_eq!(now(registry.add_type(simple("a.Person"), 5)).unwrap(), 5);
    assert_eq!(now(registry.add_type(simple("a.Animal"), 5)), Err(PdxError::Conflict(5)));
    assert_eq!(now(registry.add_type(simple("a.Animal"), 0)), Err(PdxError::NoId));
    assert_eq!(now(registry.id_for_type(simple("a.Person"))).unwrap(), 5);
    now(registry.add_type(simple("a.Person"), 6)).unwrap();
    assert_eq!(now(registry.id_for_type(simple("a.Person"))).unwrap(), 5, "the first one is given out");
    assert_eq!(PdxType::decode(&registry.type_by_id(6).unwrap()).unwrap().id, 6);
    now(registry.add_enum(constant("BLUE", 1), 5)).unwrap();
    assert_eq!(now(registry.add_enum(constant("RED", 1), 5)), Err(PdxError::Conflict(5)));
}

#[test]
fn it_takes_no_more_than_its_bounds() {
    let registry = |bounds| Arc::new(PdxRegistry::in_memory(bounds));
    let few = registry(PdxBounds { entries: 1, ..PdxBounds::default() });
    now(few.id_for_type(simple("a"))).unwrap();
    assert_eq!(now(few.id_for_type(simple("b"))), Err(PdxError::Full));
    now(few.id_for_type(simple("a"))).unwrap();
    now(few.id_for_enum(constant("BLUE", 1))).unwrap();
    let long = simple(&"x".repeat(1_000));
    assert_eq!(
        now(registry(PdxBounds { entry_bytes: 900, ..PdxBounds::default() }).id_for_type(long.clone())),
        Err(PdxError::Full)
    );
    let small = registry(PdxBounds { total_bytes: 1_500, ..PdxBounds::default() });
    now(small.id_for_type(long)).unwrap();
    assert_eq!(now(small.id_for_type(simple(&"y".repeat(1_000)))), Err(PdxError::Full));
}

#[tokio::test]
async fn ids_outlive_the_node() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pdx");
    let open = || {
        let (registry, tail) = PdxRegistry::open(&path, PdxBounds::default()).unwrap();
        (Arc::new(registry), tail)
    };
    let (registry, _) = open();
    let id = registry.id_for_type(simple("a.Person")).finish().await.unwrap();
    registry.add_type(simple("a.Animal"), 9).finish().await.unwrap();
    registry.add_type(simple("a.Animal"), 10).finish().await.unwrap();
    let blue = registry.id_for_enum(constant("BLUE", 2)).finish().await.unwrap();
    let (types, enums) = (registry.types(), registry.enums());
    drop(registry);

    let (registry, tail) = open();
    assert_eq!(tail, None);
    assert_eq!((registry.types(), registry.enums()), (types, enums));
    assert_eq!(now(registry.id_for_type(simple("a.Person"))).unwrap(), id);
    assert_eq!(now(registry.id_for_type(simple("a.Animal"))).unwrap(), 9);
    assert_eq!(now(registry.id_for_enum(constant("BLUE", 2))).unwrap(), blue);
    drop(registry);

    // An entry that checks and is no type: from a later version perhaps. It is not lost, and what came before is there.
    let (mut file, _) = RegistryFile::open(&path, |_, _, _| true).unwrap();
    file.append(Kind::Type, 3, b"rubbish").unwrap();
    drop(file);
    let (registry, tail) = open();
    assert_eq!((registry.types().len(), registry.enums().len()), (3, 1));
    assert!(std::fs::read(tail.unwrap().kept).unwrap().ends_with(b"rubbish"));
}

#[tokio::test]
async fn many_who_register_one_type_get_one_id_and_one_entry() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pdx");
    let (registry, _) = PdxRegistry::open(&path, PdxBounds::default()).unwrap();
    let registry = Arc::new(registry);
    let asked: Vec<_> = (0..20).map(|_| registry.id_for_type(simple("a.Person"))).collect();
    let id = simple("a.Person").proposed_id(SYSTEM);
    for outcome in asked {
        assert_eq!(outcome.finish().await.unwrap(), id);
    }
    drop(registry);
    let mut entries = 0;
    RegistryFile::open(&path, |_, _, _| {
        entries += 1;
        true
    })
    .unwrap();
    assert_eq!(entries, 1);
}

#[test]
fn pdx_values_are_compared_through_their_types() {
    use druse_protocol::value::Value;
    use druse_protocol::value::pdx::PdxWriter;
    let registry = in_memory();
    let person = |number: i32, name: &str| {
        let writer = PdxWriter::new("a.Person", false)
            .identity_field("number", PdxFieldType::Int, &Value::Integer(number))
            .and_then(|writer| writer.field("name", PdxFieldType::String, &Value::String(name.into())));
        let (pdx_type, data) = writer.unwrap().finish();
        let id = now(registry.id_for_type(pdx_type)).unwrap();
        let length = i32::try_from(data.len()).unwrap();
        [&[0x5D][..], &length.to_be_bytes(), &id.to_be_bytes(), &data].concat()
    };
    let same = registry.same_object();
    assert!(same(&person(1, "Ann"), &person(1, "Bob")), "the identity field alone counts");
    assert!(!same(&person(1, "Ann"), &person(2, "Ann")));
}
