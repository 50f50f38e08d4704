//! The types of PDX objects and the enum constants within them, by number.
//!
//! Clients ask once for the number of a type and keep it for good, so numbers must outlive the node as long as any client or
//! any data does: they are made from the content of the type, and stand in a small file.
//!
//! Geode: `PeerTypeRegistration.java`, `TypeRegistry.java`; requests 92 to 98, 101 and 102.

mod file;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use druse_protocol::value::equality::equals;
use druse_protocol::value::pdx::{EnumInfo, PdxFieldType, PdxType, PdxTypes, next_id};
use file::{Kind, RegistryFile};
pub use file::{RegistryFileError, Tail};
use parking_lot::{Mutex, RwLock};

use crate::engine::Outcome;
use crate::query::ClassVersions;
use crate::region::SameObject;

/// How much is taken from clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PdxBounds {
    /// Types and, apart from them, enum constants.
    pub entries: usize,
    /// Bytes of one type.
    pub entry_bytes: usize,
    /// Bytes of all types and constants.
    pub total_bytes: usize,
}

impl Default for PdxBounds {
    /// Applications have hundreds of types; JSON documents make one for each set of fields.
    fn default() -> Self {
        Self { entries: 50_000, entry_bytes: 1 << 20, total_bytes: 64 << 20 }
    }
}

/// Why a type or constant was not registered. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PdxError {
    /// The number chosen by the client stands for something else.
    #[error("pdx id {0} is taken by another type")]
    Conflict(i32),
    /// 0 stands for no type.
    #[error("pdx id 0 cannot be registered")]
    NoId,
    /// A bound is reached.
    #[error("the pdx registry is full")]
    Full,
    /// The file could not be written.
    #[error("the pdx registry could not be saved: {0}")]
    NotSaved(Arc<str>),
}

/// All types and constants that this node knows.
pub struct PdxRegistry {
    bounds: PdxBounds,
    known: RwLock<Known>,
    /// Held while something is registered; `None` if the registry lives in memory only.
    file: Mutex<Option<RegistryFile>>,
    is_saved: bool,
}

#[derive(Default)]
struct Known {
    types: Table<PdxType>,
    enums: Table<EnumInfo>,
    bytes: usize,
}

/// Things by number, and numbers by thing.
struct Table<T> {
    things: HashMap<i32, Entry<T>>,
    ids: HashMap<Arc<T>, i32>,
}

struct Entry<T> {
    thing: Arc<T>,
    /// As clients get it, number included.
    encoded: Bytes,
}

impl PdxRegistry {
    /// A registry that forgets everything at the end.
    #[must_use]
    pub fn in_memory(bounds: PdxBounds) -> Self {
        Self { bounds, known: RwLock::default(), file: Mutex::new(None), is_saved: false }
    }

    /// A registry that is kept in the file at `path`, which is made if there is none. A damaged end of the file is cut off,
    /// kept beside it, and reported.
    ///
    /// # Errors
    ///
    /// See [`RegistryFileError`].
    pub fn open(path: &Path, bounds: PdxBounds) -> Result<(Self, Option<Tail>), RegistryFileError> {
        let mut known = Known::default();
        let (file, tail) = RegistryFile::open(path, |kind, id, encoded| known.load(kind, id, encoded))?;
        let known = RwLock::new(known);
        Ok((Self { bounds, known, file: Mutex::new(Some(file)), is_saved: true }, tail))
    }

    /// The number of a type, which is registered if it is new. New ones wait for the file.
    pub fn id_for_type(self: &Arc<Self>, thing: PdxType) -> Outcome<Result<i32, PdxError>> {
        self.register(thing, None)
    }

    /// The number of an enum constant, which is registered if it is new. New ones wait for the file.
    pub fn id_for_enum(self: &Arc<Self>, thing: EnumInfo) -> Outcome<Result<i32, PdxError>> {
        self.register(thing, None)
    }

    /// Registers a type under a number that the client chose.
    pub fn add_type(self: &Arc<Self>, thing: PdxType, id: i32) -> Outcome<Result<i32, PdxError>> {
        self.register(thing, Some(id))
    }

