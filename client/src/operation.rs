//! Carrying an operation out: a server, a login, a connection; once more after an expiry, and after a broken connection
//! as far as nothing is applied twice.
//!
//! ```text
//!  ┌─► pick a server ─► login there ─► send ─┬─ answer ─────────────► done
//!  │                        ▲                ├─ expired, first time ─► gate: newer credential ─┐
//!  │                        └────────────────┼──────────────────────────────────────────────────┘
//!  │                                         ├─ expired, second time ► surfaces
//!  └── another, retry mark, same event id ◄──┴─ connection lost (if that is safe)
//! ```

use std::sync::Arc;

use bytes::Bytes;
use druse_protocol::auth::AuthError;
use druse_protocol::codec::MessageType;
use druse_protocol::compat;
use druse_protocol::message::envelope::Envelope;
use druse_protocol::message::exception::{RemoteException as ServerException, ThrowableClass};
use druse_protocol::time::Micros;
use tracing::{debug, info};

use crate::auth::state::Want;
use crate::auth::{GateError, Generation, LoginTicket};
use crate::client::Core;
use crate::connection::{Connection, Reply, Request};
use crate::endpoint::Endpoint;
use crate::error::{ConnectError, Error, LoginError};
use crate::listener::{AttemptEvent, AttemptStage};
use crate::user::User;
use crate::wire;

/// How an operation may be repeated when its connection is lost after it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing.
    Question,
    /// It changes something, and the server recognises it by its event id.
    Recognised,
    /// It may be applied twice: never.
    Never,
}

/// An operation that can be encoded as often as it takes.
pub(crate) struct Operation<'a> {
    pub(crate) kind: MessageType,
    pub(crate) region: &'a str,
    pub(crate) repeat: Repeat,
    pub(crate) encode: &'a (dyn Fn(&mut Vec<u8>, &Envelope) + Send + Sync),
}

/// The state of one operation between attempts.
struct Progress<'a> {
    deadline: Micros,
    /// The connection that must be taken; none if any of the pool's will do.
    over: Option<&'a Connection>,
    /// The newest credential when the operation began. One that came later was fetched for it: if that is refused
    /// too, asking again would not help.
    known: Generation,
    refused: Option<LoginTicket>,
    renewed: bool,
    logged_in_again: bool,
    maybe_applied: bool,
    attempts: usize,
}

impl<'a> Progress<'a> {
    fn begin(user: &User, deadline: Micros, over: Option<&'a Connection>) -> Self {
        Self {
            deadline,
            over,
            known: user.generation(),
            refused: None,
            renewed: false,
            logged_in_again: false,
            maybe_applied: false,
            attempts: 0,
        }
    }
}

enum Attempt {
    Done(Reply),
    /// Not accepted; the login has been renewed, the same server is to be asked again.
    Again,
    /// The connection or the server was lost.
    Lost(Error),
}

impl Core {
    /// Carries out `operation` for `user`.
    pub(crate) async fn execute(&self, user: &Arc<User>, operation: &Operation<'_>) -> Result<Reply, Error> {
        let deadline = self.runtime.now() + self.config.operation_timeout;
        let mut progress = Progress::begin(user, deadline, None);
        let outcome = self.attempts(user, operation, &mut progress).await;
        outcome.map_err(|error| in_doubt(error, operation, &progress))
    }

