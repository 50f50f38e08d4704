//! Bytes that no client sends and peers that misbehave, against a node that serves somebody else all the while.
//!
//! Whatever is sent ends in a clear error or a clean close; nothing panics; memory in use stays within its bound and is
//! given back; and the other client notices nothing. Requests are made from the table of message types where that is
//! possible, so that a new type is attacked without anybody remembering to. Peers that are slow are so in virtual time.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod floods;
mod handshake;
mod identity;
mod lengths;
mod locator;
mod requests;
mod siege;
mod slow;
mod truncated;
mod types;
