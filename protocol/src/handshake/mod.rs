//! Opening a connection: who calls, with which version, and whether they may come in. Geode's `Handshake`,
//! `ClientSideHandshakeImpl`, `ServerSideHandshakeImpl`.
//!
//! ```text
//!  client ── mode, version, time-out, identity, overrides, security mode [, credentials] ──► server
//!  client ◄── code, endpoint type, queue size, server member, message, delta ──────────────── server     (100, 107)
//!  client ◄── code, endpoint type, queue size, message, three maps, ping interval ─────────── server     (101, 102)
//! ```
//! | file | job |
//! |---|---|
//! | [`member`] | member identities, whole and essential |
//! | [`client_id`] | a client's identity: member bytes and a counter |
//! | [`hello`] | what a client says |
//! | [`welcome`], [`feed`], [`gateway`] | what a server answers on each kind of connection |
//! | [`refusal`] | why not, in the words and the layout of each kind |

pub mod client_id;
pub mod feed;
pub mod gateway;
pub mod hello;
pub mod member;
pub mod refusal;
#[cfg(test)]
mod tests;
pub mod welcome;

pub use client_id::ClientProxyMembershipId;
pub use feed::FeedWelcome;
pub use gateway::{GatewayAnswer, GatewayWelcome};
pub use hello::{ClientHello, CommunicationMode, HelloError, MAX_HELLO_BYTES, SecurityMode};
pub use member::{Member, MemberKind, PIPELINED_GROUP};
pub use refusal::{Refusal, put_refusal};
pub use welcome::{AcceptanceCode, Stranger, Welcome};

use crate::error::DecodeError;

/// Turns "the bytes end" into "wait for more", unless what is announced is more than could ever be accepted.
fn incremental<T>(
    bytes: &[u8],
    limit: usize,
    field: &'static str,
    result: Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(DecodeError::Truncated { needed, left, .. }) => {
            let announced = bytes.len().saturating_sub(left).saturating_add(needed);
            match announced > limit {
                true => Err(DecodeError::TooLarge { field, value: announced as u64, limit: limit as u64 }),
                false => Ok(None),
            }
        }
        Err(error) => Err(error),
    }
}
