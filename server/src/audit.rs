//! Audit lines: who logged in, from where, until when, and why somebody was refused or cut off.
//!
//! They are `tracing` events of the target `druse::audit`, so that an operator routes them apart from the rest. They
//! never hold a secret, and a name that a peer has chosen cannot forge a line: control characters are replaced and
//! the length is bounded.

use std::fmt;

use druse_protocol::auth::{Peer, RevocationScope};
use druse_protocol::time::Micros;
use tracing::{info, warn};

/// The `tracing` target of every audit line.
pub const TARGET: &str = "druse::audit";

/// Longest text taken over from a peer, in characters. Names of principals are rarely a quarter of it.
const MAX_TEXT: usize = 256;

/// Somebody logged in under an id that is new.
pub fn login(peer: &Peer, principal: &str, expires_at: Option<Micros>) {
    info!(target: TARGET, event = "login", principal = %Clean(principal), peer = %From(peer), until = %Until(expires_at));
}

/// Somebody logged in again under an id that was there already.
pub fn reauthentication(peer: &Peer, principal: &str, expires_at: Option<Micros>) {
    info!(target: TARGET, event = "reauthentication", principal = %Clean(principal), peer = %From(peer),
          until = %Until(expires_at));
}

/// A login was refused. There is no principal then; `reason` is what the peer was told.
pub fn login_refused(peer: &Peer, reason: &str) {
    warn!(target: TARGET, event = "login refused", peer = %From(peer), reason = %Clean(reason));
}

/// A login's time ran out.
pub fn expiry(principal: &str, expired_at: Micros) {
    info!(target: TARGET, event = "expiry", principal = %Clean(principal), at = %expired_at);
}

/// Somebody asked for what they may not do.
pub fn refusal(peer: &Peer, principal: &str, wanted: &dyn fmt::Display) {
    warn!(target: TARGET, event = "refusal", principal = %Clean(principal), peer = %From(peer),
          wanted = %Clean(&wanted.to_string()));
}

/// A subject was handed back to its security manager: nobody uses it any more.
pub fn logout(principal: &str) {
    info!(target: TARGET, event = "logout", principal = %Clean(principal));
}

/// Somebody was cut off from outside.
pub fn revocation(scope: &RevocationScope, reason: &str) {
    let scope = scope.to_string();
    warn!(target: TARGET, event = "revocation", principal = %Clean(&scope), reason = %Clean(reason));
}

/// Text from outside, made fit for one line of a log.
pub struct Clean<'a>(pub &'a str);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(MAX_TEXT) {
            // Besides the control characters: the two separators that some viewers break lines at, and the marks
            // that turn the direction of writing, with which a name can be made to look like another.
            let harmless = !character.is_control()
                && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            f.write_char(if harmless { character } else { '\u{fffd}' })?;
        }
        if characters.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Where a peer is.
struct From<'a>(&'a Peer);

impl fmt::Display for From<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.address {
            Some(address) => write!(f, "{address}")?,
            None => f.write_str("in memory")?,
        }
        if self.0.certificate.is_some() { f.write_str(" with certificate") } else { Ok(()) }
    }
}

/// Until when a login holds.
struct Until(Option<Micros>);

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => write!(f, "{at}"),
            None => f.write_str("no end"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_line() {
        assert_eq!(
            Clean("ann\nevent=login\r\u{2028}\u{202e}").to_string(),
            "ann\u{fffd}event=login\u{fffd}\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn a_long_name_is_cut() {
        let long = "é".repeat(MAX_TEXT + 1);
        assert_eq!(Clean(&long).to_string().chars().count(), MAX_TEXT + 1);
        assert_eq!(Clean(&long[..MAX_TEXT * 2]).to_string().chars().count(), MAX_TEXT);
    }
}
