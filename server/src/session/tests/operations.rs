//! What each operation answers, case by case as protocol/2-operations.md section 2 lists them.

use druse_protocol::message::bulk::{BulkFlags, BulkReply};
use druse_protocol::message::clear::ClearRegion;
use druse_protocol::message::contains::{Contains, ContainsMode, ContainsReply};
use druse_protocol::message::destroy::{Destroy, DestroyReply};
use druse_protocol::message::get_all::{GetAll, GetAllForm, GetAllReply};
use druse_protocol::message::get_entry::{GetEntry, GetEntryReply};
use druse_protocol::message::invalidate::{Invalidate, InvalidateReply};
use druse_protocol::message::key_set::{KeySet, KeySetReply};
use druse_protocol::message::put::OldValue;
use druse_protocol::message::put_all::PutAll;
use druse_protocol::message::remove_all::RemoveAll;
use druse_protocol::message::versioned_list::ListValue;

use super::*;

const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;
const V: ValueRef<'_> = ValueRef::Bytes(b"v");
const W: ValueRef<'_> = ValueRef::Object(&[0x57, 0, 1, b'w']);

async fn open() -> (Node, Talk) {
    let node = Node::open();
    let talk = node.connect(NEW).await;
    (node, talk)
}

fn key(text: &str) -> KeyRef<'_> {
    KeyRef::Text(text.as_bytes())
}

impl Talk {
    fn event(&mut self) -> EventIdRef {
        self.sequence += 1;
        EventIdRef { thread: 1, sequence: self.sequence }
    }

    async fn put_as(&mut self, put: Put<'_>) -> Result<(Option<String>, Option<u32>), Refused> {
        let mut request = Vec::new();
        Put { event: self.event(), ..put }.encode(&mut request, &self.envelope());
        let answer = self.ask(&request).await?;
        let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
        let reply = PutReply::decode(&message).expect("a reply");
        let old = reply.old_value.map(|old| match old {
            OldValue::Value(value) => format!("{:?}", value.bytes()),
            OldValue::Outcome(outcome) => outcome.to_string(),
        });
        Ok((old, reply.tag.map(|tag| tag.entry_version)))
    }

    async fn destroy(&mut self, text: &str, expected: Option<ValueRef<'_>>) -> (Option<bool>, Option<u32>) {
        let mut request = Vec::new();
        let event = self.event();
        let destroy = Destroy { region: REGION, key: key(text), expected, event, callback: ValueRef::Null };
        destroy.encode(&mut request, &self.envelope());
        let answer = self.ask(&request).await.expect("destroy");
        let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
        let reply = DestroyReply::decode(&message).expect("a reply");
        (reply.entry_not_found, reply.tag.map(|tag| tag.entry_version))
    }

    async fn invalidate(&mut self, text: &str) -> Option<u32> {
        let mut request = Vec::new();
        let event = self.event();
        let invalidate = Invalidate { region: REGION, key: key(text), event, callback: ValueRef::Null };
        invalidate.encode(&mut request, &self.envelope());
        let answer = self.ask(&request).await.expect("invalidate");
        let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
        InvalidateReply::decode(&message).expect("a reply").tag.map(|tag| tag.entry_version)
    }

    async fn found(&mut self, text: &str) -> (Presence, Option<u32>) {
        let answer = self.ask(&self.get_request(text)).await.expect("get");
        let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
        let reply = GetReply::decode(&message).expect("a reply");
        (reply.presence, reply.tag.map(|tag| tag.entry_version))
    }

    async fn contains(&mut self, key: KeyRef<'_>, mode: ContainsMode) -> bool {
        let mut request = Vec::new();
        Contains { region: REGION, key, mode }.encode(&mut request, &self.envelope());
        let answer = self.ask(&request).await.expect("contains");
        let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
        ContainsReply::decode(&message).expect("a reply").is_there
    }
}

#[tokio::test]
async fn permissions_are_asked_as_geode_asks_them() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    assert_eq!(talk.get("k").await.expect("get"), None);
    talk.put("k", b"v").await.expect("put");
    talk.contains(key("k"), ContainsMode::Key).await;
    talk.destroy("k", None).await;
    let asked: Vec<_> = node.manager.take_asked().into_iter().map(|(asked, _)| asked).collect();
    let (read, write) = ("ann DATA:READ:orders:k", "ann DATA:WRITE:orders:k");
    assert_eq!(asked, [read, write, read, write]);
}

#[tokio::test]
async fn get_tells_found_absent_destroyed_and_invalid_apart() {
    let (_node, mut talk) = open().await;
    assert_eq!(talk.found("k").await, (Presence::Absent, None));
    talk.put("k", b"v").await.expect("put");
    assert_eq!(talk.found("k").await, (Presence::Found, Some(1)));
    assert_eq!(talk.invalidate("k").await, Some(2));
    assert_eq!(talk.found("k").await, (Presence::Invalid, Some(2)));
    talk.destroy("k", None).await;
    assert_eq!(talk.found("k").await, (Presence::Absent, Some(3)), "the tombstone's version");
    assert_eq!(talk.invalidate("none").await, None);
}

