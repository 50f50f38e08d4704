//! Who is this, and is it over yet: the managers of tokens and of users, and what they stand on.
//!
//! - [`token`] verifies access tokens of an issuer with keys from [`key_set`];
//! - [`oidc`] does so for several issuers, and follows what they say is over;
//! - [`users`] checks names and passwords against a file;
//! - [`grid`] is what both make of somebody: a principal with an end and compiled entitlements;
//! - [`store`] is where the issuer keeps everything: an event log, projections of it, secrets beside it, leases;
//! - [`issuer`] gives out tokens over HTTP, with [`keys`] its signing keys and [`session`] its sessions;
//! - [`ends`] tells nodes what is over at an issuer, and [`logout`] tells clients;
//! - [`seal`] hides secrets at rest behind master keys;
//! - [`mint`] makes keys and tokens, for demonstrations, tests and benches.
//!
//! All managers implement `SecurityManager` of `druse-protocol`; the node knows nothing else of them. What is not here:
//! links to foreign providers. They come later and will stand beside these modules.

pub mod ends;
pub mod error;
pub mod grid;
pub mod issuer;
mod json;
pub mod key_set;
pub mod keys;
pub mod logout;
pub mod mint;
pub mod oidc;
mod once;
pub mod projections;
pub mod seal;
mod serial;
pub mod session;
mod signing_key;
pub mod store;
pub mod token;
pub mod users;
