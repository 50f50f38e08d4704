//! Whole nodes over real sockets, with a client of a few lines.

use std::time::Duration;

use druse_protocol::codec::{FIRST_CONNECTION_ID, FrameLimits, Message, MessageType};
use druse_protocol::handshake::{
    ClientHello, ClientProxyMembershipId, CommunicationMode, Member, MemberKind, SecurityMode, Welcome,
};
use druse_protocol::message::credentials::{UserCredentials, UserCredentialsReply};
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::event_id::EventIdRef;
use druse_protocol::message::get::{Get, GetReply};
use druse_protocol::message::housekeeping::Ping;
use druse_protocol::message::key::KeyRef;
use druse_protocol::message::put::{Put, PutOperation};
use druse_protocol::message::value::ValueRef;
use druse_protocol::version::VersionOrdinal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::config::Limits;
use crate::engine::Value;
use crate::metrics::{OperationKind, OperationResult};
use crate::security::testing::{TestManager, credentials};

/// A client of one request at a time.
struct Client<S> {
    stream: S,
    input: Vec<u8>,
    connection_id: i64,
    unique_id: Option<i64>,
}

impl Client<TcpStream> {
    async fn connect(node: &Node) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", node.port())).await.expect("connect");
        Self::greet(stream).await.expect("welcome")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Says hello, and gives the text of the refusal if there is one.
    async fn greet(mut stream: S) -> Result<Self, String> {
        let mut member = Vec::new();
        Member::new(&[127, 0, 0, 1], 0, "client", MemberKind::Loner, "tag").encode(&mut member);
        let hello = ClientHello {
            mode: CommunicationMode::ClientToServer,
            version: VersionOrdinal::GEODE_1_15_0,
            read_timeout_ms: 10_000,
            client_id: ClientProxyMembershipId::new(&member, 1).expect("identity"),
            conflation: 0,
            security: SecurityMode::Normal(None),
        };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        stream.write_all(&bytes).await.expect("written");
        let mut client =
            Self { stream, input: Vec::new(), connection_id: FIRST_CONNECTION_ID, unique_id: None };
        let welcome = loop {
            if let Some((welcome, size)) = Welcome::decode(&client.input).expect("a welcome") {
                client.input.drain(..size);
                break welcome;
            }
            client.read().await;
        };
        if welcome.is_accepted() { Ok(client) } else { Err(welcome.message) }
    }

    async fn read(&mut self) {
        assert_ne!(self.stream.read_buf(&mut self.input).await.expect("read"), 0, "the node closed");
    }

    /// Sends a request and gives the whole frame of its answer.
    async fn ask(&mut self, encode: impl FnOnce(&mut Vec<u8>, &Envelope)) -> Vec<u8> {
        let security = self.unique_id.map(|_| (self.connection_id, self.unique_id));
        let mut request = Vec::new();
        encode(&mut request, &Envelope { tx_id: -1, retry: false, security });
        self.stream.write_all(&request).await.expect("written");
        loop {
            if let Some((message, size)) =
                Message::decode(&self.input, &FrameLimits::default()).expect("a frame")
            {
                if let Some(next) = message.security() {
                    self.connection_id = i64::from_be_bytes(next.try_into().expect("an id"));
                }
                return self.input.drain(..size).collect();
            }
            self.read().await;
        }
    }

    async fn log_in(&mut self, name: &str) {
        let credentials = Some(credentials(name, None, None));
        self.unique_id = Some(-1);
        let answer = self.ask(|out, envelope| UserCredentials { credentials }.encode(out, envelope)).await;
        let reply = UserCredentialsReply::decode(&message(&answer)).expect("a login's answer");
        self.unique_id = Some(reply.unique_id.expect("an id"));
    }

    async fn put(&mut self, key: &str, value: &[u8], sequence: i64) {
        let put = Put {
            region: "/orders",
            operation: PutOperation::Update,
            wants_old_value: false,
            expected: None,
            key: KeyRef::Text(key.as_bytes()),
            is_delta: false,
            value: ValueRef::Bytes(value),
            event: EventIdRef { thread: 1, sequence },
            callback: ValueRef::Null,
        };
        let answer = self.ask(|out, envelope| put.encode(out, envelope)).await;
        assert_eq!(message(&answer).kind(), Some(MessageType::Reply));
    }

