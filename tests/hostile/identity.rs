//! Security parts that are wrong: of a wrong size, for another connection, for somebody else.

use druse_protocol::auth::Credentials;
use druse_protocol::codec::MessageType;
use druse_protocol::message::credentials::UserCredentials;
use druse_protocol::message::envelope::Envelope;
use druse_support::raw::Raw;

use crate::requests::{self, Shown};
use crate::siege::Siege;

/// What asks every client for a login.
const LOGIN_WANTED: &str = "AuthenticationRequiredException";
const FAILED: &str = "AuthenticationFailedException";

fn get(security: Option<&[u8]>) -> Vec<u8> {
    requests::message(MessageType::Get, &[b"/orders", b"key"], security)
}

#[tokio::test]
async fn a_security_part_of_any_wrong_size_names_nobody() {
    let siege = Siege::begin().await;
    let mut mallory = siege.known_attacker().await;
    // Eight and sixteen bytes have a meaning.
    for size in (0..64).filter(|size| ![8, 16].contains(size)) {
        let refused = mallory.ask(&get(Some(&vec![1; size]))).await.unwrap_err();
        assert_eq!(refused, LOGIN_WANTED, "{size} bytes");
    }
    assert_eq!(mallory.ask(&get(None)).await.unwrap_err(), LOGIN_WANTED);
    mallory.ask(&get(Some(&Shown::by(&mallory).part()))).await.expect("the connection is fine");
    drop(mallory);
    siege.end().await;
}

#[tokio::test]
async fn ids_that_name_nobody_ask_for_a_login_whatever_the_request() {
    let siege = Siege::begin().await;
    let stranger = Raw::logged_in(siege.grid.address(), "stranger", "stranger:1").await;
    let mallory = siege.attacker().await;
    for unique_id in [0, -1, 1, i64::MIN, i64::MAX, stranger.unique_id] {
        for (kind, request) in requests::good(Shown { unique_id, ..Shown::first(&mallory) }) {
            if kind == MessageType::UserCredentialMessage {
                continue;
            }
            let mut peer = siege.attacker().await;
            peer.send(&request).await;
            let said = peer.last(&[]).await.to_vec();
            assert_eq!(requests::count(&said, kind), 1, "{kind:?} under {unique_id}");
            let text = String::from_utf8_lossy(&said).into_owned();
            assert!(text.contains(LOGIN_WANTED), "{kind:?} under {unique_id}: {text}");
        }
    }
    assert_eq!(siege.grid.manager.of("stranger").permits, 0, "nobody acted in another's name");
    assert_eq!(siege.grid.entries(), 1, "that of the honest client");
    drop((mallory, stranger));
    siege.end().await;
}

#[tokio::test]
async fn a_wrong_connection_id_is_answered_and_ends_the_connection() {
    let siege = Siege::begin().await;
    for wrong in [0, -1, 1, i64::MIN] {
        let mut mallory = siege.known_attacker().await;
        let shown = Shown { connection_id: mallory.connection_id.wrapping_add(wrong), ..Shown::by(&mallory) };
        if wrong == 0 {
            mallory.ask(&get(Some(&shown.part()))).await.expect("the right one");
            continue;
        }
        assert_eq!(mallory.ask(&get(Some(&shown.part()))).await.unwrap_err(), FAILED);
        assert!(mallory.to_the_end().await.is_empty(), "and the connection is closed");
    }
    siege.end().await;
}

#[tokio::test]
async fn a_login_for_somebody_elses_id_gives_a_new_one_and_leaves_theirs_alone() {
    let siege = Siege::begin().await;
    let mut stranger = Raw::logged_in(siege.grid.address(), "stranger", "stranger:1").await;
    let mut mallory = siege.attacker().await;
    mallory.unique_id = stranger.unique_id;
    mallory.log_in("mallory:1").await.unwrap();
    assert_ne!(mallory.unique_id, stranger.unique_id);
    stranger.ask(&get(Some(&Shown::by(&stranger).part()))).await.expect("untouched");
    assert_eq!(siege.grid.manager.of("stranger").permits, 1);
    drop((mallory, stranger));
    siege.end().await;
}

/// A login whose credentials are these bytes.
fn login(credentials: &[u8], shown: Shown) -> Vec<u8> {
    requests::message(MessageType::UserCredentialMessage, &[credentials], Some(&shown.part()))
}

#[tokio::test]
async fn credentials_that_break_off_or_lie_about_their_lengths_fail() {
    let siege = Siege::begin().await;
    let mut mallory = siege.attacker().await;
    let credentials = good_credentials(&mallory);
    for end in 0..credentials.len() {
        let refused = mallory.ask(&login(&credentials[..end], Shown::by(&mallory))).await.unwrap_err();
        assert!([FAILED, LOGIN_WANTED].contains(&&*refused), "cut off after {end} bytes: {refused}");
    }
    for at in 0..credentials.len() {
        let mut lying = credentials.clone();
        // The long forms of a length, and a number of properties that nobody has.
        lying.splice(at..=at, [0xfd, 0x7f, 0xff, 0xff, 0xff]);
        let refused = mallory.ask(&login(&lying, Shown::by(&mallory))).await;
        assert!(refused.is_err_and(|class| [FAILED, LOGIN_WANTED].contains(&&*class)), "at {at}");
    }
    assert_eq!(siege.grid.manager.logins("mallory"), 0);
    mallory.log_in("mallory:1").await.expect("a good login is still taken");
    drop(mallory);
    siege.end().await;
}

/// The one part of a login that is in order.
fn good_credentials(peer: &Raw) -> Vec<u8> {
    let envelope = Envelope { security: None, ..peer.envelope() };
    let credentials = Some(Credentials::token("mallory:1"));
    let mut message = Vec::new();
    UserCredentials { credentials }.encode(&mut message, &envelope);
    druse_support::raw::whole(&message).parts().next().unwrap().bytes.to_vec()
}
