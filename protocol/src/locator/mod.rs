//! The locator protocol: where clients learn which servers there are (Geode `TcpServer`, `TcpClient`,
//! `cache/client/internal/locator`).
//!
//! ```text
//!   client ── gossip version:i32 | version ordinal:i16 | request ──►
//!          ◄─ response ─────────────────────────────────────────── locator, which then closes
//! ```
//! One connection carries one question. Decoding is incremental: `Ok(None)` asks for more bytes.

mod request;
mod response;
mod wire;

pub use request::{ClientId, Request};
pub use response::Response;
pub use wire::ServerLocation;

use bytes::BufMut;

use crate::DecodeError;
use crate::codec::Reader;
use crate::version::VersionOrdinal;

/// What every request begins with today (Geode `TcpServer.GOSSIPVERSION`).
pub const GOSSIP_VERSION: i32 = 1002;
/// What it began with before versions were told; no ordinal follows.
pub const OLD_GOSSIP_VERSION: i32 = 1001;
/// What a locator answers to bytes that are not its protocol, before it closes.
pub const UNKNOWN_PROTOCOL: &[u8] = b"unknown protocol version";
/// What a locator answers to a client that takes it for a server (Geode `REPLY_SERVER_IS_LOCATOR`).
pub const SERVER_IS_LOCATOR: u8 = 67;
/// Longest request or response that is believed: a list of thousands of servers fits.
pub const MAX_BYTES: usize = 1 << 20;
/// The ordinal of a client's first question, which asks for the locator's version.
pub const FIRST_QUESTION: VersionOrdinal = VersionOrdinal::GFE_81;

/// What the first bytes of a connection to a locator turn out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A request follows. Its stream has this version, and it begins at this offset.
    Request {
        /// The version; [`VersionOrdinal::GFE_81`] where none was told.
        ordinal: VersionOrdinal,
        /// Bytes before the request.
        consumed: usize,
    },
    /// A client that takes the locator for a server: answer [`SERVER_IS_LOCATOR`], then close.
    ServerHandshake,
    /// Something else: answer [`UNKNOWN_PROTOCOL`], then close.
    Unknown,
}

impl Opening {
    /// Reads the opening; `None` if it is not complete yet.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&first, _) = bytes.split_first()?;
        match first {
            0 => {}
            // The communication modes of clients and gateways, and an old one.
            10 | 100..=107 => return Some(Self::ServerHandshake),
            _ => return Some(Self::Unknown),
        }
        let (gossip, rest) = bytes.split_first_chunk()?;
        match i32::from_be_bytes(*gossip) {
            GOSSIP_VERSION => {
                let (ordinal, _) = rest.split_first_chunk()?;
                let ordinal = VersionOrdinal(i16::from_be_bytes(*ordinal));
                Some(Self::Request { ordinal, consumed: 6 })
            }
            OLD_GOSSIP_VERSION => Some(Self::Request { ordinal: FIRST_QUESTION, consumed: 4 }),
            _ => Some(Self::Unknown),
        }
    }
}

/// Writes what a request begins with.
pub fn open(out: &mut impl BufMut, ordinal: VersionOrdinal) {
    out.put_i32(GOSSIP_VERSION);
    out.put_i16(ordinal.0);
}

/// Turns "the bytes end" into "more, please", and says how many bytes were used otherwise.
fn incremental<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Option<(T, usize)>, DecodeError> {
    let mut reader = Reader::new(bytes);
    match read(&mut reader) {
        Ok(value) => Ok(Some((value, bytes.len() - reader.remaining()))),
        Err(DecodeError::Truncated { .. }) if bytes.len() < MAX_BYTES => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
