//! Revocations that logins under way must still meet.

use std::collections::HashMap;
use std::time::Duration;

use druse_protocol::auth::{AuthError, Revocation, RevocationScope};
use druse_protocol::time::Micros;
use parking_lot::Mutex;

use super::subject::Subject;

/// How long a revocation is remembered for logins that were asked for before it. Later logins are the manager's to
/// refuse. Longer than any login takes, its delay included.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many are swept at once at most before the oldest go.
const SWEEP_ABOVE: usize = 1024;

/// What was revoked lately.
#[derive(Default)]
pub(super) struct Revocations(Mutex<HashMap<RevocationScope, Entry>>);

#[derive(Clone, Copy)]
struct Entry {
    before: Micros,
    heard_at: Micros,
}

impl Revocations {
    /// Remembers one.
    pub(super) fn add(&self, revocation: &Revocation, now: Micros) {
        let mut entries = self.0.lock();
        if entries.len() >= SWEEP_ABOVE {
            entries.retain(|_, entry| now.saturating_since(entry.heard_at) < REMEMBERED);
        }
        let entry =
            entries.entry(revocation.scope.clone()).or_insert(Entry { before: Micros::MIN, heard_at: now });
        entry.before = entry.before.max(revocation.before);
        entry.heard_at = now;
    }

    /// Refuses a login that was made before its principal, session or client was cut off.
    pub(super) fn check(&self, subject: &Subject) -> Result<(), AuthError> {
        let entries = self.0.lock();
        let is_cut_off = |scope| entries.get(&scope).is_some_and(|entry| subject.made_at() < entry.before);
        if RevocationScope::of(subject.principal()).any(is_cut_off) {
            return Err(AuthError::Expired("the credential was revoked".to_owned()));
        }
        Ok(())
    }
}
