//! The public keys by which tokens are verified: how a set is read, fetched, kept and replaced (identity-spec 6.2).
//!
//! [`KeySet`] is one immutable set, [`KeySetCache`] what a manager asks. The cache is a thin runtime round a pure
//! state machine ([`cache`]); where sets come from stands behind the trait [`Fetch`].

mod algorithm;
mod cache;
mod fetch;
mod jwk;
mod runtime;

pub use algorithm::Algorithm;
pub use cache::{KeySetStatus, Policy};
pub(crate) use fetch::agent_for;
pub use fetch::{Fetch, FetchError, Fetched, FileSource, UrlSource};
pub(crate) use jwk::thumbprint;
pub use jwk::{KeySet, KeySetError, VerifyingKey};
pub use runtime::{KeyError, KeySetCache};

/// How large a key set may be, in bytes.
pub const MAX_SET_BYTES: usize = 256 * 1024;
/// How many keys a set may hold, usable or not.
pub const MAX_KEYS: usize = 64;
