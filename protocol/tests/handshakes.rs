//! Every captured handshake and login is read, and written again byte for byte where the protocol leaves no freedom.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use druse_protocol::auth::{Credentials, USERNAME};
use druse_protocol::codec::{FrameLimits, Message, MessageType, Security};
use druse_protocol::handshake::{
    ClientHello, CommunicationMode, FeedWelcome, Member, MemberKind, SecurityMode, Welcome,
};
use druse_protocol::message::credentials::{
    NO_UNIQUE_ID, RemoveUserAuth, UserCredentials, UserCredentialsReply,
};
use druse_protocol::message::envelope::{Envelope, ReplyEnvelope};
use druse_protocol::message::feed_control::{ClientReady, MakePrimary, PeriodicAck};
use druse_protocol::message::housekeeping::{CloseConnection, Ping};
use druse_protocol::version::VersionOrdinal;
use support::{Capture, Exchange, message};

fn hello(bytes: &[u8]) -> ClientHello {
    let (hello, size) = ClientHello::decode(bytes).unwrap().unwrap();
    assert_eq!(size, bytes.len());
    hello
}

fn version_of(capture: &Capture) -> VersionOrdinal {
    match capture.name.ends_with("1.15.1") {
        true => VersionOrdinal::GEODE_1_15_0,
        false => VersionOrdinal::GEODE_1_14_0,
    }
}

/// Checks the reply and gives the bytes behind it.
fn check_reply<'a>(hello: &ClientHello, reply: &'a [u8]) -> &'a [u8] {
    let mut out = Vec::new();
    let size = if hello.mode.is_feed() {
        let (read, size) = FeedWelcome::decode(reply).unwrap().unwrap();
        assert!(read.is_accepted());
        read.encode(hello.version, &mut out);
        size
    } else {
        let (read, size) = Welcome::decode(reply).unwrap().unwrap();
        assert!(read.is_accepted() && !read.is_pipelined());
        let mut member = Vec::new();
        Member::decode(&read.member).unwrap().encode(&mut member);
        assert_eq!(member, read.member);
        read.encode(&mut out);
        size
    };
    assert_eq!(out, reply[..size]);
    &reply[size..]
}

#[test]
fn every_captured_handshake_is_read_and_written_again() {
    let (mut operations, mut feeds) = (0, 0);
    for capture in Capture::all() {
        for (bytes, reply) in capture.handshakes() {
            let read = hello(bytes);
            let member = read.client_id.member().unwrap();
            assert_eq!((read.version, member.version), (version_of(&capture), Some(version_of(&capture))));
            let mut identity = Vec::new();
            member.encode(&mut identity);
            assert_eq!(identity, read.client_id.identity()[..]);
            let mut again = Vec::new();
            read.encode(&mut again);
            if matches!(read.security, SecurityMode::Normal(Some(_))) {
                // Properties have no order.
                assert_eq!((again.len(), hello(&again)), (bytes.len(), read.clone()));
            } else {
                assert_eq!(again, bytes, "{}", capture.name);
            }
            for end in 0..bytes.len() {
                assert_eq!(ClientHello::decode(&bytes[..end]), Ok(None), "{end} bytes of {}", capture.name);
            }
            let behind = check_reply(&read, reply);
            feeds += usize::from(read.mode.is_feed());
            operations += usize::from(!read.mode.is_feed());
            assert!(read.mode.is_feed() || behind.is_empty(), "{}", capture.name);
        }
    }
    assert!(operations >= 12 && feeds >= 6, "{operations} {feeds}");
}

#[test]
fn a_feed_goes_on_with_its_marker_right_behind_the_reply() {
    let capture = Capture::read("feed-1.15.1");
    let handshakes = capture.handshakes();
    let feed = handshakes.iter().find(|(bytes, _)| bytes[0] == 101).unwrap();
    let read = hello(feed.0);
    assert_eq!(read.security, SecurityMode::Normal(Some(Credentials::password("u1", "u1"))));
    let events = check_reply(&read, feed.1);
    let (marker, _) = Message::decode(events, &FrameLimits::default()).unwrap().unwrap();
    assert_eq!(marker.kind(), Some(MessageType::ClientMarker));
}

#[test]
fn connections_of_one_client_are_equal_and_a_returning_durable_client_is_too() {
    for name in ["feed-1.14.4", "durable-1.15.1"] {
        let capture = Capture::read(name);
        let hellos: Vec<_> = capture.handshakes().iter().map(|(bytes, _)| hello(bytes)).collect();
        let is_feed = |hello: &&ClientHello| hello.mode == CommunicationMode::PrimaryServerToClient;
        let feed = &hellos.iter().find(is_feed).unwrap().client_id;
        assert!(hellos.iter().filter(|hello| hello.client_id == *feed).count() > 1, "{name}");
        assert_eq!(feed.durable_id().is_some(), name.starts_with("durable"));
    }
}

