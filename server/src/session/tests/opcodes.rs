//! D9-13: every type of message meets an expired login.

use druse_protocol::codec::MessageWriter;
use druse_protocol::compat::asks_for_login;

use super::*;
use crate::command;

const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;
const OLD: VersionOrdinal = VersionOrdinal::GEODE_1_14_0;

/// What an expired user may send, and why.
const EXEMPT: [(MessageType, &str); 7] = [
    (MessageType::Ping, "a sign of life"),
    (MessageType::CloseConnection, "a goodbye"),
    (MessageType::UserCredentialMessage, "the way back in"),
    (MessageType::RemoveUserAuth, "the way out"),
    (MessageType::MakePrimary, "directs a feed, whose events are judged one by one"),
    (MessageType::ClientReady, "directs a feed"),
    (MessageType::PeriodicAck, "directs a feed"),
];

fn request(talk: &Talk, kind: MessageType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = MessageWriter::begin(&mut bytes, kind, NO_TRANSACTION, 0);
    // The first byte announces results to functions; the others take it for a wrong region, but get that far too late.
    writer.raw(b"\x02/orders");
    let mut security = talk.connection_id.to_be_bytes().to_vec();
    security.extend(talk.unique_id.unwrap_or(-1).to_be_bytes());
    writer.finish(Some(&security));
    bytes
}

#[tokio::test]
async fn every_request_of_an_expired_user_asks_for_a_login_or_is_exempt() {
    for version in [NEW, OLD] {
        for &kind in MessageType::ALL {
            let node = Node::secured();
            let mut talk = node.connect(version).await;
            talk.login("ann", Some(START + SECOND)).await.expect("login");
            talk.now = START + SECOND;
            let bytes = request(&talk, kind);
            let answer = talk.send(&bytes).await;
            if !command::is_request(kind) {
                let said = talk.read(answer).expect_err("no request").class();
                assert_eq!(said, "UNKNOWN_MESSAGE_TYPE_ERROR", "{kind:?}");
                continue;
            }
            if EXEMPT.iter().any(|(exempt, _)| *exempt == kind) {
                assert!(!answer.is_empty(), "{kind:?} is answered");
                continue;
            }
            let refused = match kind.is_answered_in_chunks() {
                true => talk.read_chunks(&answer).map(drop),
                false => talk.read(answer).map(drop),
            };
            match refused {
                Err(Refused::Exception(exception)) if asks_for_login(&exception) => {}
                other => panic!("{kind:?} under an expired login: {other:?}"),
            }
            assert!(talk.closed.is_none(), "{kind:?} ends the connection");
        }
    }
}

#[test]
fn the_exempt_are_the_ones_that_the_node_lets_through() {
    for &kind in MessageType::ALL {
        let exempt = EXEMPT.iter().any(|(exempt, _)| *exempt == kind);
        assert_eq!(command::needs_no_login(kind) || command::outlives_login(kind), exempt, "{kind:?}");
    }
}

#[tokio::test]
async fn who_has_never_logged_in_directs_no_feed() {
    for &kind in MessageType::ALL.iter().filter(|kind| command::outlives_login(**kind)) {
        let node = Node::secured();
        let mut talk = node.connect(NEW).await;
        let bytes = request(&talk, kind);
        match talk.ask(&bytes).await {
            Err(Refused::Exception(exception)) if asks_for_login(&exception) => {}
            other => panic!("{kind:?} without a login: {other:?}"),
        }
    }
}

#[tokio::test]
async fn functions_without_result_are_refused_in_a_plain_message() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    for kind in [MessageType::ExecuteFunction, MessageType::ExecuteRegionFunction] {
        let mut bytes = request(&talk, kind);
        bytes[17 + 5] = 0;
        let refused = talk.ask(&bytes).await.expect_err("no functions");
        assert_eq!(
            refused.says(),
            ("UnsupportedOperationException".into(), "this node has no functions".into())
        );
    }
}

#[tokio::test]
async fn what_is_not_supported_is_said_and_the_connection_stays() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    for &kind in MessageType::ALL.iter().filter(|kind| command::is_request(**kind)) {
        let bytes = request(&talk, kind);
        let answer = talk.send(&bytes).await;
        assert!(!answer.is_empty(), "{kind:?} is answered");
        if kind != MessageType::CloseConnection {
            assert!(talk.closed.is_none(), "{kind:?}");
            talk.get("k").await.unwrap_or_else(|refused| panic!("after {kind:?}: {refused:?}"));
        } else {
            let id = talk.unique_id;
            talk = node.connect(NEW).await;
            talk.unique_id = id;
            // The last connection of the client went, and its logins with it.
            talk.login("ann", None).await.expect("login");
        }
        talk.login_if_gone().await;
    }
}

impl Talk {
    /// Logs in again where a request has removed the user.
    async fn login_if_gone(&mut self) {
        if self.get("k").await.is_err() {
            self.login("ann", None).await.expect("login");
        }
    }
}
