//! What a server pushes on a feed. No reply, no security part, no flags; the event id is the last part of each message but
//! a ping and a notice.
//!
//! | file | messages |
//! |---|---|
//! | [`entry`] | 27, 28, 15, 16: changes of one entry |
//! | [`region`] | 17, 36, 55: changes of a whole region |
//! | [`cqs`] | the block of CQs in both |
//! | [`signal`] | 54, 99, 110: marker, ping, re-authenticate |
//! | [`interest`] | 65, 66: interest changed by the server's application |
//! | [`classes`] | 51, 67: other clients' instantiators and serializers |
//! | [`tombstones`] | 103 |
//! | [`notice`] | 1110, ours |
//! | [`event_id`] | what stands at the end |

pub mod classes;
pub mod cqs;
pub mod entry;
pub mod event_id;
pub mod interest;
pub mod notice;
pub mod region;
pub mod signal;
pub mod tombstones;

pub use classes::{InstantiatorsNotice, SerializersNotice};
pub use cqs::{CqEvent, CqOperation, Cqs};
pub use entry::{EntryEvent, EntryOperation, EventValue};
pub use event_id::FeedEventId;
pub use interest::InterestChange;
pub use notice::{FeedNotice, LaneNews};
pub use region::{RegionEvent, RegionOperation};
pub use signal::{ClientMarker, ClientReAuthenticate, FeedPing};
pub use tombstones::{Forgotten, TombstoneOperation};

use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

/// The transaction id of messages on a feed.
const TX_ID: i32 = 0;

/// Anything that comes on a feed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FeedMessage<'a> {
    /// A change of an entry.
    Entry(EntryEvent<'a>),
    /// A change of a region.
    Region(RegionEvent<'a>),
    /// What was kept lies behind.
    Marker(ClientMarker<'a>),
    /// A sign of life.
    Ping,
    /// The server wants a new login.
    ReAuthenticate(ClientReAuthenticate<'a>),
    /// News of a lane.
    Notice(FeedNotice),
    /// Interest was changed on the server.
    Interest(InterestChange<'a>),
    /// Instantiators of other clients.
    Instantiators(InstantiatorsNotice<'a>),
    /// Serializers of other clients.
    Serializers(SerializersNotice<'a>),
    /// Tombstones are forgotten.
    Tombstones(TombstoneOperation<'a>),
}

impl<'a> FeedMessage<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// If it does not belong on a feed, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        use MessageType as M;
        match message.kind() {
            Some(M::LocalCreate | M::LocalUpdate | M::LocalInvalidate | M::LocalDestroy) => {
                EntryEvent::decode(message).map(Self::Entry)
            }
            Some(M::LocalDestroyRegion | M::ClearRegion | M::InvalidateRegion) => {
                RegionEvent::decode(message).map(Self::Region)
            }
            Some(M::ClientMarker) => ClientMarker::decode(message).map(Self::Marker),
            Some(M::ServerToClientPing) => Ok(Self::Ping),
            Some(M::ClientReAuthenticate) => ClientReAuthenticate::decode(message).map(Self::ReAuthenticate),
            Some(M::FeedNotice) => FeedNotice::decode(message).map(Self::Notice),
            Some(M::ClientRegisterInterest | M::ClientUnregisterInterest) => {
                InterestChange::decode(message).map(Self::Interest)
            }
            Some(M::RegisterInstantiators) => InstantiatorsNotice::decode(message).map(Self::Instantiators),
            Some(M::RegisterDataSerializers) => SerializersNotice::decode(message).map(Self::Serializers),
            Some(M::TombstoneOperation) => TombstoneOperation::decode(message).map(Self::Tombstones),
            _ => Err(DecodeError::Invalid {
                field: "type of a feed's message",
                value: i64::from(message.header.type_number),
            }),
        }
    }

    /// Writes the message.
    pub fn encode(&self, out: &mut impl Buffer) {
        match self {
            Self::Entry(event) => event.encode(out),
            Self::Region(event) => event.encode(out),
            Self::Marker(marker) => marker.encode(out),
            Self::Ping => FeedPing.encode(out),
            Self::ReAuthenticate(ask) => ask.encode(out),
            Self::Notice(notice) => notice.encode(out),
            Self::Interest(change) => change.encode(out),
            Self::Instantiators(notice) => notice.encode(out),
            Self::Serializers(notice) => notice.encode(out),
            Self::Tombstones(message) => message.encode(out),
        }
    }

    /// The id by which the message is acknowledged and recognized if it comes again; pings and notices have none.
    #[must_use]
    pub const fn id(&self) -> Option<FeedEventId<'a>> {
        Some(match self {
            Self::Entry(event) => event.id,
            Self::Region(event) => event.id,
            Self::Marker(marker) => marker.id,
            Self::ReAuthenticate(ask) => ask.id,
            Self::Interest(change) => change.id,
            Self::Instantiators(notice) => notice.id,
            Self::Serializers(notice) => notice.id,
            Self::Tombstones(message) => message.id,
            Self::Ping | Self::Notice(_) => return None,
        })
    }
}
