//! Messages that break off, and messages that come in two pieces.

use druse_protocol::codec::MessageType;
use druse_support::raw::{Raw, hello, hello_bytes};

use crate::requests::{self, Shown};
use crate::siege::Siege;

/// A connection of the attacker, on which its hello has been sent in front of `bytes`.
async fn after_hello(siege: &Siege, bytes: &[u8]) -> Raw {
    let mut peer = Raw::connect(siege.grid.address()).await;
    peer.send(&[&hello_bytes(&hello("mallory")), bytes].concat()).await;
    peer
}

async fn breaks_off_everywhere(siege: &Siege, kind: MessageType, request: &[u8]) {
    for end in 0..request.len() {
        let mut peer = after_hello(siege, &request[..end]).await;
        let said = peer.last(&[]).await;
        assert_eq!(requests::answers(said, kind), 0, "{kind:?}, cut off after {end} bytes");
    }
}

#[tokio::test]
async fn a_message_of_any_type_that_breaks_off_at_any_byte_is_not_answered() {
    let siege = Siege::begin().await;
    let login = siege.known_attacker().await;
    for (kind, request) in requests::of_every_type(Shown::first(&login)) {
        breaks_off_everywhere(&siege, kind, &request).await;
    }
    drop(login);
    siege.end().await;
}

#[tokio::test]
async fn a_good_request_that_breaks_off_at_any_byte_is_not_carried_out() {
    let siege = Siege::begin().await;
    let login = siege.known_attacker().await;
    for (kind, request) in requests::good(Shown::first(&login)) {
        breaks_off_everywhere(&siege, kind, &request).await;
    }
    assert_eq!(siege.grid.entries(), 1, "that of the honest client");
    assert_eq!(siege.grid.manager.of("mallory").permits, 0, "nobody was asked for a permission");
    drop(login);
    siege.end().await;
}

#[tokio::test]
async fn a_good_request_may_come_in_two_pieces() {
    let siege = Siege::begin().await;
    let login = siege.known_attacker().await;
    for (kind, request) in requests::good(Shown::first(&login)) {
        for end in 0..=request.len() {
            let (first, second) = request.split_at(end);
            let mut peer = after_hello(&siege, first).await;
            // The welcome shows that the first piece has been looked at.
            assert!(peer.welcome().await.unwrap().is_accepted());
            peer.send(second).await;
            peer.read().await;
            let said = peer.last(&[]).await.to_vec();
            assert_eq!(
                requests::count(&said, kind),
                1,
                "{kind:?}, in two pieces of which the first has {end} bytes"
            );
        }
    }
    drop(login);
    siege.end().await;
}

#[tokio::test]
async fn a_hello_that_breaks_off_at_any_byte_is_not_answered() {
    let siege = Siege::begin().await;
    let hello = hello_bytes(&hello("mallory"));
    for end in 0..hello.len() {
        let mut peer = Raw::connect(siege.grid.address()).await;
        assert!(peer.last(&hello[..end]).await.is_empty(), "cut off after {end} bytes");
    }
    siege.end().await;
}
