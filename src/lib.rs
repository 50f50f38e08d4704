//! Druse: a data-grid node and a client for the Apache Geode wire protocol, built around credentials that expire.
//!
//! This crate puts the parts under one name; each has a page of its own.
//!
//! | module | what it is |
//! |---|---|
//! | [`server`] | a node to embed |
//! | [`client`] | a client for Geode and Druse servers |
//! | [`identity`] | security managers, key sets, and a mint for tests |
//! | [`protocol`] | the wire, for tools |

pub use druse_client as client;
pub use druse_identity as identity;
pub use druse_protocol as protocol;
pub use druse_server as server;
