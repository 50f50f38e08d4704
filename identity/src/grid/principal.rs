//! The grid's view of one login's owner.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use druse_protocol::auth::{AuthError, Principal, ResourcePermission};
use druse_protocol::time::Micros;

use super::Grants;
use crate::ends::Watch;

/// The handle by which something outside ends logins: the first instant at which they are over. Shared by all the
/// logins that end together.
#[derive(Debug)]
pub struct Pin(AtomicI64);

impl Pin {
    /// A pin that ends nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicI64::new(Micros::MAX.0))
    }

    /// Ends what hangs on it from `at`. What has ended stays ended: a later instant changes nothing.
    pub fn end(&self, at: Micros) {
        self.0.fetch_min(at.0, Ordering::AcqRel);
    }

    /// The instant of the end, [`Micros::MAX`] if there is none.
    #[must_use]
    pub fn ended_at(&self) -> Micros {
        Micros(self.0.load(Ordering::Acquire))
    }
}

impl Default for Pin {
    fn default() -> Self {
        Self::new()
    }
}

/// Somebody known to the managers of this crate: our kind of [`Principal`].
#[derive(Debug)]
pub struct GridPrincipal {
    /// The name for audit lines, equal for equal persons.
    pub(crate) name: String,
    /// Who acts on the subject's behalf (`act.sub`), if the credential says so.
    pub(crate) actor: Option<String>,
    /// The client through which the credential came (`client_id` or `azp`).
    pub(crate) client: Option<String>,
    /// The issuer's session (`sid`).
    pub(crate) session: Option<String>,
    /// When the credential was issued, if it says so.
    pub(crate) issued_at: Option<Micros>,
    /// The first instant at which the login is over.
    pub(crate) ends_at: Micros,
    /// The end from outside.
    pub(crate) pin: Arc<Pin>,
    /// The feed that would tell of its end, if there is one.
    pub(crate) watch: Option<Arc<Watch>>,
    /// What is allowed.
    pub(crate) grants: Grants,
}

impl GridPrincipal {
    /// Who acts on the subject's behalf, if somebody does.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// The client through which the credential came, if it says so.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The issuer's session, if the credential names one.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The first instant at which this login is over; [`Micros::MAX`] if it does not run out.
    #[must_use]
    pub fn ends_at(&self) -> Micros {
        self.ends_at
    }

    /// What is allowed.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// May this be done, now? Two loads, a compare and a binary search (identity-spec 3.2).
    ///
    /// # Errors
    /// `Expired` once the login is over, else `NotAuthorized`.
    pub fn authorize(&self, wanted: &ResourcePermission<'_>, now: Micros) -> Result<(), AuthError> {
        if now >= self.ends_at || now >= self.pin.ended_at() {
            return Err(self.over());
        }
        if self.watch.as_ref().is_some_and(|watch| !watch.is_trusted(now)) {
            return Err(self.unknown());
        }
        if self.grants.allow(wanted) { Ok(()) } else { Err(AuthError::not_authorized(&self.name, wanted)) }
    }

    /// Whether its end would be known: a strict policy takes silence for the end.
    #[cold]
    fn unknown(&self) -> AuthError {
        AuthError::Expired(format!("whether the login of {} has ended is not known at the moment", self.name))
    }

    #[cold]
    fn over(&self) -> AuthError {
        AuthError::Expired(format!("the login of {} has ended", self.name))
    }
}

impl Principal for GridPrincipal {
    fn name(&self) -> &str {
        &self.name
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }
}

/// The one implementation of `SecurityManager::authorize` for managers whose principals are [`GridPrincipal`]s.
pub(crate) fn authorize(
    principal: &dyn Principal,
    wanted: &ResourcePermission<'_>,
    now: Micros,
) -> Result<(), AuthError> {
    match principal.as_any().downcast_ref::<GridPrincipal>() {
        Some(principal) => principal.authorize(wanted, now),
        // A principal of another manager: nothing is known of it here.
        None => Err(AuthError::not_authorized(principal.name(), wanted)),
    }
}

#[cfg(test)]
mod tests {
    use druse_protocol::auth::KeyScope;

    use super::*;
    use crate::ends::BlindPolicy;

    fn ann() -> GridPrincipal {
        GridPrincipal {
            name: "ann".into(),
            actor: None,
            client: None,
            session: None,
            issued_at: None,
            ends_at: Micros(1_000),
            pin: Arc::new(Pin::new()),
            watch: None,
            grants: Grants::compile(["grid:data:read:orders"]),
        }
    }

    #[test]
    fn the_end_is_the_first_instant_that_is_over() {
        let wanted = ResourcePermission::read("orders", KeyScope::Region);
        assert_eq!(ann().authorize(&wanted, Micros(999)), Ok(()));
        assert!(matches!(ann().authorize(&wanted, Micros(1_000)), Err(AuthError::Expired(_))));
    }

    #[test]
    fn expiry_goes_before_a_missing_grant() {
        let wanted = ResourcePermission::write("orders", KeyScope::Region);
        assert_eq!(
            ann().authorize(&wanted, Micros(0)),
            Err(AuthError::NotAuthorized("ann not authorized for DATA:WRITE:orders".into()))
        );
        assert!(matches!(ann().authorize(&wanted, Micros(1_000)), Err(AuthError::Expired(_))));
    }

    #[test]
    fn a_strict_policy_takes_silence_for_the_end() {
        let watch = Some(Arc::new(Watch::new(BlindPolicy::Strict, Micros(0))));
        let ann = GridPrincipal { ends_at: Micros::MAX, watch, ..ann() };
        let wanted = ResourcePermission::read("orders", KeyScope::Region);
        assert_eq!(ann.authorize(&wanted, Micros::from_secs(29)), Ok(()));
        assert!(matches!(ann.authorize(&wanted, Micros::from_secs(30)), Err(AuthError::Expired(_))));
    }

    #[test]
    fn a_pin_ends_early_and_for_good() {
        let ann = ann();
        let wanted = ResourcePermission::read("orders", KeyScope::Region);
        ann.pin.end(Micros(500));
        ann.pin.end(Micros(800));
        assert_eq!(ann.authorize(&wanted, Micros(499)), Ok(()));
        assert!(matches!(ann.authorize(&wanted, Micros(500)), Err(AuthError::Expired(_))));
    }
}
