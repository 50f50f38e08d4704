//! Keys and values: Geode's `DataSerializer` encodings.
//!
//! A node keeps values as the bytes they came in. This module is for those who have to look: at a key, to index it; past an
//! object, to find the next one; at two values, to compare them; at a field of a PDX object, in a query; and at everything,
//! in clients and tools.
//!
//! | module | job | makes of it |
//! |---|---|---|
//! | [`skip`] | get past an object | its length |
//! | [`key`] | index by a key | bytes that are equal for equal keys |
//! | [`equality`] | compare and set | yes or no |
//! | [`pdx`] | PDX types, objects and single fields | [`pdx::PdxType`], a field's bytes |
//! | [`Value`] | see and build whole values | a tree |
//! | [`typed`] | Rust types as values | `String`, `i32`, `Vec<T>`, ... |
//! | [`java_stream`] | what Java serialized by itself | its objects |

mod class_name;
mod code;
mod decode;
mod display;
mod encode;
pub mod equality;
mod fixed;
pub mod java_stream;
pub mod key;
pub mod pdx;
pub mod skip;
mod string;
#[cfg(test)]
mod tests;
pub mod typed;

use std::net::IpAddr;

pub use class_name::{ClassName, JavaClass};
pub use code::DsCode;
pub use encode::{put_array_length, put_byte_array};
pub use skip::{object_length, skip_object, take_object};
pub use string::{JavaString, StrRef, put_optional, put_str};

/// How deep objects may nest. Lists of maps of lists stay below ten; JSON documents travel as PDX, whose inner objects have
/// a length and are stepped over. Decoding costs some hundred bytes of stack a level, on tasks that have 2 MiB.
pub const MAX_DEPTH: usize = 128;

/// A value, whole and owned: for clients, tools and tests. A node leaves values serialized.
///
/// [`Value::decode`] and [`Value::encode`] are each other's inverse for everything that a Geode client writes. What is lost:
/// null arrays and collections become [`Value::Null`], as Java reads them; strings and numbers come out in the form that
/// Java writes. Equality is that of the Rust data; for Java's, see [`equality`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// No object.
    Null,
    /// `Boolean`.
    Boolean(bool),
    /// `Character`, a UTF-16 unit.
    Character(u16),
    /// `Byte`.
    Byte(i8),
    /// `Short`.
    Short(i16),
    /// `Integer`.
    Integer(i32),
    /// `Long`.
    Long(i64),
    /// `Float`.
    Float(f32),
    /// `Double`.
    Double(f64),
    /// `String`.
    String(JavaString),
    /// `java.util.Date`, milliseconds since the epoch. Java reads -1 as null.
    Date(i64),
    /// `java.sql.Timestamp`, milliseconds since the epoch.
    Timestamp(i64),
    /// `java.util.UUID`, most significant byte first.
    Uuid([u8; 16]),
    /// `java.math.BigInteger`, two's complement, most significant byte first.
    BigInteger(Vec<u8>),
    /// `java.math.BigDecimal`, as its `toString` writes it.
    BigDecimal(JavaString),
    /// `java.net.InetAddress`.
    InetAddress(IpAddr),
    /// `java.io.File`, its path.
    File(JavaString),
    /// `java.util.concurrent.TimeUnit`, seconds and finer.
    TimeUnit(TimeUnit),
    /// `java.lang.Class`.
    Class(JavaClass),
    /// `boolean[]`.
    Booleans(Vec<bool>),
    /// `char[]`.
    Characters(Vec<u16>),
    /// `byte[]`. As the value of an entry it travels bare, without code: see [`typed`].
    Bytes(Vec<u8>),
    /// `short[]`.
    Shorts(Vec<i16>),
    /// `int[]`.
    Integers(Vec<i32>),
    /// `long[]`.
    Longs(Vec<i64>),
    /// `float[]`.
    Floats(Vec<f32>),
    /// `double[]`.
    Doubles(Vec<f64>),
    /// `String[]`.
    Strings(Vec<Option<JavaString>>),
    /// `byte[][]`.
    ByteArrays(Vec<Option<Vec<u8>>>),
    /// Any other array.
    Objects {
        /// The class of the elements.
        component: JavaClass,
        /// The elements.
        elements: Vec<Value>,
    },
    /// A list.
    List(ListKind, Vec<Value>),
    /// A set in the order of its writer.
    Set(SetKind, Vec<Value>),
    /// A map in the order of its writer.
    Map(MapKind, Vec<(Value, Value)>),
    /// `java.util.TreeSet`.
    TreeSet {
        /// Null, unless the user brought one.
        comparator: Box<Value>,
        /// The elements in order.
        elements: Vec<Value>,
    },
    /// `java.util.TreeMap`.
    TreeMap {
        /// Null, unless the user brought one.
        comparator: Box<Value>,
        /// The entries in order.
        entries: Vec<(Value, Value)>,
    },
    /// An enum constant.
    Enum {
        /// Whether its class is one of Geode's own.
        geode: bool,
        /// The class.
        class: JavaString,
        /// The constant's name.
        constant: JavaString,
        /// The constant's place in its class; Geode leaves it out for its own classes, which is 0 here.
        ordinal: u32,
    },
    /// An enum constant by its registration, as PDX objects hold it.
    PdxEnum {
        /// The distributed system that registered it.
        system: u8,
        /// The lower 24 bits of the registration.
        id: u32,
    },
    /// A PDX object: its fields make sense only together with its type, see [`pdx`].
    Pdx {
        /// The type's registration.
        type_id: i32,
        /// The fields and the table of their positions.
        data: Vec<u8>,
    },
    /// Something that Java serialized by itself.
    Java {
        /// The name of its class, empty if the stream does not say.
        class: String,
        /// The stream.
        stream: Vec<u8>,
    },
    /// One of Geode's own objects, undecoded: the bytes with code and id.
    Geode(Vec<u8>),
    /// An object that only its user's class can read: the bytes with code. Only ever the outermost object, since nothing
    /// says where it ends.
    Opaque(Vec<u8>),
    /// `*`.
    Wildcard,
}

