//! Feeds: what servers push, as streams.
//!
//! ```text
//!  server, primary ──feed──► Reader ──► Intake (new?) ──► Meaning ──► Mailbox ──► Subscription, ContinuousQuery
//!                                          │                 └─ 110 ──► renewal ──► gate, message 77
//!                    ◄──queue── acks ◄─────┘ (taken, or come)
//!  server, backup  ──feed──► Reader ──► … (signs of life; its events once it takes over)
//!
//!  Manager: opens, promotes, opens again ──► recovery: registers again, tells streams what they have missed
//! ```
//!
//! Decisions stand apart from deeds: [`seen`], [`ledger`], [`intake`], [`dispatch`] and `Pace` in [`renewal`] know no
//! socket and no task.

mod acks;
mod change;
mod config;
mod continuous_query;
mod dispatch;
mod ending;
mod event;
mod feeds;
mod inlet;
mod intake;
mod interest;
mod ledger;
mod link;
mod mailbox;
mod manager;
mod notice;
mod open;
mod reader;
mod recovery;
mod register;
mod registry;
mod renewal;
mod seen;
mod snapshot;
mod subscription;
#[cfg(test)]
mod tests;

pub use config::{Conflation, DurableClient, FeedConfig, Redundancy};
pub use continuous_query::{ContinuousQuery, ContinuousQueryBuilder};
pub use druse_protocol::message::interest::InterestResultPolicy;
pub use event::{CqEvent, FeedState, Lost, QueueFate, RegionEvent};
pub use interest::Interest;
pub use subscription::{Subscription, SubscriptionBuilder};

pub(crate) use change::RawValue;
pub(crate) use feeds::Feeds;
pub(crate) use open::announced;

pub(crate) use seen::Stamp;
