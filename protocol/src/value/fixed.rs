//! Objects of Geode's own classes: how long they are.
//!
//! Known by a fixed id (`DataSerializableFixedID`) or, one of them, by class name. Only those are here that pass between
//! clients and servers and whose layout does not depend on the version of the stream around them; any other is opaque.

use super::skip::{self, object, object_array, repeat, string};
use super::{ClassName, DsCode, StrRef};
use crate::codec::Reader;
use crate::error::DecodeError;

type Result<T> = std::result::Result<T, DecodeError>;

const FIELD: &str = "fixed id object";

/// The class name of a PDX type, which is written by name although it is Geode's own.
pub(super) const PDX_TYPE_CLASS: &str = "org.apache.geode.pdx.internal.PdxType";

/// The ids of objects that this module knows (`DataSerializableFixedID`).
mod id {
    pub(super) const CLIENT_HEALTH_STATS: i32 = -126;
    pub(super) const VERSION_TAG: i32 = -120;
    pub(super) const COLLECTION_TYPE: i32 = -59;
    pub(super) const MAP_TYPE: i32 = -55;
    pub(super) const STRUCT_TYPE: i32 = -60;
    pub(super) const OBJECT_TYPE: i32 = -61;
    pub(super) const VERSIONED_OBJECT_LIST: i32 = 7;
    pub(super) const ENUM_INFO: i32 = 9;
    pub(super) const OBJECT_PART_LIST: i32 = 25;
    pub(super) const UNDEFINED: i32 = 31;
    pub(super) const STRUCT: i32 = 32;
    pub(super) const EVENT_ID: i32 = 36;
    pub(super) const CLIENT_MEMBER: i32 = 38;
    pub(super) const MEMBER: i32 = 92;
    pub(super) const TOKEN_INVALID: i32 = 141;
    pub(super) const TOKEN_REMOVED_2: i32 = 145;
    pub(super) const TOKEN_TOMBSTONE: i32 = 149;
    pub(super) const DISK_VERSION_TAG: i32 = 2131;
}

/// Moves behind the body of an object with a fixed id.
pub(super) fn skip(code: DsCode, id: i32, reader: &mut Reader<'_>, depth: usize) -> Result<()> {
    match id {
        id::UNDEFINED | id::TOKEN_TOMBSTONE | id::TOKEN_INVALID..=id::TOKEN_REMOVED_2 => Ok(()),
        id::ENUM_INFO => enum_info(reader),
        id::EVENT_ID => event_id(reader),
        id::CLIENT_MEMBER => bytes(reader, 4, true),
        id::MEMBER => member(reader),
        id::CLIENT_HEALTH_STATS => health_stats(reader, depth),
        id::VERSION_TAG => version_tag(reader, false),
        id::DISK_VERSION_TAG => version_tag(reader, true),
        id::OBJECT_TYPE => skip::class(reader),
        id::COLLECTION_TYPE => skip::class(reader).and_then(|()| object(reader, depth)),
        id::MAP_TYPE => {
            skip::class(reader)?;
            object(reader, depth)?;
            object(reader, depth)
        }
        id::STRUCT_TYPE => {
            skip::class(reader)?;
            repeat(reader, string)?;
            object_array(reader, depth)
        }
        id::STRUCT => object(reader, depth).and_then(|()| object_array(reader, depth)),
        id::OBJECT_PART_LIST => object_part_list(reader, depth),
        id::VERSIONED_OBJECT_LIST => versioned_object_list(reader, depth),
        _ => Err(DecodeError::Opaque { code: code.to_wire() }),
    }
}

/// Moves behind a class reference and the body of an object of that class.
pub(super) fn skip_named(reader: &mut Reader<'_>) -> Result<()> {
    match ClassName::read(reader)? {
        ClassName::Named(StrRef::Latin1(name)) if name == PDX_TYPE_CLASS.as_bytes() => pdx_type(reader),
        _ => Err(DecodeError::Opaque { code: DsCode::DataSerializable.to_wire() }),
    }
}

/// A byte array, if there is one in front, and `count` bytes.
fn bytes(reader: &mut Reader<'_>, count: usize, array_in_front: bool) -> Result<()> {
    if array_in_front {
        reader.byte_array(FIELD)?;
    }
    reader.bytes(count, FIELD).map(drop)
}

/// Class, constant, ordinal.
fn enum_info(reader: &mut Reader<'_>) -> Result<()> {
    skip::strings(reader, 2)?;
    bytes(reader, 4, false)
}

/// Membership, thread and sequence, bucket, breadcrumb.
fn event_id(reader: &mut Reader<'_>) -> Result<()> {
    reader.byte_array(FIELD)?;
    bytes(reader, 5, true)
}

