//! The hello of a feed: who it is, and whether the node tells them of changes. Geode: `CacheClientNotifier.java`,
//! `registerClientInternal`. RFC.md section 12.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use druse_protocol::auth::{AuthError, Credentials};
use druse_protocol::compat::NO_CREDENTIALS;
use druse_protocol::handshake::{ClientHello, CommunicationMode, FeedWelcome, Refusal, SecurityMode};
use druse_protocol::message::feed::notice::FEED_PROPERTY;
use druse_protocol::version::VersionOrdinal;

use super::exchange::{Answer, Completion, Exchange};
use crate::audit;
use crate::engine::ClientIdentity;
use crate::metrics::LoginResult;
use crate::seam::CloseReason;
use crate::security::{Authenticated, Cell, LoginRequest, Security};
use crate::subscription::FeedClient;
use crate::subscription::open::{OpenError, Opened, Opening};

/// A client that wants no conflation is the ordinary case; only this says that it does.
const CONFLATION_ON: u8 = 1;

/// What of the hello outlives its bytes.
#[derive(Clone)]
struct Facts {
    mode: CommunicationMode,
    version: VersionOrdinal,
    client: FeedClient,
}

/// Logs the client in, if it shows credentials, and opens its feed.
pub(super) fn open(exchange: &mut Exchange<'_>, hello: &ClientHello) -> Answer {
    let facts = Facts { mode: hello.mode, version: hello.version, client: client(hello) };
    let Some(security) = exchange.core.security.clone() else { return begin(exchange, facts, None) };
    match &hello.security {
        SecurityMode::DiffieHellman => refuse(exchange, &facts, &Refusal::diffie_hellman(hello.mode)),
        SecurityMode::None => refuse(exchange, &facts, &Refusal::credentials_missing(hello.mode)),
        SecurityMode::Normal(Some(credentials)) => log_in(exchange, facts, credentials.clone(), &security),
        SecurityMode::Normal(None) => {
            let error = AuthError::Required(NO_CREDENTIALS.to_owned());
            deny(exchange, &facts, &error)
        }
        SecurityMode::MultiUserFeed => begin(exchange, facts, None),
    }
}

fn client(hello: &ClientHello) -> FeedClient {
    let member = hello.client_id.member().ok();
    let timeout = member.as_ref().map_or(0, |member| member.durable_timeout_s);
    let durable = hello.client_id.durable_id();
    let takes_notices = match &hello.security {
        SecurityMode::Normal(Some(credentials)) => credentials.get(FEED_PROPERTY).is_some(),
        _ => false,
    };
    let name = match (durable, &member) {
        (Some(id), _) => id.to_owned(),
        (None, Some(member)) => format!("{}:{}", member.host, member.port),
        (None, None) => String::new(),
    };
    FeedClient {
        version: hello.version,
        identity: ClientIdentity::new(hello.client_id.essential()),
        durable: durable.map(|_| Duration::from_secs(u64::try_from(timeout).unwrap_or_default())),
        conflates: hello.conflation == CONFLATION_ON,
        has_several_users: hello.security == SecurityMode::MultiUserFeed,
        takes_notices,
        name: audit::Clean(&name).to_string().into(),
    }
}

fn log_in(
    exchange: &mut Exchange<'_>,
    facts: Facts,
    credentials: Credentials,
    security: &Arc<Security>,
) -> Answer {
    let Some(logins) = &exchange.client.logins else { return begin(exchange, facts, None) };
    let request = LoginRequest {
        credentials,
        peer: exchange.client.peer.clone(),
        named: None,
        names_no_ids: !facts.version.knows_expiry(),
    };
    let asked = security.authenticate(logins, request, exchange.now);
    Answer::Wait(Box::pin(async move {
        let login = asked.await;
        let completion: Completion = Box::new(move |exchange| Ok(admit(exchange, facts, login)));
        completion
    }))
}

/// The manager has answered.
fn admit(exchange: &mut Exchange<'_>, facts: Facts, login: Result<Authenticated, AuthError>) -> Answer {
    let (Some(security), Some(logins)) = (&exchange.core.security, &exchange.client.logins) else {
        return begin(exchange, facts, None);
    };
    let admitted = login.and_then(|login| {
        let cell = logins.admit_feed(security, &login, exchange.now)?;
        audit::login(&exchange.client.peer, login.subject().name(), login.subject().expires_at());
        Ok(cell)
    });
    match admitted {
        Ok(cell) => {
            exchange.core.metrics.logins.of(LoginResult::Accepted).inc();
            begin(exchange, facts, Some(cell))
        }
        Err(error) => {
            exchange.core.metrics.logins.of(LoginResult::of(&error)).inc();
            deny(exchange, &facts, &error)
        }
    }
}

/// The client may come in: its shard opens the feed.
fn begin(exchange: &mut Exchange<'_>, facts: Facts, cell: Option<Arc<Cell>>) -> Answer {
    let key = exchange.client.key.clone();
    let logins = exchange.core.security.as_ref().map(|security| security.connect(&key));
    let primary = facts.mode == CommunicationMode::PrimaryServerToClient;
    let opening = Opening { key, client: facts.client.clone(), logins, cell, primary };
    let opened = exchange.core.feeds.open(opening);
    Answer::Wait(Box::pin(async move {
        let opened = opened.await;
        let completion: Completion = Box::new(move |exchange| {
            Ok(match opened {
                Ok(Ok(opened)) => welcome(exchange, &facts, opened),
                Ok(Err(error)) => refuse(exchange, &facts, &refusal(error)),
                Err(ending) => deny(exchange, &facts, &AuthError::Unavailable(ending.to_string())),
            })
        });
        completion
    }))
}

fn welcome(exchange: &Exchange<'_>, facts: &Facts, opened: Opened) -> Answer {
    let interval = i32::try_from(exchange.core.ping_interval.as_millis()).unwrap_or(i32::MAX);
    let mut out = BytesMut::new();
    FeedWelcome {
        ping_interval_ms: interval,
        ..FeedWelcome::accepted(opened.endpoint_type, opened.queue_size)
    }
    .encode(facts.version, &mut out);
    Answer::HandOver(exchange.core.feeds.adopt(&exchange.client.key, opened.id, Bytes::from(out)))
}

fn refusal(error: OpenError) -> Refusal {
    Refusal::new(error.code(), error.to_string())
}

fn deny(exchange: &mut Exchange<'_>, facts: &Facts, error: &AuthError) -> Answer {
    audit::login_refused(&exchange.client.peer, &error.to_string());
    refuse(exchange, facts, &Refusal::of_auth_error(error, facts.mode))
}

fn refuse(exchange: &mut Exchange<'_>, facts: &Facts, refusal: &Refusal) -> Answer {
    refusal.encode(facts.mode, facts.version, &exchange.core.member, exchange.out);
    Answer::Close(CloseReason::HandshakeRefused(refusal.text.clone().into_owned()))
}
