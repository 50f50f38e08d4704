//! Sessions in a store.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{KeyScope, Peer, Principal as _, ResourcePermission};
use druse_protocol::time::{Clock as _, ManualClock, Micros};
use tokio::task::JoinSet;

use super::MASTER;
use crate::error::{Error, ErrorCode};
use crate::key_set::{KeySetCache, Policy};
use crate::keys::{KeyPolicy, Keys};
use crate::mint::{AccessToken, Mint};
use crate::projections;
use crate::seal::Sealer;
use crate::session::{
    Caller, EndReason, Grant, Inspected, Opening, SessionId, SessionPolicy, Sessions, SubjectCut,
    SubjectEvent,
};
use crate::store::tests::{Bench, NOW};
use crate::store::{Commit, MAX_PAGE, Store};
use crate::token::{Profile, TokenConfig, TokenSecurityManager};

const ISSUER: &str = "https://issuer.example";
const APP: Caller<'static> = Caller { client: "app", authenticated: true };

struct Desk {
    sessions: Arc<Sessions>,
    keys: Arc<Keys>,
    clock: Arc<ManualClock>,
    store: Store,
}

impl Desk {
    async fn new(bench: &Bench) -> Self {
        Self::on(bench.store.clone(), Arc::new(ManualClock::new(NOW))).await
    }

    /// What another process of the same issuer has.
    async fn another(&self, bench: &Bench) -> Self {
        Self::on(bench.another_store().await, Arc::clone(&self.clock)).await
    }

    async fn on(store: Store, clock: Arc<ManualClock>) -> Self {
        let sealer = Arc::new(Sealer::from_text(MASTER).unwrap());
        let keys = Keys::load(store.clone(), Arc::clone(&sealer), KeyPolicy::default(), clock.clone());
        let keys = Arc::new(keys.await.unwrap());
        keys.tend(None).await.unwrap();
        let policy = SessionPolicy::default();
        let sessions = Sessions::new(ISSUER, policy, store.clone(), Arc::clone(&keys), sealer, clock.clone());
        Self { sessions: Arc::new(sessions), keys, clock, store }
    }

    async fn open(&self, opening: Opening) -> Grant {
        self.sessions.open(opening, "ann").await.unwrap()
    }

    async fn refresh(&self, token: &str) -> Result<Arc<Grant>, Error> {
        self.sessions.refresh(token, APP, None).await
    }

    async fn end_of(&self, sid: SessionId) -> Option<EndReason> {
        self.sessions.load(sid).await.unwrap().unwrap().state.end.map(|end| end.reason)
    }

    async fn is_active(&self, token: &str) -> Option<bool> {
        self.sessions.inspect(token).await.unwrap().map(|inspected| match inspected {
            Inspected::Access { active, .. } | Inspected::Refresh { active, .. } => active,
        })
    }
}

fn opening(subject: &str) -> Opening {
    Opening {
        subject: subject.into(),
        client: "app".into(),
        scope: vec!["openid".into(), "grid:data:read:orders".into()],
        audience: "grid".into(),
        auth_time: NOW,
        amr: vec!["pwd".into()],
        actors: vec![],
        actor_sid: None,
        login: None,
        refreshable: true,
        access_life: None,
    }
}

fn secret(grant: &Grant) -> String {
    grant.refresh_token.as_ref().unwrap().reveal()
}

fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> ErrorCode {
    match outcome {
        Err(Error::Refused(error)) => error.code,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn tokens_of_a_session_let_its_subject_in(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let config = TokenConfig { profile: Profile::Own, ..TokenConfig::new(ISSUER, "grid") };
    let keys = KeySetCache::new(Arc::clone(&desk.keys), Policy::file(), desk.clock.clone());
    let manager = TokenSecurityManager::new(config, keys, desk.clock.clone());
    let grant = desk.open(opening("ann")).await;
    let principal = manager.verify(&grant.access_token, &Peer::default()).await.unwrap();
    assert_eq!((principal.name(), principal.client()), ("ann", Some("app")));
    assert_eq!(principal.session(), Some(grant.sid.to_string().as_str()));
    assert_eq!(principal.ends_at(), NOW + SessionPolicy::default().access_life);
    let wanted = ResourcePermission::read("orders", KeyScope::Region);
    assert_eq!(principal.authorize(&wanted, desk.clock.now()), Ok(()));
    assert_eq!(desk.is_active(&grant.access_token).await, Some(true));
    assert_eq!(desk.is_active(&secret(&grant)).await, Some(true));
}

/// Half of them come to each of two processes.
pub(super) async fn law_2_of_64_refreshes_at_once_one_rotates_and_all_are_answered(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let other = desk.another(&bench).await;
    let grant = desk.open(opening("ann")).await;
    let token = secret(&grant);
    let mut asking = JoinSet::new();
    for number in 0..64 {
        let sessions = Arc::clone(if number % 2 == 0 { &desk.sessions } else { &other.sessions });
        let token = token.clone();
        asking.spawn(async move { sessions.refresh(&token, APP, None).await });
    }
    let mut successors: Vec<String> =
        asking.join_all().await.into_iter().map(|answer| secret(&answer.unwrap())).collect();
    assert_eq!(successors.len(), 64);
    successors.dedup();
    assert_eq!(successors.len(), 1);
    let history = bench.store.history(&format!("session/{}", grant.sid), 0).await.unwrap();
    assert_eq!(history.iter().filter(|event| event.kind == "refreshed").count(), 1);
    assert!(desk.refresh(&successors[0]).await.is_ok());
}

pub(super) async fn law_3_what_has_ended_stays_ended_for_every_token(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let grant = desk.open(opening("ann")).await;
    let next = desk.refresh(&secret(&grant)).await.unwrap();
    assert!(desk.sessions.end(grant.sid, EndReason::Logout, "ann").await.unwrap());
    for token in [&grant.access_token, &next.access_token, &secret(&grant), &secret(&next)] {
        assert_eq!(desk.is_active(token).await, Some(false));
    }
    assert_eq!(code(desk.refresh(&secret(&next)).await), ErrorCode::InvalidGrant);
    assert!(!desk.sessions.end(grant.sid, EndReason::Operator, "root").await.unwrap());
    assert!(!desk.sessions.revoke_access(grant.sid, 1, "ann").await.unwrap());
    assert_eq!(desk.end_of(grant.sid).await, Some(EndReason::Logout));
}

/// The response to a refresh does not arrive. The client tries again, at another process too, and is given the same.
pub(super) async fn law_4_a_lost_response_signs_nobody_out(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let other = desk.another(&bench).await;
    let grant = desk.open(opening("ann")).await;
    let lost = desk.refresh(&secret(&grant)).await.unwrap();
    desk.clock.advance(SessionPolicy::default().grace);
    let again = other.refresh(&secret(&grant)).await.unwrap();
    assert_eq!(secret(&again), secret(&lost));
    assert_ne!(again.access_token, lost.access_token);
    assert_eq!(desk.end_of(grant.sid).await, None);
}

pub(super) async fn law_7_sessions_are_rebuilt_from_the_log(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let mut sids = Vec::new();
    for subject in ["ann", "bob", "cid"] {
        let grant = desk.open(opening(subject)).await;
        desk.clock.advance(Duration::from_secs(1));
        desk.refresh(&secret(&grant)).await.unwrap();
        sids.push(grant.sid);
    }
    desk.sessions.revoke_access(sids[0], 1, "ann").await.unwrap();
    desk.sessions.cut_subject("bob", "root").await.unwrap();
    let before = desk.store.all::<crate::session::Session>("").await.unwrap();
    assert_eq!(before.len(), 3);
    desk.store.rebuild(&projections::ALL).await.unwrap();
    assert_eq!(desk.store.all::<crate::session::Session>("").await.unwrap(), before);
    assert!(desk.store.load::<SubjectCut>("bob").await.unwrap().is_some());
}

pub(super) async fn a_copied_refresh_token_is_noticed_and_ends_the_session(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let grant = desk.open(opening("ann")).await;
    let copied = secret(&grant);
    let mine = desk.refresh(&copied).await.unwrap();
    desk.clock.advance(SessionPolicy::default().grace + Duration::from_secs(1));
    assert_eq!(code(desk.refresh(&copied).await), ErrorCode::InvalidGrant);
    assert_eq!(desk.end_of(grant.sid).await, Some(EndReason::Reuse));
    assert_eq!(code(desk.refresh(&secret(&mine)).await), ErrorCode::InvalidGrant);
    assert_eq!(desk.is_active(&mine.access_token).await, Some(false));
}

pub(super) async fn tokens_of_others_are_refused_alike_and_change_nothing(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let (grant, token) = {
        let grant = desk.open(opening("ann")).await;
        let token = secret(&grant);
        (grant, token)
    };
    let before = desk.store.events_after(0).await.unwrap().len();
    let stranger = Caller { client: "other", authenticated: true };
    let mut forged = token.clone();
    forged.replace_range(60..61, if &token[60..61] == "A" { "B" } else { "A" });
    let nowhere = token.replacen(&token[4..12], "AAAAAAAA", 1);
    for (token, caller) in [(&token, stranger), (&forged, APP), (&nowhere, APP), (&"rt1.x".into(), APP)] {
        let outcome = desk.sessions.refresh(token, caller, None).await;
        let Err(Error::Refused(error)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.to_string(), "invalid_grant: the refresh token is not good");
    }
    assert_eq!(desk.store.events_after(0).await.unwrap().len(), before);
    assert_eq!(desk.end_of(grant.sid).await, None);
    assert_eq!(desk.is_active(&forged).await, None);
}

/// Only the one event is there, as if the process had died right after it.
pub(super) async fn a_cut_holds_for_sessions_that_were_not_ended_one_by_one(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let grant = desk.open(opening("ann")).await;
    let mut commit = Commit::new("root", NOW);
    commit.change::<SubjectCut>("ann", None, &[SubjectEvent::Cut { before: NOW }]).unwrap();
    desk.store.commit(commit).await.unwrap();
    assert_eq!(desk.is_active(&grant.access_token).await, Some(false));
    assert_eq!(code(desk.refresh(&secret(&grant)).await), ErrorCode::InvalidGrant);
    assert_eq!(desk.end_of(grant.sid).await, Some(EndReason::SubjectCut));
    desk.clock.advance(Duration::from_micros(1));
    let later = desk.open(opening("ann")).await;
    assert!(desk.refresh(&secret(&later)).await.is_ok(), "only a login revives");
}

pub(super) async fn cutting_a_client_leaves_the_others_alone(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let mine = desk.open(opening("ann")).await;
    let theirs = desk.open(Opening { client: "other".into(), ..opening("ann") }).await;
    assert_eq!(desk.sessions.cut_client("app", "root").await.unwrap(), 1);
    assert_eq!(desk.end_of(mine.sid).await, Some(EndReason::ClientCut));
    assert_eq!(desk.end_of(theirs.sid).await, None);
}

pub(super) async fn whoever_acts_for_others_takes_them_along(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let actor = desk.open(opening("ann")).await;
    let acting = |subject: &str, by: &Grant, actors: &[&str]| Opening {
        actors: actors.iter().map(|&actor| actor.to_owned()).collect(),
        actor_sid: Some(by.sid.to_string()),
        refreshable: false,
        ..opening(subject)
    };
    let first = desk.open(acting("bob", &actor, &["ann"])).await;
    let second = desk.open(acting("cid", &first, &["bob", "ann"])).await;
    desk.sessions.end(actor.sid, EndReason::Logout, "ann").await.unwrap();
    for grant in [&first, &second] {
        assert_eq!(desk.end_of(grant.sid).await, Some(EndReason::ActorEnded));
        assert_eq!(desk.is_active(&grant.access_token).await, Some(false));
    }
}

pub(super) async fn a_browser_login_takes_along_what_was_not_made_to_outlive_it(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let from =
        |login: &str, refreshable| Opening { login: Some(login.into()), refreshable, ..opening("ann") };
    let short = desk.open(from("l1", false)).await;
    let offline = desk.open(from("l1", true)).await;
    let elsewhere = desk.open(from("l2", false)).await;
    assert_eq!(desk.sessions.end_login("l1", "ann").await.unwrap(), 1);
    assert_eq!(desk.end_of(short.sid).await, Some(EndReason::Logout));
    assert_eq!(desk.end_of(offline.sid).await, None);
    assert_eq!(desk.end_of(elsewhere.sid).await, None);
}

pub(super) async fn time_ends_sessions_and_the_keeper_records_it(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let policy = SessionPolicy::default();
    let service = desk.open(Opening { refreshable: false, ..opening("svc") }).await;
    let idle = desk.open(opening("ann")).await;
    desk.clock.set(NOW + policy.access_life);
    assert_eq!(desk.is_active(&service.access_token).await, Some(false), "recorded or not");
    assert_eq!(desk.sessions.end_overdue().await.unwrap(), 1);
    assert_eq!(desk.end_of(service.sid).await, Some(EndReason::Expired));
    assert_eq!(desk.end_of(idle.sid).await, None);
    desk.clock.set(NOW + policy.idle_life);
    assert_eq!(desk.sessions.end_overdue().await.unwrap(), 1);
    assert_eq!(desk.end_of(idle.sid).await, Some(EndReason::Idle));
    assert_eq!(desk.sessions.end_overdue().await.unwrap(), 0);
}

pub(super) async fn one_access_token_is_revoked_and_the_session_goes_on(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let grant = desk.open(opening("ann")).await;
    let next = desk.refresh(&secret(&grant)).await.unwrap();
    assert!(desk.sessions.revoke_access(grant.sid, grant.access.number, "app").await.unwrap());
    assert_eq!(desk.is_active(&grant.access_token).await, Some(false));
    assert_eq!(desk.is_active(&next.access_token).await, Some(true));
    assert!(desk.refresh(&secret(&next)).await.is_ok());
}

/// Signed with a key of the same kind, and with everything in it that a real one has.
pub(super) async fn forged_access_tokens_are_not_ours(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let grant = desk.open(opening("ann")).await;
    let forger = Mint::generate(ISSUER, "grid").unwrap();
    let forged = AccessToken::new("ann", NOW + Duration::from_secs(60))
        .issued_at(NOW)
        .scope("grid:*:*")
        .claim("jti", grant.access.jti().into())
        .claim("sid", grant.sid.to_string().into());
    assert_eq!(desk.is_active(&forger.mint(&forged).unwrap()).await, None);
    let (signed, _) = grant.access_token.rsplit_once('.').unwrap();
    assert_eq!(desk.is_active(&format!("{signed}.AAAA")).await, None);
    assert_eq!(desk.is_active("").await, None);
}

pub(super) async fn many_sessions_are_cut_page_by_page(bench: Bench) {
    let desk = Desk::new(&bench).await;
    let count = MAX_PAGE + 50;
    let mut commit = Commit::new("ann", NOW);
    for _ in 0..count {
        desk.sessions.prepare(&mut commit, opening("ann"), NOW).unwrap();
    }
    desk.sessions.prepare(&mut commit, opening("bob"), NOW).unwrap();
    desk.store.commit(commit).await.unwrap();
    assert_eq!(desk.sessions.cut_subject("ann", "root").await.unwrap(), count);
    assert_eq!(desk.sessions.cut_subject("ann", "root").await.unwrap(), 0);
    let left = desk.store.due::<crate::session::Session>("active", Micros::MAX).await.unwrap();
    assert_eq!(left.len(), 1);
}
