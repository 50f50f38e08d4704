//! What is understood, and how the rest is refused.

use super::*;

#[test]
fn understood() {
    for query in [
        "select * from /orders",
        "SELECT DISTINCT * FROM /a/b-c o WHERE o.x = 1;",
        "select all o.x, o.y as z, w: o.\"select\" from /r as o",
        "select * from o in /r where o > 5",
        "select * from /r.entries e where e.key = 'a' and e.value.x in set(1, 2)",
        "select e.getKey() from /r.entrySet() e where e.getValue()['k'][0] <> null",
        "select * from /r.keys k where k like 'a%' limit 5",
        "<trace> <hint 'one', 'two'> select count(*) from /'odd name' where not (a = 1 or b = 2)",
        "select * from /r where is_defined(a) and is_undefined(b.c) or a in $1 order by a desc, b.c asc limit $2",
        "select * from /r this where this.get('k') = char 'x' and this->type.from = -0.5e3",
        "select * from /r o where o.a.b[3].c -- the end\n = 1 /* of it */",
        "select * from /r where (a = b) = true and -1 < c and +2L >= d and e = 1.5f",
    ] {
        Statement::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    }
    assert_eq!(Statement::parse("select * from /a/b.keys").unwrap().region(), "/a/b");
}

#[test]
fn refused_by_name_and_place() {
    const NONE: &str = "the OQL of this node has no";
    for (query, expected) in [
        ("", "line 1, column 1: the end where SELECT is due".into()),
        ("import a.b.C; select * from /r", format!("line 1, column 1: {NONE} IMPORT")),
        ("define q as select * from /r", format!("line 1, column 1: {NONE} DEFINE")),
        ("select from /r", "line 1, column 8: from where a value is due".into()),
        ("select * /r", "line 1, column 10: /r where FROM is due".into()),
        ("select * from orders", "line 1, column 15: orders where a region, as in /orders is due".into()),
        ("select * from (select * from /r)", format!("line 1, column 15: {NONE} queries within queries")),
        ("select * from $1", format!("line 1, column 15: {NONE} parameters in place of a region")),
        ("select * from /r a, /s b", format!("line 1, column 19: {NONE} joins of regions in FROM")),
        ("select * from /r.sub x", format!("line 1, column 18: {NONE} rows of a region by the name sub")),
        ("select * from /r o type X", format!("line 1, column 20: {NONE} TYPE")),
        ("select 1 from /r", format!("line 1, column 8: {NONE} columns but paths")),
        ("select sum(a) from /r", format!("line 1, column 8: {NONE} SUM")),
        ("select o.a from /r o group by o.a", format!("line 1, column 22: {NONE} GROUP BY")),
        ("select * from /r where\n  a + 1 = 2", format!("line 2, column 5: {NONE} arithmetic")),
        ("select * from /r where a /b = 2", format!("line 1, column 26: {NONE} arithmetic")),
        ("select * from /r where -a = 2", format!("line 1, column 24: {NONE} arithmetic")),
        ("select * from /r where a = all(b)", format!("line 1, column 28: {NONE} comparison with ALL")),
        (
            "select * from /r where a in (select b from /s)",
            format!("line 1, column 30: {NONE} queries within queries"),
        ),
        (
            "select * from /r where a = date '2020-01-01'",
            format!("line 1, column 28: {NONE} DATE literals (give the date as a parameter)"),
        ),
        ("select * from /r where nvl(a, 1) = 1", format!("line 1, column 24: {NONE} NVL")),
        ("select * from /r where lower(a) = 'x'", format!("line 1, column 24: {NONE} function lower")),
        ("select * from /r where a = 'x' || 'y'", format!("line 1, column 32: {NONE} concatenation")),
        ("select * from /r where a[*] = 1", format!("line 1, column 26: {NONE} [*]")),
        ("select * from /r where a =", "line 1, column 27: the end where a value is due".into()),
        ("select * from /r where (a = 1", "line 1, column 30: the end where ) is due".into()),
        ("select * from /r where a = 1 b", "line 1, column 30: b where the end of the query is due".into()),
        ("select * from /r limit x", "line 1, column 24: x where a number of rows is due".into()),
        ("select * from /r limit 1.5", "line 1, column 24: 1.5 is no number of rows".into()),
        ("select * from /r order a", "line 1, column 24: a where BY is due".into()),
        (
            "select * from /r where a = 3000000000",
            "line 1, column 28: 3000000000 is no Integer (write L behind a Long)".into(),
        ),
        ("select * from /r where a = 0x1F", "line 1, column 28: 0x1F is no number".into()),
        ("select * from /r where a = 1e", "line 1, column 28: 1e is no number".into()),
        ("select * from /r where a = char 'ab'", "line 1, column 28: 'ab' is no single character".into()),
        ("select * from /r where a = $0", "line 1, column 29: 0 is no number of a parameter".into()),
        ("select * from /r where a = 'x", "line 1, column 28: a text without end".into()),
    ] {
        let error = Statement::parse(query).err().unwrap_or_else(|| panic!("understood: {query}"));
        assert_eq!(error.to_string(), expected, "{query}");
        let offset = error.position().expect("a place").offset;
        assert!(offset <= query.len(), "{query}");
    }
}

