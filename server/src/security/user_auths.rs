//! The users of one client identity: which unique id names which login.
//!
//! Geode: `ClientUserAuths.java`, `ServerConnection.java`. RFC.md section 3.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use druse_protocol::auth::{AuthError, RevocationScope};
use druse_protocol::compat::USER_NOT_FOUND;
use druse_protocol::time::Micros;
use hashbrown::HashMap;
use parking_lot::RwLock;

use super::Security;
use super::cell::{Cell, Rebound};
use super::logins::Authenticated;
use super::pace::Pace;
use super::subject::Subject;

/// All users of one client identity. Every connection and feed of the identity holds it; with the last one it goes.
pub(crate) struct ClientUserAuths {
    state: RwLock<State>,
    /// Counts removals of ids, so that a connection can keep what it looked up.
    removals: AtomicU64,
    /// Whether a login has said that the client understands notices on its feed.
    takes_notices: AtomicBool,
}

struct State {
    ids: HashMap<i64, Id, foldhash::fast::RandomState>,
    /// Number of the next id.
    issued: u64,
    /// Logins that came with a feed, the newest last: whoever they belong to has that one login, whatever the id.
    feeds: Vec<Arc<Cell>>,
    connections: usize,
    pace: Pace,
}

/// What a unique id names.
struct Id {
    cell: Arc<Cell>,
    /// Its place among the ids of the client, in the order in which they were given out.
    number: u64,
}

/// How many logins that came with feeds are kept. A client has one; more are those of somebody else who has tried to open
/// a feed under its identity, which must not make the client's own login be forgotten.
const FEEDS: usize = 8;

