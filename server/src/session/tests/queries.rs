//! Questions in OQL over the wire: what comes back, in what pieces, and what ends it.

use druse_protocol::message::object_part_list::Element;
use druse_protocol::message::query::Query;
use druse_protocol::message::query_reply::{ElementType, QueryReply, Row};
use druse_protocol::value::Value;
use druse_protocol::value::pdx::{PdxFieldType, PdxWriter};

use super::*;

const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;

/// What a query gave: the class of the collection, the names of the columns, the rows and the number of chunks.
#[derive(Debug, PartialEq)]
struct Found {
    collection: String,
    columns: Vec<String>,
    rows: Vec<String>,
    chunks: usize,
}

impl Talk {
    fn query_request(&self, text: &str, values: Option<&[Value]>) -> Vec<u8> {
        let objects: Option<Vec<_>> = values.map(|values| values.iter().map(Value::to_bytes).collect());
        let values: Option<Vec<_>> =
            objects.as_ref().map(|objects| objects.iter().map(|object| ValueRef::Object(object)).collect());
        let values = values.as_ref().map(|values| values.iter().copied());
        let mut request = Vec::new();
        Query { text: text.as_bytes(), values, timeout_ms: None }.encode(&mut request, &self.envelope());
        request
    }

    async fn query(&mut self, text: &str, values: Option<&[Value]>) -> Result<Found, Refused> {
        let request = self.query_request(text, values);
        self.ask_chunks(&request).await.map(|chunks| found(&chunks))
    }

    async fn store(&mut self, key: &str, value: &Value) {
        self.sequence += 1;
        let object = value.to_bytes();
        let put = Put { value: ValueRef::Object(&object), ..put_of(key, b"", self.sequence) };
        let mut request = Vec::new();
        put.encode(&mut request, &self.envelope());
        self.ask(&request).await.expect("put");
    }
}

fn found(chunks: &Chunks) -> Found {
    let mut all = Found { collection: String::new(), columns: vec![], rows: vec![], chunks: chunks.len() };
    let each = chunks.each(|chunk| {
        let reply = QueryReply::decode_chunk(chunk).expect("rows");
        let result_type = reply.result_type.expect("a type");
        let collection = String::from_utf8_lossy(result_type.collection).into_owned();
        let columns: Vec<_> = match result_type.element {
            ElementType::Struct(names) => names.iter().map(Into::into).collect(),
            ElementType::Value(_) => vec![],
        };
        assert!(reply.rows.len() <= QueryReply::ROWS_PER_CHUNK);
        (collection, columns, reply.rows.iter().map(shown).collect::<Vec<_>>())
    });
    for (collection, columns, rows) in each {
        (all.collection, all.columns) = (collection, columns);
        all.rows.extend(rows);
    }
    all
}

fn shown(row: Row<'_>) -> String {
    let show = |element: Element<'_>| match element {
        Element::Value(ValueRef::Object(object)) => Value::decode(object).expect("an object").to_string(),
        other => format!("{other:?}"),
    };
    match row {
        Row::Value(element) => show(element),
        Row::Struct(fields) => fields.iter().map(show).collect::<Vec<_>>().join(" "),
    }
}

/// A node with three orders, as a Java client would have put them.
async fn orders() -> (Node, Talk) {
    let node = Node::open();
    let mut talk = node.connect(NEW).await;
    for (key, price) in [("a", 30), ("b", 10), ("c", 20)] {
        let writer = PdxWriter::new("Order", false);
        let writer = writer.field("name", PdxFieldType::String, &Value::String(key.into())).expect("a field");
        let writer = writer.field("price", PdxFieldType::Int, &Value::Integer(price)).expect("a field");
        let (pdx_type, data) = writer.finish();
        let type_id = node.core.pdx.id_for_type(pdx_type).finish().await.expect("a number");
        talk.store(key, &Value::Pdx { type_id, data }).await;
    }
    (node, talk)
}

#[tokio::test]
async fn each_kind_of_result_says_what_it_is() {
    let (_node, mut talk) = orders().await;
    for (text, collection, columns, rows) in [
        ("select o.name from /orders o where o.price > 25", "java.util.Collection", "", "\"a\""),
        ("select distinct o.price from /orders o where o.name = 'b'", "java.util.Set", "", "10"),
        ("select name, price from /orders where price = 10", "StructBag", "name price", "\"b\" 10"),
        ("select o.name n, o.price as p from /orders o order by p", "", "", ""),
        (
            "select o.name as n, o.price as p from /orders o order by p",
            "Ordered",
            "n p",
            "\"b\" 10, \"c\" 20, \"a\" 30",
        ),
        (
            "select e.key from /orders.entries e order by e.value.price desc limit 2",
            "Ordered",
            "",
            "\"a\", \"c\"",
        ),
        ("select count(*) from /orders", "java.util.Collection", "", "3"),
        ("select * from /orders.keys k where k = 'c'", "java.util.Collection", "", "\"c\""),
        ("select * from /orders where price > 99", "java.util.Collection", "", ""),
    ] {
        match talk.query(text, None).await {
            Ok(found) => {
                assert!(
                    found.collection.ends_with(collection) && !collection.is_empty(),
                    "{text}: {found:?}"
                );
                assert_eq!(
                    (found.columns.join(" "), found.rows.join(", ")),
                    (columns.into(), rows.into()),
                    "{text}"
                );
                assert_eq!(found.chunks, 1, "{text}");
            }
            Err(refused) => {
                assert!(collection.is_empty(), "{text}: {refused:?}");
                assert_eq!(refused.class(), "QueryInvalidException", "{text}");
            }
        }
    }
}

