//! Credentials on the client's side: where they come from, who may ask for them, and how often. RFC.md section 6.
//!
//! ```text
//!   operation ──refused at generation g──►┐
//!   operation ──refused at generation g──►│ Gate (one per user) ──at most one──► AuthInitialize
//!   early-renewal timer ─────────────────►┘        │ generation g+1
//!                                                  ▼
//!                                LoginCell (one per user and server) ──at most one──► message 77
//! ```
//!
//! | file | job |
//! |---|---|
//! | [`state`] | what a gate decides, without IO, clock or lock |
//! | [`gate`] | carries the decisions out: one flight at a time, deadlines, early renewal |
//! | [`login`] | one login for each user, server and generation |
//! | [`providers`] | static, file, command, token endpoint |

pub mod gate;
pub mod login;
pub mod providers;
pub mod state;
mod token_life;

pub use gate::{Gate, GateConfig};
pub use login::{LoginCell, LoginTicket};
pub use state::{GateError, Generation, Issued};
