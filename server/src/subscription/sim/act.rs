//! What the seed makes happen, and what clients do: they write, connect, log in and leave.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;

use super::Verdict;
use super::client::{Request, Why, next_token};
use super::plan::{KEYS, Kind, REGIONS, Want, key};
use super::watch::Socket;
use super::world::{Event, World};
use crate::engine::{ClientIdentity, Value};
use crate::region::{Condition, EventOrigin, Mutation};

/// How long a client waits between two attempts to connect that fail; Geode's is ten seconds.
const RETRY: Duration = Duration::from_secs(1);

impl World {
    /// One step.
    pub(super) fn do_something(&mut self) -> Verdict {
        let client = self.random.random_range(0..self.clients.len());
        match self.random.random_range(0..1000) {
            0..700 => self.write(client),
            700..780 => {
                let user = self.random.random_range(0..self.clients[client].users.len());
                self.read_something(client, user);
            }
            780..794 => return self.revoke(client),
            794..800 => self.revoke_in_write(client),
            800..815 => self.expire_by_word(client),
            815..835 => self.change_rights(client),
            835..838 => self.start_anew(),
            838..842 => self.crash(client),
            842..846 => self.intrude(client),
            846..848 => self.jump(),
            848..856 => self.take_leave(client),
            856..864 => self.change_mind(client),
            864..900 => self.block(client),
            _ if self.happens(self.plan.faults.resets * 10) => self.break_feed(client),
            _ => {}
        }
        Ok(())
    }

    /// Somebody writes: a client of the node's, or one that has no feed.
    fn write(&mut self, client: usize) {
        let region = self.random.random_range(0..REGIONS.len());
        let number = self.random.random_range(0..KEYS);
        let it = &self.clients[client];
        let is_own = it.is_up && !it.several() && self.random.random_ratio(1, 10);
        let origin = match is_own {
            true => it.identity.clone(),
            false => ClientIdentity::new(*super::plan::pick(&mut self.random, &[b"writer-1", b"writer-2"])),
        };
        let origin = EventOrigin { member: origin, event: None, retry: false };
        let place = (region as u16, key(number));
        if is_own {
            self.clients[client].own_keys.insert(place.clone());
        }
        let what = self.random.random_range(0..100);
        if self.change(&origin, region, &place.1, what).is_none() || !is_own {
            return;
        }
        self.note_own(client, &place);
    }

    fn change(&mut self, origin: &EventOrigin, region: usize, key: &[u8], what: u32) -> Option<()> {
        let value = [&[0x39][..], &self.random.random_range(0..100_i32).to_be_bytes()].concat();
        let region = Arc::clone(&self.node.regions[region]);
        let mutation = match what {
            0..80 => Mutation::Put {
                key,
                value: Value::Object(&value),
                condition: Condition::None,
                callback: None,
            },
            80..92 => Mutation::Destroy { key, expected: None, callback: None },
            92..98 => Mutation::Invalidate { key, callback: None },
            _ => {
                let writer = EventOrigin { member: ClientIdentity::new(b"writer-1"), ..origin.clone() };
                let _ = self.runtime.block_on(region.clear(&writer, None, self.now).finish());
                return None;
            }
        };
        self.runtime.block_on(region.mutate(origin, mutation, self.now).finish()).ok().map(|_| ())
    }

    /// A client knows what it has written itself.
    fn note_own(&mut self, client: usize, place: &super::cache::Place) {
        let Some(record) = self.node.regions[usize::from(place.0)].get(&place.1) else { return };
        let entry = super::cache::Cached {
            value: record.value().and_then(super::hear::bytes_of),
            is_gone: record.is_tombstone(),
            version: record.version().region,
        };
        self.clients[client].cache.apply(place.clone(), entry);
    }

    /// A client begins to connect.
    pub(super) fn begin(&mut self, client: usize) {
        self.clients[client].begin(self.plan.secured);
        self.go_on(client);
    }

    /// The next thing that a client has to ask before it is up.
    pub(super) fn go_on(&mut self, client: usize) {
        let it = &mut self.clients[client];
        let Some(request) = it.script.pop_front() else {
            (it.is_up, it.failures) = (true, 0);
            return;
        };
        match request {
            Request::Login { user, why } => self.log_in(client, user, why),
            Request::Feed => {
                if !self.clients[client].several() && self.plan.secured && !self.fetch(client, 0) {
                    return self.go_down(client);
                }
                self.send(client, Request::Feed);
            }
            Request::Register { want } => {
                if let Want::Interest { region, interest, .. } = &it.wants[want] {
                    let matcher = super::super::interest::Matcher::new(interest);
                    it.cache.clear(*region, |key| matcher.concerns(key));
                }
                it.pauses += 1;
                self.send(client, Request::Register { want });
            }
            other => {
                it.pauses += u32::from(it.waits_for(&other));
                self.send(client, other);
            }
        }
    }

