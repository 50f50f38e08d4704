//! Telling clients that somebody has logged out (OpenID Connect Back-Channel Logout 1.0, identity-spec 8).
//!
//! ```text
//!  log: a session has ended ──plan──► Pending ──200, 202, 204──► Delivered
//!                                        │ └──────400──────────► Rejected
//!                                        └── anything else: again, 1 s × 2ⁿ ≤ 60 s ── 5 min over ──► Abandoned
//! ```
//!
//! What is planned stands in the store with the place in the log up to which it was planned, so that a crash neither
//! forgets a client nor tells it of the same end as if it were another.

mod delivery;
mod herald;
mod place;
mod token;
mod transport;

pub use delivery::{DeliveryEvent, DeliveryOutcome, DeliveryRecord, Planned};
pub(crate) use herald::Herald;
pub use place::{PlaceEvent, PlaceRecord};
pub use transport::{Answer, HttpTransport, Transport};
