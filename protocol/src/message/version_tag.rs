//! Version tags: how caching clients tell which of two changes of an entry is the newer (Geode `VersionTag`).
//!
//! Every reply may leave its tag out. A server that sends tags sends no member: that means "the server that answered".

use bytes::BufMut;

use crate::DecodeError;
use crate::codec::writer::Buffer;
use crate::codec::{MessageWriter, Part, Reader};

const HAS_MEMBER: u16 = 0x01;
const HAS_PREVIOUS_MEMBER: u16 = 0x02;
const SHORT_ENTRY_VERSION: u16 = 0x04;
const PREVIOUS_IS_MEMBER: u16 = 0x08;
const LONG_REGION_VERSION: u16 = 0x10;
const VM_OBJECT: [u8; 2] = [0x01, 0x88];
const DISK_OBJECT: [u8; 3] = [0x02, 0x08, 0x53];

/// The version of an entry and of its region after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VersionTag<'a> {
    /// Whether members are disk stores of 16 bytes (`DiskVersionTag`: persistent regions) rather than processes.
    pub persistent: bool,
    /// Geode's marks (possible duplicate, from a gateway …). A server sends 0.
    pub bits: u16,
    /// For conflicts between clusters; -1 unless they are joined by gateways.
    pub distributed_system_id: i8,
    /// 1, 2, 3 … for each key; a tombstone goes on counting. Java keeps 24 bits of it.
    pub entry_version: u32,
    /// Counts the changes that one member made to the region; 48 bits.
    pub region_version: u64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// Who made the change: essential member bytes, or a disk store; `None` is the server that answered.
    pub member: Option<&'a [u8]>,
    /// Who made the change before it.
    pub previous_member: PreviousMember<'a>,
}

/// Who made the change before the one that a tag describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PreviousMember<'a> {
    /// Not said.
    #[default]
    Unknown,
    /// The same as the tag's member.
    Same,
    /// Another one.
    Other(&'a [u8]),
}

impl<'a> VersionTag<'a> {
    /// A tag as a server without gateways makes it.
    #[must_use]
    pub const fn new(entry_version: u32, region_version: u64, timestamp_ms: u64) -> Self {
        Self {
            persistent: false,
            bits: 0,
            distributed_system_id: -1,
            entry_version,
            region_version,
            timestamp_ms,
            member: None,
            previous_member: PreviousMember::Unknown,
        }
    }

    /// Reads the object that a version tag part holds.
    ///
    /// # Errors
    /// If it is no version tag.
    pub fn decode_object(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let tag = Self::read_object(&mut reader)?;
        reader.finish("version tag")?;
        Ok(tag)
    }

    /// Reads a tag that is an object among others.
    pub(crate) fn read_object(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let persistent = match reader.u8("version tag")? {
            0x01 => check_id(i64::from(reader.i8("version tag")?), -120).map(|()| false)?,
            0x02 => check_id(i64::from(reader.i16("version tag")?), 2131).map(|()| true)?,
            code => return Err(DecodeError::Invalid { field: "version tag", value: i64::from(code) }),
        };
        Self::decode_body(reader, persistent)
    }

    /// Reads a tag as it stands in lists, which say once for all of them whether they are persistent.
    ///
    /// # Errors
    /// If the bytes end or a member cannot be delimited.
    pub fn decode_body(reader: &mut Reader<'a>, persistent: bool) -> Result<Self, DecodeError> {
        let flags = reader.u16("version tag flags")?;
        let bits = reader.u16("version tag bits")?;
        let distributed_system_id = reader.i8("distributed system id")?;
        let entry_version = match flags & SHORT_ENTRY_VERSION {
            0 => reader.u32("entry version")?,
            _ => u32::from(reader.u16("entry version")?),
        };
        let high = match flags & LONG_REGION_VERSION {
            0 => 0,
            _ => u64::from(reader.u16("region version")?),
        };
        let region_version = high << 32 | u64::from(reader.u32("region version")?);
        let timestamp_ms = reader.unsigned_vl("version timestamp")?;
        let member = match flags & HAS_MEMBER {
            0 => None,
            _ => Some(member(reader, persistent)?),
        };
        let previous_member = match (flags & HAS_PREVIOUS_MEMBER, flags & PREVIOUS_IS_MEMBER) {
            (0, _) => PreviousMember::Unknown,
            (_, 0) => PreviousMember::Other(self::member(reader, persistent)?),
            _ => PreviousMember::Same,
        };
        Ok(Self {
            persistent,
            bits,
            distributed_system_id,
            entry_version,
            region_version,
            timestamp_ms,
            member,
            previous_member,
        })
    }

    /// Reads a version tag part. A null one, which some paths of Geode's servers send, is no tag.
    pub(crate) fn from_part(part: Part<'a>) -> Result<Option<Self>, DecodeError> {
        part.object().map(Self::decode_object).transpose()
    }

    /// Writes the tag as an object.
    pub fn encode_object(&self, out: &mut impl BufMut) {
        if self.persistent {
            out.put_slice(&DISK_OBJECT)
        } else {
            out.put_slice(&VM_OBJECT)
        }
        self.encode_body(out);
    }

