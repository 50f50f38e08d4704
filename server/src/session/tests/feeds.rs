//! Dialogues about feeds: hello, registrations, events, logins that end.

use druse_protocol::handshake::{AcceptanceCode, FeedWelcome};
use druse_protocol::message::cq::{CqCommand, CqReply, ExecuteCq, NamedCq};
use druse_protocol::message::feed::notice::{FEED_PROPERTY, FEED_PROPERTY_VALUE, SINGLE_USER};
use druse_protocol::message::feed::{
    CqOperation, EntryOperation, EventValue, FeedEventId, FeedMessage, LaneNews,
};
use druse_protocol::message::feed_control::PeriodicAck;
use druse_protocol::message::housekeeping::CloseConnection;
use druse_protocol::message::interest::{
    DataPolicy, Interest, InterestReply, InterestResultPolicy, InterestTerms, RegisterInterest,
};
use druse_protocol::time::Clock as _;
use tokio::io::{AsyncReadExt, DuplexStream};

use super::*;
use crate::seam::HandedOver;

pub(super) const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;
pub(super) const OLD: VersionOrdinal = VersionOrdinal::GEODE_1_14_0;

/// What came on a feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Marker,
    LogIn,
    Ping,
    /// For a client of ours: whose login, by its id, and what of it.
    Notice(i64, LaneNews),
    /// Operation, key, value, whether by interest, queries.
    Event(EntryOperation, String, Option<Vec<u8>>, bool, Vec<(String, CqOperation)>),
    Cleared,
    /// The node has closed it.
    End,
}

pub(super) fn updated(key: &str, value: &str) -> Heard {
    Heard::Event(EntryOperation::Update, key.into(), Some(value.into()), true, vec![])
}

pub(super) fn created(key: &str, value: &str) -> Heard {
    Heard::Event(EntryOperation::Create, key.into(), Some(value.into()), true, vec![])
}

/// The client's end of a feed.
pub(super) struct Feed {
    pipe: DuplexStream,
    read: Vec<u8>,
    pub(super) welcome: FeedWelcome,
}

impl Feed {
    /// What comes next; it must come within a minute of virtual time.
    pub(super) async fn next(&mut self) -> Heard {
        tokio::time::timeout(60 * SECOND, self.hear()).await.expect("nothing came")
    }

    async fn hear(&mut self) -> Heard {
        loop {
            let limits = FrameLimits::default();
            if let Some((message, size)) = Message::decode(&self.read, &limits).expect("a message") {
                let heard = heard(&FeedMessage::decode(&message).expect("a message of a feed"));
                self.read.drain(..size);
                return heard;
            }
            let mut more = [0; 4096];
            match self.pipe.read(&mut more).await.expect("readable") {
                0 => return Heard::End,
                count => self.read.extend_from_slice(&more[..count]),
            }
        }
    }

    /// What comes within ten seconds of virtual time; `None` if nothing does.
    pub(super) async fn soon(&mut self) -> Option<Heard> {
        tokio::time::timeout(10 * SECOND, self.hear()).await.ok()
    }
}

fn heard(message: &FeedMessage<'_>) -> Heard {
    match message {
        FeedMessage::Marker(_) => Heard::Marker,
        FeedMessage::ReAuthenticate(_) => Heard::LogIn,
        FeedMessage::Notice(notice) => Heard::Notice(notice.user, notice.news),
        FeedMessage::Ping => Heard::Ping,
        FeedMessage::Region(_) => Heard::Cleared,
        FeedMessage::Entry(event) => {
            let value = match event.value {
                Some(EventValue::Whole(ValueRef::Bytes(bytes) | ValueRef::Object(bytes))) => {
                    Some(bytes.to_vec())
                }
                _ => None,
            };
            let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
            let cqs = event.cqs.clone().map(|cq| (name(cq.name), cq.operation)).collect();
            let key = event.key.text().expect("a text key").into_owned();
            Heard::Event(event.operation, key, value, event.interest, cqs)
        }
        other => panic!("unexpected: {other:?}"),
    }
}

/// A feed's hello, by which a client of that number shows these credentials.
pub(super) fn feed_hello(client: i32, version: VersionOrdinal, security: SecurityMode) -> ClientHello {
    let mode = CommunicationMode::PrimaryServerToClient;
    ClientHello { mode, read_timeout_ms: 0, security, ..hello_of(client, version) }
}

pub(super) fn shown(name: &str, expires_at: Option<Micros>) -> SecurityMode {
    SecurityMode::Normal(Some(credentials(name, None, expires_at)))
}

