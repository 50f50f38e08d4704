//! PDX types, looked up once for many rows.

use std::cell::RefCell;
use std::sync::Arc;

use druse_protocol::value::pdx::{EnumInfo, PdxFieldType, PdxType, PdxTypes};

/// How many fields that objects lack are remembered. A query names few fields, and regions hold few versions of a class.
const MAX_LACKING: usize = 256;

/// A registry of PDX types that knows all versions of a class.
pub trait ClassVersions: PdxTypes {
    /// What the field of that name holds in any version of the class; `None` if none has it.
    fn field_of_class(&self, class: &str, field: &str) -> Option<PdxFieldType>;
}

/// Knows no type.
impl ClassVersions for () {
    fn field_of_class(&self, _: &str, _: &str) -> Option<PdxFieldType> {
        None
    }
}

/// A registry with the types that were met kept at hand: for one query or one change.
pub(super) struct Types<'t> {
    registry: &'t dyn ClassVersions,
    known: RefCell<Vec<(i32, Option<Arc<PdxType>>)>>,
    lacking: RefCell<Vec<Lacking>>,
}

/// A field that a type has not, and what it holds in other versions of the class.
struct Lacking {
    type_id: i32,
    field: Box<str>,
    kind: Option<PdxFieldType>,
}

impl<'t> Types<'t> {
    pub(super) fn new(registry: &'t dyn ClassVersions) -> Self {
        Self { registry, known: RefCell::default(), lacking: RefCell::default() }
    }

    /// What a field holds that an object of that type lacks, in other versions of its class.
    pub(super) fn other_version(&self, type_id: i32, class: &str, field: &str) -> Option<PdxFieldType> {
        let mut lacking = self.lacking.borrow_mut();
        if let Some(known) = lacking.iter().find(|known| known.type_id == type_id && *known.field == *field) {
            return known.kind;
        }
        let kind = self.registry.field_of_class(class, field);
        if lacking.len() < MAX_LACKING {
            lacking.push(Lacking { type_id, field: field.into(), kind });
        }
        kind
    }
}

impl PdxTypes for Types<'_> {
    fn pdx_type(&self, id: i32) -> Option<Arc<PdxType>> {
        let mut known = self.known.borrow_mut();
        if let Some((_, found)) = known.iter().find(|(known, _)| *known == id) {
            return found.clone();
        }
        let found = self.registry.pdx_type(id);
        // As many as there are versions of classes in one region; more than a few are not worth a search.
        if known.len() < 64 {
            known.push((id, found.clone()));
        }
        found
    }

    fn pdx_enum(&self, id: i32) -> Option<Arc<EnumInfo>> {
        self.registry.pdx_enum(id)
    }
}
