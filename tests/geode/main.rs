//! Our client against a real Geode 1.15.1 cache server with a token-checking security manager (`tests/interop`).
//!
//! `./check` builds the server first. Without a JDK or Maven these tests fail; they are never skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails in a helper fails its test")]

mod expiry;
mod failover;
mod feeds;
mod operations;
mod queries;
mod server;
mod users;
