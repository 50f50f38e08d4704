//! What a server answers on feeds (modes 101 and 102).
//!
//! ```text
//!  code:u8 endpoint:u8 queue:i32 message:UTF | three maps of Java classes | ping interval:i32
//! ```

use bytes::BufMut;

use super::incremental;
use super::welcome::{AcceptanceCode, MAX_WELCOME_BYTES, put_text, read_code, read_text};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::value::skip_object;
use crate::version::VersionOrdinal;

/// How often Geode pings an idle feed.
const PING_INTERVAL_MS: i32 = 60_000;
/// The most classes that other clients may have registered.
const MAX_CLASSES: usize = 10_000;

/// The answer on feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedWelcome {
    /// The code as it stands on the wire.
    pub code: u8,
    /// 0 a new queue, 1 a redundant one that was there, 2 a primary one that was there.
    pub endpoint_type: u8,
    /// Events waiting; -2 if there was no queue for the durable id, -1 if it has timed out.
    pub queue_size: i32,
    /// Empty means success, whatever the code.
    pub message: String,
    /// How often an idle feed is pinged, in milliseconds.
    pub ping_interval_ms: i32,
}

impl FeedWelcome {
    /// Stay out, for this reason.
    #[must_use]
    pub fn refused(code: AcceptanceCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.is_empty() {
            message.push_str("refused");
        }
        Self {
            code: code as u8,
            endpoint_type: 0,
            queue_size: 0,
            message,
            ping_interval_ms: PING_INTERVAL_MS,
        }
    }

    /// Come in.
    #[must_use]
    pub const fn accepted(endpoint_type: u8, queue_size: i32) -> Self {
        let code = AcceptanceCode::FeedOk as u8;
        Self { code, endpoint_type, queue_size, message: String::new(), ping_interval_ms: PING_INTERVAL_MS }
    }

    /// The same with another ping interval. The client gives the feed up after so and so many times it in silence, as its
    /// own settings say: a node that announces an interval has to keep it.
    #[must_use]
    pub fn with_ping_interval(self, ping_interval_ms: i32) -> Self {
        Self { ping_interval_ms, ..self }
    }

    /// Whether the client may come in: what counts is the text.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.message.is_empty()
    }

    /// Reads an answer off the front of `bytes`, for a client of Geode 1.5 or later: it and its size, or `Ok(None)` if it
    /// is not all there yet. Events follow without a gap. Java classes that other clients have registered are passed over.
    ///
    /// # Errors
    /// If the bytes are none; [`super::Stranger::of`] may know what they are instead.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let whole = Self::read(&mut reader).map(|welcome| (welcome, bytes.len() - reader.remaining()));
        incremental(bytes, MAX_WELCOME_BYTES, "handshake reply", whole)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let code = read_code(reader)?;
        let endpoint_type = reader.u8("endpoint type")?;
        let queue_size = reader.i32("queue size")?;
        let message = read_text(reader)?;
        // A server that does not know the client's version says no more.
        if code == AcceptanceCode::FeedRefused as u8 && reader.is_empty() {
            return Ok(Self { code, endpoint_type, queue_size, message, ping_interval_ms: PING_INTERVAL_MS });
        }
        for map in ["instantiators", "data serializers", "supported classes"] {
            skip_map(reader, map)?;
        }
        let ping_interval_ms = reader.i32("ping interval")?;
        Ok(Self { code, endpoint_type, queue_size, message, ping_interval_ms })
    }

    /// Writes the answer. Clients before 1.5 are told no ping interval; one whose version is unknown gets neither
    /// that nor the maps.
    pub fn encode(&self, version: VersionOrdinal, out: &mut impl BufMut) {
        out.put_u8(self.code);
        out.put_u8(self.endpoint_type);
        out.put_i32(self.queue_size);
        put_text(out, &self.message);
        if !version.is_accepted() {
            return;
        }
        out.put_slice(&[0, 0, 0]);
        if version >= VersionOrdinal::GEODE_1_5_0 {
            out.put_i32(self.ping_interval_ms);
        }
    }
}

/// Moves behind a map of numbers and class names.
fn skip_map(reader: &mut Reader<'_>, field: &'static str) -> Result<(), DecodeError> {
    let count = reader.array_length(field)?.unwrap_or_default();
    if count > MAX_CLASSES {
        let (value, limit) = (count as u64, MAX_CLASSES as u64);
        return Err(DecodeError::TooLarge { field, value, limit });
    }
    (0..2 * count).try_for_each(|_| skip_object(reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_captured_feed_answer() {
        let welcome = FeedWelcome {
            code: AcceptanceCode::FeedOk as u8,
            endpoint_type: 0,
            queue_size: -2,
            message: String::new(),
            ping_interval_ms: 60_000,
        };
        let mut bytes = Vec::new();
        welcome.encode(VersionOrdinal::GEODE_1_15_0, &mut bytes);
        assert_eq!(bytes, [0x69, 0, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0xea, 0x60]);
        assert_eq!(FeedWelcome::decode(&bytes), Ok(Some((welcome, bytes.len()))));
    }

    #[test]
    fn registered_classes_are_passed_over() {
        let list = [0x41, 2, 0x57, 0, 1, b'a', 0x57, 0, 1, b'b'];
        let instantiators = [&[1, 0x39, 0, 0, 0, 7][..], &list].concat();
        let serializers = [1, 0x39, 0, 0, 0, 9, 0x57, 0, 1, b's'];
        let head = [105, 0, 0, 0, 0, 0, 0, 0];
        let bytes = [&head[..], &instantiators, &serializers, &instantiators, &[0, 0, 0x75, 0x30]].concat();
        for end in 0..bytes.len() {
            assert_eq!(FeedWelcome::decode(&bytes[..end]), Ok(None), "{end}");
        }
        let expected = FeedWelcome::accepted(0, 0).with_ping_interval(30_000);
        let with_event = [&bytes[..], &[0, 0, 0, 54]].concat();
        assert_eq!(FeedWelcome::decode(&with_event), Ok(Some((expected, bytes.len()))));
    }

    #[test]
    fn hostile_counts_are_refused() {
        let head = [105, 0, 0, 0, 0, 0, 0, 0];
        let bytes = [&head[..], &[0xfd, 0x7f, 0xff, 0xff, 0xff]].concat();
        assert!(matches!(FeedWelcome::decode(&bytes), Err(DecodeError::TooLarge { .. })));
    }

    #[test]
    fn a_refusal_for_an_unknown_version_ends_early_and_is_never_silent() {
        let refused = FeedWelcome::refused(AcceptanceCode::FeedRefused, "");
        assert!(!refused.is_accepted());
        for version in [VersionOrdinal(160), VersionOrdinal::GEODE_1_15_0] {
            let mut bytes = Vec::new();
            refused.encode(version, &mut bytes);
            assert_eq!(FeedWelcome::decode(&bytes), Ok(Some((refused.clone(), bytes.len()))));
        }
    }
}