    async fn attempts(
        &self,
        user: &Arc<User>,
        operation: &Operation<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Reply, Error> {
        let mut excluded = Vec::new();
        loop {
            let endpoint = self.servers.pick(&excluded, progress.deadline).await?;
            let lost = loop {
                match self.attempt(user, &endpoint, operation, progress).await? {
                    Attempt::Done(reply) => return Ok(reply),
                    Attempt::Again => {}
                    Attempt::Lost(error) => break error,
                }
            };
            debug!(server = %endpoint.server(), error = %lost, "attempt lost");
            progress.attempts += 1;
            let may_repeat = operation.repeat != Repeat::Never || !progress.maybe_applied;
            if !may_repeat || progress.attempts > self.config.retry_attempts {
                return Err(lost);
            }
            if self.runtime.now() >= progress.deadline {
                return Err(lost);
            }
            self.servers.failed(endpoint.server());
            excluded.push(endpoint.server().clone());
        }
    }

    /// Carries out `operation` on one server and no other, over a connection that the caller holds there.
    pub(crate) async fn execute_on(
        &self,
        user: &Arc<User>,
        endpoint: &Arc<Endpoint>,
        over: &Connection,
        operation: &Operation<'_>,
        deadline: Micros,
    ) -> Result<Reply, Error> {
        let mut progress = Progress::begin(user, deadline, Some(over));
        loop {
            match self.attempt(user, endpoint, operation, &mut progress).await? {
                Attempt::Done(reply) => return Ok(reply),
                Attempt::Again => {}
                Attempt::Lost(error) => return Err(error),
            }
        }
    }

    async fn attempt(
        &self,
        user: &Arc<User>,
        endpoint: &Arc<Endpoint>,
        operation: &Operation<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Attempt, Error> {
        let ticket = match self.log_in(user, endpoint, progress).await {
            Ok(ticket) => ticket,
            Err(Error::Login(error)) if error.is_transport() => {
                return Ok(Attempt::Lost(Error::Login(error)));
            }
            Err(error) => return Err(error),
        };
        self.report(operation, endpoint, AttemptStage::Started);
        let reply = self.send(user, endpoint, operation, ticket, progress).await;
        let exception = reply.as_ref().ok().map(wire::exception);
        let succeeded = matches!(exception, Some(Ok(None)));
        let stage = if succeeded { AttemptStage::Succeeded } else { AttemptStage::Failed };
        self.report(operation, endpoint, stage);
        let exception = exception.transpose().map_err(Error::Malformed)?.flatten();
        let exception = match (reply, exception) {
            (Err(error), _) => return Ok(Attempt::Lost(error)),
            (Ok(reply), None) => return Ok(Attempt::Done(reply)),
            (Ok(_), Some(exception)) => exception,
        };
        match (Refusal::of(&exception), ticket) {
            (Some(refusal), Some(ticket)) => {
                self.refused(user, endpoint, progress, ticket, refusal, exception).await
            }
            (Some(_), None) => Err(Error::Login(LoginError::Refused {
                user: user.shown(),
                server: endpoint.server().to_string(),
                source: Arc::new(exception),
            })),
            (None, _) => Err(server_error(exception, operation, endpoint)),
        }
    }

    /// A login on this server that has not been refused yet; `None` if the client shows no credentials.
    async fn log_in(
        &self,
        user: &Arc<User>,
        endpoint: &Arc<Endpoint>,
        progress: &mut Progress<'_>,
    ) -> Result<Option<LoginTicket>, Error> {
        let Some(gate) = &user.gate else { return Ok(None) };
        let server = endpoint.server().to_string();
        loop {
            let issued =
                gate.credential(Want::Live, &server, progress.deadline).await.map_err(credential_error)?;
            let limit = self.config.operation_timeout;
            let outcome = tokio::select! {
                biased;
                outcome = self.login(user, endpoint, &issued, progress.refused) => outcome,
                // The login goes on: the next operation finds it done.
                () = self.runtime.sleep_until(progress.deadline) => return Err(Error::Timeout { server, limit }),
            };
            match outcome {
                Ok(ticket) => return Ok(ticket),
                Err(error) if error.is_refusal() => {
                    let fetched_for_us = issued.generation > progress.known || progress.renewed;
                    if gate.invalidate(issued.generation) {
                        debug!(user = %user.shown(), error = %error, "a renewal was refused, the old login still holds");
                        continue;
                    }
                    if fetched_for_us {
                        return Err(Error::Login(error));
                    }
                    progress.renewed = true;
                }
                Err(error) => return Err(Error::Login(error)),
            }
        }
    }

    fn report(&self, operation: &Operation<'_>, endpoint: &Endpoint, stage: AttemptStage) {
        if let Some(listener) = &self.listener {
            listener.attempt(&AttemptEvent { operation: operation.kind, server: endpoint.server(), stage });
        }
    }

    async fn send(
        &self,
        user: &User,
        endpoint: &Arc<Endpoint>,
        operation: &Operation<'_>,
        ticket: Option<LoginTicket>,
        progress: &mut Progress<'_>,
    ) -> Result<Reply, Error> {
        let limit = self.config.read_timeout;
        let timeout = || Error::Timeout { server: endpoint.server().to_string(), limit };
        let until = (self.runtime.now() + limit).min(progress.deadline);
        let checkout;
        let connection = match progress.over {
            Some(held) => held,
            None => {
                checkout = tokio::select! {
                    biased;
                    checkout = endpoint.checkout(false) => checkout.map_err(connect_error)?,
                    () = self.runtime.sleep_until(until) => return Err(timeout()),
                };
                checkout.connection()
            }
        };
        let id = ticket.filter(|_| !operation.kind.is_internal()).map(|ticket| ticket.unique_id);
        let envelope = Envelope {
            tx_id: druse_protocol::codec::NO_TRANSACTION,
            retry: progress.maybe_applied,
            security: id.map(|id| (0, Some(id))),
        };
        let mut bytes = Vec::with_capacity(128);
        (operation.encode)(&mut bytes, &envelope);
        let request = Request { bytes: Bytes::from(bytes), kind: operation.kind, secured: id.is_some() };
        tokio::select! {
            biased;
            reply = connection.call(request) => reply.map_err(|error| {
                progress.maybe_applied |= error.may_have_been_sent();
                if let (true, Some(ticket)) = (error.is_by_server() && !connection.is_pipelined(), ticket) {
                    // A Geode server closes the connection without a word when it does not know an id any more; a
                    // Druse node says so.
                    user.forget(endpoint, ticket);
                }
                Error::Connection(error)
            }),
            () = self.runtime.sleep_until(until) => {
                progress.maybe_applied = true;
                // Whatever holds the answer up holds up everything behind it.
                connection.close();
                Err(timeout())
            }
        }
    }

    /// A server does not accept the login any more: renew it once.
    async fn refused(
        &self,
        user: &Arc<User>,
        endpoint: &Arc<Endpoint>,
        progress: &mut Progress<'_>,
        ticket: LoginTicket,
        refusal: Refusal,
        exception: ServerException,
    ) -> Result<Attempt, Error> {
        let server = endpoint.server().to_string();
        progress.refused = Some(ticket);
        if refusal == Refusal::UnknownId && !progress.logged_in_again {
            // The credential may be as good as ever: the server has been restarted, or has dropped us.
            progress.logged_in_again = true;
            return Ok(Attempt::Again);
        }
        let Some(gate) = &user.gate else { return Ok(Attempt::Again) };
        if progress.renewed {
            gate.invalidate(ticket.generation);
            return Err(Error::Expired { user: user.shown(), server, source: Arc::new(exception) });
        }
        progress.renewed = true;
        info!(user = %user.shown(), %server, generation = %ticket.generation, "login expired, renewing");
        gate.credential(Want::NewerThan(ticket.generation), &server, progress.deadline)
            .await
            .map_err(credential_error)?;
        Ok(Attempt::Again)
    }
}

/// How a server says that a login is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Expired,
    UnknownId,
}

impl Refusal {
    /// Looks at the exception and, as Java clients do, at its direct cause.
    fn of(exception: &ServerException) -> Option<Self> {
        exception.chain().take(2).find_map(|exception| match compat::auth_error_of(exception) {
            Some(AuthError::Expired(_)) => Some(Self::Expired),
            Some(AuthError::Required(_)) => Some(Self::UnknownId),
            _ => None,
        })
    }
}

/// What a failed operation has to say: once a mutation may have been applied nothing that goes wrong later takes that
/// back, be it a server that cannot be reached any more or a login that is refused.
fn in_doubt(error: Error, operation: &Operation<'_>, progress: &Progress<'_>) -> Error {
    match operation.repeat {
        Repeat::Recognised | Repeat::Never if progress.maybe_applied => Error::InDoubt(Arc::new(error)),
        _ => error,
    }
}

/// Whether a server has judged credentials with this.
pub(crate) fn is_authentication(exception: &ServerException) -> bool {
    matches!(
        compat::auth_error_of(exception),
        Some(AuthError::Expired(_) | AuthError::Failed(_) | AuthError::Required(_))
    )
}

fn server_error(exception: ServerException, operation: &Operation<'_>, endpoint: &Endpoint) -> Error {
    if exception.is_a(ThrowableClass::NotAuthorized) {
        Error::NotAuthorized(Arc::new(exception))
    } else if exception.is_a(ThrowableClass::RegionDestroyed) {
        Error::RegionNotFound { region: operation.region.to_owned(), server: endpoint.server().to_string() }
    } else {
        Error::Server(Arc::new(exception))
    }
}

pub(crate) fn credential_error(error: GateError) -> Error {
    match error {
        GateError::Closed => Error::Closed,
        error => Error::Credential(error),
    }
}

pub(crate) fn connect_error(error: ConnectError) -> Error {
    match error {
        ConnectError::Closed => Error::Closed,
        error => Error::Connect(error),
    }
}
