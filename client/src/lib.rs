//! A linked client for Geode and Druse servers, built around credentials that expire.
//!
//! ```text
//!  Region<K, V> ──► operation ──► Servers (configured, or from locators) ──► Endpoint (pool) ──► Connection
//!                      │
//!                      └── User: Gate (asks AuthInitialize once) ── LoginCell on each server (logs in once)
//! ```
//!
//! What it is: asynchronous, typed, pipelined where the server allows it. What it is not: a cache. Every operation goes
//! to a server.
//!
//! ```no_run
//! use druse_client::auth::providers::FileCredentials;
//! use druse_client::{Client, Region};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder()
//!     .locator("localhost:10334".parse()?)
//!     .auth_initialize(FileCredentials::new("/run/secrets/grid-token"))
//!     .build()?;
//! let orders: Region<String, i64> = client.region("orders");
//! orders.put(&"17".to_owned(), &4200).await?;
//! assert_eq!(orders.get(&"17".to_owned()).await?, Some(4200));
//! client.close().await;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod auth;
mod client;
mod connection;
mod connector;
mod discovery;
mod endpoint;
mod error;
pub mod feed;
mod handshake;
mod lanes;
mod listener;
mod locator;
mod operation;
mod query;
mod region;
pub mod runtime;
mod servers;
mod sync;
mod transport;
mod user;
mod value;
mod wire;

pub use client::{Client, ClientBuilder, ClientConfig, UserHandle};
pub use connector::TlsSettings;
pub use druse_protocol::auth::{
    AuthInitialize, BoxFuture, CredentialRequest, Credentials, ProvidedCredentials, ProviderError,
};
pub use druse_protocol::message::exception::RemoteException;
pub use druse_protocol::time::{Clock, Micros, SystemClock};
pub use druse_protocol::value::Value;
pub use endpoint::{LocationError, PoolConfig, ServerLocation};
pub use error::{ConnectError, ConnectionError, Error, LoginError};
pub use listener::{AttemptEvent, AttemptStage, OperationListener};
pub use query::QueryRows;
pub use region::Region;
pub use transport::{Stream, Transport};
pub use value::{FromValue, ToValue};
