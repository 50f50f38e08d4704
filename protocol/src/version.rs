//! Version ordinals: what a peer's product number means for the wire (Geode `KnownVersion`, `VersioningIO`).

use bytes::BufMut;

use crate::codec::Reader;
use crate::error::DecodeError;

/// The ordinal by which a peer names its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionOrdinal(pub i16);

impl VersionOrdinal {
    /// GemFire 8.1, the oldest that a server accepts.
    pub const GFE_81: Self = Self(35);
    /// GemFire 9.0 and Geode 1.0.
    pub const GFE_90: Self = Self(45);
    /// Geode 1.5.0: feeds are told a ping interval from here on.
    pub const GEODE_1_5_0: Self = Self(80);
    /// Geode 1.12.0.
    pub const GEODE_1_12_0: Self = Self(115);
    /// Geode 1.14.x, and what the C++ client says.
    pub const GEODE_1_14_0: Self = Self(125);
    /// Geode 1.15.x, and what 2.x clients say in a handshake: the first that knows authentication expiry.
    pub const GEODE_1_15_0: Self = Self(150);
    /// Geode 2.x in member identities.
    pub const GEODE_2_0: Self = Self(160);

    /// The ordinals for which a 1.15.1 server has a command table; it refuses all others.
    pub const ACCEPTED: [Self; 20] = [
        Self(35),
        Self(45),
        Self(50),
        Self(55),
        Self(65),
        Self(70),
        Self(75),
        Self(80),
        Self(85),
        Self(90),
        Self(95),
        Self(100),
        Self(105),
        Self(110),
        Self(115),
        Self(116),
        Self(120),
        Self(121),
        Self::GEODE_1_14_0,
        Self::GEODE_1_15_0,
    ];

    /// Whether a client of this version can be served.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        Self::ACCEPTED.contains(&self)
    }

    /// Whether a client of this version knows `AuthenticationExpiredException` and message 110. Older ones get the
    /// translation of [`crate::auth::AuthError::Expired`] that they understand (Geode `OldClientSupportProvider`).
    #[must_use]
    pub fn knows_expiry(self) -> bool {
        self >= Self::GEODE_1_15_0
    }

    /// Reads the compressed form: one byte up to 127, else `ff` and two.
    ///
    /// # Errors
    /// If the bytes end.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.i8("version ordinal")? {
            -1 => Ok(Self(reader.i16("version ordinal")?)),
            short => Ok(Self(i16::from(short))),
        }
    }

    /// Writes the compressed form.
    pub fn write(self, out: &mut impl BufMut) {
        match i8::try_from(self.0) {
            Ok(short) if short >= 0 => out.put_i8(short),
            _ => {
                out.put_i8(-1);
                out.put_i16(self.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_round_trip_in_both_forms() {
        for (ordinal, bytes) in [(125, &[0x7d][..]), (150, &[0xff, 0x00, 0x96]), (160, &[0xff, 0x00, 0xa0])] {
            let mut out = Vec::new();
            VersionOrdinal(ordinal).write(&mut out);
            assert_eq!(out, bytes);
            assert_eq!(VersionOrdinal::read(&mut Reader::new(&out)), Ok(VersionOrdinal(ordinal)));
        }
    }

    #[test]
    fn the_uncompressed_form_is_accepted_for_small_ordinals() {
        assert_eq!(VersionOrdinal::read(&mut Reader::new(&[0xff, 0, 125])), Ok(VersionOrdinal::GEODE_1_14_0));
    }

    #[test]
    fn only_versions_with_a_command_table_are_accepted() {
        for refused in [2, 36, 126, 127, 149, 160] {
            assert!(!VersionOrdinal(refused).is_accepted());
        }
        assert!(VersionOrdinal(35).is_accepted() && VersionOrdinal(150).is_accepted());
    }
}
