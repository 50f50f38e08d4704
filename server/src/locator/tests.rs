//! Dialogues byte by byte, as a 1.15.1 client has them with a 1.15.1 locator.

use std::time::Duration;

use tokio::io::{DuplexStream, duplex};

use super::*;

fn desk() -> Arc<Desk> {
    let directory =
        Directory { advertise: None, server_port: 43401, locator_port: 43410, groups: Vec::new() };
    Arc::new(Desk { directory, tls: None, limits: Limits::default(), metrics: Arc::default() })
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex");
    digits.chunks(2).map(pair).collect()
}

/// Everything that comes back.
async fn ask(question: &[u8]) -> Vec<u8> {
    let (mut near, far) = duplex(64 << 10);
    let here = "127.0.0.1:43410".parse().expect("address");
    let asking = async {
        near.write_all(question).await.expect("written");
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.expect("an end");
        drop::<DuplexStream>(near);
        answer
    };
    let desk = desk();
    let (answer, talked) = tokio::join!(asking, desk.talk(far, here));
    talked.expect("no error");
    answer
}

#[tokio::test(start_paused = true)]
async fn the_captured_dialogue() {
    let version = b"com.gemstone.org.jgroups.stack.tcpserver.VersionRequest";
    let answer = ask(&[&hex("000003ea 0023 2d2b57 0037")[..], version].concat()).await;
    let expected = b"com.gemstone.org.jgroups.stack.tcpserver.VersionResponse";
    assert_eq!(answer, [&hex("2d2b57 0038")[..], expected, &[0, 0x96]].concat());

    let server = "57 0009 3132372e302e302e31 0000a989";
    for (question, answer) in [
        ("01ca 45", "01cd 00000001 57 0009 3132372e302e302e31 0000a992 01".to_owned()),
        ("01cb 570000 00000000", format!("01ce 01 {server}")),
        ("01d5 570000", format!("01d6 00000001 {server}")),
        ("01d5 570001 78", "01d6 ffffffff".to_owned()),
        ("01cc 570000 0126 03 015c04 00000001 00000001 00000000 01", format!("01cf 00 00000001 {server}")),
        ("01d0 570000 00000000 57 0009 3132372e302e302e31 0000a989", format!("01ce 01 {server}")),
    ] {
        let question = [hex("000003ea 0096"), hex(question)].concat();
        assert_eq!(ask(&question).await, hex(&answer), "{question:02x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_question_ends_as_with_geode() {
    assert_eq!(ask(&[100]).await, [67]);
    assert_eq!(ask(b"GET / HTTP/1.1\r\n").await, b"unknown protocol version");
    assert_eq!(ask(&hex("16030100")).await, b"unknown protocol version");
    // An unknown version, excluded servers null, a status question, a class that is no question.
    for silent in [
        "000003ea 00a1 01d5 570000",
        "000003ea 0096 01cb 570000 ffffffff",
        "000003ea 0096 02086b 45",
        "000003ea 0096 2c aced0005",
    ] {
        assert_eq!(ask(&hex(silent)).await, b"", "{silent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_never_ends_is_cut_off() {
    let mut question = hex("000003ea 0096 01cb 570000 00010000");
    let location = hex("570001 61 00000001");
    while question.len() < QUESTION_BYTES + 1000 {
        question.extend_from_slice(&location);
    }
    assert_eq!(ask(&question).await, b"");
}

#[tokio::test]
async fn a_port_of_its_own_and_places_that_are_limited() {
    let metrics: Arc<Metrics> = Arc::default();
    let limits =
        Limits { locator_connections: 1, locator_time: Duration::from_millis(300), ..Limits::default() };
    let directory = desk().directory.clone();
    let bound = Locator::bind(([127, 0, 0, 1], 0).into(), None, &limits, Arc::clone(&metrics), |port| {
        Directory { locator_port: port, ..directory }
    });
    let locator = bound.expect("bind");
    let local = locator.local();
    let shutdown = Shutdown::default();
    shutdown.spawn(locator.run(shutdown.clone()));

    let question = hex("000003ea 0096 01d5 570000");
    let mut silent = TcpStream::connect(local).await.expect("connect");
    silent.write_all(&question[..3]).await.expect("written");
    let mut turned_away = TcpStream::connect(local).await.expect("connect");
    // Closed without an answer; the system may say so by a reset.
    assert!(matches!(turned_away.read(&mut [0; 9]).await, Ok(0) | Err(_)));
    drop(silent);
    // Once the silent one's end is counted its place is free.
    while metrics.locator_refusals.get() < 2 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;

    let mut answer = Vec::new();
    let mut asking = TcpStream::connect(local).await.expect("connect");
    asking.write_all(&question).await.expect("written");
    asking.read_to_end(&mut answer).await.expect("an answer");
    assert_eq!(answer[..2], hex("01d6"));
    shutdown.finish(Duration::from_secs(5)).await;
    assert_eq!(metrics.locator_requests.get(), 1);
}
