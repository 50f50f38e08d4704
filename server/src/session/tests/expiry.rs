use druse_protocol::auth::{DecisionScope, Operation, Revocation, RevocationScope};
use druse_protocol::codec::Flags;
use druse_protocol::compat::USER_NOT_FOUND;
use druse_protocol::message::bulk::BulkFlags;
use druse_protocol::message::get_all::{GetAll, GetAllForm, GetAllReply};
use druse_protocol::message::key_set::{KeySet, KeySetReply};
use druse_protocol::message::put_all::PutAll;
use druse_protocol::message::size::{Size, SizeReply};
use druse_protocol::message::versioned_list::ListValue;

use super::*;
use crate::engine::tests::delayed;

const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;
const OLD: VersionOrdinal = VersionOrdinal::GEODE_1_14_0;
const EXPIRED: &str = "AuthenticationExpiredException";

/// D2-02, D1-11: what a client does, and what it costs.
#[tokio::test]
async fn an_expired_user_logs_in_again_and_repeats() {
    for (version, said) in [
        (NEW, (EXPIRED, "the time of ann is over")),
        (OLD, ("AuthenticationRequiredException", USER_NOT_FOUND)),
    ] {
        let node = Node::secured();
        let mut talk = node.connect(version).await;
        talk.login("ann", None).await.expect("login");
        node.manager.expire_next("ann", Operation::Write, 1);
        let request = talk.put_request("k", b"v");
        let refused = talk.ask(&request).await.expect_err("expired").says();
        assert_eq!(refused, (said.0.to_owned(), said.1.to_owned()), "{version:?}");
        talk.login("ann", None).await.expect("login");
        // The same event id, without the retry mark: a refused operation has left no trace.
        let sequence = talk.sequence;
        talk.sequence -= 1;
        assert_eq!(talk.put("k", b"v").await.expect("the repeat"), 1);
        assert_eq!(talk.sequence, sequence);
        let answers: Vec<_> = node.manager.take_asked().into_iter().map(|(_, permitted)| permitted).collect();
        assert_eq!(answers, [false, true], "one refusal, one permit");
        assert_eq!(node.manager.logins(), 2);
    }
}

#[tokio::test]
async fn the_end_is_exact_and_the_connection_stays() {
    let node = Node::with(TestManager::with_scope(DecisionScope::Region), Some(SecurityPolicies::default()));
    let end = START + SECOND;
    let mut talk = node.connect(NEW).await;
    talk.login("ann", Some(end)).await.expect("login");
    talk.put("k", b"v").await.expect("put");
    assert_eq!(talk.good_until(), end, "what was answered must be gone by then");
    talk.now = end - Duration::from_micros(1);
    talk.get("k").await.expect("the last moment");
    talk.now = end;
    for _ in 0..3 {
        assert_eq!(talk.get("k").await.expect_err("over").class(), EXPIRED);
    }
    assert_eq!((node.core.metrics.expiries.get(), node.logouts()), (1, 1));
    talk.login("ann", Some(end + SECOND * 2)).await.expect("login");
    assert_eq!(talk.get("k").await.expect("get").as_deref(), Some(&b"v"[..]));
    // D4-02: beyond the old end, cut at the new one.
    talk.now = end + SECOND * 2;
    assert_eq!(talk.get("k").await.expect_err("over").class(), EXPIRED);
}

#[tokio::test]
async fn what_is_still_unsent_holds_as_long_as_its_user() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    assert_eq!(talk.good_until(), Micros::MAX, "a welcome rests on no login");
    let end = START + SECOND;
    talk.login("ann", Some(end)).await.expect("login");
    talk.get("k").await.expect("get");
    assert_eq!(talk.good_until(), end);
    let mut second = node.connect(NEW).await;
    second.unique_id = talk.unique_id;
    second.login("ann", Some(end + SECOND)).await.expect("renewal");
    assert_eq!(talk.good_until(), end + SECOND, "renewed elsewhere");
    second.now = second.now + SECOND;
    second.login("ann", None).await.expect("a login without end");
    assert_eq!(talk.good_until(), Micros::MAX);
    let before = START + SECOND * 2;
    let revocation =
        Revocation { scope: RevocationScope::Principal("ann".into()), before, reason: "left".into() };
    node.security().revoke(&revocation, before);
    assert_eq!(talk.good_until(), Micros::MIN, "cut off");
    assert_eq!(talk.get("k").await.expect_err("cut off").class(), EXPIRED);
}

/// D2-01.
#[tokio::test]
async fn a_user_who_stays_expired_changes_nothing() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    talk.put("first", b"v").await.expect("put");
    node.manager.expire_next("ann", Operation::Write, usize::MAX);
    for number in 0..99 {
        assert_eq!(talk.put(&number.to_string(), b"v").await.expect_err("expired").class(), EXPIRED);
        talk.login("ann", None).await.expect("a login that helps nothing");
        talk.now = talk.now + SECOND;
    }
    assert_eq!(node.region.len(), 1);
    let permitted = node.manager.take_asked().into_iter().filter(|(_, permitted)| *permitted).count();
    assert_eq!(permitted, 1);
}

