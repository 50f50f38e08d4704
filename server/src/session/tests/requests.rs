//! Requests beside the operations on entries: the registry of PDX types, metadata, statistics; and refusals that are the same
//! for all.

use druse_protocol::codec::MessageWriter;
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::housekeeping::{CloseConnection, Ping};
use druse_protocol::message::metadata::{PartitionAttributes, PartitionAttributesReply, PartitionMetadata};
use druse_protocol::message::pdx::{
    PdxIdReply, PdxKind, PdxMapReply, PdxObjectReply, PdxQuestion, PdxRequest,
};
use druse_protocol::message::registration::{Registered, Registration};
use druse_protocol::message::size::Size;
use druse_protocol::value::Value;
use druse_protocol::value::pdx::PdxWriter;

use super::*;

const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;

async fn logged_in() -> (Node, Talk) {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    (node, talk)
}

impl Talk {
    async fn pdx(&mut self, kind: PdxKind, question: PdxQuestion<'_>) -> Result<Vec<u8>, Refused> {
        let mut request = Vec::new();
        let envelope = Envelope { security: None, ..self.envelope() };
        PdxRequest { kind, question }.encode(&mut request, &envelope);
        self.ask(&request).await
    }
}

fn decoded(answer: &[u8]) -> Message<'_> {
    Message::decode(answer, &FrameLimits::default()).unwrap().unwrap().0
}

#[tokio::test]
async fn pdx_types_get_a_number_and_come_back_by_it() {
    let (_node, mut talk) = logged_in().await;
    let writer = PdxWriter::new("com.example.Order", false);
    let kind = druse_protocol::value::pdx::PdxFieldType::Int;
    let (pdx_type, _) = writer.field("id", kind, &Value::Integer(7)).expect("a field").finish();
    let mut object = Vec::new();
    pdx_type.encode(&mut object);
    let answer = talk.pdx(PdxKind::Type, PdxQuestion::IdFor(&object)).await.expect("a number");
    let id = PdxIdReply::decode(&decoded(&answer)).expect("a number").id;
    let again = talk.pdx(PdxKind::Type, PdxQuestion::IdFor(&object)).await.expect("a number");
    assert_eq!(PdxIdReply::decode(&decoded(&again)).expect("a number").id, id);

    let answer = talk.pdx(PdxKind::Type, PdxQuestion::ById(id)).await.expect("a type");
    assert!(PdxObjectReply::decode(&decoded(&answer)).expect("a type").object.is_some());
    let answer = talk.pdx(PdxKind::Type, PdxQuestion::ById(id + 1)).await.expect("an answer");
    assert_eq!(PdxObjectReply::decode(&decoded(&answer)).expect("none").object, None);
    let answer = talk.pdx(PdxKind::Type, PdxQuestion::All).await.expect("a map");
    let ids: Vec<_> =
        PdxMapReply::decode(&decoded(&answer)).expect("a map").entries().map(|(id, _)| id).collect();
    assert_eq!(ids, [id]);
    let error = talk.pdx(PdxKind::Type, PdxQuestion::Add(&object, 0)).await.expect_err("no number");
    assert_eq!(error.class(), "IllegalStateException");
    assert!(talk.pdx(PdxKind::Type, PdxQuestion::IdFor(&[0x57, 0, 0])).await.is_err(), "no type");
}

#[tokio::test]
async fn pdx_enums_are_kept_apart_from_types() {
    let (_node, mut talk) = logged_in().await;
    // protocol/2-operations.md 2.13.
    let object = b"\x01\x09\x57\x00\x09Cli$Color\x57\x00\x04BLUE\x00\x00\x00\x02";
    let answer = talk.pdx(PdxKind::Enum, PdxQuestion::IdFor(object)).await.expect("a number");
    let id = PdxIdReply::decode(&decoded(&answer)).expect("a number").id;
    let answer = talk.pdx(PdxKind::Enum, PdxQuestion::ById(id)).await.expect("an enum");
    assert_eq!(PdxObjectReply::decode(&decoded(&answer)).expect("an enum").object, Some(&object[..]));
    let answer = talk.pdx(PdxKind::Enum, PdxQuestion::Add(object, id)).await.expect("known under it");
    Acknowledgement::decode(&decoded(&answer)).expect("done");
    let answer = talk.pdx(PdxKind::Enum, PdxQuestion::All).await.expect("a map");
    assert_eq!(PdxMapReply::decode(&decoded(&answer)).expect("a map").entries().len(), 1);
}

