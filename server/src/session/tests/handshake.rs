use druse_protocol::handshake::{AcceptanceCode, CommunicationMode, SecurityMode, Welcome};
use druse_protocol::version::VersionOrdinal;

use super::*;

const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;

async fn say(node: &Node, hello: &[u8]) -> (Vec<u8>, Option<CloseReason>) {
    let mut talk = node.talk(NEW);
    let answer = talk.send(hello).await;
    (answer, talk.closed)
}

#[tokio::test]
async fn a_hello_may_come_byte_by_byte() {
    let node = Node::secured();
    let bytes = hello(1, NEW);
    for end in 0..bytes.len() {
        let mut talk = node.talk(NEW);
        assert!(talk.send(&bytes[..end]).await.is_empty() && talk.closed.is_none(), "{end} bytes");
    }
    node.connect(NEW).await;
}

#[tokio::test]
async fn what_follows_a_hello_at_once_is_answered() {
    let node = Node::open();
    let mut talk = node.talk(NEW);
    let mut bytes = hello(1, NEW);
    let hello_only = node.talk(NEW).send(&bytes).await.len();
    bytes.extend(talk.get_request("k"));
    let answer = talk.send(&bytes).await;
    assert!(answer.len() > hello_only);
    assert!(talk.read(answer[hello_only..].to_vec()).is_ok());
}

#[tokio::test]
async fn every_refusal_is_readable_and_closes() {
    let secured = Node::secured();
    let cases = [
        (SecurityMode::None, AcceptanceCode::AuthenticationRequired, "No security credentials are provided"),
        (SecurityMode::DiffieHellman, AcceptanceCode::AuthenticationFailed, "TLS"),
    ];
    for (security, code, text) in cases {
        let mut bytes = Vec::new();
        ClientHello { security, ..hello_of(1, NEW) }.encode(&mut bytes);
        let (answer, closed) = say(&secured, &bytes).await;
        let (welcome, size) = Welcome::decode(&answer).expect("a welcome").expect("all of it");
        assert_eq!((welcome.code, size), (code as u8, answer.len()));
        assert!(welcome.message.contains(text), "{}", welcome.message);
        assert!(matches!(closed, Some(CloseReason::HandshakeRefused(_))));
    }
}

#[tokio::test]
async fn gateways_are_told_that_there_are_none() {
    let node = Node::open();
    let mut bytes = Vec::new();
    let mode = CommunicationMode::GatewayToGateway;
    ClientHello { mode, security: SecurityMode::None, ..hello_of(1, NEW) }.encode(&mut bytes);
    let (answer, closed) = say(&node, &bytes).await;
    let (welcome, _) = Welcome::decode(&answer).expect("a welcome").expect("all of it");
    assert!(welcome.message.contains("gateways") && closed.is_some());
}

#[tokio::test]
async fn versions_without_a_command_table_are_told_so() {
    let node = Node::open();
    let (answer, closed) = say(&node, &hello(1, VersionOrdinal(126))).await;
    let (welcome, _) = Welcome::decode(&answer).expect("a welcome").expect("all of it");
    assert!(!welcome.is_accepted() && welcome.message.contains("126"), "{welcome:?}");
    assert!(closed.is_some());
}

#[tokio::test]
async fn strangers_are_cut_off_without_a_word() {
    let node = Node::open();
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], &[0x16, 3, 1, 0], &[0]] {
        let (answer, closed) = say(&node, bytes).await;
        assert!(answer.is_empty() && matches!(closed, Some(CloseReason::NotAClient(_))), "{bytes:?}");
    }
    let mut wrong = hello(1, NEW);
    wrong[4] = 7;
    let (answer, closed) = say(&node, &wrong).await;
    assert!(answer.is_empty() && closed.is_some(), "{closed:?}");
}
