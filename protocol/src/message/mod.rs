//! One file a message family: its request, its replies, their tests.

pub mod destroy;
pub mod envelope;
pub mod event_id;
pub mod get;
pub mod key;
pub mod network_hop;
pub(crate) mod parts;
pub mod put;
pub(crate) mod region;
#[cfg(test)]
pub(crate) mod testing;
pub mod value;
pub mod version_tag;
