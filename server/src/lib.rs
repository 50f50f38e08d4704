//! A Druse node: connections, logins that expire, regions, a locator.
//!
//! ```text
//!   acceptor ──► connection (one task each: socket, buffers, time-outs) ──► session (pure: bytes in, bytes out)
//!      │               ▲ tls                                                  │
//!      │               └── shutdown: drain, then abort                        ├── security  (who, until when)
//!      ├──► locator (same process, own port)                                  ├── region    (what)
//!      └──► probe   (HTTP: metrics and health)                                └── engine    (where it lives)
//! ```
//!
//! The modules on the left do things, the modules on the right decide things: `session` never sees a socket or a
//! clock, and what stands left of it never sees a message.
//!
//! A first program stands at [`Node`]. Whoever brings a security manager of their own implements
//! [`auth::SecurityManager`].

pub mod audit;
pub mod config;
pub mod engine;
#[doc(hidden)]
pub mod measure;
pub mod metrics;
pub mod pdx;
pub mod query;
pub mod region;

pub use clock::SteadyClock;
pub use druse_protocol::{auth, time};
pub use embed::RegionHandle;
pub use node::{Node, NodeBuilder, StartError};
pub use subscription::FeedPolicies;

mod acceptor;
mod clients;
mod clock;
mod command;
mod connection;
mod core;
mod embed;
mod locator;
mod memory;
mod node;
mod probe;
mod refusal;
mod seam;
pub mod security;
mod session;
mod shutdown;
mod subscription;
mod tls;
