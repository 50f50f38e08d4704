//! Too many of everything: connections, logins, identities, requests.

use std::time::Duration;

use druse_protocol::codec::MessageType;
use druse_protocol::handshake::Welcome;
use druse_server::config::Limits;
use druse_server::metrics::{LoginResult, RefusalReason};
use druse_server::security::SecurityPolicies;
use druse_support::raw::{Raw, hello, hello_bytes};

use crate::requests::{self, Shown};
use crate::siege::Siege;

#[tokio::test]
async fn connections_over_the_limit_are_told_so_and_the_place_is_free_again_behind_a_flood() {
    const PLACES: u64 = 40;
    let limits = Limits { connections: PLACES as usize, ..Limits::default() };
    let siege = Siege::with(|node| node.limits(limits)).await;
    let mut flood = Vec::new();
    for _ in 0..400 {
        let mut peer = Raw::connect(siege.grid.address()).await;
        peer.send(&hello_bytes(&hello("mallory"))).await;
        flood.push(peer);
    }
    let (mut accepted, mut told, mut closed) = (0_u64, 0_u64, 0_u64);
    for peer in &mut flood {
        match peer.welcome().await {
            Some(welcome) if welcome.is_accepted() => accepted += 1,
            Some(welcome) => {
                assert!(welcome.message.contains("max-connections"), "{}", welcome.message);
                told += 1;
            }
            None => closed += 1,
        }
    }
    assert!(accepted < PLACES, "the honest client has a place, too: {accepted}");
    assert_eq!(
        (accepted + told + closed, siege.refused(RefusalReason::MaxConnections)),
        (400, told + closed)
    );
    siege.honest_goes_on().await;
    drop(flood);
    siege.attackers_gone_but(0).await;
    siege.attacker().await;
    siege.end().await;
}

#[tokio::test]
async fn connections_that_come_and_go_leave_nothing_behind() {
    let siege = Siege::begin().await;
    for n in 0..1_000 {
        let mut peer = Raw::connect(siege.grid.address()).await;
        match n % 4 {
            0 => {}
            1 => peer.send(&hello_bytes(&hello("mallory"))[..7]).await,
            2 => peer.greet(&format!("client {n}")).await,
            _ => {
                peer.greet(&format!("client {n}")).await;
                peer.log_in("mallory:1").await.unwrap();
            }
        }
    }
    assert_eq!(siege.grid.manager.logins("mallory"), 250);
    siege.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_wrong_logins_is_paced_and_delays_nobody_else() {
    const LOGINS: usize = 500;
    let siege = Siege::in_virtual_time(|node| node).await;
    let mut mallory = siege.pipe();
    mallory.greet("mallory").await;
    let begun = siege.grid.now();
    let mut lasted = Duration::ZERO;
    for n in 0..LOGINS {
        mallory.log_in(&format!("mallory:wrong{n}")).await.unwrap_err();
        lasted = siege.grid.now().saturating_since(begun);
    }
    // Sixteen a second, behind a burst of sixteen.
    assert!(lasted >= Duration::from_secs(29), "{lasted:?}");
    assert_eq!(siege.grid.metrics().logins.of(LoginResult::Failed).get(), LOGINS as u64);
    siege.honest_goes_on().await;
    drop(mallory);
    siege.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_client_may_not_have_ever_more_users() {
    let policies = SecurityPolicies { ids_per_client: 50, ..SecurityPolicies::default() };
    let siege = Siege::in_virtual_time(|node| node.policies(policies)).await;
    let mut mallory = siege.pipe();
    mallory.greet("mallory").await;
    for n in 0..500 {
        // Without naming an id, so that each login is another user.
        mallory.unique_id = -1;
        mallory.log_in(&format!("user{n}:1")).await.unwrap();
        assert!(siege.grid.metrics().logins_live.get() <= 50 + 1);
    }
    drop(mallory);
    siege.end().await;
}

#[tokio::test]
async fn thousands_of_requests_in_one_write_are_answered_in_order() {
    let siege = Siege::begin().await;
    let login = siege.known_attacker().await;
    let good = requests::good(Shown::first(&login));
    let (kind, size) = good.iter().find(|(kind, _)| *kind == MessageType::Size).unwrap();
    let mut mallory = siege.attacker().await;
    let said = mallory.last(&size.repeat(5_000)).await.to_vec();
    assert_eq!(requests::count(&said, *kind), 5_000);
    drop(login);
    siege.end().await;
}

#[tokio::test]
async fn noise_of_every_length_is_survived() {
    let siege = Siege::begin().await;
    // A generator that needs no crate and gives the same noise every time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = |length: usize| -> Vec<u8> {
        let byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        std::iter::repeat_with(byte).take(length).collect()
    };
    for length in 0..400 {
        let mut before = Raw::connect(siege.grid.address()).await;
        let said = before.last(&noise(length)).await;
        assert!(said.is_empty() || Welcome::decode(said).is_ok());
        let mut behind = siege.attacker().await;
        behind.last(&noise(length)).await;
    }
    siege.end().await;
}
