//! What clients are told of changes: feeds, and what they rest on. RFC.md section 12.
//!
//! ```text
//!  put ─► region ─► log … 41 42 43 ─┬─► shard 0 ─► index ─► feed A: lane 0 [41 43]──────► socket
//!                                   │                  └──► feed B: lane 1 [42] held, lane 2 [42]──► socket
//!   login, expiry, revocation ─► cell ─► bell ─► the feed looks at its logins before each event
//!                                   └─► shard 1 ─► …
//! ```
//! Whoever writes pays for the append alone. Everything else (finding who is concerned, permissions, encoding, writing)
//! happens in the shard that owns a feed.
//!
//! | module | job |
//! |---|---|
//! | [`notifier`] | what the rest of the node sees |
//! | [`driver`] | a shard's task: sockets, clock, jobs |
//! | [`shard`], [`open`], [`requests`] | a share of the feeds, without IO |
//! | [`feed`], [`presence`], [`reauthentication`], [`batch`] | one client's feed: where it stands, who is there, its logins, what goes out next |
//! | [`lane`], [`unacknowledged`], [`shared`] | what waits, what went out, a change that many wait for |
//! | [`told`] | what a client was told to be lost |
//! | [`interest`], [`cq`], [`snapshot`] | whom a change concerns; what a registration is answered with |
//! | [`stamp`], [`frames`] | event ids and bytes |

mod batch;
mod bell;
mod cq;
mod driver;
mod feed;
mod frames;
pub(crate) mod interest;
mod lane;
pub(crate) mod notifier;
pub(crate) mod open;
mod policies;
mod presence;
mod reauthentication;
pub(crate) mod requests;
mod shard;
mod shared;
#[cfg(test)]
pub(crate) mod sim;
pub(crate) mod snapshot;
mod stamp;
mod told;
mod unacknowledged;

pub(crate) use feed::FeedClient;
pub use policies::FeedPolicies;
pub(crate) use shard::{Shard, ShardContext};

/// Names a feed within its shard; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FeedId(u32);