#[tokio::test]
async fn get_gives_a_callback_argument_back() {
    let (_node, mut talk) = open().await;
    let mut request = Vec::new();
    Get { region: REGION, key: key("k"), callback: W }.encode(&mut request, &talk.envelope());
    let answer = talk.ask(&request).await.expect("get");
    let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
    assert_eq!(GetReply::decode(&message).expect("a reply").callback, Some(W));
}

#[tokio::test]
async fn conditional_puts_answer_with_what_was_there() {
    let (_node, mut talk) = open().await;
    let put = |operation, expected, value| Put { operation, expected, value, ..put_of("k", b"", 0) };
    let (if_absent, replace) = (PutOperation::PutIfAbsent, PutOperation::Replace);
    let said = |old: &str, version| (Some(old.to_owned()), version);
    assert_eq!(talk.put_as(put(replace, None, V)).await.expect("absent"), said("[]", None));
    assert_eq!(talk.put_as(put(replace, Some(V), W)).await.expect("absent"), said("false", None));
    assert_eq!(talk.put_as(put(if_absent, None, V)).await.expect("stored"), said("[]", Some(1)));
    assert_eq!(talk.put_as(put(if_absent, None, W)).await.expect("present"), said("[118]", None));
    assert_eq!(talk.put_as(put(replace, Some(W), V)).await.expect("another"), said("false", None));
    assert_eq!(talk.put_as(put(replace, Some(V), W)).await.expect("done"), said("true", Some(2)));
    assert_eq!(talk.put_as(put(replace, None, V)).await.expect("done"), said("[87, 0, 1, 119]", Some(3)));
    assert_eq!(talk.put_as(put(PutOperation::Create, None, V)).await.expect("create"), (None, Some(4)));
}

#[tokio::test]
async fn a_null_makes_an_invalid_entry_and_never_replaces_one() {
    let (_node, mut talk) = open().await;
    let null = Put { value: ValueRef::Null, ..put_of("k", b"", 0) };
    assert_eq!(talk.put_as(null).await.expect("created"), (None, Some(1)));
    assert_eq!(talk.found("k").await.0, Presence::Invalid);
    talk.put("k", b"v").await.expect("put");
    assert_eq!(talk.put_as(null).await.expect_err("no").class(), "PUT_DATA_ERROR");
}

#[tokio::test]
async fn destroy_and_remove_say_whether_they_found_something() {
    let (_node, mut talk) = open().await;
    assert_eq!(talk.destroy("k", None).await, (Some(true), None));
    talk.put("k", b"v").await.expect("put");
    assert_eq!(talk.destroy("k", Some(W)).await, (Some(true), None), "another value");
    assert_eq!(talk.destroy("k", Some(V)).await, (Some(false), Some(2)));
    assert_eq!(talk.destroy("k", None).await, (Some(true), Some(2)), "the tombstone's version");
}

#[tokio::test]
async fn contains_looks_for_keys_and_values() {
    let (node, mut talk) = open().await;
    talk.put_as(Put { value: W, ..put_of("w", b"", 0) }).await.expect("put");
    talk.put_as(Put { value: ValueRef::Null, ..put_of("null", b"", 0) }).await.expect("put");
    assert!(talk.contains(key("w"), ContainsMode::Key).await);
    assert!(talk.contains(key("null"), ContainsMode::Key).await);
    assert!(!talk.contains(key("null"), ContainsMode::ValueForKey).await);
    assert!(talk.contains(key("w"), ContainsMode::ValueForKey).await);
    assert!(!talk.contains(key("none"), ContainsMode::Key).await);
    // Text stands for a string, also as a value; many entries are looked through in steps.
    for number in 0..10_000 {
        talk.put(&number.to_string(), b"x").await.expect("put");
    }
    assert!(talk.contains(key("w"), ContainsMode::Value).await);
    assert!(!talk.contains(key("nothing"), ContainsMode::Value).await);
    assert_eq!(node.region.len(), 10_002);
}