    /// Writes the tag as it stands in lists.
    pub fn encode_body(&self, out: &mut impl BufMut) {
        let region_high = (self.region_version >> 32) as u16;
        out.put_u16(self.flags());
        out.put_u16(self.bits);
        out.put_i8(self.distributed_system_id);
        match u16::try_from(self.entry_version) {
            Ok(version) => out.put_u16(version),
            Err(_) => out.put_u32(self.entry_version),
        }
        if region_high != 0 {
            out.put_u16(region_high);
        }
        out.put_u32(self.region_version as u32);
        put_unsigned_vl(out, self.timestamp_ms);
        if let Some(member) = self.member {
            out.put_slice(member);
        }
        if let PreviousMember::Other(member) = self.previous_member {
            out.put_slice(member);
        }
    }

    /// Writes the tag as a part.
    pub(crate) fn write<B: Buffer>(&self, writer: &mut MessageWriter<'_, B>) {
        writer.object_with(|out| self.encode_object(out));
    }

    fn flags(&self) -> u16 {
        let mut flags = 0;
        if self.member.is_some() {
            flags |= HAS_MEMBER;
        }
        if self.entry_version <= u32::from(u16::MAX) {
            flags |= SHORT_ENTRY_VERSION;
        }
        if (self.region_version >> 32) as u16 != 0 {
            flags |= LONG_REGION_VERSION;
        }
        flags
            | match self.previous_member {
                PreviousMember::Unknown => 0,
                PreviousMember::Same => HAS_PREVIOUS_MEMBER | PREVIOUS_IS_MEMBER,
                PreviousMember::Other(_) => HAS_PREVIOUS_MEMBER,
            }
    }
}

/// Appends a number of variable length: seven bits a byte, low group first.
pub(crate) fn put_unsigned_vl(out: &mut impl BufMut, mut value: u64) {
    while value > 0x7f {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn check_id(found: i64, wanted: i64) -> Result<(), DecodeError> {
    if found == wanted { Ok(()) } else { Err(DecodeError::Invalid { field: "version tag id", value: found }) }
}

/// Cuts a member off: essential member bytes carry no length of their own and have to be walked.
fn member<'a>(reader: &mut Reader<'a>, persistent: bool) -> Result<&'a [u8], DecodeError> {
    if persistent {
        return reader.bytes(16, "disk store id");
    }
    let start = reader.rest();
    reader.byte_array("member address")?;
    reader.i32("member port")?;
    reader.u8("member flags")?;
    reader.u8("member kind")?;
    skip_string(reader, "member tag")?;
    skip_string(reader, "member name")?;
    Ok(start.get(..start.len() - reader.remaining()).unwrap_or_default())
}

fn skip_string(reader: &mut Reader<'_>, field: &'static str) -> Result<(), DecodeError> {
    let size = match reader.u8(field)? {
        0x29 | 0x45 => 0,
        0x2a | 0x57 => usize::from(reader.u16(field)?),
        0x58 => reader.length(usize::MAX, field)?,
        0x59 => reader.length(usize::MAX / 2, field)? * 2,
        code => return Err(DecodeError::UnknownCode { code }),
    };
    reader.bytes(size, field).map(|_| ())
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The essential member bytes of a real server.
    pub(crate) const MEMBER: &[u8] = &[
        0x04, 0x7f, 0, 0, 1, 0, 0, 0xa0, 0x2a, 7, 0x0a, 0x57, 0, 1, 0x30, 0x57, 0, 4, 0x73, 0x72, 0x76, 0x31,
    ];

    /// Any tag that Geode could send.
    pub(crate) fn any_tag() -> impl Strategy<Value = VersionTag<'static>> {
        let numbers = (any::<u16>(), any::<i8>(), any::<u32>(), 0_u32..32, 0..1_u64 << 48, any::<u64>());
        (any::<bool>(), numbers, any::<bool>(), 0..3).prop_map(
            |(persistent, numbers, has_member, previous)| {
                let id = if persistent { &MEMBER[..16] } else { MEMBER };
                let (bits, distributed_system_id, entry_version, shift, region_version, timestamp_ms) =
                    numbers;
                VersionTag {
                    persistent,
                    bits,
                    distributed_system_id,
                    entry_version: entry_version >> shift,
                    region_version,
                    timestamp_ms,
                    member: has_member.then_some(id),
                    previous_member: match previous {
                        0 => PreviousMember::Unknown,
                        1 => PreviousMember::Same,
                        _ => PreviousMember::Other(id),
                    },
                }
            },
        )
    }

    #[test]
    fn the_sample_of_a_real_server() {
        let bytes = [0x01, 0x88, 0, 4, 0, 0, 0xff, 0, 1, 0, 0, 0, 1, 0xb9, 0xe3, 0xfe, 0xc4, 0xa0, 0x34];
        let tag = VersionTag::decode_object(&bytes).unwrap();
        assert_eq!(tag, VersionTag::new(1, 1, tag.timestamp_ms));
        assert!(tag.timestamp_ms > 1_700_000_000_000, "{}", tag.timestamp_ms);
        let mut out = Vec::new();
        tag.encode_object(&mut out);
        assert_eq!(out, bytes);
        for end in 0..bytes.len() {
            assert!(VersionTag::decode_object(&bytes[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn other_objects_are_refused() {
        for bytes in [&[0x01, 0x87][..], &[0x02, 0x00, 0x8d], &[0x57, 0, 0], &[]] {
            assert!(VersionTag::decode_object(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(tag in any_tag()) {
            let mut out = Vec::new();
            tag.encode_object(&mut out);
            prop_assert_eq!(VersionTag::decode_object(&out), Ok(tag));
            for end in 0..out.len() {
                prop_assert!(VersionTag::decode_object(&out[..end]).is_err());
            }
        }
    }
}
