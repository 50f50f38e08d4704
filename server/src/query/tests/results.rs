//! What queries give.

use druse_protocol::value::{ListKind, SetKind};

use super::*;

/// Orders as PDX objects of two versions of a class, with a map, a list, another object and an enum constant inside.
fn orders() -> World {
    let mut world = World::default();
    let (red, blue) = (world.color(1, "RED"), world.color(2, "BLUE"));
    for (number, name, price, color, tags) in [
        (1, "apple", Java::Double(1.5), &red, vec!["fruit", "red"]),
        (2, "pear", Java::Double(2.5), &blue, vec!["fruit"]),
        (3, "nail", Java::Null, &blue, vec![]),
    ] {
        let city =
            world.object("City", &[("name", PdxFieldType::String, text(["Oslo", "Bern"][number % 2]))]);
        let tags = tags.into_iter().map(text).collect();
        let order = world.object(
            "Order",
            &[
                ("id", PdxFieldType::Int, Java::Integer(number as i32)),
                ("name", PdxFieldType::String, text(name)),
                ("price", PdxFieldType::Object, price),
                ("color", PdxFieldType::Object, color.clone()),
                ("city", PdxFieldType::Object, city),
                ("tags", PdxFieldType::Object, Java::List(ListKind::ArrayList, tags)),
                (
                    "notes",
                    PdxFieldType::Object,
                    map(&[(text("n"), Java::Long(number as i64)), (Java::Integer(7), text("seven"))]),
                ),
                ("sizes", PdxFieldType::IntArray, Java::Integers(vec![10, 20, number as i32])),
                ("since", PdxFieldType::Date, Java::Date(1000 * number as i64)),
                ("paid", PdxFieldType::Boolean, Java::Boolean(number == 2)),
            ],
        );
        world.put(&format!("o{number}"), &order);
    }
    let newer = world.object(
        "Order",
        &[("id", PdxFieldType::Int, Java::Integer(4)), ("discount", PdxFieldType::Int, Java::Integer(9))],
    );
    world.put("o4", &newer);
    world.put("void", &Java::Null);
    world
}

/// Keys of the entries that a condition lets through.
fn keys(world: &World, condition: &str, parameters: &[Java]) -> Result<String, String> {
    let query = format!("select e.key from /orders.entries e where {condition}");
    world.ask(&query, parameters).map(|rows| rows.join(" ").replace('"', ""))
}

#[test]
fn conditions() {
    let world = orders();
    for (condition, expected) in [
        ("e.value.id = 2", "o2"),
        ("e.value.id <> 2", "o1 o3 o4 void"),
        ("e.value.id >= 2 and e.value.id < 4", "o2 o3"),
        ("3 <= e.value.id", "o3 o4"),
        ("e.value.id = 2 or e.value.name = 'apple'", "o1 o2"),
        ("e.value.id = 2L and e.value.id = 2.0 and e.value.id = 2f", "o2"),
        ("e.value.price > 1.9", "o2"),
        ("e.value.price = null", "o3 o4"),
        ("e.value.price <> null", "o1 o2 void"),
        ("not (e.value.price > 1.9)", "o1"),
        ("not e.value.paid", "o1 o3 o4"),
        ("e.value.paid", "o2"),
        ("e.value.paid = true", "o2"),
        ("not (e.value.nothing = 1)", "o1 o2 o3 o4 void"),
        ("is_undefined(e.value.nothing.more)", "o1 o2 o3 o4 void"),
        ("is_defined(e.value.price)", "o1 o2 o3 o4"),
        ("not is_defined(e.value)", ""),
        ("e.value = null", "void"),
        ("e.value.city.name = 'Bern'", "o1 o3"),
        ("e.value.city.\"name\" like 'O_l%'", "o2"),
        ("not (e.value.name like '%a%')", ""),
        ("e.value.name like '%ea%' or e.value.name = 'it''s'", "o2"),
        ("e.value.notes.n > 1", "o2 o3"),
        ("e.value.notes['n'] = 3 and e.value.notes.get(7) = 'seven'", "o3"),
        ("e.value.notes['none'] = null and e.value.id = 1", "o1"),
        ("e.value.tags[1] = 'red'", "o1"),
        ("e.value.sizes[2] = 3", "o3"),
        ("'fruit' in e.value.tags", "o1 o2"),
        ("e.value.sizes[0] in e.value.sizes and 20 in e.value.sizes", "o1 o2 o3"),
        ("e.value.id in set(1, 3.0, 'x')", "o1 o3"),
        ("not (e.value.id in set(1, 3))", "o2 o4 void"),
        ("e.value.id in set(e.value.discount, e.value.id)", "o1 o2 o3 o4 void"),
        ("e.value.id in set()", ""),
        ("e.value.color.name = 'RED' and e.value.color.ordinal = 1", "o1"),
        ("e.value.color = 'RED'", ""),
        ("e.value.discount = 9", "o4"),
        ("e.value.discount = 0", "o1 o2 o3"),
        ("e.value.name = null and e.value.id = 4", "o4"),
        ("e.key = 'o1' or e.getKey() > 'o3'", "o1 o4 void"),
        ("(e.value.id = 1) = e.value.paid", "o3 o4 void"),
        ("e.value.id = undefined", "void"),
        ("true", "o1 o2 o3 o4 void"),
        ("null", ""),
    ] {
        assert_eq!(keys(&world, condition, &[]).as_deref(), Ok(expected), "{condition}");
    }
}

