//! The Apache Geode client/server wire protocol, **without IO and without a clock**.
//!
//! Bytes go in, messages come out, and the other way round. Nothing here opens a socket, spawns a task or reads the
//! time, so that a node, a client, a test and a fuzzer all use the very same code.
//!
//! ```text
//!   socket bytes ──► codec::frame ──► Message<'_> ──► message::* (one file a family) ──► typed request or reply
//!   socket bytes ◄── codec::writer ◄───────────────── message::* encode
//!                    value::* looks inside keys and values, only where somebody needs it
//! ```
//!
//! Decoding borrows: a decoded request points into the frame it came from and copies nothing. Every length is compared
//! with what is really there, and with a limit, before anything is allocated.
//!
//! `protocol` promises no stability: programs use it through the `server` and `client` crates.

pub mod auth;
pub mod codec;
pub mod compat;
pub mod error;
pub mod handshake;
pub mod locator;
pub mod message;
pub mod time;
pub mod value;
pub mod version;
mod wire;

pub use error::DecodeError;
