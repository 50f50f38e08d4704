//! I6: one user's trouble does not delay another's events.
//!
//! ```text
//!  the same writes, the same clock ──┬── nothing happens to ann ──► when bob hears what ┐
//!                                    └── ann's login ends, … ─────► when bob hears what ┴─► the same, or one batch later
//! ```
//! Everything but the story is fixed here, so that two runs can be laid side by side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{DecisionScope, Revocation, RevocationScope};
use druse_protocol::codec::{FrameLimits, Message};
use druse_protocol::message::feed::{CqOperation, FeedMessage};
use druse_protocol::time::{Clock, ManualClock, Micros};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::Runtime;

use super::super::open::Opening;
use super::bug::{self, Bug};
use super::client::Client;
use super::manager::SimManager;
use super::net::{NodeEnd, Wire};
use super::node::{self, Node};
use super::plan::{ClientPlan, KEYS, Kind, Plan, REGIONS, Token, key, key_text, pick};
use super::serve::{DURABLE, query};
use super::{Verdict, wrong};
use crate::engine::{ClientIdentity, Value};
use crate::region::{Condition, EventOrigin, Mutation};
use crate::security::ClientLogins;

const START: Micros = Micros(1_700_000_000_000_000);
/// From one turn of the shard to the next.
const TICK: Duration = Duration::from_millis(2);
/// Turns of a story.
const TICKS: usize = 400;
/// What the socket takes in a turn: a batch.
const ROOM: usize = 64 << 10;
/// Stories that are lived through.
const STORIES: u64 = 60;

/// What befalls ann.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Her login ends.
    Expires,
    /// The manager says that it has ended.
    IsSaidToBeOver,
    /// She is cut off.
    IsRevoked,
    /// She may not see anything any more.
    LosesRights,
}

/// What happens, but for the trouble.
#[derive(Debug, Clone)]
struct Story {
    kind: Kind,
    trouble: Trouble,
    begins: usize,
    /// When it is over, if ever.
    ends: usize,
    /// At which tick what is written: a key, and the size of its value.
    writes: BTreeMap<usize, (usize, usize)>,
    /// Events that may wait; few of them, and ann's are lost.
    most: usize,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let begins = random.random_range(20..100);
        let write = |random: &mut StdRng| (random.random_range(0..KEYS), random.random_range(1..2_000));
        let writes = (0..TICKS).filter(|_| random.random_ratio(9, 10)).collect::<Vec<_>>();
        let troubles = [Trouble::Expires, Trouble::IsSaidToBeOver, Trouble::IsRevoked, Trouble::LosesRights];
        Self {
            kind: *pick(&mut random, &[Kind::JavaMulti, Kind::OldMulti, Kind::DruseMulti]),
            trouble: *pick(&mut random, &troubles),
            begins,
            ends: begins + random.random_range(20..400),
            writes: writes.into_iter().map(|tick| (tick, write(&mut random))).collect(),
            most: *pick(&mut random, &[3, 10_000]),
        }
    }

    /// What both users heard, each change with its tick.
    fn live_through(&self, with_trouble: bool) -> Result<[BTreeMap<u64, usize>; 2], super::Violation> {
        let at = |tick: usize| START + TICK * tick as u32;
        let end = (with_trouble && self.trouble == Trouble::Expires).then(|| at(self.begins));
        let mut scene = Scene::new(self, end);
        for tick in 0..TICKS {
            scene.clock.set(at(tick));
            if let Some(&(number, size)) = self.writes.get(&tick) {
                scene.write(number, size);
            }
            if with_trouble && tick == self.begins {
                scene.begin(self.trouble);
            }
            if with_trouble && tick == self.ends {
                scene.end(self.trouble);
            }
            scene.turn(tick)?;
        }
        match scene.node.manager.wrong() {
            Some(violation) => Err(wrong(violation)),
            None => Ok(scene.heard),
        }
    }
}

/// A client with two users, each with a query for everything.
struct Scene {
    node: Node,
    clock: Arc<ManualClock>,
    runtime: Runtime,
    client: Client,
    logins: ClientLogins,
    wire: Wire,
    pending: Vec<u8>,
    heard: [BTreeMap<u64, usize>; 2],
}

impl Scene {
    fn new(story: &Story, end_of_ann: Option<Micros>) -> Self {
        let mut plan = Plan::new(&mut StdRng::seed_from_u64(0), TICKS);
        (plan.secured, plan.scope) = (true, DecisionScope::Call);
        plan.policies.queue_events = story.most;
        let clock = Arc::new(ManualClock::new(START));
        let node = Node::new(&plan, node::engine(1, 0), &clock, 0);
        let users = ["ann", "bob"].map(str::to_owned).to_vec();
        let client =
            Client::new(0, ClientPlan { kind: story.kind, users, wants: Vec::new(), conflates: false });
        let logins = node.security.as_ref().expect("a node that asks").connect(&client.key);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let (wire, end) = Wire::new(ROOM);
        let mut scene = Self {
            node,
            clock,
            runtime,
            client,
            logins,
            wire,
            pending: Vec::new(),
            heard: Default::default(),
        };
        scene.open(end, end_of_ann);
        scene
    }

