//! A seeded simulation of feeds: a node, its clients, and everything that can go wrong between them, on one thread and one
//! clock. What must hold is written down in RFC.md section 12 and has a number here.
//!
//! ```text
//!            seed ──► plan: bounds, clients, faults
//!             │
//!  act ───────┴─► requests ─► serve ─► the real shard, regions and logins ─► wires ─► watch ─► hear ─► client
//!                                │                                                              │
//!                                └── ledger (logins), oracle (who is to have what) ◄────────────┘
//! ```
//!
//! | | what must hold |
//! |---|---|
//! | I1 | nothing goes out after the end of the login, or after its revocation |
//! | I2 | nothing goes out to somebody who may not see it |
//! | I3 | on each lane every change comes once, in order |
//! | I4 | whatever is missing has been told to be lost, before what follows |
//! | I5 | a registration's answer and the events behind it give the region's entries |
//! | I6 | one user's trouble does not delay another's events |
//! | I7 | a login counts wherever its user works |
//! | I8 | a login never gives way to an older one |
//! | I9 | clients are asked to log in rarely, and only those that can |
//! | I10 | what waits is bounded |
//! | I11 | in the end nobody waits, and nothing spins |
//! | I12 | in the very end nothing is left |
//! | I13 | nobody is sent what another one's queue held |
//! | I14 | a feed ends for a reason of its own |
//!
//! Around the node: clients that connect, listen, change their minds, say goodbye and come back; strangers under their
//! identities; users who are cut off, also in the middle of a write; sockets that take little and break; a node that begins
//! anew; a clock that jumps forward. Not here: secondaries and MAKE_PRIMARY, a clock that is set back, and regions that go.
//!
//! A run that goes wrong prints its seed and how to live through it again. I6 compares two runs, and has a world of its own.

mod act;
mod alone;
pub(crate) mod bug;
mod cache;
mod client;
mod duplicates;
mod end;
mod hear;
mod logins;
mod manager;
mod mishaps;
mod net;
mod node;
mod oracle;
mod plan;
mod rows;
mod runs;
mod serve;
mod strangers;
mod watch;
mod withdraw;
mod world;

use std::fmt;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation(String);

/// Whether all is well so far.
type Verdict = Result<(), Violation>;

fn wrong(what: String) -> Violation {
    Violation(what)
}

impl Violation {
    /// The same, with the client that it concerns.
    fn of(self, client: usize) -> Self {
        Self(format!("{} (client {client})", self.0))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
