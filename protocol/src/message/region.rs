//! The region part: the full path as text, with a leading slash (only Geode's statistics region has none).

use super::parts::PartReader;
use crate::DecodeError;
use crate::codec::PartKind;

/// Takes the region's path. Geode allows letters, digits, `-`, `_` and `.` in names, so that plain UTF-8 loses nothing.
pub(crate) fn decode<'a>(parts: &mut PartReader<'a>) -> Result<&'a str, DecodeError> {
    let part = parts.part("no region")?;
    if part.kind == PartKind::Object {
        return Err(parts.error("the region is no text"));
    }
    match std::str::from_utf8(part.bytes) {
        Ok("") => Err(parts.error("no region")),
        Ok(path) => Ok(path),
        Err(_) => Err(DecodeError::BadText { field: "region" }),
    }
}
