//! Dialogues about feeds: bounds, patience, and whom a feed belongs to.

use druse_protocol::handshake::{AcceptanceCode, SecurityMode};
use druse_protocol::message::feed::{CqOperation, EntryOperation};
use druse_protocol::message::interest::{Interest, InterestResultPolicy};
use druse_protocol::time::Clock as _;

use super::feeds::{Heard, NEW, OLD, created, feed_hello, shown, updated};
use super::*;

#[tokio::test(start_paused = true)]
async fn the_longest_backlog_goes_when_the_node_keeps_too_much() {
    let feeds = FeedPolicies { node_bytes: 64 << 10, ..FeedPolicies::default() };
    let node = Node::on(Arc::new(memory(Retention::default())), TestManager::new(), None, feeds);
    let mut away = node.queue_connection(1, NEW).await;
    let mut feed = node.feed(&feed_hello(1, NEW, SecurityMode::None)).await;
    away.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    assert_eq!(feed.next().await, Heard::Marker);
    drop(feed);
    let mut reader = node.queue_connection(2, NEW).await;
    let mut feed = node.feed(&feed_hello(2, NEW, SecurityMode::None)).await;
    reader.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    assert_eq!(feed.next().await, Heard::Marker);
    node.wait(SECOND).await;
    for number in 0..1_000 {
        node.put(&format!("key-{number}"), &"v".repeat(200));
        assert_eq!(feed.next().await, created(&format!("key-{number}"), &"v".repeat(200)));
        if number % 100 == 0 {
            // The reader never acknowledges; what it has had for so long it has.
            node.wait(11 * SECOND).await;
        }
    }
    let metrics = &node.core.metrics.feeds;
    assert_eq!(metrics.resynchronised.get(), 1, "the one that was away");
    assert!(metrics.kept_bytes.get() < 64 << 10, "{}", metrics.kept_bytes.get());
}

#[tokio::test(start_paused = true)]
async fn whoever_only_listens_and_renews_is_never_given_up() {
    let node = Node::secured();
    let life = 10 * SECOND;
    let mut queue = node.queue_connection(1, NEW).await;
    queue.login("ann", Some(START + life)).await.expect("in");
    let mut feed = node.feed(&feed_hello(1, NEW, shown("ann", Some(START + life)))).await;
    assert_eq!(feed.next().await, Heard::Marker);
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    for _ in 0..8 {
        node.wait(life + SECOND).await;
        assert_eq!(feed.next().await, Heard::LogIn);
        queue.now = node.clock.now();
        queue.login("ann", Some(queue.now + life)).await.expect("in again");
        assert_eq!(feed.soon().await, None);
    }
    // A login that comes and goes before anybody looks is one that did not help: asked again, a while later.
    node.wait(life + SECOND).await;
    assert_eq!(feed.next().await, Heard::LogIn);
    queue.now = node.clock.now();
    queue.login("ann", Some(queue.now + SECOND)).await.expect("in again");
    node.wait(2 * SECOND).await;
    assert_eq!(feed.next().await, Heard::LogIn);
    queue.now = node.clock.now();
    queue.login("ann", None).await.expect("in again");
    node.put("a", "1");
    assert_eq!(feed.next().await, created("a", "1"));
    assert_eq!(node.core.metrics.feeds.given_up.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_out_while_nobody_can_tell_who_may_see_it_and_nothing_is_lost() {
    let node = Node::secured();
    let mut queue = node.queue_connection(1, NEW).await;
    queue.login("ann", None).await.expect("in");
    let mut feed = node.feed(&feed_hello(1, NEW, shown("ann", None))).await;
    assert_eq!(feed.next().await, Heard::Marker);
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    node.manager.be_out(true);
    node.put("a", "1");
    node.put("a", "2");
    assert_eq!(feed.soon().await, None);
    node.manager.be_out(false);
    node.wait(2 * SECOND).await;
    assert_eq!(feed.next().await, created("a", "1"));
    assert_eq!(feed.next().await, updated("a", "2"));
}

#[tokio::test(start_paused = true)]
async fn somebody_else_under_ones_identity_takes_neither_the_feed_nor_the_login() {
    let node = Node::secured();
    let mut queue = node.queue_connection(1, OLD).await;
    let end = Some(START + 10 * SECOND);
    queue.login("ann", end).await.expect("in");
    let mut feed = node.feed(&feed_hello(1, OLD, shown("ann", end))).await;
    assert_eq!(feed.next().await, Heard::Marker);
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    let stranger = node.feed(&feed_hello(1, OLD, shown("bob", None))).await;
    assert_eq!(stranger.welcome.code, AcceptanceCode::AuthenticationFailed as u8);
    node.wait(11 * SECOND).await;
    // A login on any connection of the client frees the feed, as long as the client is ann's.
    let mut other = node.queue_connection(1, OLD).await;
    other.login("ann", None).await.expect("in again");
    node.put("a", "1");
    assert_eq!(feed.next().await, created("a", "1"));
}

#[tokio::test(start_paused = true)]
async fn a_feed_of_several_users_that_is_opened_anew_brings_a_users_events_once_the_user_has_asked() {
    let node = Node::secured();
    let mut ann = node.queue_connection(1, NEW).await;
    ann.login("ann", None).await.expect("in");
    let hello = feed_hello(1, NEW, SecurityMode::MultiUserFeed);
    let mut feed = node.feed(&hello).await;
    assert_eq!(feed.next().await, Heard::Marker);
    ann.execute("a", "select * from /orders").await.expect("runs");
    drop(feed);
    node.wait(SECOND).await;
    node.put("k", "1");
    let mut feed = node.feed(&hello).await;
    assert_eq!(feed.next().await, Heard::Marker);
    assert_eq!(feed.soon().await, None, "whoever opened it has shown nothing");
    ann.execute("a", "select * from /orders").await.expect("runs again");
    let cqs = vec![("a".to_owned(), CqOperation::Create)];
    let event = Heard::Event(EntryOperation::Create, "k".into(), Some("1".into()), false, cqs);
    assert_eq!(feed.next().await, event);
    assert_eq!(feed.soon().await, None);
}
