use druse_protocol::auth::AuthError;
use druse_protocol::codec::NO_TRANSACTION;
use druse_protocol::compat::{NO_CREDENTIALS, USER_NOT_FOUND};
use druse_protocol::message::credentials::RemoveUserAuth;

use super::*;
use crate::metrics::LoginResult;

const NEW: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;
const OLD: VersionOrdinal = VersionOrdinal::GEODE_1_14_0;

fn required() -> (String, String) {
    ("AuthenticationRequiredException".to_owned(), USER_NOT_FOUND.to_owned())
}

fn refused_logins(node: &Node, result: LoginResult) -> u64 {
    node.core.metrics.logins.of(result).get()
}

#[tokio::test]
async fn a_new_client_keeps_its_id_and_an_old_one_gets_another() {
    for (version, keeps) in [(NEW, true), (OLD, false)] {
        let node = Node::secured();
        let mut talk = node.connect(version).await;
        let first = talk.login("ann", None).await.expect("login");
        talk.now = talk.now + SECOND;
        let second = talk.login("ann", None).await.expect("login again");
        assert_eq!(first == second, keeps, "{version:?}");
        talk.get("k").await.expect("the latest id holds");
        talk.unique_id = Some(first);
        talk.get("k").await.expect("and so does the first");
    }
}

#[tokio::test]
async fn the_connection_id_stays_after_the_first_secured_reply() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    let id = talk.connection_id;
    assert_ne!(id, FIRST_CONNECTION_ID);
    // So that requests can be sent without waiting for the answers.
    let mut both = talk.get_request("a");
    both.extend(talk.get_request("b"));
    let answers = talk.send(&both).await;
    let (_, size) = Message::decode(&answers, &FrameLimits::default()).unwrap().unwrap();
    talk.read(answers[..size].to_vec()).expect("the first");
    talk.read(answers[size..].to_vec()).expect("the second");
    assert_eq!(talk.connection_id, id);
}

#[tokio::test]
async fn a_wrong_connection_id_is_told_and_ends_the_connection() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    talk.connection_id += 1;
    let refused = talk.get("k").await.expect_err("wrong id");
    assert_eq!(refused.class(), "AuthenticationFailedException");
    assert!(matches!(talk.closed, Some(CloseReason::Protocol(_))));
    // A login as well, which Geode leaves unanswered.
    let mut talk = node.connect(NEW).await;
    talk.connection_id += 1;
    let refused = talk.login("ann", None).await.expect_err("wrong id");
    assert_eq!(refused.class(), "AuthenticationFailedException");
}

#[tokio::test]
async fn ids_that_name_nobody_are_answered_with_the_text_that_makes_every_client_log_in() {
    for version in [NEW, OLD] {
        let node = Node::secured();
        let mut other = node.connect_as(2, version).await;
        let foreign = other.login("bob", None).await.expect("login");
        let mut talk = node.connect(version).await;
        for id in [None, Some(0), Some(-1), Some(12345), Some(foreign)] {
            talk.unique_id = id;
            assert_eq!(talk.get("k").await.expect_err("nobody").says(), required(), "{id:?}");
        }
        let mut bare = Vec::new();
        let envelope = Envelope { security: None, ..talk.envelope() };
        let get = Get { region: REGION, key: KeyRef::Text(b"k"), callback: ValueRef::Null };
        get.encode(&mut bare, &envelope);
        assert_eq!(talk.ask(&bare).await.expect_err("no part").says(), required());
        // The connection has outlived it all.
        talk.unique_id = None;
        talk.login("ann", None).await.expect("login");
        talk.get("k").await.expect("get");
    }
}

#[tokio::test]
async fn a_login_that_names_an_unknown_id_gets_a_new_one() {
    let node = Node::secured();
    let mut other = node.connect_as(2, NEW).await;
    let foreign = other.login("ann", None).await.expect("login");
    let mut talk = node.connect(NEW).await;
    talk.unique_id = Some(foreign);
    let own = talk.login("ann", None).await.expect("login");
    assert_ne!(own, foreign);
}

#[tokio::test]
async fn logins_fail_in_the_words_that_clients_know() {
    let expired = |text: &str| AuthError::Expired(text.to_owned());
    let cases = [
        (NEW, expired("over"), "AuthenticationExpiredException", "over"),
        (OLD, expired("over"), "AuthenticationRequiredException", USER_NOT_FOUND),
        (NEW, AuthError::Failed("no".into()), "AuthenticationFailedException", "no"),
        (OLD, AuthError::Unavailable("later".into()), "AuthenticationFailedException", "later"),
    ];
    for (version, error, class, text) in cases {
        let node = Node::secured();
        let mut talk = node.connect(version).await;
        node.manager.login_error(error);
        let said = talk.login("ann", None).await.expect_err("refused").says();
        assert_eq!(said, (class.to_owned(), text.to_owned()));
        talk.login("ann", None).await.expect("the next one");
    }
}