impl Node {
    /// Opens a feed and reads the answer.
    pub(super) async fn feed(&self, hello: &ClientHello) -> Feed {
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        let mut talk = self.talk(hello.version);
        let refusal = talk.send(&bytes).await;
        let (mut pipe, stream) = tokio::io::duplex(1 << 16);
        let mut read = refusal;
        if let Some(adopt) = talk.adopt.take() {
            adopt(HandedOver { stream: Box::new(stream), guard: Box::new(()) });
        }
        loop {
            if let Some((welcome, size)) = FeedWelcome::decode(&read).expect("a welcome") {
                read.drain(..size);
                return Feed { pipe, read, welcome };
            }
            let mut more = [0; 256];
            let count = pipe.read(&mut more).await.expect("readable");
            assert!(count > 0, "closed without a word");
            read.extend_from_slice(&more[..count]);
        }
    }

    /// The connection over which a client directs its feed.
    pub(super) async fn queue_connection(&self, client: i32, version: VersionOrdinal) -> Talk {
        let mut talk = self.talk(version);
        talk.now = self.clock.now();
        let mode = CommunicationMode::ClientToServerForQueue;
        let mut bytes = Vec::new();
        ClientHello { mode, ..hello_of(client, version) }.encode(&mut bytes);
        talk.send(&bytes).await;
        talk
    }

    pub(super) fn put(&self, key: &str, value: &str) {
        self.put_as(None, key, value);
    }

    fn put_as(&self, client: Option<i32>, key: &str, value: &str) {
        let member =
            client.map_or_else(Vec::new, |client| hello_of(client, NEW).client_id.essential().to_vec());
        let origin = crate::region::EventOrigin {
            member: crate::engine::ClientIdentity::new(&member),
            event: None,
            retry: false,
        };
        let key = KeyRef::Text(key.as_bytes()).key_bytes().expect("a key");
        let value = crate::engine::Value::Bytes(value.as_bytes());
        let condition = crate::region::Condition::None;
        let put = crate::region::Mutation::Put { key: &key, value, condition, callback: None };
        let crate::engine::Outcome::Ready(done) = self.region.mutate(&origin, put, START) else {
            panic!("memory waits for nothing");
        };
        done.expect("stored");
    }

    /// A user's logins end from outside.
    fn cut_off(&self, name: &str) {
        let revocation = druse_protocol::auth::Revocation {
            scope: druse_protocol::auth::RevocationScope::Principal(name.into()),
            before: START + SECOND,
            reason: "left the company".into(),
        };
        self.security().revoke(&revocation, START);
    }

    /// Lets time pass, for feeds.
    pub(super) async fn wait(&self, time: Duration) {
        self.clock.advance(time);
        // The shards look at the clock once a second at least.
        tokio::time::sleep(2 * SECOND).await;
    }
}

impl Talk {
    pub(super) async fn register(
        &mut self,
        interest: Interest<'_>,
        policy: InterestResultPolicy,
    ) -> Vec<(String, Vec<u8>)> {
        let terms = InterestTerms {
            policy,
            durable: false,
            updates_as_invalidates: false,
            data_policy: DataPolicy::Normal,
            serialize_values: true,
        };
        let mut request = Vec::new();
        RegisterInterest { region: REGION, interest, terms }.encode(&mut request, &self.envelope());
        let chunks = self.ask_chunks(&request).await.expect("registered");
        let mut entries = Vec::new();
        for bytes in &chunks.chunks {
            let (chunk, _) = Chunk::decode(bytes, &chunks.header, &FrameLimits::default()).unwrap().unwrap();
            match InterestReply::decode_chunk(&chunk).expect("entries") {
                InterestReply::Entries(list) => {
                    for (key, entry) in list.keyed() {
                        let key = KeyRef::from_canonical(key).text().expect("text").into_owned();
                        let druse_protocol::message::versioned_list::ListValue::Value(value) = entry.value
                        else {
                            panic!("no value under {key}");
                        };
                        let (ValueRef::Bytes(bytes) | ValueRef::Object(bytes)) = value else {
                            panic!("null")
                        };
                        entries.push((key, bytes.to_vec()));
                    }
                }
                InterestReply::Keys(_) | InterestReply::Nothing => {}
            }
        }
        entries.sort();
        entries
    }

    pub(super) async fn goodbye(&mut self) {
        let mut close = Vec::new();
        CloseConnection { keep_alive: false }.encode(&mut close, &self.envelope());
        self.send(&close).await;
    }

