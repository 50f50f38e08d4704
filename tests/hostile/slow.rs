//! Peers that take their time, in virtual time: each limit cuts them off when it says so, and not a moment earlier.

use std::time::Duration;

use druse_protocol::codec::MessageType;
use druse_server::config::Limits;
use druse_server::metrics::RefusalReason;
use druse_support::raw::{Raw, hello, hello_bytes};

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::requests::{self, Shown};
use crate::siege::Siege;

/// Sends one byte each second until the node has had enough; how long that took.
async fn drip(peer: &mut Raw, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    for byte in bytes {
        peer.send(&[*byte]).await;
        let closed = tokio::time::timeout(Duration::from_secs(1), peer.to_the_end()).await;
        if closed.is_ok() {
            break;
        }
    }
    begun.elapsed()
}

async fn known_piped_attacker(siege: &Siege) -> Raw {
    let mut peer = siege.pipe();
    peer.greet("mallory").await;
    peer.log_in("mallory:1").await.unwrap();
    peer
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_drips_is_cut_off_at_its_limit() {
    let siege = Siege::in_virtual_time(|node| node).await;
    let limit = Limits::default().handshake_time;
    let mut peer = siege.pipe();
    let took = drip(&mut peer, &hello_bytes(&hello("mallory"))).await;
    assert!(took >= limit && took <= limit + Duration::from_secs(1), "{took:?}");
    assert_eq!(siege.refused(RefusalReason::HandshakeTimeout), 1);
    siege.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_at_all_is_cut_off() {
    let siege = Siege::in_virtual_time(|node| node).await;
    let mut silent: Vec<Raw> = (0..100).map(|_| siege.pipe()).collect();
    for peer in &mut silent {
        assert!(peer.to_the_end().await.is_empty());
    }
    assert_eq!(siege.refused(RefusalReason::HandshakeTimeout), 100);
    siege.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_of_any_type_that_drips_is_cut_off_at_its_limit() {
    let siege = Siege::in_virtual_time(|node| node).await;
    let limit = Limits::default().message_time;
    let login = known_piped_attacker(&siege).await;
    let mut attacks = JoinSet::new();
    for (kind, request) in requests::of_every_type(Shown::first(&login)) {
        let mut peer = siege.pipe();
        peer.greet("mallory").await;
        attacks.spawn(async move { (kind, drip(&mut peer, &request).await) });
    }
    let expected = attacks.len() as u64;
    while let Some(attack) = attacks.join_next().await {
        let (kind, took) = attack.unwrap();
        assert!(took >= limit && took <= limit + Duration::from_secs(1), "{kind:?}: {took:?}");
    }
    assert_eq!(siege.refused(RefusalReason::SlowMessage), expected);
    drop(login);
    siege.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_has_vanished_behind_its_login_is_found_out_and_logged_out() {
    let siege = Siege::in_virtual_time(|node| node).await;
    let mut peer = known_piped_attacker(&siege).await;
    let begun = siege.grid.now();
    assert!(peer.to_the_end().await.is_empty());
    let took = siege.grid.now().saturating_since(begun);
    let limit = Limits::default().idle_time;
    assert!(took >= limit && took <= limit + limit / 4, "{took:?}");
    assert_eq!(siege.refused(RefusalReason::Idle), 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(siege.grid.manager.of("mallory").logouts, 1);
    siege.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_large_message_that_stalls_gives_its_memory_back() {
    let siege = Siege::in_virtual_time(|node| node).await;
    let login = known_piped_attacker(&siege).await;
    let value = vec![7; 8 << 20];
    let parts: [&[u8]; 2] = [b"/orders", &value];
    let request = requests::message(MessageType::Put, &parts, Some(&Shown::first(&login).part()));
    let mut peer = siege.pipe();
    peer.greet("mallory").await;
    peer.send(&request[..1 << 20]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(siege.bytes_in_flight(), i64::try_from(request.len()).unwrap());
    assert!(peer.to_the_end().await.is_empty());
    assert_eq!((siege.bytes_in_flight(), siege.refused(RefusalReason::SlowMessage)), (0, 1));
    drop(login);
    siege.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_asks_and_never_reads_is_not_served_on() {
    let limits = Limits { in_flight_bytes: 8 << 20, message_bytes: 4 << 20, ..Limits::default() };
    let bound = i64::try_from(limits.in_flight_bytes).unwrap();
    let siege = Siege::in_virtual_time(|node| node.limits(limits)).await;
    let mut peer = known_piped_attacker(&siege).await;
    store_large(&mut peer, 1 << 20).await;
    let get = requests::message(MessageType::Get, &[b"/orders", b"large"], Some(&Shown::by(&peer).part()));
    // A thousand answers would be a gigabyte.
    let asked = get.repeat(1000);
    let send = tokio::time::timeout(Duration::from_secs(3600), peer.send(&asked));
    let watch = async {
        let mut most = 0;
        while siege.refused(RefusalReason::WriteStall) == 0 {
            most = most.max(siege.bytes_in_flight());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        most
    };
    let (_, most) = tokio::join!(send, watch);
    assert!(most > 0 && most <= bound, "{most}");
    assert_eq!(siege.bytes_in_flight(), 0);
    drop(peer);
    siege.end().await;
}

/// Stores bytes under `large`.
async fn store_large(peer: &mut Raw, bytes: usize) {
    use druse_protocol::message::event_id::EventIdRef;
    use druse_protocol::message::key::KeyRef;
    use druse_protocol::message::put::{Put, PutOperation};
    use druse_protocol::message::value::ValueRef;
    let put = Put {
        region: "/orders",
        operation: PutOperation::Update,
        wants_old_value: false,
        expected: None,
        key: KeyRef::Text(b"large"),
        is_delta: false,
        value: ValueRef::Bytes(&vec![7; bytes]),
        event: EventIdRef { thread: 1, sequence: 1 },
        callback: ValueRef::Null,
    };
    let mut request = Vec::new();
    put.encode(&mut request, &peer.envelope());
    peer.ask(&request).await.unwrap();
}
