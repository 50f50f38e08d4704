use proptest::prelude::*;

use super::*;
use crate::codec::{ChunkedHeader, FrameLimits};
use crate::message::object_part_list::{self, Element};
use crate::message::testing::{AnyValue, REPLY_ENVELOPE, any_value};

const PLAIN: ResultType<'static> =
    ResultType { collection: ResultType::COLLECTION, element: ElementType::ANY };

/// Lends every chunk of the reply that `bytes` must be.
fn with_chunks<'a>(bytes: &'a [u8], mut read: impl FnMut(&Chunk<'a>)) {
    let limits = FrameLimits::default();
    let header = ChunkedHeader::decode(bytes, &limits).unwrap().unwrap();
    assert_eq!((header.kind(), header.parts), (Some(MessageType::Response), 2));
    let mut rest = &bytes[ChunkedHeader::SIZE..];
    while !rest.is_empty() {
        let (chunk, size) = Chunk::decode(rest, &header, &limits).unwrap().unwrap();
        rest = &rest[size..];
        assert_eq!(chunk.flags.is_last(), rest.is_empty());
        read(&chunk);
    }
}

/// One chunk of two parts.
fn chunk_of(result_type: &[u8], rows: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    QueryReply::encode_header(&mut out, &REPLY_ENVELOPE);
    let mut writer = ChunkedWriter::resume(&mut out);
    writer.begin_chunk();
    writer.object(result_type);
    writer.object(rows);
    parts::end_chunk(&mut writer, true, &REPLY_ENVELOPE);
    out
}

fn values(reply: &QueryReply<'_>) -> Vec<Vec<u8>> {
    let value = |row| match row {
        Row::Value(Element::Value(value)) => value.bytes().to_vec(),
        other => panic!("{other:?}"),
    };
    reply.rows.iter().map(value).collect()
}

/// The collection type of `select * from /rep`, as a real server sent it.
const CAPTURED: &[u8] =
    b"\x01\xc5\x2b\x57\x00\x14java.util.Collection\x01\xc3\x2b\x57\x00\x10java.lang.Object";

#[test]
fn the_types_as_captured() {
    let mut out = Vec::new();
    PLAIN.encode(&mut out);
    assert_eq!(out, CAPTURED);
    let object = b"\x01\xc3\x2b\x57\x00\x10java.lang.Object";
    let expected = [
        &b"\x01\xc5\x2b\x57\x00\x14java.util.Collection"[..],
        b"\x01\xc4\x2b\x57\x00\x23org.apache.geode.cache.query.Struct",
        b"\x02\x57\x00\x03key\x57\x00\x05value",
        b"\x02\x2b\x57\x00\x2dorg.apache.geode.cache.query.types.ObjectType",
        object,
        object,
    ]
    .concat();
    let mut out = Vec::new();
    ResultType::CQ.encode(&mut out);
    assert_eq!(out, expected);
    assert_eq!(ResultType::decode(&out), Ok(ResultType::CQ));
}

#[test]
fn a_part_list_as_captured() {
    let rows = [0x01, 0x19, 0, 0, 0, 0, 2, 0, 0x57, 0, 2, 0x73, 0x32, 0, 0x57, 0, 2, 0x73, 0x31];
    with_chunks(&chunk_of(CAPTURED, &rows), |chunk| {
        let reply = QueryReply::decode_chunk(chunk).unwrap();
        assert_eq!(reply.result_type, Some(PLAIN));
        assert_eq!(values(&reply), [[0x57, 0, 2, 0x73, 0x32], [0x57, 0, 2, 0x73, 0x31]]);
    });
}

#[test]
fn an_empty_result_is_an_empty_array() {
    let mut out = Vec::new();
    QueryReply::encode_header(&mut out, &REPLY_ENVELOPE);
    QueryReply::encode_values(&mut out, &PLAIN, [], true, &REPLY_ENVELOPE);
    with_chunks(&out, |chunk| {
        let rows = chunk.parts().nth(1).unwrap().bytes;
        assert_eq!(rows, b"\x34\x00\x2b\x57\x00\x10java.lang.Object");
        assert!(QueryReply::decode_chunk(chunk).unwrap().rows.is_empty());
    });
}

#[test]
fn a_number_alone() {
    let mut out = Vec::new();
    QueryReply::encode_header(&mut out, &REPLY_ENVELOPE);
    QueryReply::encode_number(&mut out, 7, &REPLY_ENVELOPE);
    with_chunks(&out, |chunk| {
        let reply = QueryReply::decode_chunk(chunk).unwrap();
        assert_eq!((reply.result_type, reply.rows.len()), (None, 1));
        assert_eq!(values(&reply), [[0x39, 0, 0, 0, 7]]);
    });
}

#[test]
fn structs_in_part_lists_are_read_too() {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let fields = [ValueRef::Object(&[0x57, 0, 1, b'k']), ValueRef::Bytes(b"v")].map(Element::Value);
    object_part_list::encode(&mut row, fields);
    object_part_list::encode(&mut rows, [Element::Value(ValueRef::Object(&row))]);
    let mut result_type = Vec::new();
    ResultType::CQ.encode(&mut result_type);
    with_chunks(&chunk_of(&result_type, &rows), |chunk| {
        let reply = QueryReply::decode_chunk(chunk).unwrap();
        let Some(Row::Struct(found)) = reply.rows.iter().next() else { panic!() };
        assert_eq!(found.iter().collect::<Vec<_>>(), fields);
    });
}

