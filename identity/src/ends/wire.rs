//! The feed as it crosses the network.

use druse_protocol::auth::{Revocation, RevocationScope};
use druse_protocol::time::Micros;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Ends, EndsError};
use crate::store::MAX_PAGE;

/// The longest id, in bytes: above every subject, session and client that anybody issues.
const MAX_ID_BYTES: usize = 512;
/// The longest reason.
const MAX_REASON_BYTES: usize = 64;

#[derive(Serialize, Deserialize)]
struct Page {
    position: i64,
    more: bool,
    ends: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    whose: Whose,
    /// Microseconds since 1970.
    before: i64,
    reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Whose {
    Sub(String),
    Sid(String),
    ClientId(String),
}

/// What the issuer sends.
pub(crate) fn written(ends: &Ends) -> Value {
    let lines = ends.ends.iter().map(|end| Line {
        whose: match end.scope.clone() {
            RevocationScope::Principal(name) => Whose::Sub(name),
            RevocationScope::Session(sid) => Whose::Sid(sid),
            RevocationScope::Client(id) => Whose::ClientId(id),
        },
        before: end.before.0,
        reason: end.reason.clone(),
    });
    let page = Page { position: ends.position, more: ends.more, ends: lines.collect() };
    // Numbers, texts and a flag: nothing that JSON cannot hold.
    serde_json::to_value(page).unwrap_or_default()
}

/// What a node makes of it.
pub(super) fn parsed(document: &[u8]) -> Result<Ends, EndsError> {
    let page: Page =
        serde_json::from_slice(document).map_err(|_| EndsError::Document("it is not of its form"))?;
    if page.ends.len() > MAX_PAGE {
        return Err(EndsError::Document("it is too long"));
    }
    let ends: Option<Vec<Revocation>> = page.ends.into_iter().map(end).collect();
    let ends = ends.ok_or(EndsError::Document("an id or a reason is not sound"))?;
    Ok(Ends { ends, position: page.position, more: page.more })
}

/// Ids and reasons go to logs and peers: no control characters, no books.
fn end(line: Line) -> Option<Revocation> {
    let (Whose::Sub(id) | Whose::Sid(id) | Whose::ClientId(id)) = &line.whose;
    let sound =
        |text: &str, most| !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control);
    if !sound(id, MAX_ID_BYTES) || !sound(&line.reason, MAX_REASON_BYTES) {
        return None;
    }
    let scope = match line.whose {
        Whose::Sub(name) => RevocationScope::Principal(name),
        Whose::Sid(sid) => RevocationScope::Session(sid),
        Whose::ClientId(id) => RevocationScope::Client(id),
    };
    Some(Revocation { scope, before: Micros(line.before), reason: line.reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let end = |scope| Revocation { scope, before: Micros(17), reason: "logout".into() };
        let ends = Ends {
            ends: vec![
                end(RevocationScope::Principal("ann".into())),
                end(RevocationScope::Session("s1".into())),
                end(RevocationScope::Client("app".into())),
            ],
            position: 9,
            more: true,
        };
        let text = written(&ends).to_string();
        assert!(text.contains(r#""sid":"s1""#), "{text}");
        assert_eq!(parsed(text.as_bytes()).unwrap(), ends);
    }

    #[test]
    fn what_is_no_feed_is_refused() {
        let line = |id: &str, reason: &str| {
            let line = serde_json::json!({ "sub": id, "before": 1, "reason": reason });
            serde_json::json!({ "position": 1, "more": false, "ends": [line] }).to_string()
        };
        assert!(parsed(line("ann", "cut").as_bytes()).is_ok());
        let many = vec![serde_json::json!({ "sub": "a", "before": 1, "reason": "x" }); MAX_PAGE + 1];
        let many = serde_json::json!({ "position": 1, "more": false, "ends": many }).to_string();
        for wrong in [
            "",
            "{}",
            r#"{"position":1,"more":false,"ends":[{"before":1,"reason":"x"}]}"#,
            r#"{"position":"1","more":false,"ends":[]}"#,
            &line("", "cut"),
            &line("ann", ""),
            &line("a\nb", "cut"),
            &line(&"x".repeat(513), "cut"),
            &line("ann", &"x".repeat(65)),
            &many,
        ] {
            assert!(matches!(parsed(wrong.as_bytes()), Err(EndsError::Document(_))), "{wrong:.80}");
        }
    }
}