/// The classes of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "Java's classes, by their names")]
pub enum ListKind {
    ArrayList,
    LinkedList,
    Vector,
    Stack,
}

/// The classes of sets without order of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "Java's classes, by their names")]
pub enum SetKind {
    HashSet,
    LinkedHashSet,
}

/// The classes of maps without order of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "Java's classes, by their names")]
pub enum MapKind {
    HashMap,
    Hashtable,
    IdentityHashMap,
    ConcurrentHashMap,
    Properties,
}

/// `java.util.concurrent.TimeUnit`, as far as it has a code; the others travel as enum constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "Java's constants, by their names")]
pub enum TimeUnit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
}

impl TimeUnit {
    const fn to_wire(self) -> i8 {
        match self {
            Self::Nanoseconds => -1,
            Self::Microseconds => -2,
            Self::Milliseconds => -3,
            Self::Seconds => -4,
        }
    }

    const fn from_wire(number: i8) -> Option<Self> {
        match number {
            -1 => Some(Self::Nanoseconds),
            -2 => Some(Self::Microseconds),
            -3 => Some(Self::Milliseconds),
            -4 => Some(Self::Seconds),
            _ => None,
        }
    }
}

macro_rules! kinds {
    ($kind:ident: $($name:ident),*) => {
        impl $kind {
            const fn code(self) -> DsCode {
                match self {
                    $(Self::$name => DsCode::$name,)*
                }
            }
        }
    };
}

kinds!(ListKind: ArrayList, LinkedList, Vector, Stack);
kinds!(SetKind: HashSet, LinkedHashSet);
kinds!(MapKind: HashMap, Hashtable, IdentityHashMap, ConcurrentHashMap, Properties);

/// A length on the wire. Buffers are bounded by far less than 2 GiB.
fn length_i32(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}
