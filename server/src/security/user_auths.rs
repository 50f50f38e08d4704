//! The users of one client identity: which unique id names which login.
//!
//! Geode: `ClientUserAuths.java`, `ServerConnection.java`. RFC.md section 3.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use druse_protocol::auth::AuthError;
use druse_protocol::compat::USER_NOT_FOUND;
use druse_protocol::time::Micros;
use hashbrown::HashMap;
use parking_lot::RwLock;

use super::Security;
use super::cell::{Cell, Rebound};
use super::logins::Authenticated;
use super::pace::Pace;

/// All users of one client identity. Every connection of the identity holds it; with the last one it goes.
pub(crate) struct ClientUserAuths {
    state: RwLock<State>,
    /// Counts removals of ids, so that a connection can keep what it looked up.
    removals: AtomicU64,
}

struct State {
    cells: HashMap<i64, Arc<Cell>, foldhash::fast::RandomState>,
    connections: usize,
    pace: Pace,
}

/// A login that took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The id under which the client is to name this user.
    pub(crate) unique_id: i64,
    /// Whether the client had this id before.
    pub(crate) renewed: bool,
}

impl ClientUserAuths {
    pub(super) fn new() -> Self {
        Self {
            state: RwLock::new(State { cells: HashMap::default(), connections: 0, pace: Pace::default() }),
            removals: AtomicU64::new(0),
        }
    }

    /// The cell that an id names, for this identity.
    pub(crate) fn cell(&self, unique_id: i64) -> Option<Arc<Cell>> {
        self.state.read().cells.get(&unique_id).cloned()
    }

    /// Changes whenever an id is removed: what was looked up before may hold no longer.
    pub(crate) fn removals(&self) -> u64 {
        self.removals.load(Ordering::Acquire)
    }

    /// Some login of the client whose end has not come: what requests need that carry no id by protocol.
    pub(crate) fn any_live(&self, now: Micros) -> Option<Arc<Cell>> {
        self.state.read().cells.values().find(|cell| cell.is_live(now)).cloned()
    }

    /// Whether the client has ever logged in: decides how the lack of a live login is worded.
    pub(crate) fn any(&self) -> Option<Arc<Cell>> {
        self.state.read().cells.values().next().cloned()
    }

    /// REMOVE_USER_AUTH: the id names nobody any more. Returns whether it named somebody.
    pub(crate) fn remove(&self, unique_id: i64) -> bool {
        let removed = self.state.write().cells.remove(&unique_id);
        self.removals.fetch_add(1, Ordering::Release);
        removed.inspect(|cell| cell.close()).is_some()
    }

    /// How long the next login of this identity has to wait before the manager is asked.
    pub(super) fn delay(&self, now: Micros) -> Duration {
        let mut state = self.state.write();
        let size = state.connections.saturating_add(state.cells.len());
        state.pace.delay(size, now)
    }

    /// Takes a login in: under the id that it named, if that is one of this identity, else under a new one.
    ///
    /// # Errors
    /// `Expired` if its end has come already or it was revoked meanwhile, `Failed` if the id belongs to somebody else.
    pub(crate) fn admit(
        &self,
        security: &Security,
        login: &Authenticated,
        now: Micros,
    ) -> Result<Admitted, AuthError> {
        let subject = &login.subject;
        if now >= subject.deadline() {
            // A credential that is dead on arrival never becomes a login. In Geode it does, and is refused at the first
            // check, and so on for ever (ref. 3, section 7, row 2).
            return Err(AuthError::Expired("the credential has expired".to_owned()));
        }
        let mut state = self.state.write();
        // Under the lock: a revocation that comes later finds the cell, one that came earlier is seen here.
        security.check_revoked(subject)?;
        if let Some(unique_id) = login.named
            && let Some(cell) = state.cells.get(&unique_id)
        {
            return match cell.rebind(subject)? {
                Rebound::Replaced | Rebound::Stale => Ok(Admitted { unique_id, renewed: true }),
            };
        }
        let dropped = state.make_room(security.policies().ids_per_client, login.names_no_ids, now);
        let unique_id = security.new_unique_id(|id| state.cells.contains_key(&id));
        let cell = security.new_cell(Arc::clone(subject));
        state.cells.insert(unique_id, cell);
        drop(state);
        if !dropped.is_empty() {
            self.removals.fetch_add(1, Ordering::Release);
            dropped.iter().for_each(|cell| cell.close());
        }
        Ok(Admitted { unique_id, renewed: false })
    }

    /// Ends the logins of `principal` that were made before `before`; returns how many there were.
    pub(super) fn revoke(&self, principal: &str, before: Micros, now: Micros) -> usize {
        let state = self.state.read();
        state.cells.values().filter(|cell| cell.revoke(principal, before, now)).count()
    }

    pub(super) fn connected(&self) {
        self.state.write().connections += 1;
    }

    /// One connection less; with the last one all logins go. Returns whether it was the last.
    pub(super) fn disconnected(&self) -> bool {
        let mut state = self.state.write();
        state.connections = state.connections.saturating_sub(1);
        if state.connections > 0 {
            return false;
        }
        let cells = std::mem::take(&mut state.cells);
        drop(state);
        self.removals.fetch_add(1, Ordering::Release);
        cells.values().for_each(|cell| cell.close());
        true
    }

    /// How many ids there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.state.read().cells.len()
    }
}

impl State {
    /// Makes room for another id. A client that names no ids when it logs in again leaves its old ones behind, which
    /// nobody can bind again: those that have ended go. At the bound the oldest go, ended or not: whoever still uses one
    /// is answered like a stranger and logs in again.
    fn make_room(&mut self, bound: usize, names_no_ids: bool, now: Micros) -> Vec<Arc<Cell>> {
        let mut dropped = Vec::new();
        if names_no_ids || self.cells.len() >= bound {
            dropped.extend(self.cells.extract_if(|_, cell| cell.is_over(now)).map(|(_, cell)| cell));
        }
        while self.cells.len() >= bound.max(1) {
            let Some(oldest) = self.cells.iter().min_by_key(|(_, cell)| cell.serial()).map(|(&id, _)| id)
            else {
                break;
            };
            dropped.extend(self.cells.remove(&oldest));
        }
        dropped
    }
}

/// The refusal of an id that names nobody, of 0, of -1, and of no id at all. Its text makes every client log in.
pub(crate) fn unknown_user() -> AuthError {
    AuthError::Required(USER_NOT_FOUND.to_owned())
}