#[tokio::test]
async fn clients_with_single_hop_are_told_that_there_are_no_partitions() {
    let (_node, mut talk) = logged_in().await;
    let envelope = Envelope { security: None, ..talk.envelope() };
    let mut request = Vec::new();
    PartitionAttributes { region: REGION }.encode(&mut request, &envelope);
    let answer = talk.ask(&request).await.expect("attributes");
    let message = decoded(&answer);
    assert_eq!((message.part_count(), message.security()), (2, None));
    assert_eq!(PartitionAttributesReply::decode(&message).expect("attributes").buckets, None);
    for (region, kind) in [("/none", "GET_CLIENT_PARTITION_ATTRIBUTES_ERROR")] {
        let mut request = Vec::new();
        PartitionAttributes { region }.encode(&mut request, &envelope);
        assert_eq!(talk.ask(&request).await.expect_err("no region").class(), kind);
    }
    for region in [REGION, "/none"] {
        let mut request = Vec::new();
        PartitionMetadata { region }.encode(&mut request, &envelope);
        let refused = talk.ask(&request).await.expect_err("no partitions");
        assert_eq!(refused.class(), "GET_CLIENT_PR_METADATA_ERROR");
    }
}

#[tokio::test]
async fn statistics_are_answered_without_a_security_part_and_dropped() {
    let (node, mut talk) = logged_in().await;
    let put = Put { region: "__ADMIN_CLIENT_HEALTH_MONITORING__", ..put_of("member", b"stats", 1) };
    let mut request = Vec::new();
    put.encode(&mut request, &talk.envelope());
    let answer = talk.ask(&request).await.expect("an answer");
    assert!(decoded(&answer).security().is_none());
    assert_eq!(node.region.len(), 0);
}

#[tokio::test]
async fn registrations_are_acknowledged() {
    let (_node, mut talk) = logged_in().await;
    for are_instantiators in [true, false] {
        let entry = Registered {
            class: b"\x57\x00\x01A",
            instantiated: are_instantiators.then_some(b"\x57\x00\x01B"),
            id: 7,
        };
        let entries = vec![entry];
        let mut request = Vec::new();
        Registration { are_instantiators, entries, event: EventIdRef { thread: 1, sequence: 1 } }
            .encode(&mut request, &talk.envelope());
        let answer = talk.ask(&request).await.expect("acknowledged");
        Acknowledgement::decode(&decoded(&answer)).expect("done");
    }
}

#[tokio::test]
async fn pings_are_answered_before_any_login_and_goodbyes_close() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    let envelope = Envelope { security: None, ..talk.envelope() };
    let mut request = Vec::new();
    Ping::encode(&mut request, &envelope);
    let answer = talk.ask(&request).await.expect("a sign of life");
    assert_eq!(answer, [0, 0, 0, 6, 0, 0, 0, 6, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 0, 0]);
    let mut request = Vec::new();
    CloseConnection { keep_alive: false }.encode(&mut request, &envelope);
    talk.ask(&request).await.expect("an answer first");
    assert_eq!(talk.closed, Some(CloseReason::Requested));
}

#[tokio::test]
async fn deltas_are_refused_so_that_the_client_sends_the_whole_value() {
    let (node, mut talk) = logged_in().await;
    let mut request = Vec::new();
    Put { is_delta: true, ..put_of("k", b"delta", 1) }.encode(&mut request, &talk.envelope());
    let answer = talk.send(&request).await;
    let message = decoded(&answer);
    assert_eq!((message.kind(), message.part_count()), (Some(MessageType::PutDeltaError), 2));
    assert_eq!(node.region.len(), 0);
    // The repeat has the same event id.
    assert_eq!(talk.put("k", b"whole").await.expect("put"), 1);
}

