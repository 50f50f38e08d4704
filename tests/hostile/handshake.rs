//! What a connection may begin with, and mostly may not.

use druse_protocol::handshake::Welcome;
use druse_protocol::version::VersionOrdinal;
use druse_server::metrics::RefusalReason;
use druse_support::raw::{Raw, hello, hello_bytes};

use crate::siege::Siege;

/// All that the node says to these bytes, behind which nothing comes.
async fn told(siege: &Siege, bytes: &[u8]) -> Vec<u8> {
    let mut peer = Raw::connect(siege.grid.address()).await;
    peer.last(bytes).await.to_vec()
}

#[tokio::test]
async fn every_first_byte_leads_somewhere() {
    let siege = Siege::begin().await;
    let mut bytes = hello_bytes(&hello("mallory"));
    for first in 0..=u8::MAX {
        bytes[0] = first;
        let said = told(&siege, &bytes).await;
        match first {
            100 | 104 | 105 | 107 => {
                assert!(matches!(Welcome::decode(&said), Ok(Some(_))), "{first}: {said:?}")
            }
            // A feed or a gateway would have gone on otherwise; what it is told has a form of its own.
            101..=103 => {}
            _ => assert!(said.is_empty(), "{first}: {said:?}"),
        }
    }
    siege.end().await;
}

#[tokio::test]
async fn a_version_that_nobody_knows_is_named_in_the_refusal() {
    let siege = Siege::begin().await;
    for ordinal in [-1, 0, 1, 44, 99, 161, 255, 1_000, i16::MAX] {
        let mut hello = hello("mallory");
        hello.version = VersionOrdinal(ordinal);
        let said = told(&siege, &hello_bytes(&hello)).await;
        let Ok(Some((welcome, _))) = Welcome::decode(&said) else { panic!("{ordinal}: {said:?}") };
        assert!(!welcome.is_accepted(), "{ordinal}");
        assert!(welcome.message.contains(&ordinal.to_string()), "{}", welcome.message);
    }
    siege.end().await;
}

#[tokio::test]
async fn a_hello_with_any_byte_changed_is_answered_or_closed() {
    let siege = Siege::begin().await;
    let whole = hello_bytes(&hello("mallory"));
    for at in 0..whole.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff, whole[at] ^ 1] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            let said = told(&siege, &bytes).await;
            // Feeds are welcomed in a form of their own.
            if bytes[0] == whole[0] && !said.is_empty() {
                assert!(matches!(Welcome::decode(&said), Ok(Some(_))), "{byte} at {at}: {said:?}");
            }
        }
    }
    siege.end().await;
}

#[tokio::test]
async fn lengths_within_a_hello_are_believed_only_as_far_as_there_are_bytes() {
    let siege = Siege::begin().await;
    let whole = hello_bytes(&hello("mallory"));
    for at in 1..whole.len() {
        // As the long form of a length: four bytes follow, and then next to nothing.
        let mut bytes = whole[..at].to_vec();
        bytes.extend([0xfd, 0x7f, 0xff, 0xff, 0xff]);
        bytes.extend(&whole[at..]);
        told(&siege, &bytes).await;
        assert_eq!(siege.bytes_in_flight(), 0);
    }
    siege.end().await;
}

#[tokio::test]
async fn other_protocols_are_shown_the_door() {
    let siege = Siege::begin().await;
    let others: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: grid\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        // TLS 1.2, a client hello.
        &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03],
        &[0; 4096],
        &[0xff; 4096],
    ];
    for bytes in others {
        assert!(told(&siege, bytes).await.is_empty(), "{bytes:?}");
    }
    siege.attackers_gone_but(0).await;
    assert_eq!(siege.refused(RefusalReason::Handshake), others.len() as u64);
    siege.end().await;
}

#[tokio::test]
async fn a_hello_that_never_ends_is_cut_off() {
    let siege = Siege::begin().await;
    // The identity is an array, of which any length may be announced; here it goes on as long as anybody reads.
    let mut peer = Raw::connect(siege.grid.address()).await;
    let whole = hello_bytes(&hello("mallory"));
    let head: Vec<u8> = whole[..8].iter().copied().chain([1, 0xfd, 0x00, 0xff, 0xff, 0xff]).collect();
    peer.send(&head).await;
    for _ in 0..64 {
        peer.send(&[7; 16 << 10]).await;
    }
    assert!(peer.to_the_end().await.is_empty());
    siege.end().await;
}
