//! CLEAR_REGION 36 and DESTROY_REGION 11, which look alike, and CREATE_REGION 29. All are answered by an
//! [`super::acknowledgement::Acknowledgement`] (Geode `ClearRegion`, `DestroyRegion`, `CreateRegion`).

use super::envelope::Envelope;
use super::event_id::EventIdRef;
use super::parts::{self, PartReader};
use super::region;
use super::value::ValueRef;
use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{Message, MessageType};

macro_rules! region_event {
    ($name:ident, $kind:ident, $purpose:literal) => {
        #[doc = $purpose]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name<'a> {
            /// Full path of the region.
            pub region: &'a str,
            /// The event.
            pub event: EventIdRef,
            /// For callbacks on the server; null if the application gave none.
            pub callback: ValueRef<'a>,
        }

        impl<'a> $name<'a> {
            /// Reads the request.
            ///
            /// # Errors
            /// If it is another message, or a part is missing or malformed.
            pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
                let mut parts = PartReader::of(message, &[MessageType::$kind])?;
                let region = region::decode(&mut parts)?;
                let event = parts.event()?;
                let callback = parts.optional_value();
                parts.finish()?;
                Ok(Self { region, event, callback })
            }

            /// Writes the request.
            pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
                let mut writer = parts::request(out, MessageType::$kind, envelope);
                writer.text(self.region.as_bytes());
                self.event.write(&mut writer);
                if !self.callback.is_null() {
                    writer.part(self.callback.to_part());
                }
                parts::finish_request(writer, envelope);
            }
        }
    };
}

region_event!(ClearRegion, ClearRegion, "Removes all entries of a region.");
region_event!(DestroyRegion, DestroyRegion, "Removes a region.");

/// Makes a region. No client of today sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateRegion<'a> {
    /// Full path of the parent.
    pub parent: &'a str,
    /// Name of the new region.
    pub name: &'a str,
}

impl<'a> CreateRegion<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// If it is another message, or a part is missing or malformed.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut parts = PartReader::of(message, &[MessageType::CreateRegion])?;
        let parent = region::decode(&mut parts)?;
        let name = region::decode(&mut parts)?;
        parts.finish()?;
        Ok(Self { parent, name })
    }

    /// Writes the request.
    pub fn encode(&self, out: &mut impl Buffer, envelope: &Envelope) {
        let mut writer = parts::request(out, MessageType::CreateRegion, envelope);
        writer.text(self.parent.as_bytes());
        writer.text(self.name.as_bytes());
        parts::finish_request(writer, envelope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::testing::{any_event, any_value, check_request};

    proptest! {
        #[test]
        fn there_and_back(event in any_event(), callback in any_value(), name in "[a-z]{1,9}") {
            check_request!(ClearRegion, ClearRegion { region: "/r", event, callback: callback.get() });
            check_request!(DestroyRegion, DestroyRegion { region: "/r", event, callback: callback.get() });
            check_request!(CreateRegion, CreateRegion { parent: "/r", name: &name });
        }
    }
}
