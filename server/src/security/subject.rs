//! One successful `authenticate`, from its answer to its logout.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use druse_protocol::auth::{Login, Operation, Principal};
use druse_protocol::time::Micros;

use super::logouts::Logouts;

/// Somebody who has authenticated, under one credential. Whoever works under it holds it by `Arc`; when the last one
/// lets go, exactly one logout is queued.
pub(crate) struct Subject {
    principal: Arc<dyn Principal>,
    issued_at: Option<Micros>,
    /// `Micros::MAX` if it does not run out.
    deadline: Micros,
    /// Whether the manager has said that it is over, before its time.
    is_over: AtomicBool,
    asked_at: Micros,
    ticket: u64,
    grants: Grants,
    logouts: Arc<Logouts>,
}

impl Subject {
    /// A subject made by `login`, for which was asked at `asked_at` as number `ticket` of the node.
    pub(crate) fn new(login: Login, asked_at: Micros, ticket: u64, logouts: Arc<Logouts>) -> Self {
        Self {
            principal: login.principal,
            issued_at: login.issued_at,
            deadline: login.expires_at.unwrap_or(Micros::MAX),
            is_over: AtomicBool::new(false),
            asked_at,
            ticket,
            grants: Grants::default(),
            logouts,
        }
    }

    pub(crate) fn principal(&self) -> &dyn Principal {
        &*self.principal
    }

    pub(crate) fn name(&self) -> &str {
        self.principal.name()
    }

    /// Whether it is good at that time. Several logins of one user may rest on it: what the manager says of one of them
    /// counts for all.
    pub(crate) fn is_good(&self, now: Micros) -> bool {
        now < self.deadline && !self.is_over.load(Ordering::Acquire)
    }

    /// The manager has said that it is over.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// The first instant at which it is no longer good; `Micros::MAX` if it does not run out.
    pub(crate) fn deadline(&self) -> Micros {
        self.deadline
    }

    /// The same, as managers give it.
    pub(crate) fn expires_at(&self) -> Option<Micros> {
        (self.deadline != Micros::MAX).then_some(self.deadline)
    }

    /// When the credential was issued; of one that does not say, when the login was asked for.
    pub(crate) fn made_at(&self) -> Micros {
        self.issued_at.unwrap_or(self.asked_at)
    }

    /// What orders this login among others of the same user.
    pub(crate) fn freshness(&self) -> Freshness {
        Freshness { issued_at: self.issued_at, deadline: self.deadline, ticket: self.ticket }
    }

    /// The permits that may be remembered for this login.
    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // The manager's code does not run here: this may be the hot path of an operation.
        self.logouts.push(Arc::clone(&self.principal));
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("name", &self.name())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// How new a login is.
///
/// Geode lets the last login to *arrive* win (ref. 3, section 7, row 23); if a slow one overtakes, a client goes on
/// under the older credential and is cut off early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freshness {
    issued_at: Option<Micros>,
    deadline: Micros,
    ticket: u64,
}

impl Freshness {
    /// Whether this one replaces `other`: issued later, if both say so; then lasting longer; then asked for later.
    pub(crate) fn beats(&self, other: &Self) -> bool {
        if let (Some(mine), Some(theirs)) = (self.issued_at, other.issued_at)
            && mine != theirs
        {
            return mine > theirs;
        }
        (self.deadline, self.ticket) > (other.deadline, other.ticket)
    }

    /// Whether this one was asked for later.
    pub(crate) fn was_asked_after(&self, other: &Self) -> bool {
        self.ticket > other.ticket
    }
}

/// Permits given for whole regions, remembered for one login. Lossy and without a lock: eight places, a region's number
/// decides which. What has been pushed out is asked again.
#[derive(Default)]
pub(crate) struct Grants([AtomicU64; Grants::PLACES]);

impl Grants {
    const PLACES: usize = 8;

    /// Whether `operation` on the region of that number was permitted.
    pub(crate) fn holds(&self, region: u32, operation: Operation) -> bool {
        let held = self.place(region).load(Ordering::Relaxed);
        held & !Self::OPERATIONS == Self::tag(region) && held & Self::bit(operation) != 0
    }

    /// Remembers a permit.
    pub(crate) fn remember(&self, region: u32, operation: Operation) {
        let place = self.place(region);
        let tag = Self::tag(region);
        // Two at once may lose a bit; it is then asked again.
        let held = place.load(Ordering::Relaxed);
        let held = if held & !Self::OPERATIONS == tag { held } else { tag };
        place.store(held | Self::bit(operation), Ordering::Relaxed);
    }

    const OPERATIONS: u64 = 0b111;

    fn place(&self, region: u32) -> &AtomicU64 {
        // The remainder is below the number of places.
        &self.0[region as usize % Self::PLACES]
    }

    /// One more than the number, so that an empty place belongs to no region.
    fn tag(region: u32) -> u64 {
        (u64::from(region) + 1) << 3
    }

    fn bit(operation: Operation) -> u64 {
        match operation {
            Operation::Read => 0b001,
            Operation::Write => 0b010,
            Operation::Manage => 0b100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(issued_at: Option<i64>, deadline: i64, ticket: u64) -> Freshness {
        Freshness { issued_at: issued_at.map(Micros), deadline: Micros(deadline), ticket }
    }

    #[test]
    fn the_later_issued_wins_before_the_longer_and_that_before_the_later_asked() {
        assert!(fresh(Some(2), 10, 1).beats(&fresh(Some(1), 99, 2)));
        assert!(fresh(Some(1), 99, 1).beats(&fresh(Some(1), 10, 2)));
        assert!(fresh(Some(1), 10, 2).beats(&fresh(Some(1), 10, 1)));
        assert!(fresh(None, 99, 1).beats(&fresh(Some(5), 10, 2)), "one does not say: the longer wins");
        assert!(!fresh(None, 10, 1).beats(&fresh(None, 10, 1)), "nothing beats itself");
    }

    #[test]
    fn permits_are_remembered_by_region_and_operation() {
        let grants = Grants::default();
        assert!(!grants.holds(0, Operation::Read), "an empty place permits nothing");
        grants.remember(3, Operation::Read);
        assert!(grants.holds(3, Operation::Read));
        assert!(!grants.holds(3, Operation::Write));
        assert!(!grants.holds(11, Operation::Read), "another region in the same place");
        grants.remember(3, Operation::Write);
        assert!(grants.holds(3, Operation::Read) && grants.holds(3, Operation::Write));
        grants.remember(11, Operation::Write);
        assert!(!grants.holds(3, Operation::Write));
    }
}
