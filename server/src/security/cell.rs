//! The login cell: the place in which the node keeps one user's login, whatever the number of ids and connections.
//!
//! ```text
//!  first login ──► Valid ──the end has come, or authorize said so──► Expired
//!                  ▲   ▲                                                │
//!                  │   └────────── a fresher login: generation + 1 ─────┘
//!                  └────────────── one made after the revocation ────── Revoked ◄── revoked, from any state
//!
//!  any ── last id removed, or last connection gone ──► Closed
//! ```
//! RFC.md section 3. Readers (every operation) load two atomics and never lock. Writers (logins, revocations, timers) hold
//! one short mutex, never across an `authenticate`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use druse_protocol::auth::{AuthError, RevocationScope};
use druse_protocol::time::Micros;
use parking_lot::Mutex;

use super::deadlines::Deadlines;
use super::subject::{Freshness, Subject};
use crate::audit;
use crate::metrics::Metrics;
#[cfg(test)]
use crate::subscription::sim::bug::{self, Bug};

/// What an expired login is answered with where its manager has not said anything itself.
const EXPIRED: &str = "the login has expired";
/// What a login that was ended from outside is answered with.
const REVOKED: &str = "the login was revoked";

/// What cells of one node share.
pub(super) struct CellContext {
    pub(super) deadlines: Arc<Deadlines>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) principal_change: PrincipalChange,
}

/// Whether a login may give an id to somebody else than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrincipalChange {
    /// No: AuthenticationFailed, and the login that was there lives on. A stolen id is worth nothing then.
    #[default]
    Refuse,
    /// Yes, as Geode does.
    Allow,
}

/// One user's login as one client identity holds it.
pub(crate) struct Cell {
    serial: u64,
    generation: AtomicU64,
    /// The end of the login, in microseconds; `i64::MIN` while there is none.
    deadline: AtomicI64,
    subject: ArcSwapOption<Subject>,
    /// Requests that were told to log in and have not done so yet.
    invitations: AtomicU32,
    /// Logins that came and took.
    taken: AtomicU32,
    /// Logins that came and were no fresher than the one at hand.
    stale: AtomicU32,
    /// Whether one operation is to be refused so that its client logs in before the end comes.
    nudge: AtomicBool,
    state: Mutex<CellState>,
    context: Arc<CellContext>,
}

struct CellState {
    phase: Phase,
    /// Whose cell this is; stays when the login goes.
    name: Arc<str>,
    /// What the next login is measured by.
    freshness: Freshness,
    /// Where the cell stands in the table of ends.
    timer: Micros,
    /// The feed whose events rest on this login.
    watcher: Option<Arc<dyn CellWatcher>>,
}

/// Whoever must hear of every change of a login: a feed, which holds back events or lets them go.
pub(crate) trait CellWatcher: Send + Sync {
    /// The cell has another generation, or a login came that was not fresher. Called under the cell's lock: must only take
    /// note.
    fn changed(&self);
}

/// What a feed has to know of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its end has not come.
    Live,
    /// It has run out; a fresher one is waited for.
    Expired,
    /// It was ended from outside.
    Revoked,
    /// Nobody can log in here any more.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Valid,
    Expired,
    /// Only a login made at this instant or later leads back.
    Revoked(Micros),
    Closed,
}

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rebound {
    /// It is the cell's login now.
    Replaced,
    /// The cell has a fresher one; the client may go on.
    Stale,
}

/// A login in use for the length of one operation.
pub(crate) type SubjectGuard = Guard<Option<Arc<Subject>>>;

impl Cell {
    /// A cell with its first login.
    pub(super) fn new(serial: u64, subject: Arc<Subject>, context: Arc<CellContext>) -> Arc<Self> {
        let deadline = subject.deadline();
        let cell = Arc::new(Self {
            serial,
            generation: AtomicU64::new(1),
            deadline: AtomicI64::new(deadline.0),
            state: Mutex::new(CellState {
                phase: Phase::Valid,
                name: subject.name().into(),
                freshness: subject.freshness(),
                timer: deadline,
                watcher: None,
            }),
            subject: ArcSwapOption::new(Some(subject)),
            invitations: AtomicU32::new(0),
            taken: AtomicU32::new(1),
            stale: AtomicU32::new(0),
            nudge: AtomicBool::new(false),
            context,
        });
        cell.context.metrics.logins_live.inc();
        cell.context.deadlines.set(&cell, Micros::MAX, deadline);
        cell
    }