#[test]
fn a_durable_feed_learns_whether_its_queue_was_kept() {
    let capture = Capture::read("durable-1.15.1");
    let handshakes = capture.handshakes();
    let feeds = handshakes.iter().filter(|(bytes, _)| bytes[0] == 101);
    let answers: Vec<_> = feeds
        .map(|(_, reply)| FeedWelcome::decode(reply).unwrap().unwrap().0)
        .map(|welcome| (welcome.endpoint_type, welcome.queue_size))
        .collect();
    assert_eq!(answers[0], (0, -2), "{answers:?}");
    assert!(answers[1..].iter().any(|&(endpoint, size)| endpoint == 2 && size >= 0), "{answers:?}");
}

fn exchanges_of(capture: &Capture, kind: MessageType) -> Vec<Exchange> {
    let is = |exchange: &Exchange| message(&exchange.request).kind() == Some(kind);
    capture.exchanges().into_iter().filter(is).collect()
}

/// What a client put round a request.
fn envelope_of(message: &Message<'_>) -> Envelope {
    let Some(Security::Request { connection_id, unique_id }) = message.security().map(Security::from_client)
    else {
        panic!("no security part");
    };
    let security = Some((connection_id, unique_id));
    Envelope { tx_id: message.header.tx_id, retry: message.header.flags.is_retry(), security }
}

/// What a server put round a reply.
fn reply_envelope_of(message: &Message<'_>) -> ReplyEnvelope {
    let next = message.security().map(|bytes| i64::from_be_bytes(bytes.try_into().unwrap()));
    ReplyEnvelope { tx_id: message.header.tx_id, next_connection_id: next }
}

#[test]
fn every_captured_login_and_its_answer() {
    let (mut logins, mut renewals) = (0, 0);
    for capture in Capture::all() {
        for exchange in exchanges_of(&capture, MessageType::UserCredentialMessage) {
            let request = message(&exchange.request);
            let login = UserCredentials::decode(&request).unwrap();
            let credentials = login.credentials.as_ref().unwrap();
            assert!(credentials.get(USERNAME).is_some() && credentials.len() == 2);
            let envelope = envelope_of(&request);
            let named = envelope.security.unwrap().1;
            assert_eq!(named.is_some(), version_of(&capture).knows_expiry(), "{}", capture.name);
            let mut again = Vec::new();
            login.encode(&mut again, &envelope);
            // Properties have no order.
            assert_eq!(again.len(), exchange.request.len());
            assert_eq!(UserCredentials::decode(&message(&again)), Ok(login));

            let reply = message(&exchange.reply);
            let answer = UserCredentialsReply::decode(&reply).unwrap();
            if let Some(id) = named.filter(|&id| id != NO_UNIQUE_ID) {
                assert_eq!(answer.unique_id, Some(id), "a client that names its id keeps it");
                renewals += 1;
            }
            let mut again = Vec::new();
            answer.encode(&mut again, &reply_envelope_of(&reply));
            assert_eq!(again, exchange.reply);
            logins += 1;
        }
    }
    assert!(logins > 12 && renewals > 3, "{logins} {renewals}");
}

#[test]
fn every_captured_goodbye_of_a_user() {
    let mut count = 0;
    for capture in Capture::all() {
        for exchange in exchanges_of(&capture, MessageType::RemoveUserAuth) {
            let request = message(&exchange.request);
            let mut again = Vec::new();
            RemoveUserAuth::decode(&request).unwrap().encode(&mut again, &envelope_of(&request));
            assert_eq!(again, exchange.request);
            assert_eq!(message(&exchange.reply).security(), None);
            count += 1;
        }
    }
    assert!(count >= 4, "{count}");
}

#[test]
fn captured_housekeeping_is_written_again() {
    let mut seen = std::collections::BTreeMap::<MessageType, usize>::new();
    for capture in Capture::all() {
        for exchange in capture.exchanges() {
            let request = message(&exchange.request);
            let envelope = Envelope { tx_id: request.header.tx_id, retry: false, security: None };
            let mut again = Vec::new();
            match request.kind().unwrap() {
                MessageType::CloseConnection => {
                    CloseConnection::decode(&request).encode(&mut again, &envelope)
                }
                MessageType::MakePrimary => MakePrimary::decode(&request).encode(&mut again, &envelope),
                MessageType::ClientReady => ClientReady::encode(&mut again, &envelope),
                MessageType::PeriodicAck => {
                    PeriodicAck::decode(&request).unwrap().encode(&mut again, &envelope);
                }
                MessageType::Ping => {
                    let target = Ping::target(&request).unwrap();
                    assert_eq!(Member::decode(target).unwrap().kind, MemberKind::Loner);
                    continue;
                }
                _ => continue,
            }
            assert_eq!(again, exchange.request, "{}", capture.name);
            *seen.entry(request.kind().unwrap()).or_default() += 1;
        }
    }
    let count = |kind| seen.get(&kind).copied().unwrap_or_default();
    assert_eq!(count(MessageType::CloseConnection), 23);
    assert_eq!(count(MessageType::PeriodicAck), 16);
    assert_eq!(count(MessageType::ClientReady), 4);
}
