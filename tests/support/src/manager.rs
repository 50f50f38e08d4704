//! A security manager that does what a test tells it to, and counts.
//!
//! A token reads `name:version`, or `name:version:end` with its end in microseconds; a name may say through which
//! application it came, as in `ann@app`. Tokens of a user up to the version
//! that has been expired are over; everything else is decided by fail points.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{
    AuthError, BoxFuture, Credentials, Login, Operation, Peer, Principal, ResourcePermission, Revocation,
    RevocationScope, RevocationSink, SecurityManager, TOKEN,
};
use druse_protocol::time::Micros;
use parking_lot::Mutex;

/// How a login fails on cue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFault {
    /// As wrong credentials.
    Failed,
    /// As expired ones.
    Expired,
    /// Nobody can tell.
    Unavailable,
}

/// What has happened to one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Logins that were accepted.
    pub logins: u64,
    /// Logins that were refused.
    pub refused_logins: u64,
    /// Logouts.
    pub logouts: u64,
    /// `authorize` answered yes.
    pub permits: u64,
    /// `authorize` answered "expired".
    pub refusals: u64,
    /// The permits, by version of the token.
    pub permits_by_version: HashMap<u64, u64>,
}

/// The manager. Every user is known, and may do everything that has not been taken away.
#[derive(Default)]
pub struct Scripted {
    script: Mutex<Script>,
    sinks: Mutex<Vec<Arc<dyn RevocationSink>>>,
}

#[derive(Default)]
struct Script {
    tallies: HashMap<String, Tally>,
    /// The highest version seen and the highest expired, by user.
    seen: HashMap<String, u64>,
    expired: HashMap<String, u64>,
    revoked: HashMap<String, u64>,
    refuse_next: Vec<RefuseNext>,
    login_faults: Vec<(LoginFault, u64)>,
    login_delay: Duration,
    logins_at_once: usize,
    most_logins_at_once: usize,
    denied_regions: Vec<(String, u64, String)>,
}

/// Questions that are answered no, once enough of them have been answered yes.
struct RefuseNext {
    user: String,
    operation: Operation,
    skip: u64,
    count: u64,
    how: Refusal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Expired,
    Denied,
}

/// Counts a login while it is being made, also if nobody waits for it to the end.
struct UnderWay<'s>(&'s Mutex<Script>);

impl<'s> UnderWay<'s> {
    fn begin(script: &'s Mutex<Script>) -> Self {
        let mut locked = script.lock();
        locked.logins_at_once += 1;
        locked.most_logins_at_once = locked.most_logins_at_once.max(locked.logins_at_once);
        drop(locked);
        Self(script)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().logins_at_once -= 1;
    }
}

#[derive(Debug)]
struct Person {
    name: String,
    version: u64,
}

impl Principal for Person {
    fn name(&self) -> &str {
        &self.name
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn client(&self) -> Option<&str> {
        self.name.split_once('@').map(|(_, client)| client)
    }
}

impl Scripted {
    /// Everybody may come in.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// All tokens of `user` seen so far are over, without anybody being told.
    pub fn expire(&self, user: &str) {
        let mut script = self.script.lock();
        let seen = script.seen.get(user).copied().unwrap_or(0);
        script.expired.insert(user.to_owned(), seen);
    }

    /// Tokens of `user` up to that version are refused for good, whether or not they have been seen.
    pub fn refuse_up_to(&self, user: &str, version: u64) {
        self.script.lock().revoked.insert(user.to_owned(), version);
    }

    /// Ends all logins in `scope` that were made before `before`, at once, and refuses the tokens of their users that have
    /// been seen from now on.
    pub fn revoke(&self, scope: RevocationScope, before: Micros) {
        let mut script = self.script.lock();
        for (name, version) in script.seen.clone() {
            if scope.covers(&Person { name: name.clone(), version }) {
                let revoked = script.revoked.entry(name).or_default();
                *revoked = version.max(*revoked);
            }
        }
        drop(script);
        let revocation = Revocation { scope, before, reason: "the test wants it so".to_owned() };
        for sink in self.sinks.lock().iter() {
            sink.revoke(&revocation);
        }
    }

    /// The next `count` questions of that kind about `user` are answered "expired".
    pub fn expire_next(&self, user: &str, operation: Operation, count: u64) {
        self.expire_after(user, operation, 0, count);
    }

    /// The same, after `skip` of them were answered yes.
    pub fn expire_after(&self, user: &str, operation: Operation, skip: u64, count: u64) {
        self.refuse(user, operation, skip, count, Refusal::Expired);
    }

    /// After `skip` questions of that kind about `user` were answered yes, one is answered "not allowed".
    pub fn deny_after(&self, user: &str, operation: Operation, skip: u64) {
        self.refuse(user, operation, skip, 1, Refusal::Denied);
    }

    fn refuse(&self, user: &str, operation: Operation, skip: u64, count: u64, how: Refusal) {
        let next = RefuseNext { user: user.to_owned(), operation, skip, count, how };
        self.script.lock().refuse_next.push(next);
    }

    /// The next `count` logins fail.
    pub fn login_error(&self, fault: LoginFault, count: u64) {
        self.script.lock().login_faults.push((fault, count));
    }

    /// Logins take that long.
    pub fn delay_login(&self, delay: Duration) {
        self.script.lock().login_delay = delay;
    }

