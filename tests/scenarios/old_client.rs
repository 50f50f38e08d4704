//! D2-08: a client from before 1.15, which cannot be asked for a login on its feed.

use std::time::Duration;

use druse_protocol::codec::{FrameLimits, Message};
use druse_protocol::handshake::{ClientHello, CommunicationMode, FeedWelcome, SecurityMode};
use druse_protocol::message::cq::ExecuteCq;
use druse_protocol::message::event_id::EventIdRef;
use druse_protocol::message::feed::{EventValue, FeedMessage};
use druse_protocol::message::interest::DataPolicy;
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::put::{Put, PutOperation};
use druse_protocol::message::value::ValueRef;
use druse_protocol::version::VersionOrdinal;
use druse_support::raw::{Raw, hello, hello_bytes};
use druse_support::{Grid, Tokens};

use crate::common::{finish, key};
use crate::watching::client_of;

/// Longer than a node waits for such a client to log in.
const TOO_LONG: Duration = Duration::from_secs(1);

/// A client with one query, by hand.
struct OldClient<'g> {
    grid: &'g Grid,
    queue: Raw,
    feed: Raw,
    puts: i64,
}

fn old_hello(mode: CommunicationMode, security: SecurityMode) -> ClientHello {
    // A feed has no time-out: the ports that an ancient client listens on stand in its place.
    let read_timeout_ms = if mode.is_feed() { 0 } else { 10_000 };
    ClientHello { mode, version: VersionOrdinal::GEODE_1_14_0, read_timeout_ms, security, ..hello("old") }
}

impl<'g> OldClient<'g> {
    async fn with(grid: &'g Grid, token: &str) -> Self {
        let mut queue = Raw::over(grid.pipes().open().unwrap());
        queue
            .greet_with(&old_hello(CommunicationMode::ClientToServerForQueue, SecurityMode::Normal(None)))
            .await;
        let feed = Self::open_feed(grid, token).await;
        let mut client = Self { grid, queue, feed, puts: 0 };
        client.log_in(token).await;
        client.execute_query().await;
        client
    }

    async fn open_feed(grid: &Grid, token: &str) -> Raw {
        let mut feed = Raw::over(grid.pipes().open().unwrap());
        let shown = SecurityMode::Normal(Some(druse_client::Credentials::token(token)));
        feed.send(&hello_bytes(&old_hello(CommunicationMode::PrimaryServerToClient, shown))).await;
        loop {
            if let Some((welcome, size)) = FeedWelcome::decode(&feed.input).unwrap() {
                assert_eq!(welcome.message, "");
                feed.input.drain(..size);
                return feed;
            }
            assert!(feed.read().await, "closed: {:?}", String::from_utf8_lossy(&feed.input));
        }
    }

    /// Under no id: such clients get another one each time.
    async fn log_in(&mut self, token: &str) {
        self.queue.unique_id = -1;
        self.queue.log_in(token).await.expect("a login");
    }

    async fn execute_query(&mut self) {
        let query = ExecuteCq {
            name: b"all",
            query: b"SELECT * FROM /orders",
            state: ExecuteCq::RUNNING,
            durable: false,
            data_policy: DataPolicy::Empty,
            with_initial_results: false,
        };
        let mut request = Vec::new();
        query.encode(&mut request, &self.queue.envelope());
        self.queue.ask_in_chunks(&request).await.expect("a query that runs");
    }

    /// The feed is gone: opens another, as such a client does at once, and runs its query again.
    async fn come_back(&mut self, token: &str) {
        self.feed = Self::open_feed(self.grid, token).await;
        self.log_in(token).await;
        self.execute_query().await;
    }

    async fn put(&mut self, key: &str) -> Result<(), String> {
        self.puts += 1;
        let put = Put {
            region: "/orders",
            operation: PutOperation::Update,
            wants_old_value: false,
            expected: None,
            key: KeyRef::Text(key.as_bytes()),
            is_delta: false,
            value: ValueRef::Bytes(b"1"),
            event: EventIdRef { thread: 1, sequence: self.puts },
            callback: ValueRef::Null,
        };
        let mut request = Vec::new();
        put.encode(&mut request, &self.queue.envelope());
        self.queue.ask(&request).await.map(drop)
    }

    /// The keys of the events that come within that time, and whether the feed lives.
    async fn hears_within(&mut self, time: Duration) -> (Vec<String>, bool) {
        let (mut keys, end) = (Vec::new(), tokio::time::Instant::now() + time);
        loop {
            keys.extend(self.take_events());
            match tokio::time::timeout_at(end, self.feed.read()).await {
                Err(_) => return (keys, true),
                Ok(false) => return (keys, false),
                Ok(true) => {}
            }
        }
    }

    fn take_events(&mut self) -> Vec<String> {
        let mut keys = Vec::new();
        while let Some((message, size)) = Message::decode(&self.feed.input, &FrameLimits::default()).unwrap()
        {
            match FeedMessage::decode(&message).unwrap() {
                FeedMessage::Entry(event) => {
                    assert!(matches!(event.value, Some(EventValue::Whole(_))) && event.cqs.len() == 1);
                    keys.push(event.key.text().unwrap().into_owned());
                }
                FeedMessage::Marker(_) | FeedMessage::Ping => {}
                other => panic!("such a client understands no {other:?}"),
            }
            self.feed.input.drain(..size);
        }
        keys
    }
}

/// Geode loses the two, and closes the feed at once.
#[tokio::test(start_paused = true)]
async fn d2_08_what_is_due_after_the_end_comes_after_the_next_login() {
    for acts_after in [Duration::from_millis(50), TOO_LONG] {
        let grid = Grid::in_virtual_time(|node| node).await;
        let (writer, orders) = client_of(&grid, &Tokens::of("writer"));
        orders.get(&key(0)).await.unwrap();
        let mut old = OldClient::with(&grid, "ann:1").await;
        grid.manager.expire("ann");
        orders.put(&key(0), &0).await.unwrap();
        orders.put(&key(1), &1).await.unwrap();
        let (heard, lives) = old.hears_within(acts_after).await;
        assert_eq!((heard.len(), lives), (0, acts_after != TOO_LONG), "nothing after the end");

        let refused = old.put("key2").await.unwrap_err();
        assert_eq!(refused, "AuthenticationRequiredException", "in words that it knows");
        if lives {
            old.log_in("ann:2").await;
        } else {
            old.come_back("ann:2").await;
        }
        for key in ["key2", "key3", "key4"] {
            old.put(key).await.unwrap();
        }
        let (heard, lives) = old.hears_within(TOO_LONG).await;
        assert_eq!(heard, ["key0", "key1", "key2", "key3", "key4"], "each once, in order");
        assert!(lives);
        drop(old);
        finish(grid, writer).await;
    }
}