    /// Registers an enum constant under a number that the client chose.
    pub fn add_enum(self: &Arc<Self>, thing: EnumInfo, id: i32) -> Outcome<Result<i32, PdxError>> {
        self.register(thing, Some(id))
    }

    /// The type of that number as one serialized object.
    #[must_use]
    pub fn type_by_id(&self, id: i32) -> Option<Bytes> {
        self.known.read().types.things.get(&id).map(|entry| entry.encoded.clone())
    }

    /// The enum constant of that number as one serialized object.
    #[must_use]
    pub fn enum_by_id(&self, id: i32) -> Option<Bytes> {
        self.known.read().enums.things.get(&id).map(|entry| entry.encoded.clone())
    }

    /// All types as serialized objects, by rising number.
    #[must_use]
    pub fn types(&self) -> Vec<(i32, Bytes)> {
        self.known.read().types.all()
    }

    /// All enum constants as serialized objects, by rising number.
    #[must_use]
    pub fn enums(&self) -> Vec<(i32, Bytes)> {
        self.known.read().enums.all()
    }

    /// Compares serialized values as Java would, PDX objects by the types known here: for
    /// [`RegionRegistry::new`](crate::region::RegionRegistry::new).
    #[must_use]
    pub fn same_object(self: &Arc<Self>) -> Arc<SameObject> {
        let registry = Arc::clone(self);
        Arc::new(move |one: &[u8], other: &[u8]| equals(one, other, &*registry))
    }

    fn register<T: Registrable>(
        self: &Arc<Self>,
        thing: T,
        id: Option<i32>,
    ) -> Outcome<Result<i32, PdxError>> {
        match self.known.read().settle(&thing, id, self.bounds) {
            Ok(Settled::Known(id)) => return Outcome::Ready(Ok(id)),
            Err(error) => return Outcome::Ready(Err(error)),
            Ok(Settled::New(..)) => {}
        }
        if !self.is_saved {
            return Outcome::Ready(self.save(thing, id));
        }
        let registry = Arc::clone(self);
        // Waits for the disk: some milliseconds, once in the life of a type.
        let saved = tokio::task::spawn_blocking(move || registry.save(thing, id));
        Outcome::Waiting(Box::pin(async move {
            saved.await.unwrap_or_else(|_| Err(PdxError::NotSaved("the task was lost".into())))
        }))
    }

    /// Writes to the file first, so that no client learns a number that a restart would forget.
    fn save<T: Registrable>(&self, thing: T, id: Option<i32>) -> Result<i32, PdxError> {
        let mut file = self.file.lock();
        let (id, encoded) = match self.known.read().settle(&thing, id, self.bounds)? {
            Settled::Known(id) => return Ok(id),
            Settled::New(id, encoded) => (id, encoded),
        };
        if let Some(file) = file.as_mut() {
            let not_saved = |error: std::io::Error| PdxError::NotSaved(error.to_string().into());
            file.append(T::KIND, id, &encoded).map_err(not_saved)?;
        }
        let mut known = self.known.write();
        known.bytes += encoded.len();
        T::table_mut(&mut known).insert(id, thing, encoded);
        Ok(id)
    }
}

impl PdxTypes for PdxRegistry {
    fn pdx_type(&self, id: i32) -> Option<Arc<PdxType>> {
        self.known.read().types.things.get(&id).map(|entry| Arc::clone(&entry.thing))
    }

    fn pdx_enum(&self, id: i32) -> Option<Arc<EnumInfo>> {
        self.known.read().enums.things.get(&id).map(|entry| Arc::clone(&entry.thing))
    }
}

impl ClassVersions for PdxRegistry {
    fn field_of_class(&self, class: &str, field: &str) -> Option<PdxFieldType> {
        let known = self.known.read();
        let mut versions = known.types.things.values().filter(|entry| entry.thing.class_name == class);
        versions.find_map(|entry| entry.thing.field(field).map(|field| field.kind))
    }
}

impl fmt::Debug for PdxRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.read();
        f.debug_struct("PdxRegistry")
            .field("types", &known.types.things.len())
            .field("enums", &known.enums.things.len())
            .field("is_saved", &self.is_saved)
            .finish_non_exhaustive()
    }
}