#[test]
fn a_row_has_the_fields_of_its_type() {
    let mut out = Vec::new();
    QueryReply::encode_header(&mut out, &REPLY_ENVELOPE);
    let rows = [[ValueRef::Null]];
    QueryReply::encode_structs(&mut out, &ResultType::CQ, rows, true, &REPLY_ENVELOPE);
    with_chunks(&out, |chunk| assert!(QueryReply::decode_chunk(chunk).is_err()));
    let mut result_type = Vec::new();
    ResultType::CQ.encode(&mut result_type);
    let mut rows = Vec::new();
    put_values(&mut rows, [ValueRef::Object(&[0x35, 1])]);
    with_chunks(&chunk_of(&result_type, &rows), |chunk| assert!(QueryReply::decode_chunk(chunk).is_err()));
}

#[test]
fn what_is_no_type_or_no_rows_is_refused() {
    let rows = b"\x34\x00\x2b\x57\x00\x10java.lang.Object";
    for result_type in [&b"\x01\xc3\x2b\x57\x00\x01a"[..], b"\x39\x00\x00\x00\x01", &CAPTURED[..40], b"\x01"]
    {
        with_chunks(&chunk_of(result_type, rows), |chunk| assert!(QueryReply::decode_chunk(chunk).is_err()));
    }
    for rows in [&b"\x57\x00\x00"[..], &rows[..9], b"\x34\xfd\x7f\xff\xff\xff\x29", b""] {
        with_chunks(&chunk_of(CAPTURED, rows), |chunk| assert!(QueryReply::decode_chunk(chunk).is_err()));
    }
}

#[test]
fn a_map_type_is_a_collection_with_a_key_type_behind() {
    let mut bytes = CAPTURED.to_vec();
    bytes[1] = 0xc9;
    assert!(ResultType::decode(&bytes).is_err());
    bytes.extend(b"\x01\xc3\x2b\x57\x00\x10java.lang.Object");
    assert_eq!(ResultType::decode(&bytes), Ok(PLAIN));
}

#[test]
fn which_collections_have_an_order_and_which_have_no_two_equal_rows() {
    let of = |collection| {
        let result_type = ResultType { collection, element: ElementType::ANY };
        (result_type.is_ordered(), result_type.is_set())
    };
    for (collection, expected) in [
        (ResultType::COLLECTION, (false, false)),
        (ResultType::STRUCT_BAG, (false, false)),
        (ResultType::LIST, (true, false)),
        (ResultType::ORDERED, (true, false)),
        (ResultType::SET, (false, true)),
        (b"java.util.LinkedHashSet", (true, true)),
        (b"org.apache.geode.cache.query.internal.SortedResultsBag", (true, false)),
        (b"org.apache.geode.cache.query.internal.StructSet", (false, true)),
        (b"java.util.SortedResultsBag", (false, false)),
        (b"", (false, false)),
    ] {
        assert_eq!(of(collection), expected, "{}", String::from_utf8_lossy(collection));
    }
}

fn any_type() -> impl Strategy<Value = ResultType<'static>> {
    let collection = proptest::sample::select(vec![
        ResultType::COLLECTION,
        ResultType::LIST,
        ResultType::SET,
        ResultType::ORDERED,
        ResultType::STRUCT_BAG,
    ]);
    let element = proptest::sample::select(vec![
        ElementType::ANY,
        ElementType::INTEGER,
        ElementType::NUMBER,
        ElementType::fields(&["a", "été"]),
    ]);
    (collection, element).prop_map(|(collection, element)| ResultType { collection, element })
}

proptest! {
    #[test]
    fn types_there_and_back(result_type in any_type()) {
        let mut out = Vec::new();
        result_type.encode(&mut out);
        prop_assert_eq!(ResultType::decode(&out), Ok(result_type));
        for end in 0..out.len() {
            prop_assert!(ResultType::decode(&out[..end]).is_err(), "{} bytes", end);
        }
    }

    #[test]
    fn values_there_and_back(rows in proptest::collection::vec(any_value(), 0..250)) {
        let mut out = Vec::new();
        QueryReply::encode_header(&mut out, &REPLY_ENVELOPE);
        for chunk in rows.chunks(QueryReply::ROWS_PER_CHUNK) {
            QueryReply::encode_values(&mut out, &PLAIN, chunk.iter().map(AnyValue::get), false, &REPLY_ENVELOPE);
        }
        QueryReply::encode_values(&mut out, &PLAIN, [], true, &REPLY_ENVELOPE);
        let mut found = Vec::new();
        with_chunks(&out, |chunk| found.extend(QueryReply::decode_chunk(chunk).unwrap().rows.iter()));
        let rows: Vec<_> = rows.iter().map(|row| Row::Value(Element::Value(row.get()))).collect();
        prop_assert_eq!(found, rows);
    }

    #[test]
    fn structs_there_and_back(rows in proptest::collection::vec((any_value(), any_value()), 0..20)) {
        let result_type = ResultType { collection: ResultType::STRUCT_BAG, element: ElementType::fields(&["a", "b"]) };
        let rows: Vec<_> = rows.iter().map(|(a, b)| [a.get(), b.get()]).collect();
        let mut out = Vec::new();
        QueryReply::encode_header(&mut out, &REPLY_ENVELOPE);
        QueryReply::encode_structs(&mut out, &result_type, rows.iter().copied(), true, &REPLY_ENVELOPE);
        let mut found = Vec::new();
        with_chunks(&out, |chunk| {
            let reply = QueryReply::decode_chunk(chunk).unwrap();
            assert_eq!(reply.result_type, Some(result_type));
            for row in reply.rows.iter() {
                let Row::Struct(fields) = row else { panic!() };
                found.push(fields.iter().collect::<Vec<_>>());
            }
        });
        let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().copied().map(Element::Value).collect()).collect();
        prop_assert_eq!(found, rows);
    }
}