/// Seven counters of various sizes, a time, and what each pool says.
fn health_stats(reader: &mut Reader<'_>, depth: usize) -> Result<()> {
    bytes(reader, 3 * 8 + 3 * 4 + 2 * 8, false)?;
    repeat(reader, |reader| object(reader, depth).and_then(|()| object(reader, depth)))
}

/// A member's whole identity (`MemberIdentifierImpl.toData`).
fn member(reader: &mut Reader<'_>) -> Result<()> {
    const VERSION_PRESENT: u8 = 0x08;
    const FIRST_WITH_UUID: i16 = 45;
    bytes(reader, 4, true)?;
    string(reader)?;
    let flags = reader.u8(FIELD)?;
    bytes(reader, 4 + 4 + 1, false)?;
    repeat(reader, string)?;
    skip::strings(reader, 3)?;
    bytes(reader, 4, false)?;
    let version = if flags & VERSION_PRESENT == 0 {
        // Java takes the version of the stream, which is always a current one here.
        i16::MAX
    } else {
        match reader.i8(FIELD)? {
            -1 => reader.i16(FIELD)?,
            short => i16::from(short),
        }
    };
    if version >= FIRST_WITH_UUID { bytes(reader, 8 + 8 + 1, false) } else { Ok(()) }
}

/// A version tag's body (`VersionTag.toData`); a disk version names members by 16 bytes.
fn version_tag(reader: &mut Reader<'_>, on_disk: bool) -> Result<()> {
    const MEMBER: u16 = 0x01;
    const PREVIOUS_MEMBER: u16 = 0x02;
    const SHORT_VERSION: u16 = 0x04;
    const SAME_MEMBER: u16 = 0x08;
    const HIGH_VERSION: u16 = 0x10;
    let flags = reader.u16(FIELD)?;
    bytes(reader, 2 + 1, false)?;
    bytes(reader, if flags & SHORT_VERSION != 0 { 2 } else { 4 }, false)?;
    bytes(reader, if flags & HIGH_VERSION != 0 { 6 } else { 4 }, false)?;
    reader.unsigned_vl(FIELD)?;
    let members = usize::from(flags & MEMBER != 0)
        + usize::from(flags & PREVIOUS_MEMBER != 0 && flags & SAME_MEMBER == 0);
    for _ in 0..members {
        if on_disk {
            bytes(reader, 16, false)?;
        } else {
            essential_member(reader)?;
        }
    }
    Ok(())
}

/// A member without what changes: address, port, flags, kind, tag, name.
fn essential_member(reader: &mut Reader<'_>) -> Result<()> {
    bytes(reader, 4 + 1 + 1, true)?;
    skip::strings(reader, 2)
}

fn object_part_list(reader: &mut Reader<'_>, depth: usize) -> Result<()> {
    let has_keys = reader.bool(FIELD)?;
    for _ in 0..reader.length(usize::MAX, FIELD)? {
        if has_keys {
            object(reader, depth)?;
        }
        if reader.bool(FIELD)? {
            reader.byte_array(FIELD)?;
            string(reader)?;
        } else {
            object(reader, depth)?;
        }
    }
    Ok(())
}

fn versioned_object_list(reader: &mut Reader<'_>, depth: usize) -> Result<()> {
    const KEYS: u8 = 0x01;
    const OBJECTS: u8 = 0x02;
    const TAGS: u8 = 0x04;
    const WRAPPED: u8 = 0x10;
    const DISK_TAGS: u8 = 0x20;
    const EXCEPTION: u8 = 2;
    let flags = reader.u8(FIELD)?;
    if flags & KEYS != 0 {
        for _ in 0..reader.unsigned_vl(FIELD)? {
            object(reader, depth)?;
        }
    }
    if flags & OBJECTS != 0 {
        for _ in 0..reader.unsigned_vl(FIELD)? {
            match reader.u8(FIELD)? {
                EXCEPTION => reader.byte_array(FIELD).map(drop).and_then(|()| string(reader))?,
                _ if flags & WRAPPED != 0 => reader.byte_array(FIELD).map(drop)?,
                _ => object(reader, depth)?,
            }
        }
    }
    if flags & TAGS != 0 {
        for _ in 0..reader.unsigned_vl(FIELD)? {
            let kind = reader.u8(FIELD)?;
            if kind != 0 {
                version_tag(reader, flags & DISK_TAGS != 0)?;
            }
            if kind == 3 {
                reader.unsigned_vl(FIELD)?;
            }
        }
    }
    Ok(())
}

/// The body of a PDX type: name, flags, id, size of the offset table, and the fields.
fn pdx_type(reader: &mut Reader<'_>) -> Result<()> {
    string(reader)?;
    bytes(reader, 1 + 4 + 4, false)?;
    repeat(reader, |reader| {
        string(reader)?;
        bytes(reader, 4 + 4, false)?;
        reader.array_length(FIELD)?;
        bytes(reader, 4 + 4 + 1, false)
    })
}
