//! A session, folded from its events.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::time::Micros;
use serde::{Deserialize, Serialize};

use crate::serial;
use crate::store::{Aggregate, Column};

/// How many single access tokens of one session may be revoked; with the next one the session ends, which is the safe
/// side. They live minutes, so this many are never revoked by a client that means well.
const MAX_REVOKED: usize = 64;

/// What a session is known by: 16 random bytes, written in base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// Reads an id; `None` if the text is none, or is not written the one way in which we write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// One login of a subject through a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What it was opened with.
    pub opened: Opened,
    /// When it was opened.
    #[serde(with = "serial::micros")]
    pub opened_at: Micros,
    /// The number of its current refresh token, from 0.
    pub generation: u32,
    /// Since when that one is the current.
    #[serde(with = "serial::micros_option")]
    pub rotated_at: Option<Micros>,
    /// When it is over if it is not used before. Never later than its absolute end.
    #[serde(with = "serial::micros")]
    pub idle_ends_at: Micros,
    /// How many access tokens it has had.
    pub access_count: u64,
    /// The numbers of those that were revoked one by one.
    pub revoked: Vec<u64>,
    /// Its end, once it has one.
    pub end: Option<End>,
}

/// What a session is opened with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Whose it is.
    pub subject: String,
    /// Through which client.
    pub client: String,
    /// All that its tokens may be for.
    pub scope: Vec<String>,
    /// For whom its access tokens are.
    pub audience: String,
    /// When the subject has shown who it is.
    #[serde(with = "serial::micros")]
    pub auth_time: Micros,
    /// By which means (RFC 8176).
    pub amr: Vec<String>,
    /// Who acts for the subject, the present one first; mostly nobody.
    pub actors: Vec<String>,
    /// The session of the present actor, with which this one ends.
    pub actor_sid: Option<String>,
    /// The browser's login that it came from, and ends with unless it has refresh tokens.
    pub login: Option<String>,
    /// Whether it has refresh tokens.
    pub refreshable: bool,
    /// The end that nothing moves.
    #[serde(with = "serial::micros")]
    pub ends_at: Micros,
    /// The first end for lack of use.
    #[serde(with = "serial::micros")]
    pub idle_ends_at: Micros,
    /// Makes its refresh tokens its own; no secret.
    pub salt: String,
    /// The master key that proves its refresh tokens.
    pub master_kid: String,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Why.
    pub reason: EndReason,
    /// When.
    #[serde(with = "serial::micros")]
    pub at: Micros,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The subject logged out.
    Logout,
    /// The client gave its token back.
    Revoked,
    /// A refresh token was presented that had been replaced long before: somebody has a copy.
    Reuse,
    /// A code was redeemed twice.
    CodeReplayed,
    /// Its absolute end.
    Expired,
    /// It was not used.
    Idle,
    /// All of the subject's sessions were ended.
    SubjectCut,
    /// All of the client's were.
    ClientCut,
    /// Who acted for the subject is no longer logged in.
    ActorEnded,
    /// An operator ended it.
    Operator,
}

impl EndReason {
    /// The reason as it stands in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::Reuse => "reuse",
            Self::CodeReplayed => "code_replayed",
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::SubjectCut => "subject_cut",
            Self::ClientCut => "client_cut",
            Self::ActorEnded => "actor_ended",
            Self::Operator => "operator",
        }
    }
}

/// What can happen to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum SessionEvent {
    /// It began.
    Opened(Box<Opened>),
    /// It was given an access token.
    AccessMinted {
        /// The token's number.
        number: u64,
        /// What it is for.
        scope: Vec<String>,
        /// Until when.
        #[serde(with = "serial::micros")]
        ends_at: Micros,
    },
    /// Its refresh token was replaced.
    Refreshed {
        /// The number of the new one.
        generation: u32,
        /// The new end for lack of use.
        #[serde(with = "serial::micros")]
        idle_ends_at: Micros,
    },
    /// The token before the current one was answered once more.
    RefreshReplayed {
        /// The number of the current one.
        generation: u32,
    },
    /// One access token is no longer good.
    AccessRevoked {
        /// The token's number.
        number: u64,
    },
    /// It is over.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

impl Session {
    /// Whether it has an end by now, recorded or only reached.
    #[must_use]
    pub fn is_over(&self, now: Micros) -> bool {
        self.end.is_some() || self.overdue(now).is_some()
    }

    /// The end that time has brought and nobody has recorded.
    #[must_use]
    pub fn overdue(&self, now: Micros) -> Option<EndReason> {
        if self.end.is_some() {
            None
        } else if now >= self.opened.ends_at {
            Some(EndReason::Expired)
        } else if now >= self.idle_ends_at {
            Some(EndReason::Idle)
        } else {
            None
        }
    }

    /// When it is over if nothing happens.
    #[must_use]
    pub fn ends_at(&self) -> Micros {
        self.opened.ends_at.min(self.idle_ends_at)
    }
}

impl Aggregate for Session {
    type Event = SessionEvent;
    const NAME: &'static str = "session";

    fn apply(state: Option<Self>, event: &SessionEvent, at: Micros) -> Option<Self> {
        let Some(session) = state else { return opened(event, at) };
        if session.end.is_some() {
            // Law 3: what has ended stays ended.
            return None;
        }
        match event {
            SessionEvent::Opened(_) => None,
            SessionEvent::AccessMinted { number, .. } => {
                (*number == session.access_count + 1).then_some(Self { access_count: *number, ..session })
            }
            SessionEvent::Refreshed { generation, idle_ends_at } => {
                (*generation == session.generation.checked_add(1)?).then_some(Self {
                    generation: *generation,
                    rotated_at: Some(at),
                    idle_ends_at: *idle_ends_at,
                    ..session
                })
            }
            SessionEvent::RefreshReplayed { generation } => {
                (*generation == session.generation).then_some(session)
            }
            SessionEvent::AccessRevoked { number } => session.with_revoked(*number),
            SessionEvent::Ended { reason } => {
                Some(Self { end: Some(End { reason: *reason, at }), ..session })
            }
        }
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        let state = if self.end.is_some() { "ended" } else { "active" };
        vec![
            ("state", Column::Text(state.into())),
            ("subject", Column::Text(self.opened.subject.clone())),
            ("client", Column::Text(self.opened.client.clone())),
            ("login", self.opened.login.clone().into()),
            ("actor_sid", self.opened.actor_sid.clone().into()),
            ("ends_us", Column::Integer(self.ends_at().0)),
        ]
    }
}

impl Session {
    /// Whether one more access token can be revoked by itself.
    pub(super) fn can_revoke_one(&self) -> bool {
        self.revoked.len() < MAX_REVOKED
    }

    fn with_revoked(mut self, number: u64) -> Option<Self> {
        let known = (1..=self.access_count).contains(&number) && !self.revoked.contains(&number);
        if !known || !self.can_revoke_one() {
            return None;
        }
        self.revoked.push(number);
        Some(self)
    }
}

fn opened(event: &SessionEvent, at: Micros) -> Option<Session> {
    let SessionEvent::Opened(opened) = event else { return None };
    Some(Session {
        opened_at: at,
        generation: 0,
        rotated_at: None,
        idle_ends_at: opened.idle_ends_at.min(opened.ends_at),
        access_count: 0,
        revoked: Vec::new(),
        end: None,
        opened: (**opened).clone(),
    })
}
