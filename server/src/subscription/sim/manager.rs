//! The security manager of a simulated node: it believes what credentials say, and watches how it is asked (I1, I2, I12).

use std::any::Any;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use druse_protocol::auth::{
    AuthError, BoxFuture, Credentials, DecisionScope, KeyScope, Login, Peer, Principal, ResourcePermission,
    SecurityManager, USERNAME,
};
use druse_protocol::time::Micros;
use parking_lot::Mutex;

use super::plan::Token;

/// Somebody, as one login made them.
#[derive(Debug)]
pub(super) struct Person {
    name: String,
    pub(super) login: u64,
}

impl Principal for Person {
    fn name(&self) -> &str {
        &self.name
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The manager.
pub(super) struct SimManager {
    state: Mutex<State>,
    scope: DecisionScope,
}

#[derive(Default)]
struct State {
    /// Until when each login is good; those that were logged out are gone.
    logins: HashMap<u64, Option<Micros>>,
    granted: u64,
    logged_out: u64,
    /// Logins that were said to be expired.
    said_expired: HashMap<u64, Micros>,
    expire_next: HashSet<String>,
    denied: BTreeSet<(String, String)>,
    /// Whoever was ever denied a key may miss events of it.
    ever_denied: BTreeSet<(String, String)>,
    wrong: Vec<String>,
}

impl SimManager {
    pub(super) fn new(scope: DecisionScope) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), scope })
    }

    /// Credentials that hold a token.
    pub(super) fn credentials(user: &str, token: Token) -> Credentials {
        let mut credentials = Credentials::new().with(USERNAME, user);
        if let Some(issued_at) = token.issued_at {
            credentials.insert("issued-at", issued_at.0.to_string());
        }
        if let Some(expires_at) = token.expires_at {
            credentials.insert("expires-at", expires_at.0.to_string());
        }
        credentials
    }

    /// The next permission that is asked for that user is answered with expiry.
    pub(super) fn expire_next(&self, user: &str) {
        self.state.lock().expire_next.insert(user.to_owned());
    }

    /// Takes the right to a key, or gives it back.
    pub(super) fn set_denied(&self, user: &str, key: &str, denied: bool) {
        let mut state = self.state.lock();
        let pair = (user.to_owned(), key.to_owned());
        if denied {
            state.ever_denied.insert(pair.clone());
            state.denied.insert(pair);
        } else {
            state.denied.remove(&pair);
        }
    }

    /// Gives everybody all rights, and forgets who was to be told of an expiry.
    pub(super) fn calm_down(&self) {
        let mut state = self.state.lock();
        state.denied.clear();
        state.expire_next.clear();
    }

    pub(super) fn was_denied(&self, user: &str, key: &str) -> bool {
        self.state.lock().ever_denied.contains(&(user.to_owned(), key.to_owned()))
    }

    pub(super) fn is_denied(&self, user: &str, key: &str) -> bool {
        self.state.lock().denied.contains(&(user.to_owned(), key.to_owned()))
    }

    /// Whether it has said of a login that it is over.
    pub(super) fn has_ended(&self, login: u64) -> bool {
        self.ended_at(login).is_some()
    }

    /// When it said so.
    pub(super) fn ended_at(&self, login: u64) -> Option<Micros> {
        self.state.lock().said_expired.get(&login).copied()
    }

    /// Logins that were granted, and how many of them were handed back.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.granted, state.logged_out)
    }

    /// What nobody should have asked.
    pub(super) fn wrong(&self) -> Option<String> {
        self.state.lock().wrong.pop()
    }
}

impl State {
    fn answer(
        &mut self,
        person: &Person,
        wanted: &ResourcePermission<'_>,
        now: Micros,
    ) -> Result<(), AuthError> {
        match self.logins.get(&person.login) {
            None => self.wrong.push(format!("I12: {} was asked about after its logout", person.name)),
            Some(Some(end)) if now >= *end => {
                self.wrong.push(format!("I1: {} was asked about at {now}, over since {end}", person.name));
            }
            Some(_) => {}
        }
        if self.said_expired.contains_key(&person.login) {
            self.wrong.push(format!("I7: {} was said to be expired and is asked about again", person.name));
        }
        if self.expire_next.remove(&person.name) {
            self.said_expired.insert(person.login, now);
            return Err(AuthError::Expired("over".to_owned()));
        }
        let key = match wanted.key {
            KeyScope::Text(key) => key,
            KeyScope::Region | KeyScope::Opaque => return Ok(()),
        };
        match self.denied.contains(&(person.name.clone(), key.to_owned())) {
            true => Err(AuthError::not_authorized(&person.name, wanted)),
            false => Ok(()),
        }
    }
}

impl SecurityManager for SimManager {
    fn authenticate<'a>(
        &'a self,
        credentials: &'a Credentials,
        _peer: &'a Peer,
    ) -> BoxFuture<'a, Result<Login, AuthError>> {
        let instant = |key| credentials.get(key).and_then(|text| text.parse().ok()).map(Micros);
        let (issued_at, expires_at) = (instant("issued-at"), instant("expires-at"));
        let name = credentials.get(USERNAME).unwrap_or_default().to_owned();
        let mut state = self.state.lock();
        state.granted += 1;
        let login = state.granted;
        state.logins.insert(login, expires_at);
        let principal = Arc::new(Person { name, login });
        Box::pin(std::future::ready(Ok(Login { principal, issued_at, expires_at })))
    }

    fn authorize(
        &self,
        principal: &dyn Principal,
        wanted: &ResourcePermission<'_>,
        now: Micros,
    ) -> Result<(), AuthError> {
        match principal.as_any().downcast_ref() {
            Some(person) => self.state.lock().answer(person, wanted, now),
            None => Err(AuthError::Failed("not one of ours".to_owned())),
        }
    }

    fn decision_scope(&self) -> DecisionScope {
        self.scope
    }

    fn logout(&self, principal: &dyn Principal) {
        let Some(person) = principal.as_any().downcast_ref::<Person>() else { return };
        let mut state = self.state.lock();
        state.logged_out += 1;
        if state.logins.remove(&person.login).is_none() {
            state.wrong.push(format!("I12: login {} was logged out twice", person.login));
        }
    }
}
