//! Our client against our node: the scenarios of expiring credentials, and faults on the way.
//!
//! Tests are named after the rows of the scenario tables where they stem from one. Everything goes over real sockets,
//! where nothing is asserted about how long it takes, or through pipes in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails in a helper fails its test")]

mod clock_steps;
mod common;
mod crashes;
mod credential_source;
mod faults;
mod feed_expiry;
mod feed_trouble;
mod feed_users;
mod lifetime;
mod locators;
mod old_client;
mod reauthentication;
mod region_work;
mod renewal;
mod renewal_rules;
mod revocation;
mod streams;
mod virtual_time;
mod watching;