#[test]
fn refused_once_names_have_a_meaning() {
    let world = World::default();
    for (query, expected) in [
        (
            "select * from /r where a = $2",
            "line 1, column 28: there is no value for $2, the query came with 1",
        ),
        ("select * from /r limit $1", "line 1, column 24: a String where a number of rows is due"),
        ("select * from /r where a in $1", "line 1, column 29: a String where a collection behind IN is due"),
        (
            "select * from /r where a in 5",
            "line 1, column 29: a whole number where a collection behind IN is due",
        ),
        ("select * from /r where a like null", "line 1, column 31: NULL where a pattern is due"),
        (
            "select * from /r.entries e where e.a = 1",
            "line 1, column 36: a where key or value of an entry is due",
        ),
        (
            "select * from /r.entries e where e = 1",
            "line 1, column 34: an entry where its key or its value is due",
        ),
        (
            "select * from /r o where o.toString() = 'x'",
            "line 1, column 28: the OQL of this node has no method toString",
        ),
        (
            "select * from /r o where o.a[o.b] = 'x'",
            "line 1, column 30: the OQL of this node has no indexes from the row",
        ),
        (
            "select * from /r where a like b",
            "line 1, column 31: the OQL of this node has no patterns from the row behind LIKE",
        ),
        (
            "select distinct a from /r order by b",
            "line 1, column 36: the OQL of this node has no ORDER BY what SELECT DISTINCT does not give",
        ),
        (
            "select e, e.key from /r.entries e",
            "line 1, column 8: the OQL of this node has no entries beside other columns",
        ),
        (
            "select * from /r order by 1",
            "line 1, column 27: the OQL of this node has no values but paths here",
        ),
    ] {
        assert_eq!(world.ask(query, &[text("x")]).unwrap_err(), expected, "{query}");
    }
}

#[test]
fn everything_has_a_bound() {
    let long = format!("select * from /r where a = '{}'", "x".repeat(MAX_TEXT));
    assert!(matches!(Statement::parse(&long), Err(QueryError::TooLong { .. })));
    let too_many = |what: &str, query: String| match Statement::parse(&query) {
        Err(QueryError::TooMany { what: found, .. }) => assert_eq!(found, what),
        other => panic!("{what}: {other:?}"),
    };
    let within = |inner: String| format!("select * from /r where {inner}");
    too_many("levels of nesting", within(format!("{}a{}", "(".repeat(9000), ")".repeat(9000))));
    too_many("levels of nesting", within(format!("{}a", "not ".repeat(9000))));
    too_many("levels of nesting", within(format!("a{}", "=a".repeat(9000))));
    too_many("levels of nesting", within(format!("a{}", "[b".repeat(9000))));
    too_many("steps of a path", within(format!("a{}", ".a".repeat(9000))));
    too_many("elements of a set", within(format!("a in set(1{})", ",1".repeat(10_000))));
    too_many("columns", format!("select a{} from /r", ",a".repeat(300)));
    too_many("keys of an order", format!("select * from /r order by a{}", ",a".repeat(300)));
    let pattern = text(&"x".repeat(MAX_PATTERN + 1));
    let error = World::default().plan("select * from /r where a like $1", &[pattern]).unwrap_err();
    assert!(matches!(error, QueryError::TooMany { what: "bytes in a pattern", .. }));
}

#[test]
fn deep_but_allowed_is_carried_out() {
    let nested = format!("select * from /r where {}a = 1{}", "(not ".repeat(30), ")".repeat(30));
    assert_eq!(World::default().ask(&nested, &[]), Ok(vec![]));
    let chain = format!("select * from /r where a{}", " = a".repeat(60));
    assert_eq!(World::default().ask(&chain, &[]), Ok(vec![]));
    let wide = format!("select * from /r where a = 1{}", " or a = 1".repeat(5000));
    assert_eq!(World::default().ask(&wide, &[]), Ok(vec![]));
}
