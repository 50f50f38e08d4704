//! What the node does with requests: the same calls, in the same order, as its sessions make.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::auth::{AuthError, Operation};
use druse_protocol::message::key::KeyRef;
use druse_protocol::time::Micros;

use super::super::open::{Opened, Opening};
use super::super::requests::{InterestRequest, NoFeed, QueryRequest};
use super::client::{Reply, Request};
use super::logins::Granted;
use super::manager::SimManager;
use super::net::Wire;
use super::node::login_of;
use super::plan::{Kind, Want};
use super::watch::Socket;
use super::world::{Event, World};
use super::{Verdict, wrong};
use crate::command::interest::{Found, Walk};
use crate::engine::Record;
use crate::query::{CqPredicate, Statement};
use crate::region::Region;
use crate::security::{Authenticated, Cell, Wanted, unknown_user};

/// How long a durable client's queue waits.
pub(super) const DURABLE: Duration = Duration::from_secs(9);

impl World {
    /// A request has come.
    pub(super) fn serve(&mut self, client: usize, attempt: u64, request: Request) -> Verdict {
        if self.clients[client].attempt != attempt {
            // Its connection is gone.
            return Ok(());
        }
        self.connect(client);
        self.tell(|| format!("client {client} asks {request:?}"));
        let now = self.now;
        let key = self.clients[client].key.clone();
        match request {
            Request::Login { user, .. } => self.authenticate(client, user, request),
            Request::Feed if self.node.security.is_some() && !self.clients[client].several() => {
                self.authenticate(client, 0, request);
            }
            Request::Feed => return self.open(client, None),
            Request::Register { want } => self.register(client, want),
            Request::Execute { want } => self.execute(client, want),
            Request::Withdraw { want } => self.withdraw(client, want),
            Request::Ready => {
                self.node.task.shard.client_ready(&key, now);
                self.answer(client, Reply::Done);
            }
            Request::Acknowledge(numbers) => self.node.task.shard.acknowledge(&key, &numbers),
            Request::Read { user, key: number } => {
                let read = self.permit(client, user, None, Some(&super::plan::key(number)));
                if read.is_err_and(|error| !matches!(error, AuthError::NotAuthorized(_))) {
                    self.answer(client, Reply::Refused { user, request });
                }
            }
        }
        Ok(())
    }

    /// The client's connection for requests.
    fn connect(&mut self, client: usize) {
        let now = self.now;
        let it = &mut self.clients[client];
        it.since.get_or_insert(now);
        if let (Some(security), None) = (&self.node.security, &it.logins) {
            it.logins = Some(security.connect(&it.key));
        }
    }

    pub(super) fn answer(&mut self, client: usize, reply: Reply) {
        let attempt = self.clients[client].attempt;
        let delay = self.some(Duration::from_millis(10));
        self.after(delay, Event::Reply { client, attempt, reply });
    }

    /// Asks the manager; its answer is taken in when it comes.
    fn authenticate(&mut self, client: usize, user: usize, request: Request) {
        let it = &self.clients[client];
        let (Some(auths), Some(token)) = (&it.logins, it.users[user].token) else {
            // The credential was taken away meanwhile.
            let reply = match request {
                Request::Login { why, .. } => Reply::LoginRefused { why },
                _ => Reply::FeedRefused,
            };
            return self.answer(client, reply);
        };
        let named = it.users[user].id.filter(|_| matches!(request, Request::Login { .. }));
        let is_old = it.kind.is_old();
        let credentials = SimManager::credentials(&it.users[user].name, token);
        let asked = self.node.authenticate(
            &self.runtime,
            auths,
            credentials,
            named.filter(|_| !is_old),
            is_old,
            self.now,
        );
        let (login, ticket) = asked;
        let granted = Granted { token, asked_at: self.now, ticket, login: login_of(login.subject()) };
        let attempt = it.attempt;
        let delay = match self.happens(self.plan.faults.slow_logins) {
            true => self.some(Duration::from_secs(2)),
            false => self.some(Duration::from_millis(5)),
        };
        self.after(delay, Event::Granted { client, attempt, request, login, granted });
    }

