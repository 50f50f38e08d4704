//! The laws of sessions: as decisions, and in a store of either kind.

mod model;
mod suite;

use std::time::Duration;

use druse_protocol::time::Micros;

use super::decide::{self, Presented, Refresh, Refusal};
use super::*;
use crate::seal::Sealer;
use crate::store::Aggregate as _;
use crate::store::tests::{NOW, on_both_databases};

const MASTER: &str = "k1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const ISSUER: &str = "https://issuer.example";
const SECOND: Duration = Duration::from_secs(1);
const INSTANT: Duration = Duration::from_micros(1);

fn opened() -> Opened {
    let policy = SessionPolicy::default();
    Opened {
        subject: "ann".into(),
        client: "app".into(),
        scope: vec!["openid".into(), "grid:data:read:orders".into()],
        audience: "grid".into(),
        auth_time: NOW,
        amr: vec!["pwd".into()],
        actors: vec![],
        actor_sid: None,
        login: None,
        refreshable: true,
        ends_at: NOW + policy.absolute_life,
        idle_ends_at: NOW + policy.idle_life,
        salt: "salt".into(),
        master_kid: "k1".into(),
    }
}

fn session() -> Session {
    happen(None, &[SessionEvent::Opened(Box::new(opened()))], NOW)
}

fn happen(mut state: Option<Session>, events: &[SessionEvent], at: Micros) -> Session {
    for event in events {
        state = Session::apply(state, event, at);
        assert!(state.is_some(), "{event:?} does not fit");
    }
    state.unwrap()
}

fn present(generation: u32) -> Presented<'static> {
    Presented { generation, scope: None, authenticated: true, cut: None }
}

fn ask(session: &Session, presented: Presented<'_>, now: Micros) -> Refresh {
    decide::refresh(session, presented, &SessionPolicy::default(), now)
}

/// The session after its current token was exchanged at `now`.
fn rotated(session: Session, now: Micros) -> Session {
    match ask(&session, present(session.generation), now) {
        Refresh::Rotate(events) => happen(Some(session), &events, now),
        other => panic!("{other:?}"),
    }
}

