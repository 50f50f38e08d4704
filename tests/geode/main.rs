//! Our client against a real Geode 1.15.1 cache server with a token-checking security manager (`tests/interop`).
//!
//! `./check` builds the server first. Without a JDK or Maven these tests fail; they are never skipped.

mod expiry;
mod operations;
mod server;
mod users;