    async fn get(&mut self, key: &str) -> Vec<u8> {
        let get = Get { region: "/orders", key: KeyRef::Text(key.as_bytes()), callback: ValueRef::Null };
        let answer = self.ask(|out, envelope| get.encode(out, envelope)).await;
        match GetReply::decode(&message(&answer)).expect("a get's answer").value {
            ValueRef::Bytes(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }
}

fn message(frame: &[u8]) -> Message<'_> {
    Message::decode(frame, &FrameLimits::default()).expect("a frame").expect("all of it").0
}

fn builder() -> NodeBuilder {
    Node::builder().bind([127, 0, 0, 1].into()).port(0).region("orders")
}

async fn open_node() -> Node {
    builder().security_none().start().await.expect("started")
}

#[tokio::test]
async fn a_node_is_never_open_by_accident() {
    let error = builder().start().await.expect_err("nobody said who may come in");
    assert!(matches!(error, StartError::NoSecurity) && error.to_string().contains("`none`"), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let node = open_node().await;
    let second = builder().port(node.port()).security_none().start().await.expect_err("in use");
    let text = second.to_string();
    assert!(text.contains(&node.port().to_string()) && text.contains("in use; stop"), "{text}");
    node.shutdown().await;
}

#[tokio::test]
async fn a_failed_start_leaves_no_port_behind() {
    let node = open_node().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address");
    let failed = builder().port(free.port()).locator_port(node.port()).security_none().start().await;
    assert!(matches!(failed, Err(StartError::Listen { purpose: "the locator", .. })));
    assert!(TcpStream::connect(free).await.is_err(), "the port for clients is closed again");
    node.shutdown().await;
}

#[tokio::test]
async fn clients_and_the_embedding_program_see_the_same_entries() {
    let node = open_node().await;
    let orders = node.region("orders").expect("created");
    let mut client = Client::connect(&node).await;
    client.put("17", b"two apples", 1).await;
    let record = orders.get("17").expect("an entry");
    assert_eq!(record.value(), Some(Value::Bytes(b"two apples")));

    orders.put("grün\0", Value::Bytes(b"pears")).await.expect("stored");
    assert_eq!(client.get("grün\0").await, b"pears");
    orders.remove("17").await.expect("removed");
    assert!(orders.get("17").is_none());
    assert_eq!(orders.len(), 1);
    assert!(node.region("/orders").is_some() && node.region("others").is_none());

    let metrics = Arc::clone(node.metrics());
    assert_eq!(metrics.operations.of(OperationKind::Put, OperationResult::Ok).get(), 1);
    assert_eq!(metrics.connections_open.get(), 1);
    node.shutdown().await;
    assert_eq!(metrics.connections_open.get(), 0);
}

#[tokio::test]
async fn a_shutdown_says_goodbye_and_logs_everybody_out() {
    let manager = TestManager::new();
    let node = builder().security(manager.clone()).start().await.expect("started");
    let mut client = Client::connect(&node).await;
    client.log_in("ann").await;
    client.put("17", b"x", 1).await;
    assert_eq!((manager.logins(), manager.logouts()), (1, 0));
    let port = node.port();
    let (_, rest) = tokio::join!(node.shutdown(), async {
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).await.expect("a clean end");
        rest
    });
    assert!(rest.is_empty());
    assert_eq!(manager.logouts(), 1);
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn the_node_tells_what_is_wrong_when_it_is_full() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let node = builder().limits(limits).security_none().start().await.expect("started");
    let mut first = Client::connect(&node).await;
    let stream = TcpStream::connect(("127.0.0.1", node.port())).await.expect("connect");
    let refused = Client::greet(stream).await.err();
    assert_eq!(refused.as_deref(), Some("exceeded max-connections 1"));
    first.put("a", b"b", 1).await;
    node.shutdown().await;
}

#[tokio::test]
async fn garbage_concerns_nobody_else() {
    let node = open_node().await;
    let mut client = Client::connect(&node).await;
    client.put("17", b"x", 1).await;
    let hello = {
        let mut member = Vec::new();
        Member::new(&[127, 0, 0, 1], 0, "client", MemberKind::Loner, "other").encode(&mut member);
        [&[100, 0xff, 0, 150, 59, 0, 0, 0, 0, 1, 0x26, member.len() as u8][..], &member, &[0, 0, 0, 1, 0, 0]]
            .concat()
    };
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0x16, 3, 1, 2, 0, 1, 0, 1],
        vec![100, 0xff, 0x7f, 0xff, 59],
        [&hello[..], &[0xff; 64]].concat(),
        [&hello[..], &[0, 0, 0, 7, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0]].concat(),
        [&hello[..], &[0, 0, 0, 7, 0x80, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0]].concat(),
    ] {
        let mut peer = TcpStream::connect(("127.0.0.1", node.port())).await.expect("connect");
        peer.write_all(&garbage).await.expect("written");
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).await.expect("closed by the node");
        assert_eq!(client.get("17").await, b"x");
    }
    node.shutdown().await;
}

