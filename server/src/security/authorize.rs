//! May this user do that, now? Asked by every operation.

use std::sync::Arc;

use druse_protocol::auth::{AuthError, DecisionScope, KeyScope, Operation, Resource, ResourcePermission};
use druse_protocol::message::key::KeyRef;
use druse_protocol::time::Micros;

use super::{Cell, Security, Subject};

/// A login under which an operation may run. Whoever goes on for longer keeps it and asks again.
pub(crate) type Permit = arc_swap::Guard<Option<Arc<Subject>>>;

/// A permission as a request gives it: the key is made text only if the manager is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    resource: Resource,
    /// What is to be done.
    pub(crate) operation: Operation,
    target: &'a str,
    key: Option<KeyRef<'a>>,
}

impl<'a> Wanted<'a> {
    /// `DATA:operation` on a region without its leading slash, for one key or all.
    pub(crate) const fn data(operation: Operation, region: &'a str, key: Option<KeyRef<'a>>) -> Self {
        Self { resource: Resource::Data, operation, target: region, key }
    }

    /// The permission as managers see it.
    pub(crate) fn with_permission<T>(&self, act: impl FnOnce(&ResourcePermission<'_>) -> T) -> T {
        let text = self.key.map(KeyRef::text);
        let key = match &text {
            None => KeyScope::Region,
            Some(Some(text)) => KeyScope::Text(text),
            Some(None) => KeyScope::Opaque,
        };
        act(&ResourcePermission {
            resource: self.resource,
            operation: self.operation,
            target: self.target,
            key,
        })
    }
}

impl Security {
    /// The login in `cell`, if its end has not come. No permission is asked.
    ///
    /// # Errors
    /// `Expired`; the login is taken out of the cell then.
    pub(crate) fn admit(&self, cell: &Cell, now: Micros) -> Result<Permit, AuthError> {
        cell.subject(now).ok_or_else(|| cell.refusal(now))
    }

    /// Asks whether the user in `cell` may do what is `wanted` with the region of that number. Reads the time first: a
    /// manager that knows no time cannot keep a login alive.
    ///
    /// # Errors
    /// `Expired` or `NotAuthorized`, with the manager's text.
    pub(crate) fn authorize(
        &self,
        cell: &Cell,
        region: Option<u32>,
        wanted: &Wanted<'_>,
        now: Micros,
    ) -> Result<Permit, AuthError> {
        let permit = self.admit(cell, now)?;
        let Some(subject) = permit.as_ref() else { return Err(cell.refusal(now)) };
        let remembered = region.filter(|_| self.scope == DecisionScope::Region);
        if remembered.is_some_and(|region| subject.grants().holds(region, wanted.operation)) {
            return Ok(permit);
        }
        let wall = self.lead.wall_at(now);
        let answer =
            wanted.with_permission(|wanted| self.manager.authorize(subject.principal(), wanted, wall));
        match answer {
            Ok(()) => {
                if let Some(region) = remembered {
                    subject.grants().remember(region, wanted.operation);
                }
                Ok(permit)
            }
            Err(error) => {
                if error.is_expired() {
                    cell.expire_subject(subject, now);
                }
                Err(error)
            }
        }
    }
}
