//! The engine of one connection: bytes in, bytes out. No IO, no clock.
//!
//! ```text
//!  Handshake ──hello──► Serving ─── request ──► command ──┬─ Done ─────────────────────► next request
//!      │                   ▲                              ├─ Long ─► chunk … flush … ──► (login checked before each)
//!      │                   │                              └─ Wait ─► (login, engine) ──► the rest of the command
//!      └── refused         └── Over: goodbye, bytes that cannot be framed, a wrong connection id
//! ```
//! Before a command runs, the request's security part is looked at and its user bound; what a request needs besides is its
//! command's business. RFC.md section 4.

pub(crate) mod client;
pub(crate) mod exchange;
pub(crate) mod failure;
mod feed;
mod handshake;
mod login;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::BytesMut;
use druse_protocol::auth::{AuthError, Peer};
use druse_protocol::codec::{Message, MessageType, NO_TRANSACTION};
use druse_protocol::compat::UNKNOWN_MESSAGE_TYPE;
use druse_protocol::handshake::ClientHello;
use druse_protocol::message::envelope::ReplyEnvelope;
use druse_protocol::message::exception::{Framing, TextError};
use druse_protocol::time::Micros;

use self::client::{Client, Shown};
use self::exchange::{Answer, Ask, Completion, Exchange, LongReply, Progress, SHARE_BYTES, rests_until};
use self::failure::Failure;
use self::handshake::Greeting;
use crate::command;
use crate::core::NodeCore;
use crate::metrics::OperationResult;
use crate::seam::{CloseReason, ConnectionEngine, Next, Step};
use crate::security::Cell;

/// One client connection.
pub(crate) struct Session {
    core: Arc<NodeCore>,
    stage: Stage,
    good_until: Micros,
}

enum Stage {
    Handshake(Peer),
    Serving(Box<Serving>),
    Over,
}

struct Serving {
    client: Client,
    under_way: Option<UnderWay>,
}

/// A request whose answer is not complete.
struct UnderWay {
    ask: Ask,
    framing: Framing,
    /// On whose behalf; `None` for logins and on open nodes.
    user: Option<Arc<Cell>>,
    long: Option<Box<dyn LongReply>>,
}

impl Session {
    /// A session with this peer.
    pub(crate) fn new(core: Arc<NodeCore>, peer: Peer) -> Self {
        Self { core, stage: Stage::Handshake(peer), good_until: Micros::MAX }
    }

    /// Nothing that was written before is waiting any more.
    fn begin_step(&mut self) {
        self.good_until = Micros::MAX;
        if let Stage::Serving(serving) = &mut self.stage {
            serving.client.begin_step();
        }
    }

    /// The user of the latest request.
    pub(crate) fn user(&self) -> Option<&Arc<Cell>> {
        match &self.stage {
            Stage::Serving(serving) => serving.client.user(),
            Stage::Handshake(_) | Stage::Over => None,
        }
    }

    fn over(&mut self, consumed: usize, reason: CloseReason) -> Step<Completion> {
        self.stage = Stage::Over;
        Step { consumed, next: Next::Close(reason) }
    }

    /// Begins to answer the hello of a feed, which is a login.
    fn open_feed(
        &mut self,
        hello: &ClientHello,
        now: Micros,
        out: &mut BytesMut,
    ) -> Option<Next<Completion>> {
        let Self { core, stage: Stage::Serving(serving), good_until } = self else { return None };
        let mut turn = Turn { core, serving, now, out, good_until };
        let kind = MessageType::UserCredentialMessage;
        let ask = Ask { kind, tx_id: NO_TRANSACTION, retry: false, secured: false };
        let answer = turn.exchange(ask, |exchange| Ok(feed::open(exchange, hello)));
        turn.settle(UnderWay { ask, framing: Framing::Plain, user: None, long: None }, answer)
    }

