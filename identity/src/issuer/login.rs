//! A browser's login at the issuer: what its cookie stands for, until it is ended or twelve hours are over.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::time::Micros;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::serial;
use crate::store::{Aggregate, Column};

/// A login as the store knows it. Of the cookie it has the SHA-256, as its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRecord {
    /// Who is logged in.
    pub subject: String,
    /// Since when.
    #[serde(with = "serial::micros")]
    pub auth_time: Micros,
    /// Until when at most.
    #[serde(with = "serial::micros")]
    pub ends_at: Micros,
    /// Whether it has been ended before.
    pub ended: bool,
}

/// What can happen to a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum LoginEvent {
    /// Somebody has shown who it is.
    Opened {
        /// Who.
        subject: String,
        /// Until when.
        #[serde(with = "serial::micros")]
        ends_at: Micros,
    },
    /// It is over.
    Ended,
}

impl LoginRecord {
    /// What a cookie is known by in the store.
    #[must_use]
    pub fn id_of(cookie: &str) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, cookie.as_bytes()))
    }

    /// Whether somebody is logged in by it.
    #[must_use]
    pub fn is_good(&self, now: Micros) -> bool {
        !self.ended && now < self.ends_at
    }
}

impl Aggregate for LoginRecord {
    type Event = LoginEvent;
    const NAME: &'static str = "login";

    fn apply(state: Option<Self>, event: &LoginEvent, at: Micros) -> Option<Self> {
        match (state, event) {
            (None, LoginEvent::Opened { subject, ends_at }) => {
                Some(Self { subject: subject.clone(), auth_time: at, ends_at: *ends_at, ended: false })
            }
            (Some(login), LoginEvent::Ended) if !login.ended => Some(Self { ended: true, ..login }),
            _ => None,
        }
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        vec![("ends_us", Column::Integer(self.ends_at.0))]
    }
}
