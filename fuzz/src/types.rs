//! A registry with one type under every number: the worst case for whoever follows types.

use std::sync::Arc;

use druse_protocol::value::pdx::{EnumInfo, PdxFieldType, PdxObject, PdxType, PdxTypes};

/// The registry.
pub(crate) struct Types(Option<Arc<PdxType>>);

impl Types {
    /// Takes the type, if it is one.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let pdx_type = PdxType::decode(bytes).ok();
        if let Some(pdx_type) = &pdx_type {
            let mut out = Vec::new();
            pdx_type.encode(&mut out);
            let again = PdxType::decode(&out);
            assert_eq!(again.as_ref(), Ok(pdx_type));
            assert_eq!(again.map(|again| again.proposed_id(7)), Ok(pdx_type.proposed_id(7)));
        }
        Self(pdx_type.map(Arc::new))
    }

    /// What the field of that name of the one type holds.
    pub(crate) fn field(&self, name: &str) -> Option<PdxFieldType> {
        self.0.as_ref()?.field(name).map(|field| field.kind)
    }

    /// Reads every field of the object, if it is one.
    pub(crate) fn read_fields(&self, object: &[u8]) {
        let (Some(pdx_type), Ok(Some(object))) = (&self.0, PdxObject::decode(object)) else { return };
        for field in pdx_type.fields.iter().take(16) {
            if object.value(pdx_type, field).is_ok() {
                assert!(object.field_bytes(pdx_type, field).is_ok());
            }
        }
    }
}

impl PdxTypes for Types {
    fn pdx_type(&self, _: i32) -> Option<Arc<PdxType>> {
        self.0.clone()
    }

    fn pdx_enum(&self, id: i32) -> Option<Arc<EnumInfo>> {
        let info = EnumInfo { class_name: "E".into(), constant: "C".into(), ordinal: id };
        (id % 2 == 0).then(|| Arc::new(info))
    }
}
