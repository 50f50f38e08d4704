//! From events to ends.

use std::time::Duration;

use druse_protocol::auth::{Revocation, RevocationScope};
use druse_protocol::time::Micros;
use serde::Deserialize;

use super::{Ends, EndsError, Place};
use crate::session::EndReason;
use crate::store::{MAX_PAGE, Recorded, Store};

/// A session has no tokens after its end, but the process that made its last one may have had a clock that was ahead.
const SESSION_MARGIN: Duration = Duration::from_secs(30);
/// A cut concerns what was made at its instant too.
const INSTANT: Duration = Duration::from_micros(1);
/// A second in microseconds: what `iat` of a token counts in.
const SECOND: i64 = 1_000_000;

/// Reads on from a place, without waiting.
pub(super) async fn read(store: &Store, place: Place, now: Micros) -> Result<Ends, EndsError> {
    let (events, newest) = match place {
        Place::After(position) => store.endings_after(position).await?,
        Place::Within(life) => store.endings_since(now - life).await?,
    };
    if matches!(place, Place::After(position) if position > newest) {
        return Err(EndsError::Gone);
    }
    let more = events.len() >= MAX_PAGE;
    let last = events.last().map_or(0, |event| event.position);
    Ok(Ends {
        ends: events.iter().filter_map(end_of).collect(),
        position: if more { last } else { last.max(newest) },
        more,
    })
}

#[derive(Deserialize)]
struct Ended {
    reason: EndReason,
}

#[derive(Deserialize)]
struct Cut {
    before: i64,
}

/// What an event ends, if it ends anything that a node knows of.
fn end_of(event: &Recorded) -> Option<Revocation> {
    let (kind, id) = event.stream.split_once('/')?;
    let cut = || serde_json::from_str::<Cut>(&event.body).ok().map(|cut| Micros(cut.before) + INSTANT);
    let (scope, before, reason) = match (kind, event.kind.as_str()) {
        ("session", "ended") => {
            let Ended { reason } = serde_json::from_str(&event.body).ok()?;
            // No token outlives the time of its session: nodes know without being told.
            if matches!(reason, EndReason::Expired | EndReason::Idle) {
                return None;
            }
            (RevocationScope::Session(id.to_owned()), event.at + SESSION_MARGIN, reason.name())
        }
        ("subject", "cut") => {
            (RevocationScope::Principal(id.to_owned()), cut()?, EndReason::SubjectCut.name())
        }
        // Tokens with the rights of before. One of this very second may have those of after, and is left to run out.
        ("account", "entitlements_changed") => {
            let before = Micros(event.at.0.div_euclid(SECOND) * SECOND - 1);
            (RevocationScope::Principal(id.to_owned()), before, "entitlements_changed")
        }
        ("client_cut", "cut") => {
            (RevocationScope::Client(id.to_owned()), cut()?, EndReason::ClientCut.name())
        }
        _ => return None,
    };
    Some(Revocation { scope, before, reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(stream: &str, kind: &str, body: &str) -> Recorded {
        let (stream, kind, body) = (stream.to_owned(), kind.to_owned(), body.to_owned());
        Recorded {
            position: 1,
            stream,
            version: 1,
            kind,
            at: Micros::from_secs(100),
            actor: "ann".into(),
            body,
        }
    }

    #[test]
    fn a_session_ends_with_all_that_was_ever_made_in_it() {
        let end = end_of(&event("session/s/1", "ended", r#"{"reason":"logout"}"#)).unwrap();
        assert_eq!(end.scope, RevocationScope::Session("s/1".into()));
        assert_eq!(end.before, Micros::from_secs(130));
        assert_eq!(end.reason, "logout");
    }

    #[test]
    fn a_cut_counts_from_its_own_instant_and_not_from_its_recording() {
        let end = end_of(&event("subject/ann", "cut", r#"{"before":5}"#)).unwrap();
        assert_eq!((end.scope, end.before), (RevocationScope::Principal("ann".into()), Micros(6)));
        let end = end_of(&event("client_cut/app", "cut", r#"{"before":7}"#)).unwrap();
        assert_eq!((end.scope, end.before), (RevocationScope::Client("app".into()), Micros(8)));
    }

    #[test]
    fn changed_rights_end_tokens_of_the_seconds_before() {
        let mut changed = event("account/ann", "entitlements_changed", r#"{"entitlements":[]}"#);
        changed.at = Micros(5_700_000);
        let end = end_of(&changed).unwrap();
        assert_eq!((end.scope, end.before), (RevocationScope::Principal("ann".into()), Micros(4_999_999)));
    }

    #[test]
    fn what_nodes_know_by_themselves_is_not_told() {
        for (stream, kind, body) in [
            ("session/s", "ended", r#"{"reason":"expired"}"#),
            ("session/s", "ended", r#"{"reason":"idle"}"#),
            ("session/s", "refreshed", r#"{"generation":1}"#),
            ("login/l", "ended", "null"),
            ("subject/ann", "cut", "null"),
        ] {
            assert_eq!(end_of(&event(stream, kind, body)), None, "{stream} {kind} {body}");
        }
    }
}
