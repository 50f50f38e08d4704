//! Messages that the captures lack: version tags for a caching client, and the forms of the C++ client.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use druse_protocol::message::bulk::BulkReply;
use druse_protocol::message::envelope::{Envelope, ReplyEnvelope};
use druse_protocol::message::get_all::{GetAll, GetAllReply};
use druse_protocol::message::metadata::PartitionAttributesReply;
use druse_protocol::message::put::{Put, PutOperation};
use druse_protocol::message::put_all::PutAll;
use druse_protocol::message::value::ValueRef;
use druse_protocol::message::versioned_list::{ListForm, ListValue};
use support::{chunks, hex, message};

const ENVELOPE: Envelope = Envelope { tx_id: -1, retry: false, security: None };
const REPLY_ENVELOPE: ReplyEnvelope = ReplyEnvelope { tx_id: -1, next_connection_id: None };

#[test]
fn a_put_all_of_a_caching_client_and_its_tags() {
    let request = hex("00000038 0000005f 0000000b ffffffff 00
        00000004 00 2f726570  00000007 00 020000b3ce0000  00000004 00 00000000  00000004 00 00000002
        00000004 00 00000003  00000001 00 61  00000004 01 57000131  00000001 00 62  00000005 01 3900000002
        00000005 01 3900000003  00000001 00 09");
    let put_all = PutAll::decode(&message(&request)).unwrap();
    assert!(put_all.flags.wants_tags());
    assert_eq!(put_all.event.nth(2).sequence, 2);
    assert_eq!(put_all.entries.clone().last().unwrap().1, ValueRef::Bytes(&[9]));
    let mut again = Vec::new();
    put_all.encode(&mut again, &ENVELOPE);
    assert_eq!(again, request);

    let reply = hex("00000001 00000001 ffffffff 0000003f 01 0000003a 01 0107 0c 03
        01 0004 0000 ff 0001 00000015 aee480c5a034  01 0004 0000 ff 0001 00000016 afe480c5a034
        01 0004 0000 ff 0001 00000017 afe480c5a034");
    let (_, chunks) = chunks(&reply);
    let tags: Vec<_> = BulkReply::decode_chunk(&chunks[0]).unwrap().list.unwrap().tags().collect();
    assert_eq!(tags.iter().flatten().map(|tag| tag.region_version).collect::<Vec<_>>(), [21, 22, 23]);
    let mut again = Vec::new();
    BulkReply::encode_header(&mut again, &REPLY_ENVELOPE);
    BulkReply::encode_chunk(&mut again, tags, true, &REPLY_ENVELOPE);
    assert_eq!(again, reply);
}

#[test]
fn a_get_all_of_every_kind_of_value() {
    let request = hex("00000064 00000041 00000003 ffffffff 00  00000004 00 2f726570
        0000002a 01 34 04 2b 570010 6a6176612e6c616e672e4f626a656374 57000161 57000162 5700046e6f7065 3900000003
        00000004 00 00000000");
    let mut again = Vec::new();
    GetAll::decode(&message(&request)).unwrap().encode(&mut again, &ENVELOPE);
    assert_eq!(again, request);

    let reply = hex("00000001 00000001 ffffffff 00000064 01 0000005f 01 0107 0e
        04  01 5700023162   01 3900000002   03 29   00 2e0109
        04  01 0004 0000 ff 0005 00000286 8999bfc5a034  01 0004 0000 ff 0003 00000284 f396bfc5a034
            01 0004 0000 ff 0001 00000187 82e2bec5a034  01 0004 0000 ff 0003 00000285 f396bfc5a034");
    let (_, chunks) = chunks(&reply);
    let list = GetAllReply::decode_chunk(&chunks[0]).unwrap().list;
    let entries: Vec<_> = list.entries().collect();
    assert_eq!(entries[2].value, ListValue::Absent);
    assert!(entries[2].tag.is_some(), "the tag of a tombstone");
    assert_eq!(entries[3].value, ListValue::Value(ValueRef::Bytes(&[9])));
    let mut again = Vec::new();
    GetAllReply::encode_header(&mut again, &REPLY_ENVELOPE);
    let form = ListForm { versioned: true, wrapped: false };
    GetAllReply::encode_chunk(&mut again, entries, form, true, &REPLY_ENVELOPE);
    assert_eq!(again, reply);
}

#[test]
fn a_put_as_the_cpp_client_writes_it() {
    // Null operation, key as object, both numbers of the event in eight bytes, null value.
    let request = hex("00000007 00000046 00000007 ffffffff 00
        00000004 00 2f726570  00000001 01 29  00000004 00 00000000  00000005 01 5700026b31
        00000002 01 3500  00000001 01 29  00000012 00 030000000000000007 030000000000000001");
    let put = Put::decode(&message(&request)).unwrap();
    assert_eq!((put.operation, put.expected, put.value), (PutOperation::Update, None, ValueRef::Null));
    assert_eq!((put.event.thread, put.event.sequence), (7, 1));
    assert_eq!(put.key.text().as_deref(), Some("k1"));
    let bare = druse_protocol::message::key::KeyRef::Text(b"k1");
    assert_eq!(put.key.key_bytes().unwrap(), bare.key_bytes().unwrap());
}

#[test]
fn a_region_without_partitions() {
    let reply =
        hex("0000004a 00000016 00000002 ffffffff 00 00000005 01 39ffffffff 00000007 01 5700042f726570");
    let mut again = Vec::new();
    PartitionAttributesReply::encode_unpartitioned(&mut again, "/rep", &REPLY_ENVELOPE).unwrap();
    assert_eq!(again, reply);
}