fn refused(session: &Session, presented: Presented<'_>, now: Micros) -> (Refusal, Option<EndReason>) {
    match ask(session, presented, now) {
        Refresh::Refuse(refusal, events) => (
            refusal,
            events.first().map(|event| match event {
                SessionEvent::Ended { reason } => *reason,
                other => panic!("{other:?}"),
            }),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_current_token_is_exchanged_for_the_next() {
    let after = rotated(session(), NOW + SECOND);
    assert_eq!((after.generation, after.access_count, after.rotated_at), (1, 1, Some(NOW + SECOND)));
}

#[test]
fn the_token_before_is_answered_once_more_within_the_grace() {
    let (after, grace) = (rotated(session(), NOW), SessionPolicy::default().grace);
    for late in [Duration::ZERO, grace] {
        let Refresh::Replay(events) = ask(&after, present(0), NOW + late) else { panic!("{late:?}") };
        let again = happen(Some(after.clone()), &events, NOW + late);
        assert_eq!((again.generation, again.rotated_at), (1, Some(NOW)), "nothing is rotated");
        assert_eq!(again.access_count, 2);
    }
    let over = refused(&after, present(0), NOW + grace + INSTANT);
    assert_eq!(over, (Refusal::Reuse, Some(EndReason::Reuse)));
}

#[test]
fn clients_that_show_nothing_have_no_grace() {
    let after = rotated(session(), NOW);
    let presented = Presented { authenticated: false, ..present(0) };
    assert_eq!(refused(&after, presented, NOW), (Refusal::Reuse, Some(EndReason::Reuse)));
}

#[test]
fn a_token_older_than_the_one_before_ends_the_session_at_once() {
    let after = rotated(rotated(session(), NOW), NOW);
    assert_eq!(refused(&after, present(0), NOW), (Refusal::Reuse, Some(EndReason::Reuse)));
}

#[test]
fn a_token_from_the_future_is_refused_and_ends_nothing() {
    assert_eq!(refused(&session(), present(1), NOW), (Refusal::FromTheFuture, None));
    assert_eq!(refused(&session(), present(u32::MAX), NOW), (Refusal::FromTheFuture, None));
}

#[test]
fn a_session_without_refresh_tokens_is_never_refreshed() {
    let mut session = session();
    session.opened.refreshable = false;
    assert_eq!(refused(&session, present(0), NOW), (Refusal::NotRefreshable, None));
}

#[test]
fn idling_slides_and_the_absolute_end_does_not() {
    let policy = SessionPolicy::default();
    let (mut state, mut now) = (session(), NOW);
    let almost = policy.idle_life - SECOND;
    for _ in 0..4 {
        now = now + almost;
        state = rotated(state, now);
        assert_eq!(state.opened.ends_at, NOW + policy.absolute_life);
        assert!(state.idle_ends_at <= state.opened.ends_at);
    }
    assert_eq!(state.ends_at(), NOW + policy.absolute_life, "nothing outlives it");
    let end = NOW + policy.absolute_life;
    let last = rotated(state.clone(), end - INSTANT);
    assert_eq!(last.ends_at(), end);
    assert_eq!(refused(&state, present(4), end), (Refusal::Over, Some(EndReason::Expired)));
    let idle = refused(&session(), present(0), NOW + policy.idle_life);
    assert_eq!(idle, (Refusal::Over, Some(EndReason::Idle)));
}

#[test]
fn an_access_token_does_not_outlive_its_session() {
    let end = NOW + SessionPolicy::default().absolute_life;
    let mut state = session();
    state.idle_ends_at = end;
    let Refresh::Rotate(events) = ask(&state, present(0), end - SECOND) else { panic!() };
    let minted = events.last().unwrap();
    assert!(matches!(minted, SessionEvent::AccessMinted { ends_at, .. } if *ends_at == end), "{minted:?}");
}

#[test]
fn scope_may_shrink_for_one_token_and_never_grow() {
    let narrow = ["openid".to_owned()];
    let presented = Presented { scope: Some(&narrow), ..present(0) };
    let Refresh::Rotate(events) = ask(&session(), presented, NOW) else { panic!() };
    let after = happen(Some(session()), &events, NOW);
    assert!(matches!(events.last(), Some(SessionEvent::AccessMinted { scope, .. }) if *scope == narrow));
    assert_eq!(after.opened.scope.len(), 2, "the session keeps what it has");
    let wide = ["openid".to_owned(), "grid:*:*".to_owned()];
    let presented = Presented { scope: Some(&wide), ..present(0) };
    assert_eq!(refused(&session(), presented, NOW), (Refusal::Scope, None));
}

#[test]
fn a_cut_ends_what_is_presented_after_it() {
    for reason in [EndReason::SubjectCut, EndReason::ClientCut] {
        let presented = Presented { cut: Some(reason), ..present(0) };
        assert_eq!(refused(&session(), presented, NOW), (Refusal::Over, Some(reason)));
    }
}

#[test]
fn law_3_nothing_happens_to_what_has_ended() {
    let ended = happen(Some(session()), &[SessionEvent::Ended { reason: EndReason::Logout }], NOW);
    assert_eq!(refused(&ended, present(0), NOW), (Refusal::Over, None));
    assert_eq!(decide::end(&ended, EndReason::Operator), None);
    assert_eq!(decide::revoke_access(&ended, 1), None);
    for event in [
        SessionEvent::Opened(Box::new(opened())),
        SessionEvent::AccessMinted { number: 1, scope: vec![], ends_at: NOW },
        SessionEvent::Refreshed { generation: 1, idle_ends_at: NOW },
        SessionEvent::RefreshReplayed { generation: 0 },
        SessionEvent::AccessRevoked { number: 1 },
        SessionEvent::Ended { reason: EndReason::Operator },
    ] {
        assert_eq!(Session::apply(Some(ended.clone()), &event, NOW), None, "{event:?}");
    }
}

#[test]
fn access_tokens_are_revoked_one_by_one_and_then_all() {
    let mut state = session();
    for number in 1..=70 {
        let minted = SessionEvent::AccessMinted { number, scope: vec![], ends_at: NOW + SECOND };
        state = happen(Some(state), &[minted], NOW);
    }
    assert_eq!(decide::revoke_access(&state, 0), None);
    assert_eq!(decide::revoke_access(&state, 71), None);
    for number in 1..=64 {
        let event = decide::revoke_access(&state, number).unwrap();
        assert_eq!(event, SessionEvent::AccessRevoked { number });
        state = happen(Some(state), &[event], NOW);
        assert_eq!(decide::revoke_access(&state, number), None, "it is over already");
        assert!(!decide::is_access_good(&state, number, NOW));
        assert!(decide::is_access_good(&state, number + 1, NOW));
    }
    let last = decide::revoke_access(&state, 65);
    assert_eq!(last, Some(SessionEvent::Ended { reason: EndReason::Revoked }));
}

#[test]
fn refresh_tokens_are_proven_by_every_byte() {
    let sealer = Sealer::from_text(MASTER).unwrap();
    let (sid, session) = (SessionId([7; 16]), session());
    let token = RefreshToken::issue(sid, 3, &session, ISSUER, &sealer).unwrap();
    let text = token.reveal();
    assert!(text.starts_with("rt1."), "{text}");
    let parsed = RefreshToken::parse(&text).unwrap();
    assert_eq!((&parsed, parsed.sid(), parsed.generation()), (&token, sid, 3));
    assert!(parsed.is_proven(&session, ISSUER, &sealer).unwrap());
    for place in 4..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let accepted = RefreshToken::parse(&changed)
            .is_some_and(|token| token.is_proven(&session, ISSUER, &sealer).unwrap());
        assert!(!accepted, "byte {place}");
        assert_eq!(RefreshToken::parse(&text[..place]), None);
    }
    assert_eq!(format!("{token:?}").matches(&text[60..]).count(), 0);
}

#[test]
fn a_proof_is_for_one_issuer_client_session_and_master_key() {
    let sealer = Sealer::from_text(MASTER).unwrap();
    let other = Sealer::from_text("k1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap();
    let session = session();
    let token = RefreshToken::issue(SessionId([7; 16]), 0, &session, ISSUER, &sealer).unwrap();
    let (mut of_another, mut salted) = (session.clone(), session.clone());
    of_another.opened.client = "other".into();
    salted.opened.salt = "pepper".into();
    assert!(!token.is_proven(&session, "https://other.example", &sealer).unwrap());
    assert!(!token.is_proven(&of_another, ISSUER, &sealer).unwrap());
    assert!(!token.is_proven(&salted, ISSUER, &sealer).unwrap());
    assert!(!token.is_proven(&session, ISSUER, &other).unwrap());
}

#[test]
fn ids_of_access_tokens_have_one_spelling() {
    let sid = SessionId([7; 16]);
    let claims = AccessClaims { sid, number: 12, scope: vec![], issued_at: NOW, ends_at: NOW };
    assert_eq!(AccessClaims::parse_jti(&claims.jti()), Some((sid, 12)));
    for wrong in
        ["", ".", "x.1", &format!("{sid}.012"), &format!("{sid}.+1"), &format!("{sid}="), &format!("{sid}.")]
    {
        assert_eq!(AccessClaims::parse_jti(wrong), None, "{wrong}");
    }
}

#[test]
fn an_access_token_says_who_acts_for_whom_and_its_times_are_never_late() {
    let mut session = session();
    session.opened.actors = vec!["bob".into(), "cid".into()];
    let claims = AccessClaims {
        sid: SessionId([7; 16]),
        number: 1,
        scope: vec!["a".into(), "b".into()],
        issued_at: NOW + Duration::from_millis(700),
        ends_at: NOW + Duration::from_millis(5_900),
    };
    let payload = claims.payload(&session, ISSUER);
    assert_eq!(payload["act"], serde_json::json!({ "sub": "bob", "act": { "sub": "cid" } }));
    assert_eq!(payload["scope"], "a b");
    let seconds = NOW.0 / 1_000_000;
    assert_eq!((&payload["iat"], &payload["exp"]), (&seconds.into(), &(seconds + 5).into()));
}

#[test]
fn policies_that_do_not_fit_together_are_refused() {
    let policy = SessionPolicy::default();
    assert_eq!(policy.check(), Ok(()));
    for (wrong, error) in [
        (SessionPolicy { access_life: Duration::ZERO, ..policy.clone() }, SessionPolicyError::AccessLife),
        (SessionPolicy { idle_life: SECOND, ..policy.clone() }, SessionPolicyError::Order),
        (SessionPolicy { absolute_life: SECOND, ..policy.clone() }, SessionPolicyError::Order),
        (SessionPolicy { grace: policy.access_life, ..policy.clone() }, SessionPolicyError::Grace),
        (
            SessionPolicy { impersonation_life: policy.absolute_life, ..policy.clone() },
            SessionPolicyError::Impersonation,
        ),
    ] {
        assert_eq!(wrong.check(), Err(error));
    }
}

on_both_databases!(crate::session::tests::suite:
    tokens_of_a_session_let_its_subject_in
    law_2_of_64_refreshes_at_once_one_rotates_and_all_are_answered
    law_3_what_has_ended_stays_ended_for_every_token
    law_4_a_lost_response_signs_nobody_out
    law_7_sessions_are_rebuilt_from_the_log
    a_copied_refresh_token_is_noticed_and_ends_the_session
    tokens_of_others_are_refused_alike_and_change_nothing
    a_cut_holds_for_sessions_that_were_not_ended_one_by_one
    cutting_a_client_leaves_the_others_alone
    whoever_acts_for_others_takes_them_along
    a_browser_login_takes_along_what_was_not_made_to_outlive_it
    time_ends_sessions_and_the_keeper_records_it
    one_access_token_is_revoked_and_the_session_goes_on
    forged_access_tokens_are_not_ours
    many_sessions_are_cut_page_by_page
);
