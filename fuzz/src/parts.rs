//! Messages as a fuzzer likes them: no lengths of the whole, no counts, so that a change of one byte leaves a message.
//!
//! `type:i32 ( kind:u8 length:u16 bytes )*`, where a length beyond the end means all that is left.

use druse_protocol::codec::{ChunkedHeader, ChunkedWriter, MessageType, MessageWriter, Part, PartKind};

/// Brings a message into that form.
#[must_use]
pub fn pack<'a>(type_number: i32, parts: impl Iterator<Item = Part<'a>>) -> Vec<u8> {
    let mut out = type_number.to_be_bytes().to_vec();
    for part in parts {
        let length = u16::try_from(part.bytes.len()).unwrap_or(u16::MAX);
        out.push(part.kind.to_wire());
        out.extend(length.to_be_bytes());
        out.extend(&part.bytes[..usize::from(length)]);
    }
    out
}

fn unpack(data: &[u8]) -> Option<(MessageType, Vec<Part<'_>>)> {
    let (number, mut rest) = data.split_first_chunk()?;
    let kind = MessageType::from_wire(i32::from_be_bytes(*number))?;
    let mut parts = Vec::new();
    while let [part_kind, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (bytes, after) = after.split_at(length);
        let kind = match part_kind % 3 {
            0 => PartKind::Raw,
            1 => PartKind::Object,
            _ => PartKind::EmptyBytes,
        };
        parts.push(Part { kind, bytes });
        rest = after;
    }
    Some((kind, parts))
}

/// A plain message on the wire, out of that form.
#[must_use]
pub fn message_from(data: &[u8]) -> Option<Vec<u8>> {
    let (kind, parts) = unpack(data)?;
    let mut out = Vec::new();
    let mut writer = MessageWriter::begin(&mut out, kind, -1, 0);
    parts.iter().for_each(|&part| writer.part(part));
    writer.finish(None);
    Some(out)
}

/// A chunked reply of one chunk on the wire, out of that form.
#[must_use]
pub fn chunk_from(data: &[u8]) -> Option<Vec<u8>> {
    let (kind, parts) = unpack(data)?;
    let mut out = Vec::with_capacity(data.len() + ChunkedHeader::SIZE);
    let mut writer = ChunkedWriter::begin(&mut out, kind, i32::try_from(parts.len()).ok()?, -1);
    writer.begin_chunk();
    parts.iter().for_each(|&part| writer.part(part));
    writer.end_chunk(true, None);
    Some(out)
}