#[tokio::test]
async fn parameters_come_with_the_query() {
    let (_node, mut talk) = orders().await;
    let values = [Value::Long(10), Value::Integer(1)];
    let found = talk
        .query("select o.name from /orders o where o.price > $1 order by o.name limit $2", Some(&values))
        .await;
    assert_eq!(found.expect("rows").rows, ["\"a\""]);
}

#[tokio::test]
async fn old_clients_are_told_of_a_list() {
    let (node, _talk) = orders().await;
    let mut talk = node.connect_as(2, VersionOrdinal::GFE_81).await;
    let found = talk.query("select o.name from /orders o", None).await.expect("rows");
    assert_eq!((&*found.collection, found.rows.len()), ("java.util.List", 3));
}

#[tokio::test]
async fn errors_are_what_geode_throws() {
    let (_node, mut talk) = orders().await;
    for (text, class, message) in [
        ("select", "QueryInvalidException", "line 1, column 7: the end where a value is due"),
        (
            "select * from /orders o, /other",
            "QueryInvalidException",
            "line 1, column 24: the OQL of this node has no joins of regions in FROM",
        ),
        ("select * from /none", "RegionNotFoundException", "region not found: /none"),
        (
            "select * from /orders where name > 5",
            "TypeMismatchException",
            "line 1, column 29: a String and a whole number cannot be compared by >",
        ),
        (
            "select * from /orders where a = $1",
            "QueryInvalidException",
            "line 1, column 33: there is no value for $1, the query came with 0",
        ),
    ] {
        let refused = talk.query(text, None).await.expect_err(text);
        assert_eq!(refused.says(), (class.into(), message.into()), "{text}");
        assert!(talk.closed.is_none());
    }
    assert_eq!(talk.query("select count(*) from /orders", None).await.expect("rows").rows, ["3"]);
}

#[tokio::test]
async fn the_right_to_read_the_region_comes_first() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    talk.query("select * from /orders", None).await.expect("rows");
    let asked = node.manager.take_asked();
    assert!(!asked.is_empty() && asked.iter().all(|(asked, _)| asked == "ann DATA:READ:orders"), "{asked:?}");
    for region in ["orders", "none"] {
        node.manager.deny("ann", region);
        let refused =
            talk.query(&format!("select * from /{region} where a = $7"), None).await.expect_err("denied");
        assert_eq!(refused.class(), "NotAuthorizedException", "{region}");
    }
}

/// More entries than one step looks at.
async fn numbers(node: &Node, talk: &mut Talk, count: i32) {
    for number in 0..count {
        talk.store(&format!("{number}"), &Value::Integer(number)).await;
    }
    assert_eq!(node.region.len(), count as usize);
}

#[tokio::test]
async fn a_large_result_comes_in_chunks_of_a_hundred() {
    let node = Node::open();
    let mut talk = node.connect(NEW).await;
    numbers(&node, &mut talk, 250).await;
    let found = talk.query("select v from /orders v order by v", None).await.expect("rows");
    assert!(found.rows.iter().map(|row| row.parse::<i32>().unwrap()).eq(0..250));
    assert_eq!(found.chunks, 3);
    let found = talk.query("select * from /orders", None).await.expect("rows");
    assert_eq!(found.rows.len(), 250);
}

#[tokio::test]
async fn others_work_while_a_large_region_is_looked_through() {
    let node = Node::open();
    let mut talk = node.connect(NEW).await;
    numbers(&node, &mut talk, 5000).await;
    let request = talk.query_request("select * from /orders v where v = 4999", None);
    let (mut answer, mut next) = talk.begin(&request);
    let mut rests = 0;
    while let Next::Wait(rest) = next {
        rests += 1;
        let completion = rest.await;
        let mut out = BytesMut::new();
        next = talk.session.complete(completion, talk.now, &mut out).next;
        answer.extend_from_slice(&out);
    }
    assert!(rests >= 2, "{rests} rests in 5000 entries");
    assert_eq!(found(&talk.read_chunks(&answer).expect("rows")).rows, ["4999"]);
}

#[tokio::test]
async fn a_login_that_ends_ends_the_query() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", Some(START + SECOND)).await.expect("login");
    numbers(&node, &mut talk, 3000).await;
    let request = talk.query_request("select * from /orders v order by v", None);
    let (mut answer, next) = talk.begin(&request);
    talk.now = START + SECOND;
    talk.carry_on(next, &mut answer).await;
    let refused = talk.read_chunks(&answer).expect_err("expired");
    assert_eq!(refused.class(), "AuthenticationExpiredException");
    assert!(talk.closed.is_none());
}

#[tokio::test]
async fn a_query_that_finds_nothing_for_too_long_is_given_up() {
    let node = Node::open();
    let mut talk = node.connect(NEW).await;
    numbers(&node, &mut talk, 5000).await;
    let request = talk.query_request("select count(*) from /orders", None);
    let (mut answer, next) = talk.begin(&request);
    talk.now = START + node.core.queries.time;
    talk.carry_on(next, &mut answer).await;
    assert_eq!(talk.read_chunks(&answer).expect_err("too slow").class(), "QueryExecutionTimeoutException");
    assert_eq!(talk.query("select count(*) from /orders", None).await.expect("rows").rows, ["5000"]);
}
