//! The world around a node: one clock, one queue of what is to happen, and a seed that decides everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::Revocation;
use druse_protocol::time::{ManualClock, Micros};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::Runtime;

use super::client::{Client, Reply, Request};
use super::logins::Granted;
use super::node::{self, Node};
use super::plan::{Plan, REGIONS, key_text};
use super::strangers::Stranger;
use super::watch::Socket;
use super::{Verdict, end, wrong};
use crate::command::interest::Walk;
use crate::engine::{Change, Record};
use crate::security::Authenticated;

/// When a world begins.
const START: Micros = Micros(1_700_000_000_000_000);
/// Turns in a row that a timer may ask for without time passing.
const SPINS: u32 = 8;

/// Something that is to happen.
pub(super) enum Event {
    /// The seed decides what somebody does.
    Act,
    /// The shard's task has a turn.
    Turn,
    /// The keeper of logins has one.
    Keep,
    Request {
        client: usize,
        attempt: u64,
        request: Request,
    },
    /// The manager has answered.
    Granted {
        client: usize,
        attempt: u64,
        request: Request,
        login: Authenticated,
        granted: Granted,
    },
    /// A registration's answer is being collected.
    Walk {
        client: usize,
        attempt: u64,
        want: usize,
        walk: Walk,
        found: Vec<Record>,
    },
    Reply {
        client: usize,
        attempt: u64,
        reply: Reply,
    },
    /// A message has come on a feed.
    Arrive {
        socket: u64,
        frame: Vec<u8>,
    },
    /// The client sees that the node has ended a feed.
    Ended {
        socket: u64,
    },
    /// A socket has room again.
    Room {
        socket: u64,
    },
    /// The node learns that the client's end is gone.
    Broken {
        socket: u64,
    },
    /// A client tries to connect.
    Retry {
        client: usize,
        attempt: u64,
    },
    /// Somebody who used a client's identity goes.
    StrangerLeaves {
        number: u64,
    },
    /// A client acknowledges what it has handled.
    Acknowledge {
        client: usize,
        attempt: u64,
    },
}

/// A node, its clients, and everything between them.
pub(super) struct World {
    pub(super) random: StdRng,
    pub(super) now: Micros,
    pub(super) plan: Plan,
    pub(super) node: Node,
    pub(super) clients: Vec<Client>,
    pub(super) sockets: BTreeMap<u64, Socket>,
    pub(super) strangers: Vec<Stranger>,
    /// Whether nothing goes wrong any more.
    pub(super) calm: bool,
    pub(super) runtime: Runtime,
    pub(super) clock: Arc<ManualClock>,
    /// Users who were cut off while the node was writing to their clients.
    pub(super) cuts: Arc<Mutex<Vec<(usize, String, Revocation)>>>,
    steps: usize,
    queue: BTreeMap<(Micros, u64), Event>,
    scheduled: u64,
    turn_at: Option<Micros>,
    spins: (Micros, u32),
    pub(super) next_socket: u64,
    pub(super) starts: u32,
    trace: bool,
}

impl World {
    pub(super) fn new(seed: u64, steps: usize, trace: bool) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let plan = Plan::new(&mut random, steps);
        let clock = Arc::new(ManualClock::new(START));
        let node = Node::new(&plan, node::engine(random.random(), seed), &clock, seed);
        let clients = plan.clients.iter().cloned().enumerate().map(|(n, it)| Client::new(n, it)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        Self {
            random,
            now: START,
            steps: plan.steps,
            plan,
            node,
            clients,
            sockets: BTreeMap::new(),
            strangers: Vec::new(),
            calm: false,
            runtime: runtime.expect("a runtime"),
            clock,
            cuts: Arc::default(),
            queue: BTreeMap::new(),
            scheduled: 0,
            turn_at: None,
            spins: (START, 0),
            next_socket: 0,
            starts: 1,
            trace,
        }
    }

    /// Lives through all steps, then through the calm after them, and looks at what is left.
    pub(super) fn run(&mut self) -> Verdict {
        for client in 0..self.clients.len() {
            self.tell(|| format!("client {client} is {:?}", self.plan.clients[client]));
            self.begin(client);
        }
        self.after(Duration::ZERO, Event::Act);
        self.after(Duration::ZERO, Event::Keep);
        while self.steps > 0 {
            self.next()?;
        }
        self.calm_down();
        self.run_for(end::CALM)?;
        // Who only listens, and cannot be asked, is reminded.
        self.everybody_reads();
        self.run_for(end::REMINDED)?;
        end::all_is_well(self)?;
        self.say_goodbye();
        self.run_for(end::GOODBYE)?;
        end::nothing_is_left(self)
    }