    /// Answers whole frames until there are no more, one has to wait, or the share of output is full.
    fn serve(&mut self, input: &[u8], now: Micros, out: &mut BytesMut) -> Step<Completion> {
        let Self { core, stage: Stage::Serving(serving), good_until } = self else {
            return self.over(0, CloseReason::Requested);
        };
        let mut consumed = 0;
        while out.len() < SHARE_BYTES {
            let rest = input.get(consumed..).unwrap_or_default();
            let (message, size) = match Message::decode(rest, &core.frames) {
                Ok(Some(read)) => read,
                Ok(None) => break,
                Err(error) => return self.over(consumed, error.into()),
            };
            consumed += size;
            let mut turn = Turn { core, serving, now, out, good_until };
            match turn.request(&message) {
                Ok(None) => {}
                Ok(Some(next)) => return Step { consumed, next },
                Err(reason) => return self.over(consumed, reason),
            }
        }
        Step { consumed, next: self.relief().unwrap_or(Next::Input) }
    }

    /// Feeds that are far behind are given time before anything else is written: the log must not run away from them.
    fn relief(&mut self) -> Option<Next<Completion>> {
        if !self.core.feeds.is_overloaded() {
            return None;
        }
        let relieved = self.core.feeds.relieved();
        Some(Next::Wait(Box::pin(async move {
            relieved.await;
            let completion: Completion = Box::new(|_| Ok(Answer::Done));
            completion
        })))
    }
}

impl ConnectionEngine for Session {
    type Completion = Completion;

    fn receive(&mut self, input: &[u8], now: Micros, out: &mut BytesMut) -> Step<Completion> {
        self.begin_step();
        let Stage::Handshake(peer) = &self.stage else { return self.serve(input, now, out) };
        match handshake::greet(&self.core, peer, input, out, now) {
            Greeting::Incomplete => Step { consumed: 0, next: Next::Input },
            Greeting::Refused(reason) => self.over(input.len(), reason),
            Greeting::Feed(client, hello, size) => {
                let serving = Serving { client: *client, under_way: None };
                self.stage = Stage::Serving(Box::new(serving));
                Step { consumed: size, next: self.open_feed(&hello, now, out).unwrap_or(Next::Input) }
            }
            Greeting::Accepted(client, size) => {
                self.stage = Stage::Serving(Box::new(Serving { client: *client, under_way: None }));
                let step = self.serve(input.get(size..).unwrap_or_default(), now, out);
                Step { consumed: size + step.consumed, next: step.next }
            }
        }
    }

    fn resume(&mut self, now: Micros, out: &mut BytesMut) -> Step<Completion> {
        self.begin_step();
        let Self { core, stage: Stage::Serving(serving), good_until } = self else {
            return self.over(0, CloseReason::Requested);
        };
        let mut turn = Turn { core, serving, now, out, good_until };
        Step { consumed: 0, next: turn.go_on().unwrap_or(Next::Input) }
    }

    fn complete(&mut self, completion: Completion, now: Micros, out: &mut BytesMut) -> Step<Completion> {
        self.begin_step();
        let Self { core, stage: Stage::Serving(serving), good_until } = self else {
            return self.over(0, CloseReason::Requested);
        };
        let mut turn = Turn { core, serving, now, out, good_until };
        Step { consumed: 0, next: turn.complete(completion).unwrap_or(Next::Input) }
    }

    fn good_until(&self) -> Micros {
        let Stage::Serving(serving) = &self.stage else { return self.good_until };
        match serving.client.only_user() {
            // As of now: the user may have been cut off since, or have logged in again.
            Some(user) if self.good_until != Micros::MAX => user.deadline(),
            _ => self.good_until,
        }
    }

    fn close(&mut self, _now: Micros) {
        // What is under way goes, and with the client's share in its logins perhaps these, too.
        self.stage = Stage::Over;
    }
}

/// One step of a session that serves.
struct Turn<'t> {
    core: &'t NodeCore,
    serving: &'t mut Serving,
    now: Micros,
    out: &'t mut BytesMut,
    good_until: &'t mut Micros,
}

