//! What a seed decides before anything happens: the node's bounds, the clients, and what may go wrong.

use std::time::Duration;

use druse_protocol::auth::DecisionScope;
use druse_protocol::time::Micros;
use rand::Rng;
use rand::rngs::StdRng;

use super::super::FeedPolicies;
use super::super::interest::Interest;

/// What a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Java 1.15 with one user.
    Java,
    /// Java 1.15 with several.
    JavaMulti,
    /// Java 1.14 with one user: knows no message 110, names no ids.
    Old,
    /// Java 1.14 with several.
    OldMulti,
    /// Java 1.15 whose queue outlives it.
    Durable,
    /// C++: as old, and never acknowledges.
    NeverAcking,
    /// Ours.
    Druse,
    /// Ours with several users.
    DruseMulti,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Java,
        Self::JavaMulti,
        Self::Old,
        Self::OldMulti,
        Self::Durable,
        Self::NeverAcking,
        Self::Druse,
        Self::DruseMulti,
    ];

    pub(super) const fn has_several_users(self) -> bool {
        matches!(self, Self::JavaMulti | Self::OldMulti | Self::DruseMulti)
    }

    /// Whether it is older than 1.15.
    pub(super) const fn is_old(self) -> bool {
        matches!(self, Self::Old | Self::OldMulti | Self::NeverAcking)
    }

    pub(super) const fn is_ours(self) -> bool {
        matches!(self, Self::Druse | Self::DruseMulti)
    }
}

/// A credential, as a provider hands it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) issued_at: Option<Micros>,
    pub(super) expires_at: Option<Micros>,
}

/// What an application registers.
#[derive(Debug, Clone)]
pub(super) enum Want {
    Interest {
        region: u16,
        interest: Interest,
        values: bool,
        durable: bool,
    },
    /// Values above a bound; `user` runs it.
    Query {
        region: u16,
        name: String,
        above: i32,
        user: usize,
        durable: bool,
        /// Whether the rows are wanted that are there already.
        initial: bool,
    },
}

impl Want {
    /// Whether both are the same interest.
    fn has_interest_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Interest { region, interest, .. }, Self::Interest { region: of, interest: other, .. }) => {
                region == of && interest == other
            }
            _ => false,
        }
    }
}

/// A client to be.
#[derive(Debug, Clone)]
pub(super) struct ClientPlan {
    pub(super) kind: Kind,
    pub(super) users: Vec<String>,
    pub(super) wants: Vec<Want>,
    pub(super) conflates: bool,
}

/// What may go wrong, each with how often in a thousand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    pub(super) partial_writes: u32,
    pub(super) blocked_for: Duration,
    pub(super) resets: u32,
    pub(super) lost_acks: u32,
    pub(super) provider_fails: u32,
    pub(super) provider_stale: u32,
    pub(super) provider_dead: u32,
    pub(super) slow_logins: u32,
    pub(super) late_timers: Duration,
}

/// A run.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) secured: bool,
    pub(super) scope: DecisionScope,
    pub(super) policies: FeedPolicies,
    pub(super) clients: Vec<ClientPlan>,
    pub(super) faults: Faults,
    pub(super) steps: usize,
    /// How long credentials live; zero: they do not run out.
    pub(super) life: Duration,
    pub(super) says_issued: bool,
}

/// Regions of the node.
pub(super) const REGIONS: [&str; 2] = ["/r", "/s"];
/// Keys of each.
pub(super) const KEYS: usize = 6;

impl Plan {
    pub(super) fn new(random: &mut StdRng, steps: usize) -> Self {
        let secured = random.random_ratio(9, 10);
        let small = random.random_ratio(1, 3);
        let clients = (0..random.random_range(1..=3)).map(|n| client(random, n, secured)).collect();
        Self {
            secured,
            scope: if random.random() { DecisionScope::Call } else { DecisionScope::Region },
            policies: policies(random, small),
            clients,
            faults: faults(random),
            steps,
            life: Duration::from_millis(*pick(random, &[0, 300, 800, 2_000, 6_000])),
            says_issued: random.random(),
        }
    }
}

/// Waits are short, so that a run sees their ends; bounds are three in a third of the runs.
fn policies(random: &mut StdRng, small: bool) -> FeedPolicies {
    FeedPolicies {
        reauthenticate_wait: Duration::from_secs(5),
        grace: Duration::from_secs(8),
        queue_events: if small { 3 } else { 10_000 },
        queue_bytes: if random.random_ratio(1, 6) { 600 } else { 1 << 20 },
        ping_interval: Duration::from_secs(4),
        resume_wait: Duration::from_secs(2),
        renew_early: random.random_ratio(3, 4),
        unacknowledged: (if small { 3 } else { 1 << 20 }, Duration::from_secs(3)),
        ..FeedPolicies::default()
    }
}

fn faults(random: &mut StdRng) -> Faults {
    let mut often = |most: u32| if random.random() { random.random_range(0..=most) } else { 0 };
    Faults {
        partial_writes: often(300),
        blocked_for: Duration::from_millis(u64::from(often(3_000)) + 1),
        resets: often(30),
        lost_acks: often(500),
        provider_fails: often(200),
        provider_stale: often(400),
        provider_dead: often(100),
        slow_logins: often(400),
        late_timers: Duration::from_millis(u64::from(often(500))),
    }
}

fn client(random: &mut StdRng, number: usize, secured: bool) -> ClientPlan {
    let kind = match secured {
        true => *pick(random, &Kind::ALL),
        false => *pick(random, &[Kind::Java, Kind::Durable, Kind::NeverAcking]),
    };
    let count = if kind.has_several_users() { random.random_range(2..=3) } else { 1 };
    let users = (0..count).map(|user| format!("user{number}{user}")).collect();
    let mut wants: Vec<Want> = Vec::new();
    for number in 0..random.random_range(1..=4) {
        let want = want(random, kind, number, count);
        // Of two registrations of one interest the later one holds, which is another matter.
        if !wants.iter().any(|known| known.has_interest_of(&want)) {
            wants.push(want);
        }
    }
    ClientPlan { kind, users, wants, conflates: random.random_ratio(1, 4) }
}

fn want(random: &mut StdRng, kind: Kind, number: usize, users: usize) -> Want {
    let region = random.random_range(0..REGIONS.len()) as u16;
    let durable = kind == Kind::Durable && random.random_ratio(2, 3);
    if kind.has_several_users() || random.random_ratio(1, 3) {
        let above = *pick(random, &[-1, 20, 60]);
        let user = if number < users { number } else { random.random_range(0..users) };
        let initial = random.random();
        return Want::Query { region, name: format!("q{number}"), above, user, durable, initial };
    }
    let interest = match random.random_range(0..3) {
        0 => Interest::All,
        1 => Interest::Key(key(random.random_range(0..KEYS)).into()),
        _ => Interest::pattern("k[0-2]").expect("a pattern"),
    };
    Want::Interest { region, interest, values: random.random_ratio(5, 6), durable }
}

/// The canonical bytes of a key.
pub(super) fn key(number: usize) -> Vec<u8> {
    vec![0x57, 0, 2, b'k', b'0' + number as u8]
}

/// The text of a key.
pub(super) fn key_text(key: &[u8]) -> String {
    String::from_utf8_lossy(key.get(3..).unwrap_or_default()).into_owned()
}

pub(super) fn pick<'a, T>(random: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}
