//! The locator's port, which asks nobody who they are.

use std::time::Duration;

use druse_protocol::locator::{self, Request, ServerLocation};
use druse_protocol::version::VersionOrdinal;
use druse_server::config::Limits;
use druse_support::eventually;
use druse_support::raw::Raw;

use crate::siege::Siege;

async fn siege() -> Siege {
    Siege::with(|node| node.locator_port(0)).await
}

async fn ask(siege: &Siege) -> Raw {
    let port = siege.grid.node().locator_port().unwrap();
    Raw::connect(([127, 0, 0, 1], port).into()).await
}

fn question() -> Vec<u8> {
    let mut question = Vec::new();
    locator::open(&mut question, VersionOrdinal::GEODE_1_15_0);
    Request::GetAllServers { group: Some("a group".to_owned()) }.encode(&mut question);
    question
}

#[tokio::test]
async fn a_question_that_breaks_off_at_any_byte_is_not_answered_and_a_whole_one_is() {
    let siege = siege().await;
    let question = question();
    for end in 0..question.len() {
        assert!(ask(&siege).await.last(&question[..end]).await.is_empty(), "cut off after {end} bytes");
    }
    assert!(!ask(&siege).await.last(&question).await.is_empty());
    siege.end().await;
}

#[tokio::test]
async fn a_question_with_any_byte_changed_is_answered_or_closed() {
    let siege = siege().await;
    let question = question();
    for at in 0..question.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xfd, 0xff] {
            let mut changed = question.clone();
            changed[at] = byte;
            ask(&siege).await.last(&changed).await;
        }
    }
    assert!(!ask(&siege).await.last(&question).await.is_empty(), "it still answers");
    siege.end().await;
}

#[tokio::test]
async fn a_question_that_is_too_long_is_cut_off_and_not_answered() {
    let siege = siege().await;
    let servers = |count: u16| (0..count).map(|port| ServerLocation::new("somewhere", port));
    let question = |count| {
        let mut question = Vec::new();
        locator::open(&mut question, VersionOrdinal::GEODE_1_15_0);
        Request::ClientConnection { group: None, excluded: servers(count).collect() }.encode(&mut question);
        question
    };
    let mut peer = ask(&siege).await;
    peer.send(&question(u16::MAX)).await;
    assert!(peer.to_the_end().await.is_empty());
    eventually("it is refused", || siege.grid.metrics().locator_refusals.get() == 1).await;
    assert!(!ask(&siege).await.last(&question(1_000)).await.is_empty(), "a long one is answered");
    siege.end().await;
}

#[tokio::test]
async fn peers_that_ask_nothing_are_given_up_and_keep_nobody_from_asking() {
    const PLACES: usize = 8;
    let limits =
        Limits { locator_connections: PLACES, locator_time: Duration::from_millis(300), ..Limits::default() };
    let siege = Siege::with(|node| node.locator_port(0).limits(limits)).await;
    let mut silent = Vec::new();
    for _ in 0..5 * PLACES {
        silent.push(ask(&siege).await);
    }
    for peer in &mut silent {
        assert!(peer.to_the_end().await.is_empty());
    }
    let refused = || siege.grid.metrics().locator_refusals.get();
    eventually("all are refused", || refused() == 5 * PLACES as u64).await;
    assert!(!ask(&siege).await.last(&question()).await.is_empty(), "there is a place again");
    siege.end().await;
}
