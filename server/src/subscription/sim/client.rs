//! A client: what it asks for, in which order, and what it makes of what it is told.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use druse_protocol::time::Micros;
use druse_protocol::version::VersionOrdinal;

use super::super::{FeedClient, FeedId};
use super::cache::{Cache, Place};
use super::duplicates::Duplicates;
use super::oracle::Book;
use super::plan::{ClientPlan, Kind, Token, Want};
use super::rows::Results;
use crate::engine::{ClientIdentity, Record};
use crate::security::ClientLogins;

/// What a client asks of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Message 77.
    Login { user: usize, why: Why },
    /// The hello of a feed.
    Feed,
    /// REGISTER_INTEREST.
    Register { want: usize },
    /// EXECUTECQ.
    Execute { want: usize },
    /// UNREGISTER_INTEREST, or CLOSECQ.
    Withdraw { want: usize },
    /// CLIENT_READY.
    Ready,
    /// PERIODIC_ACK.
    Acknowledge(Vec<(i64, i64)>),
    /// Any operation.
    Read { user: usize, key: usize },
}

/// Why a client logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It connects.
    Connecting,
    /// The node asked on the feed.
    Asked,
    /// An operation was refused.
    Refused,
}

/// What a client is answered.
pub(super) enum Reply {
    LoggedIn {
        user: usize,
        id: i64,
        why: Why,
    },
    LoginRefused {
        why: Why,
    },
    /// The request needs a login.
    Refused {
        user: usize,
        request: Request,
    },
    Feed {
        socket: u64,
    },
    FeedRefused,
    Entries {
        want: usize,
        records: Vec<Record>,
    },
    Done,
    /// The node knows of no feed.
    NoFeed,
}

/// Somebody who works through a client.
pub(super) struct User {
    pub(super) name: String,
    /// The id under which the node knows this user.
    pub(super) id: Option<i64>,
    /// What the provider handed out last.
    pub(super) token: Option<Token>,
}

/// A client and what it knows.
pub(super) struct Client {
    pub(super) kind: Kind,
    pub(super) conflates: bool,
    pub(super) identity: ClientIdentity,
    pub(super) key: Box<[u8]>,
    pub(super) users: Vec<User>,
    pub(super) wants: Vec<Want>,
    /// Those that the application has taken back.
    pub(super) withdrawn: BTreeSet<usize>,
    /// Counts attempts to connect: answers to those before mean nothing.
    pub(super) attempt: u64,
    pub(super) is_up: bool,
    pub(super) socket: Option<u64>,
    /// What is still to be asked before the client is up; one thing after the other.
    pub(super) script: VecDeque<Request>,
    /// The feed is not read while a registration or a login that the node asked for is under way.
    pub(super) pauses: u32,
    pub(super) inbox: VecDeque<Vec<u8>>,
    pub(super) duplicates: Duplicates,
    pub(super) cache: Cache,
    pub(super) results: Results,
    /// Whether events touch the cache: of a durable client only behind the marker.
    pub(super) is_live: bool,
    /// What the client wrote itself, to be left out of comparisons with what it was told.
    pub(super) own_keys: BTreeSet<Place>,
    /// Where the registrations stood when they were last answered.
    pub(super) line: u64,
    /// Whether it has said goodbye for ever.
    pub(super) leaves: bool,
    /// Whether it has said goodbye on the connection of before.
    pub(super) says_goodbye: bool,
    /// Whether with that its queue is to go.
    pub(super) gives_up_queue: bool,
    /// Whether the node has taken a registration since it connected.
    pub(super) has_registered: bool,
    /// Attempts to connect that failed since the last that did not.
    pub(super) failures: u32,

    /// The node's side of it: the connections that are no feeds.
    pub(super) logins: Option<ClientLogins>,
    /// When the first of them said hello.
    pub(super) since: Option<Micros>,
    pub(super) feed: Option<FeedId>,
    pub(super) book: Book,
    /// Requests to log in on the feed since the last login that took.
    pub(super) asks: u32,
    /// Until when the node keeps its queue, if it has no socket.
    pub(super) until: Option<Micros>,
    /// Whether the node is about to end its feed.
    pub(super) is_draining: bool,
    /// Whether a stranger has opened a feed under its identity while it had none that was connected.
    pub(super) was_displaced: bool,
    /// When a stranger last had a feed under its identity.
    pub(super) taken_at: Option<Micros>,
    /// Whether its user was cut off and has not come back.
    pub(super) was_revoked: bool,
}

