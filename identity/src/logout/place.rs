//! Up to where the log has been read for clients that want to be told.

use druse_protocol::time::Micros;
use serde::{Deserialize, Serialize};

use crate::store::{Aggregate, Column};

/// A place in the log. Everything before it has been planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRecord {
    /// The position.
    pub position: i64,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum PlaceEvent {
    /// The log was read on.
    Advanced {
        /// To here.
        position: i64,
    },
}

impl Aggregate for PlaceRecord {
    type Event = PlaceEvent;
    const NAME: &'static str = "herald";

    fn apply(state: Option<Self>, event: &PlaceEvent, _at: Micros) -> Option<Self> {
        let PlaceEvent::Advanced { position } = *event;
        state.is_none_or(|state| state.position <= position).then_some(Self { position })
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        Vec::new()
    }
}