    fn open(&mut self, end: NodeEnd, end_of_ann: Option<Micros>) {
        let key = self.client.key.clone();
        let logins = self.node.security.as_ref().map(|security| security.connect(&key));
        let opening = Opening { key, client: self.client.hello(DURABLE), logins, cell: None, primary: true };
        let opened = self.node.open(opening, START).expect("a feed");
        self.node.attach(opened.id, end);
        for (user, expires_at) in [(0, end_of_ann), (1, None)] {
            self.log_in(user, expires_at);
            self.execute(user);
        }
    }

    fn execute(&mut self, user: usize) {
        let cell = self.client.users[user].id.and_then(|id| self.logins.cell(id));
        let region = &self.node.regions[0];
        let text = format!("select * from {} o where o > 'a'", REGIONS[0]);
        let request = query(region, &format!("q{user}"), &text, false, cell, START);
        self.node.task.shard.execute_cq(&self.client.key, request, false, START).expect("runs");
    }

    fn log_in(&mut self, user: usize, expires_at: Option<Micros>) {
        let Self { node, runtime, client, logins, clock, .. } = self;
        let user = &mut client.users[user];
        let credentials = SimManager::credentials(&user.name, Token { issued_at: None, expires_at });
        let is_old = client.kind.is_old();
        let named = user.id.filter(|_| !is_old);
        let (login, _) = node.authenticate(runtime, logins, credentials, named, is_old, clock.now());
        let security = node.security.as_ref().expect("a node that asks");
        user.id = Some(logins.admit(security, &login, clock.now()).expect("a good login").unique_id);
    }

    fn write(&mut self, number: usize, size: usize) {
        let value = [&[0x57][..], &(size as u16).to_be_bytes(), &vec![b'b'; size]].concat();
        let key = key(number);
        let (value, condition) = (Value::Object(&value), Condition::None);
        let mutation = Mutation::Put { key: &key, value, condition, callback: None };
        let origin = EventOrigin { member: ClientIdentity::new(b"writer"), event: None, retry: false };
        let write = self.node.regions[0].mutate(&origin, mutation, self.clock.now());
        self.runtime.block_on(write.finish()).expect("written");
    }

    fn begin(&mut self, trouble: Trouble) {
        let (now, ann) = (self.clock.now(), self.client.users[0].name.clone());
        match trouble {
            // It was said when she logged in.
            Trouble::Expires => {}
            Trouble::IsSaidToBeOver => self.node.manager.expire_next(&ann),
            Trouble::IsRevoked => {
                let scope = RevocationScope::Principal(ann.as_str().into());
                let revocation = Revocation { scope, before: now, reason: "left".to_owned() };
                self.node.security.as_ref().expect("a node that asks").revoke(&revocation, now);
            }
            Trouble::LosesRights => self.set_denied(&ann, true),
        }
    }

    fn end(&mut self, trouble: Trouble) {
        let ann = self.client.users[0].name.clone();
        match trouble {
            Trouble::LosesRights => self.set_denied(&ann, false),
            Trouble::Expires | Trouble::IsSaidToBeOver | Trouble::IsRevoked => self.log_in(0, None),
        }
    }

    fn set_denied(&self, user: &str, denied: bool) {
        (0..KEYS).for_each(|number| self.node.manager.set_denied(user, &key_text(&key(number)), denied));
    }

    /// The shard has a turn; the client hears and acknowledges at once.
    fn turn(&mut self, tick: usize) -> Verdict {
        self.wire.set_room(ROOM);
        self.node.turn()?;
        self.pending.extend(self.wire.take().0);
        let mut acknowledged = Vec::new();
        while let Some((message, size)) =
            Message::decode(&self.pending, &FrameLimits::default()).map_err(|it| wrong(it.to_string()))?
        {
            if let Ok(FeedMessage::Entry(event)) = FeedMessage::decode(&message)
                && let Some(cq) = event.cqs.clone().find(|cq| cq.operation != CqOperation::Error)
            {
                let user = usize::from(cq.name == b"q1");
                self.heard[user].insert(event.id.sequence as u64, tick);
                acknowledged.push((event.id.thread, event.id.sequence));
            }
            self.pending.drain(..size);
        }
        self.node.task.shard.acknowledge(&self.client.key, &acknowledged);
        Ok(())
    }
}

/// Bob must hear the same, at most one batch later.
fn is_left_alone(story: &Story) -> Verdict {
    let ([ann, bob], [troubled, other]) = (story.live_through(false)?, story.live_through(true)?);
    if ann == troubled {
        return Err(wrong("the trouble is none".to_owned()));
    }
    let late = bob.iter().find(|(seq, at)| other.get(seq).is_none_or(|then| *then > **at + 1));
    match late {
        None if bob.len() == other.len() => Ok(()),
        None => Err(wrong("I6: bob hears more because of ann".to_owned())),
        Some((seq, at)) => {
            let then = other.get(seq);
            Err(wrong(format!("I6: {seq} comes at {then:?} and not at {at}, because of ann")))
        }
    }
}

#[test]
fn one_users_trouble_does_not_delay_another() {
    for seed in 0..STORIES {
        let story = Story::new(seed);
        is_left_alone(&story).unwrap_or_else(|violation| panic!("story {seed}, {story:?}: {violation}"));
    }
}

#[test]
fn a_feed_that_is_held_as_a_whole_is_found() {
    bug::put_in(Some(Bug::HoldsAll));
    let found = (0..STORIES).find_map(|seed| is_left_alone(&Story::new(seed)).err());
    bug::put_in(None);
    assert!(found.is_some_and(|violation| violation.to_string().starts_with("I6")));
}