/// How many ids of one user are kept. A client that names none when it logs in gets another one each time; a request that
/// is under way with the one before must still find its login.
const ALIASES: usize = 64;

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
        let state = State {
            ids: HashMap::default(),
            issued: 0,
            feeds: Vec::new(),
            connections: 0,
            pace: Pace::default(),
        };
        Self { state: RwLock::new(state), removals: AtomicU64::new(0), takes_notices: AtomicBool::new(false) }
    }

    /// The cell that an id names, for this identity.
    pub(crate) fn cell(&self, unique_id: i64) -> Option<Arc<Cell>> {
        self.state.read().ids.get(&unique_id).map(|id| Arc::clone(&id.cell))
    }

    /// The newest id that names a cell.
    pub(crate) fn id_of(&self, cell: &Arc<Cell>) -> Option<i64> {
        let state = self.state.read();
        let ids = state.ids.iter().filter(|(_, id)| Arc::ptr_eq(&id.cell, cell));
        ids.max_by_key(|(_, id)| id.number).map(|(&unique_id, _)| unique_id)
    }

    /// Changes whenever an id is removed: what was looked up before may hold no longer.
    pub(crate) fn removals(&self) -> u64 {
        self.removals.load(Ordering::Acquire)
    }

    /// Whether the client is one of ours, as far as a login of it has told: the feed of several users shows no credentials
    /// itself.
    pub(crate) fn takes_notices(&self) -> bool {
        self.takes_notices.load(Ordering::Relaxed)
    }

    /// A login has said so.
    pub(crate) fn note_takes_notices(&self) {
        self.takes_notices.store(true, Ordering::Relaxed);
    }

    /// Some login of the client whose end has not come: what requests need that carry no id by protocol.
    pub(crate) fn any_live(&self, now: Micros) -> Option<Arc<Cell>> {
        self.state.read().cells().find(|cell| cell.is_live(now)).cloned()
    }

    /// Whether the client has ever logged in: decides how the lack of a live login is worded.
    pub(crate) fn any(&self) -> Option<Arc<Cell>> {
        self.state.read().cells().next().cloned()
    }

    /// REMOVE_USER_AUTH: the id names nobody any more. Returns whether it named somebody. The login goes with its last id.
    pub(crate) fn remove(&self, unique_id: i64) -> bool {
        let mut state = self.state.write();
        let Some(Id { cell, .. }) = state.ids.remove(&unique_id) else { return false };
        let is_last = !state.ids.values().any(|id| Arc::ptr_eq(&id.cell, &cell));
        drop(state);
        self.removals.fetch_add(1, Ordering::Release);
        if is_last {
            cell.close();
        }
        true
    }

    /// The login of that principal that lasts longest, if there is one.
    pub(crate) fn login_of(&self, principal: &str, now: Micros) -> Option<Arc<Cell>> {
        self.state.read().freshest(principal, now)
    }

    /// A login on which a feed rests has ended: goes on with a newer one that its user has under another id. Returns
    /// whether there was one.
    pub(crate) fn go_on(&self, cell: &Arc<Cell>, now: Micros) -> bool {
        let state = self.state.read();
        state.same_user(cell).any(|other| other.is_live(now) && cell.take_over(other, now))
    }

    /// How long the next login of this identity has to wait before the manager is asked.
    pub(super) fn delay(&self, now: Micros) -> Duration {
        let mut state = self.state.write();
        let size = state.connections.saturating_add(state.ids.len());
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
        check_end(subject, now)?;
        let mut state = self.state.write();
        // Under the lock: a revocation that comes later finds the cell, one that came earlier is seen here.
        security.check_revoked(subject)?;
        if let Some(unique_id) = login.named
            && let Some(id) = state.ids.get(&unique_id)
        {
            return match id.cell.rebind(subject)? {
                Rebound::Replaced | Rebound::Stale => {
                    state.free(&id.cell, now);
                    Ok(Admitted { unique_id, renewed: true })
                }
            };
        }
        let known = state.adopter(subject, now);
        let renewed = known.is_some();
        let cell = match known {
            Some(cell) => {
                cell.rebind(subject)?;
                cell
            }
            None => security.new_cell(Arc::clone(subject)),
        };
        state.free(&cell, now);
        let mut dropped = state.make_room(security.policies().ids_per_client, login.names_no_ids, now);
        let unique_id = security.new_unique_id(|id| state.ids.contains_key(&id));
        dropped += state.issue(unique_id, cell);
        drop(state);
        if dropped > 0 {
            self.removals.fetch_add(1, Ordering::Release);
        }
        Ok(Admitted { unique_id, renewed })
    }

    /// Takes the login in that came with a feed. From now on all ids of that principal name one and the same login, the
    /// freshest.
    ///
    /// # Errors
    /// As [`ClientUserAuths::admit`].
    pub(crate) fn admit_feed(
        &self,
        security: &Security,
        login: &Authenticated,
        now: Micros,
    ) -> Result<Arc<Cell>, AuthError> {
        let subject = &login.subject;
        check_end(subject, now)?;
        let mut state = self.state.write();
        security.check_revoked(subject)?;
        let cell = match state.freshest(subject.name(), now) {
            Some(cell) => {
                cell.rebind(subject)?;
                cell
            }
            None => security.new_cell(Arc::clone(subject)),
        };
        let merged = state.merge(&cell);
        state.keep_for_feed(&cell);
        drop(state);
        if !merged.is_empty() {
            self.removals.fetch_add(1, Ordering::Release);
            merged.iter().for_each(|cell| cell.close());
        }
        Ok(cell)
    }

    /// Ends the logins in `scope` that were made before `before`; returns how many there were.
    pub(super) fn revoke(&self, scope: &RevocationScope, before: Micros, now: Micros) -> usize {
        let state = self.state.read();
        // A login that has several ids is found once for each, but ends once.
        state.cells().filter(|cell| cell.revoke(scope, before, now)).count()
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
        let ids = std::mem::take(&mut state.ids);
        let feeds = std::mem::take(&mut state.feeds);
        drop(state);
        self.removals.fetch_add(1, Ordering::Release);
        ids.values().map(|id| &id.cell).chain(&feeds).for_each(|cell| cell.close());
        true
    }

    /// How many ids there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.state.read().ids.len()
    }
}

impl State {
    fn cells(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.feeds.iter().chain(self.ids.values().map(|id| &id.cell))
    }

    /// The login to which one belongs that names no id: that of the client's only user, with which its feed came, or of a
    /// user of several whose events wait.
    fn adopter(&self, subject: &Subject, now: Micros) -> Option<Arc<Cell>> {
        let is_theirs = |cell: &&Arc<Cell>| &*cell.name() == subject.name();
        let waits = |cell: &&Arc<Cell>| cell.is_watched() && !cell.is_live(now);
        let only = self.feeds.iter().rev().find(is_theirs);
        only.or_else(|| self.cells().filter(waits).find(is_theirs)).cloned()
    }

    /// Remembers the login of a feed. Of too many the oldest goes on which no feed rests.
    fn keep_for_feed(&mut self, cell: &Arc<Cell>) {
        self.feeds.retain(|it| !Arc::ptr_eq(it, cell));
        if self.feeds.len() >= FEEDS
            && let Some(at) = self.feeds.iter().position(|it| !it.is_watched())
        {
            self.feeds.remove(at);
        }
        self.feeds.push(Arc::clone(cell));
    }

