//! A security manager with fail points, and a record of what it was asked.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{
    AuthError, BoxFuture, Credentials, DecisionScope, KeyScope, Login, Operation, Peer, Principal,
    ResourcePermission, SecurityManager, USERNAME,
};
use druse_protocol::time::Micros;
use parking_lot::Mutex;

impl super::Security {
    /// What is left of clients, and of ends of logins.
    pub(crate) fn leftovers(&self) -> (usize, usize) {
        (self.clients.len(), self.deadlines.len())
    }
}

/// Somebody with a name, and perhaps a session: `ann@laptop`.
#[derive(Debug)]
struct Person {
    name: String,
    session: Option<String>,
}

impl Person {
    fn called(text: &str) -> Self {
        match text.split_once('@') {
            Some((name, session)) => Self { name: name.to_owned(), session: Some(session.to_owned()) },
            None => Self { name: text.to_owned(), session: None },
        }
    }
}

impl Principal for Person {
    fn name(&self) -> &str {
        &self.name
    }

    fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Credentials of a person: their name, when issued, until when.
pub(crate) fn credentials(name: &str, issued_at: Option<Micros>, expires_at: Option<Micros>) -> Credentials {
    let mut credentials = Credentials::new().with(USERNAME, name);
    for (key, value) in [("issued-at", issued_at), ("expires-at", expires_at)] {
        if let Some(Micros(value)) = value {
            credentials.insert(key, value.to_string());
        }
    }
    credentials
}

/// Believes what the credentials say, unless a fail point says otherwise.
#[derive(Default)]
pub(crate) struct TestManager {
    state: Mutex<State>,
    scope: DecisionScope,
}

#[derive(Default)]
struct State {
    logins: BTreeMap<String, usize>,
    logouts: BTreeMap<String, usize>,
    /// Every permission asked, as `name permission`, and whether it was given.
    asked: Vec<(String, bool)>,
    expire_next: HashMap<(String, Operation), usize>,
    login_errors: Vec<AuthError>,
    /// Whether nobody can tell what is permitted.
    is_out: bool,
    login_delay: Duration,
    denied: Vec<(String, String)>,
}

impl TestManager {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn with_scope(scope: DecisionScope) -> Arc<Self> {
        Arc::new(Self { scope, ..Self::default() })
    }

    /// The next `n` permissions of that kind for `user` are answered with expiry.
    pub(crate) fn expire_next(&self, user: &str, operation: Operation, n: usize) {
        self.state.lock().expire_next.insert((user.to_owned(), operation), n);
    }

    /// From now on nobody can tell what is permitted; or can again.
    pub(crate) fn be_out(&self, is_out: bool) {
        self.state.lock().is_out = is_out;
    }

    /// The next login fails like that.
    pub(crate) fn login_error(&self, error: AuthError) {
        self.state.lock().login_errors.push(error);
    }

    /// Logins take so long from now on.
    pub(crate) fn delay_login(&self, delay: Duration) {
        self.state.lock().login_delay = delay;
    }

    /// `user` may not touch `target`, a region or `region:key`.
    pub(crate) fn deny(&self, user: &str, target: &str) {
        self.state.lock().denied.push((user.to_owned(), target.to_owned()));
    }

    /// How often credentials were accepted.
    pub(crate) fn logins(&self) -> usize {
        self.state.lock().logins.values().sum()
    }

    /// How often those of one user were.
    pub(crate) fn logins_of(&self, user: &str) -> usize {
        self.state.lock().logins.get(user).copied().unwrap_or_default()
    }

    /// How often a subject was handed back.
    pub(crate) fn logouts(&self) -> usize {
        self.state.lock().logouts.values().sum()
    }

    /// Takes what was asked so far.
    pub(crate) fn take_asked(&self) -> Vec<(String, bool)> {
        std::mem::take(&mut self.state.lock().asked)
    }

    fn answer(&self, name: &str, wanted: &ResourcePermission<'_>) -> Result<(), AuthError> {
        let mut state = self.state.lock();
        if state.is_out {
            return Err(AuthError::Unavailable("the directory does not answer".to_owned()));
        }
        if let Some(left @ 1..) = state.expire_next.get_mut(&(name.to_owned(), wanted.operation)) {
            *left -= 1;
            return Err(AuthError::Expired(format!("the time of {name} is over")));
        }
        let key = match wanted.key {
            KeyScope::Text(key) => key,
            _ => "",
        };
        let targets = [wanted.target.to_owned(), format!("{}:{key}", wanted.target)];
        if state.denied.iter().any(|(user, target)| user == name && targets.contains(target)) {
            return Err(AuthError::not_authorized(name, wanted));
        }
        Ok(())
    }
}

impl SecurityManager for TestManager {
    fn authenticate<'a>(
        &'a self,
        credentials: &'a Credentials,
        _peer: &'a Peer,
    ) -> BoxFuture<'a, Result<Login, AuthError>> {
        Box::pin(async move {
            let delay = self.state.lock().login_delay;
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let mut state = self.state.lock();
            if let Some(error) = state.login_errors.pop() {
                return Err(error);
            }
            let Some(name) = credentials.get(USERNAME) else {
                return Err(AuthError::Failed("who are you".to_owned()));
            };
            let person = Person::called(name);
            *state.logins.entry(person.name.clone()).or_default() += 1;
            let instant = |key| credentials.get(key).and_then(|text| text.parse().ok()).map(Micros);
            Ok(Login {
                principal: Arc::new(person),
                issued_at: instant("issued-at"),
                expires_at: instant("expires-at"),
            })
        })
    }

    fn authorize(
        &self,
        principal: &dyn Principal,
        wanted: &ResourcePermission<'_>,
        _now: Micros,
    ) -> Result<(), AuthError> {
        let answer = self.answer(principal.name(), wanted);
        self.state.lock().asked.push((format!("{} {wanted}", principal.name()), answer.is_ok()));
        answer
    }

    fn decision_scope(&self) -> DecisionScope {
        self.scope
    }

    fn logout(&self, principal: &dyn Principal) {
        *self.state.lock().logouts.entry(principal.name().to_owned()).or_default() += 1;
    }
}