    /// Number of the cell among all of the node.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// Whose cell it is, whether logged in or not.
    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.state.lock().name)
    }

    /// Rises with every login and with every end of one.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A request of this user was refused in the words that make clients log in.
    pub(crate) fn invite(&self) {
        self.invitations.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a login answers such a refusal. Each thread of a Java client answers its own, also where another has
    /// logged in meanwhile, and with several users it may do so over the very same connection.
    pub(crate) fn take_invitation(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.invitations.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// How many logins took.
    pub(crate) fn logins(&self) -> u32 {
        self.taken.load(Ordering::Acquire)
    }

    /// How many logins were answered with success although they were no fresher than the one at hand.
    pub(crate) fn stale_logins(&self) -> u32 {
        self.stale.load(Ordering::Acquire)
    }

    /// The next operation is to be refused in the words that make an old client log in, before the end comes. Such clients
    /// cannot be asked on their feed.
    pub(crate) fn nudge(&self) {
        self.nudge.store(true, Ordering::Release);
    }

    /// Whether this operation is the one to be refused.
    pub(crate) fn take_nudge(&self) -> bool {
        self.nudge.load(Ordering::Relaxed) && self.nudge.swap(false, Ordering::AcqRel)
    }

    /// From now on `watcher` hears of every change, and whoever watched before does not.
    pub(crate) fn watch(&self, watcher: Option<Arc<dyn CellWatcher>>) {
        self.state.lock().watcher = watcher;
    }

    /// Whether a feed rests on this login.
    pub(super) fn is_watched(&self) -> bool {
        self.state.lock().watcher.is_some()
    }

    /// How the login stands. One whose end has come and that nobody has taken out yet counts as expired.
    pub(crate) fn standing(&self, now: Micros) -> Standing {
        match self.state.lock().phase {
            Phase::Valid if self.is_live(now) => Standing::Live,
            Phase::Valid | Phase::Expired => Standing::Expired,
            Phase::Revoked(_) => Standing::Revoked,
            Phase::Closed => Standing::Closed,
        }
    }

    /// Whether there is a login whose end has not come.
    pub(crate) fn is_live(&self, now: Micros) -> bool {
        now.0 < self.deadline.load(Ordering::Acquire)
    }

    /// The end of the login; `Micros::MIN` while there is none.
    pub(crate) fn deadline(&self) -> Micros {
        Micros(self.deadline.load(Ordering::Acquire))
    }

    /// The login, if its end has not come. Both ends are compared: the cell's, which a revocation moves, and the
    /// subject's own, in case the two loads stand on either side of a new login.
    pub(crate) fn subject(&self, now: Micros) -> Option<SubjectGuard> {
        let subject = self.subject.load();
        let good = subject.as_ref().is_some_and(|subject| subject.is_good(now)) && self.is_live(now);
        good.then_some(subject)
    }

    /// Why there is no login, for the peer. Takes out one whose end has come.
    pub(crate) fn refusal(&self, now: Micros) -> AuthError {
        let mut state = self.state.lock();
        if state.phase == Phase::Valid && self.subject(now).is_none() {
            self.expire(&mut state, Phase::Expired, now);
        }
        match state.phase {
            Phase::Revoked(_) => AuthError::Expired(REVOKED.to_owned()),
            _ => AuthError::Expired(EXPIRED.to_owned()),
        }
    }

    /// The timer has fired: ends the login if its end has come. A clock that was set back brings timers that are early;
    /// they are set again.
    pub(super) fn on_timer(self: &Arc<Self>, now: Micros) {
        let mut state = self.state.lock();
        if state.phase != Phase::Valid {
            return;
        }
        if self.is_live(now) {
            let end = state.timer;
            self.context.deadlines.set(self, end, end);
        } else {
            self.expire(&mut state, Phase::Expired, now);
        }
    }

    /// The manager's `authorize` has said that `subject` is expired. Says nothing about a login that came since.
    pub(crate) fn expire_subject(&self, subject: &Arc<Subject>, now: Micros) {
        subject.end();
        let mut state = self.state.lock();
        let current = self.subject.load();
        if state.phase == Phase::Valid && current.as_ref().is_some_and(|it| Arc::ptr_eq(it, subject)) {
            self.expire(&mut state, Phase::Expired, now);
        }
    }

    /// Ends the login from outside, if it is in `scope` and was made before `before`. Returns whether there was one.
    pub(super) fn revoke(&self, scope: &RevocationScope, before: Micros, now: Micros) -> bool {
        let mut state = self.state.lock();
        let subject = self.subject.load();
        let is_meant = match (scope, subject.as_ref()) {
            // The name outlives the login: whoever is cut off while expired is told so.
            (RevocationScope::Principal(name), _) => *state.name == **name,
            (_, Some(subject)) => scope.covers(subject.principal()),
            (_, None) => false,
        };
        if !is_meant || state.phase == Phase::Closed {
            return false;
        }
        if subject.as_ref().is_some_and(|subject| subject.made_at() >= before) {
            return false;
        }
        // What is cut off with a session or a client says nothing against the user's older logins elsewhere.
        let least = if matches!(scope, RevocationScope::Principal(_)) { before } else { Micros::MIN };
        let least = match state.phase {
            Phase::Revoked(earlier) => earlier.max(least),
            _ => least,
        };
        let live = state.phase == Phase::Valid;
        self.expire(&mut state, Phase::Revoked(least), now);
        live
    }

    /// Puts `subject` in place of the login, if it is fresher.
    ///
    /// # Errors
    /// `Failed` if it is somebody else and the policy forbids that, `Expired` if it was made before a revocation.
    pub(super) fn rebind(self: &Arc<Self>, subject: &Arc<Subject>) -> Result<Rebound, AuthError> {
        let mut state = self.state.lock();
        let same = &*state.name == subject.name();
        if !same && self.context.principal_change == PrincipalChange::Refuse {
            let text = format!("this id belongs to {}, not to {}", state.name, subject.name());
            return Err(AuthError::Failed(text));
        }
        let fresher = match state.phase {
            Phase::Valid if same => subject.freshness().beats(&state.freshness),
            // The credentials of two persons are not older or newer than one another.
            Phase::Valid => subject.freshness().was_asked_after(&state.freshness),
            Phase::Expired => true,
            Phase::Revoked(before) if same && subject.made_at() < before => {
                return Err(AuthError::Expired(REVOKED.to_owned()));
            }
            Phase::Revoked(_) => true,
            Phase::Closed => {
                return Err(AuthError::Required(druse_protocol::compat::USER_NOT_FOUND.to_owned()));
            }
        };
        #[cfg(test)]
        let fresher = fresher || bug::is_in(Bug::LastArrivalWins);
        if !fresher {
            self.stale.fetch_add(1, Ordering::Release);
            state.tell();
            return Ok(Rebound::Stale);
        }
        self.replace(&mut state, subject);
        Ok(Rebound::Replaced)
    }

    /// Takes the login of another cell of the same user, if it is newer than the one that has ended here. Returns whether
    /// it is. One that is not newer may be the very one that has ended.
    pub(super) fn take_over(self: &Arc<Self>, other: &Self, now: Micros) -> bool {
        let theirs = other.subject(now);
        let Some(subject) = theirs.as_deref().and_then(Option::as_ref) else { return false };
        let is_newer = subject.freshness().beats(&self.state.lock().freshness);
        is_newer && self.rebind(subject).is_ok_and(|outcome| outcome == Rebound::Replaced)
    }

    /// The last id is gone: nobody comes back.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        self.clear(&mut state, Phase::Closed);
    }

    /// Whether the cell's login has ended and nobody else but its id keeps it.
    pub(super) fn is_over(&self, now: Micros) -> bool {
        !self.is_live(now)
    }

    fn replace(self: &Arc<Self>, state: &mut CellState, subject: &Arc<Subject>) {
        if state.phase != Phase::Valid {
            self.context.metrics.logins_live.inc();
        }
        state.phase = Phase::Valid;
        if &*state.name != subject.name() {
            state.name = subject.name().into();
        }
        state.freshness = subject.freshness();
        let end = subject.deadline();
        let before = std::mem::replace(&mut state.timer, end);
        // The subject first: who sees the new end sees the new subject, too.
        self.subject.store(Some(Arc::clone(subject)));
        self.deadline.store(end.0, Ordering::Release);
        self.generation.fetch_add(1, Ordering::Release);
        self.taken.fetch_add(1, Ordering::Release);
        self.nudge.store(false, Ordering::Release);
        self.context.deadlines.set(self, before, end);
        state.tell();
    }

    fn expire(&self, state: &mut CellState, phase: Phase, now: Micros) {
        if state.phase == Phase::Valid {
            audit::expiry(&state.name, state.timer.min(now));
            self.context.metrics.expiries.inc();
        }
        self.clear(state, phase);
    }

    /// Takes the login out. The end first, so that nothing begins under a subject that is about to go.
    fn clear(&self, state: &mut CellState, phase: Phase) {
        self.deadline.store(i64::MIN, Ordering::Release);
        self.generation.fetch_add(1, Ordering::Release);
        self.subject.store(None);
        if state.phase == Phase::Valid {
            self.context.metrics.logins_live.dec();
        }
        state.phase = phase;
        self.context.deadlines.remove(state.timer, self.serial);
        state.tell();
    }
}

impl CellState {
    fn tell(&self) {
        if let Some(watcher) = &self.watcher {
            watcher.changed();
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if state.phase == Phase::Valid {
            self.context.metrics.logins_live.dec();
        }
        self.context.deadlines.remove(state.timer, self.serial);
    }
}