    /// Whoever logs in frees all that waits for that user, under whichever id: two threads of a client that log in at once
    /// leave two logins, of which the client then uses one and a feed perhaps rests on the other.
    fn free(&self, cell: &Arc<Cell>, now: Micros) {
        let Some(subject) = cell.subject(now).as_deref().and_then(Option::as_ref).cloned() else { return };
        for waiting in self.same_user(cell).filter(|it| !it.is_live(now) && it.is_watched()) {
            // One that was cut off after this login was made stays so.
            let _ = waiting.rebind(&subject);
        }
    }

    /// The other logins of the user of `cell`.
    fn same_user(&self, cell: &Arc<Cell>) -> impl Iterator<Item = &Arc<Cell>> {
        let name = cell.name();
        self.cells().filter(move |it| !Arc::ptr_eq(it, cell) && it.name() == name)
    }

    /// Of the logins of that principal the one that lasts longest.
    fn freshest(&self, principal: &str, now: Micros) -> Option<Arc<Cell>> {
        let mine = self.cells().filter(|cell| &*cell.name() == principal);
        mine.max_by_key(|cell| (cell.is_watched(), cell.is_live(now), cell.deadline())).cloned()
    }

    /// Makes all ids of the principal of `cell` name it. What they named before is returned.
    fn merge(&mut self, cell: &Arc<Cell>) -> Vec<Arc<Cell>> {
        let name = cell.name();
        let others =
            self.ids.values_mut().filter(|id| !Arc::ptr_eq(&id.cell, cell) && id.cell.name() == name);
        others.map(|id| std::mem::replace(&mut id.cell, Arc::clone(cell))).collect()
    }

    /// Gives a cell another id. Of many the oldest goes; how many went is returned.
    fn issue(&mut self, unique_id: i64, cell: Arc<Cell>) -> usize {
        let aliases = self.ids.iter().filter(|(_, id)| Arc::ptr_eq(&id.cell, &cell));
        let aliases: Vec<(u64, i64)> = aliases.map(|(&unique_id, id)| (id.number, unique_id)).collect();
        let number = self.issued;
        self.issued += 1;
        self.ids.insert(unique_id, Id { cell, number });
        if aliases.len() < ALIASES {
            return 0;
        }
        let oldest = aliases.iter().min().and_then(|(_, oldest)| self.ids.remove(oldest));
        usize::from(oldest.is_some())
    }

    /// Makes room for another id and returns how many had to go. A client that names no ids when it logs in again leaves
    /// its old ones behind, which nobody can bind again: those that have ended go, unless a feed waits for them. At the
    /// bound the oldest go, ended or not: whoever still uses one is answered like a stranger and logs in again.
    fn make_room(&mut self, bound: usize, names_no_ids: bool, now: Micros) -> usize {
        let mut dropped: Vec<Arc<Cell>> = Vec::new();
        if names_no_ids || self.ids.len() >= bound {
            let over = self.ids.extract_if(|_, id| id.cell.is_over(now) && !id.cell.is_watched());
            dropped.extend(over.map(|(_, id)| id.cell));
        }
        while self.ids.len() >= bound.max(1) {
            let oldest = self.ids.iter().min_by_key(|(_, id)| id.number).map(|(&unique_id, _)| unique_id);
            let Some(oldest) = oldest else { break };
            dropped.extend(self.ids.remove(&oldest).map(|id| id.cell));
        }
        let orphans = dropped.iter().filter(|cell| !self.cells().any(|kept| Arc::ptr_eq(kept, cell)));
        orphans.for_each(|cell| cell.close());
        dropped.len()
    }
}

/// A credential that is dead on arrival never becomes a login. In Geode it does, and is refused at the first check, and so
/// on for ever (ref. 3, section 7, row 2).
fn check_end(subject: &Subject, now: Micros) -> Result<(), AuthError> {
    if now < subject.deadline() {
        return Ok(());
    }
    Err(AuthError::Expired("the credential has expired".to_owned()))
}

/// The refusal of an id that names nobody, of 0, of -1, and of no id at all. Its text makes every client log in.
pub(crate) fn unknown_user() -> AuthError {
    AuthError::Required(USER_NOT_FOUND.to_owned())
}
