//! Opening a connection: who calls, with which version, and whether they may come in. Geode's `Handshake`,
//! `ClientSideHandshakeImpl`, `ServerSideHandshakeImpl`.
//!
//! ```text
//!  client ── mode, version, time-out, identity, overrides, security mode [, credentials] ──► server
//!  client ◄── code, endpoint type, queue size, server member, message, delta ──────────────── server     (100, 107)
//!  client ◄── code, endpoint type, queue size, message, three maps, ping interval ─────────── server     (101, 102)
//! ```
//! | file | job |
//! |---|---|
//! | [`member`] | member identities, whole and essential |
//! | [`client_id`] | a client's identity: member bytes and a counter |
//! | [`hello`] | what a client says |
//! | [`welcome`] | what a server answers |

pub mod client_id;
pub mod hello;
pub mod member;
pub mod welcome;

pub use client_id::ClientProxyMembershipId;
pub use hello::{ClientHello, CommunicationMode, HelloError, SecurityMode};
pub use member::{Member, MemberKind, PIPELINED_GROUP};
pub use welcome::{AcceptanceCode, FeedWelcome, Welcome, put_refusal};