    /// The manager has answered: a cell takes the login.
    pub(super) fn take_in(
        &mut self,
        client: usize,
        attempt: u64,
        request: Request,
        login: Authenticated,
        granted: Granted,
    ) -> Verdict {
        let (Some(security), it) = (self.node.security.clone(), &self.clients[client]) else { return Ok(()) };
        let Some(auths) = it.logins.as_ref().filter(|_| it.attempt == attempt) else { return Ok(()) };
        let Request::Login { user, why } = request else {
            return match auths.admit_feed(&security, &login, self.now) {
                Ok(cell) => {
                    self.note_login(client, 0, &cell, granted)?;
                    self.open(client, Some(cell))
                }
                Err(error) => {
                    self.tell(|| format!("client {client} is refused: {error}"));
                    self.answer(client, Reply::FeedRefused);
                    Ok(())
                }
            };
        };
        match auths.admit(&security, &login, self.now) {
            Ok(admitted) => {
                let id = admitted.unique_id;
                let cell = auths.cell(id).ok_or_else(|| wrong("I7: an id without a login".to_owned()))?;
                self.note_login(client, user, &cell, granted)?;
                self.is_seen_everywhere(client, user, &cell)?;
                self.answer(client, Reply::LoggedIn { user, id, why });
            }
            Err(error) => {
                self.tell(|| format!("login of client {client} is refused: {error}"));
                self.answer(client, Reply::LoginRefused { why });
            }
        }
        Ok(())
    }

    fn note_login(&mut self, client: usize, user: usize, cell: &Arc<Cell>, granted: Granted) -> Verdict {
        let name = self.clients[client].users[user].name.clone();
        let Self { node, now, .. } = self;
        if node.ledger.taken_in(cell, &name, granted, &node.manager, *now)? {
            self.clients[client].asks = 0;
        }
        self.clients[client].was_revoked = false;
        self.node.ledger.follow(self.now)?;
        self.tell(|| format!("{name} logged in until {}", cell.deadline()));
        Ok(())
    }

    /// I7: the feed of a client with one user rests on the login that any of its ids names.
    fn is_seen_everywhere(&self, client: usize, user: usize, cell: &Arc<Cell>) -> Verdict {
        let it = &self.clients[client];
        let Some(feed) = self.node.feed(&it.key).filter(|_| !it.several()) else { return Ok(()) };
        let lane = feed.lanes.first().and_then(|lane| lane.cell.as_ref());
        match lane.is_some_and(|lane| *lane.name() == it.users[user].name && !Arc::ptr_eq(lane, cell)) {
            true => Err(wrong(format!("I7: the feed of client {client} does not see the login of its user"))),
            false => Ok(()),
        }
    }

    fn open(&mut self, client: usize, cell: Option<Arc<Cell>>) -> Verdict {
        let it = &self.clients[client];
        let key = it.key.clone();
        let before = self.node.feed(&key).map(|feed| feed.id);
        let logins = self.node.security.as_ref().map(|security| security.connect(&key));
        let opening = Opening { key, client: it.hello(DURABLE), logins, cell, primary: true };
        let resumed = self.node.metrics.feeds.resumed.get();
        match self.node.open(opening, self.now) {
            Ok(opened) => self.opened(client, opened, before, resumed),
            Err(error) => {
                self.tell(|| format!("client {client} has to stay out: {error}"));
                self.answer(client, Reply::FeedRefused);
            }
        }
        Ok(())
    }

    fn opened(&mut self, client: usize, opened: Opened, before: Option<super::super::FeedId>, resumed: u64) {
        let it = &mut self.clients[client];
        // As the node says: to a durable client by the answer, of others by its counters.
        let goes_on = before == Some(opened.id);
        let is_resumed = match it.kind {
            Kind::Durable => opened.queue_size >= 0,
            _ => it.several() || self.node.metrics.feeds.resumed.get() > resumed,
        };
        if !(goes_on && is_resumed) {
            it.begin_anew(goes_on);
        }
        it.feed = Some(opened.id);
        let (wire, end) = Wire::new(usize::MAX);
        let number = self.next_socket;
        self.next_socket += 1;
        self.sockets.insert(number, Socket::new(client, opened.id, wire, self.now));
        self.node.attach(opened.id, end);
        self.tell(|| format!("client {client} has feed {:?} on socket {number}", opened));
        self.answer(client, Reply::Feed { socket: number });
    }

    /// Whether a user may read now.
    fn permit(
        &self,
        client: usize,
        user: usize,
        region: Option<u16>,
        key: Option<&[u8]>,
    ) -> Result<Option<Arc<Cell>>, AuthError> {
        let Some(security) = &self.node.security else { return Ok(None) };
        let it = &self.clients[client];
        let id = it.users[user].id.ok_or_else(unknown_user)?;
        let cell = it.logins.as_ref().and_then(|logins| logins.cell(id)).ok_or_else(unknown_user)?;
        if it.kind.is_old() && cell.take_nudge() {
            return Err(AuthError::Expired("soon".to_owned()));
        }
        let path = &self.node.regions[usize::from(region.unwrap_or_default())].path()[1..];
        let wanted = Wanted::data(Operation::Read, path, key.map(KeyRef::from_canonical));
        security.authorize(&cell, region.map(u32::from), &wanted, self.now)?;
        Ok(Some(cell))
    }

