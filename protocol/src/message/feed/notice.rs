//! FEED_NOTICE 1110: what a Druse node tells a Druse client of a lane of its feed. No message of Geode's, and sent only to
//! clients that asked for it by [`FEED_PROPERTY`] among their credentials.
//!
//! ```text
//!  what:u8 | user:i64 | ( instant:i64 )  or  ( from:i64 | to:i64 )
//! ```

use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType, MessageWriter};
use crate::message::parts::PartReader;
use crate::time::Micros;

/// The credential by which a client asks for notices, with [`FEED_PROPERTY_VALUE`] as its value. It is part of no proof,
/// and a Geode server takes no notice of it.
pub const FEED_PROPERTY: &str = "druse-feed";

/// The version of the notices: those of this module.
pub const FEED_PROPERTY_VALUE: &str = "1";

/// News of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedNotice {
    /// The unique id of the lane's user; [`SINGLE_USER`] for the one of a client with one.
    pub user: i64,
    /// What is new.
    pub news: LaneNews,
}

/// The user of a client that has no more than one.
pub const SINGLE_USER: i64 = 0;

/// What can be said of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneNews {
    /// The login ends at this instant, and events will wait from then on unless it is renewed before.
    RenewBy(Micros),
    /// The login has ended: events wait.
    Held,
    /// Events go on, those that waited first.
    Released,
    /// The login was ended from outside. Only a later one will do.
    Revoked,
    /// Events did not wait any longer: these, by their sequence on the lane, both included, will not come.
    Lost {
        /// The first.
        from: i64,
        /// The last.
        to: i64,
    },
}

impl LaneNews {
    const fn code(self) -> u8 {
        match self {
            Self::RenewBy(_) => 1,
            Self::Held => 2,
            Self::Released => 3,
            Self::Revoked => 4,
            Self::Lost { .. } => 5,
        }
    }

    fn read(code: u8, parts: &mut PartReader<'_>) -> Result<Self, DecodeError> {
        Ok(match code {
            1 => Self::RenewBy(Micros(parts.i64("no instant")?)),
            2 => Self::Held,
            3 => Self::Released,
            4 => Self::Revoked,
            5 => Self::Lost { from: parts.i64("no first event")?, to: parts.i64("no last event")? },
            other => return Err(DecodeError::Invalid { field: "feed notice", value: i64::from(other) }),
        })
    }
}

impl FeedNotice {
    /// Reads the message.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::FeedNotice])?;
        let code = parts.u8("no kind of notice")?;
        let user = parts.i64("no user")?;
        let news = LaneNews::read(code, &mut parts)?;
        parts.finish()?;
        Ok(Self { user, news })
    }

    /// Writes the message.
    pub fn encode(&self, out: &mut impl Buffer) {
        let mut writer = MessageWriter::begin(out, MessageType::FeedNotice, super::TX_ID, 0);
        writer.u8(self.news.code());
        writer.i64(self.user);
        match self.news {
            LaneNews::RenewBy(instant) => writer.i64(instant.0),
            LaneNews::Lost { from, to } => {
                writer.i64(from);
                writer.i64(to);
            }
            LaneNews::Held | LaneNews::Released | LaneNews::Revoked => {}
        }
        writer.finish(None);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{check_feed, with_message};

    #[test]
    fn what_a_later_version_may_say_is_refused() {
        let mut out = Vec::new();
        let mut writer = MessageWriter::begin(&mut out, MessageType::FeedNotice, 0, 0);
        writer.u8(6);
        writer.i64(SINGLE_USER);
        writer.finish(None);
        let refused = Err(DecodeError::Invalid { field: "feed notice", value: 6 });
        with_message(&out, |message| assert_eq!(FeedNotice::decode(message), refused));
    }

    proptest! {
        #[test]
        fn there_and_back(user: i64, kind in 0..5, from: i64, to: i64) {
            let news = match kind {
                0 => LaneNews::RenewBy(Micros(from)),
                1 => LaneNews::Held,
                2 => LaneNews::Released,
                3 => LaneNews::Revoked,
                _ => LaneNews::Lost { from, to },
            };
            let notice = FeedNotice { user, news };
            check_feed!(FeedNotice, notice, |found| {
                assert_eq!(found, notice);
            });
        }
    }
}