#[test]
fn parameters() {
    let world = orders();
    let list = |elements: &[Java]| Java::List(ListKind::LinkedList, elements.to_vec());
    let red = Java::Enum { geode: false, class: "Color".into(), constant: "RED".into(), ordinal: 1 };
    for (condition, parameter, expected) in [
        ("e.value.id = $1", Java::Short(2), "o2"),
        ("e.value.since >= $1", Java::Timestamp(2000), "o2 o3"),
        ("e.value.id in $1", list(&[Java::Long(3), text("3"), Java::Double(1.0)]), "o1 o3"),
        ("e.value.name in $1", Java::Set(SetKind::HashSet, vec![text("nail")]), "o3"),
        ("e.value.name in $1", Java::Null, ""),
        ("e.value.name like $1", text("_a%"), "o3"),
        ("e.value.color = $1", red, "o1"),
        ("e.value.tags = $1", list(&[text("fruit")]), "o2"),
        ("e.value.sizes[$1] = 20", Java::Integer(1), "o1 o2 o3"),
        ("e.value.notes[$1] = 'seven'", Java::Integer(7), "o1 o2 o3"),
        ("e.value.price = $1", Java::BigDecimal("2.50".into()), "o2"),
    ] {
        assert_eq!(keys(&world, condition, &[parameter]).as_deref(), Ok(expected), "{condition}");
    }
}

#[test]
fn rows_and_columns() {
    let world = orders();
    for (query, expected) in [
        ("select o.id from /orders o", vec!["1", "2", "3", "4"]),
        ("select id, name n from /orders where id = 1", vec![]),
        ("select id, name as n from /orders where id = 1", vec!["1 \"apple\""]),
        (
            "select o.id, o.nothing, o.price from /orders o where o.id > 2",
            vec!["3 UNDEFINED null", "4 UNDEFINED null"],
        ),
        ("select * from /orders.keys k where k like 'v%'", vec!["\"void\""]),
        ("select count(*) from /orders", vec!["4"]),
        ("select count(*) from /orders.entries", vec!["5"]),
        ("select count(*) from /orders where id > 9", vec!["0"]),
        ("select count(*) from /orders limit 3", vec!["3"]),
        ("select distinct o.discount from /orders o where o.id < 4", vec!["0"]),
        ("select distinct count(*) from /orders.keys", vec!["5"]),
        ("select o.id from /orders o limit 2", vec!["1", "2"]),
        ("select o.id from /orders o limit 0", vec![]),
        ("select o.id from /orders o order by o.price desc, o.id", vec!["2", "1", "3", "4"]),
        ("select o.id from /orders o order by o.price, o.id desc", vec!["4", "3", "1", "2"]),
        ("select o.id as x from /orders o order by x desc limit 2", vec!["4", "3"]),
        (
            "select distinct o.city.name from /orders o order by o.city.name",
            vec!["UNDEFINED", "\"Bern\"", "\"Oslo\""],
        ),
        ("select e.key from /orders.entries e order by e.value.name desc", vec![]),
        ("select o.color.name from /orders o where o.id = 1", vec!["\"RED\""]),
    ] {
        let found = world.ask(query, &[]);
        match query {
            _ if query.contains("name n ") => {
                assert_eq!(found.unwrap_err(), "line 1, column 17: n where FROM is due");
            }
            _ if query.contains("name desc") => {
                let order = ["\"o2\"", "\"o3\"", "\"o1\"", "\"void\"", "\"o4\""];
                assert_eq!(found.unwrap(), order, "{query}");
            }
            _ => assert_eq!(found.unwrap(), expected, "{query}"),
        }
    }
}

#[test]
fn whole_entries_are_key_and_value() {
    let mut world = World::default();
    world.put("a", &Java::Bytes(vec![1, 2]));
    world.put_at(&Java::Integer(5), &text("b"));
    let rows = world.ask("select * from /r.entries e", &[]).unwrap();
    assert_eq!(rows, world.ask("select e from /r.entries e", &[]).unwrap());
    assert_eq!(rows[1], "5 \"b\"");
    let shape = world.plan("select * from /r.entries", &[]).unwrap().shape();
    assert_eq!(shape.columns, Some(vec!["key".into(), "value".into()]));
}