    pub(super) async fn execute(&mut self, name: &str, query: &str) -> Result<(), Refused> {
        let mut request = Vec::new();
        ExecuteCq {
            name: name.as_bytes(),
            query: query.as_bytes(),
            state: ExecuteCq::RUNNING,
            durable: false,
            data_policy: DataPolicy::Empty,
            with_initial_results: false,
        }
        .encode(&mut request, &self.envelope());
        self.ask_chunks(&request).await.map(drop)
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_registers_is_told_of_others_changes_and_not_of_its_own() {
    let node = Node::open();
    let mut feed = node.feed(&feed_hello(1, NEW, SecurityMode::None)).await;
    assert_eq!((feed.welcome.code, feed.welcome.queue_size), (AcceptanceCode::FeedOk as u8, 0));
    assert_eq!(feed.next().await, Heard::Marker);
    node.put("before", "0");
    let mut queue = node.queue_connection(1, NEW).await;
    let snapshot = queue.register(Interest::ALL_KEYS, InterestResultPolicy::KeysValues).await;
    assert_eq!(snapshot, [("before".to_owned(), b"0".to_vec())]);
    node.put("a", "1");
    node.put_as(Some(1), "mine", "x");
    node.put("a", "2");
    assert_eq!(feed.next().await, created("a", "1"));
    assert_eq!(feed.next().await, updated("a", "2"));
    assert_eq!(feed.soon().await, None);
}

#[tokio::test(start_paused = true)]
async fn patterns_and_keys_choose_and_unknown_patterns_are_named() {
    let node = Node::open();
    let mut feed = node.feed(&feed_hello(1, NEW, SecurityMode::None)).await;
    feed.next().await;
    let mut queue = node.queue_connection(1, NEW).await;
    queue.register(Interest::in_pattern(b"k[0-9]"), InterestResultPolicy::None).await;
    queue.register(Interest::in_key(KeyRef::Text(b"one")), InterestResultPolicy::None).await;
    for key in ["k1", "k12", "one", "two"] {
        node.put(key, "v");
    }
    assert_eq!(feed.next().await, created("k1", "v"));
    assert_eq!(feed.next().await, created("one", "v"));
    assert_eq!(feed.soon().await, None);
    let mut request = Vec::new();
    RegisterInterest {
        region: REGION,
        interest: Interest::in_pattern(b"(?=x)"),
        terms: InterestTerms {
            policy: InterestResultPolicy::None,
            durable: false,
            updates_as_invalidates: false,
            data_policy: DataPolicy::Normal,
            serialize_values: true,
        },
    }
    .encode(&mut request, &queue.envelope());
    match queue.ask_chunks(&request).await {
        Err(Refused::Text(kind, text)) => {
            assert_eq!(kind, MessageType::RegisterInterestDataError);
            assert!(text.contains("look-around"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_event_that_met_the_end_comes_after_the_next_login_and_only_once() {
    let node = Node::secured();
    let mut queue = node.queue_connection(1, NEW).await;
    queue.login("ann", Some(START + 10 * SECOND)).await.expect("in");
    let mut feed = node.feed(&feed_hello(1, NEW, shown("ann", Some(START + 10 * SECOND)))).await;
    assert_eq!(feed.next().await, Heard::Marker);
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    // Asked shortly before the end; no answer.
    node.wait(9 * SECOND + SECOND / 2).await;
    assert_eq!(feed.next().await, Heard::LogIn);
    node.wait(SECOND).await;
    assert_eq!(feed.next().await, Heard::LogIn);
    node.put("a", "1");
    node.put("a", "2");
    assert_eq!(feed.soon().await, None, "nothing after the end");
    queue.now = START + 11 * SECOND;
    queue.login("ann", Some(START + 100 * SECOND)).await.expect("in again");
    assert_eq!(feed.next().await, created("a", "1"));
    assert_eq!(feed.next().await, updated("a", "2"));
    assert_eq!(feed.soon().await, None);
    assert_eq!(node.core.metrics.feeds.asks_late.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_client_gets_the_end_of_its_feed_and_finds_everything_when_it_is_back() {
    let node = Node::secured();
    let mut queue = node.queue_connection(1, OLD).await;
    queue.login("ann", Some(START + 10 * SECOND)).await.expect("in");
    let mut feed = node.feed(&feed_hello(1, OLD, shown("ann", Some(START + 10 * SECOND)))).await;
    assert_eq!(feed.next().await, Heard::Marker);
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    node.put("a", "1");
    assert_eq!(feed.next().await, created("a", "1"));
    node.wait(11 * SECOND).await;
    node.put("a", "2");
    tokio::time::sleep(SECOND).await;
    node.wait(SECOND).await;
    assert_eq!(feed.next().await, Heard::End);
    // So a Java client may close the connection that belonged to the feed.
    queue.goodbye().await;
    let mut queue = node.queue_connection(1, OLD).await;
    node.put("a", "3");
    let end = Some(START + 100 * SECOND);
    let mut feed = node.feed(&feed_hello(1, OLD, shown("ann", end))).await;
    assert_eq!(feed.next().await, Heard::Marker);
    queue.now = START + 13 * SECOND;
    queue.login("ann", end).await.expect("in again");
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    // The first one was written long ago, and the feed was closed in peace: the client has it.
    assert_eq!(feed.next().await, updated("a", "2"));
    assert_eq!(feed.next().await, updated("a", "3"));
    assert_eq!(feed.soon().await, None);
}

#[tokio::test(start_paused = true)]
async fn one_users_end_holds_nobody_elses_queries() {
    let node = Node::secured();
    let mut ann = node.queue_connection(1, NEW).await;
    ann.login("ann", Some(START + 10 * SECOND)).await.expect("in");
    let mut feed = node.feed(&feed_hello(1, NEW, SecurityMode::MultiUserFeed)).await;
    assert_eq!(feed.next().await, Heard::Marker);
    let mut bob = node.queue_connection(1, NEW).await;
    bob.login("bob", None).await.expect("in");
    ann.execute("a", "select * from /orders").await.expect("runs");
    bob.execute("b", "select * from /orders").await.expect("runs");
    node.put("k", "1");
    let event = |query: &str, operation, value: &str| {
        let is = if value == "1" { EntryOperation::Create } else { EntryOperation::Update };
        Heard::Event(is, "k".into(), Some(value.into()), false, vec![(query.to_owned(), operation)])
    };
    assert_eq!(feed.next().await, event("a", CqOperation::Create, "1"));
    assert_eq!(feed.next().await, event("b", CqOperation::Create, "1"));
    node.wait(11 * SECOND).await;
    let Heard::Event(_, what, _, false, cqs) = feed.next().await else { panic!("no notice") };
    assert_eq!((what.as_str(), cqs), ("login expired", vec![("a".to_owned(), CqOperation::Error)]));
    for value in ["2", "3"] {
        node.put("k", value);
        assert_eq!(feed.next().await, event("b", CqOperation::Update, value));
    }
    assert_eq!(feed.soon().await, None);
    ann.now = START + 11 * SECOND;
    ann.login("ann", None).await.expect("in again");
    assert_eq!(feed.next().await, event("a", CqOperation::Update, "2"));
    assert_eq!(feed.next().await, event("a", CqOperation::Update, "3"));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_cut_off_loses_the_feed_at_once() {
    let node = Node::secured();
    let mut queue = node.queue_connection(1, NEW).await;
    queue.login("ann", None).await.expect("in");
    let mut feed = node.feed(&feed_hello(1, NEW, shown("ann", None))).await;
    assert_eq!(feed.next().await, Heard::Marker);
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    node.cut_off("ann");
    node.put("a", "1");
    assert_eq!(feed.next().await, Heard::End);
    assert_eq!(node.core.metrics.feeds.live.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_of_ours_that_is_cut_off_is_told_why() {
    let node = Node::secured();
    let mut queue = node.queue_connection(1, NEW).await;
    queue.login("ann", None).await.expect("in");
    let shown = credentials("ann", None, None).with(FEED_PROPERTY, FEED_PROPERTY_VALUE);
    let mut feed = node.feed(&feed_hello(1, NEW, SecurityMode::Normal(Some(shown)))).await;
    assert_eq!(feed.next().await, Heard::Marker);
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    node.cut_off("ann");
    node.put("a", "1");
    assert_eq!(feed.next().await, Heard::Notice(SINGLE_USER, LaneNews::Revoked));
    assert_eq!(feed.next().await, Heard::End);
}

#[tokio::test(start_paused = true)]
async fn a_client_of_ours_with_several_users_is_told_whose_login_has_ended() {
    let node = Node::secured();
    let mut ann = node.queue_connection(1, NEW).await;
    let mut feed = node.feed(&feed_hello(1, NEW, SecurityMode::MultiUserFeed)).await;
    assert_eq!(feed.next().await, Heard::Marker);
    let shown = credentials("ann", None, Some(START + 10 * SECOND)).with(FEED_PROPERTY, FEED_PROPERTY_VALUE);
    let id = ann.login_with(shown).await.expect("in");
    ann.execute("a", "select * from /orders").await.expect("runs");
    node.wait(11 * SECOND).await;
    node.put("k", "1");
    assert_eq!(feed.next().await, Heard::Notice(id, LaneNews::Held));
    assert_eq!(feed.next().await, Heard::LogIn);
    ann.now = START + 11 * SECOND;
    ann.login("ann", None).await.expect("in again");
    assert_eq!(feed.next().await, Heard::Notice(id, LaneNews::Released));
    let cqs = vec![("a".to_owned(), CqOperation::Create)];
    assert_eq!(
        feed.next().await,
        Heard::Event(EntryOperation::Create, "k".into(), Some("1".into()), false, cqs)
    );
}

#[tokio::test(start_paused = true)]
async fn refused_feeds_are_told_why_and_closed() {
    let node = Node::secured();
    for (security, code) in [
        (SecurityMode::None, AcceptanceCode::AuthenticationRequired),
        (SecurityMode::Normal(None), AcceptanceCode::AuthenticationRequired),
        (shown("ann", Some(START)), AcceptanceCode::AuthenticationFailed),
        (SecurityMode::DiffieHellman, AcceptanceCode::AuthenticationFailed),
    ] {
        let feed = node.feed(&feed_hello(1, NEW, security)).await;
        assert_eq!(feed.welcome.code, code as u8, "{}", feed.welcome.message);
        assert!(!feed.welcome.is_accepted());
    }
    assert_eq!(node.core.metrics.feeds.live.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_a_client_says_goodbye() {
    let node = Node::secured();
    let mut queue = node.queue_connection(1, NEW).await;
    queue.login("ann", None).await.expect("in");
    let mut feed = node.feed(&feed_hello(1, NEW, shown("ann", None))).await;
    feed.next().await;
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    queue.execute("q", "select * from /orders o where o > 'a'").await.expect("runs");
    assert_eq!(node.core.metrics.feeds.registrations.get(), 2);
    queue.goodbye().await;
    assert_eq!(feed.next().await, Heard::End);
    drop(queue);
    tokio::time::sleep(2 * SECOND).await;
    let feeds = &node.core.metrics.feeds;
    assert_eq!((feeds.live.get(), feeds.away.get(), feeds.registrations.get()), (0, 0, 0));
    assert_eq!(node.core.metrics.logins_live.get(), 0);
    assert_eq!(node.logouts(), 2);
}

/// What a Java client does whose server it takes for failed while it is coming back.
#[tokio::test(start_paused = true)]
async fn a_goodbye_on_the_way_back_costs_no_event() {
    let node = Node::open();
    let hello = feed_hello(1, OLD, SecurityMode::None);
    let mut queue = node.queue_connection(1, OLD).await;
    let mut feed = node.feed(&hello).await;
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    assert_eq!(feed.next().await, Heard::Marker);
    drop(feed);
    node.wait(SECOND).await;
    node.put("a", "1");
    for has_feed in [false, true] {
        let mut queue = node.queue_connection(1, OLD).await;
        let feed = match has_feed {
            true => Some(node.feed(&hello).await),
            false => None,
        };
        queue.goodbye().await;
        node.wait(SECOND).await;
        if let Some(mut feed) = feed {
            assert_eq!(feed.next().await, Heard::Marker);
            assert_eq!(feed.next().await, Heard::End);
        }
    }
    let mut feed = node.feed(&hello).await;
    assert_eq!(feed.next().await, Heard::Marker);
    queue.register(Interest::ALL_KEYS, InterestResultPolicy::None).await;
    assert_eq!(feed.next().await, created("a", "1"));
    queue.goodbye().await;
    assert_eq!(feed.next().await, Heard::End);
    node.wait(SECOND).await;
    assert_eq!(node.core.metrics.feeds.live.get(), 0, "this time it was meant");
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_and_queries_by_name_are_answered_whatever_they_name() {
    let node = Node::open();
    let mut queue = node.queue_connection(1, NEW).await;
    let mut request = Vec::new();
    let event = FeedEventId { member: b"m", thread: 1, sequence: 1 };
    PeriodicAck { events: vec![event] }.encode(&mut request, &queue.envelope());
    queue.ask(&request).await.expect("answered without a feed");
    let mut request = Vec::new();
    NamedCq { command: CqCommand::Close, name: b"unknown" }.encode(&mut request, &queue.envelope());
    let chunks = queue.ask_chunks(&request).await.expect("answered");
    let (chunk, _) =
        Chunk::decode(&chunks.chunks[0], &chunks.header, &FrameLimits::default()).unwrap().unwrap();
    assert_eq!(CqReply::decode_chunk(&chunks.header, &chunk), Ok(CqReply::CLOSED));
    let error = queue.execute("q", "select * from /orders where").await;
    assert!(matches!(error, Err(Refused::Text(..))), "{error:?}");
    let error = queue.execute("q", "select * from /orders").await;
    assert!(matches!(error, Err(Refused::Text(..))), "no feed: {error:?}");
}
