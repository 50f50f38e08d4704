//! What happens to a session when somebody asks: pure, told the time, and without randomness.

use std::time::Duration;

use druse_protocol::time::Micros;

use super::{EndReason, Session, SessionEvent, SessionPolicy};

/// What a refresh token that has been proven is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// A successor and an access token. The events make both.
    Rotate(Vec<SessionEvent>),
    /// The same successor as before, and an access token.
    Replay(Vec<SessionEvent>),
    /// Nothing; the events, if any, say what was noticed.
    Refuse(Refusal, Vec<SessionEvent>),
}

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The session is over.
    Over,
    /// The token was replaced long ago: somebody has a copy. The session is over by this.
    Reuse,
    /// The token is newer than the session: a master key has leaked, or the store went back in time.
    FromTheFuture,
    /// The session never had refresh tokens.
    NotRefreshable,
    /// More is asked for than the session may have.
    Scope,
}

/// What somebody asks of a session with a refresh token.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The token's number.
    pub generation: u32,
    /// A narrower scope for the access token, if that is wanted.
    pub scope: Option<&'a [String]>,
    /// Whether the client has shown that it is itself. Others have no grace.
    pub authenticated: bool,
    /// An end that stands elsewhere: all of the subject's or the client's sessions of that time are over.
    pub cut: Option<EndReason>,
}

/// Decides about a refresh token whose proof is good.
#[must_use]
pub fn refresh(session: &Session, presented: Presented<'_>, policy: &SessionPolicy, now: Micros) -> Refresh {
    if session.end.is_some() {
        return Refresh::Refuse(Refusal::Over, Vec::new());
    }
    if let Some(reason) = presented.cut.or_else(|| session.overdue(now)) {
        return Refresh::Refuse(Refusal::Over, vec![SessionEvent::Ended { reason }]);
    }
    if !session.opened.refreshable {
        return Refresh::Refuse(Refusal::NotRefreshable, Vec::new());
    }
    let current = session.generation;
    if presented.generation > current {
        return Refresh::Refuse(Refusal::FromTheFuture, Vec::new());
    }
    let grace = if presented.authenticated { policy.grace } else { Duration::ZERO };
    let replay = presented.generation != current;
    if replay && !is_within_grace(session, presented.generation, grace, now) {
        return Refresh::Refuse(Refusal::Reuse, vec![SessionEvent::Ended { reason: EndReason::Reuse }]);
    }
    let Some(scope) = narrowed(session, presented.scope) else {
        return Refresh::Refuse(Refusal::Scope, Vec::new());
    };
    if replay {
        let replayed = SessionEvent::RefreshReplayed { generation: current };
        return Refresh::Replay(vec![replayed, mint(session, scope, policy.access_life, now)]);
    }
    let Some(generation) = current.checked_add(1) else {
        return Refresh::Refuse(Refusal::Over, vec![SessionEvent::Ended { reason: EndReason::Expired }]);
    };
    let idle_ends_at = (now + policy.idle_life).min(session.opened.ends_at);
    let refreshed = SessionEvent::Refreshed { generation, idle_ends_at };
    Refresh::Rotate(vec![refreshed, mint(session, scope, policy.access_life, now)])
}

/// The next access token of a session: it never outlives it.
#[must_use]
pub fn mint(session: &Session, scope: Vec<String>, life: Duration, now: Micros) -> SessionEvent {
    let ends_at = (now + life).min(session.opened.ends_at);
    SessionEvent::AccessMinted { number: session.access_count + 1, scope, ends_at }
}

/// The end of a session; nothing if it has one.
#[must_use]
pub fn end(session: &Session, reason: EndReason) -> Option<SessionEvent> {
    session.end.is_none().then_some(SessionEvent::Ended { reason })
}

/// The end of one access token; nothing if it never was, or is over already. When too many have been revoked one by
/// one, it is the end of the session.
#[must_use]
pub fn revoke_access(session: &Session, number: u64) -> Option<SessionEvent> {
    let known = (1..=session.access_count).contains(&number) && !session.revoked.contains(&number);
    if session.end.is_some() || !known {
        None
    } else if session.can_revoke_one() {
        Some(SessionEvent::AccessRevoked { number })
    } else {
        Some(SessionEvent::Ended { reason: EndReason::Revoked })
    }
}

/// Whether an access token of the session is still good, as far as the session is concerned.
#[must_use]
pub fn is_access_good(session: &Session, number: u64, now: Micros) -> bool {
    // An access token is not ended by lack of use: only a refresh token's absence from use is what idling means.
    session.end.is_none()
        && now < session.opened.ends_at
        && (1..=session.access_count).contains(&number)
        && !session.revoked.contains(&number)
}

/// The scope of an access token: what is asked for, if the session may have all of it.
fn narrowed(session: &Session, asked: Option<&[String]>) -> Option<Vec<String>> {
    let Some(asked) = asked else { return Some(session.opened.scope.clone()) };
    asked.iter().all(|one| session.opened.scope.contains(one)).then(|| asked.to_vec())
}

fn is_within_grace(session: &Session, generation: u32, grace: Duration, now: Micros) -> bool {
    let is_previous = generation.checked_add(1) == Some(session.generation);
    let rotated_at = session.rotated_at.filter(|_| is_previous && !grace.is_zero());
    rotated_at.is_some_and(|at| now.saturating_since(at) <= grace)
}