    /// Writes down what happens, for whoever replays a seed.
    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>9.3} ms  {}", (self.now.0 - START.0) as f64 / 1_000.0, what());
        }
    }

    pub(super) fn after(&mut self, delay: Duration, event: Event) {
        self.scheduled += 1;
        self.queue.insert((self.now + delay, self.scheduled), event);
    }

    /// A time from nothing to `most`.
    pub(super) fn some(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.random.random_range(0..=most.as_micros() as u64))
    }

    /// Whether something that goes wrong so often in a thousand does so now.
    pub(super) fn happens(&mut self, often: u32) -> bool {
        !self.calm && self.random.random_ratio(often.min(1000), 1000)
    }

    fn run_for(&mut self, time: Duration) -> Verdict {
        let until = self.now + time;
        while self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= until) {
            self.next()?;
        }
        self.now = until;
        self.clock.set(until);
        Ok(())
    }

    fn next(&mut self) -> Verdict {
        let Some(((at, _), event)) = self.queue.pop_first() else {
            return Err(wrong("I11: nothing happens any more".to_owned()));
        };
        // The clock may have jumped past it.
        self.now = self.now.max(at);
        self.clock.set(self.now);
        let is_turn = matches!(event, Event::Turn);
        self.happen(event)?;
        self.read_log();
        self.look_at_feeds()?;
        if let Some(wrong_of_manager) = self.node.manager.wrong() {
            return Err(wrong(wrong_of_manager));
        }
        if !is_turn {
            let soon = self.some(Duration::from_millis(2));
            self.turn_in(soon);
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Verdict {
        match event {
            Event::Act => self.act(),
            Event::Turn => self.turn(),
            Event::Keep => {
                self.keep();
                Ok(())
            }
            Event::Request { client, attempt, request } => self.serve(client, attempt, request),
            Event::Granted { client, attempt, request, login, granted } => {
                self.take_in(client, attempt, request, login, granted)
            }
            Event::Walk { client, attempt, want, walk, found } => {
                self.walk(client, attempt, want, walk, found);
                Ok(())
            }
            Event::Reply { client, attempt, reply } => self.hear_reply(client, attempt, reply),
            Event::Arrive { socket, frame } => self.arrive(socket, frame),
            Event::Ended { socket } => {
                self.hear_end(socket);
                Ok(())
            }
            Event::Room { socket } => {
                self.make_room(socket);
                Ok(())
            }
            Event::Broken { socket } => {
                if let Some(socket) = self.sockets.get(&socket) {
                    socket.wire.break_off();
                }
                Ok(())
            }
            Event::Retry { client, attempt } => {
                if self.clients[client].attempt == attempt && !self.clients[client].leaves {
                    self.begin(client);
                }
                Ok(())
            }
            Event::StrangerLeaves { number } => {
                self.stranger_leaves(number);
                Ok(())
            }
            Event::Acknowledge { client, attempt } => {
                self.acknowledge(client, attempt);
                Ok(())
            }
        }
    }

    /// One of the steps of the seed.
    fn act(&mut self) -> Verdict {
        if self.steps == 0 {
            return Ok(());
        }
        self.steps -= 1;
        let pause = self.random.random_range(0..8);
        let pause = self.some(Duration::from_millis(3 << pause));
        self.after(pause, Event::Act);
        self.do_something()
    }

    fn turn(&mut self) -> Verdict {
        if self.turn_at.is_some_and(|at| at <= self.now) {
            self.turn_at = None;
        }
        self.node.turn()?;
        self.node.ledger.follow(self.now)?;
        self.note_cuts()?;
        self.look_at_sockets()?;
        self.look_at_strangers()?;
        let Some(next) = self.node.task.shard.next_timer() else { return Ok(()) };
        if next <= self.now {
            self.count_spin()?;
        }
        let late = if self.calm { Duration::ZERO } else { self.some(self.plan.faults.late_timers) };
        self.turn_in(next.saturating_since(self.now) + late);
        Ok(())
    }

    /// A timer whose time has come must do something about it.
    fn count_spin(&mut self) -> Verdict {
        let (at, count) = self.spins;
        self.spins = if at == self.now { (at, count + 1) } else { (self.now, 1) };
        match self.spins.1 > SPINS {
            true => Err(wrong("I11: a timer stays in the past: the shard spins".to_owned())),
            false => Ok(()),
        }
    }

    fn turn_in(&mut self, delay: Duration) {
        let at = self.now + delay;
        if self.turn_at.is_none_or(|known| at < known) {
            self.turn_at = Some(at);
            self.after(delay, Event::Turn);
        }
    }

    fn keep(&mut self) {
        if let Some(security) = &self.node.security {
            security.end_idle_logins(self.now);
            security.log_out();
        }
        let pause = Duration::from_millis(self.random.random_range(20..600));
        self.after(pause, Event::Keep);
    }

    /// The oracle sees every change at once.
    pub(super) fn read_log(&mut self) {
        let mut changes: Vec<Change> = Vec::new();
        self.node.cursor.read(usize::MAX, &mut changes);
        for change in &changes {
            self.tell(|| told_of(change));
            for client in &mut self.clients {
                let multi = client.kind.has_several_users();
                client.book.change(change, &client.wants, &client.identity, multi);
            }
        }
    }
}

fn told_of(change: &Change) -> String {
    let (path, key) = (REGIONS[usize::from(change.region.0)], key_text(change.record.key()));
    format!("change {} {:?} {path} {key} by {:?}", change.seq(), change.kind, change.note.origin)
}