/// D2-03: one connection, two users.
#[tokio::test]
async fn of_two_users_on_a_connection_one_expires_alone() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    let ann = talk.login("ann", Some(START + SECOND)).await.expect("login");
    talk.unique_id = None;
    let bob = talk.login("bob", None).await.expect("login");
    talk.now = START + SECOND;
    talk.put("b", b"1").await.expect("bob goes on");
    talk.unique_id = Some(ann);
    assert_eq!(talk.put("a", b"1").await.expect_err("ann does not").class(), EXPIRED);
    talk.unique_id = Some(bob);
    talk.put("b", b"2").await.expect("bob goes on");
    talk.unique_id = Some(ann);
    assert_eq!(talk.login("ann", None).await.expect("login"), ann);
    talk.put("a", b"1").await.expect("ann again");
    assert_eq!((node.manager.logins_of("ann"), node.manager.logins_of("bob")), (2, 1));
}

#[tokio::test]
async fn a_login_on_one_connection_is_seen_by_the_others() {
    let node = Node::secured();
    let (mut one, mut two) = (node.connect(NEW).await, node.connect(NEW).await);
    let id = one.login("ann", Some(START + SECOND)).await.expect("login");
    two.unique_id = Some(id);
    two.get("k").await.expect("ids hold for all connections of a client");
    (one.now, two.now) = (START + SECOND, START + SECOND);
    assert!(two.get("k").await.is_err());
    one.login("ann", None).await.expect("login");
    two.get("k").await.expect("renewed elsewhere");
}

/// D2-13.
#[tokio::test]
async fn a_put_all_asks_once_and_applies_all() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    node.manager.take_asked();
    let request = put_all(&talk, 1000);
    node.manager.expire_next("ann", Operation::Write, 1);
    assert_eq!(talk.ask_chunks(&request).await.expect_err("expired").class(), EXPIRED);
    assert_eq!(node.region.len(), 0);
    talk.login("ann", None).await.expect("login");
    let request = put_all(&talk, 1000);
    talk.ask_chunks(&request).await.expect("all");
    assert_eq!(node.region.len(), 1000);
    let asked = node.manager.take_asked();
    let wanted = |permitted| ("ann DATA:WRITE:orders".to_owned(), permitted);
    assert_eq!(asked, [wanted(false), wanted(true)]);
}

#[tokio::test]
async fn a_long_reply_stops_at_the_end_and_comes_whole_after_a_login() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    let end = START + SECOND;
    talk.login("ann", Some(end)).await.expect("login");
    let fill = put_all(&talk, 20_000);
    talk.ask_chunks(&fill).await.expect("filled");
    let mut request = Vec::new();
    KeySet { region: REGION }.encode(&mut request, &talk.envelope());

    let (mut answer, next) = talk.begin(&request);
    assert!(matches!(next, Next::More) && answer.len() >= super::super::exchange::SHARE_BYTES);
    talk.now = end;
    let (rest, next) = talk.resume();
    assert!(matches!(next, Next::Input));
    answer.extend(rest);
    assert_eq!(talk.read_chunks(&answer).expect_err("cut off").class(), EXPIRED);

    talk.login("ann", None).await.expect("login");
    let chunks = {
        let mut request = Vec::new();
        KeySet { region: REGION }.encode(&mut request, &talk.envelope());
        talk.ask_chunks(&request).await.expect("whole")
    };
    let keys: usize =
        chunks.each(|chunk| KeySetReply::decode_chunk(chunk).expect("keys").keys.len()).iter().sum();
    assert_eq!((keys, chunks.len()), (20_000, 201), "a hundred a chunk, and an empty last one");
}

#[tokio::test]
async fn get_all_refuses_key_by_key_and_expires_as_a_whole() {
    let node = Node::secured();
    node.manager.deny("ann", "orders:secret");
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    talk.put("k", b"v").await.expect("put");
    let keys = ["k", "secret", "none"];
    let request = get_all(&talk, &keys);
    let chunks = talk.ask_chunks(&request).await.expect("values");
    let values = chunks.each(|chunk| {
        let list = GetAllReply::decode_chunk(chunk).expect("list").list;
        let said = list.values().map(|value| match value {
            ListValue::Value(value) => format!("{:?}", value.bytes()),
            ListValue::Absent => "absent".to_owned(),
            ListValue::Exception { object, .. } => {
                RemoteException::read(object).expect("an exception").message.unwrap_or_default()
            }
        });
        said.collect::<Vec<_>>()
    });
    assert_eq!(values, [["[118]", "ann not authorized for DATA:READ:orders:secret", "absent"]]);
    node.manager.expire_next("ann", Operation::Read, 1);
    assert_eq!(talk.ask_chunks(&request).await.expect_err("expired").class(), EXPIRED);
    talk.login("ann", None).await.expect("login");
    let request = get_all(&talk, &keys);
    talk.ask_chunks(&request).await.expect("values");
}

