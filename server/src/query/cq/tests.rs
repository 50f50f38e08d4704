//! One predicate, and many against one change.

use proptest::collection::vec;
use proptest::prelude::*;

use druse_protocol::value::Value as Java;
use druse_protocol::value::pdx::PdxFieldType;

use super::super::tests::{World, map, text};
use std::sync::Arc;

use super::*;

fn compile(text: &str, parameters: &[Java]) -> Result<CqPredicate, QueryError> {
    let objects: Vec<_> = parameters.iter().map(Java::to_bytes).collect();
    let values: Vec<_> = objects.iter().map(|object| Value::Object(object)).collect();
    CqPredicate::compile(&Statement::parse(text)?, &values, &())
}

fn predicate(condition: &str) -> CqPredicate {
    compile(&format!("select * from /r o where {condition}"), &[])
        .unwrap_or_else(|error| panic!("{condition}: {error}"))
}

#[test]
fn what_makes_no_sense_for_a_continuous_query_is_refused() {
    for (query, at, what) in [
        ("select distinct * from /r", 8, "DISTINCT"),
        ("select a from /r", 8, "columns, only *"),
        ("select count(*) from /r", 8, "COUNT"),
        ("select * from /r.keys", 15, "rows of keys"),
        ("select * from /r.entries", 15, "rows of entries"),
        ("select * from /r order by a", 27, "ORDER BY"),
        ("select * from /r where a = 1 limit 5", 36, "LIMIT"),
    ] {
        let error = compile(query, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("line 1, column {at}: a continuous query has no {what}"),
            "{query}"
        );
    }
    assert!(matches!(compile("select * from /r where a = $1", &[]), Err(QueryError::NoParameter { .. })));
    assert_eq!(compile("select * from /r.values where a = $1", &[text("x")]).unwrap().region(), "/r");
}

#[test]
fn a_predicate_says_yes_or_no() {
    let object = map(&[(text("a"), Java::Integer(5)), (text("b"), text("x"))]).to_bytes();
    let matches = |condition: &str, value| predicate(condition).matches(b"", value, &());
    let value = Value::Object(&object);
    assert!(matches("o.a = 5 and b like 'x%'", value));
    assert!(!matches("o.a > 5", value));
    assert!(!matches("o.none > 5", value), "undefined is not true");
    assert!(!matches("o.b > 5", value), "what cannot be compared is not true");
    assert!(!matches("true", Value::Invalid), "no value, no match");
    assert!(compile("select * from /r", &[]).unwrap().matches(b"", value, &()));
}

#[test]
fn shapes_that_an_index_finds() {
    let shape = |condition: &str| {
        predicate(condition).fast_shape().map(|shape| (shape.comparison.symbol(), shape.is_all))
    };
    assert_eq!(shape("o.a = 5"), Some(("=", true)));
    assert_eq!(shape("5 < o.a.b"), Some((">", true)));
    assert_eq!(shape("not (o.a < 'x')"), Some((">=", true)));
    assert_eq!(shape("o.a > 5 and o.b = true and o.c like 'x'"), Some(("=", false)));
    assert_eq!(shape("o.a > 5 and o.b <> 3"), Some((">", false)));
    for slow in
        ["o.a <> 5", "o.a = null", "o.a = o.b", "o.a = 5 or o.b = 5", "o.a in set(1)", "o.a > true", "true"]
    {
        assert_eq!(shape(slow), None, "{slow}");
    }
}

