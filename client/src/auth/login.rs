//! One login for each user, server and generation, whatever the number of tasks and connections.
//!
//! ids hold for all connections of a client to a server, so one message 77 is enough. It goes over a connection that
//! carries nothing else meanwhile: nobody waits behind it who does not need it.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::state::Generation;
use crate::runtime::Runtime;
use crate::sync::Mutex;

/// A login that a server has accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginTicket {
    /// Which login of this cell it is; tells two logins with the same credential apart.
    pub serial: u64,
    /// The credential that was shown.
    pub generation: Generation,
    /// The id that the server gave; a re-login keeps it on servers from 1.15 on.
    pub unique_id: i64,
}

/// One user's login on one server.
pub struct LoginCell<E> {
    inner: Arc<Mutex<Inner<E>>>,
    runtime: Arc<dyn Runtime>,
    closing: CancellationToken,
}

type Landed<E> = Option<Result<LoginTicket, E>>;

struct Inner<E> {
    ticket: Option<LoginTicket>,
    flight: Option<(Generation, watch::Receiver<Landed<E>>)>,
    serials: u64,
    logins: u64,
}

/// What [`LoginCell::ensure`] finds.
enum Found<E> {
    Ticket(LoginTicket),
    Flight(watch::Receiver<Landed<E>>),
    Lead { sender: watch::Sender<Landed<E>>, before: Option<watch::Receiver<Landed<E>>> },
}

impl<E: Clone + Send + Sync + 'static> LoginCell<E> {
    /// A cell without a login. `closing` ends its tasks.
    #[must_use]
    pub fn new(runtime: Arc<dyn Runtime>, closing: CancellationToken) -> Self {
        let inner = Inner { ticket: None, flight: None, serials: 0, logins: 0 };
        Self { inner: Arc::new(Mutex::new(inner)), runtime, closing }
    }

    /// The login at the moment.
    #[must_use]
    pub fn ticket(&self) -> Option<LoginTicket> {
        self.inner.lock().ticket
    }

    /// How many logins have been begun.
    #[must_use]
    pub fn logins(&self) -> u64 {
        self.inner.lock().logins
    }

    /// A login with a credential of at least `generation` that came after the one `refused`. If there is none, one
    /// caller's `login` is run, given the id to keep, and everybody waits for it. It runs in a task of its own: a
    /// cancelled caller does not cancel it for the others. Logins of one cell never overlap: on a Geode server the last
    /// to arrive wins, and it must not be the older one.
    ///
    /// # Errors
    /// What `login` failed with; `interrupted` if its task ended before it did.
    pub async fn ensure<F, Fut>(
        &self,
        generation: Generation,
        refused: Option<LoginTicket>,
        interrupted: E,
        login: F,
    ) -> Result<LoginTicket, E>
    where
        F: FnOnce(Option<i64>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<i64, E>> + Send + 'static,
    {
        let mut flight = match self.find(generation, refused) {
            Found::Ticket(ticket) => return Ok(ticket),
            Found::Flight(flight) => flight,
            Found::Lead { sender, before } => {
                let receiver = sender.subscribe();
                let interrupted = Some(interrupted.clone());
                let landing = Landing { inner: Arc::clone(&self.inner), generation, sender, interrupted };
                self.runtime.spawn(Box::pin(lead(landing, before, login, self.closing.clone())));
                receiver
            }
        };
        let landed = flight.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
        landed.unwrap_or(Err(interrupted))
    }

    /// Forgets the login, because the server has: this one if it is still the one held, or any.
    pub fn forget(&self, ticket: Option<LoginTicket>) {
        self.inner.lock().ticket.take_if(|held| ticket.is_none_or(|ticket| *held == ticket));
    }

    fn find(&self, generation: Generation, refused: Option<LoginTicket>) -> Found<E> {
        let mut inner = self.inner.lock();
        if let Some(ticket) = inner.ticket
            && ticket.generation >= generation
            && refused.is_none_or(|old| ticket.generation > old.generation || ticket.serial > old.serial)
        {
            return Found::Ticket(ticket);
        }
        if let Some((flying, flight)) = &inner.flight
            && *flying >= generation
        {
            return Found::Flight(flight.clone());
        }
        let (sender, receiver) = watch::channel(None);
        let before = inner.flight.replace((generation, receiver)).map(|(_, flight)| flight);
        inner.logins += 1;
        Found::Lead { sender, before }
    }
}

async fn lead<E, F, Fut>(
    mut landing: Landing<E>,
    before: Option<watch::Receiver<Landed<E>>>,
    login: F,
    closing: CancellationToken,
) where
    E: Clone + Send + Sync + 'static,
    F: FnOnce(Option<i64>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<i64, E>> + Send + 'static,
{
    let turn = async {
        if let Some(mut before) = before {
            // Whatever became of it, it is over.
            let _ = before.wait_for(Option::is_some).await;
        }
        let id = landing.inner.lock().ticket.map(|ticket| ticket.unique_id);
        login(id).await
    };
    let outcome = tokio::select! {
        biased;
        () = closing.cancelled() => return,
        outcome = turn => outcome,
    };
    landing.finish(outcome);
}

/// Lands a login exactly once, also if its task dies on the way.
struct Landing<E: Clone> {
    inner: Arc<Mutex<Inner<E>>>,
    generation: Generation,
    sender: watch::Sender<Landed<E>>,
    interrupted: Option<E>,
}

impl<E: Clone> Landing<E> {
    fn finish(&mut self, outcome: Result<i64, E>) {
        self.interrupted = None;
        let outcome = {
            let mut inner = self.inner.lock();
            inner.flight.take_if(|(_, flight)| flight.same_channel(&self.sender.subscribe()));
            outcome.map(|unique_id| {
                inner.serials += 1;
                let ticket = LoginTicket { serial: inner.serials, generation: self.generation, unique_id };
                inner.ticket = Some(ticket);
                ticket
            })
        };
        self.sender.send_replace(Some(outcome));
    }
}

impl<E: Clone> Drop for Landing<E> {
    fn drop(&mut self) {
        if let Some(interrupted) = self.interrupted.take() {
            self.finish(Err(interrupted));
        }
    }
}