/// Row 21: what an old client leaves behind at each login.
#[tokio::test(start_paused = true)]
async fn the_ended_logins_of_an_old_client_do_not_pile_up() {
    let node = Node::secured();
    let mut talk = node.connect(OLD).await;
    for _ in 0..100 {
        talk.login("ann", Some(talk.now + SECOND)).await.expect("login");
        talk.get("k").await.expect("get");
        talk.now = talk.now + SECOND;
        assert_eq!(talk.get("k").await.expect_err("over").says(), required());
    }
    assert_eq!(node.core.metrics.logins_live.get(), 0);
    assert_eq!(node.logouts(), 100);
    assert!(talk.users() <= 2, "{} ids", talk.users());
}

/// D3-05, D4-05, D4-06, D4-08.
#[tokio::test]
async fn a_bad_renewal_leaves_the_old_login_to_its_own_end() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    assert!(talk.login("ann", Some(START)).await.is_err(), "dead on arrival");
    let end = START + SECOND * 2;
    talk.login("ann", Some(end)).await.expect("login");
    talk.now = START + SECOND;
    assert!(talk.login("ann", Some(START + SECOND)).await.is_err(), "an expired one");
    node.manager.login_error(AuthError::Failed("rubbish".into()));
    assert!(talk.login("ann", None).await.is_err(), "a wrong one");
    assert!(talk.login("bob", None).await.is_err(), "somebody else's");
    talk.get("k").await.expect("still in");
    talk.now = end;
    assert_eq!(talk.get("k").await.expect_err("not longer").class(), "AuthenticationExpiredException");
    assert_eq!(refused_logins(&node, LoginResult::Expired), 2);
    assert_eq!(refused_logins(&node, LoginResult::Failed), 2);
    assert_eq!(node.logouts(), node.manager.logins(), "none is left in use");
}

#[tokio::test]
async fn a_login_without_credentials_is_told_so() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    let mut request = Vec::new();
    UserCredentials { credentials: None }.encode(&mut request, &talk.envelope());
    let said = talk.ask(&request).await.expect_err("nothing shown").says();
    assert_eq!(said, ("AuthenticationRequiredException".to_owned(), NO_CREDENTIALS.to_owned()));
    let mut request = Vec::new();
    let envelope = Envelope { tx_id: NO_TRANSACTION, retry: false, security: None };
    UserCredentials { credentials: Some(credentials("ann", None, None)) }.encode(&mut request, &envelope);
    assert_eq!(talk.ask(&request).await.expect_err("no part").class(), "AuthenticationFailedException");
    assert_eq!(node.manager.logins(), 0);
}

/// D3-03.
#[tokio::test]
async fn a_needless_login_at_once_is_refused_without_asking_the_manager() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", Some(START + SECOND)).await.expect("login");
    let refused = talk.login("ann", Some(START + SECOND)).await.expect_err("too soon");
    assert_eq!(refused.class(), "AuthenticationFailedException");
    assert_eq!((node.manager.logins(), refused_logins(&node, LoginResult::Throttled)), (1, 1));
    // The same user on another connection of the client is not "again", nor is another user on this one.
    let mut second = node.connect(NEW).await;
    second.unique_id = talk.unique_id;
    second.login("ann", Some(START + SECOND)).await.expect("another connection");
    talk.unique_id = None;
    talk.login("bob", None).await.expect("another user");
    // And after an expiry it is needed.
    talk.unique_id = None;
    let id = talk.login("cid", None).await.expect("login");
    node.manager.expire_next("cid", druse_protocol::auth::Operation::Read, 1);
    assert!(talk.get("k").await.is_err());
    assert_eq!(talk.login("cid", None).await.expect("after the expiry"), id);
}

/// Two threads of a client with several users meet one expiry; both answer it over the same pooled connection.
#[tokio::test]
async fn a_login_for_each_refused_request_is_no_needless_one() {
    let node = Node::secured();
    let (mut one, mut other) = (node.connect(NEW).await, node.connect(NEW).await);
    let id = one.login("ann", None).await.expect("login");
    other.unique_id = one.unique_id;
    node.manager.expire_next("ann", druse_protocol::auth::Operation::Read, 1);
    assert!(one.get("k").await.is_err());
    assert!(other.get("k").await.is_err(), "the login has gone for both");
    assert_eq!(one.login("ann", None).await.expect("the first answer"), id);
    assert_eq!(one.login("ann", None).await.expect("the second answer"), id);
    one.login("ann", None).await.expect_err("and nobody has asked for a third");
    one.login("ann", Some(START + SECOND * 3600)).await.expect("but newer credentials are welcome");
}