#[test]
fn a_change_is_told_to_those_it_concerns() {
    let mut index = CqIndex::default();
    let conditions =
        ["o.a = 1", "o.a = 2", "o.a >= 1", "o.a <> 1", "o.b = 'x' and o.a < 2", "o.a < 0 or o.a > 1"];
    for (id, condition) in (0..).zip(conditions) {
        index.insert(id, Arc::new(predicate(condition)));
    }
    let value = |a: i32, b: &str| map(&[(text("a"), Java::Integer(a)), (text("b"), text(b))]).to_bytes();
    let (one, two) = (value(1, "x"), value(2, "x"));
    let change = |index: &CqIndex, old: Option<&Vec<u8>>, new: Option<&Vec<u8>>| {
        let mut out = Vec::new();
        let [old, new] = [old, new].map(|object| object.map(|object| Value::Object(object)));
        index.matching(b"", old, new, &(), &mut out);
        out
    };
    use CqTransition::{Create, Destroy, Update};
    assert_eq!(change(&index, None, Some(&one)), [(0, Create), (2, Create), (4, Create)]);
    let changed = [(0, Destroy), (1, Create), (2, Update), (3, Create), (4, Destroy), (5, Create)];
    assert_eq!(change(&index, Some(&one), Some(&two)), changed);
    assert_eq!(change(&index, Some(&two), None), [(1, Destroy), (2, Destroy), (3, Destroy), (5, Destroy)]);
    (0..6).for_each(|id| assert!(index.remove(id).is_some() && index.remove(id).is_none()));
    assert!(index.is_empty());
    assert_eq!(change(&index, Some(&one), Some(&two)), []);
}

#[test]
fn a_predicate_takes_the_place_of_one_of_its_number() {
    let mut index = CqIndex::default();
    index.insert(7, Arc::new(predicate("o = 1")));
    index.insert(7, Arc::new(predicate("o = 2 or o = 3")));
    let value = Java::Integer(1).to_bytes();
    let mut out = Vec::new();
    index.matching(b"", None, Some(Value::Object(&value)), &(), &mut out);
    assert_eq!((index.len(), out), (1, vec![]));
}

/// Values of all classes that an index sorts, near to one another and to what the conditions name.
fn value() -> impl Strategy<Value = Java> {
    prop_oneof![
        (-2..4_i64).prop_map(Java::Long),
        ((1_i64 << 53) - 1..(1 << 53) + 3).prop_map(Java::Long),
        (-4..7).prop_map(|halves| Java::Double(f64::from(halves) / 2.0)),
        (-4..7).prop_map(|tenths| Java::Float(tenths as f32 / 10.0)),
        Just(Java::Float(f32::NAN)),
        Just(Java::Double(9_007_199_254_740_992.0)),
        (0..3_u8).prop_map(|byte| Java::BigInteger(vec![byte])),
        prop::sample::select(&["0.5", "1E+0", "2.00"][..]).prop_map(|text| Java::BigDecimal(text.into())),
        "[ab]{0,2}".prop_map(|value| text(&value)),
        any::<bool>().prop_map(Java::Boolean),
        (0..4_i64).prop_map(Java::Date),
        (0..3_u16).prop_map(Java::Character),
        (0..3_u8).prop_map(|byte| Java::Uuid([byte; 16])),
        Just(Java::Null),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_index_finds_what_each_would_match(
        predicates in vec((0..5_usize, value(), any::<bool>()), 1..40),
        values in vec((prop::option::of(value()), prop::option::of(value())), 1..10),
    ) {
        let mut world = World::default();
        let mut index = CqIndex::default();
        let mut all = Vec::new();
        for (id, (comparison, constant, is_joined)) in (0..).zip(&predicates) {
            let symbol = ["=", "<", "<=", ">", ">="][*comparison];
            let rest = if *is_joined { " and is_defined(o.a)" } else { "" };
            let query = format!("select * from /r o where o.a {symbol} $1{rest}");
            let predicate = Arc::new(compile(&query, std::slice::from_ref(constant)).unwrap());
            index.insert(id, Arc::clone(&predicate));
            all.push((id, predicate));
        }
        for (old, new) in &values {
            let [old, new] = [old, new].map(|value| {
                value.as_ref().map(|value| world.object("V", &[("a", PdxFieldType::Object, value.clone())]).to_bytes())
            });
            let [old, new] = [&old, &new].map(|object| object.as_ref().map(|object| Value::Object(object)));
            let is_in = |predicate: &CqPredicate, value: Option<Value<'_>>| {
                value.is_some_and(|value| predicate.matches(b"", value, &world))
            };
            let expected: Vec<_> = all.iter().filter_map(|(id, predicate)| {
                CqTransition::of(is_in(predicate, old), is_in(predicate, new)).map(|transition| (*id, transition))
            }).collect();
            let mut found = Vec::new();
            index.matching(b"", old, new, &world, &mut found);
            prop_assert_eq!(found, expected);
        }
    }
}
