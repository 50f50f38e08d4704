//! Answering a server that wants a new login for its feed: off the task that reads the feed, through the user's gate.
//!
//! ```text
//!  110 or notice ──► Pace ──► gate: newer than what the feed was shown ──► message 77, same id, same server
//!                     │                                                       │
//!                     └── joined, if an answer is under way ◄── once more, if asked again meanwhile
//! ```
//! A gate that holds something newer already is not asked to fetch; otherwise its provider is called once, however many
//! servers ask.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::time::Micros;
use tracing::{debug, info, warn};

use super::event::FeedState;
use super::link::Link;
use crate::auth::state::Want;
use crate::auth::{Generation, Issued};
use crate::client::Core;
use crate::error::{Error, LoginError};
use crate::operation::credential_error;
use crate::sync::Mutex;
use crate::user::User;

/// The pause before a login that the last one has made no difference to; it doubles. A Geode server whose manager accepts
/// a login and still calls it expired asks again at once, for ever.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Where the doubling ends.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long after a failure that may pass the answer is tried again; it doubles, too. A server waits for a minute.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// How long after a login an invitation of a Druse node may be one that the login has answered already. The node says so
/// within this time; if it does not, the invitation is answered with the credential at hand, and the node says whether
/// that will do.
const ECHO: Duration = Duration::from_millis(250);

/// When to answer which invitation: those of one user on one server. Pure.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    under_way: bool,
    again: bool,
    /// Logins since the last event.
    in_vain: u32,
    /// Whether a Druse node says that it holds events back until there is a login.
    is_held: bool,
}

impl Pace {
    /// The server asks. How long to wait before answering; `None` if an answer is under way.
    ///
    /// A Geode server asks again only when it has seen the answer, and then it means it. A Druse node may have asked
    /// twice before it saw anything, and asks again later if it must.
    pub(crate) fn invited(&mut self, by_druse: bool) -> Option<Duration> {
        self.again |= self.under_way && !by_druse;
        if std::mem::replace(&mut self.under_way, true) {
            return None;
        }
        Some(self.pause())
    }

    /// An answer has been given. How long to wait before the next one, if the server has asked again.
    pub(crate) fn answered(&mut self) -> Option<Duration> {
        self.in_vain = self.in_vain.saturating_add(1);
        if std::mem::take(&mut self.again) {
            return Some(self.pause());
        }
        self.under_way = false;
        None
    }

    /// There is no answer: the next invitation begins anew.
    pub(crate) fn failed(&mut self) {
        (self.under_way, self.again) = (false, false);
    }

    /// An event has come: the last login has helped.
    pub(crate) fn helped(&mut self) {
        self.in_vain = 0;
    }

    fn pause(&self) -> Duration {
        match self.in_vain.checked_sub(1) {
            // The first in a row, or the second: an event may be on its way still.
            None => Duration::ZERO,
            Some(doublings) => FIRST_PAUSE.saturating_mul(1 << doublings.min(16)).min(LONGEST_PAUSE),
        }
    }
}

/// The paces of a link's users, by name.
#[derive(Debug, Default)]
pub(crate) struct Renewals(Mutex<HashMap<String, Pace>>);

impl Renewals {
    fn with<T>(&self, user: &User, act: impl FnOnce(&mut Pace) -> T) -> T {
        act(self.0.lock().entry(user.name().to_owned()).or_default())
    }

    /// An event has come.
    pub(crate) fn helped(&self) {
        self.0.lock().values_mut().for_each(Pace::helped);
    }

    /// A Druse node holds the user's events back.
    pub(crate) fn held(&self, user: &User) {
        self.with(user, |pace| pace.is_held = true);
    }

    /// A Druse node says that the last login was good: it lets events go, or asks for the next one in time.
    pub(crate) fn found_good(&self, user: &User) {
        self.with(user, |pace| {
            pace.is_held = false;
            pace.helped();
        });
    }
}

/// Answers an invitation, in a task that ends with the link.
pub(crate) fn invite(core: &Arc<Core>, link: &Arc<Link>, user: &Arc<User>) {
    let Some(pause) = link.renewals.with(user, |pace| pace.invited(link.is_druse())) else { return };
    let (core, link, user) = (Arc::clone(core), Arc::clone(link), Arc::clone(user));
    let tasks = core.feeds.tasks.clone();
    tasks.spawn(async move {
        tokio::select! {
            biased;
            () = link.closing.cancelled() => {}
            () = answer(&core, &link, &user, pause) => {}
        }
    });
}

async fn answer(core: &Arc<Core>, link: &Link, user: &Arc<User>, mut pause: Duration) {
    loop {
        core.runtime.sleep_until(core.runtime.now() + pause).await;
        if let Err(error) = persist(core, link, user).await {
            link.renewals.with(user, Pace::failed);
            warn!(user = %user.shown(), server = %link.server(), %error, "no login for the feed");
            return;
        }
        match link.renewals.with(user, Pace::answered) {
            Some(next) => pause = next,
            None => return,
        }
    }
}

