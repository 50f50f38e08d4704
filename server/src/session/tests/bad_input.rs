//! Bytes that no client sends: a clear error or a clean close, never a panic, and nobody else is touched.

use druse_protocol::codec::MessageWriter;
use proptest::prelude::*;

use super::expiry::{get_all, put_all};
use super::*;

const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;

async fn logged_in() -> (Node, Talk) {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    (node, talk)
}

#[tokio::test]
async fn half_a_message_is_waited_for() {
    let (_node, mut talk) = logged_in().await;
    let request = talk.get_request("k");
    for end in 0..request.len() {
        let (answer, next) = talk.begin(&request[..end]);
        assert!(answer.is_empty() && matches!(next, Next::Input), "{end} bytes");
    }
    talk.ask(&request).await.expect("the whole one");
}

#[tokio::test]
async fn what_cannot_be_framed_closes_and_what_came_before_is_answered() {
    let broken: [(usize, [u8; 4]); 4] = [
        (4, [0xff; 4]),             // a negative length
        (4, [0x7f, 0, 0, 0]),       // more than the limit
        (8, [0x7f, 0xff, 0xff, 0]), // more parts than bytes
        (17, [0x80, 0, 0, 1]),      // a part of negative length
    ];
    for (at, bytes) in broken {
        let (_node, mut talk) = logged_in().await;
        let good = talk.get_request("k");
        let mut input = good.clone();
        input.extend(&good);
        input[good.len() + at..][..4].copy_from_slice(&bytes);
        let answer = talk.send(&input).await;
        assert!(matches!(talk.closed, Some(CloseReason::Malformed(_))), "{:?}", talk.closed);
        talk.read(answer).expect("the good one's answer");
    }
}

#[tokio::test]
async fn types_without_a_name_close() {
    for number in [4, 57, 111, -2, i32::MAX] {
        let (_node, mut talk) = logged_in().await;
        let mut request = talk.get_request("k");
        request[..4].copy_from_slice(&number.to_be_bytes());
        assert!(talk.send(&request).await.is_empty());
        assert!(matches!(talk.closed, Some(CloseReason::Protocol(_))), "{number}");
    }
}

#[tokio::test]
async fn security_parts_of_a_wrong_size_name_nobody() {
    let (_node, mut talk) = logged_in().await;
    for size in [0, 1, 7, 9, 15, 17, 32] {
        let mut request = Vec::new();
        let mut writer = MessageWriter::begin(&mut request, MessageType::Get, NO_TRANSACTION, 0);
        writer.raw(REGION.as_bytes());
        writer.raw(b"k");
        writer.finish(Some(&vec![1; size]));
        let refused = talk.ask(&request).await.expect_err("nobody");
        assert_eq!(refused.class(), "AuthenticationRequiredException", "{size} bytes");
    }
    // Eight bytes are a login's of an old client; on a request they name nobody either.
    let mut request = Vec::new();
    let envelope = Envelope { security: Some((talk.connection_id, None)), ..talk.envelope() };
    let get = Get { region: REGION, key: KeyRef::Text(b"k"), callback: ValueRef::Null };
    get.encode(&mut request, &envelope);
    assert_eq!(talk.ask(&request).await.expect_err("nobody").class(), "AuthenticationRequiredException");
    talk.get("k").await.expect("the connection is fine");
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_told_so_by_its_own_error() {
    let (_node, mut talk) = logged_in().await;
    for (kind, error) in [
        (MessageType::Get, "REQUESTDATAERROR"),
        (MessageType::Put, "PUT_DATA_ERROR"),
        (MessageType::Destroy, "DESTROY_DATA_ERROR"),
        (MessageType::Invalidate, "INVALIDATE_ERROR"),
        (MessageType::GetPdxTypeById, "IllegalArgumentException"),
    ] {
        let mut request = Vec::new();
        let mut writer = MessageWriter::begin(&mut request, kind, NO_TRANSACTION, 0);
        writer.raw(b"/orders");
        let mut security = talk.connection_id.to_be_bytes().to_vec();
        security.extend(talk.unique_id.expect("an id").to_be_bytes());
        writer.finish(Some(&security));
        assert_eq!(talk.ask(&request).await.expect_err("no sense").class(), error);
    }
    talk.get("k").await.expect("the connection is fine");
}

#[tokio::test]
async fn a_message_without_parts_is_answered() {
    let (_node, mut talk) = logged_in().await;
    for parts in [0, -1] {
        let mut request = vec![0; 17];
        request[8..12].copy_from_slice(&i32::to_be_bytes(parts));
        let refused = talk.ask(&request).await.expect_err("nobody");
        assert_eq!(refused.class(), "AuthenticationRequiredException");
    }
}

#[tokio::test]
async fn malformed_credentials_fail_without_saying_what_they_were() {
    let (node, mut talk) = logged_in().await;
    let mut request = talk.login_request(credentials("s3cret", None, None));
    let at = request.windows(6).position(|window| window == b"s3cret").expect("the name");
    request[at - 1] = 200;
    let (class, text) = talk.ask(&request).await.expect_err("malformed").says();
    assert_eq!(class, "AuthenticationFailedException");
    assert!(!text.contains("s3cret"), "{text}");
    assert_eq!(node.manager.logins(), 1);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("runtime")
}

proptest! {
    /// Any bytes at all, before and after the hello.
    #[test]
    fn noise_is_survived(noise in proptest::collection::vec(any::<u8>(), 0..400), greeted in any::<bool>()) {
        runtime().block_on(async {
            let node = Node::secured();
            let mut talk = if greeted { logged_in_on(&node).await } else { node.talk(NEW) };
            talk.send(&noise).await;
            let mut other = node.connect_as(2, NEW).await;
            other.login("bob", None).await.expect("login");
            other.get("k").await.expect("somebody else is not touched");
        });
    }

    /// Good requests with some bytes changed: whatever comes of them, the answers can be framed.
    #[test]
    fn damaged_requests_are_survived(
        kind in 0..6,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        runtime().block_on(async {
            let node = Node::secured();
            let mut talk = logged_in_on(&node).await;
            talk.put("k", b"v").await.expect("put");
            let mut request = match kind {
                0 => talk.get_request("k"),
                1 => talk.put_request("k", b"value"),
                2 => talk.login_request(credentials("ann", None, None)),
                3 => get_all(&talk, &["k", "l"]),
                4 => put_all(&talk, 3),
                _ => hello(1, NEW),
            };
            for (index, byte) in damage {
                let at = index.index(request.len());
                request[at] = byte;
            }
            talk.send(&request).await;
            if talk.closed.is_none() {
                drop(talk);
            }
            let mut other = node.connect_as(2, NEW).await;
            other.login("bob", None).await.expect("login");
            other.get("k").await.expect("somebody else is not touched");
        });
    }
}

async fn logged_in_on(node: &Node) -> Talk {
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    talk
}