    /// A client logs a user in, with what the provider hands out.
    pub(super) fn log_in(&mut self, client: usize, user: usize, why: Why) {
        if self.fetch(client, user) {
            return self.send(client, Request::Login { user, why });
        }
        if why != Why::Refused {
            self.go_down(client);
        }
    }

    /// Asks the provider for a credential.
    fn fetch(&mut self, client: usize, user: usize) -> bool {
        if !self.plan.secured {
            return false;
        }
        if self.happens(self.plan.faults.provider_fails) {
            return false;
        }
        let stale = self.happens(self.plan.faults.provider_stale);
        let dead = self.happens(self.plan.faults.provider_dead);
        let life = if self.calm { Duration::from_secs(3600) } else { self.plan.life };
        let known = self.clients[client].users[user].token.filter(|_| stale);
        let mut token = known.unwrap_or_else(|| next_token(self.now, life, self.plan.says_issued));
        if dead {
            token.expires_at = Some(self.now);
        }
        self.clients[client].users[user].token = Some(token);
        true
    }

    /// A client sends a request.
    pub(super) fn send(&mut self, client: usize, request: Request) {
        let attempt = self.clients[client].attempt;
        let delay = self.some(Duration::from_millis(15));
        self.after(delay, Event::Request { client, attempt, request });
    }

    /// A client gives its connections up and will try again.
    pub(super) fn go_down(&mut self, client: usize) {
        self.tell(|| format!("client {client} goes down"));
        let it = &mut self.clients[client];
        it.attempt += 1;
        (it.is_up, it.has_registered) = (false, false);
        it.script.clear();
        it.inbox.clear();
        it.pauses = 0;
        (it.logins, it.since) = (None, None);
        it.users.iter_mut().for_each(|user| user.id = None);
        let delay = if it.failures == 0 { Duration::from_millis(20) } else { RETRY };
        it.failures += 1;
        it.socket = None;
        let attempt = it.attempt;
        if it.kind == Kind::Durable {
            it.is_live = false;
        }
        self.after(delay, Event::Retry { client, attempt });
        // Also one of which the client has not heard yet.
        let is_its = |socket: &&Socket| socket.client == client && !socket.is_abandoned;
        let sockets: Vec<u64> = self.sockets.iter().filter(|(_, it)| is_its(it)).map(|(&it, _)| it).collect();
        sockets.into_iter().for_each(|number| self.abandon(number));
    }

    /// Lets go of a socket; the node may learn of it late.
    fn abandon(&mut self, number: u64) {
        let late = self.random.random_ratio(1, 4) && !self.calm;
        let delay = if late { self.some(Duration::from_secs(3)) } else { Duration::ZERO };
        if let Some(socket) = self.sockets.get_mut(&number) {
            socket.is_abandoned = true;
            if late {
                socket.wire.set_room(0);
            }
        }
        self.after(delay, Event::Broken { socket: number });
    }

    /// The client sees that the node has ended its feed.
    pub(super) fn hear_end(&mut self, socket: u64) {
        let client = self.sockets.get(&socket).map(|it| it.client);
        if let Some(client) = client.filter(|&client| self.clients[client].socket == Some(socket)) {
            self.go_down(client);
        }
        if let Some(socket) = self.sockets.get_mut(&socket) {
            socket.is_abandoned = true;
        }
    }

    /// From now on nothing goes wrong.
    pub(super) fn calm_down(&mut self) {
        self.tell(|| "calm".to_owned());
        self.calm = true;
        self.strangers_leave();
        self.node.manager.calm_down();
        self.sockets.values().for_each(|socket| socket.wire.set_room(usize::MAX));
        self.everybody_reads();
    }

    /// Every user does an operation, which tells those whose login is over.
    pub(super) fn everybody_reads(&mut self) {
        for client in 0..self.clients.len() {
            for user in 0..self.clients[client].users.len() {
                self.read_something(client, user);
            }
        }
    }

    /// All clients leave for good.
    pub(super) fn say_goodbye(&mut self) {
        self.tell(|| "goodbye".to_owned());
        for client in 0..self.clients.len() {
            let it = &mut self.clients[client];
            it.leaves = true;
            let (key, since) = (it.key.clone(), it.since.unwrap_or(self.now));
            self.node.task.shard.leave(&key, false, since, self.now);
            self.go_down(client);
        }
    }
}
