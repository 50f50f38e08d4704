use super::*;

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let lines = include_str!("samples.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').map(|(name, bytes)| (name, hex(bytes))).unwrap()).collect()
}

fn sample(name: &str) -> Vec<u8> {
    samples().into_iter().find(|(known, _)| *known == name).unwrap().1
}

fn skipped(bytes: &[u8]) -> Result<usize, DecodeError> {
    let mut reader = Reader::new(bytes);
    skip(&mut reader).map(|()| bytes.len() - reader.remaining())
}

#[test]
fn real_streams_are_walked_to_their_last_byte() {
    assert_eq!(samples().len(), 25);
    for (name, bytes) in samples() {
        let mut followed = bytes.clone();
        followed.extend([0x78; 9]);
        assert_eq!(skipped(&followed), Ok(bytes.len()), "{name}");
        let mut reader = Reader::new(&followed);
        let stream = Stream::read(&mut reader).unwrap();
        assert_eq!(reader.remaining(), 9, "{name}");
        assert!(!stream.items.contains(&Item::Unfinished), "{name}");
    }
}

#[test]
fn every_truncation_is_an_error() {
    for (name, bytes) in samples() {
        for end in 0..bytes.len() {
            assert!(skipped(&bytes[..end]).is_err(), "{name} cut at {end}");
            assert!(Stream::read(&mut Reader::new(&bytes[..end])).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn every_changed_byte_is_survived() {
    for (_, bytes) in samples() {
        for at in 0..bytes.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                let kept = Stream::read(&mut Reader::new(&changed));
                assert_eq!(skipped(&changed).err(), kept.err(), "both uses follow one grammar");
            }
        }
    }
}

#[test]
fn an_exception_gives_its_message_cause_and_ancestry() {
    let bytes = sample("exception");
    let stream = Stream::read(&mut Reader::new(&bytes)).unwrap();
    let outer = stream.root();
    assert_eq!(stream.class_name(outer).as_deref(), Some("java.lang.IllegalStateException"));
    assert!(stream.is_a(outer, "java.lang.Throwable") && !stream.is_a(outer, "java.io.IOException"));
    let field = |object, name| stream.field(object, "java.lang.Throwable", name).unwrap();
    assert_eq!(stream.text(field(outer, "detailMessage")).as_deref(), Some("outer"));
    let cause = field(outer, "cause");
    assert_eq!(stream.class_name(cause).as_deref(), Some("java.io.IOException"));
    assert_eq!(stream.text(field(cause, "detailMessage")).as_deref(), Some("inner"));
    assert_eq!(field(cause, "cause"), cause, "no cause is written as a reference to itself");
    assert_eq!(root_class_name(&bytes).as_deref(), Some("java.lang.IllegalStateException"));
}

#[test]
fn only_the_leaf_of_an_externalizable_family_writes_data() {
    let bytes = sample("externalizable-child");
    let stream = Stream::read(&mut Reader::new(&bytes)).unwrap();
    let Some(Item::Object(object)) = stream.item(stream.root()) else { panic!("no object") };
    let [data] = &object.data[..] else { panic!("{object:?}") };
    let [Content::Block(number), text] = &data.annotation[..] else { panic!("{data:?}") };
    assert_eq!((*number, stream.text(*text).as_deref()), (&[0, 0, 0, 10][..], Some("sub")));
}

#[test]
fn primitive_fields_and_arrays() {
    let bytes = sample("primitives");
    let stream = Stream::read(&mut Reader::new(&bytes)).unwrap();
    let field = |name| stream.field(stream.root(), "S$Prims", name).unwrap();
    for (name, value) in [
        ("z", Primitive::Boolean(true)),
        ("b", Primitive::Byte(-1)),
        ("c", Primitive::Char(0x41)),
        ("s", Primitive::Short(2)),
        ("i", Primitive::Int(3)),
        ("j", Primitive::Long(4)),
        ("f", Primitive::Float(1.5)),
        ("d", Primitive::Double(2.5)),
    ] {
        assert_eq!(field(name), Content::Primitive(value), "{name}");
    }
    let Some(Item::Array(ints)) = stream.item(field("ia")) else { panic!("no array") };
    assert_eq!(ints.elements, Elements::Primitive(&[0, 0, 0, 1, 0, 0, 0, 2]));
    let Some(Item::Enum { constant, .. }) = stream.item(field("color")) else { panic!("no enum") };
    assert_eq!(stream.text(*constant).as_deref(), Some("GREEN"));
}

#[test]
fn objects_in_a_circle_end() {
    let bytes = sample("cycle");
    let stream = Stream::read(&mut Reader::new(&bytes)).unwrap();
    let next = |object| stream.field(object, "S$Node", "next").unwrap();
    assert_eq!(next(next(stream.root())), stream.root());
}

#[test]
fn long_texts_and_resets() {
    let bytes = hex("aced0005797c00000000000000036162635a");
    let mut reader = Reader::new(&bytes);
    let stream = Stream::read(&mut reader).unwrap();
    assert_eq!(stream.text(stream.root()).as_deref(), Some("abc"));
    assert_eq!(reader.rest(), b"Z");
    assert!(skipped(&hex("aced00057cffffffffffffffff61")).is_err());
}

/// A class without fields, one letter long.
const CLASS: &str = "72000141000000000000000002000078";

#[test]
fn a_class_cannot_descend_from_itself() {
    let bytes = hex(&format!("aced000573{CLASS}71007e0000"));
    assert_eq!(skipped(&bytes), Err(DecodeError::Invalid { field: "java class handle", value: 0 }));
}

#[test]
fn depth_is_bounded_in_objects_and_in_ancestors() {
    let annotated = hex("72000142000000000000000003000078");
    let mut nested = hex("aced0005");
    for _ in 0..100_000 {
        nested.push(0x73);
        nested.extend(&annotated);
        nested.push(0x70);
    }
    assert_eq!(skipped(&nested), Err(DecodeError::TooDeep { limit: MAX_DEPTH }));
    let mut family = hex("aced000573");
    for _ in 0..100_000 {
        family.extend(hex(CLASS));
    }
    assert_eq!(skipped(&family), Err(DecodeError::TooDeep { limit: MAX_DEPTH }));
    let family = |size: usize| hex(&format!("aced000573{}70", CLASS.repeat(size)));
    assert_eq!(skipped(&family(MAX_ANCESTORS + 2)), Err(DecodeError::TooDeep { limit: MAX_ANCESTORS }));
    assert!(skipped(&family(MAX_ANCESTORS + 1)).is_ok());
}

#[test]
fn the_unbounded_externalizable_form_is_opaque() {
    let bytes = hex("aced0005737200014100000000000000000400007870");
    assert_eq!(skipped(&bytes), Err(DecodeError::Opaque { code: 44 }));
}

#[test]
fn only_streams_that_are_kept_are_bounded_in_bytes() {
    let mut long = hex("aced00057c0000000000200000");
    long.resize(long.len() + (2 << 20), b'a');
    assert_eq!(skipped(&long), Ok(long.len()));
    let kept = Stream::read(&mut Reader::new(&long));
    assert!(matches!(kept, Err(DecodeError::TooLarge { field: "java stream", .. })), "{kept:?}");
}
