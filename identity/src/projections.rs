//! Every kind of stream that this crate writes: what a rebuilding goes through.

use crate::keys::KeyRecord;
use crate::session::{ClientCut, Session, SubjectCut};
use crate::store::Projection;

/// All of them.
pub const ALL: [Projection; 4] = [
    Projection::of::<KeyRecord>(),
    Projection::of::<Session>(),
    Projection::of::<SubjectCut>(),
    Projection::of::<ClientCut>(),
];
