//! The end of everything that somebody, or a client, had before an instant: one event, whatever the number of sessions.

use druse_protocol::time::Micros;
use serde::{Deserialize, Serialize};

use crate::serial;
use crate::store::{Aggregate, Column};

/// From when on sessions count. A state of its own, so that it holds for subjects without an account here as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectCut {
    /// Sessions opened before it are over.
    #[serde(with = "serial::micros")]
    pub before: Micros,
}

/// The same of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCut {
    /// Sessions opened before it are over.
    #[serde(with = "serial::micros")]
    pub before: Micros,
}

/// What can happen: everything before an instant ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Cut {
    /// Everything opened before it is over.
    Cut {
        /// The instant.
        #[serde(with = "serial::micros")]
        before: Micros,
    },
}

impl Cut {
    /// Of two cuts the later one counts: nothing that has ended comes back.
    fn after(self, earlier: Option<Micros>) -> Micros {
        let Self::Cut { before } = self;
        earlier.map_or(before, |earlier| earlier.max(before))
    }
}

impl Aggregate for SubjectCut {
    type Event = Cut;
    const NAME: &'static str = "subject";

    fn apply(state: Option<Self>, event: &Cut, _at: Micros) -> Option<Self> {
        Some(Self { before: event.after(state.map(|state| state.before)) })
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        Vec::new()
    }
}

impl Aggregate for ClientCut {
    type Event = Cut;
    const NAME: &'static str = "client_cut";

    fn apply(state: Option<Self>, event: &Cut, _at: Micros) -> Option<Self> {
        Some(Self { before: event.after(state.map(|state| state.before)) })
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        Vec::new()
    }
}
