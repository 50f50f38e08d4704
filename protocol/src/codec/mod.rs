//! Bytes to messages and back: primitives, frames, parts, chunks. RFC of the wire: Geode's `Message`, `Part`,
//! `ChunkedMessage`.
//!
//! | file | job |
//! |---|---|
//! | [`Reader`] | primitives out of borrowed bytes |
//! | [`frame`] | whole messages out of a stream: 17-byte headers, parts, security part |
//! | [`chunk`] | chunked replies: 12-byte headers, chunks |
//! | [`writer`] | messages into a buffer |
//! | [`MessageType`] | the numbers |

pub mod chunk;
pub mod frame;
mod message_type;
mod reader;
pub mod text;
pub mod writer;

pub use chunk::{Chunk, ChunkFlags, ChunkedHeader};
pub use frame::{Flags, FrameLimits, Header, Message, Part, PartKind, Security};
pub use message_type::MessageType;
pub use reader::Reader;
pub use writer::{ChunkedWriter, MessageWriter};

/// The transaction id of requests outside a transaction, and of their replies.
pub const NO_TRANSACTION: i32 = -1;

/// The connection id on both sides of a new connection (Geode `Connection.DEFAULT_CONNECTION_ID`).
pub const FIRST_CONNECTION_ID: i64 = 26739;