/// Renews the login; failures that may pass are tried again for as long as the link lives. Each is told to the streams.
async fn persist(core: &Arc<Core>, link: &Link, user: &Arc<User>) -> Result<(), Error> {
    let mut pause = FIRST_RETRY;
    loop {
        let Err(error) = renew(core, link, user).await else { return Ok(()) };
        let state = FeedState::ReauthenticationFailed(Arc::new(error.clone()));
        core.feeds.tell(Some(user), &state);
        if !error.is_retryable() {
            return Err(error);
        }
        core.runtime.sleep_until(core.runtime.now() + pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One login with a credential that the feed has not been shown yet; and once more if exactly that has run out, too.
async fn renew(core: &Arc<Core>, link: &Link, user: &Arc<User>) -> Result<(), Error> {
    let Some(gate) = &user.gate else { return Ok(()) };
    let (server, known) = (link.server().to_string(), user.generation());
    let deadline: Micros = core.runtime.now() + core.config.operation_timeout;
    let crossed = link.is_druse() && user.has_just_logged_in(link.server(), ECHO);
    if crossed {
        // A node refuses the same credential twice in a moment.
        core.runtime.sleep_until(core.runtime.now() + ECHO).await;
        if !link.renewals.with(user, |pace| pace.is_held) {
            return Ok(());
        }
    }
    let mut want = if crossed { Want::Live } else { Want::NewerThan(link.last_shown(user)) };
    loop {
        let issued = gate.credential(want, &server, deadline).await.map_err(credential_error)?;
        let in_any_case = crossed || link.has_its_own_login();
        match show(core, link, user, &issued, in_any_case).await {
            Ok(()) => return Ok(()),
            // Fetched before anybody knew that the feed needs one: a fresh one may do.
            Err(error) if error.is_refusal() && issued.generation <= known => {
                gate.invalidate(issued.generation);
                want = Want::NewerThan(issued.generation);
            }
            Err(error) => {
                if error.is_refusal() {
                    gate.invalidate(issued.generation);
                }
                return Err(Error::Login(error));
            }
        }
    }
}

/// Sends message 77: if somebody has done so already with this credential only where it must be `in_any_case`.
async fn show(
    core: &Arc<Core>,
    link: &Link,
    user: &Arc<User>,
    issued: &Arc<Issued>,
    in_any_case: bool,
) -> Result<(), LoginError> {
    let replaced = user.ticket_on(link.server()).filter(|_| in_any_case);
    core.login(user, &link.endpoint, issued, replaced).await?;
    link.renewed(issued.generation);
    info!(user = %user.shown(), server = %link.server(), generation = %issued.generation, "login of the feed renewed");
    Ok(())
}

/// Keeps the logins behind a user's streams fresh: with each new credential it logs in where the streams are registered,
/// before a server has to ask. It ends when the user has no stream any more.
pub(crate) async fn keep_fresh(core: Arc<Core>, user: Arc<User>) {
    let Some(gate) = user.gate.clone() else { return };
    let mut generations = gate.generations();
    loop {
        // Looks at the credential as an operation would: the gate renews early only what is in use.
        let _ = gate.credential(Want::NewerThan(Generation::NONE), "", core.runtime.now()).await;
        tokio::select! {
            biased;
            () = core.feeds.closing.cancelled() => return,
            changed = generations.changed() => if changed.is_err() { return },
        }
        if core.feeds.registry.mailboxes(Some(&user)).is_empty() {
            core.feeds.forget_keeper(&user);
            return;
        }
        for link in core.feeds.links() {
            if let Some(issued) = gate.held()
                && core.feeds.hears_operations(&link)
            {
                let outcome = core.login(&user, &link.endpoint, &issued, None).await;
                debug!(user = %user.shown(), server = %link.server(), ok = outcome.is_ok(), "login kept fresh");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invitations_that_come_while_one_is_answered_cost_one_more_answer() {
        let mut pace = Pace::default();
        assert_eq!(pace.invited(false), Some(Duration::ZERO));
        assert_eq!((pace.invited(false), pace.invited(false)), (None, None));
        assert!(pace.answered().is_some());
        assert_eq!(pace.answered(), None);
    }

    #[test]
    fn answers_that_change_nothing_come_ever_slower_until_an_event_comes() {
        let mut pace = Pace::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pauses.push(pace.invited(false).unwrap().as_millis());
            pace.answered();
        }
        assert_eq!(pauses, [0, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        pace.helped();
        assert_eq!(pace.invited(false), Some(Duration::ZERO));
    }

    #[test]
    fn a_druse_node_that_asks_twice_means_one_login() {
        let mut pace = Pace::default();
        assert_eq!(pace.invited(true), Some(Duration::ZERO));
        assert_eq!((pace.invited(true), pace.answered()), (None, None));
    }

    #[test]
    fn after_a_failure_the_next_invitation_is_answered() {
        let mut pace = Pace::default();
        pace.invited(false);
        pace.failed();
        assert_eq!(pace.invited(false), Some(Duration::ZERO));
    }
}