    /// From this version of its token on, `user` has no right to a region.
    pub fn deny_from(&self, user: &str, version: u64, region: &str) {
        self.script.lock().denied_regions.push((user.to_owned(), version, region.to_owned()));
    }

    /// No fail point any more.
    pub fn reset(&self) {
        let mut script = self.script.lock();
        script.refuse_next.clear();
        script.login_faults.clear();
        script.login_delay = Duration::ZERO;
    }

    /// What has happened to a user.
    #[must_use]
    pub fn of(&self, user: &str) -> Tally {
        self.script.lock().tallies.get(user).cloned().unwrap_or_default()
    }

    /// Accepted logins of a user.
    #[must_use]
    pub fn logins(&self, user: &str) -> u64 {
        self.of(user).logins
    }

    /// The most logins that were being made at any one time.
    #[must_use]
    pub fn most_logins_at_once(&self) -> usize {
        self.script.lock().most_logins_at_once
    }

    /// Logins and logouts of everybody.
    #[must_use]
    pub fn balance(&self) -> (u64, u64) {
        let script = self.script.lock();
        let sum = |of: fn(&Tally) -> u64| script.tallies.values().map(of).sum();
        (sum(|tally| tally.logins), sum(|tally| tally.logouts))
    }
}

impl Script {
    fn log_in(&mut self, token: &str) -> Result<Login, AuthError> {
        let mut fields = token.split(':');
        let name = fields.next().unwrap_or_default().to_owned();
        let version = fields.next().and_then(|version| version.parse::<u64>().ok());
        let expires_at = fields.next().and_then(|end| end.parse().ok()).map(Micros);
        let outcome = self.judge(&name, version);
        let tally = self.tallies.entry(name.clone()).or_default();
        match outcome {
            Ok(version) => {
                tally.logins += 1;
                let seen = self.seen.entry(name.clone()).or_default();
                *seen = version.max(*seen);
                Ok(Login { principal: Arc::new(Person { name, version }), issued_at: None, expires_at })
            }
            Err(error) => {
                tally.refused_logins += 1;
                Err(error)
            }
        }
    }

    fn judge(&mut self, name: &str, version: Option<u64>) -> Result<u64, AuthError> {
        if let Some((fault, count)) = self.login_faults.first_mut() {
            let fault = *fault;
            *count = count.saturating_sub(1);
            self.login_faults.retain(|(_, count)| *count > 0);
            return Err(match fault {
                LoginFault::Failed => AuthError::Failed("scripted".to_owned()),
                LoginFault::Expired => AuthError::Expired("scripted".to_owned()),
                LoginFault::Unavailable => AuthError::Unavailable("scripted".to_owned()),
            });
        }
        let version = version.ok_or_else(|| AuthError::Failed("not a token".to_owned()))?;
        if self.revoked.get(name).is_some_and(|&revoked| version <= revoked) {
            return Err(AuthError::Failed("the token was revoked".to_owned()));
        }
        if self.is_expired(name, version) {
            return Err(AuthError::Expired("the token is over".to_owned()));
        }
        Ok(version)
    }

    fn is_expired(&self, name: &str, version: u64) -> bool {
        self.expired.get(name).is_some_and(|&expired| version <= expired)
    }

    fn next_refusal(&mut self, name: &str, operation: Operation) -> Option<Refusal> {
        let mut hit = None;
        for next in &mut self.refuse_next {
            if hit.is_some() || next.user != name || next.operation != operation {
                continue;
            }
            if next.skip > 0 {
                next.skip -= 1;
            } else {
                next.count -= 1;
                hit = Some(next.how);
            }
        }
        self.refuse_next.retain(|next| next.count > 0);
        hit
    }
}

impl SecurityManager for Scripted {
    fn authenticate<'a>(
        &'a self,
        credentials: &'a Credentials,
        _: &'a Peer,
    ) -> BoxFuture<'a, Result<Login, AuthError>> {
        Box::pin(async move {
            let delay = self.script.lock().login_delay;
            let _under_way = UnderWay::begin(&self.script);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let token = credentials.get(TOKEN).unwrap_or_default();
            self.script.lock().log_in(token)
        })
    }

    fn authorize(
        &self,
        principal: &dyn Principal,
        wanted: &ResourcePermission<'_>,
        _: Micros,
    ) -> Result<(), AuthError> {
        let person = principal.as_any().downcast_ref::<Person>().expect("a principal of this manager");
        let mut script = self.script.lock();
        let next = script.next_refusal(&person.name, wanted.operation);
        let expired = next == Some(Refusal::Expired) || script.is_expired(&person.name, person.version);
        let denied = next == Some(Refusal::Denied)
            || script.denied_regions.iter().any(|(user, from, region)| {
                *user == person.name && person.version >= *from && region == wanted.target
            });
        let tally = script.tallies.entry(person.name.clone()).or_default();
        if expired {
            tally.refusals += 1;
            return Err(AuthError::Expired(format!("the token of {} is over", person.name)));
        }
        if denied {
            return Err(AuthError::not_authorized(&person.name, wanted));
        }
        tally.permits += 1;
        *tally.permits_by_version.entry(person.version).or_default() += 1;
        Ok(())
    }

    fn watch_revocations(&self, sink: Arc<dyn RevocationSink>) {
        self.sinks.lock().push(sink);
    }

    fn logout(&self, principal: &dyn Principal) {
        self.script.lock().tallies.entry(principal.name().to_owned()).or_default().logouts += 1;
    }
}