impl Turn<'_> {
    /// Begins to answer a request. `Ok(None)` if it is answered.
    fn request(&mut self, message: &Message<'_>) -> Result<Option<Next<Completion>>, CloseReason> {
        let Some(kind) = message.kind() else {
            // Nobody knows how long the answer to such a request should be, or whether there should be one.
            return Err(CloseReason::Protocol("a message type without a name"));
        };
        let ask = Ask {
            kind,
            tx_id: message.header.tx_id,
            retry: message.header.flags.is_retry(),
            secured: command::is_secured(kind, message),
        };
        if !command::is_request(kind) {
            return Ok(self.unknown(ask));
        }
        let framing = command::framing(kind, message);
        let shown = self.serving.client.shown(message);
        if shown == Shown::WrongConnection && self.core.security.is_some() && !kind.is_internal() {
            let error = AuthError::Failed("wrong connection id".to_owned());
            self.fail(ask, framing, &error.into());
            return Err(CloseReason::Protocol("a wrong connection id"));
        }
        if kind == MessageType::CloseConnection {
            let answer = self.exchange(ask, |exchange| command::housekeeping::goodbye(exchange, message));
            return Ok(self.settle(UnderWay { ask, framing, user: None, long: None }, answer));
        }
        let answer = self.exchange(ask, |exchange| match kind {
            MessageType::UserCredentialMessage => login::login(exchange, message, shown),
            MessageType::RemoveUserAuth => login::logout(exchange, message, shown),
            _ => {
                bind(exchange, shown)?;
                command::run(exchange, message)
            }
        });
        Ok(self.settle(UnderWay { ask, framing, user: None, long: None }, answer))
    }

    /// What was waited for has come.
    fn complete(&mut self, completion: Completion) -> Option<Next<Completion>> {
        let under_way = self.serving.under_way.take()?;
        if under_way.long.is_some() {
            self.serving.under_way = Some(under_way);
            return self.go_on();
        }
        // A reply is held back if its user's login has ended meanwhile. A mutation that was applied is answered from
        // memory when it comes again.
        let answer = match self.check(under_way.user.as_ref()) {
            Ok(()) => self.exchange(under_way.ask, completion),
            Err(failure) => Err(failure),
        };
        self.settle(under_way, answer)
    }

    /// Writes as much of a long reply as may be written at once.
    fn go_on(&mut self) -> Option<Next<Completion>> {
        let UnderWay { ask, user, long: Some(mut long), .. } = self.serving.under_way.take()? else {
            return None;
        };
        loop {
            let step = match self.check(user.as_ref()) {
                Ok(()) => self.exchange(ask, |exchange| long.chunk(exchange)),
                Err(failure) => Err(failure),
            };
            match step {
                Ok(Progress::Last) => {
                    self.count(ask, OperationResult::Ok);
                    return None;
                }
                Ok(Progress::Wait(future)) => {
                    let framing = Framing::LastChunk;
                    self.serving.under_way = Some(UnderWay { ask, framing, user, long: Some(long) });
                    return Some(Next::Wait(Box::pin(async move {
                        future.await;
                        // What was waited for is looked up, not handed over.
                        let completion: Completion = Box::new(|_| Ok(Answer::Done));
                        completion
                    })));
                }
                Ok(Progress::More) if self.out.len() < SHARE_BYTES => {}
                Ok(Progress::More) => {
                    let framing = Framing::LastChunk;
                    self.serving.under_way = Some(UnderWay { ask, framing, user, long: Some(long) });
                    return Some(Next::More);
                }
                Err(failure) => {
                    self.fail(ask, Framing::LastChunk, &failure);
                    return None;
                }
            }
        }
    }

    /// Whether the login is still good for whose user an answer was begun.
    fn check(&mut self, user: Option<&Arc<Cell>>) -> Result<(), Failure> {
        let (Some(security), Some(user)) = (&self.core.security, user) else { return Ok(()) };
        let permit = security.admit(user, self.now)?;
        if let Some(subject) = permit.as_ref() {
            *self.good_until = (*self.good_until).min(rests_until(subject));
        }
        Ok(())
    }

    /// Deals with what a command has come to.
    fn settle(&mut self, under_way: UnderWay, answer: Result<Answer, Failure>) -> Option<Next<Completion>> {
        match answer {
            Ok(Answer::Done) => {
                self.count(under_way.ask, OperationResult::Ok);
                None
            }
            Ok(Answer::Wait(future)) => {
                self.serving.under_way = Some(self.with_user(under_way));
                Some(Next::Wait(future))
            }
            Ok(Answer::Long(mut long)) => {
                self.exchange(under_way.ask, |exchange| long.begin(exchange));
                self.serving.under_way = Some(UnderWay { long: Some(long), ..self.with_user(under_way) });
                self.go_on()
            }
            Ok(Answer::HandOver(adopt)) => {
                self.count(under_way.ask, OperationResult::Ok);
                Some(Next::HandOver(adopt))
            }
            Ok(Answer::Close(reason)) => Some(Next::Close(reason)),
            Err(failure) => {
                self.fail(under_way.ask, under_way.framing, &failure);
                None
            }
        }
    }

    /// Remembers on whose behalf something goes on.
    fn with_user(&self, under_way: UnderWay) -> UnderWay {
        let kind = under_way.ask.kind;
        let rests_on_none = kind == MessageType::UserCredentialMessage || command::outlives_login(kind);
        UnderWay { user: self.serving.client.user().filter(|_| !rests_on_none).cloned(), ..under_way }
    }

    fn fail(&mut self, ask: Ask, framing: Framing, failure: &Failure) {
        self.count(ask, failure.result());
        if failure.result() == OperationResult::Expired
            && ask.kind != MessageType::UserCredentialMessage
            && let Some(user) = self.serving.client.user()
        {
            user.invite();
        }
        self.exchange(ask, |exchange| {
            let (envelope, version) = (exchange.envelope(), exchange.client.version);
            failure.encode(exchange.out, ask.kind, framing, version, &envelope);
        });
    }

    /// A message that is no request: Geode answers it, too.
    fn unknown(&mut self, ask: Ask) -> Option<Next<Completion>> {
        self.count(ask, OperationResult::Failed);
        let envelope = ReplyEnvelope { tx_id: ask.tx_id, next_connection_id: None };
        let error =
            TextError { kind: MessageType::UnknownMessageTypeError, text: UNKNOWN_MESSAGE_TYPE.into() };
        error.encode(self.out, Framing::Plain, &envelope);
        None
    }

    fn count(&self, ask: Ask, result: OperationResult) {
        self.core.metrics.operations.of(command::counted_as(ask.kind), result).inc();
    }

    fn exchange<T>(&mut self, ask: Ask, act: impl FnOnce(&mut Exchange<'_>) -> T) -> T {
        act(&mut Exchange {
            core: self.core,
            client: &mut self.serving.client,
            now: self.now,
            out: self.out,
            ask,
            is_noted: false,
            good_until: self.good_until,
        })
    }
}

/// Binds the user on whose behalf a request comes, and checks that the login has not ended.
fn bind(exchange: &mut Exchange<'_>, shown: Shown) -> Result<(), Failure> {
    if exchange.core.security.is_none() || command::needs_no_login(exchange.ask.kind) {
        return Ok(());
    }
    let named = match shown {
        Shown::User(named) => named,
        Shown::Nothing | Shown::WrongConnection => None,
    };
    if exchange.ask.kind.is_internal() {
        exchange.client.bind_any(named, exchange.now)?;
    } else {
        exchange.client.bind(named)?;
    }
    if command::outlives_login(exchange.ask.kind) {
        return Ok(());
    }
    exchange.check_login()
}
