//! Every kind of stream that this crate writes: what a rebuilding goes through.

use crate::issuer::{AccountRecord, ClientRecord, CodeRecord, LoginRecord};
use crate::keys::KeyRecord;
use crate::logout::{DeliveryRecord, PlaceRecord};
use crate::session::{ClientCut, Session, SubjectCut};
use crate::store::Projection;

/// All of them.
pub const ALL: [Projection; 10] = [
    Projection::of::<KeyRecord>(),
    Projection::of::<Session>(),
    Projection::of::<SubjectCut>(),
    Projection::of::<ClientCut>(),
    Projection::of::<ClientRecord>(),
    Projection::of::<AccountRecord>(),
    Projection::of::<CodeRecord>(),
    Projection::of::<LoginRecord>(),
    Projection::of::<PlaceRecord>(),
    Projection::of::<DeliveryRecord>(),
];
