//! Strangers: they know a client's identity, have a login of their own, and open a feed under it (I13).

use std::time::Duration;

use druse_protocol::codec::{FrameLimits, Message};
use druse_protocol::message::feed::FeedMessage;
use druse_protocol::message::feed::notice::SINGLE_USER;
use rand::Rng;

use super::super::FeedClient;
use super::super::open::Opening;
use super::client::next_token;
use super::manager::SimManager;
use super::net::Wire;
use super::serve::DURABLE;
use super::world::{Event, World};
use super::{Verdict, wrong};
use crate::security::ClientLogins;

/// How a stranger is called.
const NAME: &str = "stranger";
/// How long they stay at most.
const STAY: Duration = Duration::from_secs(2);

/// A stranger's connections.
pub(super) struct Stranger {
    number: u64,
    client: usize,
    wire: Wire,
    pending: Vec<u8>,
    _logins: ClientLogins,
}

impl World {
    /// Somebody opens a feed under a client's identity: with credentials of their own, or as if for several users.
    pub(super) fn intrude(&mut self, client: usize) {
        let Some(security) = self.node.security.clone() else { return };
        let has_several_users = self.random.random();
        let key = self.clients[client].key.clone();
        let logins = security.connect(&key);
        let cell = match has_several_users {
            true => None,
            false => match self.admit_stranger(&logins) {
                Some(cell) => Some(cell),
                None => return,
            },
        };
        let hello = FeedClient { has_several_users, ..self.clients[client].hello(DURABLE) };
        let was_away = self.node.feed(&key).is_some_and(|feed| !feed.connected);
        let opening = Opening {
            key: key.clone(),
            client: hello,
            logins: Some(security.connect(&key)),
            cell,
            primary: true,
        };
        match self.node.open(opening, self.now) {
            Err(error) => self.tell(|| format!("a stranger as client {client} has to stay out: {error}")),
            Ok(opened) => {
                self.tell(|| format!("a stranger as client {client} has feed {opened:?}"));
                self.clients[client].was_displaced |= was_away;
                self.clients[client].taken_at = Some(self.now);
                self.sockets.values_mut().filter(|it| it.feed == opened.id).for_each(|it| it.is_taken = true);
                let (wire, end) = Wire::new(usize::MAX);
                self.node.attach(opened.id, end);
                let number = self.next_socket;
                self.next_socket += 1;
                let stay = self.some(STAY);
                self.after(stay, Event::StrangerLeaves { number });
                self.strangers.push(Stranger { number, client, wire, pending: Vec::new(), _logins: logins });
            }
        }
    }

    fn admit_stranger(&mut self, logins: &ClientLogins) -> Option<std::sync::Arc<crate::security::Cell>> {
        let security = self.node.security.clone()?;
        let token = next_token(self.now, self.plan.life, self.plan.says_issued);
        let credentials = SimManager::credentials(NAME, token);
        let (login, _) = self.node.authenticate(&self.runtime, logins, credentials, None, false, self.now);
        logins.admit_feed(&security, &login, self.now).ok()
    }

    /// One of them goes.
    pub(super) fn stranger_leaves(&mut self, number: u64) {
        self.strangers.retain(|it| it.number != number || it.leave());
    }

    /// All of them go.
    pub(super) fn strangers_leave(&mut self) {
        self.strangers.retain(Stranger::leave);
    }

    /// I13: a stranger, who has registered nothing, is told nothing of anybody's changes.
    pub(super) fn look_at_strangers(&mut self) -> Verdict {
        for stranger in &mut self.strangers {
            let client = stranger.client;
            stranger.pending.extend(stranger.wire.take().0);
            while let Some((message, size)) = Message::decode(&stranger.pending, &FrameLimits::default())
                .map_err(|it| wrong(it.to_string()))?
            {
                let is_fine = match FeedMessage::decode(&message) {
                    Ok(FeedMessage::Entry(_) | FeedMessage::Region(_)) => false,
                    // Of the stranger's own login, or of somebody else's.
                    Ok(FeedMessage::Notice(notice)) => notice.user == SINGLE_USER,
                    // An id lets whoever knows it act for its user.
                    Ok(FeedMessage::ReAuthenticate(ask)) => ask.user.is_none(),
                    _ => true,
                };
                if !is_fine {
                    return Err(wrong(format!("I13: a stranger is sent what is meant for client {client}")));
                }
                stranger.pending.drain(..size);
            }
        }
        self.strangers.retain(|it| !it.wire.has_ended());
        Ok(())
    }
}

impl Stranger {
    /// Breaks the connection off. Does not stay.
    fn leave(&self) -> bool {
        self.wire.break_off();
        false
    }
}