    fn register(&mut self, client: usize, want: usize) {
        let Want::Interest { region, interest, values, durable } = self.clients[client].wants[want].clone()
        else {
            return;
        };
        if self.permit(client, 0, Some(region), None).is_err() {
            let request = Request::Register { want };
            return self.answer(client, Reply::Refused { user: 0, request });
        }
        let key = self.clients[client].key.clone();
        let line = self.node.feed(&key).map_or(0, |feed| feed.line(0));
        let region = Arc::clone(&self.node.regions[usize::from(region)]);
        let request =
            InterestRequest { region: Arc::clone(&region), interest: vec![interest], values, durable };
        let last = self.node.last_seq();
        match self.node.task.shard.register(&key, &request, self.now) {
            Ok(registered) => {
                let it = &mut self.clients[client];
                it.book.register(want, last, &it.wants);
                it.has_registered = true;
                it.line = it.line.max(line);
                let walk = Walk::new(region, registered.snapshots.into());
                self.go_on_walking(client, want, walk, Vec::new());
            }
            Err(NoFeed) => self.answer(client, Reply::NoFeed),
        }
    }

    fn execute(&mut self, client: usize, want: usize) {
        let Want::Query { region, name, above, user, durable, initial } =
            self.clients[client].wants[want].clone()
        else {
            return;
        };
        let Ok(cell) = self.permit(client, user, Some(region), None) else {
            return self.answer(client, Reply::Refused { user, request: Request::Execute { want } });
        };
        let region = Arc::clone(&self.node.regions[usize::from(region)]);
        let text = format!("select * from {} o where o > {above}", region.path());
        let request =
            query(&region, &name, &text, durable, cell, self.clients[client].since.unwrap_or(self.now));
        let key = self.clients[client].key.clone();
        let last = self.node.last_seq();
        let line = self.node.line_of(&key, &name).unwrap_or(last);
        match self.node.task.shard.execute_cq(&key, request, initial, self.now) {
            Ok(snapshot) => {
                let it = &mut self.clients[client];
                it.book.register(want, last, &it.wants);
                it.has_registered = true;
                let Some(snapshot) = snapshot else { return self.answer(client, Reply::Done) };
                it.results.begin(&name, line);
                self.go_on_walking(client, want, Walk::new(region, [snapshot].into()), Vec::new());
            }
            Err(NoFeed) => self.answer(client, Reply::NoFeed),
        }
    }

    fn go_on_walking(&mut self, client: usize, want: usize, walk: Walk, found: Vec<Record>) {
        let attempt = self.clients[client].attempt;
        let delay = self.some(Duration::from_millis(4));
        self.after(delay, Event::Walk { client, attempt, want, walk, found });
    }

    /// Collects a few entries of a registration's answer.
    pub(super) fn walk(
        &mut self,
        client: usize,
        attempt: u64,
        want: usize,
        mut walk: Walk,
        mut found: Vec<Record>,
    ) {
        if self.clients[client].attempt != attempt {
            return;
        }
        let (region, user) = match self.clients[client].wants[want] {
            Want::Interest { region, .. } => (region, 0),
            Want::Query { region, user, .. } => (region, user),
        };
        for _ in 0..3 {
            match walk.next() {
                Found::Entry(record) => match self.permit(client, user, Some(region), Some(record.key())) {
                    Ok(_) => found.push(record),
                    Err(AuthError::NotAuthorized(_)) => {}
                    Err(_) => {
                        let request = self.clients[client].registration(want);
                        return self.answer(client, Reply::Refused { user, request });
                    }
                },
                Found::NotBefore(..) => break,
                Found::Nothing => return self.answer(client, Reply::Entries { want, records: found }),
            }
        }
        self.go_on_walking(client, want, walk, found);
    }

    /// Reads any key for a user, so that a login that is over is noticed.
    pub(super) fn read_something(&mut self, client: usize, user: usize) {
        let number = rand::Rng::random_range(&mut self.random, 0..super::plan::KEYS);
        self.send(client, Request::Read { user, key: number });
    }
}

/// EXECUTECQ, as a session hands it over.
pub(super) fn query(
    region: &Arc<Region>,
    name: &str,
    text: &str,
    durable: bool,
    user: Option<Arc<Cell>>,
    since: Micros,
) -> QueryRequest {
    let statement = Statement::parse(text).expect("a query");
    let predicate = CqPredicate::compile(&statement, &[], &()).expect("a continuous query");
    QueryRequest {
        name: name.as_bytes().into(),
        text: text.into(),
        region: Arc::clone(region),
        predicate: Arc::new(predicate),
        durable,
        user,
        since,
    }
}