#[tokio::test]
async fn the_locator_names_the_port_of_the_node() {
    let node = builder().locator_port(0).security_none().start().await.expect("started");
    let locator = node.locator_port().expect("a locator");
    let mut stream = TcpStream::connect(("127.0.0.1", locator)).await.expect("connect");
    stream.write_all(&[0, 0, 3, 0xea, 0, 0x96, 1, 0xcb, 0x57, 0, 0, 0, 0, 0, 0]).await.expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let port = i32::from(node.port()).to_be_bytes();
    assert_eq!(answer, [&[1, 0xce, 1, 0x57, 0, 9][..], b"127.0.0.1", &port].concat());
    node.shutdown().await;
}

#[tokio::test]
async fn metrics_are_off_unless_asked_for() {
    assert_eq!(open_node().await.probes(), None);
    let node = builder().metrics_port(0).security_none().start().await.expect("started");
    let mut client = Client::connect(&node).await;
    client.ask(Ping::encode).await;
    let mut stream = TcpStream::connect(node.probes().expect("probes")).await.expect("connect");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n").await.expect("written");
    let mut page = String::new();
    stream.read_to_string(&mut page).await.expect("a page");
    assert!(page.contains("druse_operations_total{operation=\"ping\",result=\"ok\"} 1"), "{page}");
    node.shutdown().await;
}

#[tokio::test]
async fn a_client_under_tls_is_served_like_any_other() {
    let authority = crate::tls::tests::Authority::new();
    let tls = authority.issue("grid.test").client_ca(authority.path("ca.pem"));
    let node = builder().tls(tls).locator_port(0).security_none().start().await.expect("started");
    let ann = authority.issue("ann");
    let stream = TcpStream::connect(("127.0.0.1", node.port())).await.expect("connect");
    let stream = authority.connect(Some(&ann), stream).await.expect("agreement");
    let mut client = Client::greet(stream).await.expect("welcome");
    client.put("17", &vec![7; 300_000], 1).await;
    assert_eq!(client.get("17").await, vec![7; 300_000]);

    let mut plain = TcpStream::connect(("127.0.0.1", node.port())).await.expect("connect");
    plain.write_all(&[100, 0xff, 0, 0x96, 0x3b, 0, 0]).await.expect("written");
    assert_eq!(plain.read_u8().await.expect("an alert"), 0x15);
    drop(client);
    node.shutdown().await;
}

#[tokio::test]
async fn a_node_that_is_dropped_cuts_everything_off() {
    let node = open_node().await;
    let port = node.port();
    let mut client = Client::connect(&node).await;
    drop(node);
    // Cut off in the middle of things: by an end or by a reset.
    assert!(matches!(client.stream.read(&mut [0]).await, Ok(0) | Err(_)));
    while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
