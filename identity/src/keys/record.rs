//! A signing key's life, folded from its events.

use druse_protocol::time::Micros;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::key_set::Algorithm;
use crate::serial;
use crate::store::{Aggregate, Column};

/// A key as the store knows it: without its private half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// With what it signs.
    #[serde(with = "serial::algorithm")]
    pub algorithm: Algorithm,
    /// The public half, as it is published.
    pub jwk: Value,
    /// Where in its life it is.
    pub state: KeyState,
    /// Since when it is published.
    #[serde(with = "serial::micros")]
    pub published_at: Micros,
    /// Since when it signs, or has signed.
    #[serde(with = "serial::micros_option")]
    pub activated_at: Option<Micros>,
    /// Since when it signs no more.
    #[serde(with = "serial::micros_option")]
    pub retired_at: Option<Micros>,
    /// Whether somebody else may have it.
    pub compromised: bool,
}

/// The states of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published and not yet used.
    Waiting,
    /// Signs. There is one for each algorithm.
    Active,
    /// Published and used no more.
    Retired,
    /// Neither published nor accepted.
    Removed,
}

/// What can happen to a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum KeyEvent {
    /// It was made, or brought along.
    Created {
        /// With what it signs.
        #[serde(with = "serial::algorithm")]
        algorithm: Algorithm,
        /// The public half.
        jwk: Value,
    },
    /// It begins to sign.
    Activated,
    /// It signs no more.
    Retired,
    /// It is no longer published.
    Removed {
        /// Because somebody else may have it.
        compromised: bool,
    },
}

impl KeyRecord {
    /// Whether it stands in the published document.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.state != KeyState::Removed
    }
}

impl KeyState {
    /// The name in which it is stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Removed => "removed",
        }
    }
}

impl Aggregate for KeyRecord {
    type Event = KeyEvent;
    const NAME: &'static str = "key";

    fn apply(state: Option<Self>, event: &KeyEvent, at: Micros) -> Option<Self> {
        let Some(key) = state else { return created(event, at) };
        match (key.state, event) {
            (KeyState::Waiting, KeyEvent::Activated) => {
                Some(Self { state: KeyState::Active, activated_at: Some(at), ..key })
            }
            (KeyState::Active, KeyEvent::Retired) => {
                Some(Self { state: KeyState::Retired, retired_at: Some(at), ..key })
            }
            // An active key is retired first, unless there is reason to hurry.
            (KeyState::Waiting | KeyState::Retired, KeyEvent::Removed { compromised }) => {
                Some(Self { state: KeyState::Removed, compromised: *compromised, ..key })
            }
            (KeyState::Active, KeyEvent::Removed { compromised: true }) => {
                Some(Self { state: KeyState::Removed, compromised: true, ..key })
            }
            _ => None,
        }
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        vec![("state", Column::Text(self.state.name().into()))]
    }
}

fn created(event: &KeyEvent, at: Micros) -> Option<KeyRecord> {
    let KeyEvent::Created { algorithm, jwk } = event else { return None };
    Some(KeyRecord {
        algorithm: *algorithm,
        jwk: jwk.clone(),
        state: KeyState::Waiting,
        published_at: at,
        activated_at: None,
        retired_at: None,
        compromised: false,
    })
}
