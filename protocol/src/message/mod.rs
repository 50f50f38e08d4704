//! One file a message family: its request, its replies, their tests.

pub mod acknowledgement;
pub mod bulk;
pub mod clear;
pub mod contains;
pub mod cq;
pub mod credentials;
pub mod destroy;
pub mod envelope;
pub mod event_id;
pub mod exception;
pub mod feed;
pub mod feed_control;
pub mod function_attributes;
#[doc(hidden)]
pub mod fuzzing;
pub mod get;
pub mod get_all;
pub mod get_entry;
pub mod housekeeping;
pub mod interest;
pub mod invalidate;
pub mod key;
pub mod key_set;
pub mod metadata;
pub mod network_hop;
pub mod object_part_list;
pub mod objects;
pub(crate) mod parts;
pub mod pdx;
pub mod put;
pub mod put_all;
pub mod query;
pub mod query_reply;
pub(crate) mod region;
pub mod registration;
pub mod remove_all;
pub mod size;
#[cfg(test)]
pub(crate) mod testing;
pub mod value;
pub mod version_tag;
pub mod versioned_list;
