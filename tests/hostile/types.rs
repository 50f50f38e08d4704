//! Types that nobody knows, types that only servers send, and requests that make no sense.

use druse_protocol::codec::{MessageType, PartKind};
use druse_server::metrics::RefusalReason;

use crate::requests::{self, Shown};
use crate::siege::Siege;

#[tokio::test]
async fn a_type_without_a_name_ends_the_connection() {
    let siege = Siege::begin().await;
    let login = siege.known_attacker().await;
    let unknown: Vec<i32> = [i32::MIN, -2, i32::MAX]
        .into_iter()
        .chain(-1..200)
        .filter(|number| MessageType::from_wire(*number).is_none())
        .collect();
    for number in &unknown {
        let mut request =
            requests::message(MessageType::Get, &[b"/orders"], Some(&Shown::first(&login).part()));
        request[..4].copy_from_slice(&number.to_be_bytes());
        let mut mallory = siege.attacker().await;
        assert!(mallory.last(&request).await.is_empty(), "{number}");
    }
    siege.attackers_gone_but(1).await;
    assert_eq!(siege.refused(RefusalReason::Malformed), unknown.len() as u64);
    drop(login);
    siege.end().await;
}

#[tokio::test]
async fn a_message_of_any_type_is_answered_once_at_most_and_leaves_the_connection_usable_if_it_is() {
    let siege = Siege::begin().await;
    let login = siege.known_attacker().await;
    let ping = requests::message(MessageType::Ping, &[b"x"], None);
    for (kind, request) in requests::of_every_type(Shown::first(&login)) {
        let mut mallory = siege.attacker().await;
        mallory.send(&request).await;
        let said = mallory.last(&ping).await.to_vec();
        let answers = requests::count(&said, kind);
        let expected = if kind == MessageType::CloseConnection { 1 } else { 2 };
        assert_eq!(answers, expected, "{kind:?}: its answer, and that to the ping");
    }
    drop(login);
    siege.end().await;
}

#[tokio::test]
async fn parts_of_every_kind_and_number_make_sense_or_are_refused() {
    let siege = Siege::begin().await;
    let login = siege.known_attacker().await;
    let security = Shown::first(&login).part();
    let contents: [&[u8]; 5] = [b"", b"\0", b"/orders", &[0xff; 9], &[0x2b, 0xff, 0xff]];
    for &kind in MessageType::ALL {
        for content in contents {
            for parts in [1, 2, 9] {
                let mut request = requests::message(kind, &vec![content; parts], Some(&security));
                for part_kind in [PartKind::Raw, PartKind::Object, PartKind::EmptyBytes] {
                    mark_parts(&mut request, part_kind.to_wire());
                    let mut mallory = siege.attacker().await;
                    let said = mallory.last(&request).await.to_vec();
                    assert!(requests::count(&said, kind) <= 1, "{kind:?}: {parts} times {content:?}");
                }
            }
        }
    }
    drop(login);
    siege.end().await;
}

/// Gives all parts but the security part a kind, which may not be one.
fn mark_parts(request: &mut [u8], kind: u8) {
    let lengths = requests::lengths(request);
    // Behind the two lengths of the header come those of the parts; the last is the security part's.
    for at in &lengths[2..lengths.len() - 1] {
        request[at + 4] = kind;
    }
}
