//! PDX: objects that describe themselves, through a type that is registered once.
//!
//! An object carries its fields and the number of its [`PdxType`]; the type says where each field is. So a node can read one
//! field of one object without knowing the class, and hand out the type to clients that have never seen it (Geode
//! `PdxType`, `PdxField`, `EnumInfo`).

mod object;
mod types;
mod writer;

#[cfg(test)]
mod tests;

pub use object::PdxObject;
pub use types::{EnumInfo, PdxField, PdxFieldType, PdxType, next_id};
pub use writer::{FieldMismatch, PdxWriter};

use std::sync::Arc;

/// Where types and enum constants are looked up by number.
pub trait PdxTypes {
    /// The type of that number.
    fn pdx_type(&self, id: i32) -> Option<Arc<PdxType>>;
    /// The enum constant of that number, the distributed system in the upper byte.
    fn pdx_enum(&self, id: i32) -> Option<Arc<EnumInfo>>;
}

/// Knows no type: then PDX objects are equal only byte by byte.
impl PdxTypes for () {
    fn pdx_type(&self, _: i32) -> Option<Arc<PdxType>> {
        None
    }

    fn pdx_enum(&self, _: i32) -> Option<Arc<EnumInfo>> {
        None
    }
}
