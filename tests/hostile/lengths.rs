//! Lengths that lie: negative, enormous, off by one.

use std::time::Duration;

use druse_protocol::codec::{Header, MessageType};
use druse_server::config::Limits;
use druse_server::metrics::RefusalReason;
use druse_support::raw::{Raw, hello, hello_bytes};

use crate::requests::{self, Shown};
use crate::siege::Siege;

/// Sends `request` with another number at `at`, behind a hello; what comes back, in answers.
async fn with_length(siege: &Siege, kind: MessageType, request: &[u8], at: usize, length: i32) -> usize {
    let mut bytes = hello_bytes(&hello("mallory"));
    let begin = bytes.len();
    bytes.extend_from_slice(request);
    bytes[begin + at..begin + at + 4].copy_from_slice(&length.to_be_bytes());
    let mut peer = Raw::connect(siege.grid.address()).await;
    requests::answers(peer.last(&bytes).await, kind)
}

#[tokio::test]
async fn a_negative_length_anywhere_in_a_message_of_any_type_ends_the_connection() {
    let siege = Siege::begin().await;
    let login = siege.known_attacker().await;
    let mut sent = 0;
    for (kind, request) in requests::of_every_type(Shown::first(&login)) {
        for at in requests::lengths(&request) {
            for length in [-1, i32::MIN] {
                assert_eq!(
                    with_length(&siege, kind, &request, at, length).await,
                    0,
                    "{kind:?}: {length} at {at}"
                );
                sent += 1;
            }
        }
    }
    siege.attackers_gone_but(1).await;
    assert_eq!(siege.refused(RefusalReason::Malformed), sent);
    drop(login);
    siege.end().await;
}

#[tokio::test]
async fn a_length_that_nothing_can_have_ends_the_connection_and_takes_no_memory() {
    let siege = Siege::begin().await;
    let login = siege.known_attacker().await;
    let limit = i32::try_from(Limits::default().message_bytes).unwrap();
    for (kind, request) in requests::of_every_type(Shown::first(&login)) {
        for at in requests::lengths(&request) {
            for length in [i32::MAX, limit + 1] {
                assert_eq!(
                    with_length(&siege, kind, &request, at, length).await,
                    0,
                    "{kind:?}: {length} at {at}"
                );
                assert_eq!(siege.bytes_in_flight(), 0);
            }
        }
    }
    drop(login);
    siege.end().await;
}

#[tokio::test]
async fn lengths_that_are_off_by_a_little_cost_at_most_their_own_connection() {
    let siege = Siege::begin().await;
    let login = siege.known_attacker().await;
    for (kind, request) in requests::good(Shown::first(&login)) {
        for at in requests::lengths(&request) {
            let length = i32::from_be_bytes(request[at..at + 4].try_into().unwrap());
            for wrong in [length - 1, length + 1, length + 5, 0].into_iter().filter(|wrong| *wrong != length)
            {
                let answers = with_length(&siege, kind, &request, at, wrong).await;
                assert!(answers <= 1, "{kind:?}: {wrong} for {length} at {at}");
            }
        }
    }
    drop(login);
    siege.end().await;
}

/// A header that announces as much as a message may have.
fn announcement(bytes: usize) -> Vec<u8> {
    let mut header = requests::message(MessageType::Put, &[b"/orders"], None);
    header[4..8].copy_from_slice(&i32::try_from(bytes - Header::SIZE).unwrap().to_be_bytes());
    header.truncate(Header::SIZE);
    header
}

#[tokio::test(start_paused = true)]
async fn many_announcements_together_hold_no_more_than_they_may() {
    let limits = Limits { message_bytes: 1 << 20, in_flight_bytes: 4 << 20, ..Limits::default() };
    let bound = i64::try_from(limits.in_flight_bytes).unwrap();
    let siege = Siege::in_virtual_time(|node| node.limits(limits)).await;
    let mut attackers = Vec::new();
    for _ in 0..32 {
        let mut attacker = siege.pipe();
        attacker.greet("mallory").await;
        attacker.send(&announcement(1 << 20)).await;
        attackers.push(attacker);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(siege.bytes_in_flight(), bound, "four have room, the others wait");
    siege.honest_goes_on().await;
    for attacker in &mut attackers {
        assert!(attacker.to_the_end().await.is_empty());
        assert!(siege.bytes_in_flight() <= bound);
    }
    let cut = siege.refused(RefusalReason::SlowMessage) + siege.refused(RefusalReason::Memory);
    assert_eq!(cut, 32);
    siege.end().await;
}
