//! A linked client for Geode and Druse servers, built around credentials that expire.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod auth;
mod connection;
mod endpoint;
mod error;
mod lanes;
pub mod runtime;
mod sync;

pub use endpoint::{LocationError, PoolConfig, ServerLocation};
pub use error::{ConnectError, ConnectionError};
