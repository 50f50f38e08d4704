//! Makes the corpus out of the captures and samples of the protocol crate: `cargo run --example seeds`. To be run again when
//! they change; what the fuzzer found and somebody named stays.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use druse_fuzz::pack;
use druse_protocol::codec::{FrameLimits, Message, MessageType, Part, PartKind};
use druse_protocol::message::query_reply::{ElementType, ResultType};
use druse_protocol::value::pdx::PdxType;
use support::{Capture, Side, chunks, hex};

#[path = "../../protocol/tests/support/mod.rs"]
mod support;

/// Longer inputs only slow a fuzzer down.
const LONGEST: usize = 4096;

/// Inputs of one target by what makes them different, so that each kind comes once.
#[derive(Default)]
struct Corpus(BTreeMap<&'static str, BTreeMap<String, Vec<u8>>>);

impl Corpus {
    fn add(&mut self, target: &'static str, name: String, bytes: Vec<u8>) {
        if !bytes.is_empty() && bytes.len() <= LONGEST {
            self.0.entry(target).or_default().entry(name).or_insert(bytes);
        }
    }

    fn object(&mut self, part: &Part<'_>) {
        if part.kind != PartKind::Object || part.bytes.is_empty() {
            return;
        }
        let name = format!("object-{:02x}-{}", part.bytes[0], bits(part.bytes.len()));
        self.add("value", name.clone(), part.bytes.to_vec());
        if part.bytes.len() <= 64 {
            self.add("key", name.clone(), part.bytes.to_vec());
        }
        if part.bytes.starts_with(&[0x2c]) {
            self.add("exception", name, part.bytes.to_vec());
        }
    }

    fn message(&mut self, bytes: &[u8], side: &str) {
        let Ok(Some((message, _))) = Message::decode(bytes, &FrameLimits::default()) else { return };
        let number = message.header.type_number;
        let kinds: String = message.parts().map(|part| char::from(b'0' + part.kind.to_wire())).collect();
        let kinds = &kinds[..kinds.len().min(8)];
        self.add("frame", format!("{side}-{number}"), bytes.to_vec());
        self.add("requests", format!("{side}-{number}-{kinds}"), pack(number, message.parts()));
        message.parts().for_each(|part| self.object(&part));
    }

    fn reply(&mut self, bytes: &[u8], request: MessageType) {
        if !request.is_answered_in_chunks() {
            return self.message(bytes, "reply");
        }
        let (header, chunks) = chunks(bytes);
        self.add("chunk", format!("whole-{}", request.to_wire()), bytes.to_vec());
        for chunk in chunks {
            let name = format!("packed-{}-{}", request.to_wire(), chunk.parts().count());
            self.add("chunk", name, pack(header.type_number, chunk.parts()));
            chunk.parts().for_each(|part| self.object(&part));
        }
    }

    fn handshakes(&mut self, capture: &Capture) {
        for connection in capture.connections() {
            let mut turns = capture.of(connection).map(|turn| (turn.from, &turn.bytes));
            let Some((Side::Client, hello)) = turns.next() else { continue };
            let mode = hello[0];
            self.add("handshake", format!("hello-{mode}-{}", capture.name), hello.clone());
            if let Some((Side::Server, welcome)) = turns.next() {
                let welcome = welcome[..welcome.len().min(512)].to_vec();
                self.add("handshake", format!("welcome-{mode}-{}", capture.name), welcome);
            }
        }
    }

    /// Each kind of message that servers pushed, and a feed whole.
    fn feeds(&mut self, capture: &Capture) {
        for feed in capture.feeds() {
            self.add("feed", format!("whole-{}", capture.name), feed.clone());
            let mut rest = &feed[..];
            while let Ok(Some((message, size))) = Message::decode(rest, &FrameLimits::default()) {
                let name = format!("{}-{}", message.header.type_number, message.part_count());
                self.add("feed", name, pack(message.header.type_number, message.parts()));
                message.parts().for_each(|part| self.object(&part));
                rest = &rest[size..];
            }
        }
    }

    fn streams(&mut self) {
        for line in include_str!("../../protocol/src/value/java_stream/samples.txt").lines() {
            let Some((name, digits)) = line.split_once(' ').filter(|_| !line.starts_with('#')) else {
                continue;
            };
            let stream = hex(digits);
            self.add("value", format!("stream-{name}"), stream.clone());
            self.add("exception", format!("java-{name}"), [vec![0x2c], stream].concat());
        }
    }

    /// Types and objects in pairs, as the target wants them.
    fn pairs(&mut self) {
        let values = self.0.get("value").cloned().unwrap_or_default();
        let requests = self.0.get("requests").cloned().unwrap_or_default();
        let types: Vec<Vec<u8>> = requests.values().filter_map(|request| pdx_type(request)).collect();
        for (name, value) in values.iter().filter(|(_, value)| value.len() < 600) {
            let pdx_type = types.first().cloned().unwrap_or_default();
            let mut pair = Vec::new();
            for sized in [&pdx_type, value] {
                pair.extend((sized.len() as u16).to_be_bytes());
                pair.extend(sized);
            }
            pair.extend(value);
            self.add("equality", name.clone(), pair);
        }
    }

    /// Queries, each put to an object of the first type.
    fn queries(&mut self) {
        let requests = self.0.get("requests").cloned().unwrap_or_default();
        let pdx_type = requests.values().find_map(|request| pdx_type(request)).unwrap_or_default();
        let objects = self.0.get("value").cloned().unwrap_or_default();
        let objects: Vec<_> = objects.values().filter(|object| object.len() < 600).collect();
        for (number, query) in include_str!("queries.oql").lines().enumerate() {
            let object = objects.get(number % objects.len().max(1)).map_or(&[][..], |object| object);
            let mut input = Vec::new();
            for sized in [query.as_bytes(), &pdx_type] {
                input.extend((sized.len() as u16).to_be_bytes());
                input.extend(sized);
            }
            input.extend(object);
            self.add("oql", format!("query-{number:02}"), input);
        }
    }

    fn write(&self, directory: &Path) -> std::io::Result<()> {
        for (target, inputs) in &self.0 {
            let directory = directory.join(target);
            fs::create_dir_all(&directory)?;
            for (name, bytes) in inputs {
                fs::write(directory.join(name), bytes)?;
            }
            println!("{target}: {} inputs", inputs.len());
        }
        Ok(())
    }
}

/// The type in a packed registration.
fn pdx_type(request: &[u8]) -> Option<Vec<u8>> {
    let object = request.get(7..)?;
    PdxType::decode(object).ok().map(|_| object.to_vec())
}

/// How many binary digits a length has: inputs of like size are enough once.
fn bits(length: usize) -> u32 {
    usize::BITS - length.leading_zeros()
}

/// Messages of a feed that the captures lack, for they are ours: type, then kind and bytes of each part.
fn feed_by_hand(corpus: &mut Corpus) {
    const ID: &str = "01 01 24 04 6d656d62 04 0001 0002 ffffffff 00";
    for (name, number, parts) in [
        ("ask-one-of-many", 110_i32, &["00 0000000000000007", ID][..]),
        ("notice-renew", 1110, &["00 01", "00 0000000000000000", "00 0005000000000000"]),
        ("notice-held", 1110, &["00 02", "00 0000000000000007"]),
        (
            "notice-lost",
            1110,
            &["00 05", "00 0000000000000007", "00 0000000000000001", "00 0000000000000002"],
        ),
    ] {
        let packed = parts.iter().flat_map(|part| packed_part(&hex(part)));
        corpus.add("feed", name.to_owned(), number.to_be_bytes().into_iter().chain(packed).collect());
    }
}

/// Chunks of query results that the captures lack: rows with an exception among them, and a number alone.
fn results_by_hand(corpus: &mut Corpus) {
    let mut plain = Vec::new();
    ResultType { collection: ResultType::COLLECTION, element: ElementType::ANY }.encode(&mut plain);
    for (name, result_type, rows) in [
        ("query-exception", &plain, hex("0119 00 00000002 00 57000161 01 02acd0 57000165")),
        ("query-number", &vec![], hex("3900000007")),
    ] {
        let parts = [&result_type[..], &rows].map(|bytes| Part { kind: PartKind::Object, bytes });
        corpus.add("chunk", name.to_owned(), pack(1, parts.into_iter()));
    }
}

/// A part, kind first, with its length between.
fn packed_part(part: &[u8]) -> Vec<u8> {
    let (kind, bytes) = part.split_first().expect("a kind");
    [&[*kind][..], &(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// What a 1.15.1 client asked a locator, and what that answered. Requests are without their opening.
fn locator(corpus: &mut Corpus) {
    for (name, digits) in [
        ("opening", "000003ea 0096"),
        ("locator-list-request", "01ca 45"),
        ("connection-request", "01cb 570000 00000000"),
        ("all-servers-request", "01d5 570000"),
        ("queue-request", "01cc 570000 0126 03 015c04 00000001 00000001 00000000 01"),
        ("replacement-request", "01d0 570000 00000000 57 0009 3132372e302e302e31 0000a989"),
        ("locator-list", "01cd 00000001 57 0009 6c6f63616c686f7374 0000a992 01"),
        ("connection", "01ce 01 57 0009 3132372e302e302e31 0000a989"),
        ("no-connection", "01ce 00"),
        ("all-servers", "01d6 00000001 57 0009 3132372e302e302e31 0000a989"),
        ("queue", "01cf 00 00000001 57 0009 3132372e302e302e31 0000a989"),
    ] {
        corpus.add("locator", name.to_owned(), hex(digits));
    }
    for (name, tail) in [("VersionRequest", ""), ("VersionResponse", "0096")] {
        let class = format!("com.gemstone.org.jgroups.stack.tcpserver.{name}");
        let bytes = [&[0x2d, 0x2b, 0x57, 0, class.len() as u8], class.as_bytes(), &hex(tail)].concat();
        corpus.add("locator", name.to_owned(), bytes);
    }
}

fn main() -> std::io::Result<()> {
    let mut corpus = Corpus::default();
    for capture in Capture::with_subscriptions() {
        corpus.handshakes(&capture);
        corpus.feeds(&capture);
        for exchange in capture.exchanges() {
            let request = support::message(&exchange.request);
            corpus.message(&exchange.request, "request");
            if let Some(kind) = request.kind() {
                corpus.reply(&exchange.reply, kind);
            }
        }
    }
    corpus.streams();
    corpus.pairs();
    corpus.queries();
    locator(&mut corpus);
    feed_by_hand(&mut corpus);
    results_by_hand(&mut corpus);
    corpus.write(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus"))
}
