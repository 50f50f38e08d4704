//! Logins of feeds run out.

use druse_protocol::message::feed::{FeedNotice, LaneNews};
use druse_protocol::time::Micros;

use super::*;
use crate::error::Error;
use crate::feed::{Lost, Redundancy};

fn push_news(server: &FakeServer, user: i64, news: LaneNews) {
    server.push(&FeedMessage::Notice(FeedNotice { user, news }));
}

/// A client of a Druse node, and its provider.
fn of_a_druse_node() -> (FakeServer, Tokens, Client) {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    server.with(|state| state.is_druse = true);
    let provider = Tokens::default();
    let client = client(&grid, &[&server], FeedConfig::default(), &provider);
    (server, provider, client)
}

#[tokio::test(start_paused = true)]
async fn an_invitation_costs_one_call_and_one_login_while_events_go_on() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let provider = Tokens::default();
    let client = client(&grid, &[&server], FeedConfig::default(), &provider);
    let mut stream = subscribed(&client).await;
    assert_eq!(
        server
            .heard(|heard| matches!(heard, Heard::Feed { token: Some(token), .. } if token == "t1")
                .then_some(()))
            .len(),
        1
    );
    push_invitation(&server, 1);
    push_update(&server, "k", 1, 1, 1);
    assert_eq!(update(&mut stream).await.1, 1);
    assert_eq!(logins(&server), ["t1"], "the provider is still busy");
    eventually("logged in again", || logins(&server) == ["t1", "t2"]).await;
    assert_eq!(provider.calls(), 2);
    let ids = server.heard(|heard| match heard {
        Heard::Login { id, .. } => Some(*id),
        _ => None,
    });
    assert_eq!(ids, [-1, 1001], "under the id that it had");
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_invitations_costs_few_calls_and_ever_fewer() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let provider = Tokens::default();
    let client = client(&grid, &[&server], FeedConfig::default(), &provider);
    let _stream = subscribed(&client).await;
    for sequence in 1..=500 {
        push_invitation(&server, sequence);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(logins(&server), ["t1", "t2", "t3"], "one for the first, one for all that came meanwhile");
    assert_eq!(provider.calls(), 3);
    // A server that asks after every login, as Geode does when its manager still says expired.
    for sequence in 501..=1500 {
        push_invitation(&server, sequence);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(provider.calls() <= 10, "{} calls in ten seconds", provider.calls());
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_fresher_already_is_shown_and_none_is_fetched() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let provider = Tokens::default();
    let client = client(&grid, &[&server], FeedConfig::default(), &provider);
    let _stream = subscribed(&client).await;
    // An operation has met the expiry first; a Geode server keeps the feed's login apart.
    server.with(|state| state.expire_registrations = 1);
    let orders: Region<String, i64> = client.region("orders");
    let _other = orders.subscribe(Interest::key(&"k".to_owned())).await.unwrap();
    assert_eq!((provider.calls(), logins(&server)), (2, vec!["t1".to_owned(), "t2".to_owned()]));
    push_invitation(&server, 1);
    eventually("logged in again", || logins(&server).len() == 3).await;
    assert_eq!(logins(&server), ["t1", "t2", "t2"]);
    assert_eq!(provider.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn invitations_of_a_druse_node_that_cross_a_login_cost_no_call() {
    let (server, provider, client) = of_a_druse_node();
    let mut stream = subscribed(&client).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    push_news(&server, 0, LaneNews::Held);
    push_invitation(&server, 1);
    push_invitation(&server, 2);
    assert!(matches!(state(&mut stream).await, FeedState::Held));
    eventually("logged in again", || logins(&server).len() == 2).await;
    // Sent before the node had seen the login.
    push_invitation(&server, 3);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(logins(&server), ["t1", "t2"], "not at once, and no login behind those who listen");
    push_news(&server, 0, LaneNews::Released);
    assert!(matches!(state(&mut stream).await, FeedState::Released));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((provider.calls(), logins(&server)), (2, ["t1", "t2"].map(str::to_owned).to_vec()));
    push_invitation(&server, 4);
    eventually("logged in with another", || logins(&server).len() == 3).await;
    assert_eq!(provider.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_druse_node_that_holds_events_all_the_same_is_shown_the_credential_at_hand_first() {
    let (server, provider, client) = of_a_druse_node();
    let _stream = subscribed(&client).await;
    // The login that opened the stream is a moment old, and has run out already.
    push_news(&server, 0, LaneNews::Held);
    push_invitation(&server, 1);
    server.with(|state| state.expire_logins = 1);
    eventually("logged in with another", || logins(&server).len() == 3).await;
    assert_eq!((provider.calls(), logins(&server)), (2, ["t1", "t1", "t2"].map(str::to_owned).to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_druse_node_that_asks_in_time_is_answered_at_once_however_often_and_without_any_event() {
    let (server, _, client) = of_a_druse_node();
    let _stream = subscribed(&client).await;
    for round in 1..=10 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        push_news(&server, 0, LaneNews::RenewBy(Micros::from_secs(60)));
        push_invitation(&server, round);
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(logins(&server).len() as i64, 1 + round);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_druse_node_has_lost_is_fetched_again_and_told() {
    let (server, _, client) = of_a_druse_node();
    let mut stream = subscribed(&client).await;
    server.with(|state| {
        state.entries = vec![(serialized(&"k".to_owned()), serialized(&9_i64), 9)];
    });
    push_news(&server, 0, LaneNews::Lost { from: 5, to: 9 });
    let lost = state(&mut stream).await;
    assert!(
        matches!(lost, FeedState::Resynchronised { lost: Lost::Range { first: 5, last: 9 } }),
        "{lost:?}"
    );
    let entry = next(&mut stream).await;
    assert!(matches!(entry, RegionEvent::Snapshot { value: Some(9), .. }), "{entry:?}");
    push_news(&server, 0, LaneNews::Revoked);
    assert!(matches!(state(&mut stream).await, FeedState::Revoked));
}

#[tokio::test(start_paused = true)]
async fn two_servers_that_ask_cost_one_call() {
    let grid = FakeGrid::default();
    let (a, b) = (grid.server("a"), grid.server("b"));
    let provider = Tokens::default();
    let feeds = FeedConfig { redundancy: Redundancy::AllServers, ..FeedConfig::default() };
    let client = client(&grid, &[&a, &b], feeds, &provider);
    let _stream = subscribed(&client).await;
    push_invitation(&a, 1);
    push_invitation(&b, 1_000);
    eventually("logged in on both", || logins(&a).len() == 2 && logins(&b).len() == 2).await;
    assert_eq!(provider.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_and_the_feed_goes_on() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let provider = Tokens { refuses_from: 2, ..Tokens::default() };
    let client = client(&grid, &[&server], FeedConfig::default(), &provider);
    let mut stream = subscribed(&client).await;
    push_invitation(&server, 1);
    let failed = state(&mut stream).await;
    assert!(
        matches!(&failed, FeedState::ReauthenticationFailed(error) if matches!(**error, Error::Credential(_))),
        "{failed:?}"
    );
    push_update(&server, "k", 1, 1, 1);
    assert_eq!(update(&mut stream).await.1, 1);
    tokio::time::sleep(PATIENCE).await;
    assert_eq!(provider.calls(), 2, "nobody asks again before the server does");
    push_invitation(&server, 2);
    assert!(matches!(state(&mut stream).await, FeedState::ReauthenticationFailed(_)));
    assert_eq!(provider.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_login_that_is_refused_surfaces_without_another_call() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let provider = Tokens::default();
    let client = client(&grid, &[&server], FeedConfig::default(), &provider);
    let mut stream = subscribed(&client).await;
    server.with(|state| state.expire_logins = 1);
    push_invitation(&server, 1);
    assert!(matches!(state(&mut stream).await, FeedState::ReauthenticationFailed(_)));
    assert_eq!((provider.calls(), logins(&server)), (2, vec!["t1".to_owned(), "t2".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_opened_with_a_credential_that_has_run_out_shows_a_newer_one() {
    let grid = FakeGrid::default();
    let server = grid.server("a");
    let provider = Tokens::default();
    let client = client(&grid, &[&server], FeedConfig::default(), &provider);
    let mut stream = subscribed(&client).await;
    server.with(|state| state.expire_logins = 1);
    server.stop();
    server.start();
    assert!(matches!(state(&mut stream).await, FeedState::Interrupted { .. }));
    assert!(matches!(state(&mut stream).await, FeedState::Connected { .. }));
    assert_eq!(provider.calls(), 2);
}
