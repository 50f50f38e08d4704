//! What the grid keeps of somebody who has logged in: who it is, until when, and what is allowed.

mod grants;
mod principal;

pub use grants::Grants;
pub(crate) use principal::authorize;
pub use principal::{GridPrincipal, Pin};