/// RFC.md 4.5: applied once, whatever the client was told.
#[tokio::test(start_paused = true)]
async fn a_write_whose_reply_expiry_held_back_is_answered_from_memory() {
    let engine = Arc::new(delayed(Retention::default()));
    let node =
        Node::on(engine, TestManager::new(), Some(SecurityPolicies::default()), FeedPolicies::default());
    let mut talk = node.connect(NEW).await;
    let end = START + SECOND;
    talk.login("ann", Some(end)).await.expect("login");
    let request = talk.put_request("k", b"v");
    let (_, next) = talk.begin(&request);
    assert!(matches!(next, Next::Wait(_)));
    talk.now = end;
    let mut answer = Vec::new();
    talk.carry_on(next, &mut answer).await;
    assert_eq!(talk.read(answer).expect_err("held back").class(), EXPIRED);
    talk.login("ann", None).await.expect("login");
    talk.sequence -= 1;
    assert_eq!(talk.put("k", b"v").await.expect("from memory"), 1);
    assert_eq!(talk.put("k", b"w").await.expect("a new one"), 2, "there was one write before");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waits_is_answered_when_it_is_done() {
    let engine = Arc::new(delayed(Retention::default()));
    let node = Node::on(
        engine.clone(),
        TestManager::new(),
        Some(SecurityPolicies::default()),
        FeedPolicies::default(),
    );
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    assert_eq!(talk.put("k", b"v").await.expect("put"), 1);
    engine.unreachable.store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = talk.put("k", b"w").await.expect_err("no store");
    assert_eq!(refused.class(), "InternalGemFireException", "no class for which a client gives the node up");
    engine.unreachable.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(talk.get("k").await.expect("get").as_deref(), Some(&b"v"[..]));
}

/// Row 7: requests that carry no id need one live login of the client.
#[tokio::test]
async fn requests_without_an_id_need_some_login() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    let mut size = Vec::new();
    let envelope = Envelope { security: None, ..talk.envelope() };
    Size { region: REGION }.encode(&mut size, &envelope);
    assert_eq!(talk.ask(&size).await.expect_err("nobody").says().1, USER_NOT_FOUND);
    talk.login("ann", Some(START + SECOND)).await.expect("login");
    let answer = talk.ask(&size).await.expect("a size");
    let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
    assert_eq!(SizeReply::decode(&message).expect("size").entries, 0);
    assert!(message.security().is_none());
    assert_eq!(talk.good_until(), START + SECOND);
    talk.now = START + SECOND;
    assert_eq!(talk.ask(&size).await.expect_err("over").class(), EXPIRED);
    talk.unique_id = None;
    talk.login("bob", None).await.expect("login");
    talk.ask(&size).await.expect("another user's will do");
}

/// D4-03.
#[tokio::test]
async fn a_renewal_with_fewer_rights_holds_and_grants_them_only() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", Some(START + SECOND)).await.expect("login");
    talk.put("k", b"v").await.expect("put");
    node.manager.deny("ann", "orders");
    talk.now = START + SECOND;
    talk.login("ann", None).await.expect("renewal");
    let said = talk.get("k").await.expect_err("not allowed").says();
    let text = "ann not authorized for DATA:READ:orders:k".to_owned();
    assert_eq!(said, ("NotAuthorizedException".to_owned(), text));
    assert_eq!(node.core.metrics.authorization_refusals.get(), 1);
}

#[tokio::test]
async fn a_repeat_with_the_retry_mark_is_answered_from_memory() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    talk.put("k", b"v").await.expect("put");
    talk.sequence -= 1;
    let mut request = talk.put_request("k", b"v");
    request[16] |= Flags::RETRY;
    talk.ask(&request).await.expect("from memory");
    assert_eq!(talk.put("k", b"w").await.expect("put"), 2);
}

pub(super) fn put_all(talk: &Talk, count: usize) -> Vec<u8> {
    let keys: Vec<String> = (0..count).map(|number| format!("key {number:05}")).collect();
    let request = PutAll {
        region: REGION,
        event: EventIdRef { thread: 2, sequence: talk.now.0 - START.0 },
        skip_callbacks: false,
        flags: BulkFlags { is_proxy: true, is_versioned: true },
        callback: None,
        entries: keys
            .iter()
            .map(|key| (KeyRef::Text(key.as_bytes()), ValueRef::Bytes(b"value")))
            .collect::<Vec<_>>(),
        timeout_ms: None,
    };
    let mut bytes = Vec::new();
    request.encode(&mut bytes, &talk.envelope());
    bytes
}

pub(super) fn get_all(talk: &Talk, keys: &[&str]) -> Vec<u8> {
    let keys: Vec<_> =
        keys.iter().map(|key| KeyRef::Text(key.as_bytes()).canonical().expect("a key")).collect();
    let request = GetAll {
        region: REGION,
        keys: Some(keys.iter().map(|key| &**key).collect::<Vec<_>>()),
        form: GetAllForm::Plain { wrapped: false },
    };
    let mut bytes = Vec::new();
    request.encode(&mut bytes, &talk.envelope());
    bytes
}