/// D3-04.
#[tokio::test]
async fn many_renewals_in_a_row_succeed() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    let least = SecurityPolicies::default().least_between_logins;
    for _ in 0..6 {
        talk.login("ann", Some(talk.now + least * 2)).await.expect("renewal");
        talk.now = talk.now + least;
    }
    assert_eq!(node.core.metrics.reauthentications.get(), 5);
}

#[tokio::test]
async fn a_user_who_has_left_is_unknown() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    let mut request = Vec::new();
    RemoveUserAuth { keep_alive: false }.encode(&mut request, &talk.envelope());
    let answer = talk.ask(&request).await.expect("gone");
    let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
    assert!(message.kind() == Some(MessageType::Reply) && message.security().is_none());
    assert_eq!(node.logouts(), 1);
    assert_eq!(talk.get("k").await.expect_err("unknown").says(), required());
    talk.ask(&request).await.expect("leaving twice is no error");
    talk.connection_id += 1;
    let mut request = Vec::new();
    RemoveUserAuth { keep_alive: false }.encode(&mut request, &talk.envelope());
    assert_eq!(talk.ask(&request).await.expect_err("wrong id").class(), "AuthenticationFailedException");
    assert!(talk.closed.is_none());
}

#[tokio::test]
async fn what_is_behind_a_login_is_answered_behind_it() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    talk.login("ann", None).await.expect("login");
    talk.now = talk.now + SECOND;
    let login = talk.login_request(credentials("ann", None, None));
    let mut all = talk.get_request("before");
    all.extend(&login);
    all.extend(talk.get_request("behind"));
    let (first, next) = talk.begin(&all);
    assert!(matches!(next, Next::Wait(_)));
    let (_, size) = Message::decode(&first, &FrameLimits::default()).unwrap().unwrap();
    assert_eq!(size, first.len(), "the one before is answered, nothing else");
    let mut rest = Vec::new();
    talk.carry_on(next, &mut rest).await;
    let behind = talk.get_request("behind");
    rest.extend(talk.send(&behind).await);
    let (message, size) = Message::decode(&rest, &FrameLimits::default()).unwrap().unwrap();
    UserCredentialsReply::decode(&message).expect("the login's answer comes first");
    talk.read(rest[size..].to_vec()).expect("then the other one");
}

#[tokio::test]
async fn a_connection_lost_during_a_login_owes_nothing() {
    let node = Node::secured();
    let mut talk = node.connect(NEW).await;
    let request = talk.login_request(credentials("ann", None, None));
    let (_, next) = talk.begin(&request);
    let Next::Wait(login) = next else { panic!("a login waits") };
    let completion = login.await;
    drop((completion, talk));
    assert_eq!((node.manager.logins(), node.logouts()), (1, 1));
    assert_eq!(node.core.metrics.logins_live.get(), 0);
}

#[tokio::test]
async fn a_node_that_asks_nobody_says_so() {
    let node = Node::open();
    let mut talk = node.connect(NEW).await;
    let request = talk.login_request(credentials("ann", None, None));
    let answer = talk.ask(&request).await.expect("an answer");
    let (message, _) = Message::decode(&answer, &FrameLimits::default()).unwrap().unwrap();
    assert_eq!(UserCredentialsReply::decode(&message).expect("reply").unique_id, None);
    assert!(message.security().is_none());
    talk.put("k", b"v").await.expect("a put with a security part that nobody asked for");
}

/// Row 2: logins that succeed and are refused at every check. In Geode 500 a second.
#[tokio::test(start_paused = true)]
async fn a_loop_of_logins_is_slowed_and_never_refused() {
    let node = Node::secured();
    node.manager.expire_next("ann", druse_protocol::auth::Operation::Read, usize::MAX);
    for version in [NEW, OLD] {
        let mut talk = node.connect_as(i32::from(version.0), version).await;
        let began = tokio::time::Instant::now();
        for _ in 0..200 {
            talk.login("ann", None).await.expect("slow, and not refused");
            assert!(talk.get("k").await.is_err());
            talk.now = START + began.elapsed();
        }
        assert!(began.elapsed() > SECOND * 10, "{:?}", began.elapsed());
        drop(talk);
    }
    assert_eq!(node.logouts(), 400);
}