#[tokio::test]
async fn bulk_operations_answer_with_tags_only_where_they_are_of_use() {
    let (node, mut talk) = open().await;
    let keys: Vec<String> = (0..250).map(|number| number.to_string()).collect();
    let cached = BulkFlags { is_proxy: false, is_versioned: true };
    let proxy = BulkFlags { is_proxy: true, is_versioned: true };
    for (flags, tags) in [(cached, vec![200, 50]), (proxy, vec![])] {
        let mut request = Vec::new();
        let event = EventIdRef { thread: i64::from(flags.is_proxy), sequence: 1 };
        let entries: Vec<_> = keys.iter().map(|text| (key(text), V)).collect();
        let (skip_callbacks, callback, timeout_ms) = (false, Some(W), None);
        PutAll { region: REGION, event, skip_callbacks, flags, callback, entries, timeout_ms }
            .encode(&mut request, &talk.envelope());
        let chunks = talk.ask_chunks(&request).await.expect("putAll");
        let counts = chunks
            .each(|chunk| BulkReply::decode_chunk(chunk).expect("tags").list.map(|list| list.tags().len()));
        assert_eq!(counts.into_iter().flatten().collect::<Vec<_>>(), tags);
        assert_eq!(node.region.len(), 250);

        let mut request = Vec::new();
        let event = EventIdRef { thread: i64::from(flags.is_proxy), sequence: 1000 };
        let keys: Vec<_> = keys.iter().map(|text| key(text)).collect();
        RemoveAll { region: REGION, event, flags, callback: ValueRef::Null, keys, timeout_ms: Some(5) }
            .encode(&mut request, &talk.envelope());
        let chunks = talk.ask_chunks(&request).await.expect("removeAll");
        let counts = chunks
            .each(|chunk| BulkReply::decode_chunk(chunk).expect("tags").list.map(|list| list.tags().len()));
        assert_eq!(counts.into_iter().flatten().collect::<Vec<_>>(), tags);
        assert_eq!(node.region.len(), 0);
    }
}

#[tokio::test]
async fn get_all_answers_every_key_in_order_and_large_values_in_small_shares() {
    let (_node, mut talk) = open().await;
    let large = vec![7; 40_000];
    for name in ["a", "b", "c", "d"] {
        talk.put(name, &large).await.expect("put");
    }
    let keys: Vec<_> =
        ["a", "none", "b", "c", "d"].iter().map(|text| key(text).canonical().expect("a key")).collect();
    for form in [
        GetAllForm::Plain { wrapped: false },
        GetAllForm::Plain { wrapped: true },
        GetAllForm::WithCallback(V),
    ] {
        let mut request = Vec::new();
        let keys = Some(keys.iter().map(|key| &**key).collect::<Vec<_>>());
        GetAll { region: REGION, keys, form }.encode(&mut request, &talk.envelope());
        let (first, next) = talk.begin(&request);
        assert!(matches!(next, Next::More) && first.len() < 130_000, "{} bytes at once", first.len());
        let mut answer = first;
        talk.carry_on(next, &mut answer).await;
        let chunks = talk.read_chunks(&answer).expect("values");
        let lengths = chunks.each(|chunk| {
            let list = GetAllReply::decode_chunk(chunk).expect("list").list;
            let length = |value| match value {
                ListValue::Value(value) => Some(value.bytes().len()),
                _ => None,
            };
            list.values().map(length).collect::<Vec<_>>()
        });
        let some = Some(40_000);
        assert_eq!(lengths.concat(), [some, None, some, some, some]);
    }
}

#[tokio::test]
async fn the_set_of_keys_ends_in_a_chunk_of_its_own_if_need_be() {
    let (_node, mut talk) = open().await;
    for (count, chunks) in [(0, 1), (99, 1), (100, 2)] {
        for number in 0..count {
            talk.put(&number.to_string(), b"v").await.expect("put");
        }
        let mut request = Vec::new();
        KeySet { region: REGION }.encode(&mut request, &talk.envelope());
        let reply = talk.ask_chunks(&request).await.expect("keys");
        let keys = reply.each(|chunk| KeySetReply::decode_chunk(chunk).expect("keys").keys.len());
        assert_eq!((keys.iter().sum::<usize>(), keys.len()), (count, chunks));
    }
}

#[tokio::test]
async fn clear_removes_everything_and_an_entry_is_shown_with_its_version() {
    let (node, mut talk) = open().await;
    talk.put("k", b"v").await.expect("put");
    let mut request = Vec::new();
    GetEntry { region: REGION, key: key("k") }.encode(&mut request, &talk.envelope());
    let answer = talk.ask(&request).await.expect("entry");
    let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
    let entry = GetEntryReply::decode(&message).expect("a reply").entry.expect("an entry");
    assert_eq!((entry.value, entry.tag.map(|tag| tag.entry_version)), (V, Some(1)));
    assert_eq!(entry.last_modified_ms, START.as_millis());

    let mut clear = Vec::new();
    let event = talk.event();
    ClearRegion { region: REGION, event, callback: ValueRef::Null }.encode(&mut clear, &talk.envelope());
    talk.ask(&clear).await.expect("clear");
    assert_eq!(node.region.len(), 0);
    let answer = talk.ask(&request).await.expect("no entry");
    let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
    assert_eq!(GetEntryReply::decode(&message).expect("a reply").entry, None);
}

#[tokio::test]
async fn a_text_key_is_one_key_in_whatever_form_it_comes() {
    let (_node, mut talk) = open().await;
    talk.put("k", b"v").await.expect("put");
    let object = KeyRef::Object(&[0x57, 0, 1, b'k']);
    assert!(talk.contains(object, ContainsMode::Key).await);
}