#[test]
fn plain_values_are_rows_themselves() {
    let mut world = World::default();
    for (key, value) in [
        ("a", Java::Integer(5)),
        ("b", Java::Long(7)),
        ("c", Java::Double(6.5)),
        ("d", Java::Float(f32::NAN)),
    ] {
        world.put(key, &value);
    }
    assert_eq!(world.ask("select * from /r v where v > 5 and v < 7", &[]), Ok(vec!["6.5".into()]));
    assert_eq!(world.ask("select v from /r v where v in set(5, 7)", &[]).unwrap().len(), 2);
    world.put("e", &text("six"));
    let error = world.ask("select * from /r v where v > 5", &[]).unwrap_err();
    assert_eq!(error, "line 1, column 26: a String and a whole number cannot be compared by >");
    let error = world.ask("select * from /r v where not v = 5", &[]).unwrap_err();
    assert!(error.starts_with("line 1, column 30: a whole number is no condition"), "{error}");
    assert_eq!(world.ask("select * from /r v where v = 'six'", &[]).unwrap().len(), 1);
    let sorted = world.ask("select e.key from /r.entries e order by e.value", &[]).unwrap();
    assert_eq!(sorted, ["\"a\"", "\"c\"", "\"b\"", "\"d\"", "\"e\""]);
}

#[test]
fn equal_rows_are_one_whatever_their_bytes() {
    let mut world = World::default();
    let (one, two) = (text("1"), text("2"));
    world.put("a", &map(&[(one.clone(), two.clone()), (two.clone(), one.clone())]));
    world.put("b", &map(&[(two.clone(), one.clone()), (one, two)]));
    world.put("c", &Java::Integer(1));
    world.put("d", &Java::Long(1));
    assert_eq!(world.ask("select distinct * from /r", &[]).unwrap().len(), 3);
    assert_eq!(world.ask("select distinct count(*) from /r", &[]), Ok(vec!["3".into()]));
}

#[test]
fn what_cannot_be_looked_into_has_no_fields() {
    let mut world = World::default();
    world.put("pdx of an unknown type", &Java::Pdx { type_id: 99, data: vec![1, 2, 3] });
    world.put("user's class", &Java::Opaque(vec![0x27, 1, 2, 3]));
    world.put("number", &Java::Integer(1));
    world.put("bytes", &Java::Bytes(vec![1]));
    assert_eq!(world.ask("select * from /r v where is_undefined(v.x)", &[]).map(|rows| rows.len()), Ok(4));
    let json = world.object("__GEMFIRE_JSON", &[("a", PdxFieldType::Byte, Java::Byte(1))]);
    let other = world.object("__GEMFIRE_JSON", &[("x", PdxFieldType::Byte, Java::Byte(1))]);
    world.put("json", &json);
    world.put("other", &other);
    assert_eq!(
        world.ask("select v.x from /r v where v.x <> 1 and v.a = 1", &[]),
        Ok(vec!["UNDEFINED".into()])
    );
}

/// `List.of("a", 1, 2L)` and a map that Java wrote, which Geode has no code for.
#[test]
fn collections_that_java_wrote_are_looked_into() {
    let samples = include_str!("../../../../protocol/src/value/java_stream/samples.txt");
    let sample = |name: &str| {
        let digits = samples.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let stream = digits.as_bytes().chunks(2).map(byte).collect();
        Java::Java { class: String::new(), stream }
    };
    let mut world = World::default();
    world.put("list", &sample("list-of"));
    world.put("map", &sample("linked-hash-map"));
    let keys = |condition: &str, parameters: &[Java]| keys(&world, condition, parameters);
    for (condition, expected) in [
        ("'a' in e.value and 2 in e.value", "list"),
        ("e.value[0] = 'a' and e.value[2] = 2", "list"),
        ("e.value['k'] = 1 and e.value.k = 1", "map"),
        ("is_undefined(e.value.l) and e.value.k = 1", "map"),
        ("e.value['none'] = null", "map"),
    ] {
        let collection = "e.key = 'list' or e.key = 'map'";
        let condition = match condition.starts_with('\'') {
            true => format!("e.key = 'list' and {condition}"),
            false => format!("({collection}) and {condition}"),
        };
        assert_eq!(keys(&condition, &[]).as_deref(), Ok(expected), "{condition}");
    }
    assert_eq!(keys("e.value[0] in $1", &[sample("list-of")]).as_deref(), Ok("list"));
}

#[test]
fn malformed_values_are_survived() {
    let mut world = orders();
    let objects: Vec<_> =
        world.records.iter().filter_map(|record| record.value().map(|v| v.bytes().to_vec())).collect();
    let whole = "select * from /orders o where o.notes.n = 1 or o.tags[0] = 'x' or 'x' in o.tags or o.city.name like '%' \
                 order by o.price, o.color, o.sizes";
    for object in objects.iter().filter(|object| !object.is_empty()) {
        for end in 1..object.len() {
            world.records = vec![Draft::new(b"k", Some(Value::Object(&object[..end])), 0).seal(1, 1, 1)];
            _ = world.ask(whole, &[]);
        }
    }
}
