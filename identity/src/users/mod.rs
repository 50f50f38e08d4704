//! The manager `users`: names and passwords in a file.
//!
//! The file is looked at every second. A user who is gone, shut out or changed in any way loses all logins at once, and
//! the others notice nothing. A file that has become unreadable or wrong changes nothing either: the users stay as they
//! were, and a warning says why.

mod edit;
mod file;
mod hash;
mod limiter;
mod manager;
mod proofs;
mod table;

pub use edit::{put, remove};
pub use file::{Entry, UserFileError, parse, parse_lifetime, read};
pub use hash::{HashError, hash_password, random_password};
pub(crate) use hash::{MAX_PASSWORD_BYTES, decoy, verify};
pub(crate) use limiter::Limiter;
pub use manager::{UsersConfig, UsersSecurityManager};
