use std::time::Duration;

use druse_protocol::codec::{ChunkedWriter, MessageWriter, NO_TRANSACTION};
use tokio::io::DuplexStream;

use super::*;

fn request(kind: MessageType, secured: bool) -> Request {
    let mut bytes = Vec::new();
    let mut writer = MessageWriter::begin(&mut bytes, kind, NO_TRANSACTION, 0);
    writer.raw(&[1]);
    let mut security = [0; SECURITY_BYTES];
    security[8..].copy_from_slice(&77_i64.to_be_bytes());
    writer.finish(secured.then_some(&security[..]));
    Request { bytes: bytes.into(), kind, secured }
}

fn reply(next_id: Option<i64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = MessageWriter::begin(&mut bytes, MessageType::Reply, NO_TRANSACTION, 0);
    writer.raw(&[0]);
    writer.finish(next_id.map(i64::to_be_bytes).as_ref().map(|id| &id[..]));
    bytes
}

fn pair(pipelined: bool) -> (Arc<Connection>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (connection, task) =
        Connection::start(ours, pipelined, FrameLimits::default(), &CancellationToken::new(), || ());
    tokio::spawn(task);
    (connection, theirs)
}

/// Reads one request and returns the connection id in its security part.
async fn expect_request(server: &mut DuplexStream) -> Option<i64> {
    let mut bytes = vec![0; Header::SIZE];
    server.read_exact(&mut bytes).await.unwrap();
    let length = i32::from_be_bytes(bytes[4..8].try_into().unwrap());
    let mut body = vec![0; length as usize];
    server.read_exact(&mut body).await.unwrap();
    bytes.extend(body);
    let (message, _) = Message::decode(&bytes, &FrameLimits::default()).unwrap().unwrap();
    message.security().map(|security| i64::from_be_bytes(security[..8].try_into().unwrap()))
}

fn spawn_call(
    connection: &Arc<Connection>,
    request: Request,
) -> tokio::task::JoinHandle<Result<Reply, ConnectionError>> {
    let connection = Arc::clone(connection);
    tokio::spawn(async move { connection.call(request).await })
}

#[tokio::test(start_paused = true)]
async fn the_latest_connection_id_goes_into_the_next_request() {
    let (connection, mut server) = pair(false);
    let first = spawn_call(&connection, request(MessageType::Put, true));
    assert_eq!(expect_request(&mut server).await, Some(FIRST_CONNECTION_ID));
    server.write_all(&reply(Some(4242))).await.unwrap();
    first.await.unwrap().unwrap();
    let second = spawn_call(&connection, request(MessageType::Put, true));
    assert_eq!(expect_request(&mut server).await, Some(4242));
    server.write_all(&reply(None)).await.unwrap();
    second.await.unwrap().unwrap();
    spawn_call(&connection, request(MessageType::Put, true));
    assert_eq!(expect_request(&mut server).await, Some(4242), "a reply without an id changes nothing");
}

#[tokio::test(start_paused = true)]
async fn only_one_request_is_under_way_where_ids_rotate() {
    let (connection, mut server) = pair(false);
    let first = spawn_call(&connection, request(MessageType::Put, false));
    let second = spawn_call(&connection, request(MessageType::Put, false));
    expect_request(&mut server).await;
    let early = tokio::time::timeout(Duration::from_secs(1), expect_request(&mut server)).await;
    assert!(early.is_err(), "the second request must wait for the first reply");
    server.write_all(&reply(None)).await.unwrap();
    first.await.unwrap().unwrap();
    expect_request(&mut server).await;
    server.write_all(&reply(None)).await.unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn many_are_under_way_once_the_connection_has_its_id_and_replies_keep_their_order() {
    let (connection, mut server) = pair(true);
    let calls: Vec<_> = (0..10).map(|_| spawn_call(&connection, request(MessageType::Put, true))).collect();
    assert_eq!(expect_request(&mut server).await, Some(FIRST_CONNECTION_ID));
    let early = tokio::time::timeout(Duration::from_secs(1), expect_request(&mut server)).await;
    assert!(early.is_err(), "the others would carry the first id, too");
    server.write_all(&reply(Some(4242))).await.unwrap();
    for _ in 1..10 {
        assert_eq!(expect_request(&mut server).await, Some(4242));
    }
    for _ in 1..10 {
        server.write_all(&reply(Some(4242))).await.unwrap();
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_its_caller_no_longer_wants_is_thrown_away() {
    let (connection, mut server) = pair(false);
    let abandoned = spawn_call(&connection, request(MessageType::Put, false));
    expect_request(&mut server).await;
    abandoned.abort();
    let next = spawn_call(&connection, request(MessageType::KeySet, false));
    server.write_all(&reply(None)).await.unwrap();
    expect_request(&mut server).await;
    let mut chunked = Vec::new();
    let mut writer = ChunkedWriter::begin(&mut chunked, MessageType::Response, 1, NO_TRANSACTION);
    for last in [false, true] {
        writer.begin_chunk();
        writer.object(&[0x41, 0]);
        writer.end_chunk(last, None);
    }
    for byte in chunked.chunks(1) {
        server.write_all(byte).await.unwrap();
    }
    match next.await.unwrap().unwrap() {
        Reply::Chunked(bytes) => assert_eq!(bytes, chunked),
        other @ Reply::Plain(_) => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn eof_tells_the_sent_from_the_unsent() {
    let (connection, mut server) = pair(false);
    let sent = spawn_call(&connection, request(MessageType::Put, false));
    expect_request(&mut server).await;
    let unsent = spawn_call(&connection, request(MessageType::Put, false));
    tokio::task::yield_now().await;
    drop(server);
    assert!(matches!(sent.await.unwrap(), Err(ConnectionError::Eof)));
    assert!(!unsent.await.unwrap().unwrap_err().may_have_been_sent());
    assert!(connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn rubbish_and_unasked_replies_end_the_connection() {
    let (connection, mut server) = pair(false);
    server.write_all(&reply(None)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(connection.is_closed());

    let (connection, mut server) = pair(false);
    let call = spawn_call(&connection, request(MessageType::Put, false));
    expect_request(&mut server).await;
    server.write_all(&[0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0]).await.unwrap();
    assert!(matches!(call.await.unwrap(), Err(ConnectionError::Malformed(_))));
}
