//! What the suites of the whole share: a node whose security is scripted, providers that count, a proxy that breaks
//! things on cue, a peer that sends whatever it is given.
//!
//! Only for tests: what goes wrong in here panics.

#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod grid;
pub mod manager;
pub mod pipe;
pub mod provider;
pub mod proxy;
pub mod raw;
mod relay;

pub use grid::{Grid, eventually};
pub use manager::{LoginFault, Scripted};
pub use pipe::Pipes;
pub use provider::Tokens;
pub use proxy::{Act, FaultProxy};
