//! What goes wrong around a node: users who are cut off, sockets that break or take little, processes that end.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{DecisionScope, Revocation, RevocationScope};
use druse_protocol::time::Clock;
use rand::Rng;

use super::Verdict;
use super::node::{self, Node};
use super::plan::{KEYS, Kind, key, key_text};
use super::world::{Event, World};
use crate::engine::ClientIdentity;

/// How far the clock jumps at most.
const JUMP: Duration = Duration::from_secs(10);

impl World {
    /// A user is cut off, on all clients.
    pub(super) fn revoke(&mut self, client: usize) -> Verdict {
        let Some(security) = self.node.security.clone() else { return Ok(()) };
        let (principal, revocation) = self.revocation(client);
        security.revoke(&revocation, self.now);
        self.note_cut(client, &principal, &revocation)
    }

    fn revocation(&mut self, client: usize) -> (String, Revocation) {
        let user = self.random.random_range(0..self.clients[client].users.len());
        let principal = self.clients[client].users[user].name.clone();
        let scope = RevocationScope::Principal(principal.as_str().into());
        (principal, Revocation { scope, before: self.now, reason: "left".to_owned() })
    }

    fn note_cut(&mut self, client: usize, principal: &str, revocation: &Revocation) -> Verdict {
        self.tell(|| format!("{principal} is revoked"));
        let it = &mut self.clients[client];
        it.was_revoked = true;
        it.users.iter_mut().filter(|user| user.name == principal).for_each(|user| user.token = None);
        self.node.ledger.revoked(principal, revocation.before, self.now)
    }

    /// A user is cut off while the node writes to the client: after it has asked for permission.
    pub(super) fn revoke_in_write(&mut self, client: usize) {
        let socket = self.clients[client].socket.and_then(|number| self.sockets.get(&number));
        let (Some(security), Some(wire)) =
            (self.node.security.clone(), socket.map(|socket| socket.wire.clone()))
        else {
            return;
        };
        let (principal, mut revocation) = self.revocation(client);
        let (clock, cuts) = (Arc::clone(&self.clock), Arc::clone(&self.cuts));
        wire.at_write(move || {
            revocation.before = clock.now();
            security.revoke(&revocation, clock.now());
            cuts.lock().push((client, principal, revocation));
        });
    }

    /// What has been cut off in writes.
    pub(super) fn note_cuts(&mut self) -> Verdict {
        let cuts = std::mem::take(&mut *self.cuts.lock());
        cuts.into_iter().try_for_each(|(client, principal, cut)| self.note_cut(client, &principal, &cut))
    }

    /// The machine stands still, or its clock is set forward.
    pub(super) fn jump(&mut self) {
        let time = self.some(JUMP);
        self.tell(|| format!("the clock jumps by {time:?}"));
        self.now = self.now + time;
    }

    /// A client says goodbye and comes back: for good, or to keep its queue, or because an attempt to connect has come to
    /// nothing; the last costs no event.
    pub(super) fn take_leave(&mut self, client: usize) {
        let keeps = self.random.random();
        let it = &mut self.clients[client];
        let Some(since) = it.since else { return };
        let is_meant = it.has_registered || it.book.is_empty();
        it.says_goodbye = true;
        it.gives_up_queue = is_meant && !(keeps && it.kind == Kind::Durable);
        let key = it.key.clone();
        self.tell(|| format!("client {client} says goodbye (keeps {keeps}, meant {is_meant})"));
        self.node.task.shard.leave(&key, keeps, since, self.now);
        self.go_down(client);
    }

    /// The manager says of a login that it is over, before its time.
    pub(super) fn expire_by_word(&mut self, client: usize) {
        if self.plan.scope == DecisionScope::Call {
            self.node.manager.expire_next(&self.clients[client].users[0].name);
        }
    }

    /// A user loses the right to a key, or has it back. Managers whose permits are remembered do not do that.
    pub(super) fn change_rights(&mut self, client: usize) {
        if self.plan.scope != DecisionScope::Call {
            return;
        }
        let number = self.random.random_range(0..KEYS);
        let denied = self.random.random();
        let user = self.clients[client].users[0].name.clone();
        self.tell(|| format!("{user} may{} see k{number}", if denied { " not" } else { "" }));
        self.node.manager.set_denied(&user, &key_text(&key(number)), denied);
    }

    /// A socket takes little, and then nothing for a while.
    pub(super) fn block(&mut self, client: usize) {
        if !self.happens(self.plan.faults.partial_writes * 3) {
            return;
        }
        let room = self.random.random_range(0..400);
        let delay = self.some(self.plan.faults.blocked_for);
        let Some(number) = self.clients[client].socket else { return };
        if let Some(socket) = self.sockets.get(&number) {
            self.tell(|| format!("socket {number} takes {room} bytes"));
            socket.wire.set_room(room);
            self.after(delay, Event::Room { socket: number });
        }
    }

    pub(super) fn make_room(&mut self, socket: u64) {
        if let Some(socket) = self.sockets.get(&socket) {
            socket.wire.set_room(usize::MAX);
        }
    }

    /// A feed's connection breaks, and with it, as Java clients see it, all connections to the node.
    pub(super) fn break_feed(&mut self, client: usize) {
        if self.clients[client].socket.is_some() {
            self.go_down(client);
        }
    }

    /// A durable client's process ends, and another one takes its place.
    pub(super) fn crash(&mut self, client: usize) {
        if self.clients[client].kind != Kind::Durable {
            return;
        }
        self.go_down(client);
        let it = &mut self.clients[client];
        it.identity = ClientIdentity::new(format!("client-{client}-{}", it.attempt).as_bytes());
        it.duplicates = Default::default();
        it.cache = Default::default();
        it.results.clear();
        it.own_keys.clear();
        it.is_live = false;
        it.book.forget_handled();
        self.tell(|| format!("client {client} crashes"));
    }

    /// The node begins anew: with an empty memory, or on what a durable engine has kept.
    pub(super) fn start_anew(&mut self) {
        self.starts += 1;
        let keeps = self.random.random_ratio(1, 3);
        self.tell(|| format!("the node starts anew, {}", if keeps { "keeping its log" } else { "empty" }));
        let engine = match keeps {
            true => Arc::clone(&self.node.engine),
            false => node::engine(self.random.random(), u64::from(self.starts)),
        };
        self.sockets.values().for_each(|socket| socket.wire.break_off());
        for client in 0..self.clients.len() {
            let it = &mut self.clients[client];
            (it.feed, it.until) = (None, None);
            it.begin_anew(false);
            if !keeps {
                it.cache = Default::default();
                it.own_keys.clear();
                it.line = 0;
            }
            self.go_down(client);
        }
        self.sockets.clear();
        self.strangers_leave();
        self.node = Node::new(&self.plan, engine, &self.clock, u64::from(self.starts));
    }
}
