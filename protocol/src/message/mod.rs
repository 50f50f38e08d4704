//! One file a message family: its request, its replies, their tests.

pub mod acknowledgement;
pub mod clear;
pub mod contains;
pub mod destroy;
pub mod envelope;
pub mod event_id;
pub mod get;
pub mod invalidate;
pub mod key;
pub mod key_set;
pub mod network_hop;
pub mod objects;
pub(crate) mod parts;
pub mod put;
pub(crate) mod region;
pub mod size;
#[cfg(test)]
pub(crate) mod testing;
pub mod value;
pub mod version_tag;