#[tokio::test]
async fn an_unknown_region_is_a_destroyed_one_in_the_framing_of_the_request() {
    let (_node, mut talk) = logged_in().await;
    for kind in [
        MessageType::Get,
        MessageType::ContainsKey,
        MessageType::KeySet,
        MessageType::Size,
        MessageType::ClearRegion,
        MessageType::Invalidate,
    ] {
        let request = request_on("/none", kind, &talk);
        let answer = talk.send(&request).await;
        let refused = match kind.is_answered_in_chunks() {
            true => talk.read_chunks(&answer).map(drop),
            false => talk.read(answer).map(drop),
        };
        let (class, text) = refused.expect_err("no region").says();
        let expected = format!("/none was not found during {} request", kind.geode_name());
        assert_eq!((class.as_str(), text), ("RegionDestroyedException", expected));
    }
}

#[tokio::test]
async fn whoever_may_not_touch_a_region_does_not_learn_whether_it_exists() {
    let (node, mut talk) = logged_in().await;
    node.manager.deny("ann", "orders");
    node.manager.deny("ann", "none");
    for region in [REGION, "/none"] {
        let request = request_on(region, MessageType::Get, &talk);
        assert_eq!(talk.ask(&request).await.expect_err("no").class(), "NotAuthorizedException");
    }
}

#[tokio::test]
async fn requests_of_a_transaction_are_told_that_there_are_none() {
    let (node, mut talk) = logged_in().await;
    let mut request = Vec::new();
    let envelope = Envelope { tx_id: 7, ..talk.envelope() };
    put_of("k", b"v", 1).encode(&mut request, &envelope);
    let answer = talk.send(&request).await;
    assert_eq!(decoded(&answer).header.tx_id, 7);
    assert_eq!(talk.read(answer).expect_err("no").class(), "TransactionException");
    assert_eq!(node.region.len(), 0);
}

#[tokio::test]
async fn regions_are_not_the_clients_to_make() {
    let (node, mut talk) = logged_in().await;
    let request = request_on(REGION, MessageType::DestroyRegion, &talk);
    assert_eq!(talk.ask(&request).await.expect_err("no").class(), "UnsupportedOperationException");
    let asked = node.manager.take_asked();
    assert_eq!(asked, [("ann DATA:MANAGE".to_owned(), true)]);
}

#[tokio::test]
async fn a_size_is_given_in_a_message_without_security_part() {
    let (_node, mut talk) = logged_in().await;
    talk.put("k", b"v").await.expect("put");
    let mut request = Vec::new();
    Size { region: REGION }.encode(&mut request, &Envelope { security: None, ..talk.envelope() });
    let answer = talk.ask(&request).await.expect("a size");
    let message = decoded(&answer);
    let size = message.parts().next().and_then(|part| part.object());
    assert_eq!((size, message.security()), (Some(&[0x39, 0, 0, 0, 1][..]), None));
}

/// A request whose further parts fit every type that is used here.
fn request_on(region: &str, kind: MessageType, talk: &Talk) -> Vec<u8> {
    let mut bytes = Vec::new();
    let event = [0, 1, 0, 1];
    let mut writer = MessageWriter::begin(&mut bytes, kind, NO_TRANSACTION, 0);
    writer.raw(region.as_bytes());
    match kind {
        MessageType::Get => writer.raw(b"k"),
        MessageType::ContainsKey => {
            writer.raw(b"k");
            writer.i32(0);
        }
        MessageType::Invalidate => {
            writer.raw(b"k");
            writer.raw(&event);
        }
        MessageType::ClearRegion | MessageType::DestroyRegion => writer.raw(&event),
        _ => {}
    }
    let mut security = talk.connection_id.to_be_bytes().to_vec();
    security.extend(talk.unique_id.unwrap_or(-1).to_be_bytes());
    writer.finish(Some(&security));
    bytes
}