/// What a registration comes to.
enum Settled {
    Known(i32),
    New(i32, Bytes),
}

impl Known {
    /// Finds the number of `thing`: the one it has, the one that is asked for, or the first free one from its content on.
    fn settle<T: Registrable>(
        &self,
        thing: &T,
        id: Option<i32>,
        bounds: PdxBounds,
    ) -> Result<Settled, PdxError> {
        let table = T::table(self);
        let free = match id {
            Some(0) => return Err(PdxError::NoId),
            Some(id) => match table.things.get(&id) {
                Some(entry) if *entry.thing == *thing => return Ok(Settled::Known(id)),
                Some(_) => return Err(PdxError::Conflict(id)),
                None => id,
            },
            None => match table.ids.get(thing) {
                Some(id) => return Ok(Settled::Known(*id)),
                None => table.free_id(thing.proposed()),
            },
        };
        let encoded = thing.encoded(free);
        let is_full = table.things.len() >= bounds.entries
            || encoded.len() > bounds.entry_bytes
            || self.bytes + encoded.len() > bounds.total_bytes;
        if is_full { Err(PdxError::Full) } else { Ok(Settled::New(free, encoded)) }
    }

    /// Takes an entry of the file; false if it is none.
    fn load(&mut self, kind: Kind, id: i32, encoded: &[u8]) -> bool {
        let fits = match kind {
            Kind::Type => PdxType::decode(encoded)
                .is_ok_and(|thing| self.types.insert(id, thing, encoded.to_vec().into())),
            Kind::Enum => EnumInfo::decode(encoded)
                .is_ok_and(|thing| self.enums.insert(id, thing, encoded.to_vec().into())),
        };
        self.bytes += if fits { encoded.len() } else { 0 };
        fits
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { things: HashMap::new(), ids: HashMap::new() }
    }
}

impl<T: Hash + Eq> Table<T> {
    fn all(&self) -> Vec<(i32, Bytes)> {
        let mut all: Vec<_> = self.things.iter().map(|(id, entry)| (*id, entry.encoded.clone())).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    fn free_id(&self, proposed: i32) -> i32 {
        let mut id = proposed;
        // Ends: there are sixteen million numbers, and far fewer entries.
        while self.things.contains_key(&id) {
            id = next_id(id);
        }
        id
    }

    /// The first number of a thing stays the one that is given out. False if the number is taken.
    fn insert(&mut self, id: i32, thing: T, encoded: Bytes) -> bool {
        let thing = Arc::new(thing);
        if self.things.contains_key(&id) {
            return false;
        }
        self.ids.entry(Arc::clone(&thing)).or_insert(id);
        self.things.insert(id, Entry { thing, encoded });
        true
    }
}

/// A PDX type or an enum constant.
trait Registrable: Hash + Eq + Send + 'static {
    const KIND: Kind;
    fn table(known: &Known) -> &Table<Self>
    where
        Self: Sized;
    fn table_mut(known: &mut Known) -> &mut Table<Self>
    where
        Self: Sized;
    fn proposed(&self) -> i32;
    fn encoded(&self, id: i32) -> Bytes;
}

impl Registrable for PdxType {
    const KIND: Kind = Kind::Type;

    fn table(known: &Known) -> &Table<Self> {
        &known.types
    }

    fn table_mut(known: &mut Known) -> &mut Table<Self> {
        &mut known.types
    }

    fn proposed(&self) -> i32 {
        self.proposed_id(SYSTEM)
    }

    fn encoded(&self, id: i32) -> Bytes {
        let mut out = BytesMut::new();
        Self { id, ..self.clone() }.encode(&mut out);
        out.freeze()
    }
}

impl Registrable for EnumInfo {
    const KIND: Kind = Kind::Enum;

    fn table(known: &Known) -> &Table<Self> {
        &known.enums
    }

    fn table_mut(known: &mut Known) -> &mut Table<Self> {
        &mut known.enums
    }

    fn proposed(&self) -> i32 {
        self.proposed_id(SYSTEM)
    }

    fn encoded(&self, _: i32) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out);
        out.freeze()
    }
}

/// Number of the distributed system, the upper byte of an id: a node that stands alone.
const SYSTEM: u8 = 0;
