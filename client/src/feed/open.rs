//! Opening the two connections to a server that is to hold the client's events.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::Credentials;
use druse_protocol::codec::FrameLimits;
use druse_protocol::handshake::{AcceptanceCode, FeedWelcome, Welcome};
use druse_protocol::message::exception::RemoteException;
use druse_protocol::message::feed::notice::{FEED_PROPERTY, FEED_PROPERTY_VALUE};
use tokio::sync::mpsc;

use super::event::{FeedState, QueueFate};
use super::link::Link;
use super::manager::Ended;
use super::reader::Reader;
use crate::auth::Issued;
use crate::auth::state::Want;
use crate::client::Core;
use crate::connector::OpenedFeed;
use crate::endpoint::Endpoint;
use crate::error::{ConnectError, Error, LoginError};
use crate::operation::{connect_error, credential_error};

/// A server's word on a durable client whose queue has been given up meanwhile.
const TIMED_OUT: i32 = -1;

/// A server with a queue connection and no feed yet.
pub(crate) struct Scouted {
    link: Arc<Link>,
    welcome: Welcome,
}

/// Opens the queue connection, which tells what the server knows of the client.
pub(crate) async fn scout(core: &Core, endpoint: &Arc<Endpoint>) -> Result<Scouted, Error> {
    let opened = core.feeds.opener.open_queue(endpoint.server()).await.map_err(connect_error)?;
    let closing = core.feeds.closing.child_token();
    let on_close = {
        let closing = closing.clone();
        move || closing.cancel()
    };
    let queue = endpoint.adopt(opened.opened, on_close);
    let link = Arc::new(Link::new(Arc::clone(endpoint), queue, closing));
    Ok(Scouted { link, welcome: opened.welcome })
}

/// Which of these servers is to push events: of those that kept a queue as backups the one with most in it, else one that
/// kept it as primary, else the first.
pub(crate) fn best_primary(scouted: &[Scouted]) -> usize {
    best_of(scouted.iter().map(|scouted| (scouted.welcome.endpoint_type, scouted.welcome.queue_size)))
}

fn best_of(standings: impl Iterator<Item = (u8, i32)>) -> usize {
    let rank = |(endpoint_type, queue_size)| match endpoint_type {
        1 => (2, queue_size),
        2 => (1, 0),
        _ => (0, 0),
    };
    let mut best = (0, (-1, 0));
    for (at, standing) in standings.enumerate() {
        // The first of equals.
        if rank(standing) > best.1 {
            best = (at, rank(standing));
        }
    }
    best.0
}

/// Opens the feed and begins to read it. `ended` is told when it ends.
pub(crate) async fn open_feed(
    core: &Arc<Core>,
    scouted: Scouted,
    is_primary: bool,
    ended: &mpsc::Sender<Ended>,
) -> Result<(Arc<Link>, QueueFate), Error> {
    let link = scouted.link;
    let opened = log_in(core, &link, is_primary).await?;
    let fate = fate_of(core, &opened.welcome);
    let ping = u64::try_from(opened.welcome.ping_interval_ms).unwrap_or(0);
    let reader = Reader {
        core: Arc::clone(core),
        link: Arc::clone(&link),
        stream: opened.stream,
        input: opened.input,
        silence: core.feeds.config.silence(Duration::from_millis(ping)),
        limits: FrameLimits { message_bytes: core.config.max_reply_bytes, ..FrameLimits::default() },
    };
    let ended = ended.clone();
    let reading = Arc::clone(&link);
    core.feeds.tasks.spawn(async move {
        let reason = reader.run().await;
        reading.close();
        // The manager goes only when the client does.
        let _ = ended.send(Ended { link: reading, reason }).await;
    });
    Ok((link, fate))
}

fn fate_of(core: &Core, welcome: &FeedWelcome) -> QueueFate {
    match welcome.queue_size {
        TIMED_OUT if core.feeds.is_durable() => QueueFate::TimedOut,
        0.. if core.feeds.is_durable() && welcome.endpoint_type != 0 => QueueFate::Kept,
        _ => QueueFate::New,
    }
}

/// The handshake of a feed. It shows the credentials of a client with one user; if they turn out to have run out, a
/// newer one, once.
async fn log_in(core: &Arc<Core>, link: &Link, is_primary: bool) -> Result<OpenedFeed, Error> {
    let server = link.server();
    let Some((user, gate)) =
        core.single_user().and_then(|user| Some((Arc::clone(&user), user.gate.clone()?)))
    else {
        return core.feeds.opener.open_feed(server, is_primary, None).await.map_err(connect_error);
    };
    let deadline = core.runtime.now() + core.config.operation_timeout;
    let (known, mut want) = (user.generation(), Want::Live);
    loop {
        let issued = gate.credential(want, &server.to_string(), deadline).await.map_err(credential_error)?;
        let error = match core.feeds.opener.open_feed(server, is_primary, Some(announced(&issued))).await {
            Ok(opened) => {
                link.log_in(issued.generation);
                return Ok(opened);
            }
            Err(error) => refusal(error, &user.shown()),
        };
        if !error.needs_reauthentication() {
            return Err(error);
        }
        gate.invalidate(issued.generation);
        if issued.generation > known {
            core.feeds.tell(None, &FeedState::ReauthenticationFailed(Arc::new(error.clone())));
            return Err(error);
        }
        want = Want::NewerThan(issued.generation);
    }
}

/// The credentials, and that this client understands the notices of a Druse node.
pub(crate) fn announced(issued: &Issued) -> Credentials {
    issued.credentials.clone().with(FEED_PROPERTY, FEED_PROPERTY_VALUE)
}

/// A feed that is refused for its credentials is refused as a login is.
fn refusal(error: ConnectError, user: &str) -> Error {
    const CODES: [u8; 2] =
        [AcceptanceCode::AuthenticationRequired as u8, AcceptanceCode::AuthenticationFailed as u8];
    match error {
        ConnectError::Refused { server, code, message } if CODES.contains(&code) => {
            let class = "org.apache.geode.security.AuthenticationFailedException".to_owned();
            let source =
                Arc::new(RemoteException { lineage: vec![class], message: Some(message), cause: None });
            Error::Login(LoginError::Refused { user: user.to_owned(), server, source })
        }
        error => connect_error(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_backup_is_best_then_an_old_primary_then_the_first() {
        assert_eq!(best_of([(0, 0), (2, 9), (1, 3), (1, 7)].into_iter()), 3);
        assert_eq!(best_of([(0, 0), (2, 0), (0, 0)].into_iter()), 1);
        assert_eq!(best_of([(0, 0), (0, 0)].into_iter()), 0);
    }
}