impl Client {
    pub(super) fn new(number: usize, plan: ClientPlan) -> Self {
        let identity = format!("client-{number}").into_bytes();
        let key = match plan.kind {
            Kind::Durable => format!("durable-{number}").into_bytes(),
            _ => identity.clone(),
        };
        let users = plan.users.into_iter().map(|name| User { name, id: None, token: None }).collect();
        Self {
            kind: plan.kind,
            conflates: plan.conflates,
            identity: ClientIdentity::new(&identity),
            key: key.into(),
            users,
            wants: plan.wants,
            withdrawn: BTreeSet::new(),
            attempt: 0,
            is_up: false,
            socket: None,
            script: VecDeque::new(),
            pauses: 0,
            inbox: VecDeque::new(),
            duplicates: Duplicates::default(),
            cache: Cache::default(),
            results: Results::default(),
            is_live: plan.kind != Kind::Durable,
            own_keys: BTreeSet::new(),
            line: 0,
            leaves: false,
            says_goodbye: false,
            gives_up_queue: false,
            has_registered: false,
            failures: 0,
            logins: None,
            since: None,
            feed: None,
            book: Book::default(),
            asks: 0,
            until: None,
            is_draining: false,
            was_displaced: false,
            taken_at: None,
            was_revoked: false,
        }
    }

    pub(super) fn several(&self) -> bool {
        self.kind.has_several_users()
    }

    /// What the hello tells of the client.
    pub(super) fn hello(&self, timeout: Duration) -> FeedClient {
        FeedClient {
            version: match self.kind.is_old() {
                true => VersionOrdinal::GEODE_1_14_0,
                false => VersionOrdinal::GEODE_1_15_0,
            },
            identity: self.identity.clone(),
            durable: (self.kind == Kind::Durable).then_some(timeout),
            conflates: self.conflates,
            has_several_users: self.several(),
            takes_notices: self.kind.is_ours(),
            name: Arc::from(String::from_utf8_lossy(&self.key)),
        }
    }

    /// Registers all interest once more, unless that is about to be done.
    pub(super) fn fetch_all(&mut self) {
        let is_interest = |want: &(usize, &Want)| matches!(want.1, Want::Interest { .. });
        let all = self.wants.iter().enumerate().filter(is_interest);
        let missing = all.map(|(want, _)| Request::Register { want }).filter(|it| !self.script.contains(it));
        let missing: Vec<_> = missing.collect();
        self.script.extend(missing);
    }

    /// What a client asks when it connects, in this order.
    pub(super) fn begin(&mut self, secured: bool) {
        self.attempt += 1;
        (self.says_goodbye, self.gives_up_queue) = (false, false);
        self.script.clear();
        if secured {
            let users = 0..self.users.len();
            self.script.extend(users.map(|user| Request::Login { user, why: Why::Connecting }));
        }
        self.script.push_back(Request::Feed);
        for want in (0..self.wants.len()).filter(|want| !self.withdrawn.contains(want)) {
            self.script.push_back(self.registration(want));
        }
        if self.kind == Kind::Durable {
            self.script.push_back(Request::Ready);
        }
    }

    /// What registers a want.
    pub(super) fn registration(&self, want: usize) -> Request {
        match self.wants[want] {
            Want::Interest { .. } => Request::Register { want },
            Want::Query { .. } => Request::Execute { want },
        }
    }

    /// Whether the feed is not read until the request has been answered.
    pub(super) fn waits_for(&self, request: &Request) -> bool {
        match request {
            Request::Register { .. } => true,
            Request::Execute { want } => matches!(self.wants[*want], Want::Query { initial: true, .. }),
            _ => false,
        }
    }

    /// The node keeps another queue than before; `anew` if it has the old one's and has lost what stood there.
    pub(super) fn begin_anew(&mut self, anew: bool) {
        self.results.clear();
        let Self { wants, book, .. } = self;
        book.owes_notice.clear();
        let queries = wants.iter().enumerate().filter_map(|(number, want)| match want {
            Want::Query { name, .. } if anew && book.has(number) => Some(name.clone()),
            _ => None,
        });
        let owed = queries.collect();
        book.void();
        book.clear();
        book.owes_notice = owed;
    }

    /// Whether its connection is older than a stranger's feed.
    pub(super) fn was_taken_over(&self) -> bool {
        self.taken_at.zip(self.since).is_some_and(|(taken, since)| since < taken)
    }

    /// The lane on which the oracle keeps a user's changes.
    pub(super) fn lane_of(&self, user: usize) -> usize {
        if self.several() { user + 1 } else { 0 }
    }

    /// The user of a query.
    pub(super) fn user_of(&self, query: &str) -> Option<usize> {
        self.wants.iter().find_map(|want| match want {
            Want::Query { name, user, .. } if name == query => Some(*user),
            _ => None,
        })
    }

    /// Whose rights count for what the oracle keeps on a lane.
    pub(super) fn user_on(&self, lane: usize) -> &str {
        &self.users[lane.saturating_sub(1)].name
    }
}

/// What a provider answers.
pub(super) fn next_token(now: Micros, life: Duration, says_issued: bool) -> Token {
    Token { issued_at: says_issued.then_some(now), expires_at: (!life.is_zero()).then_some(now + life) }
}
