//! The end of everything that somebody, or a client, had before an instant: one event, whatever the number of sessions.

use druse_protocol::time::Micros;
use serde::{Deserialize, Serialize};

use crate::serial;
use crate::store::{Aggregate, Column};

/// From when on sessions count. A state of its own, so that it holds for subjects without an account here as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectCut {
    /// Sessions opened by then are over; [`Micros::MIN`] if there was no cut.
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

/// What can happen to a subject as such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum SubjectEvent {
    /// Everything opened before it is over.
    Cut {
        /// The instant.
        #[serde(with = "serial::micros")]
        before: Micros,
    },
    /// Somebody began to act for it: for the subject's own audit.
    Impersonated {
        /// Who.
        by: String,
        /// Through which client.
        client: String,
        /// In which session.
        sid: String,
    },
}

/// What can happen to all that was had through a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum ClientCutEvent {
    /// Everything opened before it is over.
    Cut {
        /// The instant.
        #[serde(with = "serial::micros")]
        before: Micros,
    },
}

/// A cut, whatever it is of.
pub(super) trait Cut: Aggregate {
    /// The event of it.
    fn event(before: Micros) -> Self::Event;
}

impl Cut for SubjectCut {
    fn event(before: Micros) -> SubjectEvent {
        SubjectEvent::Cut { before }
    }
}

impl Cut for ClientCut {
    fn event(before: Micros) -> ClientCutEvent {
        ClientCutEvent::Cut { before }
    }
}

impl Aggregate for SubjectCut {
    type Event = SubjectEvent;
    const NAME: &'static str = "subject";

    fn apply(state: Option<Self>, event: &SubjectEvent, _at: Micros) -> Option<Self> {
        let earlier = state.map_or(Micros::MIN, |state| state.before);
        match event {
            // Of two cuts the later one counts: nothing that has ended comes back.
            SubjectEvent::Cut { before } => Some(Self { before: earlier.max(*before) }),
            SubjectEvent::Impersonated { .. } => Some(Self { before: earlier }),
        }
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        Vec::new()
    }
}

impl Aggregate for ClientCut {
    type Event = ClientCutEvent;
    const NAME: &'static str = "client_cut";

    fn apply(state: Option<Self>, event: &ClientCutEvent, _at: Micros) -> Option<Self> {
        let ClientCutEvent::Cut { before } = event;
        Some(Self { before: state.map_or(*before, |state| state.before.max(*before)) })
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        Vec::new()
    }
}
