//! Reads the captures in `tests/captures`: what unmodified Java clients and a real server said to one another.
#![allow(dead_code, unreachable_pub, reason = "each suite uses its own share")]

use std::path::Path;

use druse_protocol::codec::{Chunk, ChunkedHeader, FrameLimits, Message};
use druse_protocol::handshake::FeedWelcome;

/// Who sent something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// Consecutive bytes of one direction of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub connection: u32,
    pub from: Side,
    pub bytes: Vec<u8>,
}

/// A request on an operations connection, and the whole reply to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub connection: u32,
    pub request: Vec<u8>,
    pub reply: Vec<u8>,
}

/// One capture file.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Its name without `.txt`.
    pub name: String,
    pub turns: Vec<Turn>,
}

impl Capture {
    /// Reads `tests/captures/NAME.txt`.
    pub fn read(name: &str) -> Self {
        // By way of the crate's own name, since the fuzzer's corpus is made by this code, too, from beside the crate.
        let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/captures");
        let path = captures.join(format!("{name}.txt"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { name: name.to_owned(), turns: text.lines().filter_map(turn).collect() }
    }

    /// All twelve.
    pub fn all() -> Vec<Self> {
        let scenarios = ["ops", "values", "expiry", "feed", "multiuser", "durable"];
        let of = |scenario: &&str| {
            ["1.14.4", "1.15.1"].map(|version| Self::read(&format!("{scenario}-{version}")))
        };
        scenarios.iter().flat_map(of).collect()
    }

    /// The twelve, and those that subscribe in every way and with a server to spare.
    pub fn with_subscriptions() -> Vec<Self> {
        let more = ["subscriptions-1.14.4", "subscriptions-1.15.1", "redundancy-1.15.1"].map(Self::read);
        Self::all().into_iter().chain(more).collect()
    }

    /// The numbers of the connections, in order of their first byte.
    pub fn connections(&self) -> Vec<u32> {
        let mut seen = Vec::new();
        for turn in &self.turns {
            if !seen.contains(&turn.connection) {
                seen.push(turn.connection);
            }
        }
        seen
    }

    /// The turns of one connection.
    pub fn of(&self, connection: u32) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter(move |turn| turn.connection == connection)
    }

    /// What opens a connection: the client's handshake and the server's next turn, which on a feed goes on with events.
    pub fn handshakes(&self) -> Vec<(&[u8], &[u8])> {
        let handshake = |connection| {
            let mut turns = self.of(connection);
            let hello = turns.next().filter(|turn| turn.from == Side::Client).expect("a client speaks first");
            let reply = turns.next().map_or(&[][..], |turn| &turn.bytes);
            (&hello.bytes[..], reply)
        };
        self.connections().into_iter().map(handshake).collect()
    }

    /// What the servers pushed, one entry a feed, without the handshake replies.
    pub fn feeds(&self) -> Vec<Vec<u8>> {
        let is_feed = |connection: &u32| {
            self.of(*connection).next().is_some_and(|turn| matches!(turn.bytes[0], 101 | 102))
        };
        let pushed = |connection: u32| {
            let turns = self.of(connection).filter(|turn| turn.from == Side::Server);
            let bytes: Vec<u8> = turns.flat_map(|turn| turn.bytes.iter().copied()).collect();
            let (_, size) = FeedWelcome::decode(&bytes).unwrap().expect("a handshake reply");
            bytes[size..].to_vec()
        };
        self.connections().into_iter().filter(is_feed).map(pushed).collect()
    }

    /// Every request and its reply on connections for operations (modes 100 and 107).
    pub fn exchanges(&self) -> Vec<Exchange> {
        let mut exchanges = Vec::new();
        for connection in self.connections() {
            let turns: Vec<_> = self.of(connection).collect();
            if !matches!(turns[0].bytes[0], 100 | 107) {
                continue;
            }
            for pair in turns[2..].chunks_exact(2) {
                assert_eq!((pair[0].from, pair[1].from), (Side::Client, Side::Server), "{}", self.name);
                let (request, reply) = (pair[0].bytes.clone(), pair[1].bytes.clone());
                exchanges.push(Exchange { connection, request, reply });
            }
        }
        exchanges
    }
}

fn turn(line: &str) -> Option<Turn> {
    let mut fields = line.split(' ');
    let connection = fields.next()?.parse().ok()?;
    let from = match fields.next()? {
        "C>S" => Side::Client,
        "S>C" => Side::Server,
        other => panic!("direction {other}"),
    };
    let bytes = fields.next().filter(|text| *text != "EOF")?;
    Some(Turn { connection, from, bytes: hex(bytes) })
}

/// Bytes from hexadecimal digits; white space and `|` between them do not count.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    assert_eq!(digits.len() % 2, 0, "an odd number of digits");
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

/// The one message that `bytes` must be.
pub fn message(bytes: &[u8]) -> Message<'_> {
    let (message, size) = Message::decode(bytes, &FrameLimits::default()).unwrap().expect("a whole message");
    assert_eq!(size, bytes.len());
    message
}

/// The chunked reply that `bytes` must be.
pub fn chunks(bytes: &[u8]) -> (ChunkedHeader, Vec<Chunk<'_>>) {
    let limits = FrameLimits::default();
    let header = ChunkedHeader::decode(bytes, &limits).unwrap().expect("a whole header");
    let mut rest = &bytes[ChunkedHeader::SIZE..];
    let mut chunks: Vec<Chunk<'_>> = Vec::new();
    while !rest.is_empty() {
        assert!(!chunks.last().is_some_and(|chunk| chunk.flags.is_last()), "bytes behind the last chunk");
        let (chunk, size) = Chunk::decode(rest, &header, &limits).unwrap().expect("a whole chunk");
        chunks.push(chunk);
        rest = &rest[size..];
    }
    assert!(chunks.last().is_some_and(|chunk| chunk.flags.is_last()), "no last chunk");
    (header, chunks)
}
